/*
 * A tenant that asks for patience: of users' calls, of its lists, or of who asks for a token.
 */
#include "config.h"

#include "engine-test.h"
#include "sync/engine-internal.h"

static void throttle_user(struct bed *b, unsigned kinds, const char *login, int times,
                          uint64_t retry_after_usec)
{
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = kinds,
                                                    .login = login,
                                                    .times = times,
                                                    .class = TENANT_THROTTLED,
                                                    .status = 429,
                                                    .retry_after_usec = retry_after_usec});
}

static void throttle(struct bed *b, unsigned kinds, int times, uint64_t retry_after_usec)
{
    throttle_user(b, kinds, NULL, times, retry_after_usec);
}

static void test_throttled(void **state)
{
    struct bed *b = *state;
    people(b, 30, "support");
    bed_start(b);
    bed_run(b);
    throttle(b, FAKE_CREATE, 60, 30 * USEC_PER_SEC);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 0);
    bed_advance(b, 29 * USEC_PER_SEC);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 30);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 30);
    is_idle(b);
}

static void put_off_lists(struct bed *b)
{
    throttle(b, FAKE_TEAMS | FAKE_LIST, -1, HOUR / 2);
}

static void expect_no_outage(struct bed *b)
{
    struct engine_status status;
    engine_status(b->engine, &status);
    assert_int_equal(status.tenant, ENGINE_TENANT_OK);
    assert_int_equal(bed_audit(b, "alarm", REASON_TENANT_AWAY, NULL), 0);
}

/* The list of teams is put off at a start: users are made all the same, nobody hears of an outage,
 * and it is asked for when the tenant said, until it is given. */
static void test_teams_put_off(void **state)
{
    struct bed *b = *state;
    bed_start(b);
    bed_sync(b);
    put_off_lists(b);
    people(b, 20, "support");
    fake_tenant_forget_calls(b->tenant);
    bed_restart(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 20);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_TEAMS), 1);
    expect_no_outage(b);
    bed_advance(b, HOUR / 3);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_TEAMS), 1);
    bed_advance(b, 2 * HOUR);
    assert_in_range(fake_tenant_calls(b->tenant, FAKE_TEAMS), 4, 6);
    expect_no_outage(b);
    fake_tenant_heal(b->tenant);
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, HOUR);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_TEAMS), 1);
    bed_advance(b, DAY);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_TEAMS), 1);
    is_idle(b);
}

static void note_stopped(void *userdata)
{
    *(bool *)userdata = true;
}

/* It falls due while rosterd stops, and a request takes long: nothing is asked for any more, and
 * nothing turns in vain until that ends. */
static void test_put_off_at_the_end(void **state)
{
    struct bed *b = *state;
    bool stopped = false;
    bed_start(b);
    bed_sync(b);
    put_off_lists(b);
    bed_restart(b);
    bed_sync(b);
    b->tenant->hold = true;
    people(b, 20, "support");
    bed_sync(b);
    size_t asked = fake_tenant_calls(b->tenant, FAKE_TEAMS);
    engine_stop(b->engine, note_stopped, &stopped);
    bed_run(b);
    uint64_t n_turns = b->engine->n_turns;
    bed_advance(b, 2 * HOUR);
    assert_in_range(b->engine->n_turns - n_turns, 0, 2 * 60 + 5); /* a look at the clock a minute */
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_TEAMS), asked);
    assert_false(stopped);
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_true(stopped);
}

/* Several fail, and one that was under way is done: the tenant is there after all, and the list is
 * not forgotten. */
static void test_put_off_and_an_outage(void **state)
{
    struct bed *b = *state;
    bed_start(b);
    bed_sync(b);
    put_off_lists(b);
    bed_restart(b);
    bed_sync(b);
    for (size_t i = 0; i < 4; i++) {
        static const char *const logins[] = {"u0", "u1", "u2", "u3"};
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                        .login = logins[i],
                                                        .times = 1,
                                                        .class = TENANT_AWAY,
                                                        .status = 502});
    }
    people(b, 1, "support"); /* whose failure has the tenant asked for, and put off, just before */
    bed_sync(b);
    people(b, 8, "support");
    bed_sync(b);
    assert_int_equal(bed_audit(b, "alarm", REASON_TENANT_AWAY, NULL), 0);
    fake_tenant_heal(b->tenant);
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 8);
    assert_in_range(fake_tenant_calls(b->tenant, FAKE_TEAMS), 1, 2);
}

