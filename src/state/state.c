/*
 * Opening and closing the state file.
 *
 * Opening looks before it touches: a file that is damaged, of another program or of a newer
 * rosterd is left exactly as it was. A new file is made beside and renamed when it is whole. All
 * pages are read, unless the file is just as it was when it was last closed in good order.
 */
#include "config.h"

#include "state/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "state/checkpoint.h"
#include "state/db.h"
#include "state/lock.h"
#include "state/migrate.h"

#define CHECKPOINT_PAGES 4000 /* 16 MB; what changes often is moved once for so many */
#define BUSY_MS          1000 /* the loop stands still meanwhile */

static const char magic[16] = "SQLite format 3";

/* Damage that any step of opening meets is the one answer; the sentence is there. */
static int answer_of(int r)
{
    return r == -EBADMSG ? STATE_DAMAGED : r;
}

struct state *state_alloc(const char *path)
{
    struct state *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->file.lock_fd = s->file.fd = -1;
    link_forget_counts(s);
    s->path = strdup(path);
    if (!s->path) {
        free(s);
        return NULL;
    }
    return s;
}

struct state *state_release(struct state *s)
{
    stmt_cache_done(s);
    link_watch_end(s);
    checkpoint_free(s->file.checkpoint);
    sqlite3_close(s->db);
    for (size_t i = 0; i < MIRROR_MAX_SEARCHES; i++)
        seen_done(&s->searches.seen[i]);
    dn_memory_done(&s->dn_memory);
    buffer_done(&s->scratch);
    buffer_done(&s->shape.names);
    buffer_done(&s->trail.pending);
    later_done(s);
    if (s->file.fd >= 0) /* after SQLite, whose locks would go with it */
        close(s->file.fd);
    if (s->file.lock_fd >= 0)
        close(s->file.lock_fd);
    free(s->path);
    free(s);
    return NULL;
}

static void state_releasep(struct state **s)
{
    if (*s)
        state_release(*s);
}

/*
 * POSIX locks belong to the process: closing any descriptor of the state file would drop those
 * of the connection that is open on it, and another process that looks at the file and goes
 * would then take itself for the last one and remove the log that we write to. So what is open
 * here is known, and looked at through SQLite alone.
 */
static struct state *open_here;

static bool is_open_here(const char *path)
{
    struct stat wanted, st;

    if (stat(path, &wanted) < 0)
        return false;
    for (const struct state *s = open_here; s; s = s->next_open)
        if (stat(s->path, &st) == 0 && st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino)
            return true;
    return false;
}

static void forget_open(struct state *gone)
{
    for (struct state **p = &open_here; *p; p = &(*p)->next_open)
        if (*p == gone) {
            *p = gone->next_open;
            return;
        }
}

static int64_t size_of(const char *path, const char *suffix)
{
    CLEANUP(freep) char *whole = NULL;
    struct stat st;

    if (asprintf(&whole, "%s%s", path, suffix) < 0) {
        whole = NULL;
        return -1;
    }
    return stat(whole, &st) == 0 ? (int64_t)st.st_size : -1;
}

/* What can be told without SQLite, which would start to repair. *ret_empty: there is nothing.
 */
static int look_at_file(const char *path, bool *ret_empty, struct error *e)
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
        return error_set(e, -EINVAL, "The state file %s is no regular file", path);
    }
    n = fd < 0 ? 0 : read(fd, head, sizeof(head));
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return error_set(e, -EIO, "The state file %s cannot be read", path);
    *ret_empty = n == 0;
    if (n == 0 && size_of(path, "-wal") > 0) {
        error_set(e, 0,
                  "The state file %s is missing or empty, but its write-ahead log %s-wal is "
                  "there: the file was removed or cut. Restore it, or move the log aside to "
                  "rebuild the state by adoption",
                  path, path);
        return STATE_DAMAGED;
    }
    if (n > 0 && memcmp(head, magic, sizeof(magic)) != 0) {
        error_set(e, 0,
                  "%s is no state file: it does not begin like a database. Nothing was written "
                  "to it. Move it aside to rebuild the state by adoption, or check the path",
                  path);
        return STATE_DAMAGED;
    }
    return 0;
}

