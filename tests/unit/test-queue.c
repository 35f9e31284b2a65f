/* The queue, budgets and alarms. */
#include "config.h"

#include <errno.h>

#include "base/clock.h"
#include "base/text.h"
#include "state-fixture.h"
#include "state/queue.h"

static int64_t add(struct fixture *f, enum operation_kind kind, const char *id,
                   enum operation_state st, uint64_t not_before)
{
    CLEANUP(operation_freep) struct operation *o = operation_new(kind, id, id, id);

    assert_non_null(o);
    o->state = st;
    o->not_before_usec = o->due_usec = not_before;
    ok(f, queue_store(f->s, o, &f->e));
    assert_true(o->number > 0);
    return o->number;
}

/* "rename:a create:b": what may go now. */
static const char *next(struct fixture *f, uint64_t now, size_t limit)
{
    static char text[400];
    struct operation_list list = {0};

    for (int lane = QUEUE_REVOCATIONS; lane <= QUEUE_NEWCOMERS; lane++)
        ok(f, queue_next(f->s, (enum queue_lane)lane, now, limit - list.n_items, &list, &f->e));
    text[0] = '\0';
    for (size_t i = 0; i < list.n_items; i++) {
        size_t used = strlen(text);

        snprintf(text + used, sizeof(text) - used, "%s%s:%s", i ? " " : "",
                 operation_kind_name(list.items[i]->kind), list.items[i]->entry_id);
    }
    operation_list_done(&list);
    return text;
}

static void test_store_and_load(void **state)
{
    struct fixture *f = *state;
    struct operation *o = operation_new(OPERATION_UPDATE, "a", "uid=a", "al"), *got = NULL;
    struct operation_list list = {0};
    int64_t number;

    operation_add_change(o, "team", "A", "B",
                         &(struct source){(char *)"rule", (char *)"x.conf", 3});
    operation_add_change(o, "role:X", NULL, "X", NULL);
    o->state = OPERATION_HELD;
    o->why = strdup("why");
    o->reason = strdup(REASON_TEAM_MISSING);
    o->sentence = strdup("say");
    o->cause = strdup("team:B");
    o->since_usec = 5;
    o->not_before_usec = 6;
    o->attempts = 7;
    o->run = 8;
    o->approved = true;
    begin(f);
    ok(f, queue_store(f->s, o, &f->e));
    number = o->number;
    commit(f);
    reopen(f);
    ok(f, queue_load(f->s, number, &got, &f->e));
    assert_true(operation_equal(o, got));
    assert_string_equal(got->changes[0].source.file, "x.conf");
    assert_string_equal(got->why, "why");
    assert_string_equal(got->reason, REASON_TEAM_MISSING);
    assert_string_equal(got->sentence, "say");
    assert_string_equal(got->cause, "team:B");
    assert_string_equal(got->dn, "uid=a");
    assert_int_equal(got->since_usec, 5);
    assert_int_equal(got->not_before_usec, 6);
    assert_int_equal(got->attempts, 7);
    assert_int_equal(got->run, 8);
    assert_true(got->approved);
    begin(f);
    got->state = OPERATION_STARTED;
    ok(f, queue_store(f->s, got, &f->e));
    assert_int_equal(got->number, number);
    ok(f, queue_of_person(f->s, "a", &list, &f->e));
    assert_int_equal(list.n_items, 1);
    assert_int_equal(list.items[0]->state, OPERATION_STARTED);
    operation_list_done(&list);
    ok(f, queue_started(f->s, &list, &f->e));
    assert_int_equal(list.n_items, 1);
    operation_list_done(&list);
    ok(f, queue_remove(f->s, number, &f->e));
    assert_int_equal(queue_store(f->s, got, &f->e), -ENOENT);
    operation_free(got);
    assert_int_equal(queue_load(f->s, number, &got, &f->e), STATE_NONE);
    /* The audit names operations by number: none comes twice. */
    assert_true(add(f, OPERATION_CREATE, "b", OPERATION_READY, 0) > number);
    commit(f);
    operation_free(o);
}

