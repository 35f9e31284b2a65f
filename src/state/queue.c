/*
 * The queue of operations. Which ones may go now is one indexed query: the oldest READY ones in
 * order of when they became due, never two of one person, none beside one that is under way.
 */
#include "config.h"

#include "state/queue.h"

#include <assert.h>
#include <errno.h>

#include "base/error.h"
#include "state/db.h"

#define COLUMNS                                                                                    \
    "o.number, o.kind, o.state, (SELECT i.id FROM identity i WHERE i.n = o.entry_n), o.dn, "       \
    "o.login, o.changes, o.why, o.reason, "                                                        \
    "o.sentence, o.cause, o.since_usec, o.not_before_usec, o.attempts, o.run, o.approved, "        \
    "o.budget, o.approved_until_usec, o.revokes, o.due_usec, o.shift_usec, o.approved_for, "       \
    "o.looks, o.entry_n"

static int read_operation(struct stmt *q, struct operation **ret, struct error *e)
{
    CLEANUP(operation_freep)
    struct operation *o = operation_new((enum operation_kind)stmt_int(q, 1), stmt_id(q, 3),
                                        stmt_text(q, 4), stmt_text(q, 5));
    int r;

    if (!o)
        return error_out_of_memory(e);
    o->number = stmt_int(q, 0);
    o->state = (enum operation_state)stmt_int(q, 2);
    o->since_usec = stmt_usec(q, 11);
    o->not_before_usec = stmt_usec(q, 12);
    o->attempts = (unsigned)stmt_int(q, 13);
    o->run = stmt_usec(q, 14);
    o->approved = stmt_int(q, 15) != 0;
    o->budget = (unsigned)stmt_int(q, 16);
    o->approved_until_usec = stmt_usec(q, 17);
    o->revokes = stmt_int(q, 18) != 0;
    o->due_usec = stmt_usec(q, 19);
    o->shift_usec = stmt_usec(q, 20);
    o->looks = stmt_int(q, 22) != 0;
    identity_know(q->state, o->entry_id, stmt_int(q, 23));
    if (stmt_copy(q, 7, &o->why) < 0 || stmt_copy(q, 8, &o->reason) < 0 ||
        stmt_copy(q, 9, &o->sentence) < 0 || stmt_copy(q, 10, &o->cause) < 0 ||
        stmt_copy(q, 21, &o->approved_for) < 0)
        return error_out_of_memory(e);
    r = operation_changes_from_json(o, stmt_text(q, 6));
    if (r == -ENOMEM)
        return error_out_of_memory(e);
    if (r < 0)
        return error_set(e, r, "the changes of operation %lld in the queue cannot be read",
                         (long long)o->number);
    *ret = TAKE(o);
    return 0;
}

/* The further columns of queue_next(). */
static int read_beside(struct stmt *q, struct operation *o, struct error *e)
{
    o->is_next = true;
    o->has_others = stmt_int(q, 24) != 0;
    o->has_link = stmt_int(q, 25) != 0;
    return stmt_copy(q, 26, &o->wanted) < 0 ? error_out_of_memory(e) : 0;
}

static int read_list(struct state *s, const char *sql, const struct bind *binds,
                     struct operation_list *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, binds, e);
    bool more = r == STMT_ROW && sqlite3_column_count(q->handle) > 24;

    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        CLEANUP(operation_freep) struct operation *o = NULL;

        r = read_operation(q, &o, e);
        if (r == 0 && more)
            r = read_beside(q, o, e);
        if (r < 0)
            return r;
        if (operation_list_add(ret, TAKE(o)) < 0)
            return error_out_of_memory(e);
    }
    return r;
}

