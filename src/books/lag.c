/* A histogram of delays: what is usual, and what somebody waited for. */
#include "config.h"

#include "books/lag.h"

#include "base/clock.h"

const uint64_t lag_bounds_usec[LAG_BOUNDS] = {
    5 * USEC_PER_MSEC,   10 * USEC_PER_MSEC,  25 * USEC_PER_MSEC,  50 * USEC_PER_MSEC,
    100 * USEC_PER_MSEC, 250 * USEC_PER_MSEC, 500 * USEC_PER_MSEC, 1 * USEC_PER_SEC,
    5 * USEC_PER_SEC,    10 * USEC_PER_SEC,   30 * USEC_PER_SEC,   60 * USEC_PER_SEC,
    300 * USEC_PER_SEC,  3600 * USEC_PER_SEC,
};

void lag_count(struct lag *l, uint64_t usec)
{
    size_t i = 0;

    while (i < LAG_BOUNDS && usec > lag_bounds_usec[i])
        i++;
    l->counts[i]++;
    l->sum_usec += usec;
}
