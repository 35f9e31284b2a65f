/* Collects what is wrong with a configuration instead of stopping at the first error. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/problem.h"

struct mapping_text;

struct problem_sink {
    problem_fn report; /* NULL: nobody is told */
    void *userdata;
    bool failed; /* a PROBLEM_ERROR was among them */
    /* The last column that was asked for: the next one is found from there. */
    const char *text;
    size_t offset;
    unsigned column;
};

/* where may be NULL when no line is to blame. column: 1-based, in characters; 0 = whole value.
 */
void problem_tell(struct problem_sink *p, enum problem_level level,
                  const struct mapping_text *where, unsigned column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* The column, in characters, of the byte at `offset`. The text must not change while one place of
 * it after the other is asked for. */
unsigned problem_column(struct problem_sink *p, const char *text, size_t offset);