int queue_store(struct state *s, struct operation *o, struct error *e)
{
    CLEANUP(freep) char *changes = operation_changes_to_json(o);
    int64_t n = 0;
    int r = changes ? later_flush(s, LATER_OPERATION, e) : error_out_of_memory(e);

    if (r == 0 && !o->number)
        r = identity_get(s, o->entry_id, &n, e);
    if (r < 0)
        return r;
    r = db_write(
        s,
        o->number ? "UPDATE operation SET kind = ?2, state = ?3, dn = ?5, login = ?6, "
                    "changes = ?7, why = ?8, reason = ?9, sentence = ?10, cause = ?11, "
                    "since_usec = ?12, not_before_usec = ?13, attempts = ?14, run = ?15, "
                    "approved = ?16, budget = ?17, approved_until_usec = ?18, "
                    "revokes = ?19, due_usec = ?20, shift_usec = ?21, approved_for = ?22 "
                    "WHERE number = ?4"
                  : "INSERT INTO operation(number, kind, state, entry_n, dn, login, "
                    "changes, why, reason, sentence, cause, since_usec, "
                    "not_before_usec, attempts, run, approved, budget, approved_until_usec, "
                    "revokes, due_usec, shift_usec, approved_for) VALUES (NULLIF(?4, 0), ?2, ?3, "
                    "?1, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, "
                    "?20, ?21, ?22)",
        WITH(as_int(n), as_int(o->kind), as_int(o->state), as_int(o->number),
             as_text(o->dn ? o->dn : ""), as_text(o->login ? o->login : ""), as_text(changes),
             as_text(o->why), as_text(o->reason), as_text(o->sentence), as_text(o->cause),
             as_usec(o->since_usec), as_usec(o->not_before_usec), as_int(o->attempts),
             as_usec(o->run), as_int(o->approved), as_int(o->budget),
             as_usec(o->approved_until_usec), as_int(o->revokes), as_usec(o->due_usec),
             as_usec(o->shift_usec), as_text(o->approved_for)),
        e);
    if (r < 0)
        return r;
    if (o->number == 0)
        o->number = sqlite3_last_insert_rowid(s->db);
    else if (sqlite3_changes(s->db) == 0)
        return error_set(e, -ENOENT, "operation %lld is no longer in the queue",
                         (long long)o->number);
    return 0;
}

int queue_looks(struct state *s, int64_t number, bool looks, struct error *e)
{
    return db_write(s, "UPDATE operation SET looks = ?2 WHERE number = ?1",
                    WITH(as_int(number), as_int(looks)), e);
}

int queue_revokes(struct state *s, const char *entry_id, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT 1 FROM operation WHERE entry_n = " NUMBER_OF " AND revokes = 1 AND "
                       "state <> 4 LIMIT 1",
                       WITH(as_id(entry_id)), e);
    return r < 0 ? r : r == STMT_ROW;
}

bool queue_has(struct state *s, const char *entry_id, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;

    return stmt_query(&q, s, "SELECT 1 FROM operation WHERE entry_n = " NUMBER_OF " LIMIT 1",
                      WITH(as_id(entry_id)), e) != 0;
}

int queue_clear(struct state *s, struct error *e)
{
    return db_write(s, "DELETE FROM operation", NULL, e);
}

static int load_one(struct state *s, const char *sql, struct bind by, struct operation **ret,
                    struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, WITH(by), e);

    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    return read_operation(q, ret, e);
}

int queue_load(struct state *s, int64_t number, struct operation **ret, struct error *e)
{
    return load_one(s, "SELECT " COLUMNS " FROM operation o WHERE o.number = ?1", as_int(number),
                    ret, e);
}

int queue_of_person(struct state *s, const char *entry_id, struct operation_list *ret,
                    struct error *e)
{
    return read_list(
        s, "SELECT " COLUMNS " FROM operation o WHERE o.entry_n = " NUMBER_OF " ORDER BY o.number",
        WITH(as_id(entry_id)), ret, e);
}

/* The expression of the index operation_ready. */
#define LANE                                                                                       \
    "(CASE WHEN o.revokes = 1 THEN 1 WHEN o.kind IN (1, 2) AND "                                   \
    "o.reason IS NOT '" REASON_UNCLEAR "' THEN 3 ELSE 2 END)"
static_assert(sizeof REASON_UNCLEAR == sizeof "outcome-unclear", "an index names it");

int queue_any_ready(struct state *s, bool *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT 1 FROM operation INDEXED BY operation_ready WHERE state = 1 LIMIT 1",
                       NULL, e);
    *ret = r == STMT_ROW;
    return r < 0 ? r : 0;
}

