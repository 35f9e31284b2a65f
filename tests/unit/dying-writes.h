/*
 * The kernel as far as it writes: the test's own functions stand before those of libc, also for
 * the libraries that it uses, count what changes something on the disk, and end the process before
 * the n-th.
 */
#pragma once
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

static long n_calls, dies_at; /* counted while dies_at is not 0; -1: never dies */

static void step(void)
{
    if (dies_at && __atomic_add_fetch(&n_calls, 1, __ATOMIC_SEQ_CST) == dies_at) {
        (void)kill(getpid(), SIGKILL);
        for (;;)
            (void)pause();
    }
}

#define REAL(type, name, ...)                                                                  \
    static type (*real)(__VA_ARGS__);                                                          \
    if (!real)                                                                                 \
        *(void **)&real = dlsym(RTLD_NEXT, #name);                                             \
    step()

/* f…sync: a kill takes nothing from the kernel's memory, so there is nothing to wait for. */
ssize_t write(int fd, const void *data, size_t size)
{
    REAL(ssize_t, write, int, const void *, size_t);
    return real(fd, data, size);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    return real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
    return real(fd, data, size, at);
}
int ftruncate(int fd, off_t size)
{
    REAL(int, ftruncate, int, off_t);
    return real(fd, size);
}
int ftruncate64(int fd, off64_t size)
{
    REAL(int, ftruncate64, int, off64_t);
    return real(fd, size);
}
int rename(const char *from, const char *to)
{
    REAL(int, rename, const char *, const char *);
    return real(from, to);
}
int unlink(const char *path)
{
    REAL(int, unlink, const char *);
    return real(path);
}
int fchmod(int fd, mode_t mode)
{
    REAL(int, fchmod, int, mode_t);
    return real(fd, mode);
}
int fchown(int fd, uid_t uid, gid_t gid)
{
    REAL(int, fchown, int, uid_t, gid_t);
    return real(fd, uid, gid);
}
int futimens(int fd, const struct timespec times[2])
{
    REAL(int, futimens, int, const struct timespec *);
    return real(fd, times);
}
int fsync(int fd)
{
    (void)fd;
    step();
    return 0;
}
int fdatasync(int fd)
{
    (void)fd;
    step();
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
        if (flags & (O_CREAT | O_TRUNC))                                                       \
            step();                                                                            \
        return real(path, flags, mode);                                                        \
    }
OPEN(open)
OPEN(open64)
