/*
 * What the steady clock and the clock of dates (base/clock.h) say, remembered across restarts.
 *
 * The steady clock passes as real time does, also while the machine is suspended, and
 * everything that waits is measured on it: a wall clock that is set releases nothing early and
 * delays nothing. In the first state file it begins at the wall clock's time, so that what
 * older versions noted keeps its meaning. Across a boot the time since that boot has passed for
 * certain; that before it counts when the kernel calls its wall clock synchronised, at once or
 * later, and had done so before that boot: else nobody knows how far the clock was off that it
 * is measured by.
 *
 * The clock of dates follows the wall clock. A step of it is believed when as much real time as
 * it is wide has passed and it is still there, at the latest after a day; if the kernel calls
 * the wall clock synchronised, after five minutes; in one boot, however often rosterd is started
 * meanwhile. So nobody's account ends, or begins again, by a clock that is wrong for a while.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct error;
struct state;

struct steady {
    char boot[CLOCK_BOOT_SIZE]; /* in which it was started: a process has one */
    bool new_boot;              /* since it was noted last */
    bool gap_open;              /* how long the machine was down is not known yet */
    bool gap_lost; /* nor will it be, since the wall clock before that boot was nobody's word */
    bool vouched;  /* the kernel has called the clock of dates right since it was set last */
    uint64_t boot_usec;      /* the steady clock at that boot, as long as the gap is open */
    uint64_t last_boot_usec; /* likewise at the last boot since: of two gaps only the sum is told */
    uint64_t
        lost_usec;     /* the steady clock at the last boot of which that is so; 0: there is none */
    uint64_t gap_usec; /* what the last look found out of it; 0: nothing */
    uint64_t doubt_usec; /* monotonic: since when the wall clock is doubted; 0: it is not */
    uint64_t noted_usec; /* monotonic: when they were noted last; 0: not yet */
    int64_t step_usec;   /* by how much it is before the clock of dates */
};
int steady_start(struct state *s, struct steady *ret, struct error *e);
/* Looks at the wall clock; each minute or so. Whether time came to light that had passed. */
bool steady_look(struct steady *c);
/* What was noted since `boot_usec` was so after the gap, which is only known now: it is as old as
 * it was, and what waits since then waits as long. Within a transaction. */
int steady_move(struct state *s, uint64_t boot_usec, uint64_t gap_usec, struct error *e);
/* Whether the wall clock is not followed, or the gap is open. */
bool steady_is_open(const struct steady *c);
/* How long the machine was down before its last boot. */
bool steady_knows_downtime(const struct steady *c);
/* Whether the steady clock tells how long ago this was. */
bool steady_knows_age(const struct steady *c, uint64_t then_usec);
/* How far the wall clock is before the one of dates, while that does not follow; 0: it does. */
int64_t steady_doubt_usec(const struct steady *c);
/* Remembers how far it is; within a transaction. A boot goes on from the last such time. */
int steady_note(struct state *s, struct steady *c, struct error *e);
/* How long ago that was. */
uint64_t steady_note_age_usec(const struct steady *c);
