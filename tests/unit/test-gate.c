/*
 * The gate by itself, over a queue that is laid out by hand: what may go, what is parked, what
 * comes back; and what it says when a statement fails or memory is short.
 */
#include "config.h"

#include <errno.h>
#include <sqlite3.h>

#include "engine-bed.h"
#include "failing-memory.h"
#include "judge/guard.h"
#include "state/db.h"
#include "state/queue.h"
#include "sync/engine-internal.h"
#include "unit.h"

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement)
{
    return fails() ? SQLITE_CORRUPT : __real_sqlite3_step(statement);
}

/* The queue as text: "kind[!][:reason][*attempts][+]" for each, "!": parked, "~": held, "+": approved. */
static void lay(struct bed *b, const char *text)
{
    CLEANUP(freep) char *copy = strdup(text);
    struct error e = {0};
    char *rest = NULL;
    int i = 0;
    bed_ok(b, state_write(b->state, &e));
    for (char *p = strtok_r(copy, " ", &rest); p; p = strtok_r(NULL, " ", &rest), i++) {
        static const struct {
            const char *name;
            enum operation_kind kind;
            enum budget_kind budget;
        } kinds[] = {
            {"create", OPERATION_CREATE, BUDGET_CREATE},    {"disable", OPERATION_DISABLE, BUDGET_DISABLE},
            {"revoke", OPERATION_DISABLE, BUDGET_REVOKE},   {"enable", OPERATION_ENABLE, BUDGET_UPDATE},
            {"adopt", OPERATION_ADOPT, BUDGET_UPDATE},
        };
        char id[16];
        size_t k = 0;
        while (strncmp(kinds[k].name, p, strlen(kinds[k].name)) != 0)
            k++;
        snprintf(id, sizeof(id), "p%d", i);
        CLEANUP(operation_freep) struct operation *o = operation_new(kinds[k].kind, id, "cn=x", id);
        assert_non_null(o);
        o->why = strdup("test");
        o->budget = kinds[k].budget;
        o->revokes = kinds[k].budget == BUDGET_REVOKE;
        o->due_usec = (uint64_t)i + 1;
        o->state = strchr(p, '!')   ? OPERATION_PARKED
                   : strchr(p, '~') ? OPERATION_HELD
                                    : OPERATION_READY;
        o->approved = strchr(p, '+') != NULL;
        o->attempts = strchr(p, '*') ? 1 : 0;
        const char *reason = strchr(p, ':');
        if (strchr(p, '!'))
            reason = ":" REASON_BUDGET;
        if (reason && !strncmp(reason, ":no-seat", 8))
            assert_int_equal(operation_say(o, REASON_SEATS, "seats", "why"), 0);
        else if (reason && !strncmp(reason, ":unclear", 8))
            assert_int_equal(operation_say(o, REASON_UNCLEAR, "unclear", "why"), 0);
        else if (reason)
            assert_int_equal(operation_say(o, REASON_BUDGET, "budget:create", "why"), 0);
        bed_ok(b, queue_store(b->state, o, &e));
    }
    bed_ok(b, books_commit(b->engine->books, &e));
}

#define MOST 8

static int tell(const struct operation *o, void *userdata)
{
    char (*marks)[8] = userdata;
    snprintf(marks[atoi(o->login + 1)], sizeof(*marks), "%s%s%s ", o->login,
             o->state == OPERATION_PARKED ? "!" : o->state == OPERATION_HELD ? "~" : "",
             o->reason && o->state == OPERATION_READY ? "?" : "");
    return 0;
}

/* Three linked users who are active, nobody in the directory; nothing of the queue is carried
 * out. */
static struct bed *bed_laid(const char *queue, void (*set)(struct bed *b), size_t slice)
{
    struct bed *b = bed_new(true);
    b->options.plan_only = true;
    b->options.slice = slice;
    if (set)
        set(b);
    bed_start(b);
    struct error e = {0};
    bed_ok(b, gate_apply(b->engine->gate, &e)); /* the budgets of a start are new ones */
    lay(b, queue);
    return b;
}

static void limit_two(struct bed *b)
{
    b->sync.budgets[BUDGET_CREATE] = (struct budget){.count = 2};
    b->sync.budgets[BUDGET_REVOKE] = (struct budget){.count = 1};
}

