/*
 * The two clocks as one row of meta: the boot in which it was noted, the monotonic clock of
 * that boot, what the steady clock and the clock of dates said then, how long it was since the
 * boot, and since when the wall clock is doubted.
 */
#include "config.h"

#include "state/steady.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "state/db.h"
#include "state/state.h"

#define META "steady-clock"

#define SMALL_USEC   ((int64_t)USEC_PER_SEC) /* what a clock is off that is kept right */
#define SURE_USEC    (300 * USEC_PER_SEC)
#define LONGEST_USEC (24 * 3600 * USEC_PER_SEC)

static int64_t step_of_wall_clock(void)
{
    return (int64_t)(clock_now_usec() - clock_date_usec());
}

int steady_start(struct state *s, struct steady *ret, struct error *e)
{
    CLEANUP(freep) char *text = NULL;
    char noted_boot[CLOCK_BOOT_SIZE] = "";
    uint64_t monotonic = clock_monotonic_usec(), noted_monotonic = 0, noted = 0;
    uint64_t date = 0, boot = 0, open = 0, lost = 0, again = 0, doubt = 0;
    int64_t doubted = 0;
    int vouched = 1; /* of a version that did not note it */
    int r = state_meta_get(s, META, &text, e);

    if (r < 0)
        return r;
    *ret = (struct steady){0};
    clock_boot(ret->boot);
    int n = r == 0 ? sscanf(text,
                            "%36s %" SCNu64 " %" SCNu64 " %" SCNu64 " %d %" SCNu64 " %" SCNu64
                            " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64,
                            noted_boot, &noted_monotonic, &noted, &date, &vouched, &boot, &open,
                            &lost, &again, &doubt, &doubted)
                   : 0;
    if (n < 3) {
        clock_set_steady(clock_now_usec(), clock_now_usec());
        ret->vouched = clock_is_synchronised();
        return 0;
    }
    if (n < 4) /* of a version that knew no clock of dates */
        date = clock_now_usec();
    ret->new_boot = strcmp(noted_boot, ret->boot) != 0 || monotonic < noted_monotonic;
    if (n < 6) /* of a version that did not count how long the machine was suspended */
        boot = clock_boot_usec() - (monotonic - noted_monotonic);
    uint64_t passed = ret->new_boot ? 0 : clock_boot_usec() - boot;
    clock_set_steady(noted + passed, n < 4 ? date : date + passed);
    ret->vouched = vouched;
    /* Of two gaps nobody knows which was how long: both count for what was noted before the
     * first. */
    ret->gap_open = open || (ret->new_boot && vouched);
    ret->gap_lost = ret->new_boot && !ret->gap_open;
    ret->boot_usec = open ? open : noted;
    ret->last_boot_usec = ret->new_boot || !open ? noted : again ? again : open;
    ret->lost_usec = ret->gap_lost ? noted : lost;
    if (!ret->new_boot) { /* another start is no reason to doubt for longer */
        ret->doubt_usec = doubt;
        ret->step_usec = doubted;
    }
    /* Else what was noted in between is to be moved, or some may begin or end by what is believed
     * now: the next look does that. */
    if (!open && !ret->doubt_usec)
        (void)steady_look(ret);
    return 0;
}

/* The wall clock is right, and how far it is before us is how long the machine was down. */
static void close_gap(struct steady *c)
{
    int64_t gap = step_of_wall_clock();

    c->gap_open = false;
    if (gap <= 0)
        return;
    c->gap_usec = (uint64_t)gap;
    clock_set_steady(clock_steady_usec() + c->gap_usec, clock_now_usec());
}

