/*
 * The whole engine, fed through its sink, against the fake tenant: what it does, what it holds,
 * and that the ledger of every run adds up.
 */
#include "config.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/log.h"
#include "engine-bed.h"
#include "state/db.h"
#include "state/link.h"
#include "state/person.h"
#include "state/queue.h"
#include "sync/engine-internal.h"
#include "unit.h"

static int setup(void **state)
{
    *state = bed_new(false);
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    bed_check_ledgers(b);
    bed_free(b);
    return 0;
}

static void no_change_to_anybody(struct bed *b)
{
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
}

/* u0 to u(n-1), all in this group. */
static void people(struct bed *b, size_t n, const char *group)
{
    char names[1000][16];
    const char *uids[1000];
    assert_true(n <= 1000);
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        uids[i] = names[i];
        bed_person_uid(b, uids[i]);
    }
    bed_group_uids(b, group, uids, n);
}

static void id_of(char *buffer, size_t size, size_t i)
{
    snprintf(buffer, size, "id-u%zu", i);
}

static void is_idle(struct bed *b)
{
    assert_true(engine_is_idle(b->engine));
    assert_false(state_in_transaction(b->state));
    bed_run(b);
    assert_int_equal(b->n_events, 0);
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

static bool is_disabled(struct bed *b, const char *login)
{
    const struct fake_user *u = fake_tenant_find(b->tenant, login);
    assert_non_null(u);
    return u->user->disabled;
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

static void test_first_contact(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    size_t n = 0;
    uint64_t until = 0;
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
        engine_approve(b->engine,
                       "00000000000000000000000000000000000000000000000000000000000"
                       "00000",
                       1000, NULL, &n, &until, &e),
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
    assert_int_equal(engine_approve(b->engine, "", 1000, NULL, &n, &until, &e), ENGINE_NOTHING);
    bed_run(b);
}

static size_t n_disabled(const struct bed *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->tenant->n_users; i++)
        n += b->tenant->users[i].user->disabled;
    return n;
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
    uint64_t until = 0;
    bed_ok(b, engine_plan_hash(b->engine, hash, &n, &e));
    for (size_t i = 20; i < 26; i++) {
        id_of(id, sizeof id, i);
        bed_leave(b, id);
    }
    bed_sync(b);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PUT), 10); /* of another day */
    assert_int_equal(engine_approve(b->engine, hash, 1000, NULL, &n, &until, &e), ENGINE_STALE_HASH);
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
    uint64_t until = 0;
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    leave(b, 0, 3);
    bed_sync(b);
    bed_ok(b, engine_plan_hash(b->engine, hash, &n, &e));
    bed_restart(b);
    bed_sync(b);
    bed_ok(b, engine_plan_hash(b->engine, again, &n, &e));
    assert_string_equal(hash, again); /* while it waits it stays */
    assert_int_equal(bed_approve(b), 3);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 3);
    assert_int_equal(engine_approve(b->engine, hash, 1000, NULL, &n, &until, &e), ENGINE_STALE_HASH);
    bed_run(b);
    assert_int_equal(bed_approve(b), 3);
    bed_ok(b, engine_pause(b->engine, false, 1000, &e));
    bed_run(b);
    assert_int_equal(n_disabled(b), 3);
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
    b->options.fingerprint = "another";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(n_disabled(b), 9);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 11);
}

static void revoke_uid(struct bed *b, const char *uid, bool usable)
{
    char id[80], dn[160];
    snprintf(id, sizeof id, "id-%s", uid);
    snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
    if (usable)
        bed_person(b, id, dn, "uid", uid, "givenName", "First", "sn", uid, "mail",
                   "x@example.com", "employeeType", "Revoked", NULL);
    else
        bed_person(b, id, dn, "cn", uid, "employeeType", "Revoked", NULL);
    bed_tell(b, id);
}

static void may_revoke(struct bed *b)
{
    b->mapping.revoke_when = (struct mapping_text){
        .text = (char *)"(employeeType=Revoked)", .file = (char *)"test.conf", .line = 50};
    b->sync.budgets[BUDGET_REVOKE] = (struct budget){.percent = 5, .floor = 20};
}

/* What was written to the tenant, in order: "u0 u1 ". */
static void note_write(enum fake_kind kind, const struct fake_user *after, const char *login,
                       void *userdata)
{
    char *text = userdata;
    (void)kind;
    (void)after;
    snprintf(text + strlen(text), 4000 - strlen(text), "%s ", login);
}

/* T64: neither grace nor shift nor a queue of creates nor an unusable entry keeps it, nor the
 * intents that are written already. */
