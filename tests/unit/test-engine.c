/*
 * A person's life through the whole engine, fed through its sink, against the fake tenant: what
 * it does, what it leaves alone, and that the ledger of every run adds up.
 */
#include "config.h"

#include "books/ledger.h"
#include "engine-test.h"

static void no_change_to_anybody(struct bed *b)
{
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
}

static void test_creates_each_once(void **state)
{
    struct bed *b = *state;
    people(b, 1000, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 1000);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 1000);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 1000);
    assert_true(b->tenant->most_under_way <= b->options.max_concurrent);
    assert_int_equal(bed_ledger(b, "created", NULL), 1000);
    assert_int_equal(bed_ledger(b, "seen", NULL), 1000);
    assert_int_equal(bed_audit(b, "intent", NULL, NULL), 1000);
    assert_int_equal(bed_audit(b, "outcome", "done", NULL), 1000);
    const struct fake_user *u = fake_tenant_find(b->tenant, "u17");
    assert_non_null(u);
    assert_string_equal(user_get(u->user, USER_TEAM), "Support");
    assert_string_equal(user_get(u->user, USER_EMAIL), "u17@example.com");
    assert_non_null(user_role(u->user, "Agent"));
    assert_int_equal(user_skill(u->user, "English")->level, 100);
    is_idle(b);

    /* A second read of the same: no call at all. */
    fake_tenant_forget_calls(b->tenant);
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_ALL), 0);
    is_idle(b);
}

/* Nothing is left to do: time passes, and neither a turn nor a call comes of it. */
static void test_idle_takes_no_turns(void **state)
{
    struct bed *b = *state;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    fake_tenant_forget_calls(b->tenant);
    size_t n_idle = b->n_idle, rows = bed_audit(b, NULL, NULL, NULL);
    uint64_t turns = b->engine->n_turns;
    bed_advance(b, DAY);
    assert_int_equal(b->engine->n_turns - turns, 0);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_ALL), 0);
    assert_int_equal(b->n_idle, n_idle);
    assert_int_equal(bed_audit(b, NULL, NULL, NULL), rows);
}

static void test_updates_and_leaves_the_rest(void **state)
{
    struct bed *b = *state;
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    struct fake_user *u = fake_tenant_find(b->tenant, "u1");
    assert_int_equal(user_add_role(u->user, "Supervisor", NULL), 0);
    assert_int_equal(user_add_skill(u->user, "Chess", 70, NULL), 0);
    char extension[16];
    snprintf(extension, sizeof extension, "%s", user_get(u->user, USER_EXTENSION));
    fake_tenant_forget_calls(b->tenant);
    bed_person(b, "id-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "givenName",
               "New", "sn", "u1", "mail", "new@example.com", "preferredLanguage", "es-MX",
               NULL);
    bed_group(b, "support", "u0", "u2", NULL);
    bed_group(b, "sales", "u1", NULL);
    bed_sync(b);
    u = fake_tenant_find(b->tenant, "u1");
    assert_string_equal(user_get(u->user, USER_FIRST_NAME), "New");
    assert_string_equal(user_get(u->user, USER_EMAIL), "new@example.com");
    assert_string_equal(user_get(u->user, USER_TEAM), "Sales");
    assert_string_equal(user_get(u->user, USER_EXTENSION), extension);
    assert_int_equal(user_skill(u->user, "English")->level, 50);
    assert_int_equal(user_skill(u->user, "Spanish")->level, 100);
    assert_int_equal(user_skill(u->user, "Chess")->level, 70);
    assert_non_null(user_role(u->user, "Agent"));
    assert_non_null(user_role(u->user, "Seller"));
    assert_non_null(user_role(u->user, "Supervisor"));
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 2);
    assert_int_equal(bed_ledger(b, "updated", NULL), 1);
    is_idle(b);

    /* Back: what rosterd gave goes, what a supervisor gave stays. */
    bed_group(b, "support", "u0", "u1", "u2", NULL);
    bed_group(b, "sales", NULL);
    bed_person_uid(b, "u1");
    bed_sync(b);
    u = fake_tenant_find(b->tenant, "u1");
    assert_null(user_role(u->user, "Seller"));
    assert_null(user_skill(u->user, "Spanish"));
    assert_non_null(user_role(u->user, "Supervisor"));
    assert_int_equal(user_skill(u->user, "Chess")->level, 70);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 0);
    is_idle(b);
}