bool steady_look(struct steady *c)
{
    uint64_t monotonic =
        clock_monotonic_usec(); /* asleep, a machine does not put its clock right */
    int64_t step = step_of_wall_clock(), wide = step < 0 ? -step : step;
    bool ask = wide > SMALL_USEC || c->gap_open || !c->vouched;
    bool came = false, sure = ask && clock_is_synchronised();

    c->gap_usec = 0;
    if (sure && c->gap_open) {
        close_gap(c);
        came = true;
        step = step_of_wall_clock();
        wide = step < 0 ? -step : step;
    }
    int64_t moved = step - c->step_usec;
    if (wide > SMALL_USEC && (!c->doubt_usec || moved > SMALL_USEC || moved < -SMALL_USEC)) {
        c->doubt_usec = monotonic ? monotonic : 1;
        c->step_usec = step;
    }
    uint64_t wait = (uint64_t)wide < LONGEST_USEC ? (uint64_t)wide : LONGEST_USEC;
    if (sure && wait > SURE_USEC)
        wait = SURE_USEC;
    if (wide > SMALL_USEC && monotonic - c->doubt_usec < wait)
        return came;
    if (step)
        clock_set_steady(clock_steady_usec(), clock_now_usec());
    c->vouched = sure || (c->vouched && wide <= SMALL_USEC);
    if (!c->vouched && c->gap_open) { /* what would measure it follows a clock that may be wrong */
        c->gap_open = false;
        c->gap_lost = true;
        c->lost_usec = c->last_boot_usec;
    }
    c->doubt_usec = 0;
    return wide > SMALL_USEC || came;
}

bool steady_knows_downtime(const struct steady *c)
{
    return !c->gap_open && !c->gap_lost;
}

bool steady_knows_age(const struct steady *c, uint64_t then_usec)
{
    return then_usec > c->lost_usec && (!c->gap_open || then_usec > c->last_boot_usec);
}

bool steady_is_open(const struct steady *c)
{
    int64_t step = step_of_wall_clock();

    return c->gap_open || step > SMALL_USEC || step < -SMALL_USEC;
}

int64_t steady_doubt_usec(const struct steady *c)
{
    return c->doubt_usec ? c->step_usec : 0;
}

int steady_move(struct state *s, uint64_t boot_usec, uint64_t gap_usec, struct error *e)
{
    /* Times at which something was, and those for which something waits since. An operation keeps
     * since when it waits, which is a part of what a person approves. A use of a budget goes
     * by where there are none, since two of them must not meet. */
    static const char *const moves[] = {
        "UPDATE budget_use SET at_usec = -(at_usec + ?2) WHERE at_usec > ?1",
        "UPDATE link SET leaving_usec = leaving_usec + ?2 WHERE leaving_usec > ?1",
        "UPDATE link SET disabled_usec = disabled_usec + ?2 WHERE disabled_usec > ?1",
        "UPDATE operation SET not_before_usec = not_before_usec + ?2 WHERE since_usec > ?1 AND "
        "not_before_usec > ?1",
        "UPDATE operation SET shift_usec = shift_usec + ?2 WHERE shift_usec > ?1",
        "UPDATE operation SET approved_until_usec = approved_until_usec + ?2 WHERE "
        "approved_until_usec > ?1",
        "UPDATE approval SET until_usec = until_usec + ?2 WHERE until_usec > ?1",
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(moves) && r == 0; i++)
        r = db_write(s, moves[i], WITH(as_usec(boot_usec), as_usec(gap_usec)), e);
    return r < 0
               ? r
               : db_write(s, "UPDATE budget_use SET at_usec = -at_usec WHERE at_usec < 0", NULL, e);
}

uint64_t steady_note_age_usec(const struct steady *c)
{
    return clock_monotonic_usec() - c->noted_usec;
}

int steady_note(struct state *s, struct steady *c, struct error *e)
{
    char text[280];

    c->noted_usec = clock_monotonic_usec();
    snprintf(text, sizeof(text),
             "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %" PRIu64 " %" PRIu64 " %" PRIu64
             " %" PRIu64 " %" PRIu64 " %" PRId64,
             c->boot, clock_monotonic_usec(), clock_steady_usec(), clock_date_usec(), c->vouched,
             clock_boot_usec(), c->gap_open ? c->boot_usec : 0, c->lost_usec,
             c->gap_open ? c->last_boot_usec : 0, c->doubt_usec, c->step_usec);
    return state_meta_set(s, META, text, e);
}
