/* The hash table: open addressing with linear probing and removal by shifting back, so that a
 * table which sees creates and deletes all day does not fill with tombstones. */
#include "config.h"

#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text.h"

static unsigned char fold_byte(const struct table *t, char c)
{
    return (unsigned char)(t->fold && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* FNV-1a with a final mix, since the low bits choose the slot. */
static uint64_t key_hash(const struct table *t, const char *key)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *key; key++)
        h = (h ^ fold_byte(t, *key)) * 0x100000001b3u;
    h ^= h >> 32;
    return h * 0x9e3779b97f4a7c15u >> 16;
}

static bool key_equal(const struct table *t, const char *a, const char *b)
{
    return (t->fold ? strcasecmp(a, b) : strcmp(a, b)) == 0;
}

static struct table_slot *slot_find(const struct table *t, const char *key)
{
    if (!t->size)
        return NULL;
    uint64_t hash = key_hash(t, key);
    for (size_t i = hash & (t->size - 1);; i = (i + 1) & (t->size - 1)) {
        struct table_slot *slot = &t->slots[i];
        if (!slot->key)
            return NULL;
        if (slot->hash == hash && key_equal(t, slot->key, key))
            return slot;
    }
}

static void slot_fill(struct table *t, struct table_slot new)
{
    size_t i = new.hash &(t->size - 1);
    while (t->slots[i].key)
        i = (i + 1) & (t->size - 1);
    t->slots[i] = new;
}

void *table_get(const struct table *t, const char *key)
{
    struct table_slot *slot = slot_find(t, key);
    return slot ? slot->value : NULL;
}

void table_put(struct table *t, const char *key, void *value)
{
    if ((t->used + 1) * 2 > t->size) {
        struct table old = *t;
        t->size = old.size ? old.size * 2 : 64;
        t->slots = memory_new(t->size * sizeof(*t->slots));
        for (size_t i = 0; i < old.size; i++)
            if (old.slots[i].key)
                slot_fill(t, old.slots[i]);
        free(old.slots);
    }
    slot_fill(t, (struct table_slot){.key = key, .value = value, .hash = key_hash(t, key)});
    t->used++;
}

void table_remove(struct table *t, const char *key)
{
    struct table_slot *slot = slot_find(t, key);
    if (!slot)
        return;
    size_t mask = t->size - 1, hole = (size_t)(slot - t->slots);
    for (size_t i = (hole + 1) & mask; t->slots[i].key; i = (i + 1) & mask) {
        size_t home = t->slots[i].hash & mask;
        /* What lies between its home and here, with the hole in between, moves into the hole.
         */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole] = (struct table_slot){0};
    t->used--;
}

void table_done(struct table *t)
{
    free(t->slots);
    t->slots = NULL;
    t->size = t->used = 0;
}