static void test_revocation(void **state)
{
    struct bed *b = *state;
    char wrote[4000] = "";
    may_revoke(b);
    b->sync.leave_grace_usec = DAY;
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    for (size_t i = 0; i < b->tenant->n_users; i++)
        b->tenant->users[i].logged_in = true;
    people(b, 200, "support");
    b->tenant->hold = true;
    bed_sync(b);
    unsigned n_read = fake_tenant_find(b->tenant, "u3")->n_read;
    assert_true(b->tenant->n_under_way == b->options.max_concurrent);
    b->tenant->on_write = note_write;
    b->tenant->write_data = wrote;
    revoke_uid(b, "u3", true);
    bed_run(b);
    revoke_uid(b, "u4", false);
    bed_run(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PUT), 2);
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_true(!strncmp(wrote, "u4 u3 ", 6) || !strncmp(wrote, "u3 u4 ", 6));
    assert_true(is_disabled(b, "u3") && is_disabled(b, "u4"));
    assert_int_equal(fake_tenant_find(b->tenant, "u3")->n_read, n_read); /* nothing to ask for */
    assert_int_equal(b->tenant->n_users, 200);
    assert_int_equal(bed_audit(b, "intent", REASON_REVOKED, NULL), 2);
    /* Whoever is not revoked any more is enabled again. */
    bed_person_uid(b, "u3");
    bed_tell(b, "id-u3");
    bed_run(b);
    assert_false(is_disabled(b, "u3"));
    assert_true(is_disabled(b, "u4"));
    is_idle(b);
    /* Whoever is no user otherwise: disabled now, not when the grace time is over. */
    bed_group(b, "support", "u0", "u1", NULL);
    revoke_uid(b, "u5", true);
    bed_tell(b, "group-support");
    bed_run(b);
    assert_true(is_disabled(b, "u5"));
    assert_false(is_disabled(b, "u6"));
}

/* A read that takes long holds up no revocation, nor does what else is in the queue for that
 * person. */
static void test_revocation_in_a_read(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    may_revoke(b);
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    b->tenant->hold = true;
    bed_person(b, "id-u7", "uid=u7,ou=people,dc=example,dc=com", "uid", "u7", "givenName",
               "New", "sn", "u7", "mail", "u7@example.com", NULL);
    bed_tell(b, "id-u7");
    bed_run(b);
    assert_int_equal(b->tenant->n_under_way, 1); /* of an update */
    bed_ok(b, engine_sink.begin(engine_reading(b->engine), 0, true, &e));
    revoke_uid(b, "u7", true);
    revoke_uid(b, "u8", true);
    bed_run(b);
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_true(is_disabled(b, "u7") && is_disabled(b, "u8"));
    bed_sync(b);
    assert_true(is_disabled(b, "u7") && is_disabled(b, "u8"));
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    is_idle(b);
}

static void test_revocation_budget(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    b->sync.budgets[BUDGET_REVOKE] = (struct budget){.floor = 2};
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    char uid[16];
    for (size_t i = 0; i < 5; i++) {
        snprintf(uid, sizeof uid, "u%zu", i);
        revoke_uid(b, uid, true);
    }
    bed_run(b);
    assert_int_equal(n_disabled(b), 2);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 3);
    assert_int_equal(bed_approve(b), 3);
    assert_int_equal(n_disabled(b), 5);
    is_idle(b);
}

/* An answer that was lost is settled; nobody is disabled whose revocation was taken back. */
static void test_revocation_taken_back(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(
        b->tenant, (struct fake_fault){.kinds = FAKE_PUT, .times = 1, .class = TENANT_UNCLEAR});
    revoke_uid(b, "u1", true);
    bed_run(b);
    bed_person_uid(b, "u1");
    bed_tell(b, "id-u1");
    bed_run(b);
    bed_advance(b, HOUR);
    assert_false(is_disabled(b, "u1"));
    revoke_uid(b, "u1", true);
    bed_run(b);
    assert_true(is_disabled(b, "u1"));
    is_idle(b);
}

/* What fell due goes before newcomers, the oldest first. */
static void test_lanes(void **state)
{
    struct bed *b = *state;
    char wrote[4000] = "";
    b->options.max_concurrent = 1;
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    b->tenant->hold = true;
    people(b, 50, "support");
    bed_sync(b);
    b->tenant->on_write = note_write;
    b->tenant->write_data = wrote;
    bed_advance(b, MINUTE);
    bed_leave(b, "id-u1");
    bed_tell(b, "id-u1");
    bed_run(b);
    bed_advance(b, MINUTE);
    bed_person(b, "id-u2", "uid=u2,ou=people,dc=example,dc=com", "uid", "u2", "givenName",
               "New", "sn", "u2", "mail", "u2@example.com", NULL);
    bed_tell(b, "id-u2");
    bed_run(b);
    fake_tenant_release(b->tenant);
    bed_run(b);
    /* One create was under way. */
    const char *after = strchr(wrote, ' ') + 1;
    assert_true(!strncmp(after, "u1 u2 ", 6));
    assert_int_equal(b->tenant->n_users, 50);
    is_idle(b);
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
    b->options.fingerprint = "another";
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

/* The tenant refused the account, rosterd was stopped, and the account was put right. */
static void test_alarm_ends_after_a_restart(void **state)
{
    struct bed *b = *state;
    people(b, 2, "support");
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_ALL,
                                                    .times = -1,
                                                    .class = TENANT_NOT_AUTHORISED,
                                                    .status = 401});
    bed_start(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(bed_audit(b, "alarm", REASON_NOT_AUTHORISED, NULL), 1);
    fake_tenant_heal(b->tenant);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_NOT_AUTHORISED, NULL), 1);
}

