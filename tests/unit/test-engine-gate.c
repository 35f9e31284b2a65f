/*
 * What waits for a person: budgets and approvals, the first contact, a pause, a restored state,
 * and nobody who is locked out.
 */
#include "config.h"

#include "engine-test.h"

static void id_of(char *buffer, size_t size, size_t i)
{
    snprintf(buffer, size, "id-u%zu", i);
}

static void test_first_contact(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    size_t n = 0;
    fake_tenant_add(b->tenant, "U0", "First u0", "u0", "u0@example.com", "Sales");
    fake_tenant_add(b->tenant, "u1", "Else", "Somebody", "else@example.com", "Sales");
    fake_tenant_add(b->tenant, "stranger", "A", "Stranger", "stranger@example.com", "Sales");
    fake_tenant_add(b->tenant, "other", "B", "Other", "u3@example.com", "Sales");
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    /* u0 and u1 wait for approval, u3 has the mail of another login, u2 and u4 are new. */
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 2);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SAME_MAIL), 1);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PUT | FAKE_PATCH | FAKE_DELETE), 0);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 2);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u0")->user, USER_TEAM), "Sales");
    assert_int_equal(bed_ledger(b, "held", REASON_ADOPTION), 2);
    assert_int_equal(
        bed_approve_hash(b, "0000000000000000000000000000000000000000000000000000000000000000",
                         &n, &e),
        ENGINE_STALE_HASH);
    bed_run(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 2);
    bed_restart(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 2);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PUT | FAKE_PATCH | FAKE_DELETE), 0);

    assert_int_equal(bed_approve(b), 2);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u0")->user, USER_TEAM),
                        "Support");
    assert_int_equal(bed_ledger(b, "adopted", NULL), 2);
    assert_int_equal(bed_audit(b, "approve", NULL, NULL), 2);
    const struct fake_user *u = fake_tenant_find(b->tenant, "stranger");
    assert_string_equal(user_get(u->user, USER_TEAM), "Sales");
    assert_int_equal(b->tenant->n_users, 6);
    is_idle(b);
    assert_int_equal(bed_approve_hash(b, "", &n, &e), ENGINE_NOTHING);
    bed_run(b);
}

static void test_budget(void **state)
{
    struct bed *b = *state;
    people(b, 100, "support");
    bed_start(b);
    bed_sync(b);
    char id[32];
    for (size_t i = 0; i < 20; i++) {
        id_of(id, sizeof id, i);
        bed_leave(b, id);
    }
    bed_person_uid(b, "new");
    bed_group(b, "sales", "new", NULL);
    fake_tenant_forget_calls(b->tenant);
    bed_sync(b);
    /* What is beyond the budget waits, and only that. */
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PUT), 5);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 1);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 15);
    assert_int_equal(bed_audit(b, "park", REASON_BUDGET, NULL), 15);
    is_idle(b);
    bed_advance(b, 2 * DAY); /* time alone releases nothing */
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 15);
    assert_int_equal(bed_audit(b, "alarm", REASON_BUDGET, NULL), 1);

    /* The set changes: the approval of what was shown before is void. */
    struct error e = {0};
    char hash[65];
    size_t n = 0;
    bed_plan_hash(b, hash, &n);
    for (size_t i = 20; i < 26; i++) {
        id_of(id, sizeof id, i);
        bed_leave(b, id);
    }
    bed_sync(b);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PUT), 10); /* of another day */
    assert_int_equal(bed_approve_hash(b, hash, &n, &e),
                     ENGINE_STALE_HASH);
    bed_run(b);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PUT), 10);
    assert_int_equal(bed_approve(b), 16);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PUT), 26);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_BUDGET, NULL), 1);

    /* What was approved spends no budget: four more may go, then of two one may not. */
    bed_advance(b, DAY + HOUR);
    for (size_t i = 26; i < 30; i++) {
        id_of(id, sizeof id, i);
        bed_leave(b, id);
    }
    bed_sync(b);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PUT), 30);
    bed_leave(b, "id-u30");
    bed_leave(b, "id-u31");
    bed_sync(b);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PUT), 31);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
    /* Those who come back need no approval. */
    bed_person_uid(b, "u30");
    bed_person_uid(b, "u31");
    bed_sync(b);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    is_idle(b);
}

