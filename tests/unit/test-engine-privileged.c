/*
 * Privileged roles at a tenant whose roles are groups, in a part of their own: under their budget
 * and approval, never taken from the last one, also where no read shows them. And those that are
 * given and taken at the tenant, whatever its kind.
 */
#include "config.h"

#include "engine-test.h"
#include "model/json.h"

static char *privileged[] = {(char *)"Boss"};

static struct bed *new_bed(const struct parts *parts)
{
    struct bed *b = bed_new(false);
    b->tenant->parts = parts;
    for (size_t i = 0; i < BUDGET_N_KINDS; i++)
        b->sync.budgets[i] = (struct budget){.unlimited = i != BUDGET_PRIVILEGED};
    b->sync.privileged_roles = privileged;
    b->sync.n_privileged_roles = 1;
    b->sync.approval_valid_usec = HOUR;
    return b;
}

static bool is_boss(struct bed *b, const char *login)
{
    return user_role(fake_tenant_find(b->tenant, login)->user, "Boss");
}

static void give_role(struct bed *b, const char *role)
{
    struct error e = {0};
    b->rules[0].roles.text = (char *)role;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_sync(b);
}

static void test_budget(void **state)
{
    static const struct parts *const kinds[] = {&fake_one_part, &fake_groups, &fake_hidden_groups};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct bed *b = new_bed(kinds[i]);
        people(b, 3, "support");
        bed_start(b);
        bed_sync(b);
        give_role(b, "Boss");
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 3);
        assert_false(is_boss(b, "u0"));
        assert_int_equal(bed_approve(b), 3);
        assert_true(is_boss(b, "u0") && is_boss(b, "u1") && is_boss(b, "u2"));
        bed_free(b);
    }
}

/* Of those who lose it at the same time one keeps it. */
static void test_last_one(void **state)
{
    static const struct parts *const kinds[] = {&fake_one_part, &fake_groups, &fake_hidden_groups};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct bed *b = new_bed(kinds[i]);
        people(b, 3, "support");
        bed_start(b);
        bed_sync(b);
        give_role(b, "Boss");
        assert_int_equal(bed_approve(b), 3);
        b->tenant->hold = true;
        give_role(b, "Agent");
        fake_tenant_release(b->tenant);
        bed_run(b);
        bed_advance(b, HOUR);
        assert_int_equal(is_boss(b, "u0") + is_boss(b, "u1") + is_boss(b, "u2"), 1);
        bed_free(b);
    }
}

/* No read shows whether a lost answer gave the role, and the approval for it has ended meanwhile:
 * it is taken back, and takes another approval. Given by a change, and by a create. */
static void test_ended_approval(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        bool effect = round & 1, creates = round & 2;
        struct bed *b = new_bed(&fake_hidden_groups);
        people(b, 2, "support");
        if (creates)
            b->rules[0].roles.text = (char *)"Boss";
        bed_start(b);
        bed_sync(b);
        if (!creates)
            give_role(b, "Boss");
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 2);
        /* What goes, goes first. */
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PATCH, .times = 2,
                                                        .skips = creates ? 0 : 2,
                                                        .class = TENANT_UNCLEAR,
                                                        .takes_effect = effect});
        assert_int_equal(bed_approve(b), 2);
        bed_run(b);
        assert_true(is_boss(b, "u0") == effect && is_boss(b, "u1") == effect);
        fake_tenant_fail(
            b->tenant, (struct fake_fault){.kinds = FAKE_ALL, .times = -1, .class = TENANT_AWAY});
        bed_advance(b, 2 * HOUR);
        fake_tenant_heal(b->tenant);
        bed_advance(b, 2 * HOUR);
        for (unsigned i = 0; i < 2; i++)
            if (is_boss(b, i ? "u1" : "u0"))
                fail_msg("round %u", round);
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 2);
        bed_leave(b, "id-u1");
        bed_sync(b);
        assert_int_equal(bed_approve(b), 1);
        bed_run(b);
        assert_true(is_boss(b, "u0"));
        bed_sync(b);
        bed_check_known(b);
        bed_free(b);
    }
}