static void test_team_missing(void **state)
{
    struct bed *b = *state;
    string_list_done(&b->tenant->teams);
    assert_int_equal(string_list_add(&b->tenant->teams, "Sales"), 0);
    people(b, 50, "support");
    bed_person_uid(b, "seller");
    bed_group(b, "sales", "seller", NULL);
    bed_start(b);
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 1);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_TEAM_MISSING), 50);
    assert_int_equal(bed_ledger(b, "held", REASON_TEAM_MISSING), 50);
    is_idle(b);
    bed_advance(b, 4 * HOUR);
    assert_int_equal(bed_audit(b, "alarm", NULL, NULL), 1);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 1);
    assert_int_equal(string_list_add(&b->tenant->teams, "Support"), 0);
    bed_advance(b, 30 * MINUTE);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 51);
    assert_int_equal(bed_audit(b, "alarm", NULL, NULL), 1);
    assert_int_equal(bed_audit(b, "alarm-over", NULL, NULL), 1);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    is_idle(b);
}

/* A role cannot be looked up before: the first create is refused for it, and the others that
 * need it are not tried. */
static void test_role_missing(void **state)
{
    struct bed *b = *state;
    assert_int_equal(string_list_add(&b->tenant->roles, "Boss"), 0);
    b->options.max_concurrent = 2;
    people(b, 50, "support");
    bed_start(b);
    bed_sync(b);
    assert_true(fake_tenant_calls(b->tenant, FAKE_CREATE) <= 2);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_ROLE_MISSING), 50);
    assert_int_equal(string_list_add(&b->tenant->roles, "Agent"), 0);
    bed_advance(b, 30 * MINUTE);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 50);
    is_idle(b);
}

static void test_not_authorised(void **state)
{
    struct bed *b = *state;
    people(b, 100, "support");
    bed_start(b);
    bed_run(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_ALL,
                                                    .times = -1,
                                                    .class = TENANT_NOT_AUTHORISED,
                                                    .status = 403});
    bed_sync(b);
    assert_true(fake_tenant_calls(b->tenant, FAKE_WRITES) <= b->options.max_concurrent);
    struct engine_status status;
    engine_status(b->engine, &status);
    assert_int_equal(status.tenant, ENGINE_TENANT_REFUSED);
    bed_advance(b, DAY);
    assert_true(fake_tenant_calls(b->tenant, FAKE_WRITES) <= b->options.max_concurrent);
    assert_int_equal(bed_audit(b, "alarm", REASON_NOT_AUTHORISED, NULL), 1);
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 100);
    assert_int_equal(b->tenant->n_users, 100);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_NOT_AUTHORISED, NULL), 1);
    is_idle(b);
}

static void test_tenant_away(void **state)
{
    struct bed *b = *state;
    fake_tenant_fail(b->tenant,
                     (struct fake_fault){.kinds = FAKE_ALL, .times = -1, .class = TENANT_AWAY});
    people(b, 100, "support");
    bed_start(b);
    bed_sync(b);
    bed_advance(b, DAY);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_true(fake_tenant_calls(b->tenant, FAKE_TEAMS) < 24 * 60);
    assert_int_equal(bed_audit(b, "alarm", REASON_TENANT_AWAY, NULL), 1);
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 100);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_TENANT_AWAY, NULL), 1);
    is_idle(b);

    /* Away in the middle of the work; what was done is not done again. */
    people(b, 200, "support");
    bed_read_all(b);
    fake_tenant_fail(b->tenant,
                     (struct fake_fault){.kinds = FAKE_ALL, .times = 40, .class = TENANT_AWAY});
    bed_run(b);
    bed_advance(b, DAY);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 200);
    assert_int_equal(b->tenant->n_users, 200);
    is_idle(b);
}

static void test_throttled(void **state)
{
    struct bed *b = *state;
    people(b, 30, "support");
    bed_start(b);
    bed_run(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                    .times = 60,
                                                    .class = TENANT_THROTTLED,
                                                    .status = 429,
                                                    .retry_after_usec = 30 * USEC_PER_SEC});
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 0);
    bed_advance(b, 29 * USEC_PER_SEC);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 30);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 30);
    is_idle(b);
}