static void test_next(void **state)
{
    struct fixture *f = *state;
    uint64_t t = 99;
    int64_t started;

    begin(f);
    ok(f, queue_next_time(f->s, clock_now_usec(), &t, &f->e));
    assert_int_equal(t, 0);
    add(f, OPERATION_UPDATE, "a", OPERATION_READY, 10);
    add(f, OPERATION_RENAME, "a", OPERATION_READY, 20);
    add(f, OPERATION_PROFILE, "a", OPERATION_READY, 5);
    started = add(f, OPERATION_UPDATE, "b", OPERATION_STARTED, 0);
    add(f, OPERATION_PROFILE, "b", OPERATION_READY, 0);
    add(f, OPERATION_CREATE, "c", OPERATION_READY, 50); /* waits after a failure */
    add(f, OPERATION_PROFILE, "c", OPERATION_READY, 0);
    add(f, OPERATION_CREATE, "d", OPERATION_PARKED, 0);
    add(f, OPERATION_DISABLE, "e", OPERATION_HELD, 30);
    add(f, OPERATION_ENABLE, "e", OPERATION_READY, 0);
    assert_string_equal(next(f, 4, 9), "enable:e");
    assert_string_equal(next(f, 7, 9), "enable:e profile:a");
    assert_string_equal(next(f, 15, 9), "enable:e update:a");
    assert_string_equal(next(f, 25, 9), "enable:e rename:a");
    assert_string_equal(next(f, 60, 9), "enable:e rename:a create:c");
    assert_string_equal(next(f, 60, 1), "enable:e");
    ok(f, queue_remove(f->s, started, &f->e));
    assert_string_equal(next(f, 60, 2), "profile:b enable:e");
    /* What waits behind others hides no time. */
    clock_freeze(29, 1);
    ok(f, queue_next_time(f->s, clock_now_usec(), &t, &f->e));
    assert_int_equal(t, 30);
    clock_freeze(30, 1);
    ok(f, queue_next_time(f->s, clock_now_usec(), &t, &f->e));
    assert_int_equal(t, 50);
    clock_freeze(50, 1);
    ok(f, queue_next_time(f->s, clock_now_usec(), &t, &f->e));
    assert_int_equal(t, 0);
    clock_freeze(0, 0);
    commit(f);
}

/* What was due before it for the same person, whatever that is, holds no revocation up; what is
 * under way does, since its outcome decides what is to be sent. */
static void test_revocation_is_next(void **state)
{
    static const enum operation_kind kinds[] = {OPERATION_CREATE, OPERATION_ADOPT, OPERATION_UPDATE,
                                                OPERATION_PROFILE, OPERATION_RENAME,
                                                OPERATION_ENABLE, OPERATION_DISABLE};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct operation_list due = {0};
        begin(f);
        int64_t before = add(f, kinds[i], "a", OPERATION_READY, 0);
        CLEANUP(operation_freep)
        struct operation *o = operation_new(OPERATION_DISABLE, "a", "a", "a");
        assert_non_null(o);
        o->state = OPERATION_READY;
        o->due_usec = 5;
        o->revokes = true;
        ok(f, queue_store(f->s, o, &f->e));
        ok(f, queue_next(f->s, QUEUE_REVOCATIONS, 9, 9, &due, &f->e));
        assert_int_equal(due.n_items, 1);
        assert_int_equal(due.items[0]->number, o->number);
        operation_list_done(&due);
        ok(f, queue_remove(f->s, before, &f->e));
        int64_t started = add(f, kinds[i], "a", OPERATION_STARTED, 0);
        ok(f, queue_next(f->s, QUEUE_REVOCATIONS, 9, 9, &due, &f->e));
        assert_int_equal(due.n_items, 0);
        operation_list_done(&due);
        ok(f, queue_remove(f->s, started, &f->e));
        ok(f, queue_remove(f->s, o->number, &f->e));
        commit(f);
    }
}

static void test_next_time(void **state)
{
    struct fixture *f = *state;
    uint64_t t = 99;

    clock_freeze(10, 1);
    begin(f);
    add(f, OPERATION_CREATE, "a", OPERATION_HELD, 0);
    add(f, OPERATION_CREATE, "b", OPERATION_PARKED, 7);
    ok(f, queue_next_time(f->s, clock_now_usec(), &t, &f->e));
    assert_int_equal(t, 0);
    add(f, OPERATION_CREATE, "c", OPERATION_HELD, 90);
    ok(f, queue_next_time(f->s, clock_now_usec(), &t, &f->e));
    assert_int_equal(t, 90);
    add(f, OPERATION_CREATE, "d", OPERATION_READY, 80);
    ok(f, queue_next_time(f->s, clock_now_usec(), &t, &f->e));
    assert_int_equal(t, 80);
    clock_freeze(0, 0);
    commit(f);
}

