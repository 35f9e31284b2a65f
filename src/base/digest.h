/* SHA-256 through libcrypto, the algorithm fetched once. */
#pragma once
#include <stdbool.h>
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
/* The same of what comes piece by piece. end: 0 or -EIO; done also without it, once. */
struct digest_sum {
    struct evp_md_ctx_st *context;
    bool failed;
};
void digest_sum_init(struct digest_sum *s);
void digest_sum_add(struct digest_sum *s, const void *bytes, size_t size);
int digest_sum_end(struct digest_sum *s, char ret[static DIGEST_TEXT_SIZE]);
void digest_sum_done(struct digest_sum *s);
int digest_text(char ret[static DIGEST_TEXT_SIZE], const char *text);
