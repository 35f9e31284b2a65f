/*
 * How long to wait before trying again. Knows nothing of what is tried.
 */
#include "config.h"

#include "base/backoff.h"

uint64_t backoff_wait(uint64_t min_usec, uint64_t max_usec, unsigned attempt, uint64_t random)
{
    uint64_t whole = min_usec ? min_usec : 1;
    for (unsigned i = 1; i < attempt && whole < max_usec; i++)
        whole *= 2;
    if (max_usec && whole > max_usec)
        whole = max_usec;
    uint64_t half = whole / 2;
    return half + (half ? random % (half + 1) : 0);
}
