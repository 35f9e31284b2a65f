/*
 * When people get their user: start dates, and seats.
 */
#include "config.h"

#include "people-test.h"

/* -- [user] starts_at -- */

static void starter(struct bed *b, const char *uid, uint64_t start, const char *type)
{
    char id[80], dn[160], mail[40], when[CLOCK_TEXT_SIZE];
    snprintf(id, sizeof id, "id-%s", uid);
    snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
    snprintf(mail, sizeof mail, "%s@example.com", uid);
    bed_person(b, id, dn, "uid", uid, "givenName", "First", "sn", uid, "mail", mail, "employeeType",
               type, "employmentStart", clock_format(when, start), NULL);
}

static void begin_with_starts(struct bed *b)
{
    b->mapping.starts_at = text_of(62, "employmentStart");
    bed_person_uid(b, "u0");
    bed_group(b, "support", "u0", "u1", "u2", NULL);
}

static void test_start(void **state)
{
    struct bed *b = *state;
    begin_with_starts(b);
    uint64_t start = b->now + 10 * DAY;
    starter(b, "u1", start, "Here");
    starter(b, "u2", b->now - DAY, "Here");
    bed_start(b);
    bed_sync(b);
    assert_null(user_at(b, "u1"));
    assert_false(is_disabled(b, "u2") || is_disabled(b, "u0"));
    assert_int_equal(bed_audit(b, "skip", "not-started", NULL), 1);
    bed_advance(b, start - b->now - USEC_PER_SEC);
    assert_null(user_at(b, "u1"));
    bed_advance(b, USEC_PER_SEC);
    assert_false(is_disabled(b, "u1"));
    /* It never disables: another date later changes nothing for who has an enabled user. */
    starter(b, "u1", b->now + 30 * DAY, "Here");
    bed_sync(b);
    bed_advance(b, DAY);
    assert_false(is_disabled(b, "u1"));
    no_waits(b);
}

static void test_create_ahead(void **state)
{
    struct bed *b = *state;
    b->sync.create_ahead_usec = 3 * DAY;
    begin_with_starts(b);
    uint64_t start = b->now + 10 * DAY;
    starter(b, "u1", start, "Here");
    bed_start(b);
    bed_sync(b);
    bed_advance(b, 7 * DAY - USEC_PER_SEC);
    assert_null(user_at(b, "u1"));
    bed_advance(b, USEC_PER_SEC);
    assert_true(is_disabled(b, "u1"));
    no_waits(b);
    bed_restart(b);
    bed_sync(b);
    /* Put off by a day while the user is there already. */
    start += DAY;
    starter(b, "u1", start, "Here");
    bed_sync(b);
    bed_advance(b, start - b->now - USEC_PER_SEC);
    assert_true(is_disabled(b, "u1"));
    bed_advance(b, USEC_PER_SEC);
    assert_false(is_disabled(b, "u1"));
    no_waits(b);
    /* Who leaves and comes back with a date to come is enabled at that. */
    bed_leave(b, "id-u1");
    bed_tell(b, "id-u1");
    bed_run(b);
    assert_true(is_disabled(b, "u1"));
    start = b->now + 5 * DAY;
    starter(b, "u1", start, "Here");
    bed_sync(b);
    bed_advance(b, start - b->now - USEC_PER_SEC);
    assert_true(is_disabled(b, "u1"));
    bed_advance(b, USEC_PER_SEC);
    assert_false(is_disabled(b, "u1"));
}

/* Made ahead by a newer state than the one that was restored, and to have no user until that
 * one is trusted again: ours all the same, and enabled on the first day. */
static void test_made_ahead_and_forgotten(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->sync.create_ahead_usec = 3 * DAY;
    begin_with_starts(b);
    uint64_t start = b->now + 2 * DAY;
    bed_group(b, "support", "u0", NULL);
    bed_start(b);
    bed_sync(b);
    starter(b, "u1", start, "Here");
    fake_tenant_add(b->tenant, "u1", "First", "u1", "u1@example.com", "Support");
    fake_tenant_find(b->tenant, "u1")->user->disabled = true;
    fake_tenant_forget_calls(b->tenant);
    bed_ok(b, engine_distrust_state(b->engine, &e));
    bed_sync(b);
    bed_advance(b, USEC_PER_SEC);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_STATE_RESTORED, NULL), 1);
    bed_restart(b);
    bed_group(b, "support", "u0", "u1", NULL);
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 0);
    assert_true(is_disabled(b, "u1"));
    bed_advance(b, start - b->now);
    assert_false(is_disabled(b, "u1"));
    no_waits(b);
}

