/*
 * GSSAPI picks the first principal of the client keytab and offers no way through libldap to
 * say another. So, where the configuration names one, its keys alone are copied into a file
 * that exists in memory only. The format is MIT's version 2, which all of them write.
 */
#include "config.h"

#include "directory/keytab.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#define KEYTAB_MAX (1024 * 1024)

static int offered_fd = -1;
static pthread_mutex_t offered_mutex = PTHREAD_MUTEX_INITIALIZER;

struct reader {
    const unsigned char *p, *end;
    bool failed;
};

static uint32_t take_number(struct reader *r, unsigned size)
{
    uint32_t n = 0;
    if (r->end - r->p < (ptrdiff_t)size) {
        r->failed = true;
        return 0;
    }
    for (unsigned i = 0; i < size; i++)
        n = n << 8 | *r->p++;
    return n;
}

static void take_text(struct reader *r, struct buffer *to)
{
    uint32_t size = take_number(r, 2);
    if (r->failed || r->end - r->p < (ptrdiff_t)size || memchr(r->p, '\0', size)) {
        r->failed = true; /* a name that ends early would pass for another one */
        return;
    }
    buffer_add(to, r->p, size);
    r->p += size;
}

/* "host/name@REALM" of one entry; NULL when it is malformed. */
static char *principal_of(const unsigned char *entry, size_t size)
{
    CLEANUP(buffer_done) struct buffer realm = {0};
    CLEANUP(buffer_done) struct buffer name = {0};
    struct reader r = {entry, entry + size, false};
    uint32_t n = take_number(&r, 2);
    take_text(&r, &realm);
    for (uint32_t i = 0; i < n && !r.failed; i++) {
        if (i > 0)
            buffer_add_text(&name, "/");
        take_text(&r, &name);
    }
    buffer_add_text(&name, "@");
    if (realm.data)
        buffer_add(&name, realm.data, realm.size);
    return r.failed ? NULL : buffer_take(&name);
}

static bool is_principal(const char *found, const char *asked)
{
    if (strchr(asked, '@'))
        return strcmp(found, asked) == 0;
    size_t size = strlen(asked);
    return strncmp(found, asked, size) == 0 && found[size] == '@';
}

/* "a@R, b@R": one for each principal, whatever the kinds of its keys. */
static int refuse(const struct string_list *seen, const char *principal, struct error *e)
{
    CLEANUP(buffer_done) struct buffer names = {0};

    for (size_t i = 0; i < seen->n_items; i++)
        buffer_format(&names, "%s%s", i > 0 ? ", " : "", seen->items[i]);
    if (names.failed)
        return error_out_of_memory(e);
    return error_set(e, -ENOENT, "it has no key of %s, only of: %s", principal,
                     names.data ? names.data : "nobody");
}

int keytab_select(const unsigned char *bytes, size_t size, const char *principal,
                  unsigned char **ret, size_t *ret_size, struct error *e)
{
    CLEANUP(string_list_done) struct string_list seen = {0};
    CLEANUP(buffer_done) struct buffer kept = {0};
    struct reader r = {bytes, bytes + size, false};
    if (take_number(&r, 2) != 0x0502)
        return error_set(e, -EBADMSG, "it is not a keytab of version 2");
    buffer_add(&kept, bytes, 2);
    while (r.end - r.p >= 4) {
        int32_t n = (int32_t)take_number(&r, 4);
        size_t length = n < 0 ? (size_t) - (int64_t)n : (size_t)n;
        if (length > (size_t)(r.end - r.p))
            return error_set(e, -EBADMSG, "it is damaged");
        CLEANUP(freep) char *found = n > 0 ? principal_of(r.p, length) : NULL;
        if (n > 0 && !found)
            return error_set(e, -EBADMSG, "it is damaged");
        if (found && string_list_add_once(&seen, found) < 0)
            return error_out_of_memory(e);
        if (found && is_principal(found, principal))
            buffer_add(&kept, r.p - 4, length + 4);
        r.p += length; /* a negative size is a hole */
    }
    if (kept.size == 2)
        return refuse(&seen, principal, e);
    *ret_size = kept.size;
    *ret = (unsigned char *)buffer_take(&kept);
    return *ret ? 0 : error_out_of_memory(e);
}

static int read_file(const char *path, unsigned char **ret, size_t *ret_size, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, -errno, "it cannot be read: %s", strerror(errno));
    unsigned char *bytes = malloc(KEYTAB_MAX);
    size_t size = 0;
    ssize_t n = bytes ? 1 : -1;
    while (n > 0 && size < KEYTAB_MAX) {
        n = read(fd, bytes + size, KEYTAB_MAX - size);
        size += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (n != 0) {
        free(bytes);
        return error_set(e, -EIO, "it cannot be read, or is larger than a keytab should be");
    }
    *ret = bytes;
    *ret_size = size;
    return 0;
}

static int write_offer(const unsigned char *bytes, size_t size, struct error *e)
{
    if (ftruncate(offered_fd, 0) < 0 || pwrite(offered_fd, bytes, size, 0) != (ssize_t)size)
        return error_set(e, -errno, "its copy in memory cannot be written: %s", strerror(errno));
    return 0;
}

static int offer_one(const char *path, const char *principal, struct error *e)
{
    unsigned char *bytes = NULL, *kept = NULL;
    size_t size = 0, kept_size = 0;
    int r = read_file(path, &bytes, &size, e);
    if (r < 0)
        return r;
    r = keytab_select(bytes, size, principal, &kept, &kept_size, e);
    if (r == 0)
        r = write_offer(kept, kept_size, e);
    explicit_bzero(bytes, size);
    free(bytes);
    if (kept)
        explicit_bzero(kept, kept_size);
    free(kept);
    return r;
}

int keytab_offer(const char *path, const char *principal, struct error *e)
{
    if (!path)
        return 0;
    int r = 0;
    if (access(path, R_OK) < 0)
        r = error_set(e, -errno, "it cannot be read: %s", strerror(errno));
    if (r == 0 && principal) {
        pthread_mutex_lock(&offered_mutex);
        r = offered_fd < 0 ? error_set(e, -ENOSYS, "no file in memory can be made")
                           : offer_one(path, principal, e);
        pthread_mutex_unlock(&offered_mutex);
    }
    return r < 0 ? error_wrap(e, r, "the keytab %s", path) : 0;
}

void keytab_prepare_process(const char *path, const char *principal)
{
    /* Expired tickets are renewed from the keytab. */
    setenv("KRB5CCNAME", "MEMORY:rosterd", 1);
    if (!path)
        return;
    if (principal && offered_fd < 0)
        offered_fd = memfd_create("keytab", MFD_CLOEXEC);
    if (!principal || offered_fd < 0) {
        setenv("KRB5_CLIENT_KTNAME", path, 1);
        return;
    }
    char name[64];
    snprintf(name, sizeof(name), "FILE:/proc/self/fd/%d", offered_fd);
    setenv("KRB5_CLIENT_KTNAME", name, 1);
}
