/*
 * Alarms that are told while the state file cannot be written: at once, and once.
 */
#include "config.h"

#include "engine-test.h"

static struct rlimit before_full;

static void disk_is_full(bool full)
{
    struct rlimit small = {.rlim_cur = 4096};
    if (full) {
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before_full), 0);
        small.rlim_max = before_full.rlim_max;
        signal(SIGXFSZ, SIG_IGN);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, full ? &small : &before_full), 0);
}

static bool has_failed(struct bed *b)
{
    struct engine_status status;
    engine_status(b->engine, &status);
    return status.state_failed;
}

/* As rosterd does when the file can be written again: another engine, over the same open file. */
static void renew(struct bed *b)
{
    b->stays_open = true;
    bed_crash(b);
}

struct telling {
    char path[128], script[320];
    char *argv[4];
};

static void listen_to(struct bed *b, struct telling *t)
{
    snprintf(t->path, sizeof(t->path), "%s/alarms", b->folder);
    snprintf(t->script, sizeof(t->script), "l=$(cat); echo \"$l\" >> %s", t->path);
    t->argv[0] = (char *)"/bin/sh";
    t->argv[1] = (char *)"-c";
    t->argv[2] = t->script;
    t->argv[3] = NULL;
    b->sync.notify_command = t->argv;
}

/* The disk has room again, and whoever is to be told has been. */
static void go_on(struct bed *b)
{
    renew(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    bed_wait(b, no_commands, b);
}

/* Somebody waits while writing is paused, and the disk fills before that is old enough. */
static void fill_as_the_pause_is_told(struct bed *b)
{
    struct error e = {0};
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    bed_ok(b, engine_pause(b->engine, true, 1000, &e));
    people(b, 6, "support");
    bed_sync(b);
    bed_advance(b, b->sync.alarm_after_usec - MINUTE);
    disk_is_full(true);
    bed_advance(b, 2 * MINUTE);
    assert_true(has_failed(b));
    bed_wait(b, no_commands, b);
    disk_is_full(false);
}

static void test_once(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct telling t;
    listen_to(b, &t);
    fill_as_the_pause_is_told(b);
    assert_int_equal(lines_of(t.path, "\"event\":\"alarm\""), 1);
    go_on(b);
    assert_int_equal(lines_of(t.path, "\"event\":\"alarm\""), 1);
    assert_int_equal(bed_audit(b, "alarm", REASON_PAUSED, NULL), 1);
    bed_ok(b, engine_pause(b->engine, false, 1000, &e));
    bed_advance(b, HOUR);
    bed_wait(b, no_commands, b);
    assert_int_equal(lines_of(t.path, "\"event\":\"alarm\""), 1);
    assert_int_equal(lines_of(t.path, "\"event\":\"alarm-over\""), 1);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_PAUSED, NULL), 1);
}

/* What was told and is over when the file can be written again is told to be over. */
static void test_over_meanwhile(void **state)
{
    struct bed *b = *state;
    struct telling t;
    listen_to(b, &t);
    fill_as_the_pause_is_told(b);
    bed_leave(b, "id-u5");
    go_on(b);
    assert_int_equal(lines_of(t.path, "\"event\":\"alarm\""), 1);
    assert_int_equal(lines_of(t.path, "\"event\":\"alarm-over\""), 1);
}

/* So is an end, and what is over is not told to stand again. */
static void test_end_once(void **state)
{
    struct bed *b = *state;
    struct telling t;
    listen_to(b, &t);
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_ALL,
                                                    .times = -1,
                                                    .class = TENANT_NOT_AUTHORISED,
                                                    .status = 401});
    people(b, 6, "support");
    bed_sync(b);
    bed_advance(b, HOUR);
    bed_wait(b, no_commands, b);
    assert_int_equal(lines_of(t.path, "\"event\":\"alarm\""), 1);
    bed_advance(b, MINUTE); /* how far the clocks came is noted, so that it is not what fails */
    fake_tenant_heal(b->tenant);
    disk_is_full(true);
    bed_advance(b, HOUR);
    bed_wait(b, no_commands, b);
    disk_is_full(false);
    assert_true(has_failed(b));
    assert_int_equal(lines_of(t.path, "\"event\":\"alarm-over\""), 1);
    go_on(b);
    assert_int_equal(lines_of(t.path, "\"event\":\"alarm\""), 1);
    assert_int_equal(lines_of(t.path, "\"event\":\"alarm-over\""), 1);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_NOT_AUTHORISED, NULL), 1);
}

/* Nobody knows whether it was done, and the user may not be read: whoever is to be told is told of
 * an access that may not have ended, not of an answer that did not come. */
static void test_refused_when_settled(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    people(b, 4, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PUT | FAKE_ACTIVE,
                                                    .login = "u3",
                                                    .times = 1,
                                                    .class = TENANT_UNCLEAR});
    fake_tenant_fail(
        b->tenant,
        (struct fake_fault){
            .kinds = FAKE_ALL, .login = "u3", .times = -1, .class = TENANT_REFUSED, .status = 403});
    revoke_uid(b, "u3", true);
    bed_advance(b, HOUR);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_UNCLEAR), 1);
    assert_int_equal(bed_audit(b, "alarm", REASON_REVOKED, NULL), 1);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_REVOKED, NULL), 0);
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    assert_true(is_disabled(b, "u3"));
    assert_int_equal(bed_audit(b, "alarm-over", REASON_REVOKED, NULL), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_once),
        scenario(test_over_meanwhile),
        scenario(test_end_once),
        scenario(test_refused_when_settled),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
