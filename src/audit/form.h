/*
 * The JSON of a line, read as strictly as it is written: no blanks, no key twice in one object, no
 * exponents, and no escape of what needs none. Readers look for texts in lines before they parse
 * them, so a line that says the same in other bytes must not pass for one of ours.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A new reference, or NULL when it is no such object (or there is no memory). */
json_t *form_read(const char *line, size_t size);
/* The same look, but some members of the line itself are not built: at most 32 names, then NULL. */
json_t *form_read_without(const char *line, size_t size, const char *const *names);
/* The same look without building anything. */
bool form_is_ours(const char *line, size_t size);
/* What verification says of a line that is not; of its number. */
#define FORM_FINDING                                                                               \
    "form: line %" PRId64                                                                          \
    " is chained, but spelt as rosterd spells none (a member twice, a needless escape, a number "  \
    "with an exponent, a blank, or no JSON at all); it is not believed"