static int count_wal_pages(void *userdata, sqlite3 *db, const char *name, int n_pages)
{
    struct state *s = userdata;

    (void)db;
    (void)name;
    s->file.wal_pages = s->file.log_pages = n_pages;
    return SQLITE_OK;
}

static int use_wal(struct state *s, struct error *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode=WAL", -1, &q, NULL);
    const char *word = NULL;
    int r = 0;

    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW)
        word = (const char *)sqlite3_column_text(q, 0);
    if (rc != SQLITE_ROW)
        r = db_error(s->db, s->path, rc, e);
    else if (!word || strcmp(word, "wal") != 0)
        r = error_set(e, -ENOTSUP,
                      "The file system of the state file %s does not support a write-ahead log "
                      "(SQLite stays with '%s'); network file systems don't: use a local one",
                      s->path, word ? word : "?");
    sqlite3_finalize(q);
    return r;
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

/* A new file is made under another name and renamed when it is whole and synced, so that a power
 * loss leaves none or a good one. */
static int make_file(const char *path, struct error *e)
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

static int open_checked(struct state *s, bool as_left, struct error *e)
{
    int version = 0;
    int rc =
        sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    int r;

    s->file.checked = !as_left;
    if (rc != SQLITE_OK)
        return db_error(s->db, s->path, rc, e);
    /* Until the file is known to be sound, closing must not move its log into it. */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    r = migrate_settings(s->db, s->path, e);
    if (r == 0)
        r = migrate_check(s->db, s->path, as_left, &version, e);
    if (r != 0)
        return r;
    if (sqlite3_db_readonly(s->db, "main") == 1)
        return error_set(e, -EROFS,
                         "The state file %s may only be read: check owner, mode and mount "
                         "options",
                         s->path);
    r = migrate_apply(s->db, s->path, version, e);
    if (r == 0)
        r = use_wal(s, e);
    if (r == 0)
        r = space_compact(s->db, s->path, e);
    if (r == 0)
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return r;
}

int state_open(struct state **ret, const char *path, bool *ret_created, struct error *e)
{
    CLEANUP(state_releasep) struct state *s = state_alloc(path);
    bool empty = false;

    if (!s)
        return error_out_of_memory(e);
    int r = lock_take(path, &s->file.lock_fd, &s->file.left, e);
    if (r == 0)
        r = space_use_folder_of(path, e);
    if (r == 0)
        r = look_at_file(path, &empty, e);
    if (r == 0 && empty)
        r = make_file(path, e);
    if (r == 0)
        r = lock_take_file(path, &s->file.fd, e);
    if (r == 0)
        r = open_checked(s, s->file.left.is_so && !empty, e);
    if (r == 0)
        r = checkpoint_new(&s->file.checkpoint, path, e);
    if (r != 0)
        return answer_of(r);
    unresolved_recall(s);
    later_watch(s);
    sqlite3_wal_hook(s->db, count_wal_pages, s);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    if (ret_created)
        *ret_created = empty;
    s->next_open = open_here;
    open_here = s;
    *ret = TAKE(s);
    return 0;
}

/* A file: URI for a path; malloc'd. */
static char *file_uri(const char *path, const char *how)
{
    CLEANUP(buffer_done) struct buffer uri = {0};

    buffer_add_text(&uri, "file:");
    for (const char *p = path; *p; p++)
        if (strchr("%?#", *p))
            buffer_format(&uri, "%%%02x", (unsigned char)*p);
        else
            buffer_add(&uri, p, 1);
    buffer_format(&uri, "?%s", how);
    return buffer_take(&uri);
}

