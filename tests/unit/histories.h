/* What random histories in the engine's bed share: the kinds of tenant, what goes wrong on the way
 * there, and their command line. */
#pragma once
#include <string.h>
#include <sys/timex.h>

#include "base/memory.h"
#include "dice.h"
#include "engine-bed.h"

/* The kernel never calls its wall clock right: what real time shows is all there is. */
int adjtimex(struct timex *t)
{
    t->status = STA_UNSYNC;
    return TIME_ERROR;
}

static inline bool coin(void *userdata)
{
    (void)userdata;
    return chance(50);
}

/* Some are slowed down, others get no answer, done or not. */
static inline void lose_some(unsigned percent, enum fake_kind kind, struct fake_fault *ret)
{
    bool write = (kind & FAKE_WRITES) != 0;
    if (!chance(percent))
        return;
    ret->class = chance(25) ? TENANT_THROTTLED : write ? TENANT_UNCLEAR : TENANT_AWAY;
    ret->takes_effect = ret->class == TENANT_UNCLEAR && chance(50);
}

/* Of each kind, with and without a line. */
static inline void some_tenant(struct fake_tenant *t, uint64_t seed)
{
    static const struct parts *const kinds[] = {NULL, &fake_one_part, &fake_groups,
                                                &fake_hidden_groups};
    t->parts = kinds[seed % ARRAY_SIZE(kinds)];
    t->deactivates = t->has_versions = t->parts != NULL;
    t->slots = chance(50) ? 1 + below(3) : 0;
    t->ahead = t->slots ? below(8) : 0;
    t->cancelled_takes_effect = coin;
}

/* --histories N, --seed N */
static inline void read_arguments(int argc, char **argv, uint64_t *first_seed, unsigned *n)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seed")) {
            *first_seed = strtoull(argv[i + 1], NULL, 10);
            *n = 1;
        } else if (!strcmp(argv[i], "--histories")) {
            *n = (unsigned)strtoul(argv[i + 1], NULL, 10);
        }
    }
}