/* A clock that is set ahead lets nobody in early, and is believed once as much time has passed. */
static void test_start_and_the_clock(void **state)
{
    struct bed *b = *state;
    b->sync.create_ahead_usec = DAY;
    begin_with_starts(b);
    starter(b, "u1", b->now + 5 * HOUR, "Here");
    bed_start(b);
    bed_sync(b);
    assert_true(is_disabled(b, "u1"));
    bed_set_clock(b, b->now + 8 * HOUR);
    bed_sync(b);
    bed_advance(b, 4 * HOUR);
    assert_true(is_disabled(b, "u1"));
    bed_set_clock(b, b->now - 8 * HOUR); /* it was wrong */
    bed_tell(b, "id-u0");
    bed_run(b);
    bed_advance(b, HOUR - USEC_PER_SEC);
    assert_true(is_disabled(b, "u1"));
    bed_advance(b, 2 * USEC_PER_SEC);
    assert_false(is_disabled(b, "u1"));
}

static void test_create_disabled(void **state)
{
    struct bed *b = *state;
    begin_with_starts(b);
    starter(b, "u1", b->now - DAY, "Terminated");
    bed_start(b);
    bed_sync(b);
    assert_null(user_at(b, "u1"));
    struct error e = {0};
    b->sync.create_disabled = true;
    b->options.fingerprint = b->options.decisions = "with";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_true(is_disabled(b, "u1"));
    no_waits(b);
    starter(b, "u1", b->now - DAY, "Here");
    bed_sync(b);
    assert_false(is_disabled(b, "u1"));
    no_waits(b);
}

/* -- [guard] max_users -- */

static size_t most_enabled;

static void note_most(enum fake_kind kind, const struct fake_user *after, const char *login,
                      void *userdata)
{
    (void)kind, (void)after, (void)login;
    size_t n = n_enabled(userdata);
    most_enabled = n > most_enabled ? n : most_enabled;
}

static void test_seats(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char names[20][8];
    const char *uids[20];
    for (size_t i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        uids[i] = names[i];
        bed_person_uid(b, uids[i]);
    }
    bed_group_uids(b, "support", uids, 20);
    b->sync.max_users = 8;
    b->sync.budgets[BUDGET_DISABLE].unlimited = true;
    b->tenant->on_write = note_most;
    b->tenant->write_data = b;
    most_enabled = 0;
    bed_start(b);
    bed_sync(b);
    assert_int_equal(n_enabled(b), 8);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 12);
    bed_advance(b, DAY);
    bed_restart(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 8);
    /* Two leave: two come, and one who returns waits as well. */
    bed_leave(b, "id-u0");
    bed_leave(b, "id-u1");
    bed_sync(b);
    assert_int_equal(n_enabled(b), 8);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 10);
    bed_person_uid(b, "u0");
    bed_sync(b);
    assert_int_equal(n_enabled(b), 8);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 11);
    assert_int_equal(most_enabled, 8);
    b->sync.max_users = 15;
    b->options.fingerprint = b->options.decisions = "more";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(n_enabled(b), 15);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 4);
    b->sync.max_users = 0;
    b->options.fingerprint = b->options.decisions = "no limit";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(n_enabled(b), 19);
    no_waits(b);
}

/* Answers that are lost take a seat until they are settled. */
static void test_seats_and_lost_answers(void **state)
{
    struct bed *b = *state;
    char names[20][8];
    const char *uids[20];
    for (size_t i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        uids[i] = names[i];
        bed_person_uid(b, uids[i]);
    }
    bed_group_uids(b, "support", uids, 20);
    b->sync.max_users = 5;
    b->tenant->on_write = note_most;
    b->tenant->write_data = b;
    most_enabled = 0;
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE | FAKE_GET,
                                                    .times = 20,
                                                    .takes_effect = true,
                                                    .class = TENANT_UNCLEAR});
    bed_start(b);
    bed_sync(b);
    bed_advance(b, DAY);
    assert_int_equal(n_enabled(b), 5);
    assert_int_equal(most_enabled, 5);
}

/* Whoever failed before, and has no seat since, is released by no time: a look at the queue would
 * find them again and again. */
static void test_no_seat_after_a_failure(void **state)
{
    struct bed *b = *state;
    b->sync.max_users = 1;
    bed_person_uid(b, "u1");
    bed_group(b, "support", "u1", NULL);
    bed_start(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                    .login = "u1",
                                                    .times = 1,
                                                    .class = TENANT_THROTTLED,
                                                    .status = 429,
                                                    .retry_after_usec = 30 * MINUTE});
    bed_sync(b);
    bed_person_uid(b, "u2");
    bed_group(b, "support", "u1", "u2", NULL);
    bed_sync(b);
    bed_advance(b, 2 * DAY);
    assert_int_equal(n_enabled(b), 1);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 1);
    assert_true(bed_audit(b, "hold", REASON_SEATS, NULL) <= 2);
    assert_true(bed_audit(b, "release", NULL, NULL) <= 2);
}

#define scenario(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_start),
        scenario(test_create_ahead),
        scenario(test_made_ahead_and_forgotten),
        scenario(test_start_and_the_clock),
        scenario(test_create_disabled),
        scenario(test_seats),
        scenario(test_seats_and_lost_answers),
        scenario(test_no_seat_after_a_failure),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
