/*
 * The disk: real files, and what was there before each write, until the file is synced. A power
 * loss undoes all of it and puts a random part back, sector by sector. Names (making, renaming
 * and removing a file) are durable at once. After a death every write fails.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "world.h"

#define FD_MAX    1024
#define PATH_SIZE 160
#define SECTOR    512

void timer_forget(int fd);
void socket_forget(int fd);

struct change {
    char path[PATH_SIZE];
    off_t offset; /* of the bytes; of a cut: the new size */
    size_t size, n_old;
    off_t old_size;
    bool cut, doomed; /* doomed: no later sync brings it to the disk */
    unsigned char *old, *new;
};

static struct change *changes;
static size_t n_changes, changes_room;
static struct {
    enum {
        FD_UNKNOWN,
        FD_OURS,
        FD_OTHER
    } kind;
    char path[PATH_SIZE];
} fds[FD_MAX];

bool crash_point(const char *path)
{
    if (world.death)
        return true;
    if (world.crash_at_audit && !(path && strstr(path, "audit.jsonl")))
        return false;
    if (world.crash_countdown && --world.crash_countdown == 0) {
        world.death = world.crash_kind;
        world.n_crashes++;
        world.n_power_losses += world.death == DEATH_POWER;
        return true;
    }
    return false;
}

static bool is_in_folder(const char *path)
{
    return world.running && world.folder[0] &&
           strncmp(path, world.folder, strlen(world.folder)) == 0;
}

/* As the kernel calls the file. */
static const char *real_path(const char *path, char room[PATH_SIZE])
{
    if (strncmp(path, HERE, strlen(HERE)) != 0)
        return path;
    snprintf(room, PATH_SIZE, "%s%s", world.folder, path + strlen(HERE));
    return room;
}

/* The path, if it is a file of this life that outlives a process. */
static const char *path_of(int fd)
{
    char link[64];
    if (!world.running || fd < 0 || fd >= FD_MAX || fds[fd].kind == FD_OTHER)
        return NULL;
    if (fds[fd].kind == FD_UNKNOWN) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, fds[fd].path, PATH_SIZE - 1);
        fds[fd].path[n > 0 ? n : 0] = '\0';
        bool ours = is_in_folder(fds[fd].path) && !strstr(fds[fd].path, "-shm") &&
                    !strstr(fds[fd].path, "(deleted)");
        fds[fd].kind = ours ? FD_OURS : FD_OTHER;
    }
    return fds[fd].kind == FD_OURS ? fds[fd].path : NULL;
}

static bool is_dead_file(int fd)
{
    return world.death && world.running && path_of(fd);
}

static struct change *note(const char *path, int fd)
{
    struct stat st;
    if (n_changes == changes_room) {
        changes_room = changes_room ? 2 * changes_room : 256;
        changes = realloc(changes, changes_room * sizeof(*changes));
        if (!changes)
            abort();
    }
    struct change *c = &changes[n_changes++];
    *c = (struct change){0};
    snprintf(c->path, sizeof(c->path), "%s", path);
    c->old_size = fstat(fd, &st) == 0 ? st.st_size : 0;
    return c;
}

static void note_write(const char *path, int fd, const void *data, size_t size, off_t offset)
{
    struct change *c = note(path, fd);
    c->offset = offset;
    c->size = size;
    c->old = malloc(size + 1);
    c->new = malloc(size + 1);
    if (!c->old || !c->new)
        abort();
    /* A descriptor for appending cannot be read. */
    int reader = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t n = reader >= 0 ? pread(reader, c->old, size, offset) : 0;
    c->n_old = n > 0 ? (size_t)n : 0;
    if (reader >= 0)
        syscall(SYS_close, reader);
    memcpy(c->new, data, size);
    world.n_writes++;
    if (strstr(path, "state.db"))
        world.noted_usec = world.steady_usec;
    world.active_usec = world.steady_usec;
}

