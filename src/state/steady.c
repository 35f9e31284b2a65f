/*
 * The two clocks as one row of meta: the boot in which it was noted, the monotonic clock of that
 * boot, and what the steady clock and the clock of dates said then.
 */
#include "config.h"

#include "state/steady.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "state/state.h"

#define META "steady-clock"

#define SMALL_USEC     ((int64_t)USEC_PER_SEC) /* what a clock is off that is kept right */
#define SURE_USEC      (300 * USEC_PER_SEC)
#define LONGEST_USEC   (24 * 3600 * USEC_PER_SEC)

static int64_t step_of_wall_clock(void)
{
    return (int64_t)(clock_now_usec() - clock_date_usec());
}

int steady_start(struct state *s, struct steady *ret, struct error *e)
{
    CLEANUP(freep) char *text = NULL;
    char boot[CLOCK_BOOT_SIZE], noted_boot[CLOCK_BOOT_SIZE] = "";
    uint64_t monotonic = clock_monotonic_usec(), noted_monotonic = 0, noted = 0, date = 0;
    int r = state_meta_get(s, META, &text, e);

    if (r < 0)
        return r;
    *ret = (struct steady){0};
    int n = r == 0 ? sscanf(text, "%36s %" SCNu64 " %" SCNu64 " %" SCNu64, noted_boot,
                            &noted_monotonic, &noted, &date)
                   : 0;
    if (n < 3) {
        clock_set_steady(clock_now_usec(), clock_now_usec());
        return 0;
    }
    if (n < 4) /* of a version that knew no clock of dates */
        date = clock_now_usec();
    ret->new_boot = strcmp(noted_boot, clock_boot(boot)) != 0 || monotonic < noted_monotonic;
    uint64_t passed = ret->new_boot ? 0 : monotonic - noted_monotonic;
    clock_set_steady(noted + passed, n < 4 ? date : date + passed);
    ret->gap_open = ret->new_boot;
    (void)steady_look(ret);
    return 0;
}

/* The wall clock is right, and how far it is before us is how long the machine was down. */
static void close_gap(struct steady *c)
{
    int64_t gap = step_of_wall_clock();

    c->gap_open = false;
    if (gap > 0)
        clock_set_steady(clock_steady_usec() + (uint64_t)gap, clock_now_usec());
}

bool steady_look(struct steady *c)
{
    uint64_t monotonic = clock_monotonic_usec();
    int64_t step = step_of_wall_clock(), wide = step < 0 ? -step : step;
    bool came = false, sure = (wide > SMALL_USEC || c->gap_open) && clock_is_synchronised();

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
    c->doubt_usec = 0;
    return wide > SMALL_USEC || came;
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

int steady_note(struct state *s, struct error *e)
{
    char text[160], boot[CLOCK_BOOT_SIZE];

    snprintf(text, sizeof(text), "%s %" PRIu64 " %" PRIu64 " %" PRIu64, clock_boot(boot),
             clock_monotonic_usec(), clock_steady_usec(), clock_date_usec());
    return state_meta_set(s, META, text, e);
}
