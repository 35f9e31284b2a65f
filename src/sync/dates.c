/*
 * Compares how far the wall clock went with how much time really passed.
 */
#include "config.h"

#include "sync/dates.h"

#include "base/clock.h"

#define TOLERANCE_USEC   (60 * USEC_PER_SEC)
#define LONGEST_DOUBT_USEC (24 * 3600 * USEC_PER_SEC)

static void believe(struct dates *d, uint64_t wall_usec, uint64_t steady_usec)
{
    d->wall_usec = wall_usec;
    d->steady_usec = steady_usec;
    d->doubted_usec = 0;
}

void dates_begin(struct dates *d, uint64_t wall_usec, uint64_t steady_usec)
{
    believe(d, wall_usec, steady_usec);
    d->apart_usec = wall_usec - steady_usec;
}

bool dates_stepped(struct dates *d, uint64_t wall_usec, uint64_t steady_usec)
{
    int64_t moved = (int64_t)(wall_usec - steady_usec - d->apart_usec);
    bool stepped = moved > (int64_t)TOLERANCE_USEC || moved < -(int64_t)TOLERANCE_USEC;
    if (stepped)
        d->apart_usec = wall_usec - steady_usec;
    return stepped;
}

uint64_t dates_now_usec(struct dates *d, uint64_t wall_usec, uint64_t steady_usec)
{
    uint64_t expected_usec = d->wall_usec + (steady_usec - d->steady_usec);
    uint64_t ahead = wall_usec > expected_usec ? wall_usec - expected_usec : 0;
    if (ahead <= TOLERANCE_USEC) {
        believe(d, wall_usec, steady_usec);
        return wall_usec;
    }
    if (!d->doubted_usec)
        d->doubted_usec = steady_usec;
    if (steady_usec - d->doubted_usec >=
        (ahead < LONGEST_DOUBT_USEC ? ahead : LONGEST_DOUBT_USEC)) {
        believe(d, wall_usec, steady_usec);
        return wall_usec;
    }
    return expected_usec;
}
