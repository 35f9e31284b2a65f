/*
 * A tenant that throttles refuses whoever comes: many users once. A user whom it always refuses
 * comes back alone. So the first refusal of each user counts, and one that follows another of
 * the same user counts only while nobody was served and others were refused too. A user is read
 * before most writes: that this is answered says nothing of the writes.
 */
#include "config.h"

#include "tenant/refused.h"

static struct refused_one *find(struct refused *r, uint64_t who)
{
    for (size_t i = 0; i < REFUSED_KNOWN; i++)
        if (who && r->known[i].who == who)
            return &r->known[i];
    return NULL;
}

bool refused_is_own(struct refused *r, uint64_t who)
{
    struct refused_one *one = find(r, who);
    bool own = one && (r->n_served > one->n_served || r->n_refused == one->n_refused);
    r->n_refused++;
    if (!who)
        return false;
    if (!one)
        one = &r->known[r->next++ % REFUSED_KNOWN];
    *one = (struct refused_one){.who = who, .n_served = r->n_served, .n_refused = r->n_refused};
    return own;
}

void refused_served(struct refused *r, uint64_t who)
{
    struct refused_one *one = find(r, who);
    if (one)
        one->who = 0;
    r->n_served++;
}