static void limit_none(struct bed *b)
{
    b->sync.budgets[BUDGET_CREATE] = (struct budget){.count = 0};
}

static void one_seat(struct bed *b)
{
    b->sync.max_users = 1;
}

static void quiet(struct bed *b)
{
    limit_two(b);
    b->options.quiet = true;
}

/* Longer than the clock runs: all that was ever done counts. */
static void long_window(struct bed *b)
{
    limit_two(b);
    b->sync.budget_window_usec = UINT64_MAX;
}

static const struct row {
    const char *name, *queue, *expect; /* afterwards, in the order of the people */
    void (*set)(struct bed *b);
    bool is_new, revocations;
    size_t spent; /* creates */
} rows[] = {
    {"nothing", "", "", .set = NULL},
    {"no limit", "create create", "p0 p1 ", .set = NULL},
    {"it fits", "create create", "p0 p1 ", .set = limit_two},
    {"the last ones are parked", "create create create create", "p0 p1 p2! p3! ", .set = limit_two},
    {"in silence", "create create create", "p0 p1 p2! ", .set = quiet},
    {"one that was let through takes room", "create* create create", "p0 p1 p2! ", .set = limit_two},
    {"an approved one takes none", "create+ create create", "p0 p1 p2 ", .set = limit_two},
    {"what was let through is parked when the limit was lowered", "create* create~*", "p0! p1! ", .set = limit_none},
    {"comes back when all of it fits", "create! create!", "p0 p1 ", .set = limit_two},
    {"stays while it does not fit", "create! create! create!", "p0! p1! p2! ", .set = limit_two},
    {"comes back as far as it fits with a new budget", "create! create! create!", "p0 p1 p2! ", .set = limit_two, .is_new = true},
    {"fresh ones go first", "create! create! create create", "p0! p1! p2 p3 ", .set = limit_two, .is_new = true},
    {"other kinds are not in the way", "create create create disable", "p0 p1 p2! p3 ", .set = limit_two},
    {"revocations alone", "create create create revoke revoke", "p0 p1 p2 p3 p4! ", .set = limit_two, .revocations = true},
    {"what is unclear is not parked", "create~:unclear* create*", "p0~ p1! ", .set = limit_none},
    {"spent, and the limit was lowered", "create disable", "p0! p1 ", .set = limit_none, .spent = 3},
    {"one is left of the window", "create create", "p0 p1! ", .set = limit_two, .spent = 1},
    {"a window longer than the clock", "create create", "p0 p1! ", .set = long_window, .spent = 1},
    {"a seat for one", "create enable create", "p0 p1~ p2~ ", .set = one_seat},
    {"no seat for what may have been enabled", "create~:unclear* create", "p0~ p1~ ", .set = one_seat},
    {"a seat is free", "create~:no-seat create~:no-seat", "p0 p1~ ", .set = one_seat},
    {"one waits, and one is ready", "create create~:no-seat", "p0 p1~ ", .set = one_seat},
    {"the limit of seats is gone", "create~:no-seat create~:no-seat", "p0 p1 ", .set = NULL},
};

/* A rollback ends what is known of budgets that have spent nothing: each is asked again. */
static void write_anew(struct bed *b)
{
    struct error e = {0};
    bed_ok(b, state_write(b->state, &e));
    state_rollback(b->state);
    bed_ok(b, state_write(b->state, &e));
}

