/*
 * First passwords: handed on by a command, and set anew until that takes one.
 */
#include "config.h"

#include "engine-test.h"

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

/* A command that hands passwords on to a file once another one is there. The script is the
 * caller's, as is argv. */
static void hand_on_by(struct bed *b, char script[static 320], char *argv[static 4])
{
    snprintf(script, 320, "l=$(cat); test -e %s/works && echo \"$l\" >> %s/passwords", b->folder,
             b->folder);
    argv[0] = (char *)"/bin/sh";
    argv[1] = (char *)"-c";
    argv[2] = script;
    argv[3] = NULL;
    b->sync.initial_password = INITIAL_PASSWORD_GENERATE;
    b->sync.password_length = 16;
    b->sync.password_classes = (char *)"lower,upper,digit";
    b->sync.password_command = argv;
}

static size_t handed_on(struct bed *b, const char *what)
{
    char path[128];
    bed_wait(b, no_commands, b);
    bed_run(b);
    snprintf(path, sizeof path, "%s/passwords", b->folder);
    return lines_of(path, what);
}

static void let_it_work(struct bed *b)
{
    char path[128];
    snprintf(path, sizeof path, "%s/works", b->folder);
    fclose(fopen(path, "w"));
}

/* The command that hands it on fails: after [retry] hold another one is set, on record before it
 * leaves, and handed on. */
static void test_password_again(void **state)
{
    struct bed *b = *state;
    char script[320], *argv[4];
    hand_on_by(b, script, argv);
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(handed_on(b, ""), 0);
    assert_int_equal(bed_audit(b, "hold", REASON_PASSWORD, "u0"), 1);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PASSWORD), 0);
    let_it_work(b);
    bed_advance(b, 20 * MINUTE);
    assert_int_equal(handed_on(b, "\"login\":\"u0\""), 1);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PASSWORD), 1);
    assert_int_equal(bed_audit(b, "password", REASON_PASSWORD, "u0"), 1);
    bed_advance(b, HOUR);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PASSWORD), 1);
}

/* It waits for a slot when writing is paused: it is set when writing goes on. */
static void test_password_and_pause(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char script[320], *argv[4];
    hand_on_by(b, script, argv);
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(handed_on(b, ""), 0);
    let_it_work(b);
    b->tenant->slots = 1;
    b->tenant->hold = true;
    people(b, 2, "support");
    bed_sync(b);
    bed_advance(b, 20 * MINUTE);
    assert_int_equal(b->tenant->n_under_way, 1); /* the create */
    assert_int_equal(bed_audit(b, "password", REASON_PASSWORD, "u0"), 1);
    bed_ok(b, engine_pause(b->engine, true, 0, &e));
    fake_tenant_release(b->tenant);
    assert_int_equal(handed_on(b, "\"login\":\"u0\""), 0);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PASSWORD), 0);
    bed_ok(b, engine_pause(b->engine, false, 0, &e));
    bed_run(b);
    assert_int_equal(handed_on(b, "\"login\":\"u0\""), 1);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PASSWORD), 1);
}

static int is_of_passwords(const struct alarm *a, void *userdata)
{
    (void)userdata;
    return text_equal(a->cause, "password");
}

static bool has_alarm(struct bed *b)
{
    struct error e = {0};
    return alarm_each(b->state, is_of_passwords, NULL, &e) == 1;
}

/* Another tenant is configured while a password waits. It is handed on when the tenant of
 * before is back; and where the other one is meant, nobody there gets another password for it.
 */
static void password_of_another_tenant(struct bed *b, bool is_meant)
{
    struct fake_tenant *before = b->tenant;
    char script[320], *argv[4];
    hand_on_by(b, script, argv);
    b->two_tenants = true;
    b->options.tenant_url = "https://one.example.com";
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(handed_on(b, ""), 0);
    struct fake_tenant *other = fake_tenant_new(b->event);
    fake_tenant_add(other, "u0", "First", "u0", "u0@example.com", "Support");
    b->options.tenant = b->tenant = other;
    b->options.tenant_url = "https://other.example.com";
    bed_restart(b);
    bed_sync(b);
    let_it_work(b);
    bed_advance(b, HOUR);
    if (is_meant)
        assert_int_equal(bed_approve(b), 1);
    else {
        b->options.tenant = b->tenant = before;
        b->options.tenant_url = "https://one.example.com";
        bed_restart(b);
    }
    bed_sync(b);
    handed_on(b, "");
    bed_advance(b, HOUR);
    assert_int_equal(handed_on(b, "\"login\":\"u0\""), is_meant ? 0 : 1);
    assert_int_equal(fake_tenant_calls(other, FAKE_PASSWORD), 0);
    assert_false(has_alarm(b));
    bed_read_all(b);
    fake_tenant_free(is_meant ? before : other);
}

static void test_password_of_another_tenant(void **state)
{
    password_of_another_tenant(*state, false);
}

static void test_password_and_another_tenant_meant(void **state)
{
    password_of_another_tenant(*state, true);
}

/* Of two, the first one to be handed on is a disabled user's, and nothing else happens. */
static void test_password_beside_a_disabled_user(void **state)
{
    struct bed *b = *state;
    char script[320], *argv[4];
    hand_on_by(b, script, argv);
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(handed_on(b, ""), 0);
    bed_advance(b, 5 * MINUTE);
    people(b, 2, "support");
    bed_sync(b);
    assert_int_equal(handed_on(b, ""), 0);
    bed_group(b, "support", "u1", NULL);
    bed_leave(b, "id-u0");
    bed_sync(b);
    assert_true(is_disabled(b, "u0"));
    let_it_work(b);
    bed_advance(b, 20 * MINUTE);
    assert_int_equal(handed_on(b, "\"login\":\"u1\""), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_initial_password),
        scenario(test_password_again),
        scenario(test_password_and_pause),
        scenario(test_password_of_another_tenant),
        scenario(test_password_and_another_tenant_meant),
        scenario(test_password_beside_a_disabled_user),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
