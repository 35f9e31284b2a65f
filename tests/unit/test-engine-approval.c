/*
 * What an approval covers: exactly what was shown, for the reason for which it waited, once. What
 * it waits for later, and what it means after another configuration, needs another word.
 */
#include "config.h"

#include "audit/audit.h"
#include "engine-test.h"

static void leave(struct bed *b, size_t from, size_t to)
{
    char id[32];
    for (size_t i = from; i < to; i++) {
        snprintf(id, sizeof(id), "id-u%zu", i);
        bed_leave(b, id);
    }
}

static void start_with(struct bed *b, size_t n)
{
    people(b, n, "support");
    bed_start(b);
    bed_sync(b);
}

static void set_pause(struct bed *b, bool paused)
{
    struct error e = {0};
    bed_ok(b, engine_pause(b->engine, paused, 1000, &e));
    bed_run(b);
}

static void reload(struct bed *b, const char *name)
{
    struct error e = {0};
    b->options.fingerprint = b->options.decisions = name;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_sync(b);
}

/* Approved while paused, then an older copy of the state comes: what it says was approved is not
 * carried out, since nobody has seen the plan that it leads to now. */
static void test_before_an_older_state(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    start_with(b, 20);
    set_pause(b, true);
    leave(b, 0, 3);
    bed_sync(b);
    assert_int_equal(bed_approve(b), 3);
    bed_ok(b, engine_distrust_state(b->engine, &e));
    set_pause(b, false);
    bed_advance(b, 10 * MINUTE);
    assert_int_equal(n_disabled(b), 0);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_STATE_RESTORED), 3);
    bed_restart(b);
    bed_sync(b);
    assert_int_equal(n_disabled(b), 0);
    assert_int_equal(bed_approve(b), 3);
    assert_int_equal(n_disabled(b), 3);
}

/* An older copy in which another older copy was approved a moment before: that was another
 * plan. */
static void test_before_another_older_state(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    start_with(b, 20);
    set_pause(b, true);
    leave(b, 0, 3);
    bed_ok(b, engine_distrust_state(b->engine, &e));
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_STATE_RESTORED), 3);
    assert_int_equal(bed_approve(b), 3);
    bed_ok(b, engine_distrust_state(b->engine, &e));
    set_pause(b, false);
    bed_advance(b, 10 * MINUTE);
    assert_int_equal(n_disabled(b), 0);
    assert_int_equal(bed_approve(b), 3);
    assert_int_equal(n_disabled(b), 3);
}

/* Twenty people; some have another first name than before, and everybody an employeeType or not. */
static void describe_all(struct bed *b, size_t n_new, const char *type)
{
    for (size_t i = 0; i < 20; i++) {
        char id[32], dn[80], uid[16];
        snprintf(uid, sizeof(uid), "u%zu", i);
        snprintf(id, sizeof(id), "id-%s", uid);
        snprintf(dn, sizeof(dn), "uid=%s,ou=people,dc=example,dc=com", uid);
        bed_person(b, id, dn, "uid", uid, "givenName", i < n_new ? "New" : "First", "sn", uid,
                   "mail", "x@example.com", type ? "employeeType" : NULL, type, NULL);
    }
}

/* Of so many a change waits since it is one too many, and nothing is sent. */
static void change_some(struct bed *b, size_t n)
{
    b->sync.budgets[BUDGET_UPDATE] = (struct budget){0};
    b->mapping.disabled_when = (struct mapping_text){
        .text = (char *)"(employeeType=Gone)", .file = (char *)"test.conf", .line = 9};
    people(b, 20, "support");
    describe_all(b, 0, "Staff");
    bed_start(b);
    bed_sync(b);
    set_pause(b, true);
    describe_all(b, n, "Staff");
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), n);
}

/* Approved as too many, then an attribute vanishes from everybody: that is another doubt. */
static void test_before_an_attribute_vanished(void **state)
{
    struct bed *b = *state;
    change_some(b, 1);
    assert_int_equal(bed_approve(b), 1);
    describe_all(b, 1, NULL);
    bed_sync(b);
    set_pause(b, false);
    bed_advance(b, MINUTE);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ATTRIBUTE_VANISHED), 1);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 0);
    assert_int_equal(bed_approve(b), 1);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 1);
}

