/*
 * What is held and comes back when its time has come: by itself, or, of causes that many
 * operations share, one that is tried next. Thousands may, so those go some at a time.
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

/* Whoever is held is looked at anew before it is tried again, as is what the planner parks: who
 * decided the one or the other has to decide it once more. */
#define TO_BE_LOOKED_AT                                                                            \
    "((state = 3 AND (?5 IS NULL OR (cause = ?5 AND reason NOT NULL))) OR "                        \
    "reason IN ('" REASON_LOGIN_SHARED "', '" REASON_CONFLICT "', '" REASON_SAME_MAIL              \
    "', '" REASON_RENAME_POLICY "', '" REASON_GROUP_MISSING "', '" REASON_ENTRY_INVALID            \
    "', '" REASON_USER_GONE "', '" REASON_ROLE_CONFLICT "', '" REASON_DORMANT "'))"

/* The next numbers of one state and kind, by the index of both. */
#define OF_PART                                                                                    \
    "INDEXED BY operation_state WHERE state = ?1 AND kind = ?2 AND number > ?3 AND number <= ?4"

static int mark_and_release(struct state *s, const char *cause, uint64_t now_usec,
                            enum operation_state state, const struct bind of[static 4],
                            size_t *ret_n, struct error *e)
{
    int r = db_write(s,
                     "INSERT OR IGNORE INTO dirty(entry_n) SELECT entry_n FROM operation " OF_PART
                     " AND " TO_BE_LOOKED_AT,
                     WITH(of[0], of[1], of[2], of[3], as_text(cause)), e);
    if (r < 0 || state != OPERATION_HELD)
        return r;
    r = db_write(s,
                 "UPDATE operation INDEXED BY operation_state SET state = 1, sentence = NULL, "
                 "cause = NULL, reason = CASE WHEN reason = '" REASON_UNCLEAR "' THEN reason END, "
                 "since_usec = 0, not_before_usec = ?1 WHERE state = 3 AND kind = ?2 AND "
                 "number > ?3 AND number <= ?4 AND "
                 "(?5 IS NULL OR (cause = ?5 AND reason NOT NULL))",
                 WITH(as_usec(now_usec), of[1], of[2], of[3], as_text(cause)), e);
    if (r == 0)
        *ret_n += (size_t)sqlite3_changes(s->db);
    return r;
}

/* How many of a part follow, `limit` at most, and the last of them. */
static int next_of_part(struct state *s, const struct bind of[static 4], size_t limit,
                        int64_t *ret_last, size_t *ret_n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT max(number), count(*) FROM (SELECT number FROM operation " OF_PART
                       " ORDER BY number LIMIT ?5)",
                       WITH(of[0], of[1], of[2], of[3], as_int((int64_t)limit)), e);
    if (r != STMT_ROW)
        return r;
    *ret_last = stmt_int(q, 0);
    *ret_n = (size_t)stmt_int(q, 1);
    return 0;
}

int queue_retry_some(struct state *s, const char *cause, uint64_t now_usec, size_t limit,
                     struct queue_retry *at, size_t *ret_n, struct error *e)
{
    static const enum operation_state states[] = {OPERATION_HELD, OPERATION_PARKED};

    if (!at->end)
        at->end = (int64_t)db_count(s, "SELECT coalesce(max(number), 0) FROM operation");
    while (at->part < ARRAY_SIZE(states) * OPERATION_N_KINDS) {
        enum operation_state state = states[at->part / OPERATION_N_KINDS];
        struct bind of[] = {as_int(state), as_int(at->part % OPERATION_N_KINDS), as_int(at->after),
                            as_int(at->end)};
        int64_t last = 0;
        size_t n = 0;
        int r = next_of_part(s, of, limit, &last, &n, e);

        if (r == 0 && n) {
            of[3] = as_int(last);
            r = mark_and_release(s, cause, now_usec, state, of, ret_n, e);
        }
        if (r < 0 || n == limit) {
            at->after = last;
            return r < 0 ? r : 0;
        }
        limit -= n;
        at->part++;
        at->after = 0;
    }
    return STATE_NONE;
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

int queue_release_due(struct state *s, uint64_t now_usec, size_t limit, size_t *ret_n,
                      struct error *e)
{
    int r =
        db_write(s,
                 "UPDATE operation SET state = 1 WHERE number IN (SELECT number FROM operation "
                 "INDEXED BY operation_held WHERE state = 3 AND not_before_usec > 0 AND "
                 "not_before_usec <= ?1 AND (cause IS NULL OR reason NOT IN " QUEUE_SHARED_REASONS
                 ") ORDER BY not_before_usec LIMIT ?2)",
                 WITH(as_usec(now_usec), as_int((int64_t)limit)), e);
    *ret_n = r == 0 ? (size_t)sqlite3_changes(s->db) : 0;
    return r;
}

/* Those whose time has come, of causes that are shared. */
#define DUE                                                                                        \
    "state = 3 AND not_before_usec > 0 AND not_before_usec <= ?1 AND cause IS NOT NULL AND "       \
    "reason IN " QUEUE_SHARED_REASONS

static int due_causes(struct state *s, uint64_t now_usec, struct string_list *ret, struct error *e)
{
    return db_texts(s, "SELECT DISTINCT cause FROM operation INDEXED BY operation_held WHERE " DUE,
                    WITH(as_usec(now_usec)), ret, e);
}

static int release_one(struct state *s, const char *cause, uint64_t now_usec, size_t *ret_n,
                       struct error *e)
{
    static const char sql[] =
        "UPDATE operation SET state = 1 WHERE number = (SELECT number FROM operation WHERE " DUE
        " AND cause = ?2 ORDER BY not_before_usec, number LIMIT 1) AND NOT EXISTS (SELECT 1 FROM "
        "operation x WHERE x.cause = ?2 AND x.reason IN " QUEUE_SHARED_REASONS
        " AND x.state IN (1, 4))";
    int r = db_write(s, sql, WITH(as_usec(now_usec), as_text(cause)), e);
    if (r == 0)
        *ret_n += (size_t)sqlite3_changes(s->db);
    return r;
}

/* Also those whose time comes a little later: they were refused one after the other. They stay
 * in their order, and come before whoever is tried now and is refused again. */
static int postpone_others(struct state *s, const char *cause, uint64_t next_usec, struct error *e)
{
    return db_write(s,
                    "UPDATE operation SET not_before_usec = ?2 - x.behind FROM (SELECT number, "
                    "row_number() OVER (ORDER BY not_before_usec DESC, number DESC) AS behind FROM "
                    "operation WHERE cause = ?1 AND state = 3 AND not_before_usec > 0 AND reason "
                    "IN " QUEUE_SHARED_REASONS ") AS x WHERE operation.number = x.number",
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
