/*
 * A revocation waits for nobody: neither for a read nor for a first load, nor for a slow
 * tenant. Who else is to be taken away waits until the directory was heard.
 */
#include "config.h"

#include "dice.h"
#include "engine-test.h"

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
    assert_int_equal(fake_tenant_find(b->tenant, "u3")->n_read,
                     n_read); /* nothing to ask for */
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

/* Whoever left stays for the grace time when a stranger with the same login is revoked. */
static void test_stranger_with_the_login(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->sync.leave_grace_usec = DAY;
    may_revoke(b);
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    bed_leave(b, "id-u1");
    bed_person(b, "id-stranger", "uid=u1,ou=guests,dc=example,dc=com", "uid", "u1", "givenName",
               "Another", "sn", "Stranger", "mail", "stranger@example.com", "employeeType",
               "Revoked", NULL);
    b->rules[2].when.text = (char *)"(employeeType=Revoked)";
    b->rules[2].team = b->rules[0].team;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_sync(b);
    assert_false(is_disabled(b, "u1"));
    bed_advance(b, 2 * DAY);
    assert_true(is_disabled(b, "u1"));
}

/* Somebody enables a revoked user at the tenant: it is disabled again, also with drift =
 * report, by which another leaver stays as somebody made it. */
static void test_enabled_by_hand(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    b->sync.verify_interval_usec = HOUR;
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){.unlimited = true};
    people(b, 4, "support");
    bed_start(b);
    bed_sync(b);
    revoke_uid(b, "u1", true);
    revoke_uid(b, "u2", false);
    bed_group(b, "support", "u0", "u1", "u2", NULL);
    bed_sync(b);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 1; i < 4; i++) {
            char uid[4] = {'u', (char)('0' + i)};
            assert_int_equal(is_disabled(b, uid), round == 0 || i < 3);
            fake_tenant_find(b->tenant, uid)->user->disabled = false;
        }
        user_set(fake_tenant_find(b->tenant, "u1")->user, USER_LAST_NAME,
                 round ? "Other" : LINK_DRIFT_ENABLED, NULL);
        bed_advance(b, 61 * MINUTE);
        assert_true(is_disabled(b, "u1") && is_disabled(b, "u2"));
        assert_false(is_disabled(b, "u3"));
        bed_restart(b);
        bed_sync(b);
    }
    assert_int_equal(bed_audit(b, "intent", REASON_REVOKED, NULL), 8);
    bed_person_uid(b, "u1"); /* and what was revoked is given back */
    bed_tell(b, "id-u1");
    bed_run(b);
    assert_false(is_disabled(b, "u1"));
    is_idle(b);
}

/* … and that waits for the end of no read. */
static void test_enabled_by_hand_in_a_read(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    may_revoke(b);
    b->sync.verify_interval_usec = HOUR;
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    revoke_uid(b, "u7", true);
    revoke_uid(b, "u8", false);
    bed_run(b);
    assert_true(is_disabled(b, "u7") && is_disabled(b, "u8"));
    fake_tenant_find(b->tenant, "u7")->user->disabled = false;
    fake_tenant_find(b->tenant, "u8")->user->disabled = false;
    bed_ok(b, engine_sink.begin(engine_reading(b->engine), 0, true, &e));
    bed_advance(b, 61 * MINUTE);
    assert_true(is_disabled(b, "u7") && is_disabled(b, "u8"));
    assert_int_equal(bed_audit(b, "intent", REASON_REVOKED, NULL), 4);
}

static void directory_is(struct bed *b, enum directory_state state)
{
    engine_sink.changed(state, engine_reading(b->engine));
    bed_run(b);
}

static void count_sleeps(void *userdata)
{
    ++*(unsigned *)userdata;
}

/* Six people whose grace is over by then: in an outage of the directory, or as the machine
 * slept. One is back as soon as it is heard. */
static void test_grace_over_unheard(void **state)
{
    struct bed *b = *state;
    unsigned n_sleeps = 0, n = 0;
    may_revoke(b);
    b->sync.leave_grace_usec = HOUR;
    people(b, 20, "support");
    bed_start(b);
    engine_on_sleep(b->engine, count_sleeps, &n_sleeps);
    bed_sync(b);
    for (unsigned sleeps = 0; sleeps < 2; sleeps++) {
        char goes[16], stays[16], revoked[16];
        snprintf(goes, sizeof(goes), "id-u%u", n);
        snprintf(stays, sizeof(stays), "id-u%u", n + 1);
        snprintf(revoked, sizeof(revoked), "u%u", n + 2);
        bed_leave(b, goes);
        bed_leave(b, stays);
        bed_sync(b);
        bed_advance(b, 30 * MINUTE);
        if (sleeps) {
            clock_freeze_asleep(3 * HOUR);
            bed_advance(b, 2 * MINUTE);
        } else {
            directory_is(b, DIRECTORY_AWAY);
            bed_advance(b, 3 * HOUR);
            directory_is(b, DIRECTORY_CONNECTING);
            directory_is(b, DIRECTORY_READING);
        }
        assert_int_equal(n_disabled(b), n ? n - 1 : 0);
        assert_int_equal(n_sleeps, sleeps);
        /* Neither whoever comes nor whose access was told to end waits for that. */
        revoke_uid(b, revoked, true);
        bed_run(b);
        assert_true(is_disabled(b, revoked));
        bed_person_uid(b, stays + 3);
        bed_tell(b, stays);
        bed_sync(b);
        assert_true(is_disabled(b, goes + 3));
        assert_false(is_disabled(b, stays + 3));
        directory_is(b, DIRECTORY_FOLLOWING);
        is_idle(b);
        n += 3;
    }
    /* A short sleep is none, and a long one is told once. */
    clock_freeze_asleep(3 * HOUR + 30 * USEC_PER_SEC);
    bed_leave(b, "id-u9");
    bed_sync(b);
    bed_advance(b, 2 * HOUR);
    assert_true(is_disabled(b, "u9"));
    clock_freeze_asleep(5 * HOUR);
    bed_advance(b, HOUR);
    assert_int_equal(n_sleeps, 2);
    clock_freeze_asleep(0);
}