static void test_lost_answers(void **state)
{
    struct bed *b = *state;
    people(b, 20, "support");
    bed_start(b);
    bed_run(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                    .times = 10,
                                                    .takes_effect = true,
                                                    .class = TENANT_UNCLEAR});
    fake_tenant_fail(b->tenant, (struct fake_fault){
                                    .kinds = FAKE_CREATE, .times = 5, .class = TENANT_UNCLEAR});
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 20);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 20);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 25);
    assert_int_equal(link_count(b->state, LINK_ACTIVE), 20);
    is_idle(b);
    /* Known to be ours: what rosterd gave it may take back. */
    bed_group(b, "support", NULL);
    const char *uids[20];
    char names[20][8];
    for (size_t i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        uids[i] = names[i];
    }
    bed_group_uids(b, "sales", uids, 20);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PUT | FAKE_PATCH,
                                                    .times = 20,
                                                    .takes_effect = true,
                                                    .class = TENANT_UNCLEAR});
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PUT | FAKE_PATCH,
                                                    .times = 20,
                                                    .class = TENANT_UNCLEAR});
    bed_sync(b);
    bed_advance(b, HOUR);
    for (size_t i = 0; i < 20; i++) {
        const struct fake_user *u = fake_tenant_find(b->tenant, uids[i]);
        assert_string_equal(user_get(u->user, USER_TEAM), "Sales");
        assert_int_equal(user_skill(u->user, "English")->level, 50);
        assert_non_null(user_role(u->user, "Seller"));
    }
    is_idle(b);
}

/* The login is taken at the tenant by the time we come; not first contact any more. */
static void test_conflict(void **state)
{
    struct bed *b = *state;
    bed_start(b);
    bed_sync(b);
    fake_tenant_add(b->tenant, "u0", "First u0", "u0", "u0@example.com", "Sales");
    fake_tenant_add(b->tenant, "U1", "Somebody", "Else", "else@example.com", "Sales");
    people(b, 3, "support");
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 3);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u0")->user, USER_TEAM),
                        "Support");
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u1")->user, USER_TEAM), "Sales");
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_CONFLICT), 1);
    assert_int_equal(bed_ledger(b, "held", REASON_CONFLICT), 1);
    assert_int_equal(bed_ledger(b, "adopted", NULL), 1);
    assert_int_equal(bed_ledger(b, "created", NULL), 1);
    is_idle(b);
    fake_tenant_remove(b->tenant, "U1");
    bed_advance(b, HOUR);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u1")->user, USER_TEAM),
                        "Support");
    is_idle(b);
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

static void test_sweep(void **state)
{
    struct bed *b = *state;
    b->sync.verify_interval_usec = HOUR;
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    struct fake_user *u = fake_tenant_find(b->tenant, "u1");
    assert_int_equal(user_set(u->user, USER_TEAM, "Sales", NULL), 0);
    assert_int_equal(user_set(u->user, USER_MOBILE_PHONE, "123", NULL), 0); /* not managed */
    u = fake_tenant_find(b->tenant, "u2");
    assert_int_equal(user_set(u->user, USER_EMAIL, "drift@example.com", NULL), 0);
    fake_tenant_remove(b->tenant, "u3");
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, 61 * MINUTE);
    assert_int_equal(bed_audit(b, "drift", NULL, NULL), 3);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    bed_advance(b, 2 * HOUR); /* said once */
    assert_int_equal(bed_audit(b, "drift", NULL, NULL), 3);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);

    b->sync.on_drift = DRIFT_REPAIR;
    bed_advance(b, 2 * HOUR);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u1")->user, USER_TEAM),
                        "Support");
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u1")->user, USER_MOBILE_PHONE),
                        "123");
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u2")->user, USER_EMAIL),
                        "u2@example.com");
    assert_non_null(fake_tenant_find(b->tenant, "u3"));
    bed_advance(b, 2 * HOUR);
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

static bool always(void *userdata)
{
    (void)userdata;
    return true;
}

static bool every_second(void *userdata)
{
    return ++*(unsigned *)userdata % 2;
}

static void test_crash_doubles_nobody(void **state)
{
    struct bed *b = *state;
    unsigned n = 0;
    people(b, 60, "support");
    bed_start(b);
    for (int round = 0; round < 6; round++) {
        bed_run(b);
        b->tenant->hold = true;
        b->tenant->cancelled_takes_effect = round % 3 == 0   ? always
                                            : round % 3 == 1 ? every_second
                                                             : NULL;
        b->tenant->cancel_data = &n;
        bed_read_all(b);
        for (int i = 0; i < 40; i++)
            assert_true(sd_event_run(b->event, 0) >= 0);
        bed_crash(b); /* up to eight calls are under way */
        fake_tenant_release(b->tenant);
        bed_sync(b);
        bed_advance(b, HOUR);
        if (round == 2) { /* moves everybody: updates are cut short too */
            char names[60][8];
            const char *uids[60];
            for (size_t i = 0; i < 60; i++) {
                snprintf(names[i], sizeof names[i], "u%zu", i);
                uids[i] = names[i];
            }
            bed_group(b, "support", NULL);
            bed_group_uids(b, "sales", uids, 60);
        }
    }
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 60);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 60);
    assert_int_equal(link_count(b->state, LINK_ACTIVE), 60);
    for (size_t i = 0; i < b->tenant->n_users; i++)
        assert_string_equal(user_get(b->tenant->users[i].user, USER_TEAM), "Sales");
    is_idle(b);
}

