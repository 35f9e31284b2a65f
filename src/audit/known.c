/* A table with open places: nobody is ever taken out. */
#include "config.h"

#include "audit/known.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

#define FIRST 256U /* a power of two */

void known_done(struct known *k)
{
    free(k->slots);
    *k = (struct known){0};
}

static bool hash_of(const char *name, size_t size, uint32_t ret[static 3])
{
    unsigned char hash[DIGEST_SIZE];

    if (digest_raw(hash, &(struct digest_part){name, size}, 1) < 0)
        return false;
    memcpy(ret, hash, 3 * sizeof(*ret));
    return true;
}

/* Theirs, or the open one where they belong; there always is one. */
static struct known_person *find(struct known_person *slots, size_t n_slots, const uint32_t *name)
{
    size_t i = name[0] & (n_slots - 1);

    while (slots[i].used && memcmp(slots[i].name, name, sizeof(slots[i].name)) != 0)
        i = (i + 1) & (n_slots - 1);
    return &slots[i];
}

static bool grow(struct known *k)
{
    size_t n = k->n_slots ? 2 * k->n_slots : FIRST;
    struct known_person *slots = calloc(n, sizeof(*slots));

    if (!slots)
        return false;
    for (size_t i = 0; i < k->n_slots; i++)
        if (k->slots[i].used)
            *find(slots, n, k->slots[i].name) = k->slots[i];
    free(k->slots);
    k->slots = slots;
    k->n_slots = n;
    return true;
}

struct known_person *known_get(const struct known *k, const char *name, size_t size)
{
    uint32_t hash[3];
    struct known_person *p;

    if (k->n == 0 || !hash_of(name, size, hash))
        return NULL;
    p = find(k->slots, k->n_slots, hash);
    return p->used ? p : NULL;
}

struct known_person *known_put(struct known *k, const char *name, size_t size)
{
    uint32_t hash[3];
    struct known_person *p;

    if (!hash_of(name, size, hash) || (4 * (k->n + 1) > 3 * k->n_slots && !grow(k)))
        return NULL;
    p = find(k->slots, k->n_slots, hash);
    if (!p->used) {
        memcpy(p->name, hash, sizeof(p->name));
        p->used = true;
        k->n++;
    }
    return p;
}
