/*
 * The state file before SQLite opens it: what lies there, and how a new one is made, also of
 * one of an earlier form. That is done under another name, and it is renamed when it is whole
 * and synced, so that a power loss leaves what was there before or the new one. The old one is
 * kept, as FILE.formN: an earlier rosterd can go on from it.
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
#include "base/log.h"
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

        return error_set(e, r, "the state file %s cannot be read: %s", path, strerror(-r));
    }
    if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        close(fd);
        return error_set(e, -EINVAL, "the state file %s is not a regular file", path);
    }
    n = fd < 0 ? 0 : read(fd, head, sizeof(head));
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return error_set(e, -EIO, "the state file %s cannot be read", path);
    *ret_empty = n == 0;
    if (n == 0 && make_size(path, "-wal") > 0) {
        error_set(e, 0,
                  "the state file %s is missing or empty, but its write-ahead log %s-wal is "
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
                     "the state file %s cannot be made: %s. Check owner, mode and mount of its "
                     "folder",
                     path, strerror(-r));
}

static int forget_beside(const char *beside, const char *suffix, struct error *e)
{
    CLEANUP(freep) char *path = NULL;

    if (asprintf(&path, "%s%s", beside, suffix) < 0) {
        path = NULL;
        return error_out_of_memory(e);
    }
    return unlink(path) < 0 && errno != ENOENT ? cannot_make(beside, -errno, e) : 0;
}

/* Whose it was, it is: root, who may have been asked for once, is not who needs it next.
 * Another user cannot give it away, and has it. */
static void keep_owner(int fd, const struct stat *like)
{
    if (geteuid() == 0 && fchown(fd, like->st_uid, like->st_gid) < 0)
        log_debug("The owner of a file cannot be kept: %s", strerror(errno));
}

/* With its mode before SQLite can create it with the umask's; what an earlier attempt left half
 * made is thrown away. like: whose owner and mode it has; NULL: ours. */
static int begin_file(const char *beside, const struct stat *like, struct error *e)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    const mode_t mode = like ? like->st_mode & 0777 : 0600;
    int fd, r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(suffixes) && r == 0; i++)
        r = forget_beside(beside, suffixes[i], e);
    if (r < 0)
        return r;
    fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && like)
        keep_owner(fd, like);
    if (fd < 0 || fchmod(fd, mode) < 0)
        r = cannot_make(beside, -errno, e);
    if (fd >= 0)
        close(fd);
    return r;
}

static int open_beside(sqlite3 **ret, const char *beside, struct error *e)
{
    int r = db_connect(ret, beside, SQLITE_OPEN_READWRITE, beside, e);

    return r == 0 ? migrate_settings(*ret, beside, e) : r;
}

static int fill_file(const char *beside, struct error *e)
{
    sqlite3 *db = NULL;
    int r = open_beside(&db, beside, e);

    if (r == 0)
        r = migrate_apply(db, beside, 0, e);
    sqlite3_close(db);
    return r;
}

static int sync_file(const char *path, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int r = fd < 0 || fsync(fd) < 0 ? cannot_make(path, -errno, e) : 0;

    if (fd >= 0)
        close(fd);
    return r;
}

static int put_in_place(const char *beside, const char *path, struct error *e)
{
    int r = rename(beside, path) < 0 ? -errno : file_sync_folder(path);

    return r < 0 ? cannot_make(path, r, e) : 0;
}

int make_file(const char *path, struct error *e)
{
    CLEANUP(freep) char *beside = NULL;
    struct stat st;
    int r;

    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
        return 0; /* lock_take_file() says what is wrong */
    if (asprintf(&beside, "%s.new", path) < 0) {
        beside = NULL;
        return error_out_of_memory(e);
    }
    r = begin_file(beside, NULL, e);
    if (r == 0)
        r = fill_file(beside, e);
    if (r == 0)
        r = sync_file(beside, e);
    return r == 0 ? put_in_place(beside, path, e) : r;
}

int make_copy(sqlite3 *to, sqlite3 *from, const char *path, struct error *e)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    int rc = backup ? sqlite3_backup_step(backup, -1) : SQLITE_NOMEM;

    sqlite3_backup_finish(backup);
    return rc == SQLITE_DONE ? 0 : db_error(rc == sqlite3_errcode(to) ? to : from, path, rc, e);
}

/* What is not whole yet is thrown away if anything fails, and nobody waits for it: no journal.
 */
#define HALF_MADE "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF"

static int copy_file(const char *beside, sqlite3 *from, const struct stat *like, int version,
                     struct error *e)
{
    sqlite3 *db = NULL;
    int r = begin_file(beside, like, e);

    if (r == 0)
        r = open_beside(&db, beside, e);
    if (r == 0)
        r = make_copy(db, from, beside, e);
    if (r == 0)
        r = db_exec(db, beside, HALF_MADE, e);
    if (r == 0 && version)
        r = migrate_apply(db, beside, version, e);
    sqlite3_close(db);
    return r == 0 ? sync_file(beside, e) : r;
}

/* The old one has this name as well from now on; where no file can have two, a copy has it.
 * What an earlier rosterd left there under the name is older. */
static int keep(const char *path, const char *kept, sqlite3 *db, const struct stat *like,
                struct error *e)
{
    if (unlink(kept) < 0 && errno != ENOENT)
        return cannot_make(kept, -errno, e);
    int r = link(path, kept) < 0 ? copy_file(kept, db, like, 0, e) : 0;

    if (r < 0) /* nobody is to go on from the half of one */
        unlink(kept);
    if (r == 0 && (r = file_sync_folder(path)) < 0)
        r = cannot_make(kept, r, e);
    return r;
}

/* With its log in it; then nobody has it open. A log that a power loss brings back would be
 * taken for that of the new one. */
static int close_old(sqlite3 **db, const char *path, struct error *e)
{
    int rc = sqlite3_wal_checkpoint_v2(*db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
        return db_error(*db, path, rc, e);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    sqlite3_close(*db);
    *db = NULL;
    if (make_size(path, "-wal") < 0) {
        int r = file_sync_folder(path);
        return r < 0 ? cannot_make(path, r, e) : 0;
    }
    return error_set(e, -EBUSY,
                     "another program holds the state file %s, which is to be brought to another "
                     "form: end it",
                     path);
}

int make_newer(sqlite3 **db, const char *path, int version, struct error *e)
{
    CLEANUP(freep) char *beside = NULL, *kept = NULL;
    struct stat st;
    int r;

    if (asprintf(&beside, "%s.new", path) < 0 || asprintf(&kept, "%s.form%d", path, version) < 0)
        return error_out_of_memory(e);
    if (stat(path, &st) < 0)
        return cannot_make(path, -errno, e);
    r = copy_file(beside, *db, &st, version, e);
    if (r == 0)
        r = keep(path, kept, *db, &st, e);
    if (r == 0)
        r = close_old(db, path, e);
    if (r == 0)
        r = put_in_place(beside, path, e);
    if (r == 0)
        log_notice(
            "The state file %s has the form of this version now. What it was is kept as %s, for an "
            "earlier rosterd: it holds what is known of people, so remove it when it is not wanted "
            "any more",
            path, kept);
    else
        unlink(beside);
    return r;
}