/* Likewise the list of users, which the verification wants when somebody is not there any more. */
static void test_users_put_off(void **state)
{
    struct bed *b = *state;
    b->sync.verify_interval_usec = HOUR;
    b->tenant->no_scim = true; /* no id tells whether somebody was renamed */
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    put_off_lists(b);
    fake_tenant_remove(b->tenant, "u0");
    bed_advance(b, 3 * HOUR);
    assert_true(fake_tenant_calls(b->tenant, FAKE_LIST) >= 2);
    expect_no_outage(b);
    people(b, 30, "support");
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 29);
    fake_tenant_heal(b->tenant);
    bed_advance(b, 2 * HOUR);
    struct link l = {0};
    struct error e = {0};
    assert_int_equal(link_load(b->state, "id-u0", &l, &e), 0);
    assert_int_not_equal(l.gone, LINK_THERE);
    link_done(&l);
}

/* The first contact: what is put off is asked for again, alone, and is no outage. */
static void test_first_contact_put_off(void **state)
{
    struct bed *b = *state;
    for (size_t i = 0; i < 12; i++) {
        char login[16];
        snprintf(login, sizeof(login), "there%zu", i);
        fake_tenant_add(b->tenant, login, "T", "Here", NULL, "Sales");
    }
    people(b, 3, "support");
    throttle(b, FAKE_LIST, 3, 0);
    throttle(b, FAKE_GET, 5, 0);
    bed_start(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    expect_no_outage(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_LIST), 4);
    assert_in_range(fake_tenant_calls(b->tenant, FAKE_GET), 12 + 5,
                    12 + 5 + 3); /* and the new */
    assert_int_equal(b->tenant->n_users, 12 + 3);
    is_idle(b);
}

/* It takes long, and people hear of it. */
static void test_first_contact_put_off_long(void **state)
{
    static const struct {
        unsigned kinds;
        uint64_t retry_after_usec;
    } rows[] = {{FAKE_LIST, 0}, {FAKE_LIST, 2 * HOUR}, {FAKE_GET, 0}, {FAKE_GET, 2 * HOUR}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (i > 0)
            setup(state);
        struct bed *b = *state;
        fake_tenant_add(b->tenant, "there", "T", "Here", NULL, "Sales");
        people(b, 3, "support");
        throttle(b, rows[i].kinds, -1, rows[i].retry_after_usec);
        bed_start(b);
        bed_sync(b);
        bed_advance(b, 3 * HOUR);
        expect_no_outage(b);
        assert_int_equal(bed_audit(b, "alarm", REASON_THROTTLED, NULL), 1);
        assert_in_range(fake_tenant_calls(b->tenant, rows[i].kinds), 2, 60);
        assert_int_equal(b->tenant->n_users, 1);
        fake_tenant_heal(b->tenant);
        bed_advance(b, 3 * HOUR);
        assert_int_equal(b->tenant->n_users, 4);
        assert_int_equal(bed_audit(b, "alarm-over", NULL, NULL), 1);
        is_idle(b);
        if (i + 1 < ARRAY_SIZE(rows))
            teardown(state);
    }
}

/* The first contact is over; u8, whose access is to end, is made at the tenant, and throttled.
 */
static void throttle_u8(struct bed *b, int times)
{
    may_revoke(b);
    bed_start(b);
    bed_sync(b);
    fake_tenant_add(b->tenant, "u8", "First", "u8", "x@example.com", "Support");
    throttle_user(b, FAKE_GET, "u8", times, MINUTE);
}

/* Whoever is looked for, and put off, is looked for again, also when an outage between has
 * ended with somebody's call. */
static void test_look_put_off_and_an_outage(void **state)
{
    struct bed *b = *state;
    throttle_u8(b, 1);
    for (size_t i = 0; i < 4; i++) {
        static const char *const logins[] = {"u0", "u1", "u2", "u3"};
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                        .login = logins[i],
                                                        .times = 1,
                                                        .class = TENANT_AWAY,
                                                        .status = 502});
    }
    people(b, 1, "support"); /* whose failure has the tenant asked for, just before */
    bed_sync(b);
    people(b, 9, "support");
    revoke_uid(b, "u8", true);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 9);
    assert_true(is_disabled(b, "u8"));
    is_idle(b);
}

