/*
 * Whose access is to end, of whom no list of the tenant's users told: revoked when they first
 * appear, or to be disabled, and there all the same.
 */
#include "config.h"

#include "engine-test.h"

static void person(struct bed *b, const char *uid, const char *type)
{
    char id[80], dn[160], first[40], mail[80];
    snprintf(id, sizeof(id), "id-%s", uid);
    snprintf(dn, sizeof(dn), "uid=%s,ou=people,dc=example,dc=com", uid);
    snprintf(first, sizeof(first), "First %s", uid);
    snprintf(mail, sizeof(mail), "%s@example.com", uid);
    bed_person(b, id, dn, "uid", uid, "givenName", first, "sn", uid, "mail", mail,
               "employeeType", type, NULL);
}

static void revoked_newcomer(struct bed *b, const char *uid)
{
    person(b, uid, "Revoked");
}

static struct fake_user *add_user(struct bed *b, const char *uid)
{
    char first[40], mail[80];
    snprintf(first, sizeof(first), "First %s", uid);
    snprintf(mail, sizeof(mail), "%s@example.com", uid);
    return fake_tenant_add(b->tenant, uid, first, uid, mail, "Support");
}

static void start_with(struct bed *b, size_t n)
{
    may_revoke(b);
    people(b, n, "support");
    bed_start(b);
    bed_sync(b);
}

/* After first contact somebody made the user, or the tenant did at a first log-in, and the
 * person comes revoked at once: no list showed the user. Asked for before everything else,
 * once, and again with each verification. */
static void test_user_of_no_list(void **state)
{
    struct bed *b = *state;
    char wrote[4000] = "";
    b->sync.verify_interval_usec = DAY;
    start_with(b, 3);
    b->tenant->on_write = note_write;
    b->tenant->write_data = wrote;
    add_user(b, "u3");
    people(b, 40, "support");
    revoked_newcomer(b, "u3");
    revoked_newcomer(b, "u4");
    bed_sync(b);
    assert_true(is_disabled(b, "u3"));
    assert_true(strstr(wrote, "u3 ") && strstr(wrote, "u3 ") < wrote + 60); /* of 39 */
    b->tenant->on_write = NULL;
    assert_null(fake_tenant_find(b->tenant, "u4"));
    is_idle(b);
    fake_tenant_forget_calls(b->tenant);
    bed_restart(b);
    bed_read_all(b);
    bed_run(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_GET), 0);
    add_user(b, "u4");
    bed_advance(b, 25 * HOUR);
    assert_true(is_disabled(b, "u4"));
    is_idle(b);
}

/* The tenant is away, throttles, or refuses that one user's call when it is asked: later, then.
 */
static void test_user_of_no_list_in_an_outage(void **state)
{
    static const enum tenant_answer_class classes[] = {
        TENANT_AWAY, TENANT_THROTTLED, TENANT_UNCLEAR, TENANT_NOT_AUTHORISED, TENANT_REFUSED};
    struct bed *b = *state;
    start_with(b, 4);
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        char uid[8];
        snprintf(uid, sizeof(uid), "n%zu", i);
        add_user(b, uid);
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET,
                                                        .login = uid,
                                                        .times = 2,
                                                        .class = classes[i],
                                                        .status = 403});
        revoked_newcomer(b, uid);
        const char *uids[] = {"u0", "u1", "u2", "u3", "n0", "n1", "n2", "n3", "n4"};
        bed_group_uids(b, "support", uids, 5 + i);
        bed_sync(b);
        bed_advance(b, HOUR);
        if (i % 2)
            bed_restart(b);
        bed_sync(b);
        bed_advance(b, 12 * HOUR);
        assert_true(is_disabled(b, uid));
    }
}

/* A user with the mail of somebody revoked, under another login, is that person's in all
 * likelihood: a person is asked, and not told that there is nobody. */
static void test_mail_under_another_login(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    fake_tenant_add(b->tenant, "elsewhere", "First u1", "u1", "u1@example.com", "Support");
    people(b, 3, "support");
    revoked_newcomer(b, "u1");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SAME_MAIL), 1);
}

/* Pages are not of one moment, and some tenants give no list at all: whoever is to be disabled
 * and is in no list is asked for by name, and keeps no user unseen. */
static void test_disabled_though_in_no_list(void **state)
{
    struct bed *b = *state;
    b->tenant->parts = &fake_one_part;
    b->tenant->shifts = true;
    add_user(b, "u0")->n_created = 1;
    add_user(b, "u1")->n_created = 1;
    add_user(b, "u2")->n_created = 1;
    people(b, 5, "support");
    for (size_t i = 0; i < 4; i++) /* and u3 has no user */
        person(b, (const char *[]){"u0", "u1", "u2", "u3"}[i], "Terminated");
    bed_start(b);
    bed_sync(b);
    bed_approve(b);
    bed_run(b);
    for (size_t i = 0; i < 3; i++)
        assert_true(is_disabled(b, (const char *[]){"u0", "u1", "u2"}[i]));
    assert_null(fake_tenant_find(b->tenant, "u3"));
    is_idle(b);
}

static void test_disabled_without_a_list(void **state)
{
    struct bed *b = *state;
    b->tenant->no_listing = true;
    add_user(b, "u0");
    people(b, 2, "support");
    person(b, "u0", "Terminated");
    bed_start(b);
    bed_sync(b);
    bed_approve(b);
    bed_run(b);
    assert_true(is_disabled(b, "u0"));
    is_idle(b);
}

/* Users are listed anew, since one is gone, while many are still to be asked for: who is found by
 * that list, or looked at for it, is disabled as well. */
static void test_listed_while_asked_for(void **state)
{
    struct bed *b = *state;
    char uid[8];
    b->sync.verify_interval_usec = DAY;
    start_with(b, 3);
    fake_tenant_remove(b->tenant, "u2"); /* before its id was learnt */
    people(b, 63, "support");
    for (size_t i = 3; i < 63; i++) {
        snprintf(uid, sizeof(uid), "u%zu", i);
        add_user(b, uid);
        revoked_newcomer(b, uid);
    }
    b->sync.budgets[BUDGET_REVOKE] = (struct budget){.percent = 100, .floor = 100};
    b->tenant->hold = true;
    bed_sync(b);
    bed_advance(b, 25 * HOUR); /* the verification begins */
    fake_tenant_release(b->tenant);
    bed_run(b);
    bed_advance(b, HOUR);
    for (size_t i = 3; i < 63; i++) {
        snprintf(uid, sizeof(uid), "u%zu", i);
        assert_true(is_disabled(b, uid));
    }
}

/* Whoever was to be taken over is deleted there before that is approved: it is on record that
 * there was nobody, and the person gets a user of their own. */
static void test_gone_before_adoption(void **state)
{
    struct bed *b = *state;
    fake_tenant_add(b->tenant, "u0", "First u0", "u0", "other@example.com", "Sales");
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 1);
    fake_tenant_remove(b->tenant, "u0");
    assert_int_equal(bed_approve(b), 1);
    bed_advance(b, MINUTE);
    assert_int_equal(bed_audit(b, "outcome", "dropped", "u0"), 1);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 1);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u0")->user, USER_TEAM),
                        "Support");
    is_idle(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_gone_before_adoption),
        scenario(test_user_of_no_list),          scenario(test_user_of_no_list_in_an_outage),
        scenario(test_mail_under_another_login), scenario(test_disabled_though_in_no_list),
        scenario(test_disabled_without_a_list),  scenario(test_listed_while_asked_for),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
