#include "config.h"

#include "directory/refused.h"

#include "base/clock.h"

#define PAUSE_USEC (60 * 60 * USEC_PER_SEC)

void refused_note(struct refused *r, enum directory_feed_kind kind, bool cut)
{
    r->kinds |= 1u << kind;
    r->cut = r->cut || cut;
    r->at_usec = clock_monotonic_usec();
}

bool refused_has(const struct refused *r, enum directory_feed_kind kind)
{
    return r->kinds & 1u << kind;
}

bool refused_try_again(struct refused *r, const struct directory_options *o)
{
    uint64_t full = o->full_interval_usec, pause = full && full < PAUSE_USEC ? full : PAUSE_USEC;
    if (!r->kinds || r->cut || clock_monotonic_usec() < r->at_usec + pause)
        return false;
    r->kinds = 0;
    return true;
}
