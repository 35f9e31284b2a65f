/* What rosterctl can do: one table, which the help, the completion and the dispatcher read. */
#pragma once
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "ctl/pager.h"
#include "render/output.h"
#include "render/render.h"

/* The command line. */
struct ctl {
    struct output output;
    bool json, no_pager;
    bool quiet;       /* complains of nothing */
    unsigned seconds; /* how long an answer may take; 0: long */
    struct pager pager;
    const char *socket;      /* --socket; NULL: found by the configuration */
    const char *config_file; /* --config before the verb, or -i; never NULL */
    const char *candidate;   /* plan --config FILE */
    const char *cause, *person, *reason;
    const char *since, *until, *event, *kind,
        *code;                            /* which lines of the audit; kind also of plan */
    const char *rule;                     /* plan */
    const char *role, *team, *skill, *at; /* audit who */
    const char *html, *csv;               /* audit report */
    const char *format, *after;           /* audit export */
    const char *key, *checkpoint, *proof; /* audit verify */
    const char *verb;                     /* its name; NULL: none was given */
    bool summary, all, new, watch, follow, as_case, commands;
    char **arguments; /* behind the verb; NULL-terminated */
    size_t n_arguments;
};

struct ctl_verb {
    const char *name;
    const char *arguments; /* for the help; of several forms each is a line */
    size_t min_arguments, max_arguments;
    int (*run)(struct ctl *c); /* an exit code */
    const char *help;
    const char *exits; /* what exit code 2 means; NULL: not used */
};
extern const struct ctl_verb ctl_verbs[];
extern const size_t ctl_n_verbs;

const struct ctl_verb *ctl_verb_find(const char *name);
const char *ctl_verb_nearest(const char *name);

/* The whole program behind main(): reads the command line, runs the verb, prints. The exit
 * code. */
int ctl_main(int argc, char **argv);

/* Asks the daemon; on success *ret is the answer. Else prints why and returns the exit code. */
int ctl_ask(struct ctl *c, const char *method, json_t *parameters_taken, json_t **ret);
/* Prints the answer as JSON if so asked for, else renders it. */
int ctl_show(struct ctl *c, const json_t *answer,
             int (*render)(struct output *o, const json_t *answer));
/* The first number changes when a program that reads the answers must be changed; docs/schema. */
#define FORMAT_VERSION "1.0"
/* An object with its format_version, as --json promises; flags of json_dumps(). */
int ctl_print_json(struct ctl *c, json_t *object_taken, size_t flags);
/* For answers that are written before they are whole. */
void ctl_page(struct ctl *c);
extern const struct option ctl_options[];
/* complete.c: what may stand for the last of these words. */
void ctl_complete(struct ctl *c, char **words, size_t n_words);

/* To standard error, and with --json as {"error":…,"message":…} on standard output. */
int ctl_complain(struct ctl *c, int exit_code, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The command line is wrong: the same, and where it is explained. Exit code as rosterd's. */
int ctl_misuse(struct ctl *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* verbs-audit.c, verbs-answers.c, verbs-export.c, verbs-check.c, verbs-test.c: what needs no
 * daemon. */
int ctl_audit(struct ctl *c);
int ctl_export(struct ctl *c, const char *const *files, size_t n_files);
int ctl_audit_show(struct ctl *c, const char *const *files, size_t n_files);
int ctl_audit_who(struct ctl *c, const char *const *files, size_t n_files);
struct audit_doubts;
struct audit_filter;
/* As the command line asks; doubts is filled in by who reads. */
struct audit_filter ctl_filter(const struct ctl *c, struct audit_doubts *doubts);
/* Says that the files do not fit together, if so; the exit code. */
int ctl_doubts(const struct ctl *c, const struct audit_doubts *d);
int ctl_check(struct ctl *c);
int ctl_test(struct ctl *c);
