/* The bytes of an audit file, uncompressed if gzip compressed it, and what its end is like. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bytes;
/* 0 or -errno. */
int bytes_open(struct bytes **ret, const char *path);
struct bytes *bytes_free(struct bytes *b);
/* How many, 0 at the end, -errno; -EBADMSG: what gzip wrote is damaged from here on. */
ssize_t bytes_read(struct bytes *b, void *to, size_t size);
/* How far it is read, in bytes of the file. */
uint64_t bytes_offset(const struct bytes *b);
/* At the end: the compressed file ends before its end. */
bool bytes_are_cut(const struct bytes *b);
/* At the end: bytes that stand behind all that gzip wrote, which programs pass over. */
uint64_t bytes_behind(const struct bytes *b);

static inline void bytes_freep(struct bytes **b)
{
    if (*b)
        bytes_free(*b);
}
