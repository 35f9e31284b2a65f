/*
 * Whom lines told of, by id or by login: 24 bytes each, of the name a hash alone, so that what is
 * remembered of hundreds of thousands of people stays small.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct audit_holder;

struct known_person {
    uint32_t name[3]; /* 96 bits of SHA-256: two people have the same once in a history of Earth */
    bool used, disabled, gone;
    struct audit_holder *holder; /* NULL: nothing else is known */
};
struct known {
    struct known_person *slots;
    size_t n, n_slots;
};
void known_done(struct known *k); /* holders are the caller's */
struct known_person *known_get(const struct known *k, const char *name, size_t size);
/* A new one if need be; NULL: there is no memory. Valid until the next call. */
struct known_person *known_put(struct known *k, const char *name, size_t size);
