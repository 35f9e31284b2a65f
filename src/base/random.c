/*
 * The only caller of getrandom(). Numbers that need not be secret come from the clock where the
 * kernel has none yet, early in a boot.
 */
#include "config.h"

#include "base/random.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

static bool is_seeded;
static uint64_t seeded;

static uint64_t next(void) /* splitmix64 */
{
    uint64_t z = (seeded += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static int seeded_bytes(unsigned char *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)next();
    return 0;
}

int random_bytes(void *to, size_t size)
{
    unsigned char *p = to;

    if (is_seeded)
        return seeded_bytes(p, size);
    for (size_t done = 0; done < size;) {
        ssize_t n = getrandom(p + done, size - done, 0);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

uint64_t random_number(void)
{
    uint64_t number;

    if (is_seeded)
        return next();
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) == (ssize_t)sizeof(number))
        return number;
    return clock_monotonic_usec() * 6364136223846793005ULL;
}

void random_seed(uint64_t seed)
{
    is_seeded = seed != 0;
    seeded = seed;
}
