/* Values in the form in which they compare, by matching rule (RFC 4517, RFC 4518). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/schema.h"

struct normal {
    char *data; /* NUL-terminated; may hold NULs for MATCHING_OCTETS */
    size_t size;
};
void normal_done(struct normal *n);

/* Where a part of a substring assertion stands: blanks at its inner ends count. */
enum part_place {
    PART_WHOLE = 1,
    PART_INITIAL = 2,
    PART_ANY = 3,
    PART_FINAL = 4,
    PART_SUBJECT = 5, /* the value that the parts are looked for in */
};

/* Positive answer: the bytes are no value of that kind ("abc" as an integer). */
#define MATCHING_NO_FORM 1
/* Or -ENOMEM. The schema tells how its server prepares text and compares DNs. */
int matching_normalise(struct normal *ret, const struct schema *schema, enum matching matching,
                       enum part_place place, const char *bytes, size_t size);
/* Whether a server that keeps to RFC 4517 takes the bytes for an assertion of such a value. */
bool matching_is_assertion(enum matching matching, const char *bytes, size_t size);
/* Of two normals: below, equal to or above 0. Numbers and times by size, all else by bytes. */
int matching_compare(enum matching matching, const struct normal *a, const struct normal *b);
bool normal_equal(const struct normal *a, const struct normal *b);
int matching_hex_digit(char c); /* -1: it is none */

/* Microseconds since 1970 of a generalizedTime (RFC 4517 3.3.13); -EINVAL. */
int matching_parse_time(const char *text, int64_t *ret_usec);
/* The matching that a rule of an extensible match names, by name or OID, or -1. */
int matching_from_extensible_rule(const char *rule);
/* Names of all such rules, NULL at the end. */
const char *const *matching_extensible_names(void);
