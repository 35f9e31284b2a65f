/*
 * How old files are, by the world's wall clock: the kernel's own says nothing of it. A file of
 * the audit that the daemon removes as too old is looked at, and kept under another name, so that
 * the whole chain can be read at the end.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "losses.h"
#include "world.h"

#define KEPT_USEC (3 * DAY) /* as rules.c says */

static struct age {
    ino_t number;
    uint64_t wall_usec;
} *ages;
static size_t n_ages, ages_room;

void ages_end(void)
{
    free(ages);
    ages = NULL;
    n_ages = ages_room = 0;
}

static struct age *age_of(ino_t number)
{
    for (size_t i = 0; i < n_ages; i++)
        if (ages[i].number == number)
            return &ages[i];
    return NULL;
}

void age_note(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return;
    struct age *a = age_of(st.st_ino);
    if (!a) {
        if (n_ages == ages_room) {
            ages_room = ages_room ? 2 * ages_room : 64;
            ages = realloc(ages, ages_room * sizeof(*ages));
            if (!ages)
                abort();
        }
        a = &ages[n_ages++];
    }
    *a = (struct age){st.st_ino, world.wall_usec};
}

int fstatat(int folder, const char *name, struct stat *ret, int flags)
{
    int r = (int)syscall(SYS_newfstatat, folder, path_here(name), ret, flags);
    const struct age *a = r == 0 && world.running ? age_of(ret->st_ino) : NULL;
    if (a)
        ret->st_mtim = (struct timespec){(time_t)(a->wall_usec / SECOND),
                                         (long)(a->wall_usec % SECOND * 1000)};
    return r;
}

#undef fstatat64
int fstatat64(int folder, const char *name, struct stat64 *ret, int flags);
int fstatat64(int folder, const char *name, struct stat64 *ret, int flags)
{
    return fstatat(folder, name, (struct stat *)ret, flags);
}

/* What libc has for its own use stays with the kernel's times, as before any file was written. */
int stat(const char *restrict name, struct stat *restrict ret)
{
    return (int)syscall(SYS_newfstatat, AT_FDCWD, path_here(name), ret, 0);
}

int lstat(const char *restrict name, struct stat *restrict ret)
{
    return (int)syscall(SYS_newfstatat, AT_FDCWD, path_here(name), ret, AT_SYMLINK_NOFOLLOW);
}

#undef stat64
int stat64(const char *restrict name, struct stat64 *restrict ret);
int stat64(const char *restrict name, struct stat64 *restrict ret)
{
    return stat(name, (struct stat *)ret);
}

#undef lstat64
int lstat64(const char *restrict name, struct stat64 *restrict ret);
int lstat64(const char *restrict name, struct stat64 *restrict ret)
{
    return lstat(name, (struct stat *)ret);
}

static void check_age(const char *name, ino_t number)
{
    const struct age *a = age_of(number);
    world.n_checks++;
    seen(POINT_TOO_OLD);
    /* Of the time of a file whole seconds are read. */
    if (!a || world.wall_usec < a->wall_usec ||
        world.wall_usec - a->wall_usec / SECOND * SECOND < KEPT_USEC)
        broken(12, "%s is removed before its time", name);
}

int unlinkat(int folder, const char *name, int flags)
{
    char link[64], path[160], to[240];
    struct stat st;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
    ssize_t n = world.running && folder >= 0 ? readlink(link, path, sizeof(path) - 1) : -1;
    path[n > 0 ? n : 0] = '\0';
    bool ours = n > 0 && strncmp(path, world.folder, strlen(path)) == 0 &&
                strncmp(name, "audit.jsonl-", 12) == 0;
    if (!ours)
        return (int)syscall(SYS_unlinkat, folder, name, flags);
    if (world.death || world.disk == DISK_READ_ONLY) {
        errno = world.death ? EIO : EROFS;
        return -1;
    }
    if (syscall(SYS_newfstatat, folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    check_age(name, st.st_ino);
    snprintf(path, sizeof(path), "%s%s", world.folder, name);
    losses_settle(path, true);
    snprintf(to, sizeof(to), "%s" REMOVED "%s", world.folder, name);
    return (int)syscall(SYS_renameat, AT_FDCWD, path, AT_FDCWD, to);
}
