/*
 * What becomes of an operation whose answer was lost, whose user is gone, or that nobody wants any
 * more by the time it starts; and of work while the audit cannot be written.
 */
#include "config.h"

#include "engine-test.h"

/* Half of the answers are lost after the request was carried out, half before. */
static void lose_answers(struct bed *b, unsigned kinds, int n)
{
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = kinds,
                                                    .times = n / 2,
                                                    .takes_effect = true,
                                                    .class = TENANT_UNCLEAR});
    fake_tenant_fail(b->tenant, (struct fake_fault){
                                    .kinds = kinds, .times = n - n / 2, .class = TENANT_UNCLEAR});
}

static void limits_off(struct bed *b)
{
    for (size_t i = 0; i < BUDGET_N_KINDS; i++)
        b->sync.budgets[i] = (struct budget){.unlimited = true};
    b->sync.leave_grace_usec = HOUR;
}

static void six(struct bed *b)
{
    bed_group(b, "support", "u0", "u1", "u2", "u3", "u4", "u5", NULL);
}

/* A disable and an enable are settled by reading: each is done, once. */
static void test_lost_disables_and_enables(void **state)
{
    struct bed *b = *state;
    limits_off(b);
    people(b, 6, "support");
    bed_start(b);
    bed_sync(b);
    lose_answers(b, FAKE_PUT | FAKE_ACTIVE, 4);
    bed_group(b, "support", "u0", "u1", NULL);
    bed_sync(b);
    bed_advance(b, 5 * HOUR);
    for (size_t i = 2; i < 6; i++)
        assert_true(is_disabled(b, (char[]){'u', (char)('0' + i), 0}));
    assert_int_equal(link_count(b->state, LINK_DISABLED), 4);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PUT | FAKE_ACTIVE), 4);
    is_idle(b);

    lose_answers(b, FAKE_PUT | FAKE_ACTIVE, 4);
    six(b);
    bed_sync(b);
    bed_advance(b, 5 * HOUR);
    for (size_t i = 0; i < 6; i++)
        assert_false(is_disabled(b, (char[]){'u', (char)('0' + i), 0}));
    assert_int_equal(link_count(b->state, LINK_ACTIVE), 6);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PUT | FAKE_ACTIVE), 8);
    is_idle(b);
}

static void test_lost_deletes(void **state)
{
    struct bed *b = *state;
    limits_off(b);
    b->sync.delete_after_usec = 3 * DAY;
    people(b, 6, "support");
    bed_start(b);
    bed_sync(b);
    for (size_t i = 2; i < 6; i++)
        bed_leave(b, (char[]){'i', 'd', '-', 'u', (char)('0' + i), 0});
    bed_group(b, "support", "u0", "u1", NULL);
    bed_sync(b);
    lose_answers(b, FAKE_DELETE, 4);
    bed_advance(b, 5 * DAY);
    assert_int_equal(b->tenant->n_users, 2);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_DELETE), 4);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 6);
    is_idle(b);
}

/* Somebody deleted the user before we could disable it: nothing is left to do, and nobody is made
 * anew for it. */
static void test_gone_at_disable(void **state)
{
    struct bed *b = *state;
    limits_off(b);
    people(b, 6, "support");
    bed_start(b);
    bed_sync(b);
    bed_group(b, "support", "u0", "u1", "u2", "u3", "u4", NULL);
    fake_tenant_remove(b->tenant, "u5");
    bed_sync(b);
    bed_advance(b, 5 * HOUR);
    assert_int_equal(b->tenant->n_users, 5);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 6);
    assert_int_equal(link_count(b->state, LINK_ACTIVE), 5);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    is_idle(b);
}

/* Wanted again before the lost attempt was settled: what did not happen is not done any more, and
 * what did is taken back. */
static void test_wanted_again(void **state)
{
    struct bed *b = *state;
    limits_off(b);
    people(b, 6, "support");
    bed_start(b);
    bed_sync(b);
    lose_answers(b, FAKE_PUT | FAKE_ACTIVE, 2);
    bed_group(b, "support", "u0", "u1", "u2", "u3", NULL);
    bed_sync(b);
    bed_advance(b, HOUR + USEC_PER_SEC); /* both were tried, and nothing is known */
    six(b);
    bed_sync(b);
    bed_advance(b, 5 * HOUR);
    for (size_t i = 0; i < 6; i++)
        assert_false(is_disabled(b, (char[]){'u', (char)('0' + i), 0}));
    assert_int_equal(link_count(b->state, LINK_ACTIVE), 6);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    is_idle(b);
}