static void test_budget_counts_grace(void **state)
{
    struct bed *b = *state;
    b->sync.leave_grace_usec = DAY;
    people(b, 40, "support");
    bed_start(b);
    bed_sync(b);
    char id[32];
    for (size_t i = 0; i < 6; i++) {
        id_of(id, sizeof id, i);
        bed_leave(b, id);
    }
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
    assert_int_equal(bed_approve(b), 1);
    bed_advance(b, 10 * MINUTE);
    assert_int_equal(n_disabled(b), 0);
    b->sync.approval_valid_usec = HOUR;
    bed_advance(b, 2 * DAY); /* the approval ran out before the grace time did */
    assert_int_equal(n_disabled(b), 5);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
    assert_int_equal(bed_approve(b), 1);
    assert_int_equal(n_disabled(b), 6);
    is_idle(b);
}

static void test_approval_expires(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    char id[32];
    for (size_t i = 0; i < 10; i++) {
        id_of(id, sizeof id, i);
        bed_leave(b, id);
    }
    bed_sync(b);
    assert_int_equal(n_disabled(b), 5);
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    bed_run(b);
    assert_int_equal(bed_approve(b), 5);
    bed_advance(b, 2 * HOUR);
    bed_ok(b, engine_pause(b->engine, false, 1000, &e));
    bed_run(b);
    assert_int_equal(n_disabled(b), 5);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 5);
    assert_int_equal(bed_approve(b), 5);
    assert_int_equal(n_disabled(b), 10);
    is_idle(b);
}

static void leave(struct bed *b, size_t from, size_t to)
{
    char id[32];
    for (size_t i = from; i < to; i++) {
        id_of(id, sizeof id, i);
        bed_leave(b, id);
    }
}

/* Each approval has its own end, and another one does not lengthen it. */
static void test_approvals_end_apart(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    leave(b, 0, 3);
    bed_sync(b);
    assert_int_equal(bed_approve(b), 3);
    bed_advance(b, 40 * MINUTE);
    bed_restart(b);
    leave(b, 3, 7);
    bed_sync(b);
    assert_int_equal(bed_approve(b), 4);
    bed_set_clock(b, b->now + 10 * DAY); /* nor does a step of the wall clock end it */
    bed_advance(b, 30 * MINUTE);
    bed_ok(b, engine_pause(b->engine, false, 1000, &e));
    bed_run(b);
    assert_int_equal(n_disabled(b), 4);
    assert_false(is_disabled(b, "u0"));
    assert_true(is_disabled(b, "u3"));
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 3);
}

/* A hash stands for one occasion: the same people, parked again another day, need another. */
static void test_hash_of_one_occasion(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char hash[65], again[65];
    size_t n = 0;
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    leave(b, 0, 3);
    bed_sync(b);
    bed_plan_hash(b, hash, &n);
    bed_restart(b);
    bed_sync(b);
    bed_plan_hash(b, again, &n);
    assert_string_equal(hash, again); /* while it waits it stays */
    assert_int_equal(bed_approve(b), 3);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 3);
    assert_int_equal(bed_approve_hash(b, hash, &n, &e),
                     ENGINE_STALE_HASH);
    bed_run(b);
    assert_int_equal(bed_approve(b), 3);
    bed_ok(b, engine_pause(b->engine, false, 1000, &e));
    bed_run(b);
    assert_int_equal(n_disabled(b), 3);
}

static void set_plan_key(struct bed *b, const char *key)
{
    struct error e = {0};
    bed_ok(b, state_begin(b->state, &e));
    bed_ok(b, state_meta_set(b->state, "plan-key", key, &e));
    bed_ok(b, state_commit(b->state, &e));
}

/* The hash goes on record. All that it is made of is on record too, but the key: the same plan
 * under another key has another hash, so nobody can try what it was made of. */
static void test_hash_is_keyed(void **state)
{
    struct bed *b = *state;
    char hash[3][65];
    size_t n = 0;
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    leave(b, 0, 3);
    bed_sync(b);
    bed_run(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 3);
    static const char *const keys[] = {"one secret", "another secret", "one secret"};
    for (size_t i = 0; i < 3; i++) {
        set_plan_key(b, keys[i]);
        bed_plan_hash(b, hash[i], &n);
        assert_int_equal(n, 3);
    }
    assert_string_not_equal(hash[0], hash[1]);
    assert_string_equal(hash[0], hash[2]);
}

/* What was held before it was ever tried is measured when it starts, since others went
 * meanwhile. */
