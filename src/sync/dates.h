/*
 * The time by which dates fall due: the start of somebody's work, the end of an account. It is the
 * wall clock, unless that was set forward by more than it may be off: then dates wait until as
 * much real time has passed, since a clock that is wrong must neither let anybody in early nor
 * lock anybody out.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct dates {
    uint64_t wall_usec, steady_usec; /* both clocks when they were last believed */
    uint64_t doubted_usec;           /* since when, on the steady clock; 0: they are not */
    uint64_t apart_usec;             /* the clocks, when that was looked at last */
};
void dates_begin(struct dates *d, uint64_t wall_usec, uint64_t steady_usec);
/* Was the wall clock set, in whatever direction, since this was asked last? */
bool dates_stepped(struct dates *d, uint64_t wall_usec, uint64_t steady_usec);
/* The time for dates; never later than the wall clock's. */
uint64_t dates_now_usec(struct dates *d, uint64_t wall_usec, uint64_t steady_usec);