/* The disk is full: nothing more is sent, the process stays up, and a restart goes on. */
static void test_state_cannot_be_written(void **state)
{
    struct bed *b = *state;
    struct rlimit before, small = {.rlim_cur = 4096};
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    people(b, 60, "support");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bed_read_all(b);
    bed_run(b);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    struct engine_status status;
    engine_status(b->engine, &status);
    assert_true(status.state_failed);
    assert_non_null(status.state_error);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 10);
    bed_advance(b, HOUR);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 10);
    bed_crash(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 60);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 60);
    is_idle(b);
}

/* The same when it fails between a request and its outcome. */
static void test_outcome_cannot_be_written(void **state)
{
    struct bed *b = *state;
    struct rlimit before, small = {.rlim_cur = 4096};
    people(b, 10, "support");
    b->tenant->hold = false;
    bed_start(b);
    bed_run(b);
    b->tenant->hold = true;
    bed_sync(b);
    assert_int_equal(b->tenant->n_under_way, 8);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    struct engine_status status;
    engine_status(b->engine, &status);
    assert_true(status.state_failed);
    assert_true(fake_tenant_calls(b->tenant, FAKE_CREATE) <= 8);
    bed_crash(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 10);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 10);
    is_idle(b);
}

static void test_group_gone(void **state)
{
    struct bed *b = *state;
    people(b, 4, "support");
    bed_person_uid(b, "seller");
    bed_group(b, "sales", "seller", "u0", NULL);
    bed_start(b);
    bed_sync(b);
    assert_non_null(user_role(fake_tenant_find(b->tenant, "u0")->user, "Seller"));
    fake_tenant_forget_calls(b->tenant);
    bed_leave(b, "group-sales");
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_true(bed_queue(b, OPERATION_HELD, REASON_GROUP_MISSING) >= 2);
    is_idle(b);
    bed_advance(b, DAY);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_false(is_disabled(b, "seller"));
    bed_group(b, "sales", "seller", "u0", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    is_idle(b);
}

static void test_unproven_read(void **state)
{
    struct bed *b = *state;
    people(b, 4, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    bed_leave(b, "id-u1");
    bed_person_uid(b, "new");
    bed_group(b, "sales", "new", NULL);
    bed_read_unproven(b);
    bed_run(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PUT | FAKE_DELETE), 0);
    assert_non_null(fake_tenant_find(b->tenant, "new"));
    assert_false(is_disabled(b, "u1"));
    bed_sync(b);
    assert_true(is_disabled(b, "u1"));
    is_idle(b);
}

static void test_invalid_is_not_absent(void **state)
{
    struct bed *b = *state;
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    bed_person(b, "id-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "sn", "u1", NULL);
    bed_person(b, "id-x", "uid=x,ou=people,dc=example,dc=com", "uid", "x", NULL);
    bed_group(b, "support", "u0", "u1", "u2", "x", NULL);
    bed_sync(b);
    bed_advance(b, DAY);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_ENTRY_INVALID), 1);
    assert_false(is_disabled(b, "u1"));
    bed_person_uid(b, "u1");
    bed_sync(b);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    is_idle(b);
}

static void without_mail(struct bed *b, size_t i)
{
    char id[32], dn[64], uid[16], given[32];
    snprintf(uid, sizeof uid, "u%zu", i);
    snprintf(id, sizeof id, "id-%s", uid);
    snprintf(given, sizeof given, "First %s", uid);
    snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
    bed_person(b, id, dn, "uid", uid, "givenName", given, "sn", uid, NULL);
}

static void test_attribute_vanished(void **state)
{
    struct bed *b = *state;
    b->mapping.empty = MAPPING_EMPTY_CLEAR;
    people(b, 40, "support");
    for (size_t i = 0; i < 40; i++) {
        char uid[16], id[32], dn[64];
        snprintf(uid, sizeof uid, "u%zu", i);
        snprintf(id, sizeof id, "id-%s", uid);
        snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
        bed_person(b, id, dn, "uid", uid, "givenName", uid, "sn", uid, "telephoneNumber", "123",
                   NULL);
    }
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    for (size_t i = 0; i < 20; i++)
        without_mail(b, i);
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ATTRIBUTE_VANISHED), 20);
    assert_int_equal(bed_audit(b, "alarm", REASON_ATTRIBUTE_VANISHED, NULL), 1);
    is_idle(b);
    bed_sync(b); /* it stays so */
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ATTRIBUTE_VANISHED), 20);
    assert_int_equal(bed_approve(b), 20);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 20);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_ATTRIBUTE_VANISHED, NULL), 1);
    is_idle(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
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

static void test_refused_and_no_scim(void **state)
{
    struct bed *b = *state;
    b->tenant->no_scim = true;
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                    .login = "u1",
                                                    .times = -1,
                                                    .class = TENANT_REFUSED,
                                                    .status = 400});
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 2);
    bed_advance(b, DAY); /* T73: tried again on the slow timer, and when the entry changes */
    assert_in_range(fake_tenant_calls(b->tenant, FAKE_CREATE), 3 + 1, 3 + 24 * 60);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_REFUSED), 1);
    fake_tenant_heal(b->tenant);
    bed_person(b, "id-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "givenName", "G",
               "sn", "u1", NULL);
    bed_person(b, "id-u2", "uid=u2,ou=people,dc=example,dc=com", "uid", "u2", "givenName", "G",
               "sn", "u2", "preferredLanguage", "es", NULL);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 3);
    assert_non_null(user_skill(fake_tenant_find(b->tenant, "u2")->user, "Spanish"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_NO_SCIM), 1);
    assert_int_equal(bed_ledger(b, "held", REASON_NO_SCIM), 1);
    b->tenant->no_scim = false;
    bed_advance(b, HOUR);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u2")->user, USER_FIRST_NAME),
                        "G");
    is_idle(b);
}

