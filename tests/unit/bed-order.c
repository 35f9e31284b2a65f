/*
 * A second connection to the state file sees what is committed, and nothing else. It reads
 * three tables with statements of its own, and the audit's lines as text.
 */
#include "config.h"

#include "bed-order.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/operation.h"
#include "unit.h"

#define N_BUDGETS 16

struct known {                               /* of an operation, by its number */
    bool here, open, approved, keeps_budget; /* as it was at the last look */
    unsigned budget;
    int64_t line, approval; /* the last line of the audit about it; … that approves it, … */
    int64_t ended;          /* … that says what became of an attempt: it may be parked after that */
    char event[16], code[32];
};

struct order {
    sqlite3 *db;
    sqlite3_stmt *version, *operations, *lines, *newest, *spent, *started;
    int64_t seen_version, seen_line;
    size_t n_passwords, n_password_lines; /* that were set, and that the audit tells of */
    struct known *known;                  /* [number] */
    size_t n_known;
    struct {
        int64_t newest_usec, n; /* the newest row, and what it says */
        size_t n_due;           /* done since the last look, without an approval */
    } budgets[N_BUDGETS];
};

static sqlite3_stmt *prepare(struct order *o, const char *sql)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(o->db, sql, -1, &q, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(o->db));
    return q;
}

static void prepare_all(struct order *o)
{
    o->version = prepare(o, "PRAGMA data_version");
    o->operations = prepare(
        o,
        "SELECT number, state = 4 AND NOT looks, approved, budget, kind <> 2 AND NOT approved "
        "FROM operation");
    o->lines = prepare(o, "SELECT seq, line FROM trail WHERE seq > ?1 ORDER BY seq");
    o->newest = prepare(o, "SELECT at_usec, n FROM budget_use WHERE budget = ?1 "
                           "ORDER BY at_usec DESC LIMIT 1");
    o->spent = prepare(o, "SELECT sum(n) FROM budget_use WHERE budget = ?1 AND at_usec >= ?2");
    o->started =
        prepare(o, "SELECT o.number, o.kind, o.looks, o.login, l.remote_id, o.attempts "
                   "FROM operation o LEFT JOIN link l ON l.n = o.entry_n WHERE o.state = 4");
}

static struct known *known_of(struct order *o, int64_t number)
{
    assert_true(number > 0);
    if ((size_t)number >= o->n_known) {
        size_t n = 2 * (size_t)number + 64;
        struct known *more = realloc(o->known, n * sizeof(*more));
        assert_non_null(more);
        memset(more + o->n_known, 0, (n - o->n_known) * sizeof(*more));
        o->known = more;
        o->n_known = n;
    }
    return &o->known[number];
}

/* ---- the audit ---- */

static void take_word(const char *line, const char *end, const char *key, char *to, size_t size)
{
    const char *at = memmem(line, (size_t)(end - line), key, strlen(key));
    size_t n = at ? strcspn(at + strlen(key), "\"") : 0;
    snprintf(to, size, "%.*s", (int)n, at ? at + strlen(key) : "");
}

static bool ends_attempt(const char *event)
{
    static const char *const ends[] = {"outcome", "hold", "release", "repair"};
    bool ends_it = false;
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        ends_it = ends_it || strcmp(event, ends[i]) == 0;
    return ends_it;
}

/* What is in front of all that is personal tells enough. */
static void take_line(struct order *o, int64_t seq, const char *line, const char *end)
{
    const char *personal = memmem(line, (size_t)(end - line), ",\"p\":{\"s\":\"", 11);
    const char *head_end = personal ? personal : end;
    const char *number = memmem(line, (size_t)(head_end - line), ",\"no\":", 6);
    if (memmem(line, (size_t)(head_end - line), ",\"ev\":\"password\"", 16))
        o->n_password_lines++;
    if (!number)
        return;
    struct known *k = known_of(o, strtoll(number + 6, NULL, 10));
    take_word(line, head_end, ",\"ev\":\"", k->event, sizeof(k->event));
    take_word(line, head_end, ",\"code\":\"", k->code, sizeof(k->code));
    k->line = seq;
    if (ends_attempt(k->event))
        k->ended = seq;
    if (strcmp(k->event, "approve") == 0)
        k->approval = seq;
}

static void look_at_lines(struct order *o)
{
    int64_t last = o->seen_line;
    sqlite3_bind_int64(o->lines, 1, o->seen_line);
    while (sqlite3_step(o->lines) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(o->lines, 1), *p;
        int64_t seq = last = sqlite3_column_int64(o->lines, 0);
        for (p = line; (p = strchr(p, '\n')); p++)
            seq--;
        for (; *line; seq++) {
            const char *end = strchrnul(line, '\n');
            take_line(o, seq, line, end);
            line = end + (*end == '\n');
        }
    }
    sqlite3_reset(o->lines);
    o->seen_line = last;
}

/* ---- the queue ---- */

static void check_forgotten(struct order *o, int64_t number, const struct known *k,
                            int64_t seen_line)
{
    if (k->ended <= seen_line)
        fail_msg(
            "the intent of operation %lld was forgotten, and its last line of the audit is "
            "\"%s\"",
            (long long)number, k->event);
    if (!k->here && k->keeps_budget && strcmp(k->code, "done") == 0)
        o->budgets[k->budget % N_BUDGETS].n_due++;
}

