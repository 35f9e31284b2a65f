/* Reads the last whole line of an audit file from its end, however long it is. It changes
 * nothing, and recognises a file that is none of ours. */
#include "config.h"

#include "audit/tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

#define BLOCK 4096

void tail_done(struct tail *t)
{
    free(t->line);
    *t = (struct tail){0};
}

int tail_read_at(int fd, void *bytes, size_t size, off_t at)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = pread(fd, (char *)bytes + done, size - done, at + (off_t)done);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -EIO;
        if (n > 0)
            done += (size_t)n;
    }
    return 0;
}

/* The place after the last newline before `end`; 0: there is none. */
static int line_start(int fd, off_t end, off_t *ret)
{
    char block[BLOCK];

    while (end > 0) {
        size_t size = end < BLOCK ? (size_t)end : BLOCK;
        const char *newline;
        int r = tail_read_at(fd, block, size, end - (off_t)size);

        if (r < 0)
            return r;
        newline = memrchr(block, '\n', size);
        if (newline) {
            *ret = end - (off_t)size + (newline - block) + 1;
            return 0;
        }
        end -= (off_t)size;
    }
    *ret = 0;
    return 0;
}

static int not_ours(const char *path, struct error *e)
{
    return error_set(e, -EINVAL,
                     "%s does not end in an audit line, so nothing is appended to it: check the "
                     "path of the audit file, or move this file away",
                     path);
}

static int read_last(int fd, const char *path, off_t start, struct tail *t, struct error *e)
{
    size_t size = (size_t)(t->whole_size - 1 - start);
    int r;

    t->line = malloc(size + 1);
    if (!t->line)
        return error_out_of_memory(e);
    r = tail_read_at(fd, t->line, size, start);
    if (r < 0)
        return error_set(e, r, "reading %s: %s", path, strerror(-r));
    t->line[size] = '\0';
    r = line_parse(t->line, size, &t->last);
    if (r < 0)
        return error_set(e, r, "SHA-256 failed");
    return r > 0 ? 0 : not_ours(path, e);
}

/* A file that holds one torn line and no whole one must at least begin like ours. */
static int check_torn(int fd, const char *path, const struct tail *t, struct error *e)
{
    static const char *const heads[] = {"{\"v\":1,\"seq\":", "{\"seq\":"};
    char begin[32] = "";
    size_t size = t->size < (off_t)sizeof(begin) ? (size_t)t->size : sizeof(begin);
    int r = tail_read_at(fd, begin, size, 0);

    if (r < 0)
        return error_set(e, r, "reading %s: %s", path, strerror(-r));
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
        size_t n = strlen(heads[i]);

        if (memcmp(begin, heads[i], n < size ? n : size) == 0)
            return 0;
    }
    return not_ours(path, e);
}

int tail_read(int fd, const char *path, struct tail *ret, struct error *e)
{
    CLEANUP(tail_done) struct tail t = {0};
    struct stat st;
    off_t start = 0;
    int r;

    if (fstat(fd, &st) < 0)
        return error_set(e, -errno, "looking at %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(e, -EINVAL, "the audit file %s is not a regular file", path);
    t.size = st.st_size;
    r = line_start(fd, t.size, &t.whole_size);
    if (r == 0 && t.whole_size > 0)
        r = line_start(fd, t.whole_size - 1, &start);
    if (r < 0)
        return error_set(e, r, "reading %s: %s", path, strerror(-r));
    if (t.whole_size > 0)
        r = read_last(fd, path, start, &t, e);
    else if (t.size > 0)
        r = check_torn(fd, path, &t, e);
    if (r < 0)
        return r;
    *ret = t;
    t = (struct tail){0};
    return 0;
}
