/*
 * Like gzread() of zlib, which says nothing of what stands behind the compressed data. As there,
 * several members follow each other, and a file that gzip did not write is read as it is.
 */
#include "config.h"

#include "audit/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/memory.h"

#define BLOCK     (64 * 1024)
#define GZIP_ONLY (MAX_WBITS + 16)

struct bytes {
    int fd;
    bool compressed, within; /* within: in the middle of a member */
    bool over, cut;
    uint64_t offset, behind;
    z_stream z;
    unsigned char block[BLOCK];
};

struct bytes *bytes_free(struct bytes *b)
{
    if (b && b->compressed)
        (void)inflateEnd(&b->z);
    if (b && b->fd >= 0)
        close(b->fd);
    free(b);
    return NULL;
}

/* As many as there are, at most; less only at the end. */
static ssize_t read_full(struct bytes *b, unsigned char *to, size_t size)
{
    size_t n = 0;

    while (n < size) {
        ssize_t got = read(b->fd, to + n, size - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    b->offset += n;
    return (ssize_t)n;
}

static bool is_magic(const unsigned char *at, size_t n)
{
    return n >= 2 && at[0] == 0x1f && at[1] == 0x8b;
}

int bytes_open(struct bytes **ret, const char *path)
{
    CLEANUP(bytes_freep) struct bytes *b = malloc(sizeof(*b));
    ssize_t n;

    if (!b)
        return -ENOMEM;
    memset(b, 0, offsetof(struct bytes, block));
    b->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (b->fd < 0)
        return -errno;
    n = read_full(b, b->block, sizeof(b->block));
    if (n < 0)
        return (int)n;
    b->z.next_in = b->block;
    b->z.avail_in = (unsigned)n;
    if (is_magic(b->block, (size_t)n)) {
        if (inflateInit2(&b->z, GZIP_ONLY) != Z_OK)
            return -ENOMEM;
        b->compressed = b->within = true;
    }
    *ret = TAKE(b);
    return 0;
}

/* At least two bytes, if there are so many. */
static int fill(struct bytes *b)
{
    ssize_t n;

    if (b->z.avail_in >= 2)
        return 0;
    memmove(b->block, b->z.next_in, b->z.avail_in);
    b->z.next_in = b->block;
    n = read_full(b, b->block + b->z.avail_in, sizeof(b->block) - b->z.avail_in);
    if (n > 0)
        b->z.avail_in += (unsigned)n;
    return n < 0 ? (int)n : 0;
}

static ssize_t read_plain(struct bytes *b, unsigned char *to, size_t size)
{
    size_t n = b->z.avail_in < size ? b->z.avail_in : size;

    if (n == 0)
        return read_full(b, to, size);
    memcpy(to, b->z.next_in, n);
    b->z.next_in += n;
    b->z.avail_in -= (unsigned)n;
    return (ssize_t)n;
}

/* Between two members, or behind the last one. */
static int begin_member(struct bytes *b)
{
    ssize_t n;

    if (is_magic(b->z.next_in, b->z.avail_in)) {
        b->within = true;
        return inflateReset(&b->z) == Z_OK ? 0 : -EBADMSG;
    }
    b->over = true;
    b->behind = b->z.avail_in;
    while ((n = read_full(b, b->block, sizeof(b->block))) > 0)
        b->behind += (uint64_t)n;
    return n < 0 ? (int)n : 0;
}

static int inflate_some(struct bytes *b)
{
    bool none = b->z.avail_in == 0;
    unsigned before = b->z.avail_out;
    int z = inflate(&b->z, Z_NO_FLUSH);

    if (z == Z_STREAM_END)
        b->within = false;
    else if (z == Z_MEM_ERROR)
        return -ENOMEM;
    else if (z != Z_OK && z != Z_BUF_ERROR)
        return -EBADMSG;
    else if (none && b->z.avail_out == before)
        b->over = b->cut = true;
    return 0;
}

ssize_t bytes_read(struct bytes *b, void *to, size_t size)
{
    int r = 0;

    if (!b->compressed)
        return read_plain(b, to, size);
    b->z.next_out = to;
    b->z.avail_out = (unsigned)size;
    while (r == 0 && b->z.avail_out == size && !b->over) {
        r = fill(b);
        if (r == 0)
            r = b->within ? inflate_some(b) : begin_member(b);
    }
    /* What came out before the damage is given first; the damage is met again. */
    return b->z.avail_out < size ? (ssize_t)(size - b->z.avail_out) : r;
}

uint64_t bytes_offset(const struct bytes *b)
{
    return b->offset - b->z.avail_in;
}

bool bytes_are_cut(const struct bytes *b)
{
    return b->cut;
}

uint64_t bytes_behind(const struct bytes *b)
{
    return b->behind;
}