static int holds_text(const char *cause, const char *reason, const char *sentence,
                      enum operation_state st, uint64_t since_usec, uint64_t next_usec,
                      size_t n_people, void *userdata)
{
    char *text = userdata;
    size_t used = strlen(text);

    snprintf(text + used, 300 - used, "%s/%s/%s/%s/%lu/%lu/%zu ", cause ? cause : "-", reason,
             sentence, operation_state_name(st), (unsigned long)since_usec,
             (unsigned long)next_usec, n_people);
    return 0;
}

static void hold(struct fixture *f, const char *id, const char *cause, const char *reason,
                 enum operation_state st, uint64_t since, uint64_t not_before)
{
    CLEANUP(operation_freep) struct operation *o = operation_new(OPERATION_UPDATE, id, id, id);

    o->state = st;
    o->cause = cause ? strdup(cause) : NULL;
    o->reason = strdup(reason);
    o->sentence = strdup("do");
    o->since_usec = since;
    o->not_before_usec = not_before;
    ok(f, queue_store(f->s, o, &f->e));
}

static int count_one(const struct operation *o, void *userdata)
{
    char *text = userdata;

    strncat(text, o->entry_id, 4);
    return 0;
}

/* What a budget holds back may be thousands, and has an alarm of its own. */
static void test_holds_but_budgets(void **state)
{
    struct fixture *f = *state;
    char text[300] = "";

    begin(f);
    hold(f, "a", "team:X", "team-missing", OPERATION_HELD, 5, 50);
    hold(f, "b", "adoption", "adoption", OPERATION_PARKED, 3, 0);
    hold(f, "c", "budget:team", "budget", OPERATION_PARKED, 9, 0);
    ok(f, queue_holds(f->s, false, holds_text, text, &f->e));
    assert_string_equal(text, "adoption/adoption/do/parked/3/0/1 "
                              "team:X/team-missing/do/held/5/50/1 ");
    commit(f);
}

static void test_holds(void **state)
{
    struct fixture *f = *state;
    struct queue_counts counts;
    struct operation *o = NULL;
    char text[300] = "";
    size_t n = 9;
    bool any = true;

    begin(f);
    hold(f, "a", "team:X", "team-missing", OPERATION_HELD, 5, 50);
    hold(f, "b", "team:X", "team-missing", OPERATION_HELD, 3, 0);
    hold(f, "b", "team:X", "team-missing", OPERATION_HELD, 4, 40);
    hold(f, "c", "refused:400", REASON_REFUSED, OPERATION_HELD, 9, 0);
    hold(f, "d", "budget", "budget", OPERATION_PARKED, 9, 0);
    ok(f, queue_holds(f->s, true, holds_text, text, &f->e));
    assert_string_equal(text, "team:X/team-missing/do/held/3/40/2 "
                              "budget/budget/do/parked/9/0/1 refused:400/tenant-refused-data/do/held/9/0/1 ");
    ok(f, queue_counts(f->s, &counts, &f->e));
    assert_int_equal(counts.n[OPERATION_UPDATE][OPERATION_HELD], 4);
    assert_int_equal(counts.n[OPERATION_UPDATE][OPERATION_PARKED], 1);
    assert_int_equal(counts.n[OPERATION_CREATE][OPERATION_HELD], 0);
    text[0] = '\0';
    ok(f, queue_each(f->s, OPERATION_HELD, count_one, text, &f->e));
    assert_string_equal(text, "abbc");
    text[0] = '\0';
    ok(f, queue_each(f->s, 0, count_one, text, &f->e));
    assert_string_equal(text, "abbcd");

    ok(f, queue_release_due(f->s, 45, 9, &n, &f->e));
    assert_int_equal(n, 1);
    ok(f, queue_release_refused(f->s, 77, &any, &f->e));
    assert_true(any);
    assert_int_equal(queue_release_some(f->s, 9, &n, &f->e), STATE_NONE);
    assert_int_equal(n, 1);
    ok(f, queue_load(f->s, 4, &o, &f->e));
    assert_int_equal(o->state, OPERATION_READY);
    assert_int_equal(o->not_before_usec, 77);
    assert_null(o->reason);
    operation_free(o);
    ok(f, queue_release(f->s, "team:Y", 77, &any, &f->e));
    assert_false(any);
    ok(f, queue_release(f->s, "team:X", 77, &any, &f->e));
    assert_true(any);
    assert_int_equal(queue_release_some(f->s, 9, &n, &f->e), STATE_NONE);
    assert_int_equal(n, 2);
    hold(f, "e", NULL, "refused", OPERATION_HELD, 9, 0);
    n = 0;
    struct queue_retry at = {0};
    assert_int_equal(queue_retry_some(f->s, NULL, 77, 10, &at, &n, &f->e), STATE_NONE);
    assert_int_equal(n, 1); /* what is parked needs an approval */
    commit(f);
}

