/*
 * The one rule for leaving: intents are durable ahead of the free slot, and what waits there
 * leaves only by what is in force at that moment. Here two requests are under way at a time, and
 * many wait. Random histories are in test-leaving.c.
 */
#include "config.h"

#include "engine-test.h"

#define SLOTS 2
#define MOST  28 /* under way, of which most wait */

static int setup_line(void **state)
{
    int r = setup(state);
    ((struct bed *)*state)->options.max_concurrent = MOST;
    return r;
}
#define in_line(fn) cmocka_unit_test_setup_teardown(fn, setup_line, teardown)

static void hold_line(struct bed *b)
{
    b->tenant->slots = SLOTS;
    b->tenant->hold = true;
}

static size_t in_queue(struct bed *b, enum operation_state state)
{
    return bed_queue(b, (int)state, NULL);
}

static size_t spent(struct bed *b, unsigned budget)
{
    struct error e = {0};
    size_t n = 0;
    bed_ok(b, budget_spent(b->state, budget, 0, &n, &e));
    return n;
}

static int is_as_before(const struct operation *o, void *userdata)
{
    (void)userdata;
    assert_int_equal(o->attempts, 0);
    assert_false(o->looks);
    assert_null(o->reason);
    return 0;
}

/* Of those that waited nothing is left but where they were before: ready, and never tried. */
static void nothing_waits(struct bed *b, size_t n_ready)
{
    struct error e = {0};
    assert_int_equal(in_queue(b, OPERATION_STARTED), 0);
    assert_int_equal(in_queue(b, OPERATION_READY), n_ready);
    bed_ok(b, queue_each(b->state, OPERATION_READY, is_as_before, NULL, &e));
}

static void begin_line(struct bed *b, size_t n)
{
    people(b, n, "support");
    bed_start(b);
    bed_run(b);
    hold_line(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_under_way, SLOTS);
    assert_int_equal(in_queue(b, OPERATION_STARTED), MOST);
}

static void all_is_done(struct bed *b, size_t n)
{
    assert_int_equal(b->tenant->n_users, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(b->tenant->users[i].n_created, 1);
    assert_int_equal(in_queue(b, (enum operation_state)0), 0);
    is_idle(b);
}

static void test_pause(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    begin_line(b, 60);
    bed_ok(b, engine_pause(b->engine, true, 0, &e));
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), SLOTS);
    nothing_waits(b, 60 - SLOTS);
    assert_int_equal(spent(b, BUDGET_CREATE), SLOTS);
    assert_int_equal(bed_audit(b, "outcome", "withdrawn", NULL),
                     MOST - SLOTS);
    assert_int_equal(bed_audit(b, "outcome", "done", NULL), SLOTS);
    bed_ok(b, engine_pause(b->engine, false, 0, &e));
    bed_run(b);
    all_is_done(b, 60);
}

/* Also when nothing was looked at in between, so that the pause was none for the turn. */
static void test_pause_and_resume(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    begin_line(b, 60);
    bed_ok(b, engine_pause(b->engine, true, 0, &e));
    bed_ok(b, engine_pause(b->engine, false, 0, &e));
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_int_equal(bed_audit(b, "outcome", "withdrawn", NULL),
                     MOST - SLOTS);
    all_is_done(b, 60);
}

static void test_reload(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    begin_line(b, 60);
    b->rules[0].group.text = (char *)"cn=others,ou=groups,dc=example,dc=com";
    b->options.fingerprint = "another";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), SLOTS);
    assert_int_equal(b->tenant->n_users, SLOTS);
}

static void note_stopped(void *userdata)
{
    *(bool *)userdata = true;
}

static void test_stop(void **state)
{
    struct bed *b = *state;
    bool stopped = false;
    begin_line(b, 60);
    engine_stop(b->engine, note_stopped, &stopped);
    bed_run(b);
    assert_false(stopped); /* what is on the wire is waited for, and nothing else */
    assert_int_equal(in_queue(b, OPERATION_STARTED), SLOTS);
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_true(stopped);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), SLOTS);
    nothing_waits(b, 60 - SLOTS);
    bed_restart(b);
    bed_sync(b);
    all_is_done(b, 60);
}

/* Nor does anything leave that could not be put on record. */
static void test_audit_fails(void **state)
{
    struct bed *b = *state;
    begin_line(b, 60);
    engine_audit_written(b->engine, false, "no space is left");
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), SLOTS);
    nothing_waits(b, 60 - SLOTS);
    engine_audit_written(b->engine, true, "");
    bed_run(b);
    all_is_done(b, 60);
}

/* The account is refused: what waits does not add to it. */
static void test_refused_account(void **state)
{
    struct bed *b = *state;
    begin_line(b, 60);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_ALL,
                                                    .times = -1,
                                                    .class = TENANT_NOT_AUTHORISED,
                                                    .status = 401});
    fake_tenant_release(b->tenant);
    bed_run(b);
    /* Two are, a third in a row tells that it is the account, and one takes the place of each. */
    assert_in_range(fake_tenant_calls(b->tenant, FAKE_CREATE), 3, 3 + SLOTS);
    assert_int_equal(in_queue(b, OPERATION_STARTED), 0);
    fake_tenant_heal(b->tenant);
    bed_advance(b, DAY);
    all_is_done(b, 60);
}

