/*
 * What is missing in the directory is no removal: groups that are gone, reads without proof,
 * values that cannot be used; and what a change of the rules leads to.
 */
#include "config.h"

#include "engine-test.h"
#include "state/round.h"

static void test_group_gone(void **state)
{
    struct bed *b = *state;
    people(b, 4, "support");
    bed_person_uid(b, "seller");
    bed_group(b, "sales", "seller", "u0", NULL);
    bed_start(b);
    bed_sync(b);
    assert_non_null(user_role(fake_tenant_find(b->tenant, "u0")->user, "Seller"));
    fake_tenant_forget_calls(b->tenant);
    bed_leave(b, "group-sales");
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_true(bed_queue(b, OPERATION_HELD, REASON_GROUP_MISSING) >= 2);
    is_idle(b);
    bed_advance(b, DAY);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_false(is_disabled(b, "seller"));
    bed_group(b, "sales", "seller", "u0", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    is_idle(b);
}

/* A rule names a group that never was, so that nobody loses anything: u0, who left, waits. */
static void put_who_waits_for_a_group(struct bed *b)
{
    people(b, 4, "support");
    bed_start(b);
    bed_sync(b);
    struct error e = {0};
    b->rules[3] = b->rules[1];
    b->rules[3].name = (char *)"Later";
    b->rules[3].group.text = (char *)"cn=later,ou=groups,dc=example,dc=com";
    b->mapping.n_rules = 4;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    bed_group(b, "support", "u1", "u2", "u3", NULL);
    bed_sync(b);
    assert_false(is_disabled(b, "u0"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_GROUP_MISSING), 1);
    bed_group(b, "later", "u1", NULL);
}

static void nobody_waits_for_a_group(struct bed *b)
{
    bed_run(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_GROUP_MISSING), 0);
    assert_true(is_disabled(b, "u0"));
    assert_int_equal(n_disabled(b), 1);
}

static void test_group_comes(void **state)
{
    struct bed *b = *state;
    put_who_waits_for_a_group(b);
    bed_tell(b, "group-later");
    nobody_waits_for_a_group(b);
}

static void test_group_comes_during_a_stop(void **state)
{
    struct bed *b = *state;
    put_who_waits_for_a_group(b);
    bed_restart(b);
    bed_read_all(b);
    nobody_waits_for_a_group(b);
}

static void test_group_comes_with_other_rules(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    put_who_waits_for_a_group(b);
    bed_tell(b, "group-later");
    b->mapping.n_rules = 3;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    nobody_waits_for_a_group(b);
}

static void test_unproven_read(void **state)
{
    struct bed *b = *state;
    people(b, 4, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    bed_leave(b, "id-u1");
    bed_person_uid(b, "new");
    bed_group(b, "sales", "new", NULL);
    bed_read_unproven(b);
    bed_run(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PUT | FAKE_DELETE), 0);
    assert_non_null(fake_tenant_find(b->tenant, "new"));
    assert_false(is_disabled(b, "u1"));
    bed_sync(b);
    assert_true(is_disabled(b, "u1"));
    is_idle(b);
}

static void test_invalid_is_not_absent(void **state)
{
    struct bed *b = *state;
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    bed_person(b, "id-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "sn", "u1", NULL);
    bed_person(b, "id-x", "uid=x,ou=people,dc=example,dc=com", "uid", "x", NULL);
    bed_group(b, "support", "u0", "u1", "u2", "x", NULL);
    bed_sync(b);
    bed_advance(b, DAY);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_ENTRY_INVALID), 1);
    assert_false(is_disabled(b, "u1"));
    bed_person_uid(b, "u1");
    bed_sync(b);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    is_idle(b);
}

static void without_mail(struct bed *b, size_t i)
{
    char id[32], dn[64], uid[16], given[32];
    snprintf(uid, sizeof uid, "u%zu", i);
    snprintf(id, sizeof id, "id-%s", uid);
    snprintf(given, sizeof given, "First %s", uid);
    snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
    bed_person(b, id, dn, "uid", uid, "givenName", given, "sn", uid, NULL);
}

static void test_attribute_vanished(void **state)
{
    struct bed *b = *state;
    b->mapping.empty = MAPPING_EMPTY_CLEAR;
    people(b, 40, "support");
    for (size_t i = 0; i < 40; i++) {
        char uid[16], id[32], dn[64];
        snprintf(uid, sizeof uid, "u%zu", i);
        snprintf(id, sizeof id, "id-%s", uid);
        snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
        bed_person(b, id, dn, "uid", uid, "givenName", uid, "sn", uid, "telephoneNumber", "123",
                   NULL);
    }
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    for (size_t i = 0; i < 20; i++)
        without_mail(b, i);
    bed_sync(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ATTRIBUTE_VANISHED), 20);
    assert_int_equal(bed_audit(b, "alarm", REASON_ATTRIBUTE_VANISHED, NULL), 1);
    is_idle(b);
    bed_sync(b); /* it stays so */
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ATTRIBUTE_VANISHED), 20);
    assert_int_equal(bed_approve(b), 20);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 20);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_ATTRIBUTE_VANISHED, NULL), 1);
    is_idle(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
}

