/*
 * Preloaded into a program under test: what the kernel and the disk say, as files in the folder
 * $ROSTERD_SHIM tell while it runs.
 *
 *   fail-sync      fdatasync() and fsync() fail with EIO
 *   full           writes to regular files fail with ENOSPC
 *   synchronised   the kernel calls its clock synchronised; without the file it does not
 *   boot           the id of this boot
 *   clock          how many seconds the wall clock is ahead; the monotonic one and all timers are as they
 *                  are (libfaketime, which else would do, moves timers of the monotonic clock too)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
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

static long ahead(void)
{
    char path[4096], text[32] = "";
    int before = errno;
    int fd = path_of(path, sizeof(path), "clock") ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        close(fd);
    }
    errno = before;
    return strtol(text, NULL, 10);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int r = (int)syscall(SYS_clock_gettime, id, t);
    if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += ahead();
    return r;
}

int gettimeofday(struct timeval *t, void *zone)
{
    struct timespec now;
    (void)zone;
    int r = clock_gettime(CLOCK_REALTIME, &now);
    *t = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return r;
}

time_t time(time_t *to)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}
