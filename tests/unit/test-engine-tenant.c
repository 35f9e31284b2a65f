/*
 * What the tenant answers, and what follows: who is held for it, who is not, and what is tried
 * again.
 */
#include "config.h"

#include "engine-test.h"
#include "state/db.h"

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

static void move_all(struct bed *b, const char *from, const char *to)
{
    bed_group(b, to, "u0", "u1", "u2", NULL);
    bed_group(b, from, NULL);
    bed_sync(b);
}

/* Whoever is held since before it was known that the tenant is away is no second alarm. */
static void test_away_is_one_alarm(void **state)
{
    struct bed *b = *state;
    people(b, 9, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(b->tenant,
                     (struct fake_fault){.kinds = FAKE_ALL, .times = -1, .class = TENANT_AWAY});
    b->sync.alarm_after_usec = 2 * MINUTE;
    b->sync.retry_min_usec = b->sync.retry_max_usec = HOUR;
    move_all(b, "support", "sales");
    bed_advance(b, 5 * MINUTE);
    assert_true(bed_queue(b, OPERATION_HELD, REASON_TENANT_AWAY) > 0);
    assert_int_equal(bed_audit(b, "alarm", REASON_TENANT_AWAY, NULL), 1);
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_TENANT_AWAY, NULL), 1);
    is_idle(b);
}

/* Three whose calls alone failed, and were done since, tell of an outage as anybody does. */
static void test_away_again(void **state)
{
    struct bed *b = *state;
    struct engine_status status;
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_ALL & ~FAKE_TEAMS,
                                                    .times = 3,
                                                    .class = TENANT_AWAY,
                                                    .status = 504});
    move_all(b, "support", "sales");
    bed_advance(b, 5 * USEC_PER_SEC);
    is_idle(b);
    fake_tenant_fail(b->tenant,
                     (struct fake_fault){.kinds = FAKE_ALL, .times = -1, .class = TENANT_AWAY});
    move_all(b, "sales", "support");
    engine_status(b->engine, &status);
    assert_int_equal(status.tenant, ENGINE_TENANT_AWAY);
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

/* A user that vanished and is there again is on record both times, whatever it is now. */
static void test_there_again(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    CLEANUP(link_done) struct link l = {0};
    b->sync.verify_interval_usec = HOUR;
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_remove(b->tenant, "u1");
    bed_advance(b, 2 * HOUR);
    assert_int_equal(bed_audit(b, "drift", NULL, "u1"), 1);
    fake_tenant_add(b->tenant, "u1", "First u1", "u1", "u1@example.com", "Support")->user->disabled =
        true;
    bed_advance(b, 61 * MINUTE);
    assert_true(bed_audit(b, "drift", "report", "u1") >= 2);
    bed_ok(b, link_load(b->state, "id-u1", &l, &e));
    assert_int_equal(l.gone, LINK_THERE);
    assert_int_equal(l.status, LINK_ACTIVE); /* that somebody disabled it is drift, as ever */
    bed_advance(b, 3 * HOUR);
    link_done(&l);
    bed_ok(b, link_load(b->state, "id-u1", &l, &e));
    assert_non_null(strstr(l.drift, LINK_DRIFT_DISABLED));
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

/* The verification reads a user, and before it has the answer an operation changes that user: what
 * it read is from before, and neither drift nor something to put back. */
static void test_sweep_overtaken(void **state)
{
    struct bed *b = *state;
    b->sync.verify_interval_usec = HOUR;
    b->sync.on_drift = DRIFT_REPAIR;
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    b->tenant->late = "u1";
    bed_advance(b, 61 * MINUTE);
    assert_non_null(b->tenant->late_call);
    bed_group(b, "support", "u0", "u2", NULL);
    bed_group(b, "sales", "u1", NULL);
    bed_sync(b);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u1")->user, USER_TEAM), "Sales");
    fake_tenant_forget_calls(b->tenant);
    fake_tenant_answer_late(b->tenant);
    bed_run(b);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(bed_audit(b, "drift", NULL, NULL), 0);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u1")->user, USER_TEAM), "Sales");
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
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_PART_NOT_OFFERED), 1);
    assert_int_equal(bed_ledger(b, "held", REASON_PART_NOT_OFFERED), 1);
    b->tenant->no_scim = false;
    bed_advance(b, HOUR);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u2")->user, USER_FIRST_NAME),
                        "G");
    is_idle(b);
}

