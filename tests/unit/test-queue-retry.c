/* What is held is tried again, or comes back since a cause has ended, in slices: row by row, what
 * is to come of it was said before. */
#include "config.h"

#include "base/text.h"
#include "dice.h"
#include "state-fixture.h"
#include "state/person.h"
#include "state/queue.h"

enum { N_RETRIED = 40 };

struct expected {
    struct operation *was;
    bool released, marked;
};

static bool planner_says(const char *reason)
{
    static const char *const reasons[] = {"login-shared", "conflict",      "same-mail",
                                          "rename-policy", "group-missing", "entry-invalid",
                                          "user-gone",     "role-conflict", "dormant"};
    for (size_t i = 0; reason && i < ARRAY_SIZE(reasons); i++)
        if (strcmp(reason, reasons[i]) == 0)
            return true;
    return false;
}

static struct operation *throw_operation(struct fixture *f, unsigned i)
{
    static const char *const reasons[] = {NULL,      "login-shared",    "entry-invalid",
                                          "dormant", "outcome-unclear", "refused",
                                          "budget",  "team-missing"};
    static const char *const causes[] = {NULL, "x", "y"};
    char id[20];
    snprintf(id, sizeof(id), "p%u", i);
    unsigned kind = 1 + below(OPERATION_N_KINDS - 1);
    struct operation *o = operation_new((enum operation_kind)kind, id, id, id);
    assert_non_null(o);
    o->state = (enum operation_state)(1 + below(4));
    assert_int_equal(operation_say(o, reasons[below(8)], causes[below(3)], "sentence"), 0);
    o->since_usec = 5;
    o->not_before_usec = below(3) * 50;
    ok(f, queue_store(f->s, o, &f->e));
    return o;
}

static void compare_retried(struct fixture *f, const struct expected *x,
                            const struct string_list *marked)
{
    CLEANUP(operation_freep) struct operation *now = NULL;
    ok(f, queue_load(f->s, x->was->number, &now, &f->e));
    bool unclear = x->was->reason && strcmp(x->was->reason, "outcome-unclear") == 0;
    assert_int_equal(now->state, x->released ? OPERATION_READY : x->was->state);
    assert_int_equal(now->not_before_usec, x->released ? 77 : x->was->not_before_usec);
    const char *reason = x->released && !unclear ? NULL : x->was->reason;
    assert_true(now->reason ? reason && strcmp(now->reason, reason) == 0 : !reason);
    assert_true(!x->released || !now->cause);
    assert_int_equal(string_list_contains(marked, x->was->entry_id), x->marked);
}

static void retry_at_random(struct fixture *f, const char *cause)
{
    struct expected x[N_RETRIED];
    CLEANUP(string_list_done) struct string_list marked = {0};
    struct queue_retry at = {0};
    size_t n = 0, expected = 0, limit = 1 + below(7), n_slices = 0;
    begin(f);
    ok(f, queue_clear(f->s, &f->e));
    for (unsigned i = 0; i < N_RETRIED; i++) {
        struct operation *o = throw_operation(f, i);
        bool held = o->state == OPERATION_HELD, waits = held || o->state == OPERATION_PARKED;
        bool meant = !cause || (o->reason && o->cause && strcmp(o->cause, cause) == 0);
        /* Whoever held it, and for whatever, is asked again whether it still may go. */
        x[i] = (struct expected){o, held && meant,
                                 (held && meant) || (waits && planner_says(o->reason))};
        expected += x[i].released;
    }
    int r;
    while ((r = queue_retry_some(f->s, cause, 77, limit, &at, &n, &f->e)) == 0) {
        assert_true(++n_slices <= 2 * N_RETRIED);
        operation_free(throw_operation(f, 1000 + (unsigned)n_slices)); /* came later */
    }
    assert_int_equal(r, STATE_NONE);
    assert_int_equal(n, expected);
    ok(f, person_next_dirty(f->s, 1000, &marked, &f->e));
    for (unsigned i = 0; i < N_RETRIED; i++) {
        compare_retried(f, &x[i], &marked);
        operation_free(x[i].was);
    }
    for (size_t i = 0; i < marked.n_items; i++)
        assert_true(strlen(marked.items[i]) < 4); /* nobody of those who came later */
    state_rollback(f->s);
}

static void test_retry_in_slices(void **state)
{
    for (dice = 1; dice < 200; dice++) {
        uint64_t seed = dice;
        retry_at_random(*state, (const char *const[]){NULL, "x", "z"}[seed % 3]);
        dice = seed;
    }
}

enum ended { ONE_CAUSE, REFUSALS, FORBIDDEN_CALLS };

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_freed(enum ended what, const struct operation *o)
{
    if (o->state != OPERATION_HELD || !o->reason || !o->cause)
        return false;
    if (what == ONE_CAUSE)
        return strcmp(o->cause, "team:X") == 0;
    if (strcmp(o->reason, "tenant-refused-data") != 0)
        return false;
    if (what == REFUSALS)
        return begins(o->cause, "refused:") || begins(o->cause, "revoked:");
    return (begins(o->cause, "refused:401") || begins(o->cause, "refused:403")) &&
           (o->cause[11] == ' ' || !o->cause[11]);
}