static int next_of(struct state *s, enum queue_lane lane, bool untried, uint64_t now_usec,
                   size_t limit, struct operation_list *ret, struct error *e)
{
    /* Nothing goes beside what is under way for the same person, nor before the person's create
     * or adoption, whatever that waits for, nor before what may have been done is known, since
     * what is wanted is not looked at until then. Else the first of those that are due goes: a
     * rename first, since the others name the login. A revocation waits for nothing but the
     * first.
     */
    static const char sql[] =
        "SELECT " COLUMNS ", EXISTS (SELECT 1 FROM operation x WHERE x.entry_n = o.entry_n AND "
        "x.number <> o.number), EXISTS (SELECT 1 FROM link l WHERE l.n = o.entry_n), "
        "(SELECT p.wanted FROM person p WHERE p.n = o.entry_n) "
        "FROM operation o INDEXED BY operation_ready WHERE o.state = 1 AND " LANE
        " = ?3 AND o.not_before_usec <= ?1 AND (?4 = 0 OR o.kind NOT IN (6, 8)) AND NOT EXISTS (SELECT 1 FROM operation x WHERE "
        "x.entry_n = o.entry_n AND x.number <> o.number AND (x.state = 4 OR "
        "(?3 <> 1 AND ((x.kind IN (1, 2) AND x.number < o.number) OR "
        "((x.reason IS '" REASON_UNCLEAR "') > (o.reason IS '" REASON_UNCLEAR "')) OR "
        "((x.reason IS '" REASON_UNCLEAR "') = (o.reason IS '" REASON_UNCLEAR "') AND "
        "x.state = 1 AND x.not_before_usec <= ?1 AND ((x.kind = 5 AND o.kind <> 5) OR "
        "((x.kind = 5) = (o.kind = 5) AND x.number < o.number))))))) AND "
        "(?5 = 0 OR o.attempts = 0) "
        "ORDER BY o.due_usec, o.number LIMIT ?2";
    bool keeping = lane == QUEUE_DUE_KEEPING;

    static_assert(OPERATION_DISABLE == 6 && OPERATION_DELETE == 8, "the statement names them");
    return read_list(s, sql,
                     WITH(as_usec(now_usec), as_int(limit > INT64_MAX ? -1 : (int64_t)limit),
                          as_int(keeping ? QUEUE_DUE : lane), as_int(keeping), as_int(untried)),
                     ret, e);
}

int queue_next(struct state *s, enum queue_lane lane, uint64_t now_usec, size_t limit,
               struct operation_list *ret, struct error *e)
{
    return next_of(s, lane, false, now_usec, limit, ret, e);
}

int queue_next_untried(struct state *s, enum queue_lane lane, uint64_t now_usec,
                       struct operation_list *ret, struct error *e)
{
    return next_of(s, lane, true, now_usec, 1, ret, e);
}

int queue_next_time(struct state *s, uint64_t after_usec, uint64_t *ret_usec, struct error *e)
{
    /* What is due already is no time to wait for: it may stay so for long, behind a parked
     * create, and would hide the others. */
    static const char sql[] =
        "SELECT min(t) FROM (SELECT min(not_before_usec) AS t FROM operation "
        "INDEXED BY operation_waiting WHERE state = 1 AND not_before_usec > 0 AND "
        "not_before_usec > ?1 "
        "UNION ALL SELECT min(not_before_usec) FROM operation "
        "INDEXED BY operation_held WHERE state = 3 AND not_before_usec > ?1)";
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, WITH(as_usec(after_usec)), e);
    if (r < 0)
        return r;
    *ret_usec = stmt_usec(q, 0); /* NULL reads as 0 */
    return 0;
}

int queue_started(struct state *s, struct operation_list *ret, struct error *e)
{
    return read_list(s, "SELECT " COLUMNS " FROM operation o WHERE o.state = 4 ORDER BY o.number",
                     NULL, ret, e);
}

int queue_each(struct state *s, enum operation_state state,
               int (*fn)(const struct operation *o, void *userdata), void *userdata,
               struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_prepare(&q, s,
                         state ? "SELECT " COLUMNS " FROM operation o WHERE o.state = ?1 "
                                 "ORDER BY o.kind, o.dn, o.number"
                               : "SELECT " COLUMNS " FROM operation o "
                                 "ORDER BY o.kind, o.dn, o.number",
                         e);

    if (r < 0)
        return r;
    if (state)
        stmt_bind_int(q, 1, state);
    while ((r = stmt_step(q, e)) == STMT_ROW) {
        CLEANUP(operation_freep) struct operation *o = NULL;

        r = read_operation(q, &o, e);
        if (r < 0)
            return r;
        r = fn(o, userdata);
        if (r != 0)
            return r;
    }
    return r;
}

/* Adoptions write nothing to the tenant and have approvals of their own: no budget counts them.
 * Kinds are numbers here, as above: 2 is ADOPT. The indexes hold just these shares. */
#define OF_BUDGET(index, is)                                                                       \
    " FROM operation o INDEXED BY " index " WHERE o.budget " is " ?1 AND o.kind <> 2 AND "         \
    "o.approved = 0 AND "
