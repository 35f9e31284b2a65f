/* Exponential back-off with full jitter. Pure but for the random number it is given. */
#pragma once
#include <stdint.h>

/* The wait before attempt number `attempt` (1 = the first repetition): random in [half, whole]
 * of min * 2^(attempt-1), at most max. random: any 64 random bits. */
uint64_t backoff_wait(uint64_t min_usec, uint64_t max_usec, unsigned attempt, uint64_t random);