/* While the audit cannot be written nothing leaves; then it goes on by itself. */
static void test_audit_cannot_be_written(void **state)
{
    struct bed *b = *state;
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    engine_audit_written(b->engine, false, "the disk is full");
    bed_person_uid(b, "new");
    bed_group(b, "support", "u0", "u1", "u2", "new", NULL);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_null(fake_tenant_find(b->tenant, "new"));
    engine_audit_written(b->engine, true, NULL);
    bed_run(b);
    assert_non_null(fake_tenant_find(b->tenant, "new"));
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 1);
    is_idle(b);
}

static void lose_one(struct bed *b, unsigned kinds, bool takes_effect)
{
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = kinds,
                                                    .times = 1,
                                                    .takes_effect = takes_effect,
                                                    .class = TENANT_UNCLEAR});
}

/* Another team takes the skills that the user had. */
static void take_skills(enum fake_kind kind, const struct fake_user *after, const char *login,
                        void *userdata)
{
    struct fake_tenant *t = userdata;
    struct fake_user *u = fake_tenant_find(t, login);
    (void)after;
    if (kind != FAKE_PUT || !text_equal(user_get(u->user, USER_TEAM), "Sales"))
        return;
    user_clear_skills(u->user);
    t->on_write = NULL;
}

/* The skills that stay wanted are given back within the move itself: nobody is without them until
 * the next evaluation, and the audit has one outcome of the move. */
static void test_move_that_takes_skills(void **state)
{
    struct bed *b = *state;
    limits_off(b);
    b->rules[1].skills.text = b->rules[0].skills.text;
    b->rules[1].roles.text = b->rules[0].roles.text;
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    size_t before = fake_tenant_find(b->tenant, "u0")->user->n_skills;
    assert_true(before);
    b->tenant->on_write = take_skills;
    b->tenant->write_data = b->tenant;
    bed_group(b, "sales", "u0", NULL);
    bed_group(b, "support", NULL);
    bed_sync(b);
    assert_null(b->tenant->on_write);
    const struct user *u = fake_tenant_find(b->tenant, "u0")->user;
    assert_string_equal(user_get(u, USER_TEAM), "Sales");
    assert_int_equal(u->n_skills, before);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PUT), 2);
    assert_int_equal(bed_audit(b, "intent", NULL, "u0"), 2); /* create, move */
    is_idle(b);
}

/* The move was done and its answer lost; then the team went. The user is read before anybody says
 * that it has to wait for the team. */
static void test_lost_and_no_team_since(void **state)
{
    struct bed *b = *state;
    limits_off(b);
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    lose_one(b, FAKE_PUT, true);
    bed_group(b, "sales", "u0", NULL);
    bed_group(b, "support", "u1", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, 0, REASON_UNCLEAR), 1);
    string_list_done(&b->tenant->teams);
    assert_int_equal(string_list_add(&b->tenant->teams, "Support"), 0);
    bed_restart(b); /* asks for the teams */
    bed_sync(b);
    bed_advance(b, MINUTE);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PUT), 1);
    assert_int_equal(bed_audit(b, "outcome", "done", "u0"), 3); /* create, team, role */
    is_idle(b);
}

/* Likewise a role, which another's refusal told of; and one that was not done waits then. */
static void test_lost_and_no_role_since(void **state)
{
    struct bed *b = *state;
    limits_off(b);
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    lose_one(b, FAKE_PATCH, true);
    lose_one(b, FAKE_PATCH, false);
    bed_group(b, "sales", "u0", "u1", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, 0, REASON_UNCLEAR), 2);
    assert_int_equal(string_list_add(&b->tenant->roles, "Agent"), 0);
    bed_person_uid(b, "new");
    bed_group(b, "sales", "u0", "u1", "new", NULL);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_ROLE_MISSING), 1);
    bed_advance(b, MINUTE);
    assert_int_equal(bed_queue(b, 0, REASON_UNCLEAR), 0);
    assert_int_equal(bed_queue(b, 0, NULL), 2);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_ROLE_MISSING), 2);
    assert_int_equal(bed_audit(b, "outcome", "not-done", NULL), 1);
}

static void call_u0(struct bed *b, const char *name)
{
    bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "u0", "givenName", name,
               "sn", "u0", "mail", "u0@example.com", NULL);
    bed_sync(b);
}