static void test_budget_of_what_comes_back(void **state)
{
    struct bed *b = *state;
    b->sync.budgets[BUDGET_UPDATE] = (struct budget){.floor = 1};
    b->rules[1].roles.text = (char *)"Seller";
    assert_int_equal(string_list_add(&b->tenant->roles, "Agent"), 0);
    bed_person_uid(b, "a");
    bed_person_uid(b, "b");
    bed_group(b, "support", "a", "b", NULL);
    bed_start(b);
    bed_sync(b);
    bed_person_uid(b, "c"); /* from whom it is known that there is no role Seller */
    bed_group(b, "sales", "c", NULL);
    bed_sync(b);
    bed_group(b, "sales", "a", "c", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_ROLE_MISSING), 2);
    bed_person(b, "id-b", "uid=b,ou=people,dc=example,dc=com", "uid", "b", "givenName", "New",
               "sn", "b", "mail", "b@example.com", NULL);
    bed_tell(b, "id-b");
    bed_run(b);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "b")->user, USER_FIRST_NAME),
                        "New");
    assert_int_equal(string_list_add(&b->tenant->roles, "Seller"), 0);
    bed_advance(b, 40 * MINUTE);
    assert_non_null(fake_tenant_find(b->tenant, "c"));
    assert_null(user_role(fake_tenant_find(b->tenant, "a")->user, "Seller"));
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
    assert_int_equal(bed_approve(b), 1);
    assert_non_null(user_role(fake_tenant_find(b->tenant, "a")->user, "Seller"));
    is_idle(b);
}

/* A higher limit lets as many more go; a new limit is a person's word. */
static void test_budget_raised(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 40, "support");
    bed_start(b);
    bed_sync(b);
    leave(b, 0, 20);
    bed_sync(b);
    assert_int_equal(n_disabled(b), 5);
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){.floor = 9};
    b->options.fingerprint = b->options.decisions = "another";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(n_disabled(b), 9);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 11);
}

/* T58: neither the API user nor who is protected nor the last with a privileged role, neither
 * by leaving nor by a revocation nor by an approval; the others go. */
static void test_never_lock_out(void **state)
{
    struct bed *b = *state;
    char *privileged[] = {(char *)"seller"}, *protected[] = {(char *)"U1"};
    may_revoke(b);
    b->sync.api_login = "u0";
    b->sync.protected_logins = protected;
    b->sync.n_protected_logins = 1;
    people(b, 8, "support");
    bed_group(b, "sales", "u2", "u3", NULL);
    bed_start(b);
    bed_sync(b);
    b->sync.privileged_roles = privileged; /* from now on */
    b->sync.n_privileged_roles = 1;
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    leave(b, 0, 5); /* the API user, the protected one, both sellers, and u4 */
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 2);
    assert_int_equal(bed_audit(b, "alarm", REASON_LOCKOUT, NULL), 2);
    /* Each seller alone may go, and both at once may not. */
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 3);
    assert_int_equal(bed_approve(b), 3);
    assert_int_equal(n_disabled(b), 2);
    assert_true(is_disabled(b, "u2") != is_disabled(b, "u3"));
    assert_true(is_disabled(b, "u4"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 3);
    for (size_t i = 0; i < 2; i++)
        revoke_uid(b, i ? "u1" : "u0", true);
    bed_run(b);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, DAY);
    assert_int_equal(n_disabled(b), 2);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 2);
    assert_int_equal(bed_queue(b, 0, NULL), 3); /* the approval of one has ended */
    /* Another one has the role: now the last may go, and its alarm is over. */
    bed_group(b, "sales", "u5", NULL);
    b->sync.budgets[BUDGET_PRIVILEGED] = (struct budget){.unlimited = true};
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){.unlimited = true};
    b->options.fingerprint = b->options.decisions = "another";
    struct error e = {0};
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_true(is_disabled(b, "u2") && is_disabled(b, "u3"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 2);
    assert_true(bed_audit(b, "alarm-over", REASON_LOCKOUT, NULL) >= 1);
}

/* Nor is anybody of them renamed, or deprived of a role by the rules. */
static void test_nobody_is_demoted(void **state)
{
    struct bed *b = *state;
    char *privileged[] = {(char *)"Seller"};
    b->sync.api_login = "u0";
    people(b, 4, "support");
    bed_group(b, "sales", "u0", "u1", "u2", NULL);
    bed_start(b);
    bed_sync(b);
    b->sync.privileged_roles = privileged;
    b->sync.n_privileged_roles = 1;
    bed_group(b, "sales", NULL);
    bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "newname", "givenName",
               "First u0", "sn", "u0", "mail", "u0@example.com", NULL);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_non_null(fake_tenant_find(b->tenant, "u0"));
    assert_non_null(user_role(fake_tenant_find(b->tenant, "u0")->user, "Seller"));
    /* u0 has it, so the two others may lose it. */
    assert_null(user_role(fake_tenant_find(b->tenant, "u1")->user, "Seller"));
    assert_null(user_role(fake_tenant_find(b->tenant, "u2")->user, "Seller"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 2);
}

