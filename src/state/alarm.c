/*
 * What budgets have spent, and alarms. Spent operations are counted for each minute in which
 * some ended, and forgotten after a time that no budget looks back.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "state/db.h"
#include "state/queue.h"

#define BUDGET_KEPT_USEC (366 * 24 * 3600 * USEC_PER_SEC) /* the longest [guard] window */
#define TOLD_KEPT_USEC   (90 * 24 * 3600 * USEC_PER_SEC)

/* One row for each minute, so that a day of many creates is summed in a moment. A use counts as of
 * the end of its minute: none is forgotten early. */
uint64_t budget_minute(uint64_t usec)
{
    const uint64_t minute = 60 * USEC_PER_SEC;

    return usec % minute ? usec - usec % minute + minute : usec;
}

/* What is too old to count goes when a minute begins. */
static int write_use(struct state *s, const struct budget_use *use, struct error *e)
{
    uint64_t old = use->at_usec > BUDGET_KEPT_USEC ? use->at_usec - BUDGET_KEPT_USEC : 0;
    int r = db_write(s, "UPDATE budget_use SET n = n + ?3 WHERE budget = ?1 AND at_usec = ?2",
                     WITH(as_int(use->budget), as_usec(use->at_usec), as_int(use->n)), e);

    if (r < 0 || sqlite3_changes(s->db) > 0)
        return r;
    r = db_write(s, "INSERT INTO budget_use(budget, at_usec, n) VALUES(?1, ?2, ?3)",
                 WITH(as_int(use->budget), as_usec(use->at_usec), as_int(use->n)), e);
    return r < 0 ? r
                 : db_write(s, "DELETE FROM budget_use WHERE budget = ?1 AND at_usec < ?2",
                            WITH(as_int(use->budget), as_usec(old)), e);
}

int budget_write(struct state *s, const struct budget_use *use, struct error *e)
{
    unsigned others = s->unspent.known & ~(1u << use->budget);
    int r = write_use(s, use, e);

    s->unspent.known = r < 0 ? 0 : others;
    return r;
}

/* All are asked after each change, and most of them have spent nothing for days. */
int budget_spent(struct state *s, unsigned budget, uint64_t since_usec, size_t *ret,
                 struct error *e)
{
    struct unspent *u = &s->unspent;
    unsigned bit = 1u << budget;
    int r;

    assert(budget < UNSPENT_BUDGETS);
    *ret = 0;
    if (u->known & bit && since_usec >= u->since_usec[budget])
        return 0;
    r = db_size(s, "SELECT sum(n) FROM budget_use WHERE budget = ?1 AND at_usec >= ?2",
                WITH(as_int(budget), as_usec(since_usec)), ret, e);
    u->known = r == 0 && *ret == 0 ? u->known | bit : u->known & ~bit;
    u->since_usec[budget] = since_usec;
    return r;
}

void alarm_done(struct alarm *a)
{
    free(a->cause);
    free(a->code);
    free(a->sentence);
    *a = (struct alarm){0};
}

static int read_alarm(struct stmt *q, struct alarm *ret, struct error *e)
{
    CLEANUP(alarm_done)
    struct alarm a = {.since_usec = stmt_usec(q, 3), .notified_usec = stmt_usec(q, 4)};

    if (stmt_copy(q, 0, &a.cause) < 0 || stmt_copy(q, 1, &a.code) < 0 ||
        stmt_copy(q, 2, &a.sentence) < 0)
        return error_out_of_memory(e);
    *ret = a;
    a = (struct alarm){0};
    return 0;
}

int alarm_raise(struct state *s, const char *cause, const char *code, const char *sentence,
                uint64_t now_usec, bool *ret_new, struct error *e)
{
    int r = db_write(s, "UPDATE alarm SET code = ?2, sentence = ?3 WHERE cause = ?1",
                     WITH(as_text(cause), as_text(code), as_text(sentence)), e);
    if (r < 0)
        return r;
    if (sqlite3_changes(s->db) > 0) {
        *ret_new = false;
        return 0;
    }
    r = db_write(s, "INSERT INTO alarm(cause, code, sentence, since_usec) VALUES(?1, ?2, ?3, ?4)",
                 WITH(as_text(cause), as_text(code), as_text(sentence), as_usec(now_usec)), e);
    if (r == 0)
        *ret_new = true;
    return r;
}