static void test_merging_tenant(void **state)
{
    struct bed *b = *state;
    b->tenant->merges_skills = true;
    bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "u0", "givenName", "G",
               "sn", "u0", "preferredLanguage", "es", NULL);
    bed_group(b, "support", "u0", NULL);
    bed_start(b);
    bed_sync(b);
    bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "u0", "givenName", "G",
               "sn", "u0", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_NOT_APPLIED), 1);
    b->tenant->merges_skills = false;
    bed_advance(b, HOUR);
    assert_null(user_skill(fake_tenant_find(b->tenant, "u0")->user, "Spanish"));
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

static size_t lines_of(const char *path, const char *word)
{
    char line[2048];
    size_t n = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        if (strstr(line, word))
            n++;
    fclose(f);
    return n;
}

static bool no_commands(void *userdata)
{
    const struct bed *b = userdata;
    return !command_any(b->engine->commands);
}

static void test_alarms_notify(void **state)
{
    struct bed *b = *state;
    char script[320], path[128];
    snprintf(path, sizeof path, "%s/alarms", b->folder);
    snprintf(script, sizeof script, "l=$(cat); echo \"$l\" >> %s", path);
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", script, NULL};
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    assert_int_equal(sigprocmask(SIG_BLOCK, &child, NULL), 0);
    b->sync.notify_command = argv;
    string_list_done(&b->tenant->teams);
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    bed_advance(b, 5 * MINUTE);
    assert_int_equal(lines_of(path, "alarm"), 0);
    for (int i = 0; i < 10; i++) {
        bed_advance(b, HOUR);
        bed_wait(b, no_commands, b);
    }
    assert_int_equal(lines_of(path, "\"event\":\"alarm\""), 1);
    assert_int_equal(lines_of(path, "team:Support"), 1);
    bed_restart(b); /* and not again after a restart */
    bed_sync(b);
    bed_advance(b, 2 * HOUR);
    bed_wait(b, no_commands, b);
    assert_int_equal(lines_of(path, "\"event\":\"alarm\""), 1);
    assert_int_equal(string_list_add(&b->tenant->teams, "Support"), 0);
    bed_advance(b, 2 * HOUR);
    bed_wait(b, no_commands, b);
    assert_int_equal(lines_of(path, "\"event\":\"alarm\""), 1);
    assert_int_equal(lines_of(path, "\"event\":\"alarm-over\""), 1);
    assert_int_equal(b->tenant->n_users, 5);
    is_idle(b);
}

static void test_initial_password(void **state)
{
    struct bed *b = *state;
    char script[320], path[128];
    snprintf(path, sizeof path, "%s/passwords", b->folder);
    snprintf(script, sizeof script, "l=$(cat); echo \"$l\" >> %s", path);
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", script, NULL};
    b->sync.initial_password = INITIAL_PASSWORD_GENERATE;
    b->sync.password_length = 16;
    b->sync.password_classes = (char *)"lower,upper,digit";
    b->sync.password_command = argv;
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    bed_wait(b, no_commands, b);
    assert_int_equal(lines_of(path, "\"login\":\"u1\""), 1);
    assert_int_equal(lines_of(path, "\"password\""), 2);
    assert_true(fake_tenant_find(b->tenant, "u1")->had_password);
}

static void stopped(void *userdata)
{
    *(bool *)userdata = true;
}

static void test_stop(void **state)
{
    struct bed *b = *state;
    bool is_stopped = false;
    bed_start(b);
    bed_run(b);
    b->tenant->hold = true;
    people(b, 50, "support");
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 8);
    engine_stop(b->engine, stopped, &is_stopped);
    bed_run(b);
    assert_false(is_stopped);
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_true(is_stopped);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 8);
    assert_int_equal(link_count(b->state, LINK_ACTIVE), 8);
    bed_restart(b);
    bed_sync(b);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 50);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 50);
}

static void test_rules_change(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    b->rules[0].team.text = (char *)"Sales";
    b->rules[0].skills.text = NULL;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    const struct fake_user *u = fake_tenant_find(b->tenant, "u3");
    assert_string_equal(user_get(u->user, USER_TEAM), "Sales");
    assert_null(user_skill(u->user, "English")); /* given by rosterd, so taken back */
    assert_int_equal(bed_ledger(b, "updated", NULL), 5);
    is_idle(b);
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 5);
    is_idle(b);
}

