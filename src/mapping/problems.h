/* Collects what is wrong with a configuration instead of stopping at the first error. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "mapping/ruleset.h"

struct mapping_text;

struct problems {
    ruleset_problem_fn report;
    void *userdata;
    bool failed; /* a PROBLEM_ERROR was among them */
    /* The last column that was asked for: the next one is found from there. */
    const char *text;
    size_t offset;
    unsigned column;
};

/* where may be NULL when no line is to blame. column: 1-based, in characters; 0 = whole value.
 */
void problems_add(struct problems *p, enum problem_severity severity,
                  const struct mapping_text *where, unsigned column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* The column, in characters, of the byte at `offset`. The text must not change while one place of
 * it after the other is asked for. */
unsigned problems_column(struct problems *p, const char *text, size_t offset);