/* Whoever leaves the directory while the create waits gets no user, whether the person is looked at
 * before it would leave, or a read keeps everybody from being looked at. */
static void leaves_the_directory(struct bed *b, bool in_a_read)
{
    struct error e = {0};
    begin_line(b, 60);
    if (in_a_read)
        bed_ok(b, engine_sink.begin(engine_reading(b->engine), 0, true, &e));
    bed_leave(b, "id-u9");
    bed_tell(b, "id-u9");
    if (!in_a_read)
        bed_run(b); /* else the first slot is free before anybody was looked at */
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_null(fake_tenant_find(b->tenant, "u9"));
    bed_sync(b);
    assert_null(fake_tenant_find(b->tenant, "u9"));
    assert_int_equal(bed_audit(b, "outcome", "withdrawn", "u9"), 1);
    assert_int_equal(bed_audit(b, "outcome", "withdrawn", NULL), 1);
    all_is_done(b, 59);
}

static void test_left(void **state)
{
    leaves_the_directory(*state, false);
}

static void test_left_in_a_read(void **state)
{
    leaves_the_directory(*state, true);
}

/* What changed is sent as it is by now, once. */
static void test_changed(void **state)
{
    struct bed *b = *state;
    begin_line(b, 60);
    bed_person(b, "id-u9", "uid=u9,ou=people,dc=example,dc=com", "uid", "u9", "givenName", "New",
               "sn", "u9", "mail", "u9@example.com", NULL);
    bed_tell(b, "id-u9");
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u9")->user, USER_FIRST_NAME), "New");
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 60);
    all_is_done(b, 60);
}

static void stop_line(struct bed *b)
{
    b->tenant->slots = 0;
    fake_tenant_release(b->tenant);
    bed_run(b);
}

/* Each is read before it is written; the approval ends while they wait. */
static void test_approval_ends(void **state)
{
    struct bed *b = *state;
    const char *left[] = {"u0"};
    people(b, 40, "support");
    bed_start(b);
    bed_sync(b);
    bed_group_uids(b, "support", left, 1);
    bed_sync(b);
    assert_int_equal(n_disabled(b), 5);
    hold_line(b);
    assert_int_equal(bed_approve(b), 34);
    assert_int_equal(b->tenant->n_under_way, SLOTS);
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, 2 * HOUR);
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_int_equal(n_disabled(b), 5);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 34);
    stop_line(b);
    assert_int_equal(bed_approve(b), 34);
    assert_int_equal(n_disabled(b), 39);
    is_idle(b);
}

/* A pause between the read and the write that follows: nothing is written, and whoever is disabled
 * after it is rosterd's own doing, as at a first attempt. */
static void test_read_before(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct link l = {0};
    people(b, 40, "support");
    bed_start(b);
    bed_sync(b);
    hold_line(b);
    bed_leave(b, "id-u3");
    bed_sync(b);
    assert_int_equal(b->tenant->n_under_way, 1); /* it is read */
    bed_ok(b, engine_pause(b->engine, true, 0, &e));
    fake_tenant_forget_calls(b->tenant);
    stop_line(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    nothing_waits(b, 1);
    assert_int_equal(bed_audit(b, "intent", NULL, "u3"), 1); /* of the create */
    fake_tenant_find(b->tenant, "u3")->user->disabled = true; /* somebody does it there */
    bed_ok(b, engine_pause(b->engine, false, 0, &e));
    bed_run(b);
    bed_ok(b, link_load(b->state, "id-u3", &l, &e));
    assert_int_equal(l.status, LINK_DISABLED);
    assert_false(l.disabled_by_us);
    link_done(&l);
    is_idle(b);
}

/* Roles that follow a create one by one: what was begun goes on to its end. */
static void test_begun_goes_on(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->tenant->parts = &fake_groups;
    b->rules[0].roles.text = (char *)"A, B, C, D";
    people(b, 10, "support");
    bed_start(b);
    bed_run(b);
    hold_line(b);
    bed_sync(b);
    b->tenant->slots = 1;
    b->tenant->hold = false;
    while (fake_tenant_effects(b->tenant, FAKE_CREATE) < 2) {
        fake_tenant_release(b->tenant);
        assert_true(sd_event_run(b->event, 0) > 0);
    }
    bed_ok(b, engine_pause(b->engine, true, 0, &e));
    fake_tenant_forget_calls(b->tenant);
    bed_run(b);
    assert_int_equal(b->tenant->n_users, 2);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(b->tenant->users[i].user->n_roles, 4);
    nothing_waits(b, 8);
    bed_ok(b, engine_pause(b->engine, false, 0, &e));
    bed_run(b);
    all_is_done(b, 10);
}

/* Who was just made is read back, also when writing is paused before that: it is done. */
static void test_read_back(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    bed_start(b);
    bed_sync(b);
    people(b, 2, "support");
    hold_line(b);
    b->tenant->slots = 1;
    bed_sync(b);
    b->tenant->hold = false;
    while (fake_tenant_effects(b->tenant, FAKE_CREATE) < 1) {
        fake_tenant_release(b->tenant);
        assert_true(sd_event_run(b->event, 0) > 0);
    }
    bed_ok(b, engine_pause(b->engine, true, 0, &e));
    bed_run(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_GET), 1);
    assert_int_equal(bed_audit(b, "outcome", "done", NULL), 1);
    assert_int_equal(bed_audit(b, "outcome", "withdrawn", NULL), 1);
    nothing_waits(b, 1);
    bed_ok(b, engine_pause(b->engine, false, 0, &e));
    bed_run(b);
    all_is_done(b, 2);
}