static void look_at_operations(struct order *o, int64_t seen_line)
{
    bool *was_open = calloc(o->n_known + 1, sizeof(*was_open));
    size_t n = o->n_known;
    assert_non_null(was_open);
    for (size_t i = 0; i < n; i++) {
        was_open[i] = o->known[i].open;
        o->known[i].here = o->known[i].open = false;
    }
    while (sqlite3_step(o->operations) == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(o->operations, 0);
        struct known *k = known_of(o, number);
        bool approved = sqlite3_column_int(o->operations, 2);
        if (approved && !k->approved && seen_line >= 0 && k->approval <= seen_line)
            fail_msg("operation %lld is approved, and no line of the audit says so",
                     (long long)number);
        k->here = true;
        /* What only looks again whether it may go on has none. */
        k->open = sqlite3_column_int(o->operations, 1) && strcmp(k->event, "intent") == 0;
        k->approved = approved;
        k->budget = (unsigned)sqlite3_column_int(o->operations, 3);
        k->keeps_budget = sqlite3_column_int(o->operations, 4);
    }
    sqlite3_reset(o->operations);
    for (size_t i = 0; i < n; i++)
        if (was_open[i] && !o->known[i].open)
            check_forgotten(o, (int64_t)i, &o->known[i], seen_line);
    free(was_open);
}

static void look_at_budgets(struct order *o)
{
    for (int i = 0; i < N_BUDGETS; i++) {
        int64_t newest = o->budgets[i].newest_usec, n = 0, before = o->budgets[i].n;
        size_t due = o->budgets[i].n_due;
        sqlite3_bind_int(o->spent, 1, i);
        sqlite3_bind_int64(o->spent, 2, newest);
        if (sqlite3_step(o->spent) == SQLITE_ROW)
            n = sqlite3_column_int64(o->spent, 0);
        sqlite3_reset(o->spent);
        if ((int64_t)due > n - before)
            fail_msg("%zu of budget %d were done, and it was spent %lld times", due, i,
                     (long long)(n - before));
        o->budgets[i].n_due = 0;
        sqlite3_bind_int(o->newest, 1, i);
        if (sqlite3_step(o->newest) == SQLITE_ROW) {
            o->budgets[i].newest_usec = sqlite3_column_int64(o->newest, 0);
            o->budgets[i].n = sqlite3_column_int64(o->newest, 1);
        }
        sqlite3_reset(o->newest);
    }
}

void order_look(struct order *o)
{
    int64_t version = 0, seen_line = o->seen_line;
    if (sqlite3_step(o->version) == SQLITE_ROW)
        version = sqlite3_column_int64(o->version, 0);
    sqlite3_reset(o->version);
    if (version == o->seen_version)
        return;
    o->seen_version = version;
    assert_int_equal(sqlite3_exec(o->db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    look_at_lines(o);
    look_at_operations(o, seen_line);
    look_at_budgets(o);
    assert_int_equal(sqlite3_exec(o->db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
}

/* ---- requests ---- */

/* By which requests each kind of operation changes a user: whether by login or by id is the part's,
 * and another with each kind of tenant. */
static bool fits(enum fake_kind request, enum operation_kind kind)
{
    static const unsigned requests[OPERATION_N_KINDS] = {
        [OPERATION_CREATE] = FAKE_CREATE | FAKE_PUT | FAKE_PATCH, /* a part may follow */
        [OPERATION_UPDATE] = FAKE_PUT | FAKE_PATCH,
        [OPERATION_PROFILE] = FAKE_PUT | FAKE_PATCH,
        [OPERATION_RENAME] = FAKE_PATCH,
        [OPERATION_DISABLE] = FAKE_PUT | FAKE_ACTIVE,
        [OPERATION_ENABLE] = FAKE_PUT | FAKE_ACTIVE,
        [OPERATION_DELETE] = FAKE_DELETE,
    };
    return requests[kind] & request;
}

static bool is_of(const char *login, const char *id, sqlite3_stmt *q)
{
    const char *its_login = (const char *)sqlite3_column_text(q, 3),
               *its_id = (const char *)sqlite3_column_text(q, 4);
    return (login && text_equal_fold(login, its_login)) ||
           (id && its_id && strcmp(id, its_id) == 0);
}

void order_request(struct order *o, enum fake_kind kind, const char *login, const char *id)
{
    bool found = false, is_password = kind == FAKE_PASSWORD;
    order_look(o);
    if (is_password)
        found = ++o->n_passwords <= o->n_password_lines;
    while (!is_password && !found && sqlite3_step(o->started) == SQLITE_ROW) {
        const struct known *k = known_of(o, sqlite3_column_int64(o->started, 0));
        bool looks = sqlite3_column_int(o->started, 2),
             counts = sqlite3_column_int(o->started, 5);
        found = is_of(login, id, o->started) && !looks && counts &&
                fits(kind, (enum operation_kind)sqlite3_column_int(o->started, 1)) &&
                strcmp(k->event, "intent") == 0;
    }
    sqlite3_reset(o->started);
    if (!found)
        fail_msg("a request changes %s at the tenant, and its intent is not committed",
                 login ? login : id);
}

/* ---- its life ---- */

struct order *order_new(const char *path)
{
    struct order *o = calloc(1, sizeof(*o));
    assert_non_null(o);
    if (sqlite3_open_v2(path, &o->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        fail_msg("%s: %s", path, sqlite3_errmsg(o->db));
    prepare_all(o);
    o->seen_line = -1;
    o->seen_version = -1;
    order_look(o);
    return o;
}

struct order *order_free(struct order *o)
{
    if (!o)
        return NULL;
    sqlite3_stmt *const all[] = {o->version, o->operations, o->lines,
                                 o->newest,  o->spent,      o->started};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        sqlite3_finalize(all[i]);
    sqlite3_close(o->db);
    free(o->known);
    free(o);
    return NULL;
}
