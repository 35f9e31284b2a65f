/*
 * Ends: of the process at any moment, of the disk, of an alarm.
 */
#include "config.h"

#include "engine-test.h"

#include "sync/view.h"

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

/* What was wrong is not there any more after a stop in which the rules changed: neither a group
 * that is missing and that no rule names now, nor an attribute that is not read. */
static void test_alarms_of_other_rules(void **state)
{
    struct bed *b = *state;
    people(b, 20, "support");
    bed_leave(b, "group-sales");
    bed_start(b);
    bed_sync(b);
    for (unsigned i = 0; i < 20; i++) {
        char uid[16], id[32], dn[64];
        snprintf(uid, sizeof(uid), "u%u", i);
        snprintf(id, sizeof(id), "id-%s", uid);
        snprintf(dn, sizeof(dn), "uid=%s,ou=people,dc=example,dc=com", uid);
        bed_person(b, id, dn, "uid", uid, "givenName", uid, "sn", uid, NULL);
    }
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(bed_audit(b, "alarm", REASON_GROUP_MISSING, NULL), 1);
    assert_in_range(bed_audit(b, "alarm", REASON_ATTRIBUTE_VANISHED, NULL), 1, 2);
    b->mapping.n_rules = 1;
    b->mapping.fields[USER_EMAIL].text = b->mapping.fields[USER_WORK_PHONE].text = NULL;
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_GROUP_MISSING, NULL), 1);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_ATTRIBUTE_VANISHED, NULL),
                     bed_audit(b, "alarm", REASON_ATTRIBUTE_VANISHED, NULL));
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

static void test_alarms_notify(void **state)
{
    struct bed *b = *state;
    char script[320], path[128];
    snprintf(path, sizeof path, "%s/alarms", b->folder);
    snprintf(script, sizeof script, "l=$(cat); echo \"$l\" >> %s", path);
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", script, NULL};
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

/* Two people are about to leave; somebody has disabled one of the users at the tenant. */
static void two_leave(struct bed *b, bool hold)
{
    b->sync.delete_after_usec = 10 * DAY;
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){.unlimited = true};
    b->sync.budgets[BUDGET_DELETE] = (struct budget){.unlimited = true};
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    bed_run(b);
    fake_tenant_find(b->tenant, "u0")->user->disabled = true;
    b->tenant->hold = hold;
    bed_leave(b, "id-u0");
    bed_leave(b, "id-u1");
    bed_group(b, "support", NULL);
    bed_sync(b);
}

/* It stays theirs, so that user is neither deleted nor enabled by us. */
static void one_stays(struct bed *b)
{
    bed_advance(b, 30 * DAY);
    assert_null(fake_tenant_find(b->tenant, "u1"));
    assert_non_null(fake_tenant_find(b->tenant, "u0"));
    assert_int_equal(link_count(b->state, LINK_DISABLED), 1);
}

static void test_disabled_by_others_before(void **state)
{
    struct bed *b = *state;
    two_leave(b, false);
    one_stays(b);
}

/* … also when rosterd dies while it only reads: it has done nothing then, and knows that. */
static void test_death_while_only_reading(void **state)
{
    struct bed *b = *state;
    two_leave(b, true);
    assert_int_equal(b->tenant->n_under_way, 2); /* both are read */
    b->tenant->hold = false;
    bed_crash(b);
    bed_sync(b);
    one_stays(b);
}

/* An attempt whose request never left, since no token could be had, did nothing: who is
 * disabled by somebody meanwhile is not taken for ours. */
static void test_disabled_by_others_meanwhile(void **state)
{
    struct bed *b = *state;
    b->sync.delete_after_usec = 10 * DAY;
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){.unlimited = true};
    b->sync.budgets[BUDGET_DELETE] = (struct budget){.unlimited = true};
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PUT,
                                                    .times = 2,
                                                    .class = TENANT_THROTTLED,
                                                    .no_token = true,
                                                    .status = 429});
    size_t n_before = fake_tenant_calls(b->tenant, FAKE_WRITES);
    bed_leave(b, "id-u0");
    bed_leave(b, "id-u1");
    bed_group(b, "support", NULL);
    bed_sync(b);
    assert_true(fake_tenant_calls(b->tenant, FAKE_WRITES) > n_before);
    assert_false(is_disabled(b, "u0"));
    fake_tenant_find(b->tenant, "u0")->user->disabled = true;
    one_stays(b);
}

/* The whole plan for one tenant was approved, so that observing ends; another tenant is configured
 * before that was done: of its plan nobody has seen anything. */
static void test_before_another_tenant(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char hash[65];
    size_t n = 0;
    b->sync.mode = SYNC_OBSERVE;
    b->options.tenant_url = "https://one.example.com";
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    assert_true(engine_observes(b->engine));
    bed_plan_hash(b, hash, &n);
    bed_ok(b, bed_approve_hash(b, hash, &n, &e));
    bed_ok(b, books_commit(b->engine->books, &e));
    b->options.tenant_url = "https://two.example.com";
    bed_crash(b);
    bed_sync(b);
    assert_true(engine_observes(b->engine));
    assert_int_equal(b->tenant->n_users, 0);
}

/* The plan for another tenant is approved, and a death comes before all of it is released: the
 * state belongs to that tenant then, and what comes later waits for nobody. */
