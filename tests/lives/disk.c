/*
 * The disk: real files, of which a power loss may take back what was not synced (losses.c). Names
 * (making, renaming and removing a file) are durable at once. After a death every write fails.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "losses.h"
#include "witness.h"
#include "world.h"

#define FD_MAX    1024
#define PATH_SIZE 160

void timer_forget(int fd);
void socket_forget(int fd);

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

/* For the kernel, to which the way through /proc costs much: each life is in its folder. */
const char *path_here(const char *path)
{
    return world.running && strncmp(path, HERE, strlen(HERE)) == 0 && path[strlen(HERE)]
               ? path + strlen(HERE)
               : path;
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

enum disk disk_named(const char *name)
{
    static const char *const names[] = {[DISK_FULL] = "full",
                                        [DISK_FAILS] = "fails",
                                        [DISK_LIES] = "lies",
                                        [DISK_AUDIT_FULL] = "audit full"};
    for (unsigned i = DISK_FULL; i <= DISK_AUDIT_FULL; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum disk)i;
    return DISK_READ_ONLY;
}

void disk_begin(void)
{
    memset(fds, 0, sizeof(fds));
}

static uint64_t refused_usec[2]; /* of the state, of the audit */

uint64_t disk_refused_usec(bool audit)
{
    return world.disk && refused_usec[audit] > world.disk_usec ? refused_usec[audit] : 0;
}

/* A full disk takes what fits into a file as it is; a failing one takes some. */
static bool meets_trouble(int fd, off_t end, bool audit)
{
    struct stat st;
    bool full = world.disk == DISK_FULL || (world.disk == DISK_AUDIT_FULL && audit);
    if (full && (fstat(fd, &st) < 0 || end > st.st_size)) {
        errno = ENOSPC;
        seen(POINT_DISK_FULL);
        return true;
    }
    if (world.disk == DISK_READ_ONLY) {
        errno = EROFS;
        seen(POINT_READ_ONLY);
        return true;
    }
    errno = EIO;
    return world.disk == DISK_FAILS && chance_percent(CHANCE_DISK, 50);
}

static bool is_trouble(int fd, off_t end)
{
    bool audit = strstr(fds[fd].path, "audit.jsonl");
    bool is = world.disk != DISK_FINE && meets_trouble(fd, end, audit);
    if (is && refused_usec[audit] <= world.disk_usec)
        refused_usec[audit] = world.steady_usec;
    return is;
}

static const char *name_of(const char *path)
{
    return path + strlen(world.folder);
}

static void note_write(const char *path, int fd, const void *data, size_t size, off_t at)
{
    trace("write %s, %zu bytes at %lld", name_of(path), size, (long long)at);
    losses_note_write(path, fd, data, size, at);
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
    if (!path) {
        world_stir();
        return syscall(SYS_write, fd, data, size);
    }
    if (crash_point(path)) {
        errno = EIO;
        return -1;
    }
    struct stat st;
    bool append = syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND;
    off_t at = append && fstat(fd, &st) == 0 ? st.st_size : lseek(fd, 0, SEEK_CUR);
    if (is_trouble(fd, at + (off_t)size))
        return -1;
    if (strcmp(name_of(path), "audit.jsonl") == 0)
        witness_audit(data, size);
    note_write(path, fd, data, size, at);
    age_note(fd);
    return syscall(SYS_write, fd, data, size);
}

static int sync_file(int fd)
{
    const char *path = path_of(fd);
    if (!path)
        return 0;
    turn_syncs();
    if (crash_point(path)) {
        errno = EIO;
        return -1;
    }
    if (is_trouble(fd, 0)) {
        losses_doom(path);
        seen(POINT_SYNC_FAILED);
        return -1;
    }
    trace("sync %s", name_of(path));
    if (world.disk != DISK_LIES)
        losses_settle(path, false);
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
    if (path) {
        trace("cut %s to %lld bytes", name_of(path), (long long)size);
        losses_note_cut(path, fd, size);
    }
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

static bool may_only_read(const char *path)
{
    errno = EROFS;
    return world.disk == DISK_READ_ONLY && is_in_folder(path);
}

static int open_text(const char *text)
{
    int fd = memfd_create("boot", MFD_CLOEXEC);
    if (fd < 0 || syscall(SYS_write, fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        abort();
    return fd;
}

static int open_file(const char *path, int flags, mode_t mode)
{
    char room[PATH_SIZE];
    const char *boot = machine_boot_text(path);
    if (boot)
        return open_text(boot);
    bool writes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
    if (world.running && writes && may_only_read(real_path(path, room)))
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path_here(path), flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return open_file(path, flags, mode);
}

#undef open64
int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return open_file(path, flags, mode);
}

int unlink(const char *path)
{
    char room[PATH_SIZE];
    path = real_path(path, room);
    if (is_refused(path) || may_only_read(path))
        return -1;
    losses_settle(path, true);
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rename(const char *from, const char *to)
{
    char rooms[2][PATH_SIZE];
    from = real_path(from, rooms[0]);
    to = real_path(to, rooms[1]);
    if (is_refused(from) || may_only_read(from))
        return -1;
    if (world.running && is_in_folder(from)) {
        trace("rename %s to %s", name_of(from), name_of(to));
        losses_settle(to, true);
        losses_rename(from, to);
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
    world_stir();
    return (int)syscall(SYS_close, fd);
}