/* Whoever was refused a hundred times is not behind one who has joined them, nor the other way.
 */
static void test_shared_in_turn(void **state)
{
    struct fixture *f = *state;
    char text[300] = "";

    begin(f);
    for (char id[] = "a"; *id < 'd'; (*id)++)
        hold(f, id, "refused:400 seats", REASON_REFUSED, OPERATION_HELD, 1, 40 + *id % 3);
    for (uint64_t now = 1000; now < 8000; now += 1000) {
        CLEANUP(operation_freep) struct operation *o = NULL;
        size_t n = 0;
        ok(f, queue_release_shared(f->s, now, now + 1000, &n, &f->e));
        assert_int_equal(n, 1);
        ok(f, queue_each(f->s, OPERATION_READY, count_one, text, &f->e));
        ok(f, queue_load(f->s, 1 + text[strlen(text) - 1] - 'a', &o, &f->e));
        o->state = OPERATION_HELD;
        o->not_before_usec = now + 1000;
        o->attempts += *o->entry_id == 'a' ? 100 : 1;
        ok(f, queue_store(f->s, o, &f->e));
    }
    assert_string_equal(text, "cabcabc");
    commit(f);
}

/* T73: of a cause that many share one is tried at a time, in turn. */
static void test_shared(void **state)
{
    struct fixture *f = *state;
    char text[300];
    size_t n = 0;
    bool any = false;

    begin(f);
    hold(f, "a", "refused:400 seats", REASON_REFUSED, OPERATION_HELD, 1, 50);
    hold(f, "b", "refused:400 seats", REASON_REFUSED, OPERATION_HELD, 1, 51);
    hold(f, "c", "refused:400 seats", REASON_REFUSED, OPERATION_HELD, 1, 70);
    hold(f, "d", "refused:403", REASON_REFUSED, OPERATION_HELD, 1, 50);
    hold(f, "e", "scim", REASON_PART_NOT_OFFERED, OPERATION_HELD, 1, 90);
    hold(f, "f", "team:X", "team-missing", OPERATION_HELD, 1, 50);
    ok(f, queue_release_due(f->s, 60, 9, &n, &f->e));
    assert_int_equal(n, 1);
    n = 0;
    ok(f, queue_release_shared(f->s, 60, 160, &n, &f->e));
    assert_int_equal(n, 2);
    text[0] = '\0';
    ok(f, queue_each(f->s, OPERATION_READY, count_one, text, &f->e));
    assert_string_equal(text, "adf");
    /* While it is under way no other goes, however late it is. */
    n = 0;
    ok(f, queue_release_shared(f->s, 170, 270, &n, &f->e));
    assert_int_equal(n, 1);
    text[0] = '\0';
    ok(f, queue_each(f->s, OPERATION_READY, count_one, text, &f->e));
    assert_string_equal(text, "adef");
    /* Forbidden ones are freed together when it was the account's matter; the others stay. */
    hold(f, "g", "refused:401 x", REASON_REFUSED, OPERATION_HELD, 1, 900);
    hold(f, "h", "refused:403 y", REASON_REFUSED, OPERATION_HELD, 1, 900);
    ok(f, queue_release_forbidden(f->s, 171, &any, &f->e));
    assert_true(any);
    assert_int_equal(queue_release_some(f->s, 9, &n, &f->e), STATE_NONE);
    assert_int_equal(n, 2);
    text[0] = '\0';
    ok(f, queue_each(f->s, OPERATION_HELD, count_one, text, &f->e));
    assert_string_equal(text, "bc");
    commit(f);
}

