/* What random histories in the engine's bed share: the kinds of tenant, and what goes wrong on the
 * way there. */
#pragma once
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