/* Answers are lost, and then the tenant is away altogether: the audit says of nobody that nothing
 * was done before that is known, also when it is asked for again after a restart. */
static void test_lost_and_away(void **state)
{
    struct bed *b = *state;
    limits_off(b);
    bed_start(b);
    bed_sync(b);
    lose_answers(b, FAKE_CREATE, 4);
    fake_tenant_fail(b->tenant,
                     (struct fake_fault){.kinds = FAKE_ALL, .times = -1, .class = TENANT_AWAY});
    people(b, 4, "support");
    bed_sync(b);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 2);
    assert_int_equal(bed_queue(b, 0, REASON_UNCLEAR), 4);
    assert_true(bed_audit(b, "outcome", REASON_UNCLEAR, NULL) >= 4);
    assert_int_equal(bed_audit(b, "outcome", REASON_TENANT_AWAY, NULL), 0);
    fake_tenant_heal(b->tenant);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 4);
    assert_int_equal(bed_audit(b, "outcome", "done", NULL), 4);
    is_idle(b);
}

/* Somebody renamed the user at the tenant before the lost attempt was settled: it is planned anew,
 * and what may have been done counts. */
static void test_lost_and_renamed(void **state)
{
    struct bed *b = *state;
    limits_off(b);
    b->sync.budgets[BUDGET_UPDATE] = (struct budget){.floor = 1};
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    call_u0(b, "Once"); /* learns the id */
    bed_advance(b, 2 * DAY);
    fake_tenant_forget_calls(b->tenant);
    lose_one(b, FAKE_PATCH, true);
    call_u0(b, "Twice");
    assert_int_equal(bed_queue(b, 0, REASON_UNCLEAR), 1);
    struct fake_user *u = fake_tenant_find(b->tenant, "u0");
    free(u->login);
    free(u->key);
    u->login = strdup("elsewhere");
    u->key = strdup("elsewhere");
    assert_int_equal(user_set(u->user, USER_LOGIN, "elsewhere", NULL), 0);
    call_u0(b, "Thrice");
    bed_advance(b, MINUTE);
    assert_int_equal(bed_audit(b, "outcome", "renamed", NULL), 1);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 1);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 1);
}

static const char *const shown[] = {"+34600999999", "+34600123456", "+34 600 123 456", ""};

static void show_number(enum fake_kind kind, const struct fake_user *after, const char *login,
                        void *userdata)
{
    struct bed *b = userdata;
    if (after && kind == FAKE_CREATE)
        (void)user_set(fake_tenant_find(b->tenant, login)->user, USER_WORK_PHONE,
                       shown[login[1] - '0'], NULL);
}

/* The answer to a create is lost, and until it is settled somebody there gives the person another
 * number, or the tenant shows the one that was sent in its own form. */
static void test_lost_and_another_phone(void **state)
{
    struct bed *b = *state;
    b->tenant->on_write = show_number;
    b->tenant->write_data = b;
    limits_off(b);
    people(b, ARRAY_SIZE(shown), "support");
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
        char id[16], dn[64], uid[8], mail[32];
        snprintf(mail, sizeof(mail), "u%zu@example.com", i);
        snprintf(uid, sizeof(uid), "u%zu", i);
        snprintf(id, sizeof(id), "id-%s", uid);
        snprintf(dn, sizeof(dn), "uid=%s,ou=people,dc=example,dc=com", uid);
        bed_person(b, id, dn, "uid", uid, "givenName", "First", "sn", "Last", "mail",
                   mail, "telephoneNumber", "+34 600 123 456", NULL);
    }
    bed_start(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                    .times = (int)ARRAY_SIZE(shown),
                                                    .takes_effect = true,
                                                    .class = TENANT_UNCLEAR});
    bed_sync(b);
    bed_advance(b, DAY);
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
        struct fake_user *u = fake_tenant_find(b->tenant, (char[]){'u', (char)('0' + i), 0});
        assert_string_equal(user_get(u->user, USER_WORK_PHONE), i == 1 ? shown[i] : "+34 600 123 456");
    }
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 2);
    is_idle(b);
}

/* What waits for the tenant to be otherwise is looked at again and again, and leaves one line when
 * it begins to wait and some when it ends: a shift, a login that is somebody else's, a user that
 * is gone, a team that is not there. */
