/*
 * The state file before SQLite opens it: what lies there, and how a new one is made. That is
 * done under another name, and it is renamed when it is whole and synced, so that a power loss
 * leaves none or a good one.
 */
#include "config.h"

#include "state/make.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "state/db.h"
#include "state/migrate.h"

static const char magic[16] = "SQLite format 3";

int64_t make_size(const char *path, const char *suffix)
{
    CLEANUP(freep) char *whole = NULL;
    struct stat st;

    if (asprintf(&whole, "%s%s", path, suffix) < 0) {
        whole = NULL;
        return -1;
    }
    return stat(whole, &st) == 0 ? (int64_t)st.st_size : -1;
}

int make_look(const char *path, bool *ret_empty, struct error *e)
{
    char head[sizeof(magic)] = {0};
    ssize_t n;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* it may be a pipe */

    if (fd < 0 && errno != ENOENT) {
        int r = -errno;

        return error_set(e, r, "The state file %s cannot be read: %s", path, strerror(-r));
    }
    if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        close(fd);
        return error_set(e, -EINVAL, "The state file %s is not a regular file", path);
    }
    n = fd < 0 ? 0 : read(fd, head, sizeof(head));
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return error_set(e, -EIO, "The state file %s cannot be read", path);
    *ret_empty = n == 0;
    if (n == 0 && make_size(path, "-wal") > 0) {
        error_set(e, 0,
                  "The state file %s is missing or empty, but its write-ahead log %s-wal is "
                  "there: the file was removed or cut. Restore it, or move the log aside to "
                  "rebuild the state by adoption",
                  path, path);
        return STATE_DAMAGED;
    }
    if (n > 0 && memcmp(head, magic, sizeof(magic)) != 0) {
        error_set(e, 0,
                  "%s is not a state file: it does not begin like a database. Nothing was written "
                  "to it. Move it aside to rebuild the state by adoption, or check the path",
                  path);
        return STATE_DAMAGED;
    }
    return 0;
}

static int cannot_make(const char *path, int r, struct error *e)
{
    return error_set(e, r,
                     "The state file %s cannot be made: %s. Check owner, mode and mount of its "
                     "folder",
                     path, strerror(-r));
}

/* With its mode before SQLite can create it with the umask's; what an earlier attempt left half
 * made is thrown away. */
static int begin_file(const char *beside, struct error *e)
{
    CLEANUP(freep) char *journal = NULL;
    int fd;

    if (asprintf(&journal, "%s-journal", beside) < 0) {
        journal = NULL;
        return error_out_of_memory(e);
    }
    if ((unlink(beside) < 0 && errno != ENOENT) || (unlink(journal) < 0 && errno != ENOENT))
        return cannot_make(beside, -errno, e);
    fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return cannot_make(beside, -errno, e);
    close(fd);
    return 0;
}

static int fill_file(const char *beside, struct error *e)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(beside, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    int r = rc == SQLITE_OK ? migrate_settings(db, beside, e) : db_error(db, beside, rc, e);

    if (r == 0)
        r = migrate_apply(db, beside, 0, e);
    sqlite3_close(db);
    return r;
}

int make_file(const char *path, struct error *e)
{
    CLEANUP(freep) char *beside = NULL;
    struct stat st;
    int fd, r;

    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
        return 0; /* lock_take_file() says what is wrong */
    if (asprintf(&beside, "%s.new", path) < 0) {
        beside = NULL;
        return error_out_of_memory(e);
    }
    r = begin_file(beside, e);
    if (r == 0)
        r = fill_file(beside, e);
    if (r != 0)
        return r;
    fd = open(beside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fsync(fd) < 0 || rename(beside, path) < 0)
        r = cannot_make(path, -errno, e);
    if (fd >= 0)
        close(fd);
    if (r == 0 && (r = file_sync_folder(path)) < 0)
        r = cannot_make(path, r, e);
    return r;
}
