/* SHA-256 through libcrypto, the algorithm fetched once. */
#pragma once
#include <stddef.h>

#define DIGEST_TEXT_SIZE 65 /* 64 hexadecimal digits and NUL */

/* Hashes the parts one after the other; each part is a pointer and a size. 0 or -EIO. */
struct digest_part {
    const void *bytes;
    size_t size;
};
int digest_parts(char ret[static DIGEST_TEXT_SIZE], const struct digest_part *parts,
                 size_t n_parts);
/* The same as bytes. */
#define DIGEST_SIZE 32
int digest_raw(unsigned char ret[static DIGEST_SIZE], const struct digest_part *parts,
               size_t n_parts);
int digest_text(char ret[static DIGEST_TEXT_SIZE], const char *text);
