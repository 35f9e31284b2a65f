/* A hash table from text to a pointer. Keys are borrowed: they live in what they point to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
    const char *key; /* NULL: empty */
    void *value;
    uint64_t hash;
};

struct table {
    struct table_slot *slots;
    size_t size, used;
    bool fold; /* keys that differ in ASCII case only are equal */
};

void *table_get(const struct table *t, const char *key);
/* The key must not be in the table yet. */
void table_put(struct table *t, const char *key, void *value);
void table_remove(struct table *t, const char *key);
void table_done(struct table *t);