/* It vanishes while what was approved is being released: nobody was shown that, either. */
static void test_attribute_vanishes_between_slices(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char hash[65];
    size_t n = 0;
    b->options.slice = 2;
    change_some(b, 5);
    bed_plan_hash(b, hash, &n);
    bed_ok(b, bed_approve_hash(b, hash, &n, &e));
    describe_all(b, 5, NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ATTRIBUTE_VANISHED), 5);
    set_pause(b, false);
    bed_ok(b, engine_look_again(b->engine, NULL, &e));
    bed_advance(b, MINUTE);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ATTRIBUTE_VANISHED), 5);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 0);
    assert_int_equal(bed_approve(b), 5);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 5);
}

/* Approved as many newcomers; another configuration says that one of their roles is privileged: as
 * that it was never approved. */
static void test_role_becomes_privileged(void **state)
{
    struct bed *b = *state;
    char *privileged[] = {(char *)"Agent"};
    b->sync.budgets[BUDGET_CREATE] = (struct budget){0};
    b->sync.budgets[BUDGET_PRIVILEGED] = (struct budget){0};
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 3);
    set_pause(b, true);
    assert_int_equal(bed_approve(b), 3);
    b->sync.privileged_roles = privileged;
    b->sync.n_privileged_roles = 1;
    reload(b, "another");
    set_pause(b, false);
    bed_advance(b, MINUTE);
    assert_int_equal(b->tenant->n_users, 0);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 3);
    bed_restart(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 0);
    assert_int_equal(bed_approve(b), 3);
    assert_int_equal(b->tenant->n_users, 3);
}

/* Another configuration that decides the same of them voids nothing; one that gives them another
 * team does, for those whom it gives another. */
static void test_over_reloads(void **state)
{
    struct bed *b = *state;
    b->sync.budgets[BUDGET_TEAM] = (struct budget){0};
    start_with(b, 6);
    set_pause(b, true);
    bed_group(b, "support", "u3", "u4", "u5", NULL);
    bed_group(b, "sales", "u0", "u1", "u2", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 3);
    assert_int_equal(bed_approve(b), 3);
    b->sync.hold_retry_usec = 17 * MINUTE;
    reload(b, "another");
    bed_restart(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, NULL), 0); /* still approved */
    bed_group(b, "sales", "u0", NULL);
    bed_group(b, "support", "u1", "u3", "u4", "u5", NULL); /* u1 stays, u2 leaves */
    bed_sync(b);
    bed_group(b, "sales", "u0", "u1", "u2", NULL); /* another day, the same */
    bed_group(b, "support", "u3", "u4", "u5", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 2);
    set_pause(b, false);
    bed_advance(b, MINUTE);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u0")->user, USER_TEAM), "Sales");
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u1")->user, USER_TEAM), "Support");
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u2")->user, USER_TEAM), "Support");
}

static void load_as(struct bed *b, const struct audit_actor *actor, const char *name,
                    const char *wanted)
{
    CLEANUP(freep) char *by = NULL;
    struct error e = {0};
    struct engine_act act = {.actor = actor};
    engine_act(b->engine, actor ? &act : NULL);
    reload(b, name);
    engine_act(b->engine, NULL);
    int r = state_meta_get(b->state, "configuration-by", &by, &e);
    assert_true(r >= 0);
    assert_true(wanted ? by && strcmp(by, wanted) == 0 : !by);
}

/* What a start found, the service manager loaded, or a process that ended, may be anybody's: also
 * somebody else's than who loaded the one before. */
static void test_who_loaded(void **state)
{
    struct bed *b = *state;
    const struct audit_actor alice = {.name = "root", .login = "alice", .known = true};
    const struct audit_actor nobody = {.name = "root"};
    const struct audit_actor bob = {.name = "bob", .known = true};
    start_with(b, 2);
    load_as(b, &nobody, "a", "\nroot");
    load_as(b, &alice, "b", "alice\nroot");
    load_as(b, &nobody, "c", "\nroot");
    load_as(b, &bob, "c", "\nroot"); /* the same again */
    load_as(b, &bob, "d", "bob\nbob");
    load_as(b, NULL, "e", "\n");
}

