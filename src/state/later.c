/*
 * Writes that wait for each other: what is written about many rows of one table goes by
 * statements of many rows. Nobody can see a table without what waits for it: SQLite says, while
 * a statement is prepared, which tables it needs, also through triggers and views, and what waits
 * for one of these is written before the statement begins (stmt_step()), or before the commit.
 */
#include "config.h"

#include <assert.h>
#include <sqlite3.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "state/db.h"
#include "state/person.h"
#include "state/queue.h"

#define LATER_LIMIT 8192 /* of one list */
#define FEW_MARKS   16

static const struct {
    const char *name;
    unsigned bit;
} tables[] = {
    {"dirty", LATER_DIRTY},
    {"operation", LATER_OPERATION},
    {"person", LATER_PERSON},
    {"budget_use", LATER_BUDGET},
};

/* What a walk through groups reads. */
static const char *const of_groups[] = {"entry", "member", "stale", "name"};

static int on_access(void *userdata, int action, const char *table, const char *column,
                     const char *database, const char *trigger)
{
    struct state *s = userdata;
    bool names_table = action == SQLITE_READ || action == SQLITE_INSERT ||
                       action == SQLITE_UPDATE || action == SQLITE_DELETE;

    (void)column, (void)database, (void)trigger;
    for (size_t i = 0; names_table && table && i < ARRAY_SIZE(tables); i++)
        if (strcmp(table, tables[i].name) == 0)
            s->preparing.tables |= tables[i].bit;
    bool adds = (action == SQLITE_INSERT || action == SQLITE_UPDATE) && table;
    s->preparing.marks |= adds && strcmp(table, "dirty") == 0;
    s->preparing.alarms |= adds && strcmp(table, "alarm") == 0;
    s->preparing.uses |= adds && strcmp(table, "budget_use") == 0;
    for (size_t i = 0; names_table && table && i < ARRAY_SIZE(of_groups); i++)
        s->preparing.groups |= action != SQLITE_READ && strcmp(table, of_groups[i]) == 0;
    return SQLITE_OK;
}

static void on_row(void *userdata, int action, const char *database, const char *table,
                   sqlite3_int64 n)
{
    (void)database, (void)n;
    if (action == SQLITE_DELETE && strcmp(table, "identity") == 0)
        identity_forget(userdata);
}

void later_watch(struct state *s)
{
    sqlite3_set_authorizer(s->db, on_access, s);
    sqlite3_update_hook(s->db, on_row, s);
    s->flush = later_flush;
}

/* The statement for one number and the one for MANY; `fixed` come before the numbers. */
struct bulk {
    const char *one, *many;
    int64_t fixed[3];
    size_t n_fixed;
};

static int write_bulk(struct state *s, const struct bulk *b, const struct row_numbers *numbers,
                      struct error *e)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < numbers->n_items;) {
        CLEANUP(stmt_freep) struct stmt *q = NULL;
        size_t left = numbers->n_items - i, n = left < SOME ? 1 : MANY;

        r = stmt_prepare(&q, s, n == 1 ? b->one : b->many, e);
        if (r < 0)
            return r;
        for (size_t k = 0; k < b->n_fixed; k++)
            stmt_bind_int(q, (int)k + 1, b->fixed[k]);
        for (size_t k = 0; k < n; k++)
            stmt_bind_int(q, (int)(b->n_fixed + k) + 1,
                          numbers->items[i + (k < left ? k : left - 1)]);
        r = stmt_run(q, e);
        i += n < left ? n : left;
    }
    return r;
}

static int write_and_clear(struct state *s, const struct bulk *b, struct row_numbers *numbers,
                           struct error *e)
{
    struct row_numbers taken = *numbers;
    int r;

    numbers->n_items = 0;
    r = write_bulk(s, b, &taken, e);
    numbers->n_items = 0;
    return r;
}

/* What the tenant did to people in a run: whoever was created or adopted in it stays so. Of
 * most the run stands there already, and SQLite writes to the index of a column whenever it is
 * set; the others are looked for where there are any. */