/* The same of whoever is to be deleted, also over a restart. */
static void test_delete_unheard(void **state)
{
    struct bed *b = *state;
    b->sync.delete_after_usec = DAY;
    people(b, 20, "support");
    bed_start(b);
    bed_sync(b);
    bed_leave(b, "id-u0");
    bed_sync(b);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(n_disabled(b), 1);
    directory_is(b, DIRECTORY_REFUSED);
    bed_advance(b, 2 * DAY);
    assert_int_equal(b->tenant->n_users, 20);
    /* A restart keeps them as well. */
    bed_restart(b);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 20);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 19);
}

/* -- how long each takes -- */

#define N_QUEUED  10000
#define N_REVOKED 200

struct race {
    struct bed *bed;
    char login[16];
    uint64_t told_usec, took_usec;
    struct pace pace;
};

static void note_arrival(enum fake_kind kind, const char *login, const char *id, void *userdata)
{
    struct race *race = userdata;
    (void)id;
    if (kind == FAKE_PUT && text_equal(login, race->login) && !race->took_usec)
        race->took_usec = race->bed->monotonic - race->told_usec + 1;
}

static void advance_paced(struct bed *b, uint64_t usec)
{
    for (uint64_t end = b->monotonic + usec; b->monotonic < end;) {
        uint64_t left = end - b->monotonic, wait = fake_tenant_pace_usec(b->tenant);
        bed_advance(b, wait > left ? left : wait > 0 ? wait : 1);
        fake_tenant_pump(b->tenant);
        bed_run(b);
    }
}

static void many_uids(struct bed *b, size_t n)
{
    char(*names)[16] = calloc(n, sizeof(*names));
    const char **uids = calloc(n, sizeof(*uids));
    assert_true(names && uids);
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof(names[i]), "u%zu", i);
        uids[i] = names[i];
        if (i >= N_REVOKED)
            bed_person_uid(b, uids[i]);
    }
    bed_group_uids(b, "support", uids, n);
    free(uids);
    free(names);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Behind 10,000 creates, of which two a second leave, at any moment: from the directory's word
 * to the request. */
static void test_under_a_second(void **state)
{
    static struct race race;
    struct bed *b = bed_new(true); /* so many take long to compare */
    (void)state;
    uint64_t took[N_REVOKED];
    race = (struct race){.bed = b};
    dice = 20261130;
    may_revoke(b);
    b->sync.budgets[BUDGET_REVOKE].unlimited = true;
    people(b, N_REVOKED, "support");
    bed_start(b);
    bed_sync(b);
    pace_init(&race.pace, 2, b->monotonic);
    b->tenant->pace = &race.pace;
    b->tenant->slots = 4;
    b->tenant->ahead = 2;
    b->tenant->on_request = note_arrival;
    b->tenant->request_data = &race;
    many_uids(b, N_REVOKED + N_QUEUED);
    bed_read_all(b);
    bed_run(b);
    for (size_t i = 0; i < N_REVOKED; i++) {
        advance_paced(b, below(3 * USEC_PER_SEC));
        snprintf(race.login, sizeof(race.login), "u%zu", i);
        race.told_usec = b->monotonic;
        race.took_usec = 0;
        revoke_uid(b, race.login, chance(75));
        bed_run(b);
        for (size_t n = 0; !race.took_usec && n < 200; n++)
            advance_paced(b, 10 * USEC_PER_MSEC);
        took[i] = race.took_usec - 1;
        if (!race.took_usec)
            fail_msg("the %zuth has not left after two seconds", i);
    }
    qsort(took, N_REVOKED, sizeof(*took), by_size);
    assert_in_range(took[N_REVOKED * 99 / 100 - 1], 0, USEC_PER_SEC - 1);
    assert_in_range(took[N_REVOKED - 1], 0, USEC_PER_SEC - 1);
    assert_true(bed_queue(b, 0, NULL) > N_QUEUED * 9 / 10);
    assert_true(took[N_REVOKED - 1] > 0); /* it does wait for the pace */
    if (getenv("V"))
        printf("the middle one %llu ms, the longest %llu ms\n",
               (unsigned long long)took[N_REVOKED / 2] / 1000,
               (unsigned long long)took[N_REVOKED - 1] / 1000);
    pace_done(&race.pace);
    b->tenant->pace = NULL;
    bed_free(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_revocation),
        scenario(test_revocation_in_a_read),
        scenario(test_revocation_budget),
        scenario(test_revocation_taken_back),
        scenario(test_lanes),
        scenario(test_enabled_by_hand),
        scenario(test_enabled_by_hand_in_a_read),
        scenario(test_stranger_with_the_login),
        scenario(test_grace_over_unheard),
        scenario(test_delete_unheard),
        cmocka_unit_test(test_under_a_second),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