/* Not yet tried: a place in the budget is reserved for it while it is READY. */
#define FRESH(is)       OF_BUDGET("operation_fresh", is) "o.state = 1 AND o.attempts = 0"
#define LET_THROUGH(is) OF_BUDGET("operation_let_through", is) "o.attempts > 0 AND o.state <> 2"
#define OVER(is)        OF_BUDGET("operation_over", is) "o.state = 2 AND o.reason = 'budget'"
static_assert(sizeof REASON_BUDGET == sizeof "budget", "an index names it");

int queue_let_through(struct state *s, unsigned budget, size_t *ret, struct error *e)
{
    return db_size(s, "SELECT count(*)" LET_THROUGH("="), WITH(as_int(budget)), ret, e);
}

int queue_shares(struct state *s, unsigned from, struct queue_shares *ret, size_t n,
                 struct error *e)
{
#define OF_EACH(share) "SELECT o.budget, count(*)" share(">=") " GROUP BY o.budget"
    static const struct {
        const char *sql;
        size_t offset;
    } shares[] = {
        {OF_EACH(LET_THROUGH), offsetof(struct queue_shares, let_through)},
        {OF_EACH(FRESH), offsetof(struct queue_shares, fresh)},
        {OF_EACH(OVER), offsetof(struct queue_shares, over)},
    };

    for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
        CLEANUP(stmt_freep) struct stmt *q = NULL;
        int r = stmt_query(&q, s, shares[i].sql, WITH(as_int(from)), e);

        for (; r == STMT_ROW && (size_t)stmt_int(q, 0) < n; r = stmt_step(q, e)) {
            char *share = (char *)&ret[stmt_int(q, 0)] + shares[i].offset;

            *(size_t *)(void *)share = (size_t)stmt_int(q, 1);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int queue_of_budget(struct state *s, unsigned budget, enum queue_share share, size_t limit,
                    struct operation_list *ret, struct error *e)
{
    /* What is parked comes back in the order in which it is due, and from the other end of
     * that order it is parked. What may have been carried out is not parked: it is settled. */
    static const char *const sql[] = {
        [QUEUE_FRESH] =
            "SELECT " COLUMNS FRESH("=") " ORDER BY o.not_before_usec DESC, o.number DESC LIMIT ?2",
        [QUEUE_LET_THROUGH] = "SELECT " COLUMNS LET_THROUGH(
            "=") " AND o.state <> 4 AND o.reason IS NOT '" REASON_UNCLEAR
                 "' ORDER BY o.not_before_usec DESC, o.number DESC LIMIT ?2",
        [QUEUE_OVER_BUDGET] =
            "SELECT " COLUMNS OVER("=") " ORDER BY o.not_before_usec, o.number LIMIT ?2",
    };
    return read_list(s, sql[share],
                     WITH(as_int(budget), as_int(limit > INT64_MAX ? -1 : (int64_t)limit)), ret, e);
}

/* One under way, or one that may have been carried out, keeps its approval until that is
 * settled; that it has ended is known from then on, whatever ended it. */
#define ENDED                                                                                      \
    "approved = 1 AND approved_until_usec <= ?1 AND state <> 4 AND reason IS NOT '" REASON_UNCLEAR \
    "'"
#define NOTE_END                                                                                   \
    "UPDATE operation SET approved_until_usec = 0 WHERE approved = 1 AND "                         \
    "approved_until_usec > 0 AND approved_until_usec <= ?1"

int queue_end_approvals(struct state *s, uint64_t now_usec, size_t *ret_n, struct error *e)
{
    static const char *const steps[] = {
        NOTE_END,
        "INSERT OR IGNORE INTO dirty(entry_n) SELECT entry_n FROM operation WHERE " ENDED
        " ORDER BY +number", /* the plus: by an index, and then sorted */
        "UPDATE operation SET approved = 0, approved_until_usec = 0, "
        "approved_for = NULL WHERE " ENDED};

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        int r = db_write(s, steps[i], WITH(as_usec(now_usec)), e);
        if (r < 0)
            return r;
    }
    *ret_n = (size_t)sqlite3_changes(s->db);
    return 0;
}

int queue_next_approval_end(struct state *s, uint64_t after_usec, uint64_t *ret_usec,
                            struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT min(approved_until_usec) FROM operation WHERE approved = 1 "
                       "AND approved_until_usec > ?1",
                       WITH(as_usec(after_usec)), e);
    if (r < 0)
        return r;
    *ret_usec = stmt_usec(q, 0); /* NULL reads as 0 */
    return 0;
}

