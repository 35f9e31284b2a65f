/*
 * Words in the place of words: each word of a text always becomes the same other one, with as
 * many letters, capitals and digits in the same places. So "Ada", "ada" and "ADA" stay one name,
 * and what cuts, joins or changes case of values does the same with the other ones.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disguise_word {
    char *plain, *other; /* in lower case */
    bool active;
    uint64_t kept; /* letters, the first is bit 0, that stay as they are */
};
struct disguise {
    struct disguise_word *words;
    size_t n_words, capacity;
    unsigned seed;
};
void disguise_done(struct disguise *d);
/* Takes the words of a text that are not known yet; they are active. -ENOMEM. */
int disguise_learn(struct disguise *d, const char *text);
/* Malloc'd; NULL when out of memory. */
char *disguise_apply(const struct disguise *d, const char *text);
