/*
 * The state file, looked at: a copy of it that nobody keeps, and whether a start would take it.
 * Nothing is written to it, nor made beside it where nobody has it open.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "state/db.h"
#include "state/handle.h"
#include "state/lock.h"
#include "state/make.h"
#include "state/migrate.h"
#include "state/state.h"

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
    int r;

    if (!uri)
        return error_out_of_memory(e);
    r = db_connect(ret, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, path, e);
    if (r == 0) {
        sqlite3_extended_result_codes(*ret, 1);
        sqlite3_busy_timeout(*ret, 5000);
        r = db_number(*ret, path, "PRAGMA schema_version", &schema, e);
    }
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

    if ((r == -EACCES || r == -EROFS) && make_size(path, "-wal") <= 0)
        r = open_source_as(ret, path, "immutable=1", e);
    return r;
}

static int copy_from(struct state *s, const char *path, struct error *e)
{
    sqlite3 *source = NULL;
    int r = open_source(&source, path, e);

    if (r != 0) {
        sqlite3_close(source);
        return r;
    }
    r = make_copy(s->db, source, path, e);
    sqlite3_close(source);
    return r;
}

int state_open_copy(struct state **ret, const char *path, struct error *e)
{
    CLEANUP(state_releasep) struct state *s = state_alloc(path ? path : "(no file)");
    bool empty = !path, here = path && state_is_open_here(path);
    int version = 0, r;

    if (!s)
        return error_out_of_memory(e);
    /* The empty name is a private database: in memory while small, else in a file that has no
     * name any more. */
    r = db_connect(&s->db, "", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, s->path, e);
    if (r == 0 && path && !here)
        r = make_look(path, &empty, e);
    if (r == 0 && !empty)
        r = copy_from(s, path, e);
    if (r == 0)
        r = migrate_settings(s->db, s->path, e);
    if (r == 0)
        r = migrate_check(s->db, s->path, here, &version, e);
    if (r == 0)
        r = migrate_apply(s->db, s->path, version, e);
    if (r != 0)
        return state_answer_of(r);
    later_watch(s);
    *ret = TAKE(s);
    return 0;
}

/* As open_source(), and no file is made where nobody has it open. */
static int open_unchanged(sqlite3 **ret, const char *path, struct error *e)
{
    return open_source_as(ret, path, make_size(path, "-wal") < 0 ? "immutable=1" : "mode=ro", e);
}

/* Whoever has it open has read its pages, or does; otherwise all are read, with a log that was
 * left behind, unless it is as it was left. */
static int look_inside(const char *path, const struct lock_left *left, struct error *e)
{
    sqlite3 *db = NULL;
    int version = 0, r = open_unchanged(&db, path, e);

    if (r == 0)
        r = migrate_check(db, path, left->is_so || left->is_open, &version, e);
    sqlite3_close(db);
    return r;
}

int state_look(const char *path, struct error *warning, struct error *e)
{
    struct lock_left left = {0};
    bool empty = false;
    int r = lock_look(path, &left, warning, e);

    if (r == 0)
        r = make_look(path, &empty, e);
    if (r == 0 && !empty)
        r = look_inside(path, &left, e);
    return state_answer_of(r);
}
