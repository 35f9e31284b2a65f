/*
 * The kernel as far as it writes: the test's own functions stand before those of libc, also for
 * the libraries that it uses, count what changes something on the disk, and end the process before
 * the n-th, or have no room for anything from the n-th on.
 */
#pragma once
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long n_calls, dies_at; /* counted while dies_at is not 0; -1: never dies */
static long full_at;          /* the call from which on the disk is full; 0: never */

static bool no_links; /* no file can have two names here */

/* A power loss may take back that a log was removed, and not what was renamed since, until its
 * folder is synced: it would be taken for the log of that file. */
static bool log_may_be_back, renamed_beside_log;

/* -1: there is no room for it. */
static int step(void)
{
    long n = dies_at ? __atomic_add_fetch(&n_calls, 1, __ATOMIC_SEQ_CST) : 0;

    if (n && n == dies_at) {
        (void)kill(getpid(), SIGKILL);
        for (;;)
            (void)pause();
    }
    if (!n || !full_at || n < full_at)
        return 0;
    errno = ENOSPC;
    return -1;
}

#define REAL(type, name, ...)                                                                  \
    static type (*real)(__VA_ARGS__);                                                          \
    if (!real)                                                                                 \
        *(void **)&real = dlsym(RTLD_NEXT, #name);                                             \
    int room = step()

#define NEEDS_ROOM                                                                             \
    if (room < 0)                                                                              \
    return -1

/* A disk has no part in what is said to another thread or process. */
static bool is_on_disk(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* f…sync: a kill takes nothing from the kernel's memory, so there is nothing to wait for. */
ssize_t write(int fd, const void *data, size_t size)
{
    REAL(ssize_t, write, int, const void *, size_t);
    if (room < 0 && is_on_disk(fd))
        return -1;
    return real(fd, data, size);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    NEEDS_ROOM;
    return real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
    NEEDS_ROOM;
    return real(fd, data, size, at);
}
int ftruncate(int fd, off_t size)
{
    REAL(int, ftruncate, int, off_t);
    (void)room;
    return real(fd, size);
}
int ftruncate64(int fd, off64_t size)
{
    REAL(int, ftruncate64, int, off64_t);
    (void)room;
    return real(fd, size);
}
int rename(const char *from, const char *to)
{
    REAL(int, rename, const char *, const char *);
    NEEDS_ROOM;
    renamed_beside_log |= log_may_be_back;
    return real(from, to);
}
int link(const char *from, const char *to)
{
    REAL(int, link, const char *, const char *);
    if (no_links) {
        errno = EPERM;
        return -1;
    }
    NEEDS_ROOM;
    return real(from, to);
}
int unlink(const char *path)
{
    REAL(int, unlink, const char *);
    (void)room;
    size_t size = strlen(path);
    int r = real(path);
    log_may_be_back |= r == 0 && size > 4 && strcmp(path + size - 4, "-wal") == 0;
    return r;
}
int fchmod(int fd, mode_t mode)
{
    REAL(int, fchmod, int, mode_t);
    (void)room;
    return real(fd, mode);
}
int fchown(int fd, uid_t uid, gid_t gid)
{
    REAL(int, fchown, int, uid_t, gid_t);
    (void)room;
    return real(fd, uid, gid);
}
int futimens(int fd, const struct timespec times[2])
{
    REAL(int, futimens, int, const struct timespec *);
    (void)room;
    return real(fd, times);
}
int fsync(int fd)
{
    struct stat st;
    (void)step();
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        log_may_be_back = false;
    return 0;
}
int fdatasync(int fd)
{
    (void)fd;
    (void)step();
    return 0;
}

#define OPEN(name)                                                                             \
    int name(const char *path, int flags, ...)                                                 \
    {                                                                                          \
        va_list arguments;                                                                     \
        va_start(arguments, flags);                                                            \
        mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                         \
        va_end(arguments);                                                                     \
        static int (*real)(const char *, int, ...);                                            \
        if (!real)                                                                             \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                         \
        if (flags & (O_CREAT | O_TRUNC) && step() < 0)                                          \
            return -1;                                                                         \
        return real(path, flags, mode);                                                        \
    }
OPEN(open)
OPEN(open64)