static void test_renames(void **state)
{
    struct bed *b = *state;
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    char id[24];
    snprintf(id, sizeof id, "%s", fake_tenant_find(b->tenant, "u1")->scim_id);
    bed_person(b, "id-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "maria", "givenName",
               "Maria", "sn", "Silva", "mail", "maria@example.com", NULL);
    bed_tell(b, "id-u1");
    bed_run(b);
    assert_null(fake_tenant_find(b->tenant, "u1"));
    const struct fake_user *u = fake_tenant_find(b->tenant, "maria");
    assert_non_null(u);
    assert_string_equal(u->scim_id, id);
    assert_string_equal(user_get(u->user, USER_LAST_NAME), "Silva");
    assert_int_equal(b->tenant->n_users, 2);
    assert_int_equal(bed_ledger(b, "updated", NULL), 1);
    is_idle(b);

    b->sync.on_rename = ON_RENAME_HOLD;
    bed_person(b, "id-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "mary", "givenName",
               "Mary", "sn", "Silva", "mail", "maria@example.com", NULL);
    bed_tell(b, "id-u1");
    bed_run(b);
    assert_null(fake_tenant_find(b->tenant, "mary"));
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "maria")->user, USER_FIRST_NAME),
                        "Mary");
    assert_int_equal(bed_ledger(b, "held", REASON_RENAME_POLICY), 1);
    is_idle(b);
}

static void test_leaves_and_returns(void **state)
{
    struct bed *b = *state;
    b->sync.leave_grace_usec = 7 * DAY;
    b->sync.delete_after_usec = 30 * DAY;
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    bed_leave(b, "id-u1"); /* gone */
    bed_leave(b, "id-u2"); /* gone, and back within the grace time */
    bed_group(b, "support", "u0", "u4", "u5", "u6", "u7", "u8", "u9", NULL); /* u3: no team */
    bed_sync(b);
    assert_int_equal(bed_ledger(b, "leaving", NULL), 3);
    assert_int_equal(bed_audit(b, "leave", NULL, NULL), 3);
    bed_advance(b, 6 * DAY);
    assert_false(is_disabled(b, "u1"));
    bed_person_uid(b, "u2");
    bed_group(b, "support", "u0", "u2", "u4", "u5", "u6", "u7", "u8", "u9", NULL);
    bed_sync(b);
    bed_advance(b, 2 * DAY);
    assert_true(is_disabled(b, "u1"));
    assert_false(is_disabled(b, "u2"));
    assert_true(is_disabled(b, "u3"));

    /* Enabled again under the same link. */
    bed_group(b, "support", "u0", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9", NULL);
    bed_sync(b);
    assert_false(is_disabled(b, "u3"));
    assert_int_equal(bed_audit(b, "return", NULL, NULL), 2);
    bed_advance(b, 31 * DAY);
    assert_null(fake_tenant_find(b->tenant, "u1"));
    assert_int_equal(b->tenant->n_users, 9);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 10);
    is_idle(b);

    /* Back after the deletion: a new user. */
    bed_person_uid(b, "u1");
    bed_group(b, "support", "u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9", NULL);
    bed_sync(b);
    assert_false(is_disabled(b, "u1"));
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 11);
    is_idle(b);
}

static void test_disabled_when(void **state)
{
    struct bed *b = *state;
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    bed_person(b, "id-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "givenName",
               "First u1", "sn", "u1", "mail", "u1@example.com", "employeeType", "Terminated",
               NULL);
    bed_person(b, "id-x", "uid=x,ou=people,dc=example,dc=com", "uid", "x", "givenName", "X",
               "sn", "X", "mail", "x@example.com", "employeeType", "Terminated", NULL);
    bed_group(b, "support", "u0", "u1", "u2", "x", NULL);
    bed_sync(b);
    assert_true(is_disabled(b, "u1"));
    assert_null(fake_tenant_find(b->tenant, "x"));
    assert_int_equal(bed_ledger(b, "skipped", "disabled"), 1);
    bed_person_uid(b, "u1");
    bed_sync(b);
    assert_false(is_disabled(b, "u1"));

    /* Disabled by somebody at the tenant: theirs. */
    fake_tenant_find(b->tenant, "u2")->user->disabled = true;
    b->sync.verify_interval_usec = HOUR;
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, 3 * HOUR);
    assert_true(is_disabled(b, "u2"));
    assert_true(bed_audit(b, "drift", NULL, "u2") > 0);
}