/* Approved as dormant, and then left the directory: leaving has a grace time and a budget. */
static void test_dormant_then_leaves(void **state)
{
    struct bed *b = *state;
    b->sync.dormant_after_usec = 30 * DAY;
    b->sync.dormant = DORMANT_DISABLE;
    b->sync.budgets[BUDGET_DORMANT] = (struct budget){0};
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    b->sync.verify_interval_usec = HOUR;
    start_with(b, 3);
    for (size_t i = 0; i < 3; i++)
        b->tenant->users[i].user->last_login_usec = b->now;
    bed_advance(b, 32 * DAY);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 3);
    set_pause(b, true);
    assert_int_equal(bed_approve(b), 3);
    leave(b, 0, 1);
    bed_sync(b);
    set_pause(b, false);
    bed_advance(b, MINUTE);
    assert_false(is_disabled(b, "u0"));
    assert_true(is_disabled(b, "u1") && is_disabled(b, "u2"));
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
}

/* No step of the wall clock, forth or back by a year, in the middle or across a restart, ends an
 * approval early or makes it last longer than an hour that really passed. */
static void test_through_clock_steps(void **state)
{
    struct bed *b = *state;
    static const int64_t steps[] = {365, -365, 1, -1, -3};
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    start_with(b, 40);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        set_pause(b, true);
        leave(b, 4 * i, 4 * i + 2);
        bed_sync(b);
        size_t n = n_disabled(b);
        bed_approve(b);
        bed_set_clock(b, b->now + (uint64_t)(steps[i] * (int64_t)DAY));
        bed_run(b);
        if (i % 2) {
            bed_restart(b);
            bed_sync(b);
        }
        bed_advance(b, 50 * MINUTE);
        set_pause(b, false);
        assert_int_equal(n_disabled(b), n + 2); /* it holds still */
        set_pause(b, true);
        leave(b, 4 * i + 2, 4 * i + 4);
        bed_sync(b);
        bed_approve(b);
        bed_set_clock(b, b->now - (uint64_t)(steps[i] * (int64_t)DAY));
        bed_advance(b, 61 * MINUTE);
        set_pause(b, false);
        bed_advance(b, MINUTE);
        assert_int_equal(n_disabled(b), n + 2); /* and has ended */
        bed_approve(b);
        assert_int_equal(n_disabled(b), n + 4);
    }
}

/* Seven who left wait, two of whom a turn releases at a time; nobody is told yet that it is so. */
static void approve_seven(struct bed *b)
{
    struct error e = {0};
    struct audit_actor actor = {.uid = 1000, .name = "alice", .login = "alice", .session = "7"};
    struct engine_act act = {.actor = &actor, .reason = "they left"};
    char hash[65];
    size_t n = 0;
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){0};
    b->options.slice = 2;
    start_with(b, 20);
    set_pause(b, true);
    leave(b, 0, 7);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 7);
    bed_plan_hash(b, hash, &n);
    act.plan = hash;
    engine_act(b->engine, &act);
    bed_ok(b, bed_approve_hash(b, hash, &n, &e));
    engine_act(b->engine, NULL);
    assert_int_equal(n, 7);
}

static size_t n_approved(struct bed *b)
{
    struct error e = {0};
    int64_t n = 0;
    bed_ok(b, db_number(b->state->db, b->path,
                        "SELECT count(*) FROM operation WHERE approved = 1 AND state = 1", &n, &e));
    return (size_t)n;
}

static void count_alice(const json_t *row, void *userdata)
{
    const char *event = json_string_value(json_object_get(row, "event"));
    const char *reason = json_string_value(json_object_get(row, "reason"));
    const json_t *name = json_object_get(json_object_get(row, "actor"), "name");
    if (text_equal(event, "approve"))
        *(size_t *)userdata += text_equal(json_string_value(name), "alice") &&
                               text_equal(reason, "they left") && json_object_get(row, "plan") &&
                               json_object_get(row, "number");
}

/* A death between any two turns loses nothing of what was approved, nor who did, and lets nothing
 * else go that waits by then. */
