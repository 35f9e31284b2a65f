/*
 * The numbers by which all tables know entries. An id gets its number when it is first heard of,
 * and keeps it while any table has a row of it; triggers of the file take it away after the last
 * one (migrate.c). No number is used twice, so one that somebody still holds means nobody else.
 */
#include "config.h"

#include "base/error.h"
#include "state/db.h"

int identity_run(struct stmt *q, const char *id, struct error *e)
{
    int64_t n;
    int r = stmt_run(q, e);

    if (r < 0 || sqlite3_changes(q->state->db) > 0)
        return r;
    r = identity_get(q->state, id, &n, e);
    return r < 0 ? r : stmt_run(q, e);
}

/* Asked first: INSERT OR IGNORE would use a number up for each id that has one already. */
int identity_get(struct state *s, const char *id, int64_t *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s, "SELECT n FROM identity WHERE id = ?1", e);

    if (r < 0)
        return r;
    stmt_bind_id(q, 1, id);
    r = stmt_step(q, e);
    if (r == STMT_ROW)
        *ret = stmt_int(q, 0);
    if (r != 0)
        return r < 0 ? r : 0;
    r = db_write_id(s, "INSERT INTO identity(id) VALUES(?1)", id, e);
    if (r == 0)
        *ret = sqlite3_last_insert_rowid(s->db);
    return r;
}
