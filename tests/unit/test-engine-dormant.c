/*
 * Who did not log in for long: disabled within a budget of its own, unless somebody logs in
 * until then; and who leaves, or is disabled by others, on the way. And what a step of the
 * clock, which brings none of that on, means for those who leave.
 */
#include "config.h"

#include "engine-test.h"
#include "judge/guard.h"
#include "tenant/user-api.h"

/* u0 to u(n-1), who logged in a hundred days ago and are dormant after ninety. */
static void dormant(struct bed *b, size_t n)
{
    b->sync.dormant_after_usec = 90 * DAY;
    b->sync.dormant = DORMANT_DISABLE;
    b->sync.verify_interval_usec = HOUR;
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){.unlimited = true};
    b->sync.budgets[BUDGET_DELETE] = (struct budget){.unlimited = true};
    people(b, n, "support");
    bed_start(b);
    bed_sync(b);
    for (size_t i = 0; i < b->tenant->n_users; i++)
        b->tenant->users[i].user->last_login_usec = b->now;
    bed_advance(b, 89 * DAY);
    assert_int_equal(n_disabled(b), 0);
}

static void test_disabled(void **state)
{
    struct bed *b = *state;
    b->sync.budgets[BUDGET_DORMANT] = (struct budget){.floor = 2};
    dormant(b, 5);
    fake_tenant_find(b->tenant, "u4")->user->last_login_usec = b->now;
    bed_advance(b, 36 * HOUR);
    assert_int_equal(n_disabled(b), 2);
    assert_false(is_disabled(b, "u4"));
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 2);
    assert_int_equal(bed_approve(b), 2);
    bed_run(b);
    assert_int_equal(n_disabled(b), 4);
    assert_int_equal(link_count(b->state, LINK_DISABLED), 4);
    bed_advance(b, 10 * DAY); /* theirs to enable who asks them */
    assert_int_equal(n_disabled(b), 4);
}

/* Whoever was disabled long ago and leaves now is deleted so long after the leaving. */
static void test_leaves_later(void **state)
{
    struct bed *b = *state;
    b->sync.delete_after_usec = 10 * DAY;
    dormant(b, 2);
    fake_tenant_find(b->tenant, "u1")->user->last_login_usec = b->now;
    bed_advance(b, 30 * DAY);
    assert_true(is_disabled(b, "u0"));
    bed_leave(b, "id-u0");
    bed_group(b, "support", "u1", NULL);
    bed_sync(b);
    bed_advance(b, 9 * DAY);
    assert_non_null(fake_tenant_find(b->tenant, "u0"));
    bed_advance(b, 2 * DAY);
    assert_null(fake_tenant_find(b->tenant, "u0"));
    assert_non_null(fake_tenant_find(b->tenant, "u1"));
}

/* The answer to the disable was lost, and it was done: that is known, also when the user had logged
 * in just before. */
static void test_lost_after_a_login(void **state)
{
    struct bed *b = *state;
    dormant(b, 1);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PUT | FAKE_ACTIVE,
                                                    .times = 1,
                                                    .takes_effect = true,
                                                    .class = TENANT_UNCLEAR});
    b->sync.retry_min_usec = HOUR;
    for (int i = 0; i < 100 && !n_disabled(b); i++)
        bed_advance(b, 30 * MINUTE);
    assert_int_equal(bed_queue(b, 0, REASON_UNCLEAR), 1);
    fake_tenant_find(b->tenant, "u0")->user->last_login_usec = b->now;
    bed_advance(b, 3 * HOUR);
    assert_int_equal(link_count(b->state, LINK_DISABLED), 1);
    assert_int_equal(bed_audit(b, "outcome", "dropped", NULL), 0);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
}