/* Somebody paused and forgot: an alarm when people have waited, over when nobody waits or it
 * goes on, also across restarts. */
static void test_pause_is_told(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    bed_advance(b, DAY); /* nobody waits */
    assert_int_equal(bed_audit(b, "alarm", REASON_PAUSED, NULL), 0);
    bed_leave(b, "id-u1");
    bed_tell(b, "id-u1");
    bed_run(b);
    bed_advance(b, 9 * MINUTE);
    assert_int_equal(bed_audit(b, "alarm", REASON_PAUSED, NULL), 0);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, 2 * MINUTE);
    assert_int_equal(bed_audit(b, "alarm", REASON_PAUSED, NULL), 1);
    bed_restart(b);
    bed_person_uid(b, "u1"); /* back again: nobody waits */
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_PAUSED, NULL), 1);
    bed_leave(b, "id-u2");
    bed_tell(b, "id-u2");
    bed_advance(b, 11 * MINUTE);
    assert_int_equal(bed_audit(b, "alarm", REASON_PAUSED, NULL), 2);
    bed_restart(b);
    bed_ok(b, engine_pause(b->engine, false, 1000, &e));
    bed_sync(b);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_PAUSED, NULL), 2);
    assert_true(is_disabled(b, "u2"));
    is_idle(b);
}

static void test_pause(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    bed_start(b);
    bed_run(b);
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    people(b, 10, "support");
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_true(engine_is_idle(b->engine));
    bed_restart(b); /* paused also over a restart */
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_true(engine_is_paused(b->engine));
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    bed_ok(b, engine_pause(b->engine, false, 1000, &e));
    bed_run(b);
    assert_int_equal(b->tenant->n_users, 10);
    is_idle(b);
}

/* An older copy of the state file: nothing is taken away before a person looked. */
static void test_distrusted_state(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    bed_ok(b, engine_distrust_state(b->engine, &e));
    bed_run(b);
    is_idle(b);
    bed_leave(b, "id-u1");
    bed_person(b, "id-u2", "uid=u2,ou=people,dc=example,dc=com", "uid", "u2", "givenName",
               "New", "sn", "u2", "mail", "u2@example.com", NULL);
    bed_person_uid(b, "new");
    bed_group(b, "support", "u0", "u1", "u2", "u3", "u4", "new", NULL);
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PUT | FAKE_PATCH | FAKE_DELETE), 0);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 1);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_STATE_RESTORED), 2);
    assert_int_equal(bed_audit(b, "alarm", REASON_STATE_RESTORED, NULL), 1);
    bed_restart(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_STATE_RESTORED), 2);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PUT | FAKE_PATCH | FAKE_DELETE), 0);
    assert_int_equal(bed_approve(b), 2);
    assert_true(is_disabled(b, "u1"));
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u2")->user, USER_FIRST_NAME),
                        "New");
    bed_advance(b, 2 * USEC_PER_SEC); /* every user was read at the tenant again */
    assert_int_equal(bed_audit(b, "alarm-over", REASON_STATE_RESTORED, NULL), 1);
    is_idle(b);
    /* Trusted again. */
    bed_leave(b, "id-u3");
    bed_sync(b);
    assert_true(is_disabled(b, "u3"));
}

/* A newer state had made the user whom a create is of that waited all the while. */
static void test_create_waits_in_distrust(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->sync.budgets[BUDGET_CREATE] = (struct budget){0};
    bed_start(b);
    bed_sync(b);
    bed_ok(b, engine_distrust_state(b->engine, &e));
    people(b, 1, "support");
    fake_tenant_add(b->tenant, "u0", "First u0", "u0", "u0@example.com", "Support");
    bed_sync(b);
    bed_advance(b, 2 * USEC_PER_SEC);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_STATE_RESTORED, NULL), 1);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
    assert_int_equal(bed_approve(b), 1);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 0);
    is_idle(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_first_contact),
        scenario(test_budget),
        scenario(test_budget_counts_grace),
        scenario(test_approval_expires),
        scenario(test_approvals_end_apart),
        scenario(test_hash_of_one_occasion),
        scenario(test_hash_is_keyed),
        scenario(test_budget_of_what_comes_back),
        scenario(test_budget_raised),
        scenario(test_pause_is_told),
        scenario(test_never_lock_out),
        scenario(test_nobody_is_demoted),
        scenario(test_pause),
        scenario(test_distrusted_state),
        scenario(test_create_waits_in_distrust),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
