/*
 * Opening and closing the state file.
 *
 * Opening looks before it touches: a file that is damaged, of another program or of a newer
 * rosterd is left exactly as it was. A new file is made beside and renamed when it is whole.
 * All pages are read, unless the file is just as it was when it was last closed in good order;
 * where nothing but a sudden end can have happened to it, beside the work.
 */
#include "config.h"

#include "state/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "state/checkpoint.h"
#include "state/db.h"
#include "state/handle.h"
#include "state/lock.h"
#include "state/make.h"
#include "state/migrate.h"
#include "state/queue.h"

#define CHECKPOINT_PAGES 4000 /* 16 MB; what changes often is moved once for so many */
#define BUSY_MS          1000 /* the loop stands still meanwhile */

/* Damage that any step of opening meets is the one answer; the sentence is there. */
int state_answer_of(int r)
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
    alarm_forget_remembered(s);
    if (s->file.fd >= 0) /* after SQLite, whose locks would go with it */
        close(s->file.fd);
    if (s->file.lock_fd >= 0)
        close(s->file.lock_fd);
    free(s->path);
    free(s);
    return NULL;
}

/*
 * POSIX locks belong to the process: closing any descriptor of the state file would drop those
 * of the connection that is open on it, and another process that looks at the file and goes
 * would then take itself for the last one and remove the log that we write to. So what is open
 * here is known, and looked at through SQLite alone.
 */
static struct state *open_here;

bool state_is_open_here(const char *path)
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
                      "the file system of the state file %s does not support a write-ahead log "
                      "(SQLite stays with '%s'); network file systems don't: use a local one",
                      s->path, word ? word : "?");
    sqlite3_finalize(q);
    return r;
}

/* Until the file is known to be sound, closing must not move its log into it. */
static void keep_log(struct state *s, bool keep)
{
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, (int)keep, NULL);
}

/* A file is brought to the form of today only after its pages were read. */
static int check(struct state *s, bool sound, bool at_once, int *ret_version, struct error *e)
{
    bool later = at_once && !sound && s->file.left.is_unended;
    int r = migrate_check(s->db, s->path, sound || later, ret_version, e);

    s->file.unproven = later && r == 0 && migrate_is_done(*ret_version);
    s->file.checked = !sound && !s->file.unproven;
    if (r == 0 && later && !s->file.unproven)
        r = migrate_check(s->db, s->path, false, ret_version, e);
    if (r == 0 && s->file.checked)
        lock_doubt(s->file.lock_fd, false);
    return r;
}

static int open_db(struct state *s, struct error *e)
{
    int r = db_connect(&s->db, s->path, SQLITE_OPEN_READWRITE, s->path, e);

    if (r < 0)
        return r;
    keep_log(s, true);
    return migrate_settings(s->db, s->path, e);
}

/* A file of an earlier form gives way to one of today, whose lock is taken as its was. */
static int renew(struct state *s, int version, struct error *e)
{
    int r = make_newer(&s->db, s->path, version, e);

    if (r < 0)
        return r;
    close(s->file.fd);
    s->file.fd = -1;
    r = lock_take_file(s->path, &s->file.fd, e);
    return r == 0 ? open_db(s, e) : r;
}

static int open_checked(struct state *s, bool as_left, bool at_once, struct error *e)
{
    int version = 0, r = open_db(s, e);

    if (r == 0)
        r = check(s, as_left, at_once, &version, e);
    if (r != 0)
        return r;
    if (sqlite3_db_readonly(s->db, "main") == 1)
        return error_set(e, -EROFS,
                         "the state file %s may only be read: check owner, mode and mount "
                         "options",
                         s->path);
    r = version && !migrate_is_done(version) ? renew(s, version, e)
                                             : migrate_apply(s->db, s->path, version, e);
    if (r == 0)
        r = use_wal(s, e);
    if (r == 0)
        r = space_compact(s->db, s->path, !s->file.unproven, e);
    if (r == 0)
        keep_log(s, s->file.unproven);
    return r;
}

static int open_file(struct state **ret, const char *path, bool at_once, bool *ret_created,
                     struct error *e)
{
    CLEANUP(state_releasep) struct state *s = state_alloc(path);
    bool empty = false;

    if (!s)
        return error_out_of_memory(e);
    int r = lock_take(path, &s->file.lock_fd, &s->file.left, e);
    if (r == 0)
        r = space_use_folder_of(path, e);
    if (r == 0)
        r = make_look(path, &empty, e);
    if (r == 0 && empty)
        r = make_file(path, e);
    if (r == 0)
        r = lock_take_file(path, &s->file.fd, e);
    if (r == 0)
        r = open_checked(s, s->file.left.is_so && !empty, at_once && !empty, e);
    if (r == 0)
        r = checkpoint_new(&s->file.checkpoint, path, e);
    if (r != 0)
        return state_answer_of(r);
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

int state_open(struct state **ret, const char *path, bool *ret_created, struct error *e)
{
    return open_file(ret, path, false, ret_created, e);
}

int state_open_at_once(struct state **ret, const char *path, bool *ret_created, struct error *e)
{
    return open_file(ret, path, true, ret_created, e);
}

bool state_is_proven(const struct state *s)
{
    return !s->file.unproven;
}

void state_proven(struct state *s, bool sound)
{
    if (!sound) {
        s->file.suspect = true;
        return;
    }
    s->file.unproven = false;
    keep_log(s, false);
    state_checkpoint_soon(s);
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
        keep_log(s, true);
    } else if (s->file.unproven) {
        if (s->file.suspect)
            lock_doubt(s->file.lock_fd, true);
    } else if (s->file.checkpoint) {
        unresolved_describe(s);
        s->file.checkpoint = checkpoint_free(s->file.checkpoint);
        stmt_cache_done(s);
        /* What fails here is done when the file is opened again. */
        sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        if (sqlite3_close(s->db) == SQLITE_OK) {
            s->db = NULL;
            if (s->file.suspect)
                lock_doubt(s->file.lock_fd, true);
            else
                lock_leave(s->file.lock_fd, s->path, s->file.left.facts);
        }
    }
    return state_release(s);
}

void state_checkpoint_soon(struct state *s)
{
    if (!s->file.checkpoint || s->file.unproven || s->file.wal_pages < CHECKPOINT_PAGES)
        return;
    s->file.wal_pages = 0;
    space_trim(s);
    checkpoint_soon(s->file.checkpoint);
}