static int write_touched(struct state *s, struct error *e)
{
#define TOUCH_AGAIN(where)                                                                         \
    "UPDATE person SET done = CASE WHEN done_run = run AND done IN (1, 2) THEN done ELSE ?2 "      \
    "END, done_run = run WHERE n " where " AND run >= ?1"
#define TOUCH(values)                                                                              \
    "INSERT INTO person(n, verdict, bucket, run, done, done_run) SELECT column1, 0, 4, ?1, "       \
    "?2, ?1 FROM (VALUES " values ") WHERE true ON CONFLICT(n) DO UPDATE SET run = ?1, done "      \
    "= CASE WHEN done_run = ?1 AND done IN (1, 2) THEN done ELSE ?2 END, done_run = ?1 WHERE "     \
    "run < ?1"
    const struct bulk again = {
        .one = TOUCH_AGAIN("= ?"),
        .many = TOUCH_AGAIN("IN (" MANY_OF("?") ")"),
        .fixed = {(int64_t)s->later.touched_run, s->later.touched_done},
        .n_fixed = 2,
    };
    const struct bulk touch = {
        .one = TOUCH("(?)"),
        .many = TOUCH(MANY_OF("(?)")),
        .fixed = {(int64_t)s->later.touched_run, s->later.touched_done},
        .n_fixed = 2,
    };

    size_t n = s->later.touched.n_items;
    int before = sqlite3_total_changes(s->db), r = write_bulk(s, &again, &s->later.touched, e);

    if (r == 0 && (size_t)(sqlite3_total_changes(s->db) - before) < n)
        r = write_bulk(s, &touch, &s->later.touched, e);
    s->later.touched.n_items = 0;
    return r;
}

static int write_marks(struct state *s, struct error *e)
{
    static const struct bulk mark = {
        .one = "INSERT OR IGNORE INTO dirty(entry_n) VALUES (?)",
        .many = "INSERT OR IGNORE INTO dirty(entry_n) VALUES " MANY_OF("(?)"),
    };
    static const struct bulk unmark = {
        .one = "DELETE FROM dirty WHERE entry_n = ?",
        .many = "DELETE FROM dirty WHERE entry_n IN (" MANY_OF("?") ")",
    };
    int r = write_and_clear(s, &unmark, &s->later.unmarks, e);

    return r < 0 ? r : write_and_clear(s, &mark, &s->later.marks, e);
}

static int write_operations(struct state *s, struct error *e)
{
#define START(looks, where)                                                                        \
    "UPDATE operation SET state = 4, attempts = attempts + 1, looks = " looks " WHERE number " where
    static const struct bulk start = {
        .one = START("0", "= ?"),
        .many = START("0", "IN (" MANY_OF("?") ")"),
    };
    static const struct bulk look = {
        .one = START("1", "= ?"),
        .many = START("1", "IN (" MANY_OF("?") ")"),
    };
    static const struct bulk remove = {
        .one = "DELETE FROM operation WHERE number = ?",
        .many = "DELETE FROM operation WHERE number IN (" MANY_OF("?") ")",
    };
    int r = write_and_clear(s, &start, &s->later.started, e);

    if (r == 0)
        r = write_and_clear(s, &look, &s->later.looking, e);
    return r < 0 ? r : write_and_clear(s, &remove, &s->later.removed, e);
}

static int write_uses(struct state *s, struct error *e)
{
    size_t n = s->later.n_uses;
    int r = 0;

    s->later.n_uses = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = budget_write(s, &s->later.uses[i], e);
    return r;
}

/* One table at a time, so that each of these statements, too, has the others written first that it
 * needs: whoever takes a row away takes the number along unless another table has it. Whoever
 * asked for it may do without what it asked: what waited is lost, so nothing of this transaction
 * may stay. */
int later_flush(struct state *s, unsigned which, struct error *e)
{
    static const struct {
        unsigned bit;
        int (*write)(struct state *s, struct error *e);
    } writers[] = {
        {LATER_DIRTY, write_marks},
        {LATER_OPERATION, write_operations},
        {LATER_PERSON, write_touched},
        {LATER_BUDGET, write_uses},
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(writers) && r == 0; i++) {
        if (!(which & s->later.waits & writers[i].bit))
            continue;
        s->later.waits &= ~writers[i].bit;
        r = writers[i].write(s, e);
    }
    if (r < 0)
        s->transaction.broken = true;
    return r;
}

