/* What is held is tried again in slices: row by row, what is to come of it was said before. */
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
        x[i] = (struct expected){o, held && meant, waits && planner_says(o->reason)};
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

int main(void)
{
    const struct CMUnitTest tests[] = {test(test_retry_in_slices)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