static void test_rules_change(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    b->rules[0].team.text = (char *)"Sales";
    b->rules[0].skills.text = NULL;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    const struct fake_user *u = fake_tenant_find(b->tenant, "u3");
    assert_string_equal(user_get(u->user, USER_TEAM), "Sales");
    assert_null(user_skill(u->user, "English")); /* given by rosterd, so taken back */
    assert_int_equal(bed_ledger(b, "updated", NULL), 5);
    is_idle(b);
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 5);
    is_idle(b);
}

/* Somebody new, and what changed in somebody's own entry, does not wait until everybody was looked
 * at for a new configuration; budgets count them as ever, and what is beyond waits as ever. */
static void test_change_while_all_are_looked_at(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char wrote[4000] = "";
    people(b, 400, "support");
    b->sync.budgets[BUDGET_TEAM] = (struct budget){.floor = 10};
    bed_start(b);
    bed_sync(b);
    b->tenant->on_write = note_write;
    b->tenant->write_data = wrote;
    b->rules[0].team.text = (char *)"Sales";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    people(b, 401, "support");
    bed_tell(b, "id-u400");
    bed_tell(b, "group-support");
    bed_person(b, "id-u7", "uid=u7,ou=people,dc=example,dc=com", "uid", "u7", "givenName", "Seven",
               "sn", "u7", "mail", "u7@example.com", NULL);
    bed_tell(b, "id-u7");
    bed_run(b);
    assert_int_equal(b->tenant->n_users, 401);
    /* The hire before all those who move, who are as many as the budget has room for. */
    assert_true(strstr(wrote, "u400 ") != NULL && strstr(wrote, "u400 ") < wrote + 12);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 390);
    assert_int_equal(bed_approve(b), 390);
    bed_run(b);
    for (size_t i = 0; i < b->tenant->n_users; i++)
        assert_string_equal(user_get(b->tenant->users[i].user, USER_TEAM), "Sales");
    bed_check_ledgers(b);
    is_idle(b);

    /* None of them goes ahead once its budget has no room, by the configuration of now. */
    bed_advance(b, 3 * DAY);
    b->sync.budgets[BUDGET_CREATE] = (struct budget){.floor = 2};
    b->rules[0].team.text = (char *)"Support";
    b->sync.budgets[BUDGET_TEAM] = (struct budget){.unlimited = true};
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    people(b, 405, "support");
    for (int i = 401; i < 405; i++) {
        char id[16];
        snprintf(id, sizeof id, "id-u%d", i);
        bed_tell(b, id);
    }
    bed_tell(b, "group-support");
    bed_run(b);
    assert_int_equal(b->tenant->n_users, 403);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 2);
}

struct while_round {
    struct bed *bed;
    size_t n_on, n_over;
};

static void note_round(enum fake_kind kind, const struct fake_user *after, const char *login,
                       void *userdata)
{
    struct while_round *w = userdata;
    (void)kind, (void)after, (void)login;
    *(round_is_on(w->bed->state) ? &w->n_on : &w->n_over) += 1;
}

/* Whom the round has looked at does not wait for the others, unless a budget counts: that is held
 * against the whole plan. Newcomers wait in any case. */
static void test_first_of_the_round(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct while_round w = {.bed = b};
    people(b, 500, "support");
    bed_start(b);
    bed_sync(b);
    b->tenant->on_write = note_round;
    b->tenant->write_data = &w;
    b->rules[0].team.text = (char *)"Sales";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(w.n_on + w.n_over, 500);
    assert_true(w.n_on > 5);

    w.n_on = w.n_over = 0;
    b->sync.budgets[BUDGET_TEAM] = (struct budget){.count = 400};
    b->options.decisions = "another";
    b->rules[0].team.text = (char *)"Support";
    bed_advance(b, 3 * DAY);
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(w.n_on, 0);
    assert_int_equal(w.n_over, 400);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 100);
    assert_int_equal(bed_approve(b), 100);
    bed_run(b);

    w.n_on = w.n_over = 0;
    for (int i = 500; i < 700; i++) {
        char uid[8];
        snprintf(uid, sizeof(uid), "n%d", i);
        bed_person_uid(b, uid);
    }
    bed_sync(b);
    b->rules[2].when.text = (char *)"(uid=n*)";
    b->rules[2].team = b->rules[0].team;
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(w.n_on, 0);
    assert_int_equal(w.n_over, 200);
}

/* A reload that the state file cannot take leaves the engine with what it had: the caller gives
 * back what was refused, and an access to that is a fault here. */
static void test_reload_refused(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct rlimit before, small = {.rlim_cur = 4096};
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
    struct sync_options *sync =
        mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct engine_options options = b->options;
    struct engine_status status;
    char hash[65];
    assert_true(sync != MAP_FAILED && sizeof *sync <= page);
    people(b, 10, "support");
    bed_start(b);
    bed_sync(b);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    people(b, 60, "support");
    bed_read_all(b);
    bed_run(b);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    engine_status(b->engine, &status);
    assert_true(status.state_failed);
    *sync = b->sync;
    options.sync = sync;
    options.fingerprint = options.decisions = "another";
    assert_true(engine_reload(b->engine, &options, &e) < 0);
    assert_int_equal(munmap(sync, page), 0);
    bed_plan_hash(b, hash, &n);
    (void)bed_approve_hash(b, hash, &n, &e);
    (void)engine_look_again(b->engine, NULL, &e);
    bed_advance(b, DAY);
    bed_crash(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 60);
    is_idle(b);
}

