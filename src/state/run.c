/* Runs: when each began and ended, and its totals. The audit keeps them for ever; here the last
 * few thousand stay. */
#include "config.h"

#include "base/error.h"
#include "state/db.h"
#include "state/person.h"

#define RUNS_KEPT 5000

int run_begin(struct state *s, const char *trigger, uint64_t now_usec, uint64_t *ret_run,
              struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL, *prune = NULL;
    int r = stmt_prepare(&q, s, "INSERT INTO run(trigger, started_usec) VALUES(?1, ?2)", e);

    if (r < 0)
        return r;
    stmt_bind_text(q, 1, trigger);
    stmt_bind_usec(q, 2, now_usec);
    r = stmt_run(q, e);
    if (r < 0)
        return r;
    *ret_run = (uint64_t)sqlite3_last_insert_rowid(s->db);
    r = stmt_prepare(&prune, s, "DELETE FROM run WHERE number <= ?1", e);
    if (r < 0)
        return r;
    stmt_bind_int(prune, 1, (int64_t)*ret_run - RUNS_KEPT);
    return stmt_run(prune, e);
}

int run_unended(struct state *s, uint64_t *ret_run, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(
        &q, s, "SELECT number, ended_usec FROM run ORDER BY number DESC LIMIT 1", e);

    *ret_run = 0;
    if (r == 0)
        r = stmt_step(q, e);
    if (r == STMT_ROW && stmt_usec(q, 1) == 0)
        *ret_run = stmt_usec(q, 0);
    return r < 0 ? r : 0;
}

int run_end(struct state *s, uint64_t run, uint64_t now_usec, const char *totals_json,
            struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r =
        stmt_prepare(&q, s, "UPDATE run SET ended_usec = ?2, totals = ?3 WHERE number = ?1", e);

    if (r < 0)
        return r;
    stmt_bind_usec(q, 1, run);
    stmt_bind_usec(q, 2, now_usec ? now_usec : 1);
    stmt_bind_text(q, 3, totals_json);
    return stmt_run(q, e);
}

int run_last(struct state *s, uint64_t *ret_run, uint64_t *ret_started, uint64_t *ret_ended,
             char **ret_trigger, char **ret_totals, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r =
        stmt_prepare(&q, s,
                     "SELECT number, started_usec, ended_usec, totals, trigger FROM run WHERE "
                     "ended_usec > 0 ORDER BY number DESC LIMIT 1",
                     e);

    if (r == 0)
        r = stmt_step(q, e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    if (stmt_copy(q, 3, ret_totals) < 0 || stmt_copy(q, 4, ret_trigger) < 0)
        return error_out_of_memory(e);
    *ret_run = stmt_usec(q, 0);
    *ret_started = stmt_usec(q, 1);
    *ret_ended = stmt_usec(q, 2);
    return 0;
}