static struct operation *throw_held(struct fixture *f, unsigned i, uint64_t since)
{
    static const char *const reasons[] = {
        "tenant-refused-data", "tenant-refused-data", "outcome-unclear", "team-missing", NULL};
    static const char *const causes[] = {
        "team:X",        "team:X",        "team:XY",       "team:",         "team:X\x02",
        "refused:400 a", "refused:401",   "refused:401 a", "refused:402 a", "refused:402",
        "refused:403 a", "refused:403",   "refused:4030",  "refused",       "revoked:p1",
        "unclear",       "tenant",        NULL};
    char id[20];
    snprintf(id, sizeof(id), "p%u", i);
    unsigned kind = 1 + below(OPERATION_N_KINDS - 1);
    struct operation *o = operation_new((enum operation_kind)kind, id, id, id);
    assert_non_null(o);
    o->state = (enum operation_state)(chance(70) ? OPERATION_HELD : 1 + below(4));
    assert_int_equal(operation_say(o, reasons[below(ARRAY_SIZE(reasons))],
                                   causes[below(ARRAY_SIZE(causes))], "sentence"), 0);
    o->since_usec = since;
    o->not_before_usec = below(3) * 50;
    ok(f, queue_store(f->s, o, &f->e));
    return o;
}

static bool cause_ends(struct fixture *f, enum ended what)
{
    bool any = false;
    if (what == ONE_CAUSE)
        ok(f, queue_release(f->s, "team:X", 77, &any, &f->e));
    else if (what == REFUSALS)
        ok(f, queue_release_refused(f->s, 77, &any, &f->e));
    else
        ok(f, queue_release_forbidden(f->s, 77, &any, &f->e));
    return any;
}

/* rosterd ends between two slices, or in the middle of one. */
static void die(struct fixture *f)
{
    if (chance(50))
        commit(f);
    f->s = state_close(f->s); /* what is not committed is gone */
    ok(f, state_open(&f->s, f->path, NULL, &f->e));
    begin(f);
}

static void free_at_random(struct fixture *f, enum ended what)
{
    struct expected x[N_RETRIED];
    CLEANUP(string_list_done) struct string_list marked = {0};
    size_t n = 0, expected = 0, limit = 1 + below(7), n_slices = 0;
    begin(f);
    ok(f, queue_clear(f->s, &f->e));
    for (unsigned i = 0; i < N_RETRIED; i++) {
        struct operation *o = throw_held(f, i, 1 + below(77));
        x[i] = (struct expected){o, is_freed(what, o), false};
        expected += x[i].released;
    }
    assert_int_equal(cause_ends(f, what), expected > 0);
    commit(f);
    begin(f);
    int r;
    while ((r = queue_release_some(f->s, limit, &n, &f->e)) == 0) {
        assert_int_equal(n, limit);
        assert_true(++n_slices <= 3 * N_RETRIED);
        operation_free(throw_held(f, 1000 + (unsigned)n_slices, 78)); /* held since */
        if (chance(20))
            die(f);
        if (chance(20)) /* or a second time */
            (void)cause_ends(f, what);
    }
    assert_int_equal(r, STATE_NONE);
    assert_int_equal(queue_release_some(f->s, limit, &n, &f->e), STATE_NONE);
    assert_int_equal(n, 0);
    for (unsigned i = 0; i < N_RETRIED; i++) {
        compare_retried(f, &x[i], &marked);
        operation_free(x[i].was);
    }
    for (unsigned i = 1; i <= n_slices; i++) {
        char id[20];
        CLEANUP(operation_list_done) struct operation_list late = {0};
        snprintf(id, sizeof(id), "p%u", 1000 + i);
        ok(f, queue_of_person(f->s, id, &late, &f->e));
        for (size_t k = 0; k < late.n_items; k++)
            assert_int_equal(late.items[k]->since_usec, 78);
    }
    commit(f);
}

static void test_causes_end_in_slices(void **state)
{
    for (dice = 1; dice < 200; dice++) {
        uint64_t seed = dice;
        free_at_random(*state, (enum ended)(seed % 3));
        dice = seed;
    }
}

/* Thousands whose time has come, likewise: the oldest first. */
static void test_due_in_slices(void **state)
{
    struct fixture *f = *state;
    size_t n = 0, total = 0;
    begin(f);
    ok(f, queue_clear(f->s, &f->e));
    for (unsigned i = 0; i < N_RETRIED; i++) {
        CLEANUP(operation_freep) struct operation *o = throw_held(f, i, 5);
        o->state = OPERATION_HELD;
        assert_int_equal(operation_say(o, "outcome-unclear", "unclear", "sentence"), 0);
        o->not_before_usec = 100 - i;
        ok(f, queue_store(f->s, o, &f->e));
    }
    for (unsigned last = 200; queue_release_due(f->s, 90, 7, &n, &f->e) == 0 && n; total += n) {
        struct operation_list ready = {0};
        ok(f, queue_next(f->s, QUEUE_DUE, 90, 100, &ready, &f->e));
        assert_int_equal(ready.n_items, total + n);
        for (size_t i = 0; i < ready.n_items; i++)
            assert_true(ready.items[i]->not_before_usec <= 61 + total + n - 1);
        operation_list_done(&ready);
        assert_true(n == 7 || last == 200);
    }
    assert_int_equal(total, 30); /* 61 to 90 */
    commit(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {test(test_retry_in_slices), test(test_causes_end_in_slices),
                                       test(test_due_in_slices)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
