/* After J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF", 2012, and the
 * form with 128 bits of their reference. */
#include "config.h"

#include "base/siphash.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

static uint64_t word(const unsigned char *p)
{
    uint64_t ret;
    memcpy(&ret, p, sizeof(ret));
    return le64toh(ret);
}

static uint64_t turned(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void rounds(uint64_t v[static 4], unsigned n)
{
    for (; n > 0; n--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = turned(v[1], 13) ^ v[0];
        v[3] = turned(v[3], 16) ^ v[2];
        v[0] = turned(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = turned(v[1], 17) ^ v[2];
        v[3] = turned(v[3], 21) ^ v[0];
        v[2] = turned(v[2], 32);
    }
}

static void take(uint64_t v[static 4], uint64_t block)
{
    v[3] ^= block;
    rounds(v, 2);
    v[0] ^= block;
}

static void give(unsigned char *to, const uint64_t v[static 4])
{
    uint64_t half = htole64(v[0] ^ v[1] ^ v[2] ^ v[3]);
    memcpy(to, &half, sizeof(half));
}

void siphash(unsigned char ret[static SIPHASH_SIZE],
             const unsigned char key[static SIPHASH_KEY_SIZE], const void *data, size_t size)
{
    const unsigned char *p = data;
    const uint64_t k0 = word(key), k1 = word(key + 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee,
                     k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    unsigned char last[8] = {0};
    size_t left = size;
    for (; left >= 8; left -= 8, p += 8)
        take(v, word(p));
    if (left)
        memcpy(last, p, left);
    last[7] = (unsigned char)size;
    take(v, word(last));
    v[2] ^= 0xee;
    rounds(v, 4);
    give(ret, v);
    v[1] ^= 0xdd;
    rounds(v, 4);
    give(ret + 8, v);
}
