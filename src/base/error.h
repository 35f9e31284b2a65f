/*
 * One sentence for a person, on the caller's stack.
 *
 * Functions that can fail return 0, a negative errno value, or a positive answer of their own
 * module; on a negative return the struct error holds a sentence. Whoever knows most writes it,
 * callers may put context in front.
 */
#pragma once
#include <stddef.h>

struct error {
    char message[768];
};

/* Writes the sentence and returns r, so that `return error_set(e, -EINVAL, "…")` reads well.
 * e may be NULL. Bytes that are not printable UTF-8 are made printable. */
int error_set(struct error *e, int r, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the sentence that is there already; returns r. */
int error_wrap(struct error *e, int r, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

int error_out_of_memory(struct error *e);

/* What stands behind an errno of connect() or read(), for whoever can do something about it. */
const char *error_of_network(int number);
