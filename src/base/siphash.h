/* SipHash-2-4 with 128 bits: short and quick, and nobody who does not know the key can choose two
 * texts that share it. */
#pragma once
#include <stddef.h>

#define SIPHASH_SIZE     16
#define SIPHASH_KEY_SIZE 16

void siphash(unsigned char ret[static SIPHASH_SIZE],
             const unsigned char key[static SIPHASH_KEY_SIZE], const void *data, size_t size);
