/*
 * The transaction of the state file. What waits in memory to be written is written before the
 * commit; what is kept there for speed is forgotten by a rollback.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>

#include "base/error.h"
#include "state/db.h"
#include "state/state.h"
#include "state/trail.h"

int state_begin(struct state *s, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;

    assert(!s->transaction.active);
    int r = stmt_prepare(&q, s, "BEGIN IMMEDIATE", e);
    if (r < 0)
        return r;
    int rc = sqlite3_step(q->handle);
    if (rc != SQLITE_DONE)
        return db_error(s->db, s->path, rc, e);
    s->transaction.changes_before = sqlite3_total_changes(s->db);
    s->transaction.active = true;
    s->transaction.broken = false;
    return 0;
}

int state_commit(struct state *s, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int rc, r = 0;

    assert(s->transaction.active);
    if (s->transaction.broken || sqlite3_get_autocommit(s->db))
        r = error_set(e, -EIO,
                      "the state file %s: a write of this transaction failed, so all of it was "
                      "rolled back",
                      s->path);
    if (r == 0)
        r = trail_flush(s, e);
    if (r == 0)
        r = later_flush(s, s->later.waits, e);
    if (r == 0)
        r = stmt_prepare(&q, s, "COMMIT", e);
    if (r == 0) {
        rc = sqlite3_step(q->handle);
        if (rc != SQLITE_DONE)
            r = db_error(s->db, s->path, rc, e);
    }
    if (r < 0)
        state_rollback(s);
    s->transaction.active = false;
    return r;
}

void state_rollback(struct state *s)
{
    assert(s->transaction.active);
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->transaction.active = false;
    unresolved_forget(s);
    s->round_is_narrow = s->no_marks = s->no_alarms = false;
    s->unspent.known = 0;
    link_forget_counts(s);
    buffer_done(&s->trail.pending); /* the state lives on, so it forgets that memory was short */
    buffer_done(&s->scratch);
    buffer_done(&s->shape.names);
    s->shape.n = 0;
    s->absent.id[0] = '\0';
    later_done(s);
    identity_forget(s);
    s->trail.known = (struct trail_known){0};
    s->trail.epoch++;
}

bool state_has_changed(const struct state *s)
{
    return s->transaction.active && (s->trail.pending.size || s->later.waits ||
                                     sqlite3_total_changes(s->db) != s->transaction.changes_before);
}

bool state_in_transaction(const struct state *s)
{
    return s->transaction.active;
}