static void expect_others_written(const json_t *row, void *userdata)
{
    const char *code = json_string_value(json_object_get(row, "code"));
    const char *text = json_string_value(json_object_get(row, "sentence"));
    if (text_equal(code, REASON_THROTTLED)) {
        assert_null(strstr(text, "nothing is written"));
        ++*(size_t *)userdata;
    }
}

/* People hear of it when it lasts, and not that nothing is written. */
static void test_look_put_off_long(void **state)
{
    struct bed *b = *state;
    size_t n = 0;
    throttle_u8(b, -1);
    people(b, 9, "support");
    revoke_uid(b, "u8", true);
    bed_sync(b);
    bed_advance(b, 6 * HOUR);
    assert_int_equal(b->tenant->n_users, 9);
    bed_each_audit(b, expect_others_written, &n);
    assert_int_equal(n, 1);
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    assert_true(is_disabled(b, "u8"));
    assert_int_equal(bed_audit(b, "alarm-over", NULL, NULL), 1);
    is_idle(b);
}

/* No token is to be had: nobody's call was made, so it is the account that waits, under one cause,
 * and each goes on when it works. */
static void test_no_token(void **state)
{
    static const struct {
        enum tenant_answer_class class;
        int status;
    } rows[] = {{TENANT_THROTTLED, 429}, {TENANT_AWAY, 500}, {TENANT_AWAY, 404}, {TENANT_AWAY, 0}};
    struct bed *b = *state;
    bed_start(b);
    bed_run(b);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = b->tenant->n_users, before = fake_tenant_calls(b->tenant, FAKE_CREATE);
        struct engine_status status;
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_ALL,
                                                        .times = -1,
                                                        .class = rows[i].class,
                                                        .no_token = true,
                                                        .status = rows[i].status});
        people(b, 30 * (i + 1), "support");
        bed_sync(b);
        bed_advance(b, 2 * HOUR);
        engine_status(b->engine, &status);
        assert_int_equal(status.tenant, ENGINE_TENANT_AWAY);
        assert_true(fake_tenant_calls(b->tenant, FAKE_CREATE) <=
                    before + b->options.max_concurrent);
        assert_int_equal(bed_queue(b, OPERATION_READY, NULL), 30);
        assert_int_equal(bed_audit(b, "alarm", NULL, NULL), i + 1);
        fake_tenant_heal(b->tenant);
        bed_advance(b, HOUR);
        assert_int_equal(b->tenant->n_users, n + 30);
        assert_int_equal(bed_audit(b, "alarm-over", NULL, NULL), i + 1);
        is_idle(b);
    }
}

/* The tenant names an hour to somebody whose access is to end: that is tried again all the
 * same. */
static void test_revocation_put_off(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    throttle(b, FAKE_WRITES, 3, HOUR);
    revoke_uid(b, "u8", true);
    bed_sync(b);
    bed_advance(b, 15 * MINUTE);
    assert_true(is_disabled(b, "u8"));
    is_idle(b);
}

/* Who is to be taken over works all the while, whatever that waits for: a newcomer gets none of
 * those seats. */
static void test_adoptions_keep_their_seats(void **state)
{
    static const char *const uids[] = {"u0", "u1", "u2", "u3", "u4"};
    struct bed *b = *state;
    b->sync.max_users = 6;
    people(b, 10, "support");
    for (size_t i = 0; i < ARRAY_SIZE(uids); i++)
        fake_tenant_add(b->tenant, uids[i], "First", uids[i], "x@example.com", "Support");
    bed_start(b);
    bed_sync(b);
    for (size_t i = 0; i < ARRAY_SIZE(uids); i++)
        throttle_user(b, FAKE_GET, uids[i], (int)i + 1, MINUTE);
    bed_approve(b);
    bed_run(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_THROTTLED), 5);
    bed_advance(b, 2 * MINUTE);
    assert_int_equal(b->tenant->n_users, 6);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 6);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 4);
    assert_int_equal(bed_queue(b, 0, NULL), 4);
}

#define scenario(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_throttled),
        scenario(test_teams_put_off),
        scenario(test_put_off_at_the_end),
        scenario(test_put_off_and_an_outage),
        scenario(test_users_put_off),
        scenario(test_first_contact_put_off),
        scenario(test_first_contact_put_off_long),
        scenario(test_look_put_off_and_an_outage),
        scenario(test_look_put_off_long),
        scenario(test_no_token),
        scenario(test_revocation_put_off),
        scenario(test_adoptions_keep_their_seats),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