/* Likewise, and it was not done: nobody is disabled who has logged in since, and nothing counts. */
static void test_lost_before_a_login(void **state)
{
    struct bed *b = *state;
    struct guard_input in;
    struct guard_verdict v;
    struct error e = {0};
    dormant(b, 1);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PUT | FAKE_ACTIVE,
                                                    .times = 1,
                                                    .class = TENANT_UNCLEAR});
    b->sync.retry_min_usec = HOUR;
    for (int i = 0; i < 100 && !bed_queue(b, 0, REASON_UNCLEAR); i++)
        bed_advance(b, 30 * MINUTE);
    fake_tenant_find(b->tenant, "u0")->user->last_login_usec = b->now;
    bed_advance(b, 3 * HOUR);
    assert_int_equal(n_disabled(b), 0);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    bed_ok(b, gate_budgets(b->engine->gate, &in, &v, &e));
    assert_int_equal(in.spent[BUDGET_DORMANT], 0);
}

/* Somebody deleted the user there, so nobody can log in: reported, and nobody is made anew. */
static void test_deleted_there(void **state)
{
    struct bed *b = *state;
    dormant(b, 1);
    b->sync.verify_interval_usec = 0; /* the disable is the first to see it */
    fake_tenant_remove(b->tenant, "u0");
    for (int i = 0; i < 100 && !bed_queue(b, 0, REASON_USER_GONE); i++)
        bed_advance(b, HOUR);
    bed_advance(b, DAY);
    assert_int_equal(bed_queue(b, 0, REASON_USER_GONE), 1);
    assert_null(fake_tenant_find(b->tenant, "u0"));
    assert_int_equal(link_count(b->state, LINK_DELETED), 0);
}

/* A step of the wall clock that is doubted is doubted by the one who carries it out, too: else he
 * would drop what is planned, and ask the tenant for ever. */
static void test_clock_set_back(void **state)
{
    struct bed *b = *state;
    dormant(b, 1);
    bed_advance(b, 23 * HOUR);
    bed_set_clock(b, b->now - 30 * DAY);
    for (int i = 0; i < 240; i++) {
        bed_set_clock(b, b->now - 3 * USEC_PER_SEC); /* so that it stays in doubt */
        bed_advance(b, MINUTE);
    }
    assert_int_equal(n_disabled(b), 1);
}

/* Made, and enabled again, while the wall clock is behind by a year, and nobody believes it:
 * that was now. Nor is it a year from now where it is ahead. */
static void test_made_by_a_wrong_clock(void **state)
{
    struct bed *b = *state;
    dormant(b, 2);
    for (size_t i = 0; i < 2; i++) {
        bool behind = i == 0;
        bed_set_clock(b, behind ? b->now - 365 * DAY : b->now + 365 * DAY);
        fake_tenant_find(b->tenant, "u0")->user->last_login_usec = b->now;
        bed_person_uid(b, behind ? "new" : "newer");
        bed_group(b, "support", "u0", "u1", "new", behind ? NULL : "newer", NULL);
        bed_sync(b);
        assert_non_null(fake_tenant_find(b->tenant, behind ? "new" : "newer"));
        bed_set_clock(b, behind ? b->now + 365 * DAY : b->now - 365 * DAY);
    }
    bed_advance(b, 89 * DAY);
    assert_false(is_disabled(b, "new") || is_disabled(b, "newer"));
    bed_advance(b, 3 * DAY);
    assert_true(is_disabled(b, "new") && is_disabled(b, "newer"));
}

/* A last log-in in a form that nobody knows may be of today, by the clock of dates, which does
 * not follow a wall clock that is in doubt. */
static void test_unreadable_last_login(void **state)
{
    static const char body[] =
        "{\"loginId\":\"a\",\"loginInfo\":{\"lastLogin\":\"yesterday\"}}";
    const uint64_t now = 1700000000 * USEC_PER_SEC;
    (void)state;
    for (int ahead = 0; ahead < 2; ahead++) {
        struct user *u = NULL;
        struct error e = {0};
        bool logged_in;
        clock_freeze(now, HOUR);
        clock_set_steady(now, now);
        clock_freeze(ahead ? now + 365 * DAY : now - 365 * DAY, HOUR);
        bed_ok(NULL, user_api_read_user(&u, &logged_in, body, sizeof(body) - 1, &e));
        assert_true(u->last_login_usec == now);
        user_free(u);
        clock_freeze(0, 0);
    }
}