/* Somebody is made with two roles, and the answer to the second one is lost. */
static void make_with_a_lost_answer(struct bed *b, const char *roles, bool takes_effect)
{
    people(b, 1, "support");
    b->rules[0].roles.text = (char *)(uintptr_t)roles;
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PATCH,
                                                    .times = 1,
                                                    .skips = 1,
                                                    .class = TENANT_UNCLEAR,
                                                    .takes_effect = takes_effect});
    assert_int_equal(bed_approve(b), 1);
    bed_run(b);
}

/* Of a create only what takes an approval is taken back: whoever was made goes on with the
 * rest. */
static void test_ended_approval_of_a_create(void **state)
{
    (void)state;
    for (unsigned effect = 0; effect < 2; effect++) {
        struct bed *b = new_bed(&fake_hidden_groups);
        make_with_a_lost_answer(b, "Agent, Boss", effect); /* after Agent */
        fake_tenant_fail(b->tenant, (struct fake_fault){
                                        .kinds = FAKE_ALL, .times = -1, .class = TENANT_AWAY});
        bed_advance(b, 2 * HOUR);
        fake_tenant_heal(b->tenant);
        bed_advance(b, 2 * HOUR);
        assert_false(is_boss(b, "u0"));
        assert_non_null(user_role(fake_tenant_find(b->tenant, "u0")->user, "Agent"));
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
        assert_int_equal(bed_approve(b), 1);
        bed_run(b);
        assert_true(is_boss(b, "u0"));
        bed_check_known(b);
        bed_free(b);
    }
}

/* Of several roles one was confirmed while the approval held, and stays; the answer to the next one
 * was lost, and that one is taken back. */
static void test_ended_approval_of_several(void **state)
{
    static char *both[] = {(char *)"Boss", (char *)"Chief"};
    (void)state;
    for (unsigned effect = 0; effect < 2; effect++) {
        struct bed *b = new_bed(&fake_hidden_groups);
        b->sync.privileged_roles = both;
        b->sync.n_privileged_roles = 2;
        people(b, 1, "support");
        bed_start(b);
        bed_sync(b);
        give_role(b, "Boss, Chief");
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
        fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PATCH, .times = 1,
                                                        .skips = 2, /* what goes, and Boss */
                                                        .class = TENANT_UNCLEAR,
                                                        .takes_effect = effect});
        assert_int_equal(bed_approve(b), 1);
        bed_run(b);
        const struct user *u = fake_tenant_find(b->tenant, "u0")->user;
        assert_true(user_role(u, "Boss") && !!user_role(u, "Chief") == effect);
        fake_tenant_fail(
            b->tenant, (struct fake_fault){.kinds = FAKE_ALL, .times = -1, .class = TENANT_AWAY});
        bed_advance(b, 2 * HOUR);
        fake_tenant_heal(b->tenant);
        fake_tenant_forget_calls(b->tenant);
        bed_advance(b, 2 * HOUR);
        u = fake_tenant_find(b->tenant, "u0")->user;
        assert_true(user_role(u, "Boss") && !user_role(u, "Chief"));
        assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PATCH), 1);
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
        assert_int_equal(bed_approve(b), 1);
        bed_run(b);
        u = fake_tenant_find(b->tenant, "u0")->user;
        assert_true(user_role(u, "Boss") && user_role(u, "Chief"));
        bed_check_known(b);
        bed_free(b);
    }
}

/* The same of a create: whoever was made keeps the role that was confirmed, and nobody is asked
 * for it anew. */
static void test_ended_approval_of_a_create_with_several(void **state)
{
    static char *both[] = {(char *)"Boss", (char *)"Chief"};
    (void)state;
    for (unsigned effect = 0; effect < 2; effect++) {
        struct bed *b = new_bed(&fake_hidden_groups);
        b->sync.privileged_roles = both;
        b->sync.n_privileged_roles = 2;
        make_with_a_lost_answer(b, "Boss, Chief", effect); /* after Boss */
        const struct user *u = fake_tenant_find(b->tenant, "u0")->user;
        assert_true(user_role(u, "Boss") && !!user_role(u, "Chief") == effect);
        fake_tenant_fail(b->tenant, (struct fake_fault){
                                        .kinds = FAKE_ALL, .times = -1, .class = TENANT_AWAY});
        bed_advance(b, 2 * HOUR);
        bed_restart(b);
        fake_tenant_heal(b->tenant);
        bed_sync(b);
        fake_tenant_forget_calls(b->tenant);
        bed_advance(b, 2 * HOUR);
        u = fake_tenant_find(b->tenant, "u0")->user;
        assert_true(user_role(u, "Boss") && !user_role(u, "Chief"));
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
        assert_int_equal(bed_approve(b), 1);
        bed_run(b);
        u = fake_tenant_find(b->tenant, "u0")->user;
        assert_true(user_role(u, "Boss") && user_role(u, "Chief"));
        bed_check_known(b);
        bed_free(b);
    }
}