static void note_cut(const char *path, int fd, off_t size)
{
    struct change *c = note(path, fd);
    c->cut = true;
    c->offset = size;
    if (c->old_size <= size)
        return;
    c->size = (size_t)(c->old_size - size);
    c->old = malloc(c->size);
    int reader = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t n = c->old && reader >= 0 ? pread(reader, c->old, c->size, size) : 0;
    c->n_old = n > 0 ? (size_t)n : 0;
    if (reader >= 0)
        syscall(SYS_close, reader);
}

static void forget(size_t i)
{
    free(changes[i].old);
    free(changes[i].new);
    memmove(changes + i, changes + i + 1, (--n_changes - i) * sizeof(*changes));
}

/* What was done to the file is on the disk; all: or of no interest any more. */
static void settle(const char *path, bool all)
{
    size_t kept = 0;
    for (size_t i = 0; i < n_changes; i++) {
        if (strcmp(changes[i].path, path) == 0 && (!changes[i].doomed || all)) {
            free(changes[i].old);
            free(changes[i].new);
        } else {
            changes[kept++] = changes[i];
        }
    }
    n_changes = kept;
}

static void put(const char *path, const void *data, size_t size, off_t offset)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (size && syscall(SYS_pwrite64, fd, data, size, offset) != (long)size)
        abort();
    syscall(SYS_close, fd);
}

static void cut(const char *path, off_t size)
{
    if (syscall(SYS_truncate, path, size) < 0 && errno != ENOENT)
        abort();
}

/* A part of a write, by the sectors of the file. */
static void put_torn(const struct change *c, unsigned percent)
{
    for (size_t at = 0, n; at < c->size; at += n) {
        n = SECTOR - (size_t)(c->offset + (off_t)at) % SECTOR;
        n = c->size - at < n ? c->size - at : n;
        if (!chance_percent(CHANCE_DISK, percent))
            continue;
        seen(POINT_TORN);
        put(c->path, c->new + at, n, c->offset + (off_t)at);
    }
}

/* How much of what was not synced reached the disk all the same; ordered: nothing that was
 * written later than what did not. */
static void put_back(unsigned percent, bool ordered)
{
    for (size_t i = 0; i < n_changes; i++) {
        struct change *c = &changes[i];
        bool whole = chance_percent(CHANCE_DISK, percent) && !c->doomed;
        if (whole && c->cut)
            cut(c->path, c->offset);
        else if (whole)
            put(c->path, c->new, c->size, c->offset);
        else if (!c->cut && !c->doomed)
            put_torn(c, percent);
        if (!whole && ordered)
            break;
    }
}

void disk_power_loss(void)
{
    static const unsigned parts[] = {0, 20, 50, 80, 95, 100};
    char shm[PATH_SIZE + 8];
    world.lost_by_lies = world.lost_by_lies || world.has_lied;
    if (world.has_lied)
        seen(POINT_LIED);
    for (size_t i = n_changes; i-- > 0;) {
        struct change *c = &changes[i];
        put(c->path, c->old, c->n_old, c->offset);
        cut(c->path, c->old_size);
    }
    put_back(parts[chance(CHANCE_DISK, 6)], chance_percent(CHANCE_DISK, 50));
    while (n_changes)
        forget(n_changes - 1);
    snprintf(shm, sizeof(shm), "%sstate.db-shm", world.folder);
    (void)syscall(SYS_unlinkat, AT_FDCWD, shm, 0);
}

void disk_begin(void)
{
    memset(fds, 0, sizeof(fds));
}

void disk_end(void)
{
    while (n_changes)
        forget(n_changes - 1);
    free(changes);
    changes = NULL;
    changes_room = 0;
}

/* A full disk takes what fits into a file as it is; a failing one takes some. */
static bool is_trouble(int fd, off_t end)
{
    struct stat st;
    if (world.disk == DISK_FULL && (fstat(fd, &st) < 0 || end > st.st_size)) {
        errno = ENOSPC;
        seen(POINT_DISK_FULL);
        return true;
    }
    errno = EIO;
    return world.disk == DISK_FAILS && chance_percent(CHANCE_DISK, 50);
}

static ssize_t write_at(int fd, const void *data, size_t size, off_t offset)
{
    const char *path = path_of(fd);
    if (path && crash_point(path)) {
        errno = EIO;
        return -1;
    }
    if (path && is_trouble(fd, offset + (off_t)size))
        return -1;
    if (path)
        note_write(path, fd, data, size, offset);
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return write_at(fd, data, size, offset);
}