/* One look of the guard with its n-th step failing, in turns of `slice`; true: none failed. */
static bool apply(const struct row *row, size_t slice, long n)
{
    struct bed *b = bed_laid(row->queue, row->set, slice);
    struct gate *g = b->engine->gate;
    struct error e = {0};
    char marks[MOST][8] = {0}, text[MOST * 8] = "";
    write_anew(b);
    for (size_t k = 0; k < row->spent; k++)
        bed_ok(b, budget_note(b->state, BUDGET_CREATE, clock_steady_usec(), &e));
    if (row->is_new)
        gate_budgets_are_new(g);
    fail_after = n;
    int r = GATE_MORE;
    for (size_t turns = 0; r == GATE_MORE; turns++) {
        assert_row(row->name, turns <= MOST + 1);
        r = row->revocations ? gate_apply_to_revocations(g, &e) : gate_apply(g, &e);
    }
    bool failed = n >= 0 && fail_after < 0;
    fail_after = -1;
    assert_row(row->name, r == 0 || (failed && r < 0 && e.message[0]));
    if (r == 0) {
        bed_ok(b, queue_each(b->state, (enum operation_state)0, tell, marks, &e));
        for (size_t i = 0; i < MOST; i++)
            strcat(text, marks[i]);
        if (strcmp(text, row->expect) != 0)
            fail_msg("row \"%s\": %s, not %s", row->name, text, row->expect);
    }
    if (state_in_transaction(b->state))
        state_rollback(b->state);
    bed_free(b);
    return !failed;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t slice = 0; slice < 3; slice++)
            assert_true(apply(&rows[i], slice, -1));
}

static void test_failing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (long n = 0; !apply(&rows[i], n % 3, n);)
            n++;
}

/* Thousands are moved in slices, each of which may be a commit. */
static void test_many(void **state)
{
    (void)state;
    struct bed *b = bed_laid("", limit_two, 0);
    struct error e = {0};
    bed_ok(b, state_write(b->state, &e));
    for (int i = 0; i < 600; i++) {
        char id[16];
        snprintf(id, sizeof(id), "p%d", i);
        CLEANUP(operation_freep) struct operation *o = operation_new(OPERATION_CREATE, id, "cn=x", id);
        o->why = strdup("test");
        o->budget = BUDGET_CREATE;
        o->state = OPERATION_READY;
        bed_ok(b, queue_store(b->state, o, &e));
    }
    for (size_t n = 256; n < 598; n += 256) {
        assert_int_equal(gate_apply(b->engine->gate, &e), GATE_MORE);
        assert_true(gate_is_moving(b->engine->gate));
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), n);
    }
    bed_ok(b, gate_apply(b->engine->gate, &e));
    assert_false(gate_is_moving(b->engine->gate));
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 598);
    assert_int_equal(bed_queue(b, OPERATION_READY, NULL), 2);
    bed_free(b);
}