static void count_gained(const json_t *row, void *userdata)
{
    size_t i, *n = userdata;
    const json_t *change;
    if (!json_text_is(row, "event", "outcome"))
        return;
    json_array_foreach(json_object_get(row, "changes"), i, change)
    {
        if (strncmp(json_text_of(change, "field"), "role:", 5) != 0)
            continue;
        assert_null(json_text_of(change, "from"));
        ++*n;
    }
}

/* What was confirmed is on record as gained, by whoever had none of it before. */
static void test_record_of_a_create(void **state)
{
    struct bed *b = new_bed(&fake_hidden_groups);
    size_t n = 0;
    (void)state;
    people(b, 1, "support");
    b->rules[0].roles.text = (char *)"Agent, Boss";
    bed_start(b);
    bed_sync(b);
    assert_int_equal(bed_approve(b), 1);
    bed_run(b);
    assert_true(is_boss(b, "u0"));
    bed_each_audit(b, count_gained, &n);
    assert_int_equal(n, 2);
    bed_free(b);
}

static void start_at(struct bed *b, size_t n)
{
    may_revoke(b);
    people(b, n, "support");
    bed_start(b);
    bed_sync(b);
}

/* An administrator is usually made at the tenant, by a role that no rule names: the last one stays
 * nevertheless, whether a verification has seen the role or only the look before the request. */
static void last_administrator(struct bed *b, bool verified, bool revoked)
{
    static char *administrator[] = {(char *)"Administrator"};
    b->sync.privileged_roles = administrator;
    b->sync.n_privileged_roles = 1;
    b->sync.verify_interval_usec = verified ? HOUR : 0;
    start_at(b, 10);
    struct user *has = fake_tenant_find(b->tenant, "u3")->user;
    assert_int_equal(user_add_role(has, "administrator", NULL), 0);
    bed_advance(b, 2 * HOUR);
    if (revoked) {
        revoke_uid(b, "u3", true);
    } else {
        bed_leave(b, "id-u3");
        bed_tell(b, "id-u3");
    }
    bed_advance(b, HOUR);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_false(is_disabled(b, "u3"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 1);
    assert_int_equal(bed_audit(b, "alarm", REASON_LOCKOUT, NULL), 1);
    /* There is another one: known when everybody was read, or when that one is looked at. */
    struct user *other = fake_tenant_find(b->tenant, "u4")->user;
    assert_int_equal(user_add_role(other, "Administrator", NULL), 0);
    b->sync.verify_interval_usec = HOUR;
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, 3 * HOUR);
    assert_true(is_disabled(b, "u3"));
}

static void test_last_administrator(void **state)
{
    last_administrator(*state, true, false);
}

static void test_last_administrator_is_revoked(void **state)
{
    last_administrator(*state, true, true);
}

static void test_last_administrator_since_a_moment(void **state)
{
    last_administrator(*state, false, false);
}