void later_done(struct state *s)
{
    row_numbers_done(&s->later.marks);
    row_numbers_done(&s->later.unmarks);
    row_numbers_done(&s->later.started);
    row_numbers_done(&s->later.looking);
    row_numbers_done(&s->later.removed);
    row_numbers_done(&s->later.touched);
    s->later.n_uses = 0;
    s->later.waits = 0;
    groups_done(s);
}

static int add(struct state *s, struct row_numbers *list, int64_t n, unsigned which,
               struct error *e)
{
    int r = state_write(s, e);

    if (r == 0 && list->n_items >= LATER_LIMIT)
        r = later_flush(s, which, e);
    if (r < 0)
        return r;
    if (memory_grow(&list->items, &list->capacity, list->n_items + 1, sizeof(n)) < 0)
        return error_out_of_memory(e);
    list->items[list->n_items++] = n;
    s->later.waits |= which;
    return 0;
}

/* In the order in which they were said: what was said otherwise before is written first. */
int later_mark(struct state *s, int64_t n, struct error *e)
{
    int r = s->later.unmarks.n_items ? later_flush(s, LATER_DIRTY, e) : 0;

    return r < 0 ? r : add(s, &s->later.marks, n, LATER_DIRTY, e);
}

int later_unmark(struct state *s, int64_t n, struct error *e)
{
    int r = s->later.marks.n_items ? later_flush(s, LATER_DIRTY, e) : 0;

    return r < 0 ? r : add(s, &s->later.unmarks, n, LATER_DIRTY, e);
}

bool later_has_few_marks(const struct state *s)
{
    return s->no_marks && !s->later.unmarks.n_items && s->later.marks.n_items <= FEW_MARKS;
}

int later_take_mark(struct state *s, int64_t n, struct error *e)
{
    struct row_numbers *marks = &s->later.marks;
    size_t left = 0;

    if (!later_has_few_marks(s))
        return later_unmark(s, n, e);
    for (size_t i = 0; i < marks->n_items; i++)
        if (marks->items[i] != n)
            marks->items[left++] = marks->items[i];
    marks->n_items = left;
    if (!left)
        s->later.waits &= ~LATER_DIRTY;
    return 0;
}

int queue_start(struct state *s, int64_t number, bool looks, struct error *e)
{
    return add(s, looks ? &s->later.looking : &s->later.started, number, LATER_OPERATION, e);
}

int queue_remove(struct state *s, int64_t number, struct error *e)
{
    return add(s, &s->later.removed, number, LATER_OPERATION, e);
}

int later_touch(struct state *s, int64_t n, uint64_t run, enum person_bucket done, struct error *e)
{
    struct later *l = &s->later;
    bool other = l->touched.n_items && (l->touched_run != run || l->touched_done != done);
    int r = other ? later_flush(s, LATER_PERSON, e) : 0;

    l->touched_run = run;
    l->touched_done = done;
    return r < 0 ? r : add(s, &l->touched, n, LATER_PERSON, e);
}

int budget_note(struct state *s, unsigned budget, uint64_t now_usec, struct error *e)
{
    struct later *l = &s->later;
    struct budget_use use = {budget, budget_minute(now_usec), 1};
    int r = state_write(s, e);

    if (r < 0)
        return r;
    assert(budget < UNSPENT_BUDGETS);
    s->unspent.known &= ~(1u << budget);
    for (size_t i = 0; i < l->n_uses; i++)
        if (l->uses[i].budget == budget && l->uses[i].at_usec == use.at_usec) {
            l->uses[i].n++;
            return 0;
        }
    r = l->n_uses == ARRAY_SIZE(l->uses) ? later_flush(s, LATER_BUDGET, e) : 0;
    l->uses[l->n_uses++] = use;
    l->waits |= LATER_BUDGET;
    return r;
}
