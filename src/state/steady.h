/*
 * The steady clock: microseconds that only ever pass, across restarts of rosterd too. Budgets
 * and approvals are measured on it, since a wall clock that is set would free the one and
 * lengthen the other. In the first state file it begins at the wall clock's time, so that what
 * older versions noted keeps its meaning.
 *
 * Across a boot only the time since that boot is known to have passed, as nobody may trust the
 * wall clock then (and ProtectClock= keeps the service from asking the kernel about it): what
 * was spent before counts longer, never shorter.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct error;
struct state;

struct steady {
    uint64_t offset_usec; /* to be added to the monotonic clock; it may wrap */
    bool new_boot;        /* since it was noted last */
};
int steady_start(struct state *s, struct steady *ret, struct error *e);
uint64_t steady_now_usec(const struct steady *c);
/* Remembers how far it is; within a transaction. A boot goes on from the last such time. */
int steady_note(struct state *s, const struct steady *c, struct error *e);
