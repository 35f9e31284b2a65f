/*
 * What is held and comes back when its time has come: by itself, or, of causes that many
 * operations share, one that is tried next.
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "state/db.h"
#include "state/queue.h"

bool queue_reason_is_shared(const char *reason)
{
    static const char *const reasons[] = {REASON_REFUSED, REASON_RENAME_POLICY,
                                          REASON_PART_NOT_OFFERED};
    for (size_t i = 0; reason && i < ARRAY_SIZE(reasons); i++)
        if (text_equal(reason, reasons[i]))
            return true;
    return false;
}

#define TO_READY(index)                                                                        \
    "UPDATE operation INDEXED BY " index " SET state = 1, sentence = NULL, cause = NULL, "     \
    "reason = CASE WHEN reason = '" REASON_UNCLEAR                                             \
    "' THEN reason END, since_usec = 0, not_before_usec = ?1 WHERE state = 3"

int queue_release(struct state *s, const char *cause, const char *reason, uint64_t now_usec,
                  size_t *ret_n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r =
        stmt_prepare(&q, s,
                     cause ? TO_READY("operation_cause") " AND cause = ?2 AND reason NOT NULL"
                     : reason ? TO_READY("operation_state") " AND reason = ?2"
                              : TO_READY("operation_state"),
                     e);

    if (r < 0)
        return r;
    stmt_bind_usec(q, 1, now_usec);
    if (cause || reason)
        stmt_bind_text(q, 2, cause ? cause : reason);
    r = stmt_run(q, e);
    if (r == 0 && ret_n)
        *ret_n = (size_t)sqlite3_changes(s->db);
    return r;
}

int queue_any_held_due(struct state *s, uint64_t now_usec, bool *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT 1 FROM operation INDEXED BY operation_held WHERE state = 3 AND "
                       "not_before_usec > 0 AND not_before_usec <= ?1 LIMIT 1",
                       WITH(as_usec(now_usec)), e);
    *ret = r == STMT_ROW;
    return r < 0 ? r : 0;
}

int queue_release_due(struct state *s, uint64_t now_usec, size_t *ret_n, struct error *e)
{
    int r = db_write(s,
                     "UPDATE operation INDEXED BY operation_held SET state = 1 WHERE state = 3 AND "
                     "not_before_usec > 0 AND not_before_usec <= ?1 AND "
                     "(cause IS NULL OR reason NOT IN " QUEUE_SHARED_REASONS ")",
                     WITH(as_usec(now_usec)), e);
    if (r == 0 && ret_n)
        *ret_n = (size_t)sqlite3_changes(s->db);
    return r;
}

/* Those whose time has come, of causes that are shared. */
#define DUE                                                                                    \
    "state = 3 AND not_before_usec > 0 AND not_before_usec <= ?1 AND cause IS NOT NULL AND "   \
    "reason IN " QUEUE_SHARED_REASONS

static int due_causes(struct state *s, uint64_t now_usec, struct string_list *ret,
                      struct error *e)
{
    return db_texts(s,
                    "SELECT DISTINCT cause FROM operation INDEXED BY operation_held WHERE " DUE,
                    WITH(as_usec(now_usec)), ret, e);
}

static int release_one(struct state *s, const char *cause, uint64_t now_usec, size_t *ret_n,
                       struct error *e)
{
    static const char sql[] =
        "UPDATE operation SET state = 1 WHERE number = (SELECT number FROM operation WHERE " DUE
        " AND cause = ?2 ORDER BY attempts, number LIMIT 1) AND NOT EXISTS (SELECT 1 FROM "
        "operation x WHERE x.cause = ?2 AND x.reason IN " QUEUE_SHARED_REASONS
        " AND x.state IN (1, 4))";
    int r = db_write(s, sql, WITH(as_usec(now_usec), as_text(cause)), e);
    if (r == 0)
        *ret_n += (size_t)sqlite3_changes(s->db);
    return r;
}

/* Also those whose time comes a little later: they were refused one after the other. */
static int postpone_others(struct state *s, const char *cause, uint64_t next_usec,
                           struct error *e)
{
    return db_write(s,
                    "UPDATE operation SET not_before_usec = ?2 WHERE cause = ?1 AND "
                    "state = 3 AND not_before_usec > 0 AND reason IN " QUEUE_SHARED_REASONS,
                    WITH(as_text(cause), as_usec(next_usec)), e);
}

int queue_release_shared(struct state *s, uint64_t now_usec, uint64_t next_usec, size_t *ret_n,
                         struct error *e)
{
    CLEANUP(string_list_done) struct string_list causes = {0};
    int r = due_causes(s, now_usec, &causes, e);

    for (size_t i = 0; i < causes.n_items && r == 0; i++) {
        r = release_one(s, causes.items[i], now_usec, ret_n, e);
        if (r == 0)
            r = postpone_others(s, causes.items[i], next_usec, e);
    }
    return r;
}

int queue_release_forbidden(struct state *s, uint64_t now_usec, size_t *ret_n, struct error *e)
{
    int r = db_write(
        s,
        "UPDATE operation INDEXED BY operation_cause SET state = 1, sentence = NULL, cause = NULL, "
        "reason = NULL, since_usec = 0, not_before_usec = ?1 WHERE cause >= 'refused:401' AND "
        "cause < 'refused:404' AND cause NOT LIKE 'refused:402%' AND state = 3 AND "
        "reason = '" REASON_REFUSED "'",
        WITH(as_usec(now_usec)), e);
    if (r == 0)
        *ret_n = (size_t)sqlite3_changes(s->db);
    return r;
}