static void test_waiting_is_quiet(void **state)
{
    struct bed *b = *state;
    limits_off(b);
    b->sync.leave_grace_usec = 0;
    people(b, 3, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_find(b->tenant, "u0")->logged_in = true;
    fake_tenant_remove(b->tenant, "u1");
    fake_tenant_add(b->tenant, "taken", "Some", "Body", "else@example.com", "Support");
    bed_restart(b); /* lists the users again */
    bed_group(b, "support", "u2", "taken", NULL);
    bed_group(b, "sales", "u1", "new", NULL);
    bed_person_uid(b, "taken");
    bed_person_uid(b, "new");
    string_list_done(&b->tenant->teams);
    assert_int_equal(string_list_add(&b->tenant->teams, "Support"), 0);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(bed_queue(b, 0, REASON_ON_SHIFT), 1);
    assert_int_equal(bed_queue(b, 0, REASON_CONFLICT), 1);
    assert_true(bed_queue(b, 0, REASON_TEAM_MISSING) > 0);
    size_t lines = bed_audit(b, NULL, NULL, NULL), calls = fake_tenant_calls(b->tenant, FAKE_GET);
    bed_advance(b, 3 * HOUR);
    assert_true(fake_tenant_calls(b->tenant, FAKE_GET) - calls > 180);
    assert_int_equal(bed_audit(b, NULL, NULL, NULL), lines);
    assert_int_equal(bed_audit(b, "outcome", REASON_ON_SHIFT, "u0"), 1);
    fake_tenant_find(b->tenant, "u0")->logged_in = false;
    bed_advance(b, 2 * MINUTE);
    assert_true(is_disabled(b, "u0"));
    assert_int_equal(bed_audit(b, "release", REASON_ON_SHIFT, "u0"), 1);
    assert_int_equal(bed_audit(b, NULL, NULL, NULL), lines + 6);
    /* also a run's two, intent, outcome, the alarm's end */
}

/* Whoever is disabled by somebody while rosterd waits for a log-out is not enabled by it later:
 * it has looked often, and written nothing. */
static void test_disabled_by_others_on_shift(void **state)
{
    struct bed *b = *state;
    limits_off(b);
    b->sync.leave_grace_usec = 0;
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    fake_tenant_find(b->tenant, "u0")->logged_in = true;
    bed_group(b, "support", "u1", NULL);
    bed_sync(b);
    bed_advance(b, 10 * MINUTE);
    assert_int_equal(bed_queue(b, 0, REASON_ON_SHIFT), 1);
    fake_tenant_find(b->tenant, "u0")->user->disabled = true;
    bed_advance(b, 2 * MINUTE);
    is_idle(b);
    bed_group(b, "support", "u0", "u1", NULL);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_true(is_disabled(b, "u0"));
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_WRITES), 0);
}

/* What one commit released leaves in the order in which it fell due. */
static void test_oldest_first(void **state)
{
    struct bed *b = *state;
    char text[4000] = "";
    b->tenant->on_write = note_write;
    b->tenant->write_data = text;
    people(b, 6, "support");
    bed_start(b);
    bed_sync(b);
    assert_string_equal(text, "u0 u1 u2 u3 u4 u5 ");
}

/* Who was being made when rosterd ended may have the seat: nobody is told that there is one. */
static bool arrives(void *userdata)
{
    (void)userdata;
    return true;
}

static void test_seats_after_a_crash(void **state)
{
    struct bed *b = *state;
    b->sync.max_users = 1;
    b->tenant->cancelled_takes_effect = arrives;
    people(b, 2, "support");
    bed_start(b);
    bed_run(b);
    b->tenant->hold = true;
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 1);
    bed_crash(b);
    fake_tenant_release(b->tenant);
    bed_sync(b);
    assert_int_equal(bed_audit(b, "release", REASON_SEATS, NULL), 0);
    assert_int_equal(b->tenant->n_users, 1);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_lost_disables_and_enables),
        scenario(test_lost_deletes),
        scenario(test_gone_at_disable),
        scenario(test_wanted_again),
        scenario(test_move_that_takes_skills),
        scenario(test_lost_and_no_team_since),
        scenario(test_lost_and_no_role_since),
        scenario(test_lost_and_away),
        scenario(test_lost_and_renamed),
        scenario(test_lost_and_another_phone),
        scenario(test_waiting_is_quiet),
        scenario(test_disabled_by_others_on_shift),
        scenario(test_seats_after_a_crash),
        scenario(test_oldest_first),
        scenario(test_audit_cannot_be_written),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