/* Asked in the transaction that starts one. */
static void test_may_start(void **state)
{
    (void)state;
    static const struct {
        const char *name, *queue; /* the first is asked about */
        void (*set)(struct bed *b);
        size_t spent;
        bool may;
    } asked[] = {
        {"no limit", "create", NULL, 9, true},
        {"room", "create", limit_two, 1, true},
        {"spent", "create", limit_two, 2, false},
        {"spent ever", "create", long_window, 2, false},
        {"let through", "create create* create*", limit_two, 0, false},
        {"itself was let through", "create* create*", limit_two, 0, true},
        {"tried, and parked since", "create!*", limit_two, 1, true},
        {"approved", "create+", limit_two, 9, true},
        {"unclear", "create:unclear*", limit_two, 9, true},
        {"adoptions have an approval of their own", "adopt", limit_none, 0, true},
        {"a seat", "create", one_seat, 0, true},
        {"no seat", "create create~:unclear*", one_seat, 0, false},
        {"no seat to enable", "enable create~:unclear*", one_seat, 0, false},
        {"it may have its seat already", "create:unclear* create~:unclear*", one_seat, 0, true},
        {"no seat is needed to disable", "disable create~:unclear*", one_seat, 0, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
        for (long n = -1, more = 1; more; n++) {
            struct bed *b = bed_laid(asked[i].queue, asked[i].set, 0);
            struct operation_list some = {0};
            struct error e = {0};
            bool may = !asked[i].may;
            bed_ok(b, queue_of_person(b->state, "p0", &some, &e));
            write_anew(b);
            for (size_t k = 0; k < asked[i].spent; k++)
                bed_ok(b, budget_note(b->state, BUDGET_CREATE, clock_steady_usec(), &e));
            fail_after = n;
            int r = gate_may_start(b->engine->gate, some.items[0], &may, &e);
            bool failed = n >= 0 && fail_after < 0;
            fail_after = -1;
            assert_row(asked[i].name, r == 0 || (failed && r < 0));
            assert_row(asked[i].name, r < 0 || may == asked[i].may);
            more = n < 0 || failed;
            operation_list_done(&some);
            state_rollback(b->state);
            bed_free(b);
        }
}

static void half_of_all(struct bed *b)
{
    b->sync.budgets[BUDGET_CREATE] = b->sync.budgets[BUDGET_REVOKE] =
        (struct budget){.percent = 50};
}

/* Of how many a budget is a part is asked when somebody is to go, and not remembered from the
 * last look at the whole plan, which may be long ago, or none. */
static void test_share_of_now(void **state)
{
    (void)state;
    struct bed *b = bed_laid("create revoke revoke", half_of_all, 0);
    struct operation_list some = {0};
    struct error e = {0};
    bool may = false;
    bed_ok(b, state_write(b->state, &e));
    for (size_t i = 0; i < 4; i++)
        bed_ok(b, budget_note(b->state, BUDGET_DISABLE, clock_steady_usec(), &e));
    bed_ok(b, gate_apply_to_revocations(b->engine->gate, &e));
    assert_int_equal(bed_queue(b, OPERATION_PARKED, NULL), 0);
    bed_ok(b, queue_of_person(b->state, "p0", &some, &e));
    bed_ok(b, gate_may_start(b->engine->gate, some.items[0], &may, &e));
    assert_true(may);
    operation_list_done(&some);
    state_rollback(b->state);
    bed_free(b);
}

static void test_budgets_fail(void **state)
{
    (void)state;
    for (long n = 0, more = 1; more; n++) {
        struct bed *b = bed_laid("create create create", limit_two, 0);
        struct guard_input in;
        struct guard_verdict v;
        struct error e = {0};
        fail_after = n;
        int r = gate_budgets(b->engine->gate, &in, &v, &e);
        more = fail_after < 0;
        fail_after = -1;
        assert_true(r == 0 || (more && r < 0));
        if (r == 0) {
            assert_true(v.tripped[BUDGET_CREATE] && !v.tripped[BUDGET_DISABLE]);
            assert_int_equal(in.pending[BUDGET_CREATE], 3);
        }
        bed_free(b);
    }
}

static void observe(struct bed *b)
{
    b->options.plan_only = false;
    b->sync.mode = SYNC_OBSERVE;
}

static void no_tenant(struct bed *b)
{
    b->options.plan_only = false;
    b->options.tenant = NULL;
}

static void writing(struct bed *b)
{
    b->options.plan_only = false;
}

/* Each of what may hold everything back, by itself. */
static void test_is_open(void **state)
{
    (void)state;
    static void (*const sets[])(struct bed *b) = {NULL, observe, no_tenant};
    struct error e = {0};
    struct bed *b;
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        b = bed_laid("", sets[i], 0);
        if (b->options.tenant)
            bed_sync(b);
        assert_false(turn_may_send(b->engine));
        bed_free(b);
    }
    b = bed_laid("", writing, 0);
    struct gate *g = b->engine->gate;
    assert_false(turn_may_send(b->engine)); /* nobody asked the tenant yet */
    bed_sync(b);
    assert_true(turn_may_send(b->engine));
    bed_ok(b, gate_pause(g, true, 0, &e));
    assert_false(turn_may_send(b->engine));
    bed_ok(b, gate_pause(g, false, 0, &e));
    assert_true(turn_may_send(b->engine));
    books_audit_written(b->engine->books, false, "no space left");
    assert_false(turn_may_send(b->engine));
    books_audit_written(b->engine->books, true, NULL);
    assert_true(turn_may_send(b->engine));
    health_failed(b->engine->health, &(struct tenant_answer){.class = TENANT_AWAY}, NULL);
    assert_false(turn_may_send(b->engine));
    health_fine(b->engine->health);
    assert_true(turn_may_send(b->engine));
    error_set(&e, -EIO, "broken");
    books_failed(b->engine->books, &e);
    assert_false(turn_may_send(b->engine));
    bed_free(b);
    fail_after = 0;
    assert_int_equal(gate_new(&g, NULL, &e), -ENOMEM);
    fail_after = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),         cmocka_unit_test(test_failing),
        cmocka_unit_test(test_many),         cmocka_unit_test(test_may_start),
        cmocka_unit_test(test_share_of_now), cmocka_unit_test(test_budgets_fail),
        cmocka_unit_test(test_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
