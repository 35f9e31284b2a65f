/*
 * An approval stands for what was shown when it was given, however much was looked at by then.
 */
#include "config.h"

#include "audit/audit.h"
#include "engine-test.h"

#define N_ALL 300

/* Everybody, with this first name, and an employeeType or not. */
static void describe_all(struct bed *b, const char *name, const char *type)
{
    for (size_t i = 0; i < N_ALL; i++) {
        char id[32], dn[80], uid[16];
        snprintf(uid, sizeof(uid), "u%zu", i);
        snprintf(id, sizeof(id), "id-%s", uid);
        snprintf(dn, sizeof(dn), "uid=%s,ou=people,dc=example,dc=com", uid);
        bed_person(b, id, dn, "uid", uid, "givenName", name, "sn", uid, "mail", "x@example.com",
                   type ? "employeeType" : NULL, type, NULL);
    }
}

static struct bed *begin_with_types(void)
{
    struct bed *b = bed_new(true);
    b->mapping.disabled_when = (struct mapping_text){
        .text = (char *)"(employeeType=Gone)", .file = (char *)"test.conf", .line = 9};
    people(b, N_ALL, "support");
    describe_all(b, "First", "Staff");
    return b;
}

/* Runs a few turns; false: nothing was left to do. */
static bool run_some(struct bed *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sd_event_run(b->event, 0) <= 0)
            return false;
    return true;
}

/* Also of another look at everybody. */
static void settle(struct bed *b)
{
    struct error e = {0};
    bed_advance(b, MINUTE);
    bed_ok(b, engine_look_again(b->engine, NULL, &e));
    bed_advance(b, MINUTE);
}

static size_t approve_shown(struct bed *b)
{
    struct error e = {0};
    char hash[65];
    size_t n = 0, n_parked = 0;
    bed_plan_hash(b, hash, &n_parked);
    int r = bed_approve_hash(b, hash, &n, &e);
    if (r > 0) /* nothing, or not yet */
        return 0;
    bed_ok(b, r);
    return n;
}

/* An attribute vanishes from everybody, everybody has another name as well, and a person approves
 * while that is being looked at: who was not shown waits for another word. */
static void test_half_a_round(void **state)
{
    size_t n_half = 0;
    (void)state;
    for (size_t n_turns = 1; n_turns < 40; n_turns += 1 + n_turns / 4) {
        struct bed *b = begin_with_types();
        b->options.slice = n_turns % 2 ? 3 : 0; /* the round may be over before all is released */
        bed_start(b);
        bed_sync(b);
        describe_all(b, "New", NULL);
        bed_read_all(b);
        bool half = run_some(b, n_turns);
        size_t n = approve_shown(b), most = n;
        half = half && n && n < N_ALL;
        n_half += half;
        settle(b);
        if (fake_tenant_effects(b->tenant, FAKE_PATCH) > most)
            fail_msg("after %zu turns: %zu were shown, %zu are done", n_turns, most,
                     fake_tenant_effects(b->tenant, FAKE_PATCH));
        while ((n = approve_shown(b)) > 0) {
            most += n;
            settle(b);
            assert_true(fake_tenant_effects(b->tenant, FAKE_PATCH) <= most);
        }
        assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), N_ALL);
        bed_free(b);
    }
    assert_true(n_half > 2);
}

/* All who were shown are approved while one of them is to be looked at again: once they are done
 * the attribute is taken as it is, since there is nothing more to approve. Not when it vanishes
 * again. */
static void test_vanished_while_busy(void **state)
{
    struct error e = {0};
    (void)state;
    struct bed *b = begin_with_types();
    bed_start(b);
    bed_sync(b);
    describe_all(b, "New", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ATTRIBUTE_VANISHED), N_ALL);
    assert_int_equal(approve_shown(b), N_ALL);
    while (gate_is_approving(b->engine->gate)) {
        bed_ok(b, engine_look_again(b->engine, "id-u3", &e));
        assert_true(sd_event_run(b->event, 0) > 0);
    }
    bed_run(b);
    settle(b);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), N_ALL);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_ATTRIBUTE_VANISHED, NULL), 1);
    describe_all(b, "New", "Staff");
    bed_sync(b);
    describe_all(b, "Newer", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ATTRIBUTE_VANISHED), N_ALL);
    bed_free(b);
}

/* Users who were there before; some people come while what was reported is approved. */
static void test_half_a_first_contact(void **state)
{
    size_t n_half = 0;
    (void)state;
    for (size_t n_turns = 1; n_turns < 40; n_turns += 1 + n_turns / 4) {
        struct bed *b = begin_with_types();
        b->options.slice = n_turns % 2 ? 3 : 0;
        for (size_t i = 0; i < N_ALL; i++) {
            char uid[16];
            snprintf(uid, sizeof(uid), "u%zu", i);
            fake_tenant_add(b->tenant, uid, "Old", "Name", "x@example.com", "Sales");
        }
        for (size_t i = N_ALL / 2; i < N_ALL; i++) {
            char id[32];
            snprintf(id, sizeof(id), "id-u%zu", i);
            bed_leave(b, id);
        }
        bed_start(b);
        bed_sync(b);
        assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), N_ALL / 2);
        describe_all(b, "First", "Staff");
        bed_read_all(b);
        run_some(b, n_turns);
        size_t n = approve_shown(b);
        n_half += n && n < N_ALL;
        settle(b);
        size_t n_changed = 0;
        for (size_t i = 0; i < b->tenant->n_users; i++)
            n_changed += !text_equal(user_get(b->tenant->users[i].user, USER_FIRST_NAME), "Old");
        if (n_changed > n)
            fail_msg("after %zu turns: %zu were shown, %zu are taken over", n_turns, n, n_changed);
        (void)approve_shown(b);
        settle(b);
        assert_int_equal(bed_queue(b, 0, NULL), 0);
        assert_int_equal(b->tenant->n_users, N_ALL);
        bed_free(b);
    }
    assert_true(n_half > 2);
}

/* While it observes: the same. */
static void test_half_a_first_plan(void **state)
{
    size_t n_half = 0;
    (void)state;
    for (size_t n_turns = 1; n_turns < 40; n_turns += 1 + n_turns / 4) {
        struct bed *b = begin_with_types();
        b->sync.mode = SYNC_OBSERVE;
        bed_start(b);
        bed_read_all(b);
        run_some(b, n_turns);
        size_t n = bed_queue(b, 0, NULL);
        (void)approve_shown(b);
        n_half += n && n < N_ALL;
        settle(b);
        if (b->tenant->n_users > n)
            fail_msg("after %zu turns: %zu were shown, %zu are made", n_turns, n,
                     b->tenant->n_users);
        (void)approve_shown(b);
        settle(b);
        assert_int_equal(b->tenant->n_users, N_ALL);
        bed_free(b);
    }
    assert_true(n_half > 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_a_round),
        cmocka_unit_test(test_vanished_while_busy),
        cmocka_unit_test(test_half_a_first_contact),
        cmocka_unit_test(test_half_a_first_plan),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_EMERG);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
