/*
 * Users for whom the tenant answers no look but by an error, while it answers for everybody
 * else: that is their own matter.
 */
#include "config.h"

#include "engine-test.h"

static void breaks(struct bed *b, const char *login)
{
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET,
                                                    .login = login,
                                                    .times = -1,
                                                    .class = TENANT_AWAY,
                                                    .status = 502});
}

/* Who is revoked, and in no list, is asked for: the others' operations are not withdrawn again
 * and again for that, and it is asked seldom. */
static void test_asked_for(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    breaks(b, "n0");
    revoke_uid(b, "n0", true);
    const char *uids[] = {"u0", "u1", "u2", "u3", "u4", "n0", "n1"};
    bed_group_uids(b, "support", uids, 6);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, HOUR);
    assert_in_range(fake_tenant_calls(b->tenant, FAKE_ALL), 11, 100);
    assert_int_equal(books_epoch(b->engine->books), 0);
    assert_int_equal(bed_queue(b, OPERATION_HELD, NULL), 1);
    bed_person_uid(b, "n1");
    bed_group_uids(b, "support", uids, 7);
    bed_sync(b);
    assert_non_null(fake_tenant_find(b->tenant, "n1"));
}

/* The rest of the verification is done all the same. */
static void test_verified(void **state)
{
    struct bed *b = *state;
    b->sync.verify_interval_usec = HOUR;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    breaks(b, "u3");
    assert_int_equal(
        user_set(fake_tenant_find(b->tenant, "u7")->user, USER_TEAM, "Other", NULL), 0);
    bed_advance(b, 61 * MINUTE);
    assert_int_equal(bed_audit(b, "drift", NULL, "u7"), 1);
    is_idle(b);
}

static bool is_drift_told(struct bed *b)
{
    return db_count(b->state, "SELECT count(*) FROM alarm WHERE cause = 'drift'");
}

/* One that ends early, since the tenant is away, does not say that nobody differs any more. */
static void test_verified_in_an_outage(void **state)
{
    struct bed *b = *state;
    b->sync.verify_interval_usec = HOUR;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(
        user_set(fake_tenant_find(b->tenant, "u7")->user, USER_TEAM, "Other", NULL), 0);
    bed_advance(b, 61 * MINUTE);
    assert_true(is_drift_told(b));
    fake_tenant_fail(
        b->tenant,
        (struct fake_fault){.kinds = FAKE_GET | FAKE_TEAMS, .times = -1, .class = TENANT_AWAY});
    bed_advance(b, HOUR);
    assert_true(is_drift_told(b));
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    assert_true(is_drift_told(b));
    assert_int_equal(
        user_set(fake_tenant_find(b->tenant, "u7")->user, USER_TEAM, "Support", NULL), 0);
    bed_advance(b, HOUR);
    assert_false(is_drift_told(b));
}

/* Nor does one that was not answered for the one who differs, by whatever, while it was for all
 * others. */
static void test_verified_but_for_one(void **state)
{
    static const struct {
        enum tenant_answer_class class;
        int status;
    } rows[] = {{TENANT_AWAY, 502}, {TENANT_THROTTLED, 429}, {TENANT_REFUSED, 403}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bed *b = bed_new(false);
        b->sync.verify_interval_usec = HOUR;
        people(b, 10, "support");
        bed_start(b);
        bed_sync(b);
        struct user *u = fake_tenant_find(b->tenant, "u7")->user;
        assert_int_equal(user_set(u, USER_TEAM, "Other", NULL), 0);
        bed_advance(b, 61 * MINUTE);
        assert_true(is_drift_told(b));
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET,
                                                        .login = "u7",
                                                        .times = -1,
                                                        .class = rows[i].class,
                                                        .status = rows[i].status});
        bed_advance(b, 2 * HOUR);
        assert_true(is_drift_told(b));
        fake_tenant_heal(b->tenant);
        assert_int_equal(user_set(u, USER_TEAM, "Support", NULL), 0);
        bed_advance(b, HOUR);
        assert_false(is_drift_told(b));
        assert_int_equal(bed_audit(b, "alarm", "drift", NULL), 1);
        bed_free(b);
    }
}

/* Nor does one keep an older state from being read anew: what follows from it is shown. */
static void test_read_anew(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    breaks(b, "u3");
    for (unsigned i = 1; i < 3; i++) /* two who are answered for when they are read again */
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET,
                                                        .login = i == 1 ? "u1" : "u2",
                                                        .times = 1,
                                                        .class = TENANT_AWAY,
                                                        .status = 502});
    bed_ok(b, engine_distrust_state(b->engine, &e));
    bed_advance(b, 5 * HOUR);
    assert_false(books_are_distrusted(b->engine->books));
}

/* At the first contact the list of users has two of them, and it goes on in the end. With a
 * third one nothing is written before they are answered for, and a person hears of it. */
static void first_contact(struct bed *b, unsigned n_broken)
{
    static const char *const logins[] = {"x0", "x1", "x2"};
    fake_tenant_add(b->tenant, "fine", "F", "F", "fine@example.net", "Support");
    for (unsigned i = 0; i < n_broken; i++) {
        fake_tenant_add(b->tenant, logins[i], "X", "X", "x@example.net", "Support");
        breaks(b, logins[i]);
    }
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    bed_advance(b, 4 * MINUTE);
    assert_int_equal(b->tenant->n_users, n_broken + 1);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(b->tenant->n_users, n_broken + 1 + (n_broken < 3 ? 5 : 0));
    assert_in_range(fake_tenant_calls(b->tenant, FAKE_ALL), 20, 300);
    assert_int_equal(bed_audit(b, "alarm", REASON_THROTTLED, NULL), n_broken == 3);
    assert_int_equal(bed_audit(b, "alarm", REASON_TENANT_AWAY, NULL), 0);
}

static void test_first_contact_with_two(void **state)
{
    first_contact(*state, 2);
}

static void test_first_contact_with_three(void **state)
{
    struct bed *b = *state;
    first_contact(b, 3);
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 9);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_THROTTLED, NULL), 1);
    is_idle(b);
}

/* Among the users that nobody claims, where somebody revoked is looked for who was renamed
 * there: found, and disabled. Who is not found may be the one who is not read. */
static void test_sought_beside(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct link l = {0};
    may_revoke(b);
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_add(b->tenant, "broken", "X", "X", "x@example.net", "Support");
    breaks(b, "broken");
    fake_tenant_rename(fake_tenant_find(b->tenant, "u3"), "married");
    fake_tenant_remove(b->tenant, "u4");
    revoke_uid(b, "u3", true);
    revoke_uid(b, "u4", true);
    bed_advance(b, HOUR);
    assert_true(is_disabled(b, "married"));
    bed_ok(b, link_load(b->state, "id-u4", &l, &e));
    assert_int_equal(l.gone, LINK_GONE_OR_RENAMED);
    link_done(&l);
    is_idle(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_asked_for),
        scenario(test_verified),
        scenario(test_verified_in_an_outage),
        scenario(test_read_anew),
        cmocka_unit_test(test_verified_but_for_one),
        scenario(test_first_contact_with_two),
        scenario(test_first_contact_with_three),
        scenario(test_sought_beside),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
