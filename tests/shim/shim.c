/*
 * Preloaded into a program under test: what the kernel and the disk say, as files in the folder
 * $ROSTERD_SHIM tell while it runs.
 *
 *   fail-sync      fdatasync() and fsync() fail with EIO, of files whose path holds its text, or
 *                  ends in it where a $ is behind it
 *   slow-sync      they take three seconds, once, of files whose path holds its text
 *   synchronised   the kernel calls its clock synchronised; without the file it does not
 *   boot           the id of this boot
 *   still          the second at which the wall clock stands still
 *   immortal       kill() does nothing, as if the kernel waited for a disk in the process's name
 *   curl-clock     how many seconds libcurl's monotonic clock is ahead, and nobody else's
 *   clock          how many seconds the wall clock is ahead; the monotonic one and all timers
 * are as they are (libfaketime, which else would do, moves timers of the monotonic clock too)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* Whether `name` is there and its text, if any, is a part of the file's path. */
static int strikes(const char *name, int fd)
{
    char path[4096], text[256] = "", link[64], file[4096] = "";
    if (!is_set(name) || !path_of(path, sizeof(path), name))
        return 0;
    int told = open(path, O_RDONLY | O_CLOEXEC);
    if (told >= 0) {
        ssize_t n = read(told, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        close(told);
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, file, sizeof(file) - 1);
    file[n > 0 ? n : 0] = '\0';
    size_t n_text = strlen(text), n_file = strlen(file);
    if (n_text > 0 && text[n_text - 1] == '$')
        return n_file >= n_text - 1 && strncmp(file + n_file - (n_text - 1), text, n_text - 1) == 0;
    return strstr(file, text) != NULL;
}

static int sync_by(const char *name, int fd)
{
    int (*real)(int);
    *(void **)&real = next(name);
    if (strikes("fail-sync", fd)) {
        errno = EIO;
        return -1;
    }
    if (strikes("slow-sync", fd)) {
        char path[4096];
        if (path_of(path, sizeof(path), "slow-sync"))
            unlink(path);
        sleep(3);
    }
    return real(fd);
}

int fdatasync(int fd)
{
    return sync_by("fdatasync", fd);
}

int fsync(int fd)
{
    return sync_by("fsync", fd);
}

int kill(pid_t pid, int number)
{
    return is_set("immortal") ? 0 : (int)syscall(SYS_kill, pid, number);
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

/* The number in the file, or 0. */
static long number_in(const char *name)
{
    char path[4096], text[32] = "";
    int before = errno;
    int fd = path_of(path, sizeof(path), name) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        close(fd);
    }
    errno = before;
    return strtol(text, NULL, 10);
}

static int is_of_libcurl(const void *code)
{
    Dl_info info;
    return dladdr(code, &info) && info.dli_fname && strstr(info.dli_fname, "/libcurl");
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int r = (int)syscall(SYS_clock_gettime, id, t);
    if (r == 0 && id == CLOCK_MONOTONIC && is_of_libcurl(__builtin_return_address(0)))
        t->tv_sec += number_in("curl-clock");
    if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        long still = number_in("still");
        t->tv_sec += number_in("clock");
        if (still)
            *t = (struct timespec){.tv_sec = still};
    }
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