static int open_source_as(sqlite3 **ret, const char *path, const char *how, struct error *e)
{
    CLEANUP(freep) char *uri = file_uri(path, how);
    int64_t schema = 0;
    int rc, r;

    if (!uri)
        return error_out_of_memory(e);
    rc = sqlite3_open_v2(uri, ret, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(*ret, 1);
        sqlite3_busy_timeout(*ret, 5000);
        r = db_number(*ret, path, "PRAGMA schema_version", &schema, e);
    } else
        r = db_error(*ret, path, rc, e);
    if (r == 0)
        return 0;
    sqlite3_close(*ret);
    *ret = NULL;
    return r;
}

/* A reader of a WAL database must be able to make its -shm file. Where the folder may not be
 * written and no log exists, nobody has the file open, and it can be read as it is. */
static int open_source(sqlite3 **ret, const char *path, struct error *e)
{
    int r = open_source_as(ret, path, "mode=ro", e);

    if ((r == -EACCES || r == -EROFS) && size_of(path, "-wal") <= 0)
        r = open_source_as(ret, path, "immutable=1", e);
    return r;
}

static int copy_from(struct state *s, const char *path, struct error *e)
{
    sqlite3 *source = NULL;
    sqlite3_backup *backup;
    int rc = SQLITE_NOMEM, r = open_source(&source, path, e);

    if (r != 0) {
        sqlite3_close(source);
        return r;
    }
    backup = sqlite3_backup_init(s->db, "main", source, "main");
    if (backup) {
        rc = sqlite3_backup_step(backup, -1);
        sqlite3_backup_finish(backup);
    }
    if (rc != SQLITE_DONE)
        r = db_error(source, path, rc, e);
    sqlite3_close(source);
    return r;
}

int state_open_copy(struct state **ret, const char *path, struct error *e)
{
    CLEANUP(state_releasep) struct state *s = state_alloc(path ? path : "(no file)");
    bool empty = !path, here = path && is_open_here(path);
    int version = 0, rc, r = 0;

    if (!s)
        return error_out_of_memory(e);
    /* The empty name is a private database: in memory while small, else in a file that has no
     * name any more. */
    rc = sqlite3_open_v2("", &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc != SQLITE_OK)
        return db_error(s->db, s->path, rc, e);
    if (path && !here)
        r = look_at_file(path, &empty, e);
    if (r == 0 && !empty)
        r = copy_from(s, path, e);
    if (r == 0)
        r = migrate_settings(s->db, s->path, e);
    if (r == 0)
        r = migrate_check(s->db, s->path, here, &version, e);
    if (r == 0)
        r = migrate_apply(s->db, s->path, version, e);
    if (r != 0)
        return answer_of(r);
    later_watch(s);
    *ret = TAKE(s);
    return 0;
}

bool state_is_in_place(const struct state *s)
{
    return s->file.fd < 0 || lock_is_in_place(s->file.fd, s->path);
}

int state_try_to_write(struct state *s, struct error *e)
{
    int r = state_begin(s, e);

    if (r < 0)
        return r;
    r = state_meta_set(s, "written-again", "1", e);
    if (r == 0)
        r = state_meta_set(s, "written-again", NULL, e);
    if (r < 0) {
        state_rollback(s);
        return r;
    }
    return state_commit(s, e);
}

struct state *state_close(struct state *s)
{
    if (!s)
        return NULL;
    forget_open(s);
    if (s->transaction.active)
        state_rollback(s);
    if (s->file.checkpoint && !state_is_in_place(s)) {
        /* What lies at the path now is not ours: neither its log nor our note may touch it. */
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    } else if (s->file.checkpoint) {
        unresolved_describe(s);
        s->file.checkpoint = checkpoint_free(s->file.checkpoint);
        stmt_cache_done(s);
        /* What fails here is done when the file is opened again. */
        sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        if (sqlite3_close(s->db) == SQLITE_OK) {
            s->db = NULL;
            if (!s->file.suspect)
                lock_leave(s->file.lock_fd, s->path, s->file.left.facts);
        }
    }
    return state_release(s);
}

void state_checkpoint_soon(struct state *s)
{
    if (!s->file.checkpoint || s->file.wal_pages < CHECKPOINT_PAGES)
        return;
    s->file.wal_pages = 0;
    space_trim(s);
    checkpoint_soon(s->file.checkpoint);
}
