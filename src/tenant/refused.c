/*
 * A tenant that throttles refuses whoever comes: many users once, and serves most of them when
 * they come back. Users whom it always refuses come back and are refused, however many they
 * are. So the first refusal of each user counts, and one that follows another of the same user
 * counts only while nobody was served and others were refused too, or where those who come back
 * are served. A user is read before most writes: that this is answered says nothing of the
 * writes.
 */
#include "config.h"

#include "tenant/refused.h"

#include <stdlib.h>

#define SIZE_FIRST 64 /* powers of two, at most half full */
/* One in so many who come back, and more, is served: that is a tenant that throttles. */
#define REGAINED_SHARE 8

struct refused_one {
    uint64_t who;                                      /* 0: free */
    uint64_t n_served, n_refused, n_again, n_regained; /* of all, when it was refused last */
};

static size_t home_of(const struct refused *r, uint64_t who)
{
    return (size_t)((who * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (r->size - 1);
}

/* Where it is, or would be; there is always a free place. */
static size_t place_of(const struct refused *r, uint64_t who)
{
    size_t i = home_of(r, who);
    while (r->known[i].who && r->known[i].who != who)
        i = (i + 1) & (r->size - 1);
    return i;
}

static struct refused_one *find(struct refused *r, uint64_t who)
{
    if (!who || !r->size)
        return NULL;
    struct refused_one *one = &r->known[place_of(r, who)];
    return one->who ? one : NULL;
}

/* No memory: it stays as it is. */
static void grow(struct refused *r)
{
    struct refused before = *r;
    r->size = before.size ? before.size * 2 : SIZE_FIRST;
    r->known = calloc(r->size, sizeof(*r->known));
    if (!r->known) {
        *r = before;
        return;
    }
    for (size_t i = 0; i < before.size; i++)
        if (before.known[i].who)
            r->known[place_of(r, before.known[i].who)] = before.known[i];
    free(before.known);
}

static void remember(struct refused *r, struct refused_one *one, uint64_t who)
{
    if (!one && r->n_known * 2 >= r->size)
        grow(r);
    if (!one && r->n_known * 2 < r->size) {
        one = &r->known[place_of(r, who)];
        r->n_known++;
    }
    if (one)
        *one = (struct refused_one){.who = who,
                                    .n_served = r->n_served,
                                    .n_refused = r->n_refused,
                                    .n_again = r->n_again,
                                    .n_regained = r->n_regained};
}

/* Whoever stands behind it because of it moves up. */
static void forget(struct refused *r, size_t hole)
{
    size_t mask = r->size - 1;
    for (size_t i = (hole + 1) & mask; r->known[i].who; i = (i + 1) & mask) {
        size_t home = home_of(r, r->known[i].who);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            r->known[hole] = r->known[i];
            hole = i;
        }
    }
    r->known[hole].who = 0;
    r->n_known--;
}

static bool is_throttling(const struct refused *r, const struct refused_one *one)
{
    uint64_t regained = r->n_regained - one->n_regained, again = r->n_again - one->n_again;
    return regained * REGAINED_SHARE > again;
}

bool refused_is_own(struct refused *r, uint64_t who)
{
    struct refused_one *one = find(r, who);
    bool own = one && (r->n_refused == one->n_refused ||
                       (r->n_served > one->n_served && !is_throttling(r, one)));
    r->n_refused++;
    r->n_again += one != NULL;
    if (who)
        remember(r, one, who);
    return own;
}

void refused_served(struct refused *r, uint64_t who)
{
    struct refused_one *one = find(r, who);
    if (one) {
        forget(r, (size_t)(one - r->known));
        r->n_regained++;
    }
    r->n_served++;
}

void refused_done(struct refused *r)
{
    free(r->known);
    *r = (struct refused){0};
}
