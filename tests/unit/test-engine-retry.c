/* `rosterctl retry` of many: turn by turn, and what is seen of that. */
#include "config.h"

#include "base/log.h"
#include "engine-test.h"

static void on_retried(struct engine_retry *retry, void *userdata)
{
    (void)retry;
    ++*(unsigned *)userdata;
}

/* Seven are held, since the tenant took none of them; it would, now. */
static void hold_seven(struct bed *b)
{
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE, .times = 7,
                                                    .class = TENANT_REFUSED, .status = 400});
    b->options.slice = 2;
    people(b, 7, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_REFUSED), 7);
    fake_tenant_forget_calls(b->tenant);
}

/* Nothing goes, and nobody is told that it is over, before all is released. */
static void test_retry_in_slices(void **state)
{
    struct bed *b = *state;
    unsigned n_over = 0, n_turns = 0;
    hold_seven(b);
    struct engine_retry retry = {.done = on_retried, .userdata = &n_over};
    struct engine_retry unknown = {.cause = "team:Other", .done = on_retried, .userdata = &n_over};
    engine_retry(b->engine, &retry);
    engine_retry(b->engine, &unknown);
    for (; n_over < 2; n_turns++) {
        assert_true(sd_event_run(b->event, 0) > 0);
        assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    }
    assert_true(n_turns > 4);
    assert_int_equal(retry.n_released, 7);
    assert_int_equal(unknown.n_released, 0);
    bed_run(b);
    assert_int_equal(n_over, 2);
    assert_int_equal(b->tenant->n_users, 7);
    assert_int_equal(bed_audit(b, "request", "retry", NULL), 1);
}

/* Whoever asked is not told; what was released is tried, the rest waits as before. */
static void test_retry_is_cut_short(void **state)
{
    struct bed *b = *state;
    unsigned n_over = 0;
    hold_seven(b);
    struct engine_retry retry = {.done = on_retried, .userdata = &n_over};
    engine_retry(b->engine, &retry);
    while (!retry.n_released)
        assert_true(sd_event_run(b->event, 0) > 0);
    engine_retry_cancel(b->engine, &retry);
    assert_true(retry.n_released < 7);
    bed_run(b);
    assert_int_equal(n_over, 0);
    assert_int_equal(b->tenant->n_users, retry.n_released);
    assert_int_equal(bed_retry(b, NULL), 7 - retry.n_released);
    bed_run(b);
    assert_int_equal(b->tenant->n_users, 7);
}

/* Whoever came back under a new identity and is to be linked keeps the access of the old one, and
 * no retry is an approval: of all, of that cause, of one. */
static void test_retry_decides_nothing(void **state)
{
    struct bed *b = *state;
    size_t n;
    struct error e;
    b->sync.leave_grace_usec = HOUR;
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    bed_leave(b, "id-u1");
    bed_person(b, "again-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "givenName",
               "First u1", "sn", "u1", "mail", "u1@example.com", NULL);
    bed_sync(b);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_RELINK), 1);
    fake_tenant_forget_calls(b->tenant);
    bed_retry(b, NULL);
    bed_run(b);
    bed_retry(b, REASON_RELINK);
    bed_run(b);
    bed_ok(b, engine_retry_person(b->engine, "id-u1", &n, &e));
    bed_advance(b, DAY);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_RELINK), 1);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_RELINK), 1);
}

/* What was approved would lock somebody out all the same: held for that, and looked at no more than
 * anybody else who is held. */
static void test_approved_and_locked(void **state)
{
    static char *protected[] = {(char *)"u1"};
    struct bed *b = *state;
    b->sync.protected_logins = protected;
    b->sync.n_protected_logins = 1;
    b->sync.leave_grace_usec = HOUR;
    bed_group(b, "sales", "u1", NULL);
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    bed_group(b, "sales", "u0", NULL); /* the role Seller would be taken */
    bed_leave(b, "id-u1");
    bed_person(b, "again-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "givenName",
               "First u1", "sn", "u1", "mail", "u1@example.com", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_RELINK), 1);
    assert_int_equal(bed_approve(b), 1);
    bed_run(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 1);
    bed_advance(b, 30 * MINUTE);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_LOCKOUT), 1);
    /* And the disable of the old entry, before it was to be linked to the new one. */
    assert_int_equal(bed_audit(b, "hold", REASON_LOCKOUT, NULL), 2);
    assert_non_null(user_role(fake_tenant_find(b->tenant, "u1")->user, "Seller"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_retry_in_slices),
        scenario(test_retry_is_cut_short),
        scenario(test_retry_decides_nothing),
        scenario(test_approved_and_locked),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
