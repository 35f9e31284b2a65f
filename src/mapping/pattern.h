/*
 * Shell patterns over characters: `*`, `?`, `[a-z]`, `[!a-z]`, `\` before a literal. Matching
 * simulates all alternatives at once, so its time is bounded by the product of the sizes and a
 * hostile value cannot make it explode.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* Longer patterns are refused. */
#define PATTERN_MAX 256

enum pattern_kind { PATTERN_CHARACTER = 1, PATTERN_ANY = 2, PATTERN_STAR = 3, PATTERN_SET = 4 };
struct pattern_range {
    uint32_t from, to;
};
struct pattern_element {
    enum pattern_kind kind;
    uint32_t character;
    bool negated;
    size_t first_range, n_ranges;
};
struct pattern {
    struct pattern_element *elements;
    size_t n_elements, elements_capacity;
    struct pattern_range *ranges;
    size_t n_ranges, ranges_capacity;
    bool *states; /* scratch of pattern_match() */
};
/* -EINVAL with a sentence and the offset of the error, -E2BIG (over PATTERN_MAX), -ENOMEM. */
int pattern_add_glob(struct pattern *p, const char *text, size_t size, size_t *ret_offset,
                     struct error *e);
int pattern_add_literal(struct pattern *p, const char *text, size_t size);
void pattern_done(struct pattern *p);

/* UTF-8 text as characters; offsets has n + 1 elements. The text must be UTF-8. */
struct characters {
    uint32_t *codes;
    size_t *offsets;
    size_t n;
};
int characters_init(struct characters *c, const char *text, size_t size);
void characters_done(struct characters *c);

/* Where a match ends that begins at character `from` (with `backward`: where one begins that
 * ends before `from`). Returns 1 and *ret, or 0: no match, or -ENOMEM. */
int pattern_match(struct pattern *p, const struct characters *text, size_t from, bool backward,
                  bool longest, size_t *ret);