static void test_on_shift(void **state)
{
    struct bed *b = *state;
    people(b, 4, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_find(b->tenant, "u1")->logged_in = true;
    fake_tenant_find(b->tenant, "u2")->logged_in = true;
    bed_group(b, "support", "u0", NULL);
    bed_sync(b);
    assert_false(is_disabled(b, "u1"));
    assert_true(is_disabled(b, "u3"));
    bed_advance(b, HOUR);
    fake_tenant_find(b->tenant, "u1")->logged_in = false;
    bed_advance(b, 2 * MINUTE);
    assert_true(is_disabled(b, "u1"));
    assert_false(is_disabled(b, "u2"));
    bed_advance(b, 6 * HOUR);
    assert_false(is_disabled(b, "u2"));
    bed_advance(b, 2 * HOUR); /* the limit */
    assert_true(is_disabled(b, "u2"));
    is_idle(b);
}

/* A directory loaded again from LDIF: the same people under new identities (relink); and a
 * stranger who was given an old login. */
static void test_new_identities(void **state)
{
    struct bed *b = *state;
    b->sync.leave_grace_usec = DAY;
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    bed_leave(b, "id-u1");
    bed_leave(b, "id-u2");
    bed_person(b, "again-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "givenName",
               "First u1", "sn", "u1", "mail", "u1@example.com", NULL);
    bed_person(b, "again-u2", "uid=u2,ou=people,dc=example,dc=com", "uid", "u2", "givenName",
               "Quite", "sn", "Other", "mail", "other@example.com", NULL);
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_RELINK), 1);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_CONFLICT), 1);
    assert_int_equal(bed_approve(b), 1);
    bed_advance(b, 2 * DAY);
    assert_false(is_disabled(b, "u1"));
    assert_true(is_disabled(b, "u2"));
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 0);
    is_idle(b);
}

static void test_shared_login(void **state)
{
    struct bed *b = *state;
    bed_person_uid(b, "a");
    bed_person(b, "id-b", "uid=b,ou=people,dc=example,dc=com", "uid", "A", "givenName", "B",
               "sn", "B", "mail", "b@example.com", NULL);
    bed_group(b, "support", "a", "b", NULL);
    bed_start(b);
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOGIN_SHARED), 2);
    bed_person_uid(b, "b");
    bed_tell(b, "id-b");
    bed_run(b);
    assert_int_equal(b->tenant->n_users, 2);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    is_idle(b);
}

/* What a write left undone is sent once more, and only that: the team, the skills, or both. */
static void test_forgetting_tenant(void **state)
{
    struct bed *b = *state;
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    b->tenant->forgets = 1;
    bed_group(b, "support", NULL);
    bed_group(b, "sales", "u0", NULL);
    bed_sync(b);
    const struct fake_user *u = fake_tenant_find(b->tenant, "u0");
    assert_string_equal(user_get(u->user, USER_TEAM), "Sales");
    assert_int_equal(user_skill(u->user, "English")->level, 50);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PUT), 2);
    is_idle(b);
    b->tenant->forgets = 2;
    bed_group(b, "sales", NULL);
    bed_group(b, "support", "u0", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_NOT_APPLIED), 1);
    bed_advance(b, HOUR);
    u = fake_tenant_find(b->tenant, "u0");
    assert_string_equal(user_get(u->user, USER_TEAM), "Support");
    assert_int_equal(user_skill(u->user, "English")->level, 100);
    is_idle(b);
}

static void test_privileged_role(void **state)
{
    struct bed *b = *state;
    char *privileged[] = {(char *)"Seller"};
    b->sync.privileged_roles = privileged;
    b->sync.n_privileged_roles = 1;
    b->sync.budgets[BUDGET_PRIVILEGED] = (struct budget){0};
    people(b, 3, "support");
    bed_person_uid(b, "seller");
    bed_group(b, "sales", "seller", "u0", NULL);
    bed_start(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 2);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 2);
    assert_int_equal(bed_approve(b), 2);
    assert_int_equal(b->tenant->n_users, 4);
    is_idle(b);
}