static void test_budget(void **state)
{
    const uint64_t minute = 60 * USEC_PER_SEC;
    struct fixture *f = *state;
    size_t n = 0;

    begin(f);
    for (uint64_t t = 100; t < 110; t++)
        ok(f, budget_note(f->s, 1, t * minute, &f->e));
    ok(f, budget_note(f->s, 1, 105 * minute, &f->e));
    ok(f, budget_note(f->s, 2, 105 * minute, &f->e));
    ok(f, budget_spent(f->s, 1, 105 * minute, &n, &f->e));
    assert_int_equal(n, 6);
    ok(f, budget_spent(f->s, 2, 0, &n, &f->e));
    assert_int_equal(n, 1);
    ok(f, budget_spent(f->s, 3, 0, &n, &f->e));
    assert_int_equal(n, 0);
    /* Within a minute a use counts until its end, never shorter. */
    ok(f, budget_note(f->s, 4, 200 * minute + 1, &f->e));
    ok(f, budget_note(f->s, 4, 201 * minute - 1, &f->e));
    ok(f, budget_spent(f->s, 4, 201 * minute, &n, &f->e));
    assert_int_equal(n, 2);
    ok(f, budget_spent(f->s, 4, 201 * minute + 1, &n, &f->e));
    assert_int_equal(n, 0);
    commit(f);
}

static int alarm_text(const struct alarm *a, void *userdata)
{
    char *text = userdata;
    size_t used = strlen(text);

    snprintf(text + used, 200 - used, "%s/%s/%s/%lu/%lu ", a->cause, a->code, a->sentence,
             (unsigned long)a->since_usec, (unsigned long)a->notified_usec);
    return 0;
}

static void test_alarms(void **state)
{
    struct fixture *f = *state;
    struct alarm a = {0};
    char text[200] = "";
    bool new = false;

    begin(f);
    ok(f, alarm_raise(f->s, "team:X", "team-missing", "one", 10, &new, &f->e));
    assert_true(new);
    ok(f, alarm_notified(f->s, "team:X", 11, &f->e));
    ok(f, alarm_raise(f->s, "team:X", "team-missing", "two", 20, &new, &f->e));
    assert_false(new);
    ok(f, alarm_raise(f->s, "away", "away", "three", 30, &new, &f->e));
    commit(f);
    ok(f, alarm_each(f->s, alarm_text, text, &f->e));
    assert_string_equal(text, "team:X/team-missing/two/10/11 away/away/three/30/0 ");
    begin(f);
    ok(f, alarm_clear(f->s, "team:X", &a, &f->e));
    assert_string_equal(a.sentence, "two");
    alarm_done(&a);
    assert_int_equal(alarm_clear(f->s, "team:X", &a, &f->e), STATE_NONE);
    commit(f);
}

/* Who may have been enabled already takes a seat, whether the answer is still to come or is to be
 * read. */
static void test_seats(void **state)
{
    struct fixture *f = *state;
    static const enum operation_state states[] = {OPERATION_STARTED, OPERATION_HELD,
                                                  OPERATION_READY};
    size_t n = 0, ready = 0;
    ok(f, state_begin(f->s, &f->e));
    add(f, OPERATION_CREATE, "waits", OPERATION_READY, 1);
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        CLEANUP(operation_freep)
        struct operation *o = operation_new(OPERATION_ENABLE, "x", "x", (char[]){(char)('a' + (int)i), 0});
        assert_non_null(o);
        o->state = states[i];
        if (o->state != OPERATION_STARTED)
            assert_int_equal(operation_say(o, REASON_UNCLEAR, "unclear", "say"), 0);
        ok(f, queue_store(f->s, o, &f->e));
        ok(f, queue_seats_under_way(f->s, &n, &f->e));
        ok(f, queue_seats_ready(f->s, &ready, &f->e));
        assert_int_equal(n, i + 1);
        assert_int_equal(ready, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_store_and_load), test(test_next),
        test(test_next_time),      test(test_revocation_is_next),
        test(test_holds),          test(test_holds_but_budgets),
        test(test_budget),         test(test_alarms),
        test(test_shared),         test(test_shared_in_turn),
        test(test_seats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
