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
    int r = db_write(s, "INSERT INTO run(trigger, started_usec) VALUES(?1, ?2)",
                     WITH(as_text(trigger), as_usec(now_usec)), e);
    if (r < 0)
        return r;
    *ret_run = (uint64_t)sqlite3_last_insert_rowid(s->db);
    return db_write(s, "DELETE FROM run WHERE number <= ?1",
                    WITH(as_int((int64_t)*ret_run - RUNS_KEPT)), e);
}

int run_unended(struct state *s, uint64_t *ret_run, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT number, ended_usec FROM run ORDER BY number DESC LIMIT 1",
                       NULL, e);

    *ret_run = 0;
    if (r == STMT_ROW && stmt_usec(q, 1) == 0)
        *ret_run = stmt_usec(q, 0);
    return r < 0 ? r : 0;
}

int run_end(struct state *s, uint64_t run, uint64_t now_usec, const char *totals_json,
            struct error *e)
{
    return db_write(s, "UPDATE run SET ended_usec = ?2, totals = ?3 WHERE number = ?1",
                    WITH(as_usec(run), as_usec(now_usec ? now_usec : 1), as_text(totals_json)), e);
}

int run_last(struct state *s, uint64_t *ret_run, uint64_t *ret_started, uint64_t *ret_ended,
             char **ret_trigger, char **ret_totals, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT number, started_usec, ended_usec, totals, trigger FROM run WHERE "
                       "ended_usec > 0 ORDER BY number DESC LIMIT 1",
                       NULL, e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    if (stmt_copy(q, 3, ret_totals) < 0 || stmt_copy(q, 4, ret_trigger) < 0)
        return error_out_of_memory(e);
    *ret_run = stmt_usec(q, 0);
    *ret_started = stmt_usec(q, 1);
    *ret_ended = stmt_usec(q, 2);
    return 0;
}