/* Somebody new, and what changed in somebody's own entry, does not wait until everybody was looked
 * at for a new configuration; budgets count them as ever, and what is beyond waits as ever. */
static void test_change_while_all_are_looked_at(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char wrote[4000] = "";
    people(b, 400, "support");
    b->sync.budgets[BUDGET_TEAM] = (struct budget){.floor = 10};
    bed_start(b);
    bed_sync(b);
    b->tenant->on_write = note_write;
    b->tenant->write_data = wrote;
    b->rules[0].team.text = (char *)"Sales";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    people(b, 401, "support");
    bed_tell(b, "id-u400");
    bed_tell(b, "group-support");
    bed_person(b, "id-u7", "uid=u7,ou=people,dc=example,dc=com", "uid", "u7", "givenName", "Seven",
               "sn", "u7", "mail", "u7@example.com", NULL);
    bed_tell(b, "id-u7");
    bed_run(b);
    assert_int_equal(b->tenant->n_users, 401);
    /* The hire before all those who move, who are as many as the budget has room for. */
    assert_true(strstr(wrote, "u400 ") != NULL && strstr(wrote, "u400 ") < wrote + 12);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 390);
    assert_int_equal(bed_approve(b), 390);
    bed_run(b);
    for (size_t i = 0; i < b->tenant->n_users; i++)
        assert_string_equal(user_get(b->tenant->users[i].user, USER_TEAM), "Sales");
    bed_check_ledgers(b);
    is_idle(b);

    /* None of them goes ahead once its budget has no room, by the configuration of now. */
    bed_advance(b, 3 * DAY);
    b->sync.budgets[BUDGET_CREATE] = (struct budget){.floor = 2};
    b->rules[0].team.text = (char *)"Support";
    b->sync.budgets[BUDGET_TEAM] = (struct budget){.unlimited = true};
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    people(b, 405, "support");
    for (int i = 401; i < 405; i++) {
        char id[16];
        snprintf(id, sizeof id, "id-u%d", i);
        bed_tell(b, id);
    }
    bed_tell(b, "group-support");
    bed_run(b);
    assert_int_equal(b->tenant->n_users, 403);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 2);
}

/* A reload that the state file cannot take leaves the engine with what it had: the caller gives
 * back what was refused, and an access to that is a fault here. */
static void test_reload_refused(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct rlimit before, small = {.rlim_cur = 4096};
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
    struct sync_options *sync =
        mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct engine_options options = b->options;
    struct engine_status status;
    uint64_t until = 0;
    char hash[65];
    assert_true(sync != MAP_FAILED && sizeof *sync <= page);
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    people(b, 60, "support");
    bed_read_all(b);
    bed_run(b);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    engine_status(b->engine, &status);
    assert_true(status.state_failed);
    *sync = b->sync;
    options.sync = sync;
    options.fingerprint = "another";
    assert_true(engine_reload(b->engine, &options, &e) < 0);
    assert_int_equal(munmap(sync, page), 0);
    bed_ok(b, engine_plan_hash(b->engine, hash, &n, &e));
    (void)engine_approve(b->engine, hash, 0, NULL, &n, &until, &e);
    (void)engine_look_again(b->engine, NULL, &e);
    bed_advance(b, DAY);
    bed_crash(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 60);
    is_idle(b);
}

/* A reload while updates are under way: what the rules manage is asked of those that are there
 * when the answer comes. */
static void test_reload_under_way(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    b->rules[0].team.text = (char *)"Sales";
    b->rules[0].skills.text = (char *)"French:50";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    b->tenant->hold = true;
    bed_run(b);
    assert_true(b->tenant->n_under_way > 0);
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    fake_tenant_release(b->tenant);
    bed_run(b);
    for (unsigned i = 0; i < 5; i++) {
        char uid[8];
        snprintf(uid, sizeof uid, "u%u", i);
        assert_non_null(user_skill(fake_tenant_find(b->tenant, uid)->user, "French"));
    }
    is_idle(b);
}