/* Whoever has lost the role there, and was to lose it anyway, is nobody's reason to go. */
static void test_lost_it_there(void **state)
{
    struct bed *b = *state;
    char *seller[] = {(char *)"Seller"};
    b->sync.verify_interval_usec = HOUR;
    bed_group(b, "sales", "u1", "u2", NULL);
    start_at(b, 4);
    b->sync.privileged_roles = seller;
    b->sync.n_privileged_roles = 1;
    b->sync.budgets[BUDGET_UPDATE] = (struct budget){.floor = 0};
    bed_group(b, "sales", "u2", NULL); /* u1 is to lose it, and that waits */
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
    user_remove_role(fake_tenant_find(b->tenant, "u1")->user, "Seller");
    bed_advance(b, 2 * HOUR);
    bed_leave(b, "id-u2");
    bed_tell(b, "id-u2");
    bed_advance(b, HOUR);
    assert_false(is_disabled(b, "u2"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 1);
}

/* Somebody else gets the role, by a change, as a new user or by being enabled: who waited for that
 * goes at once, above all whose access is to end. */
static void next_holder(struct bed *b, unsigned way, bool revoked)
{
    static char *seller[] = {(char *)"Seller"};
    b->sync.leave_grace_usec = 0;
    bed_group(b, "sales", "u1", way == 2 ? "u2" : NULL, NULL);
    start_at(b, 4);
    b->sync.privileged_roles = seller;
    b->sync.n_privileged_roles = 1;
    if (way == 2) {
        bed_leave(b, "id-u2");
        bed_sync(b);
        assert_true(is_disabled(b, "u2"));
    }
    if (revoked) {
        revoke_uid(b, "u1", true);
    } else {
        bed_leave(b, "id-u1");
        bed_tell(b, "id-u1");
    }
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 1);
    assert_false(is_disabled(b, "u1"));
    if (way == 0)
        bed_group(b, "sales", "u1", "u3", NULL);
    else if (way == 1)
        bed_group(b, "sales", "u1", "u9", NULL);
    if (way)
        bed_person_uid(b, way == 1 ? "u9" : "u2");
    if (way == 1)
        bed_group(b, "support", "u0", "u1", "u2", "u3", "u9", NULL);
    /* Whoever is held in the moment of a release is held since after it. */
    bed_advance(b, USEC_PER_SEC);
    bed_sync(b);
    bed_advance(b, USEC_PER_SEC);
    assert_true(is_disabled(b, "u1"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 0);
}

static void test_next_holder(void **state)
{
    for (unsigned i = 0; i < 6; i++) {
        setup(state);
        next_holder(*state, i / 2, i % 2);
        teardown(state);
    }
}

/* Nobody is deleted who came to be protected after the disable, nor is a protected login
 * renamed. */
static void test_nobody_is_deleted(void **state)
{
    struct bed *b = new_bed(&fake_one_part);
    (void)state;
    char *protected[] = {(char *)"U1", (char *)"u3"};
    struct error e = {0};
    b->sync.api_login = "nobody";
    b->sync.delete_after_usec = 10 * DAY;
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    bed_leave(b, "id-u0");
    bed_leave(b, "id-u1");
    bed_leave(b, "id-u2");
    bed_sync(b);
    bed_advance(b, DAY);
    for (size_t i = 0; i < 3; i++)
        assert_true(
            fake_tenant_find(b->tenant, (const char *[]){"u0", "u1", "u2"}[i])->user->disabled);
    b->sync.api_login = "u0";
    b->sync.protected_logins = protected;
    b->sync.n_protected_logins = 2;
    b->options.fingerprint = b->options.decisions = "another";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_person(b, "id-u3", "uid=u3,ou=people,dc=example,dc=com", "uid", "newname", "givenName",
               "First u3", "sn", "u3", "mail", "u3@example.com", NULL);
    bed_sync(b);
    for (size_t i = 0; i < 12; i++)
        bed_advance(b, DAY);
    bed_sync(b);
    assert_non_null(fake_tenant_find(b->tenant, "u0"));
    assert_non_null(fake_tenant_find(b->tenant, "u1"));
    assert_null(fake_tenant_find(b->tenant, "u2"));
    assert_non_null(fake_tenant_find(b->tenant, "u3"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 3);
    bed_free(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_last_one),
        cmocka_unit_test(test_ended_approval),
        cmocka_unit_test(test_ended_approval_of_a_create),
        cmocka_unit_test(test_ended_approval_of_several),
        cmocka_unit_test(test_ended_approval_of_a_create_with_several),
        cmocka_unit_test(test_record_of_a_create),
        cmocka_unit_test_setup_teardown(test_last_administrator, setup, teardown),
        cmocka_unit_test_setup_teardown(test_last_administrator_is_revoked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_last_administrator_since_a_moment, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_lost_it_there, setup, teardown),
        cmocka_unit_test(test_next_holder),
        cmocka_unit_test(test_nobody_is_deleted),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
