/*
 * What is wrong with a text that a person wrote, and where: found by the configuration and by the
 * mapping, told by both in the same form.
 */
#pragma once

enum problem_level {
    PROBLEM_ERROR = 1,
    PROBLEM_WARNING = 2,
    /* An error too, but not one of the text: this server's schema cannot decide what the filter
     * asks. The ruleset serves all the same, and holds whom it would decide about. */
    PROBLEM_UNDECIDABLE = 3,
};
struct problem {
    enum problem_level level;
    const char *file;      /* NULL or empty: none */
    unsigned line, column; /* 1-based, in characters; 0: none */
    const char *sentence;  /* without control characters */
};
/* The problem is borrowed, with its texts. */
typedef void (*problem_fn)(const struct problem *p, void *userdata);
