/*
 * Preloaded into a program under test: what the kernel and the disk say, as files in the folder
 * $ROSTERD_SHIM tell while it runs.
 *
 *   fail-sync      fdatasync() and fsync() fail with EIO
 *   full           writes to regular files fail with ENOSPC
 *   synchronised   the kernel calls its clock synchronised; without the file it does not
 *   boot           the id of this boot
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

static int path_of(char *to, size_t size, const char *name)
{
    const char *folder = getenv("ROSTERD_SHIM");
    return folder && snprintf(to, size, "%s/%s", folder, name) < (int)size;
}

static int is_set(const char *name)
{
    char path[4096];
    int before = errno, set = path_of(path, sizeof(path), name) && access(path, F_OK) == 0;
    errno = before;
    return set;
}

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

int fdatasync(int fd)
{
    int (*real)(int);
    *(void **)&real = next("fdatasync");
    if (is_set("fail-sync")) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

int fsync(int fd)
{
    int (*real)(int);
    *(void **)&real = next("fsync");
    if (is_set("fail-sync")) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

static int is_full(int fd)
{
    struct stat st;
    if (!is_set("full") || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    errno = ENOSPC;
    return 1;
}

ssize_t write(int fd, const void *data, size_t size)
{
    ssize_t (*real)(int, const void *, size_t);
    *(void **)&real = next("write");
    return fd > 2 && is_full(fd) ? -1 : real(fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off64_t);
    *(void **)&real = next("pwrite64");
    return is_full(fd) ? -1 : real(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}

int adjtimex(struct timex *t)
{
    memset(t, 0, sizeof(*t));
    t->status = is_set("synchronised") ? 0 : STA_UNSYNC;
    return is_set("synchronised") ? TIME_OK : TIME_ERROR;
}

FILE *fopen64(const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *);
    char boot[4096];
    *(void **)&real = next("fopen64");
    if (strstr(path, "/boot_id") && is_set("boot") && path_of(boot, sizeof(boot), "boot"))
        path = boot;
    return real(path, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    return fopen64(path, mode);
}