static void test_death_before_acceptance(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char hash[65];
    size_t n = 0;
    b->options.tenant_url = "https://one.example.com";
    b->options.slice = 2;
    bed_start(b);
    bed_sync(b);
    b->options.tenant_url = "https://two.example.com";
    bed_restart(b);
    people(b, 5, "support");
    bed_sync(b);
    bed_plan_hash(b, hash, &n);
    assert_int_equal(n, 5);
    bed_ok(b, bed_approve_hash(b, hash, &n, &e));
    assert_true(sd_event_run(b->event, 0) > 0);
    bed_ok(b, books_commit(b->engine->books, &e));
    bed_crash(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, NULL), 0);
    assert_null(contact_other_tenant(b->engine->contact));
    people(b, 6, "support");
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, NULL), 0);
    assert_int_equal(b->tenant->n_users, 6);
}

/* The plan for another tenant is approved while somebody is to be looked at again, or one group of
 * it after the other: when nobody waits any more, the state belongs to that tenant. */
static void begin_with_another(struct bed *b)
{
    b->options.tenant_url = "https://one.example.com";
    bed_start(b);
    bed_sync(b);
    b->options.tenant_url = "https://two.example.com";
    bed_restart(b);
    people(b, 5, "support");
    bed_sync(b);
    assert_non_null(contact_other_tenant(b->engine->contact));
}

static void it_is_theirs(struct bed *b)
{
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    assert_int_equal(b->tenant->n_users, 5);
    assert_null(contact_other_tenant(b->engine->contact));
    bed_restart(b);
    assert_null(contact_other_tenant(b->engine->contact));
    people(b, 6, "support");
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 6);
}

static void test_another_tenant_while_busy(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char hash[65];
    size_t n = 0;
    begin_with_another(b);
    bed_plan_hash(b, hash, &n);
    bed_ok(b, bed_approve_hash(b, hash, &n, &e));
    assert_int_equal(n, 5);
    bed_ok(b, engine_look_again(b->engine, "id-u3", &e));
    bed_run(b);
    bed_sync(b);
    it_is_theirs(b);
}

/* Of those that wait, the first n. */
struct chosen {
    int64_t numbers[8];
    size_t n, most;
};

static int choose(const struct operation *o, void *userdata)
{
    struct chosen *c = userdata;
    assert_string_equal(o->reason, REASON_OTHER_TENANT);
    if (c->n < c->most)
        c->numbers[c->n++] = o->number;
    return 0;
}

static void approve_some(struct bed *b, size_t n)
{
    struct error e = {0};
    struct chosen chosen = {.most = n};
    const char *reason = REASON_OTHER_TENANT;
    char hash[65];
    size_t n_parked = 0;
    uint64_t until = 0;
    CLEANUP(engine_view_freep) struct engine_view *view = NULL;
    CLEANUP(engine_approval_done) struct engine_approval found = {0};
    bed_plan_hash(b, hash, &n_parked);
    bed_ok(b, queue_each(b->state, OPERATION_PARKED, choose, &chosen, &e));
    struct engine_choice choice = {.numbers = chosen.numbers,
                                   .n_numbers = chosen.n,
                                   .reasons = &reason,
                                   .n_reasons = 1,
                                   .names = "a (create)"};
    bed_ok(b, engine_view_new(&view, b->engine, &e));
    bed_ok(b, engine_view_approval(view, b->state, hash, &choice, &found, &e));
    assert_int_equal(found.n, n);
    bed_ok(b, engine_approve(b->engine, &found, 1000, &until, &e));
    bed_sync(b);
}

static void test_another_tenant_by_groups(void **state)
{
    struct bed *b = *state;
    begin_with_another(b);
    approve_some(b, 2);
    assert_int_equal(b->tenant->n_users, 2);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_OTHER_TENANT), 3);
    assert_non_null(contact_other_tenant(b->engine->contact));
    approve_some(b, 3);
    it_is_theirs(b);
}

/* Who falls due hours later, with nothing else happening, waits from then on. */
static void test_pause_and_a_grace(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->sync.leave_grace_usec = 3 * HOUR;
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    bed_leave(b, "id-u1");
    bed_tell(b, "id-u1");
    bed_run(b);
    bed_advance(b, 3 * HOUR + 9 * MINUTE);
    assert_int_equal(bed_audit(b, "alarm", REASON_PAUSED, NULL), 0);
    bed_advance(b, 2 * MINUTE);
    assert_int_equal(bed_audit(b, "alarm", REASON_PAUSED, NULL), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_disabled_by_others_meanwhile),
        scenario(test_alarm_ends_after_a_restart),
        scenario(test_alarms_of_other_rules),
        scenario(test_crash_doubles_nobody),
        scenario(test_state_cannot_be_written),
        scenario(test_outcome_cannot_be_written),
        scenario(test_disabled_by_others_before),
        scenario(test_death_while_only_reading),
        scenario(test_alarms_notify),
        scenario(test_stop),
        scenario(test_before_another_tenant),
        scenario(test_death_before_acceptance),
        scenario(test_another_tenant_while_busy),
        scenario(test_another_tenant_by_groups),
        scenario(test_pause_and_a_grace),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