/* A reload while updates are under way: what the rules manage is asked of those that are there
 * when the answer comes. */
static void test_reload_under_way(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 5, "support");
    bed_start(b);
    bed_sync(b);
    b->rules[0].team.text = (char *)"Sales";
    b->rules[0].skills.text = (char *)"French:50";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    b->tenant->hold = true;
    bed_run(b);
    assert_true(b->tenant->n_under_way > 0);
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    fake_tenant_release(b->tenant);
    bed_run(b);
    for (unsigned i = 0; i < 5; i++) {
        char uid[8];
        snprintf(uid, sizeof uid, "u%u", i);
        assert_non_null(user_skill(fake_tenant_find(b->tenant, uid)->user, "French"));
    }
    is_idle(b);
}

/* What comes while a create is under way is not lost, whatever the answer is. */
static void test_change_under_way(void **state)
{
    static const enum tenant_answer_class classes[] = {
        TENANT_DONE,      TENANT_REFUSED,  TENANT_UNCLEAR,          TENANT_AWAY,
        TENANT_THROTTLED, TENANT_CONFLICT, TENANT_REFERENCE_MISSING};
    struct bed *b = *state;
    const char *uids[ARRAY_SIZE(classes) * 2];
    char texts[ARRAY_SIZE(classes) * 2][8];
    bed_start(b);
    bed_sync(b);
    for (unsigned i = 0; i < ARRAY_SIZE(classes) * 2; i++) {
        char *uid = texts[i], id[16], dn[64], mail[32];
        snprintf(uid, sizeof texts[i], "x%u", i);
        snprintf(id, sizeof id, "id-%s", uid);
        snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
        snprintf(mail, sizeof mail, "%s@example.com", uid);
        uids[i] = uid;
        bed_person_uid(b, uid);
        bed_group_uids(b, "support", uids, i + 1);
        if (classes[i / 2] != TENANT_DONE)
            fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                            .login = uid,
                                                            .times = 1,
                                                            .takes_effect = i % 2 == 1,
                                                            .class = classes[i / 2]});
        b->tenant->hold = true;
        bed_read_all(b);
        bed_run(b);
        assert_true(b->tenant->n_under_way > 0);
        bed_person(b, id, dn, "uid", uid, "givenName", "Changed", "sn", uid, "mail", mail,
                   NULL);
        bed_tell(b, id);
        bed_run(b);
        fake_tenant_release(b->tenant);
        bed_run(b);
        fake_tenant_heal(b->tenant);
        bed_advance(b, 2 * DAY);
        const struct fake_user *u = fake_tenant_find(b->tenant, uid);
        if (!u || !text_equal(user_get(u->user, USER_FIRST_NAME), "Changed"))
            fail_msg("answer %u: %s keeps the first name %s", i, uid,
                     u ? user_get(u->user, USER_FIRST_NAME) : "(no user)");
    }
    is_idle(b);
}

static int find_sentence(const struct alarm *a, void *userdata)
{
    if (text_equal(a->cause, "read"))
        snprintf(userdata, 700, "%s", a->sentence);
    return 0;
}

/* A base that shows nobody any more proves nothing; what is to be done is said, for either
 * case. */
static void test_base_shows_nobody(void **state)
{
    static const char *const bases[] = {"dc=com\ndc=example\nou=people\n"};
    struct bed *b = *state;
    struct error e = {0};
    char sentence[700] = "";
    people(b, 6, "support");
    bed_start(b);
    bed_ok(b, engine_sink.searches(engine_reading(b->engine), bases, 1, &e));
    bed_sync(b);
    for (size_t i = 0; i < 6; i++)
        bed_leave(b, (char[]){'i', 'd', '-', 'u', (char)('0' + i), 0});
    bed_sync(b);
    bed_advance(b, 10 * DAY);
    assert_int_equal(link_count(b->state, LINK_ACTIVE), 6);
    bed_ok(b, alarm_each(b->state, find_sentence, sentence, &e));
    assert_ptr_equal(strstr(sentence, "ou=people,dc=example,dc=com shows none of the people"),
                     sentence);
    assert_non_null(strstr(sentence, "take that base out of [directory] base"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_group_gone),
        scenario(test_group_comes),
        scenario(test_group_comes_during_a_stop),
        scenario(test_group_comes_with_other_rules),
        scenario(test_unproven_read),
        scenario(test_base_shows_nobody),
        scenario(test_invalid_is_not_absent),
        scenario(test_attribute_vanished),
        scenario(test_rules_change),
        scenario(test_first_of_the_round),
        scenario(test_reload_refused),
        scenario(test_change_while_all_are_looked_at),
        scenario(test_reload_under_way),
        scenario(test_change_under_way),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
