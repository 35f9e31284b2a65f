/* Dice of random histories: what is thrown follows from the seed alone. One throws at a time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t dice; /* the seed, to begin with */

static inline uint64_t next_random(void) /* splitmix64 */
{
    uint64_t z = (dice += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static inline unsigned below(unsigned n)
{
    return (unsigned)(next_random() % n);
}

static inline bool chance(unsigned percent)
{
    return below(100) < percent;
}

/* Of a program that plays histories: --histories N, --seed N. */
static inline void read_arguments(int argc, char **argv, uint64_t *first_seed, unsigned *n)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seed")) {
            *first_seed = strtoull(argv[i + 1], NULL, 10);
            *n = 1;
        } else if (!strcmp(argv[i], "--histories")) {
            *n = (unsigned)strtoul(argv[i + 1], NULL, 10);
        }
    }
}