#undef pwrite64
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset);
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return write_at(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (world.running && fd == STDERR_FILENO) {
        log_keep(data, size);
        return (ssize_t)size;
    }
    const char *path = path_of(fd);
    if (!path)
        return syscall(SYS_write, fd, data, size);
    if (crash_point(path)) {
        errno = EIO;
        return -1;
    }
    struct stat st;
    bool append = syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND;
    off_t at = append && fstat(fd, &st) == 0 ? st.st_size : lseek(fd, 0, SEEK_CUR);
    if (is_trouble(fd, at + (off_t)size))
        return -1;
    note_write(path, fd, data, size, at);
    return syscall(SYS_write, fd, data, size);
}

/* After a sync that failed, the kernel takes what it could not write for written. */
static void doom(const char *path)
{
    for (size_t i = 0; i < n_changes; i++)
        if (strcmp(changes[i].path, path) == 0 && chance_percent(CHANCE_DISK, 50))
            changes[i].doomed = true;
}

static int sync_file(int fd)
{
    const char *path = path_of(fd);
    if (!path)
        return 0;
    if (crash_point(path)) {
        errno = EIO;
        return -1;
    }
    if (is_trouble(fd, 0)) {
        doom(path);
        seen(POINT_SYNC_FAILED);
        return -1;
    }
    if (world.disk != DISK_LIES)
        settle(path, false);
    return 0;
}

int fsync(int fd)
{
    return sync_file(fd);
}

int fdatasync(int fd)
{
    return sync_file(fd);
}

int ftruncate(int fd, off_t size)
{
    const char *path = path_of(fd);
    if (is_dead_file(fd) || (path && crash_point(path))) {
        errno = EIO;
        return -1;
    }
    if (path && is_trouble(fd, 0))
        return -1;
    if (path)
        note_cut(path, fd, size);
    return (int)syscall(SYS_ftruncate, fd, size);
}

#undef ftruncate64
int ftruncate64(int fd, off64_t size);
int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

static bool is_refused(const char *path)
{
    if (!world.death || !is_in_folder(path))
        return false;
    errno = EIO;
    return true;
}

int unlink(const char *path)
{
    char room[PATH_SIZE];
    path = real_path(path, room);
    if (is_refused(path))
        return -1;
    settle(path, true);
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rename(const char *from, const char *to)
{
    char rooms[2][PATH_SIZE];
    from = real_path(from, rooms[0]);
    to = real_path(to, rooms[1]);
    if (is_refused(from))
        return -1;
    if (world.running && is_in_folder(from)) {
        settle(to, true);
        for (size_t i = 0; i < n_changes; i++)
            if (strcmp(changes[i].path, from) == 0)
                snprintf(changes[i].path, PATH_SIZE, "%s", to);
        for (unsigned i = 0; i < FD_MAX; i++)
            if (fds[i].kind == FD_OURS && strcmp(fds[i].path, from) == 0)
                snprintf(fds[i].path, PATH_SIZE, "%s", to);
    }
    return (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

/* Nobody else is in this world whom a lock could keep off, and the kernel's take their time. */
#undef fcntl
int fcntl(int fd, int command, ...)
{
    va_list ap;
    va_start(ap, command);
    void *argument = va_arg(ap, void *);
    va_end(ap);
    if (world.running && (command == F_SETLK || command == F_SETLKW))
        return 0;
    if (world.running && command == F_GETLK) {
        ((struct flock *)argument)->l_type = F_UNLCK;
        return 0;
    }
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

#undef fcntl64
int fcntl64(int fd, int command, ...);
int fcntl64(int fd, int command, ...)
{
    va_list ap;
    va_start(ap, command);
    void *argument = va_arg(ap, void *);
    va_end(ap);
    return fcntl(fd, command, argument);
}

int close(int fd)
{
    if (fd >= 0 && fd < FD_MAX)
        fds[fd].kind = FD_UNKNOWN;
    timer_forget(fd);
    socket_forget(fd);
    return (int)syscall(SYS_close, fd);
}
