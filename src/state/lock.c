/*
 * The lock beside the state file, and that of the file itself. flock() ends with the process,
 * however that ends, so a lock file that is left over blocks nobody; the process id in it is
 * there for the sentence only. The lock file is never removed: somebody who holds the removed
 * one and somebody who holds its successor would both believe to be alone. It serves from
 * before the state file exists; the lock of the file itself holds for every path that leads to
 * it. (SQLite's own locks are of another kind and do not meet these.)
 *
 * Whoever closes the state file in good order leaves a note here: which file it was, its size
 * and its times, and what is known of it that takes long to be found out. While these are the
 * same nobody has written to it since, and it need not be read from end to end when it is
 * opened. Until then the number stands here alone; with another word, while it is doubtful what
 * the file is. The time of change is set by us, to the nanosecond, so that a write in the same
 * tick of the kernel's clock does not look the same.
 */
#include "config.h"

#include "state/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "state/state.h"

static int locked_sentence(int fd, const char *state_path, struct error *e)
{
    char pid[24] = "";
    ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    error_set(e, 0,
              "another rosterd (process %s) uses the state file %s: stop that one, or give this "
              "one its own state file",
              pid[0] ? pid : "unknown", state_path);
    return STATE_LOCKED;
}

#define DOUBT "unchecked\n"

static int write_pid(int fd, bool doubt)
{
    char pid[24 + sizeof(DOUBT)];
    int n = snprintf(pid, sizeof(pid), "%ld\n%s", (long)getpid(), doubt ? DOUBT : "");

    if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) < 0)
        return -errno;
    return 0;
}

/* "left DEVICE INODE SIZE CHANGED STATUS-CHANGED"; false: the file or its log says otherwise.
 */
static bool describe(const char *state_path, char *ret, size_t size)
{
    CLEANUP(freep) char *wal = NULL;
    struct stat st, log;

    if (asprintf(&wal, "%s-wal", state_path) < 0) {
        wal = NULL;
        return false;
    }
    if (stat(state_path, &st) < 0 || (stat(wal, &log) == 0 && log.st_size > 0))
        return false;
    snprintf(ret, size, "left %llu %llu %lld %lld.%09ld %lld.%09ld", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
             st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    return true;
}

static void read_left(int fd, const char *state_path, struct lock_left *ret)
{
    char file[320] = "", now[192];
    ssize_t n = pread(fd, file, sizeof(file) - 1, 0);
    char *note = n > 0 ? strchr(file, '\n') : NULL;
    char *end = note ? strchr(note + 1, '\n') : NULL;

    *ret = (struct lock_left){.is_unended = note && !note[1]};
    if (!end || !describe(state_path, now, sizeof(now)))
        return;
    *end = '\0';
    ret->is_so = strcmp(note + 1, now) == 0;
    if (ret->is_so)
        snprintf(ret->facts, sizeof(ret->facts), "%.*s", (int)strcspn(end + 1, "\n"), end + 1);
}

void lock_leave(int fd, const char *state_path, const char *facts)
{
    uint64_t now = clock_now_usec();
    struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)(now / USEC_PER_SEC), .tv_nsec = (long)(now % USEC_PER_SEC * 1000)}};
    char note[192], text[320];

    if (utimensat(AT_FDCWD, state_path, times, 0) < 0 || !describe(state_path, note, sizeof(note)))
        return;
    int n = snprintf(text, sizeof(text), "%ld\n%s\n%s\n", (long)getpid(), note, facts);
    if (pwrite(fd, text, (size_t)n, 0) != n)
        (void)write_pid(fd, true);
}

void lock_doubt(int fd, bool doubt)
{
    (void)write_pid(fd, doubt);
}

static int cannot_open(const char *path, int r, struct error *e)
{
    return error_set(e, r,
                     "the lock file %s cannot be opened: %s. Check that the folder exists, "
                     "is not on a read-only file system and may be written by rosterd's user",
                     path, strerror(-r));
}

int lock_take(const char *state_path, int *ret_fd, struct lock_left *ret, struct error *e)
{
    CLEANUP(freep) char *path = NULL;
    int fd, r;

    if (asprintf(&path, "%s.lock", state_path) < 0) {
        path = NULL;
        return error_out_of_memory(e);
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return cannot_open(path, -errno, e);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        r = errno == EWOULDBLOCK ? locked_sentence(fd, state_path, e)
                                 : error_set(e, -errno, "locking %s: %s", path, strerror(errno));
        close(fd);
        return r;
    }
    read_left(fd, state_path, ret);
    /* On a full disk the number cannot be written; the lock holds all the same. */
    r = write_pid(fd, !ret->is_so && !ret->is_unended);
    if (r < 0 && r != -ENOSPC && r != -EDQUOT && r != -EFBIG) {
        close(fd);
        return error_set(e, r, "writing the lock file %s: %s", path, strerror(-r));
    }
    *ret_fd = fd;
    return 0;
}

/* Opened as it is for the lock; nothing is changed. */
static int open_file(const char *path, bool looks, int *ret_fd, struct error *warning,
                     struct error *e)
{
    const struct file_kind kind = {"state file", "", 0600, looks};
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), r = -errno;

    if (fd < 0 && r == -ELOOP)
        return error_set(e, r,
                         "the state file %s is a symbolic link, which somebody may turn elsewhere: "
                         "write the path of the file itself into [state] file",
                         path);
    if (fd < 0)
        return error_set(e, r,
                         "the state file %s cannot be opened for writing: %s. Check owner, mode "
                         "and mount of the file and its folder",
                         path, strerror(-r));
    r = file_judge(fd, path, &kind, warning, e);
    if (r < 0)
        close(fd);
    else
        *ret_fd = fd;
    return r;
}

int lock_take_file(const char *state_path, int *ret_fd, struct error *e)
{
    struct error warning;
    int fd = -1, r = open_file(state_path, false, &fd, &warning, e);

    if (r < 0)
        return r;
    if (warning.message[0])
        log_warning("%s", warning.message);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        r = errno != EWOULDBLOCK
                ? error_set(e, -errno, "locking %s: %s", state_path, strerror(errno))
                : (error_set(e, 0,
                             "another rosterd uses the state file %s under another path: stop "
                             "that one, or give this one its own state file",
                             state_path),
                   STATE_LOCKED);
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

/* Each connection to a database with a log holds SQLite's lock of this range shared, for as
 * long as it is open (os.h of SQLite). It is asked for, and not taken. */
static bool is_open(int fd)
{
    struct flock range = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000002, .l_len = 510};
    return fcntl(fd, F_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

int lock_look(const char *state_path, struct lock_left *ret, struct error *warning, struct error *e)
{
    CLEANUP(freep) char *path = NULL;
    struct stat st;
    int fd = -1, r = file_may_be_made(state_path, "state file", e);

    if (r == 0 && lstat(state_path, &st) == 0)
        r = open_file(state_path, true, &fd, warning, e);
    bool open_now = fd >= 0 && is_open(fd);
    if (fd >= 0)
        close(fd);
    if (r < 0)
        return r;
    ret->is_open = open_now;
    if (asprintf(&path, "%s.lock", state_path) < 0) {
        path = NULL;
        return error_out_of_memory(e);
    }
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : cannot_open(path, -errno, e);
    read_left(fd, state_path, ret);
    ret->is_open = open_now;
    close(fd);
    return 0;
}

bool lock_is_in_place(int file_fd, const char *state_path)
{
    struct stat held, there;

    return fstat(file_fd, &held) == 0 && lstat(state_path, &there) == 0 &&
           held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}