int alarm_notified(struct state *s, const char *cause, uint64_t now_usec, struct error *e)
{
    return db_write(s, "UPDATE alarm SET notified_usec = ?2 WHERE cause = ?1",
                    WITH(as_text(cause), as_usec(now_usec)), e);
}

#define ALARM_COLUMNS "cause, code, sentence, since_usec, notified_usec"

int alarm_clear(struct state *s, const char *cause, struct alarm *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    CLEANUP(alarm_done) struct alarm a = {0};
    if (s->no_alarms)
        return STATE_NONE;
    int r = stmt_query(&q, s, "SELECT " ALARM_COLUMNS " FROM alarm WHERE cause = ?1",
                       WITH(as_text(cause)), e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    r = read_alarm(q, &a, e);
    stmt_reset(q);
    if (r == 0)
        r = db_write(s, "DELETE FROM alarm WHERE cause = ?1", WITH(as_text(cause)), e);
    if (r < 0)
        return r;
    *ret = a;
    a = (struct alarm){0};
    return 0;
}

int alarm_told(struct state *s, const char *cause, uint64_t *ret_usec, bool *ret_standing,
               struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT told_usec, standing FROM told WHERE cause = ?1",
                       WITH(as_text(cause)), e);
    if (r < 0)
        return r;
    *ret_usec = r == STMT_ROW ? stmt_usec(q, 0) : 0;
    *ret_standing = r == STMT_ROW && stmt_int(q, 1) != 0;
    return 0;
}

int alarm_note_told(struct state *s, const char *cause, uint64_t told_usec, bool standing,
                    struct error *e)
{
    int r =
        db_write(s, "INSERT OR REPLACE INTO told(cause, told_usec, standing) VALUES(?1, ?2, ?3)",
                 WITH(as_text(cause), as_usec(told_usec), as_int(standing)), e);
    return r < 0
               ? r
               : db_write(
                     s, "DELETE FROM told WHERE standing = 0 AND told_usec < ?1",
                     WITH(as_usec(told_usec > TOLD_KEPT_USEC ? told_usec - TOLD_KEPT_USEC : 0)), e);
}

int alarm_each(struct state *s, int (*fn)(const struct alarm *a, void *userdata), void *userdata,
               struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    if (s->no_alarms)
        return 0;
    int r = stmt_query(&q, s, "SELECT " ALARM_COLUMNS " FROM alarm ORDER BY since_usec, cause",
                       NULL, e);

    s->no_alarms = r == 0;
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        CLEANUP(alarm_done) struct alarm a = {0};

        r = read_alarm(q, &a, e);
        if (r < 0)
            return r;
        r = fn(&a, userdata);
        if (r != 0)
            return r;
    }
    return r;
}

int alarm_remember(struct state *s, const struct alarm_telling *t)
{
    struct told_alarms *l = &s->told;
    struct alarm_telling copy = *t;
    copy.alarm.cause = strdup(t->alarm.cause);
    copy.alarm.code = strdup(t->alarm.code);
    copy.alarm.sentence = strdup(t->alarm.sentence);
    if (!copy.alarm.cause || !copy.alarm.code || !copy.alarm.sentence ||
        memory_grow(&l->items, &l->capacity, l->n_items + 1, sizeof(*l->items)) < 0) {
        alarm_done(&copy.alarm);
        return -ENOMEM;
    }
    l->items[l->n_items++] = copy;
    return 0;
}

const struct alarm_telling *alarm_remembered(const struct state *s, size_t *ret_n)
{
    *ret_n = s->told.n_items;
    return s->told.items;
}

void alarm_forget_remembered(struct state *s)
{
    for (size_t i = 0; i < s->told.n_items; i++)
        alarm_done(&s->told.items[i].alarm);
    free(s->told.items);
    s->told = (struct told_alarms){0};
}
