/* What is believed of the clock (belief.h). */
#include "config.h"

#include "belief.h"

#include <stdlib.h>
#include <string.h>

#include "causes.h"
#include "company.h"
#include "dates.h"
#include "directory.h"
#include "life.h"
#include "plan.h"
#include "tenant.h"
#include "world.h"

#define SMALL   ((int64_t)SECOND)
#define SURE    (5 * MINUTE)
#define LONGEST DAY
/* The daemon may notice a step a little late. */
#define NOTICED (2 * MINUTE)

static int64_t believed;                                    /* how far it is before the truth */
static uint64_t since_usec, moved_usec, unknown_until_usec; /* 0: no doubt; never */
static uint64_t begun_usec; /* when the daemon may have begun to doubt, last */

static int64_t clock_is_off(void)
{
    uint64_t truth = 1767225600 * SECOND + world.steady_usec - BEGINNING;
    return (int64_t)(world.wall_usec - truth);
}

uint64_t belief_usec(void)
{
    int64_t now = (int64_t)world.steady_usec + believed;
    return now > 0 ? (uint64_t)now : 0;
}

bool belief_is_unknown(void)
{
    return world.steady_usec < unknown_until_usec;
}

static void believe(void)
{
    believed = clock_is_off();
    since_usec = 0;
    moved_usec = world.steady_usec;
    dates_belief_moved();
}

static uint64_t wait_usec(void)
{
    uint64_t wide = (uint64_t)llabs(clock_is_off() - believed),
             wait = wide < LONGEST ? wide : LONGEST;
    return world.clock_is_right && wait > SURE ? SURE : wait;
}

uint64_t belief_doubted_usec(void)
{
    if (belief_is_unknown())
        return 0;
    bool wide = llabs(clock_is_off() - believed) >= (int64_t)(MINUTE + SECOND);
    bool soon = since_usec + wait_usec() < world.steady_usec + MINUTE;
    return wide && !soon ? since_usec : 0;
}

bool belief_moved(uint64_t ago_usec)
{
    bool moves = since_usec && since_usec + wait_usec() <= world.steady_usec;
    return moves || (moved_usec && moved_usec + ago_usec > world.steady_usec);
}

static void by_now(void *userdata, uint64_t since)
{
    (void)userdata;
    if (since != since_usec || !life_running() || world.death)
        return;
    if (since_usec + wait_usec() + NOTICED <= world.steady_usec)
        believe();
    else
        world_at(since_usec + wait_usec() + NOTICED, by_now, NULL, since);
}

static void believe_in_time(void)
{
    uint64_t at = since_usec + wait_usec();
    world_at((at > world.steady_usec ? at : world.steady_usec) + NOTICED, by_now, NULL, since_usec);
}

static void doubt(void)
{
    int64_t step = clock_is_off() - believed;
    begun_usec = world.steady_usec;
    if (step <= SMALL && step >= -SMALL) {
        since_usec = 0;
        return;
    }
    since_usec = world.steady_usec; /* the daemon may be about to start */
    believe_in_time();
}

/* Somebody sets it; or the machine sleeps, for which it looks the same; or what keeps clocks
 * right has found out how far it was off. */
void belief_clock_set(const struct happening *h)
{
    uint64_t step = h->seconds * SECOND;
    bool back = strcmp(h->to, "back") == 0;
    if (strcmp(h->to, "right") == 0) {
        back = clock_is_off() > 0;
        world.wall_usec -= (uint64_t)clock_is_off();
        world.clock_is_right = true;
        seen(POINT_SET_RIGHT);
    } else {
        world.wall_usec += back ? -step : step;
        world.slept_usec += strcmp(h->to, "sleep") == 0 ? step : 0;
        world.clock_is_right = world.clock_is_right && strcmp(h->to, "sleep") == 0;
        seen(back ? POINT_CLOCK_BACK : POINT_CLOCK_FORWARD);
    }
    world.was_turned_back |= back;
    doubt();
    causes_look_in(3 * MINUTE + SECOND);
    if (strcmp(h->to, "sleep") == 0) { /* and the peers do not wait */
        directory_cut();
        tenant_cut();
    }
}

void belief_unknown(void)
{
    unknown_until_usec = world.steady_usec + DAY + HOUR;
    doubt();
}

/* A doubt goes on over starts in one boot, once it is noted. */
void belief_started(void)
{
    bool written = world.noted_usec > begun_usec && world.booted_usec <= begun_usec,
         noted = written && world.noted_usec > begun_usec + NOTICED;
    if (noted && since_usec)
        believe_in_time();
    else if (!noted && (belief_is_unknown() || (since_usec && written)))
        belief_unknown();
    else if (since_usec)
        doubt();
}

void belief_taken(void)
{
    unknown_until_usec = 0;
    if (clock_is_off() != believed)
        believe();
}

void belief_begin(void)
{
    believed = 0;
    since_usec = moved_usec = unknown_until_usec = begun_usec = 0;
}