int queue_count_due(struct state *s, uint64_t now_usec, size_t *ret_n, uint64_t *ret_due_usec,
                    struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT count(*), min(due_usec) FROM operation INDEXED BY "
                       "operation_ready WHERE state = 1 AND not_before_usec <= ?1",
                       WITH(as_usec(now_usec)), e);
    if (r < 0)
        return r;
    *ret_n = (size_t)stmt_int(q, 0);
    *ret_due_usec = stmt_usec(q, 1);
    return 0;
}

int queue_counts(struct state *s, struct queue_counts *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    struct queue_counts counts = {0};
    int r = stmt_query(&q, s, "SELECT kind, state, count(*) FROM operation GROUP BY state, kind",
                       NULL, e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        int64_t kind = stmt_int(q, 0), state = stmt_int(q, 1);

        if (kind >= 0 && kind < OPERATION_N_KINDS && state >= 0 && state < 5)
            counts.n[kind][state] = (size_t)stmt_int(q, 2);
    }
    if (r == 0)
        *ret = counts;
    return r;
}

int queue_count_waiting(struct state *s, uint64_t now_usec, size_t *ret, struct error *e)
{
    return db_size(s,
                   "SELECT count(*) FROM operation INDEXED BY operation_waiting WHERE state = 1 "
                   "AND not_before_usec > 0 AND not_before_usec > ?1",
                   WITH(as_usec(now_usec)), ret, e);
}

int queue_count_lanes(struct state *s, size_t ret[static 4], struct error *e)
{
    int r = 0;

    ret[0] = 0;
    for (unsigned lane = QUEUE_REVOCATIONS; lane <= QUEUE_NEWCOMERS && r == 0; lane++)
        r = db_size(s,
                    "SELECT count(*) FROM operation o INDEXED BY operation_ready WHERE o.state = "
                    "1 AND " LANE " = ?1",
                    WITH(as_int(lane)), &ret[lane], e);
    return r;
}

int queue_next_due(struct state *s, uint64_t now_usec, struct operation **ret, struct error *e)
{
    uint64_t at = 0;
    int r = queue_next_time(s, now_usec, &at, e);

    if (r < 0 || !at)
        return r < 0 ? r : STATE_NONE;
    r = load_one(s,
                 "SELECT " COLUMNS " FROM operation o INDEXED BY operation_waiting WHERE "
                 "o.state = 1 AND o.not_before_usec > 0 AND o.not_before_usec = ?1 LIMIT 1",
                 as_usec(at), ret, e);
    if (r != STATE_NONE)
        return r;
    return load_one(s,
                    "SELECT " COLUMNS " FROM operation o INDEXED BY operation_held WHERE "
                    "o.state = 3 AND o.not_before_usec = ?1 LIMIT 1",
                    as_usec(at), ret, e);
}

#define HOLDS_OF(rows)                                                                             \
    "SELECT cause, reason, min(sentence), CASE state WHEN 2 THEN 2 ELSE 3 END AS waits, "          \
    "min(since_usec), min(NULLIF(not_before_usec, 0)), count(DISTINCT entry_n) AS people "         \
    "FROM " rows "GROUP BY waits, cause, reason ORDER BY people DESC, cause, reason"
#define HELD_ROWS "operation INDEXED BY operation_cause WHERE reason IS NOT NULL "

int queue_holds(struct state *s, bool budgets, queue_hold_fn *fn, void *userdata, struct error *e)
{
    static const char all[] = HOLDS_OF(HELD_ROWS);
    static const char others[] = HOLDS_OF("(SELECT * FROM " HELD_ROWS
                                          "AND cause < 'budget:' UNION ALL SELECT * FROM " HELD_ROWS
                                          "AND cause >= 'budget;') ");
    CLEANUP(stmt_freep) struct stmt *any = NULL, *q = NULL;
    int r = stmt_query(&any, s, "SELECT 1 FROM " HELD_ROWS "LIMIT 1", NULL, e);

    if (r == STMT_ROW) /* most often there is none, and nothing to be sorted */
        r = stmt_query(&q, s, budgets ? all : others, NULL, e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        r = fn(stmt_text(q, 0), stmt_text(q, 1), stmt_text(q, 2),
               (enum operation_state)stmt_int(q, 3), stmt_usec(q, 4), stmt_usec(q, 5),
               (size_t)stmt_int(q, 6), userdata);
        if (r != 0)
            return r;
    }
    return r;
}