/* A read that is to tell what an attempt without an answer has done: where it is withdrawn, nobody
 * knows that still, and the outcome does not say that nothing was done. */
static void test_unclear_is_withdrawn(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE | FAKE_GET,
                                                    .times = 2,
                                                    .takes_effect = true,
                                                    .class = TENANT_UNCLEAR});
    people(b, 1, "support");
    bed_sync(b);
    assert_int_equal(bed_queue(b, 0, REASON_UNCLEAR), 1);
    size_t n_before = bed_audit(b, "outcome", REASON_UNCLEAR, "u0");
    b->tenant->slots = 1;
    b->tenant->hold = true;
    people(b, 2, "support");
    bed_sync(b);
    bed_advance(b, 20 * MINUTE);
    assert_int_equal(in_queue(b, OPERATION_STARTED), 2);
    bed_ok(b, engine_pause(b->engine, true, 0, &e));
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_int_equal(bed_queue(b, OPERATION_READY, REASON_UNCLEAR), 1);
    assert_int_equal(bed_audit(b, "outcome", "withdrawn", "u0"), 0);
    assert_int_equal(bed_audit(b, "outcome", REASON_UNCLEAR, "u0"), n_before + 1);
    bed_ok(b, engine_pause(b->engine, false, 0, &e));
    bed_run(b);
    all_is_done(b, 2);
}

/* A revocation goes to the head of the line, and what waits there for that person gives way. */
static void test_revocation_first(void **state)
{
    struct bed *b = *state;
    char wrote[4000] = "", name[16];
    may_revoke(b);
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    hold_line(b);
    for (size_t i = 0; i < 20; i++) {
        char id[80], dn[160];
        snprintf(name, sizeof name, "u%zu", i);
        snprintf(id, sizeof id, "id-%s", name);
        snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", name);
        bed_person(b, id, dn, "uid", name, "givenName", "First", "sn", name, "mail",
                   "x@example.com", "preferredLanguage", "es", NULL);
    }
    bed_sync(b);
    assert_int_equal(in_queue(b, OPERATION_STARTED), 20); /* a skill more for each */
    b->tenant->on_write = note_write;
    b->tenant->write_data = wrote;
    revoke_uid(b, "u15", true);
    revoke_uid(b, "u12", true);
    bed_run(b);
    fake_tenant_release(b->tenant);
    bed_run(b);
    assert_true(is_disabled(b, "u15") && is_disabled(b, "u12"));
    /* What left before, that is two, and the two that pass all others. */
    size_t n_before = 0;
    for (const char *p = wrote; *p && strncmp(p, "u12 ", 4) && strncmp(p, "u15 ", 4); n_before++)
        p += strcspn(p, " ") + 1;
    assert_in_range(n_before, 0, SLOTS);
    assert_int_equal(bed_audit(b, "outcome", "withdrawn", NULL), 2);
    is_idle(b);
}

/* Whoever left waits until the state file is known to be whole; whoever is revoked, and whoever
 * comes, does not. */
static void test_before_the_state_is_proven(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    b->state->file.unproven = true;
    bed_leave(b, "id-u1");
    bed_person_uid(b, "new");
    bed_group_uids(b, "support",
                   (const char *const[]){"u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8",
                                         "u9", "new"},
                   11);
    bed_sync(b);
    revoke_uid(b, "u3", true);
    bed_advance(b, HOUR);
    assert_false(is_disabled(b, "u1"));
    assert_true(is_disabled(b, "u3"));
    assert_non_null(fake_tenant_find(b->tenant, "new"));
    is_idle(b);
    b->state->file.unproven = false;
    engine_state_is_proven(b->engine);
    bed_run(b);
    assert_true(is_disabled(b, "u1"));
    assert_int_equal(n_disabled(b), 2);
    is_idle(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        in_line(test_pause),
        in_line(test_pause_and_resume),
        in_line(test_reload),
        in_line(test_stop),
        in_line(test_audit_fails),
        in_line(test_refused_account),
        in_line(test_left),
        in_line(test_left_in_a_read),
        in_line(test_changed),
        in_line(test_approval_ends),
        in_line(test_read_before),
        in_line(test_begun_goes_on),
        in_line(test_read_back),
        in_line(test_unclear_is_withdrawn),
        in_line(test_revocation_first),
        in_line(test_before_the_state_is_proven),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