/* Who is made alone is read back at once; of many made together nobody is, whichever answers come
 * last: the verification reads them later. */
static void test_read_back(void **state)
{
    struct bed *b = *state;
    people(b, 200, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 200);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_GET), 0);
    people(b, 203, "support");
    bed_sync(b);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 203);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_GET), 3);
    is_idle(b);
}

/* Outcomes wait some milliseconds for others, and the free slots for their commit. Whoever asks
 * something just then has it committed: the slots are filled all the same, though what is under way
 * may take long. */
static void test_asked_while_outcomes_wait(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 20, "support");
    bed_start(b);
    bed_run(b);
    b->tenant->hold = true;
    bed_sync(b);
    assert_int_equal(b->tenant->n_under_way, 8);
    fake_tenant_release(b->tenant);
    while (fake_tenant_effects(b->tenant, FAKE_CREATE) < 3)
        assert_true(sd_event_run(b->event, 0) > 0);
    b->tenant->hold = true;
    while (sd_event_run(b->event, 0) > 0)
        ;
    assert_true(books_outcome_since_usec(b->engine->books));
    assert_int_equal(b->tenant->n_under_way, 5);
    bed_ok(b, engine_commit(b->engine, &e));
    bed_run(b);
    assert_int_equal(b->tenant->n_under_way, 8);
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_int_equal(b->tenant->n_users, 20);
    is_idle(b);
}

static int count_commit(void *userdata)
{
    ++*(size_t *)userdata;
    return 0;
}

/* Few start at first. While many are under way, what may start ahead of them does so in one
 * commit, and no more than may be. */
static void test_starts_share_commits(void **state)
{
    struct bed *b = *state;
    size_t n_commits = 0;
    b->options.max_concurrent = 4;
    b->tenant->ahead = 16;
    people(b, 100, "support");
    bed_start(b);
    bed_run(b);
    b->tenant->hold = true;
    bed_sync(b);
    assert_int_equal(b->tenant->n_under_way, 4);
    sqlite3_commit_hook(b->state->db, count_commit, &n_commits);
    bed_person_uid(b, "another");
    bed_tell(b, "id-another");
    bed_run(b);
    assert_int_equal(b->tenant->n_under_way, 20);
    assert_int_equal(n_commits, 1);
    fake_tenant_release(b->tenant);
    bed_run(b);
    bed_advance(b, MINUTE);
    assert_int_equal(b->tenant->n_users, 100);
    assert_true(b->tenant->most_under_way <= 20);
    is_idle(b);
}

static int count_statement(unsigned what, void *data, void *of, void *text)
{
    (void)what, (void)of;
    *(size_t *)data +=
        strncmp(text, "--", 2) != 0; /* a trigger's are a part of the statement */
    return 0;
}

/* A hire alone: one commit has what came and what is intended, the other what was done. */
static void test_statements_of_a_hire(void **state)
{
    struct bed *b = *state;
    size_t n_commits = 0, n_statements = 0;
    bed_person_uid(b, "u0");
    bed_group_uids(b, "support", (const char *const[]){"u0", "u1", "u2"}, 3);
    bed_person_uid(b, "u1");
    bed_start(b);
    bed_sync(b);
    bed_person_uid(b, "u2");
    sqlite3_commit_hook(b->state->db, count_commit, &n_commits);
    sqlite3_trace_v2(b->state->db, SQLITE_TRACE_STMT, count_statement, &n_statements);
    bed_tell(b, "id-u2");
    bed_run(b);
    sqlite3_trace_v2(b->state->db, 0, NULL, NULL);
    sqlite3_commit_hook(b->state->db, NULL, NULL);
    assert_int_equal(b->tenant->n_users, 3);
    assert_int_equal(n_commits, 2);
    if (n_statements > 60)
        fail_msg("%zu statements", n_statements);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_team_missing),
        scenario(test_role_missing),
        scenario(test_not_authorised),
        scenario(test_tenant_away),
        scenario(test_away_again),
        scenario(test_away_is_one_alarm),
        scenario(test_lost_answers),
        scenario(test_conflict),
        scenario(test_there_again),
        scenario(test_sweep),
        scenario(test_sweep_overtaken),
        scenario(test_refused_and_no_scim),
        scenario(test_read_back),
        scenario(test_asked_while_outcomes_wait),
        scenario(test_starts_share_commits),
        scenario(test_statements_of_a_hire),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
