/*
 * What is held for causes that have ended comes back: it is put down in one row, whoever many they
 * are, and done some at a time. So it is whole, whenever rosterd ends in between.
 */
#include "config.h"

#include <stdio.h>

#include "base/error.h"
#include "state/db.h"
#include "state/queue.h"

/* Those held until then: who is held since is held for something else. */
#define TO_BE_FREED                                                                                \
    "operation INDEXED BY operation_cause WHERE reason IS NOT NULL AND cause >= ?1 AND "           \
    "cause < ?2 AND (?3 IS NULL OR reason = ?3) AND state = 3 AND since_usec <= ?4"

/* Of all causes from `cause` on, before `end`. */
static int release(struct state *s, const char *cause, const char *end, const char *reason,
                   uint64_t now_usec, bool *ret_any, struct error *e)
{
    const struct bind of[] = {as_text(cause), as_text(end), as_text(reason), as_usec(now_usec)};
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT 1 FROM " TO_BE_FREED " LIMIT 1",
                       WITH(of[0], of[1], of[2], of[3]), e);

    if (r != STMT_ROW)
        return r;
    *ret_any = true;
    return db_write(s,
                    "INSERT INTO freed(cause, cause_end, reason, at_usec) VALUES(?1, ?2, ?3, ?4)",
                    WITH(of[0], of[1], of[2], of[3]), e);
}

int queue_release(struct state *s, const char *cause, uint64_t now_usec, bool *ret_any,
                  struct error *e)
{
    CLEANUP(freep) char *end = NULL;

    *ret_any = false;
    if (asprintf(&end, "%s\001", cause) < 0) { /* nothing else lies between */
        end = NULL;
        return error_out_of_memory(e);
    }
    return release(s, cause, end, NULL, now_usec, ret_any, e);
}

int queue_release_refused(struct state *s, uint64_t now_usec, bool *ret_any, struct error *e)
{
    int r = release(s, "refused:", "refused;", REASON_REFUSED, now_usec, ret_any, e);

    return r < 0 ? r : release(s, "revoked:", "revoked;", REASON_REFUSED, now_usec, ret_any, e);
}

int queue_release_locked(struct state *s, uint64_t now_usec, bool *ret_any, struct error *e)
{
    *ret_any = false;
    return release(s, "lockout:", "lockout;", REASON_LOCKOUT, now_usec, ret_any, e);
}

int queue_release_forbidden(struct state *s, uint64_t now_usec, bool *ret_any, struct error *e)
{
    int r = release(s, "refused:401", "refused:401!", REASON_REFUSED, now_usec, ret_any, e);

    return r < 0 ? r
                 : release(s, "refused:403", "refused:403!", REASON_REFUSED, now_usec, ret_any, e);
}

/* Of the first row. n: how many were. */
static int free_some(struct state *s, struct stmt *row, size_t limit, size_t *ret_n,
                     struct error *e)
{
    static const char sql[] =
        "UPDATE operation SET state = 1, sentence = NULL, cause = NULL, reason = CASE WHEN "
        "reason = '" REASON_UNCLEAR "' THEN reason END, since_usec = 0, not_before_usec = ?4 "
        "WHERE number IN (SELECT number FROM " TO_BE_FREED " LIMIT ?5)";
    int r = db_write(s, sql,
                     WITH(as_text(stmt_text(row, 1)), as_text(stmt_text(row, 2)),
                          as_text(stmt_text(row, 3)), as_usec(stmt_usec(row, 4)),
                          as_int((int64_t)limit)),
                     e);

    *ret_n = r == 0 ? (size_t)sqlite3_changes(s->db) : 0;
    if (r == 0 && *ret_n < limit)
        r = db_write(s, "DELETE FROM freed WHERE number = ?1", WITH(as_int(stmt_int(row, 0))), e);
    return r;
}

int queue_release_some(struct state *s, size_t limit, size_t *ret_n, struct error *e)
{
    int r = 0;

    *ret_n = 0;
    while (r == 0 && *ret_n < limit) {
        CLEANUP(stmt_freep) struct stmt *row = NULL;
        size_t n = 0;

        r = stmt_query(&row, s,
                       "SELECT number, cause, cause_end, reason, at_usec FROM freed ORDER BY "
                       "number LIMIT 1",
                       NULL, e);
        if (r != STMT_ROW)
            return r < 0 ? r : STATE_NONE;
        r = free_some(s, row, limit - *ret_n, &n, e);
        *ret_n += n;
    }
    return r;
}