/* Whoever was disabled by somebody there, and enabled again, is in use, whatever `drift` says;
 * and nobody is asked whether somebody is needed who is disabled. */
static void test_disabled_and_enabled_there(void **state)
{
    (void)state;
    for (int repair = 0; repair < 2; repair++) {
        struct bed *b = bed_new(false);
        b->sync.on_drift = repair ? DRIFT_REPAIR : DRIFT_REPORT;
        dormant(b, 2);
        for (size_t i = 0; i < 2; i++)
            b->tenant->users[i].user->disabled = true;
        bed_advance(b, 2 * HOUR);
        fake_tenant_find(b->tenant, "u0")->user->disabled = false;
        bed_advance(b, 2 * HOUR);
        b->sync.dormant = DORMANT_REPORT;
        b->options.fingerprint = b->options.decisions = "reported";
        struct error e = {0};
        bed_ok(b, engine_reload(b->engine, &b->options, &e));
        bed_sync(b);
        bed_advance(b, 80 * DAY);
        assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_DORMANT), 0);
        bed_advance(b, 11 * DAY);
        assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_DORMANT), 1);
        assert_false(is_disabled(b, "u0"));
        bed_check_ledgers(b);
        bed_free(b);
    }
}

/* Somebody deleted the user there, and brought it back, or made another: nobody could log in
 * before that. */
static void test_brought_back_there(void **state)
{
    (void)state;
    for (int anew = 0; anew < 2; anew++) {
        struct bed *b = bed_new(false);
        dormant(b, 1);
        struct fake_user *u = fake_tenant_find(b->tenant, "u0");
        struct user *before = user_copy(u->user);
        char id[sizeof(u->scim_id)];
        memcpy(id, u->scim_id, sizeof(id));
        fake_tenant_remove(b->tenant, "u0");
        bed_advance(b, 30 * DAY);
        u = fake_tenant_add(b->tenant, "u0", "First", "u0", "u0@example.com", "Support");
        user_free(u->user);
        u->user = before;
        if (anew)
            before->last_login_usec = 0;
        else
            memcpy(u->scim_id, id, sizeof(id));
        bed_advance(b, 80 * DAY);
        assert_int_equal(bed_audit(b, "drift", "report", "u0"), 2); /* gone, and there again */
        assert_false(is_disabled(b, "u0"));
        bed_advance(b, 11 * DAY);
        assert_true(is_disabled(b, "u0"));
        bed_check_ledgers(b);
        bed_free(b);
    }
}

/* A step brings no removal on and puts none off: whoever left goes when the time of grace is
 * over, also while the clock is doubted, or at once where there is none. Else whoever may set
 * the clock could keep people in. */
static void test_leavers_and_a_step(void **state)
{
    static const int64_t steps[] = {10 * (int64_t)DAY, -10 * (int64_t)DAY, 365 * (int64_t)DAY};
    struct bed *b = *state;
    b->sync.leave_grace_usec = HOUR;
    people(b, 9, "support");
    bed_start(b);
    bed_sync(b);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        bed_leave(b, (char[]){'i', 'd', '-', 'u', (char)('0' + i), 0});
        bed_sync(b);
        bed_advance(b, HOUR / 2);
        bed_set_clock(b, b->now + (uint64_t)steps[i]);
        bed_advance(b, HOUR / 2 - MINUTE);
        assert_int_equal(n_disabled(b), i);
        bed_advance(b, 2 * MINUTE);
        assert_int_equal(n_disabled(b), i + 1);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_disabled),
        scenario(test_leaves_later),
        scenario(test_lost_after_a_login),
        scenario(test_lost_before_a_login),
        scenario(test_deleted_there),
        scenario(test_clock_set_back),
        scenario(test_made_by_a_wrong_clock),
        cmocka_unit_test(test_unreadable_last_login),
        cmocka_unit_test(test_disabled_and_enabled_there),
        cmocka_unit_test(test_brought_back_there),
        scenario(test_leavers_and_a_step),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