/* What the state says of everybody, but for the run that looked last. */
static char *everybody(struct bed *b)
{
    CLEANUP(buffer_done) struct buffer text = {0};
    static const char *const rows[] = {
        "SELECT entry_id || '|' || dn || '|' || verdict || '|' || bucket || '|' || recheck_usec "
        "|| '|' || coalesce(login_key, '') || '|' || coalesce(wanted, '') FROM person ORDER BY 1",
        "SELECT entry_id || '|' || status || '|' || leaving_usec || '|' || coalesce(known, '') "
        "|| '|' || coalesce(granted, '') FROM link ORDER BY 1",
        "SELECT entry_id || '|' || kind || '|' || state || '|' || changes FROM operation ORDER BY 1",
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        sqlite3_stmt *q = NULL;
        assert_int_equal(sqlite3_prepare_v2(b->state->db, rows[i], -1, &q, NULL), SQLITE_OK);
        while (sqlite3_step(q) == SQLITE_ROW)
            buffer_format(&text, "%s\n", (const char *)sqlite3_column_text(q, 0));
        sqlite3_finalize(q);
    }
    return buffer_take(&text);
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

/* What comes while a create is under way is not lost, whatever the answer is. */
static void test_change_under_way(void **state)
{
    static const enum tenant_answer_class classes[] = {
        TENANT_DONE,      TENANT_REFUSED,  TENANT_UNCLEAR,          TENANT_AWAY,
        TENANT_THROTTLED, TENANT_CONFLICT, TENANT_REFERENCE_MISSING};
    struct bed *b = *state;
    const char *uids[ARRAY_SIZE(classes) * 2];
    char texts[ARRAY_SIZE(classes) * 2][8];
    bed_start(b);
    bed_sync(b);
    for (unsigned i = 0; i < ARRAY_SIZE(classes) * 2; i++) {
        char *uid = texts[i], id[16], dn[64], mail[32];
        snprintf(uid, sizeof texts[i], "x%u", i);
        snprintf(id, sizeof id, "id-%s", uid);
        snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
        snprintf(mail, sizeof mail, "%s@example.com", uid);
        uids[i] = uid;
        bed_person_uid(b, uid);
        bed_group_uids(b, "support", uids, i + 1);
        if (classes[i / 2] != TENANT_DONE)
            fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                            .login = uid,
                                                            .times = 1,
                                                            .takes_effect = i % 2 == 1,
                                                            .class = classes[i / 2]});
        b->tenant->hold = true;
        bed_read_all(b);
        bed_run(b);
        assert_true(b->tenant->n_under_way > 0);
        bed_person(b, id, dn, "uid", uid, "givenName", "Changed", "sn", uid, "mail", mail,
                   NULL);
        bed_tell(b, id);
        bed_run(b);
        fake_tenant_release(b->tenant);
        bed_run(b);
        fake_tenant_heal(b->tenant);
        bed_advance(b, 2 * DAY);
        const struct fake_user *u = fake_tenant_find(b->tenant, uid);
        if (!u || !text_equal(user_get(u->user, USER_FIRST_NAME), "Changed"))
            fail_msg("answer %u: %s keeps the first name %s", i, uid,
                     u ? user_get(u->user, USER_FIRST_NAME) : "(no user)");
    }
    is_idle(b);
}

static void test_retry_by_a_person(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    size_t n = 0;
    string_list_done(&b->tenant->teams);
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(string_list_add(&b->tenant->teams, "Support"), 0);
    bed_ok(b, engine_retry(b->engine, "team:Support", NULL, &n, &e));
    assert_int_equal(n, 3);
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

#define scenario(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_creates_each_once),
        scenario(test_idle_takes_no_turns),
        scenario(test_updates_and_leaves_the_rest),
        scenario(test_renames),
        scenario(test_leaves_and_returns),
        scenario(test_disabled_when),
        scenario(test_first_contact),
        scenario(test_budget),
        scenario(test_budget_counts_grace),
        scenario(test_approval_expires),
        scenario(test_approvals_end_apart),
        scenario(test_hash_of_one_occasion),
        scenario(test_budget_of_what_comes_back),
        scenario(test_budget_raised),
        scenario(test_revocation),
        scenario(test_revocation_in_a_read),
        scenario(test_revocation_budget),
        scenario(test_revocation_taken_back),
        scenario(test_lanes),
        scenario(test_pause_is_told),
        scenario(test_alarm_ends_after_a_restart),
        scenario(test_never_lock_out),
        scenario(test_nobody_is_demoted),
        scenario(test_team_missing),
        scenario(test_role_missing),
        scenario(test_not_authorised),
        scenario(test_tenant_away),
        scenario(test_throttled),
        scenario(test_lost_answers),
        scenario(test_conflict),
        scenario(test_on_shift),
        scenario(test_sweep),
        scenario(test_pause),
        scenario(test_crash_doubles_nobody),
        scenario(test_state_cannot_be_written),
        scenario(test_outcome_cannot_be_written),
        scenario(test_group_gone),
        scenario(test_unproven_read),
        scenario(test_invalid_is_not_absent),
        scenario(test_attribute_vanished),
        scenario(test_new_identities),
        scenario(test_shared_login),
        scenario(test_refused_and_no_scim),
        scenario(test_merging_tenant),
        scenario(test_privileged_role),
        scenario(test_distrusted_state),
        scenario(test_alarms_notify),
        scenario(test_initial_password),
        scenario(test_stop),
        scenario(test_rules_change),
        scenario(test_reload_refused),
        scenario(test_change_while_all_are_looked_at),
        scenario(test_reload_under_way),
        scenario(test_settled_is_settled),
        scenario(test_change_under_way),
        scenario(test_retry_by_a_person),
        scenario(test_plan_only),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
