/*
 * Users as whom nobody logs in: [lifecycle] dormant_after.
 */
#include "config.h"

#include "people-test.h"

/* u0 to u(n-1); u0 logs in every day, u1 did so once, the others never. */
static void begin_dormant(struct bed *b, size_t n)
{
    char names[40][8];
    const char *uids[40];
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        uids[i] = names[i];
        bed_person_uid(b, uids[i]);
    }
    bed_group_uids(b, "support", uids, n);
    b->sync.verify_interval_usec = DAY;
    b->sync.dormant_after_usec = 90 * DAY;
    b->sync.budgets[BUDGET_DORMANT] = (struct budget){.percent = 5, .floor = 5};
    bed_start(b);
    bed_sync(b);
    for (unsigned day = 0; day < 89; day++) {
        bed_advance(b, DAY);
        fake_tenant_find(b->tenant, "u0")->user->last_login_usec = b->now;
        if (day == 50)
            fake_tenant_find(b->tenant, "u1")->user->last_login_usec = b->now;
    }
    no_waits(b);
}

static void test_dormant_reported(void **state)
{
    struct bed *b = *state;
    begin_dormant(b, 10);
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, 2 * DAY);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_DORMANT), 8);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    /* Who logs in is none any more, and what else changes for the others is done. */
    fake_tenant_find(b->tenant, "u5")->user->last_login_usec = b->now;
    bed_advance(b, 2 * DAY);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_DORMANT), 7);
    bed_person(b, "id-u6", "uid=u6,ou=people,dc=example,dc=com", "uid", "u6", "givenName", "New", "sn",
               "u6", "mail", "u6@example.com", NULL);
    bed_sync(b);
    assert_string_equal(user_get(user_at(b, "u6"), USER_FIRST_NAME), "New");
    bed_advance(b, 60 * DAY);
    fake_tenant_find(b->tenant, "u0")->user->last_login_usec = b->now;
    bed_advance(b, 2 * DAY);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_DORMANT), 8); /* u1 too */
}

static void test_dormant_disabled(void **state)
{
    struct bed *b = *state;
    b->sync.dormant = DORMANT_DISABLE;
    begin_dormant(b, 20);
    /* After the last look: not to be disabled all the same. */
    fake_tenant_find(b->tenant, "u19")->user->last_login_usec = b->now;
    fake_tenant_find(b->tenant, "u2")->logged_in = true;
    bed_advance(b, 2 * DAY);
    assert_int_equal(n_disabled(b), 5); /* and those beyond the budget wait */
    assert_false(is_disabled(b, "u0") || is_disabled(b, "u1") || is_disabled(b, "u2") ||
                 is_disabled(b, "u19"));
    /* All were made in one moment, so u2 to u18 become dormant on one day: 17 less those five.
     * Among them is u2, of whom only the read before the write tells. */
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 12);
    assert_int_equal(bed_approve(b), 12);
    assert_int_equal(n_disabled(b), 16);
    assert_false(is_disabled(b, "u2"));
    bed_sync(b);
    bed_advance(b, 3 * DAY); /* nobody is enabled again by that */
    assert_int_equal(n_disabled(b), 16);
    /* Whom a person enables is not dormant from then on. */
    fake_tenant_find(b->tenant, "u7")->user->disabled = false;
    bed_advance(b, 3 * DAY);
    assert_false(is_disabled(b, "u7"));
    no_waits(b);
}

#define scenario(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_dormant_reported),
        scenario(test_dormant_disabled),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