static void test_death_between_slices(void **state)
{
    struct error e = {0};
    (void)state;
    for (size_t n_turns = 0; n_turns < 6; n_turns++) {
        struct bed *b = bed_new(false);
        size_t n_lines = 0;
        approve_seven(b);
        for (size_t i = 0; i < n_turns; i++) {
            assert_true(sd_event_run(b->event, 0) > 0);
            size_t n = i < 3 ? 2 * (i + 1) : 7;
            assert_int_equal(n_approved(b), n);
            assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 7 - n);
        }
        bed_ok(b, books_commit(b->engine->books, &e));
        bed_crash(b);
        leave(b, 7, 9);
        bed_sync(b);
        assert_int_equal(n_approved(b), 7);
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 2);
        set_pause(b, false);
        bed_advance(b, MINUTE);
        assert_int_equal(n_disabled(b), 7);
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 2);
        bed_each_audit(b, count_alice, &n_lines);
        assert_int_equal(n_lines, 7);
        assert_int_equal(bed_audit(b, "approve", NULL, NULL), 7);
        assert_int_equal(bed_audit(b, "request", "approve", NULL), 1);
        bed_check_ledgers(b);
        bed_free(b);
    }
}

/* What was approved waits as before until its turn comes, and is approved once. */
static void test_approved_twice(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char hash[65];
    size_t n = 0;
    approve_seven(b);
    bed_plan_hash(b, hash, &n);
    assert_int_equal(bed_approve_hash(b, hash, &n, &e), ENGINE_STALE_HASH);
    bed_run(b);
    assert_int_equal(n_approved(b), 7);
    assert_int_equal(bed_audit(b, "approve", NULL, NULL), 7);
    assert_int_equal(bed_audit(b, "request", "approve", NULL), 1);
}

/* What waits for another occasion by the time that its turn comes was not approved. */
static void test_parked_anew_between_slices(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct operation_list some = {0};
    approve_seven(b);
    bed_ok(b, queue_of_person(b->state, "id-u6", &some, &e));
    assert_int_equal(some.n_items, 1);
    some.items[0]->since_usec++;
    bed_ok(b, queue_store(b->state, some.items[0], &e));
    operation_list_done(&some);
    bed_run(b);
    assert_int_equal(n_approved(b), 6);
    set_pause(b, false);
    assert_int_equal(n_disabled(b), 6);
    assert_false(is_disabled(b, "u6"));
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
}

/* What is not released when an approval ends, nor when it may have ended, is not released. */
static void test_away_between_slices(void **state)
{
    struct error e = {0};
    (void)state;
    for (int restored = 0; restored < 2; restored++) {
        struct bed *b = bed_new(false);
        approve_seven(b);
        assert_true(sd_event_run(b->event, 0) > 0);
        bed_ok(b, books_commit(b->engine->books, &e));
        if (restored) {
            bed_ok(b, engine_distrust_state(b->engine, &e));
        } else {
            b->now += 2 * HOUR;
            b->monotonic += 2 * HOUR;
            clock_freeze(b->now, b->monotonic);
        }
        bed_crash(b);
        bed_sync(b);
        set_pause(b, false);
        bed_advance(b, MINUTE);
        assert_int_equal(n_disabled(b), 0);
        const char *reason = restored ? REASON_STATE_RESTORED : REASON_BUDGET;
        assert_int_equal(bed_queue(b, OPERATION_PARKED, reason), 7);
        bed_free(b);
    }
}

/* The guard does not take a part of what was approved for what fits into the budget again. */
static void test_guard_waits_for_slices(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    approve_seven(b);
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){.count = 3};
    b->options.fingerprint = b->options.decisions = "another";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_sync(b);
    assert_int_equal(n_approved(b), 7);
    leave(b, 7, 10);
    bed_sync(b);
    set_pause(b, false);
    bed_advance(b, MINUTE);
    assert_int_equal(n_disabled(b), 10);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_before_an_older_state),
        scenario(test_before_another_older_state),
        scenario(test_before_an_attribute_vanished),
        scenario(test_attribute_vanishes_between_slices),
        scenario(test_role_becomes_privileged),
        scenario(test_over_reloads),
        scenario(test_dormant_then_leaves),
        scenario(test_who_loaded),
        scenario(test_through_clock_steps),
        cmocka_unit_test(test_death_between_slices),
        scenario(test_approved_twice),
        scenario(test_parked_anew_between_slices),
        cmocka_unit_test(test_away_between_slices),
        scenario(test_guard_waits_for_slices),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