/* Whom a create settled is not looked at again; to look at everybody finds nothing to do. */
static void test_settled_is_settled(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    bed_start(b);
    bed_sync(b);
    people(b, 20, "support");
    bed_person_uid(b, "nobody"); /* in no group */
    b->tenant->hold = true;
    bed_sync(b);
    assert_int_equal(b->tenant->n_under_way, 8);
    b->tenant->hold = false;
    fake_tenant_release(b->tenant);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(person_count_dirty(b->state), 0);
        assert_true(sd_event_run(b->event, 0) >= 0);
    }
    bed_run(b);
    CLEANUP(freep) char *before = everybody(b);
    fake_tenant_forget_calls(b->tenant);
    bed_ok(b, engine_look_again(b->engine, NULL, &e));
    bed_run(b);
    CLEANUP(freep) char *after = everybody(b);
    assert_string_equal(after, before);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    is_idle(b);
}

static void test_retry_by_a_person(void **state)
{
    struct bed *b = *state;
    string_list_done(&b->tenant->teams);
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(string_list_add(&b->tenant->teams, "Support"), 0);
    assert_int_equal(bed_retry(b, "team:Support"), 3);
    bed_run(b);
    assert_int_equal(b->tenant->n_users, 3);
    is_idle(b);
}

/* A plan is a look: nothing is written to anybody, and no alarm, audit or call comes of it. */
static void test_plan_only(void **state)
{
    struct bed *b = *state;
    b->options.plan_only = true;
    b->options.tenant = NULL;
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    no_change_to_anybody(b);
    assert_int_equal(bed_queue(b, OPERATION_READY, NULL), 5);
    assert_int_equal(bed_audit(b, NULL, NULL, NULL), 0);
    is_idle(b);
}

static unsigned n_others;

static void another(struct bed *b)
{
    char uid[24], id[32];
    snprintf(uid, sizeof(uid), "another%u", n_others++);
    snprintf(id, sizeof(id), "id-%s", uid);
    bed_person_uid(b, uid);
    bed_tell(b, id);
}

/* Between two events. */
static bool another_comes(void *userdata)
{
    struct bed *b = userdata;
    if (books_ledger(b->engine->books)->after) /* some of the run are counted, not all */
        another(b);
    return false;
}

/* Somebody comes each time when the people of a long run are being counted: it is not begun anew
 * with each of them, and counts everybody once nobody comes. */
static void test_long_run_among_changes(void **state)
{
    struct bed *b = *state;
    n_others = 0;
    b->options.slice = 3;
    people(b, 20, "support");
    bed_start(b);
    b->dies = another_comes;
    b->dies_data = b;
    bed_read_all(b);
    bed_run(b); /* to rest, although the run is not over */
    assert_in_range(n_others, 1, 5);
    for (unsigned i = 0; i < 20; i++) {
        another(b);
        bed_run(b);
        assert_false(engine_is_idle(b->engine));
        assert_int_equal(books_ledger(b->engine->books)->after, 0);
    }
    assert_int_equal(bed_audit(b, "run-end", NULL, NULL), 0);
    b->dies = NULL;
    bed_advance(b, USEC_PER_SEC);
    assert_int_equal(bed_audit(b, "run-begin", NULL, NULL), 1);
    assert_int_equal(bed_audit(b, "run-end", NULL, NULL), 1);
    assert_int_equal(bed_ledger(b, "seen", NULL), 20 + n_others);
    assert_int_equal(bed_ledger(b, "created", NULL), 20);
    is_idle(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_creates_each_once),
        scenario(test_idle_takes_no_turns),
        scenario(test_updates_and_leaves_the_rest),
        scenario(test_renames),
        scenario(test_leaves_and_returns),
        scenario(test_disabled_when),
        scenario(test_on_shift),
        scenario(test_new_identities),
        scenario(test_shared_login),
        scenario(test_forgetting_tenant),
        scenario(test_privileged_role),
        scenario(test_settled_is_settled),
        scenario(test_retry_by_a_person),
        scenario(test_plan_only),
        scenario(test_long_run_among_changes),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
