/* A state that is only read, beside the one that is open: of one moment, and for another thread. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "state/db.h"
#include "state/handle.h"
#include "state/migrate.h"

#define LONG_LOG_PAGES 16000 /* 64 MB */

/* The moment is that of the first read, which is a number of the file's head, so that the loop
 * waits for nothing else. */
static int open_beside(struct state **ret, struct state *beside, int how, struct error *e)
{
    struct state *s = state_alloc(beside->path);
    int64_t version;
    int r;

    assert(!beside->transaction.active);
    if (!s)
        return error_out_of_memory(e);
    r = db_connect(&s->db, s->path, how, s->path, e);
    if (r == 0)
        r = db_exec(s->db, s->path, "BEGIN", e);
    if (r == 0)
        r = db_number(s->db, s->path, "PRAGMA user_version", &version, e);
    if (r < 0) {
        state_release(s);
        return r;
    }
    unresolved_lend(beside, s);
    memcpy(s->n_links, beside->n_links, sizeof(s->n_links));
    *ret = s;
    return 0;
}

int state_open_to_read(struct state **ret, struct state *beside, struct error *e)
{
    return open_beside(ret, beside, SQLITE_OPEN_READONLY, e);
}

/* One that may only read takes no notice of CHECK(), of which the types are a part. */
int state_open_to_prove(struct state **ret, struct state *beside, struct error *e)
{
    struct state *s;
    int r = open_beside(&s, beside, SQLITE_OPEN_READWRITE, e);

    if (r == 0 && (r = db_exec(s->db, s->path, "PRAGMA query_only=ON", e)) < 0)
        state_release(s);
    if (r == 0)
        *ret = s;
    return r;
}

int state_prove(struct state *reader, struct error *e)
{
    int r = reader->cancelled ? 0
                              : migrate_check_pages(reader->db, reader->path,
                                                    "Nobody was removed since rosterd started", e);

    return reader->cancelled ? error_set(e, -ECANCELED, "the check was given up") : r;
}

void state_end_reading(struct state *s, struct state *beside)
{
    unresolved_learn(beside, s);
    state_close(s);
}

void state_cancel(struct state *s)
{
    s->cancelled = true;
    sqlite3_interrupt(s->db);
}

void state_rest(struct state *s)
{
    groups_done(s);
    if (!s->transaction.active)
        (void)sqlite3_db_release_memory(s->db);
}

int state_n_changes(const struct state *s)
{
    return sqlite3_total_changes(s->db);
}

bool state_log_is_long(const struct state *s)
{
    return s->file.log_pages > LONG_LOG_PAGES;
}
