/*
 * Another kind of tenant: its roles are groups, whose members are changed one a request; it has
 * versions, and whoever is removed stays there, disabled.
 */
#include "config.h"

#include "engine-test.h"

static int prepare(void **state)
{
    int r = setup(state);
    struct bed *b = *state;
    b->tenant->parts = &fake_groups;
    for (size_t i = 0; i < BUDGET_N_KINDS; i++)
        b->sync.budgets[i] = (struct budget){.unlimited = true};
    return r;
}

static int prepare_one(void **state)
{
    int r = prepare(state);
    ((struct bed *)*state)->tenant->parts = &fake_one_part;
    return r;
}

static bool has_role(struct bed *b, const char *login, const char *role)
{
    return user_role(fake_tenant_find(b->tenant, login)->user, role);
}

static int is_for_nobody(const struct operation *o, void *userdata)
{
    (void)userdata;
    assert_string_equal(o->cause, "role:Nobody");
    return 0;
}

/* A role that the tenant does not have keeps no other one back, waits under its own name, and
 * is all that is sent when it is there. */
static void test_each_value_has_its_outcome(void **state)
{
    struct bed *b = *state;
    b->rules[0].roles.text = (char *)"Agent, Nobody, Seller";
    assert_int_equal(string_list_add(&b->tenant->roles, "Agent"), 0);
    assert_int_equal(string_list_add(&b->tenant->roles, "Seller"), 0);
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    assert_true(has_role(b, "u0", "Agent") && has_role(b, "u0", "Seller"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_ROLE_MISSING), 1);
    struct error e = {0};
    bed_ok(b, queue_each(b->state, OPERATION_HELD, is_for_nobody, NULL, &e));
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, 2 * HOUR); /* asked again, and only for that one */
    assert_true(fake_tenant_calls(b->tenant, FAKE_PATCH) > 0);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 0);

    assert_int_equal(string_list_add(&b->tenant->roles, "Nobody"), 0);
    bed_advance(b, 2 * HOUR);
    assert_true(has_role(b, "u0", "Nobody"));
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 1);
    is_idle(b);
    b->rules[0].roles.text =
        (char *)"Nobody"; /* what was given in part is taken back as well */
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_sync(b);
    assert_false(has_role(b, "u0", "Agent") || has_role(b, "u0", "Seller"));
    is_idle(b);
}

/* What was done before the tenant went away is known, and not sent again: of a change, and of a
 * create, which is done without what it could not give. */
static void test_values_and_an_outage(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    struct fake_fault outage = {
        .kinds = FAKE_PATCH, .skips = 2, .times = 1, .class = TENANT_UNCLEAR};
    b->rules[0].roles.text = (char *)"A, B, C, D";
    people(b, 1, "support");
    bed_start(b);
    fake_tenant_fail(b->tenant, outage);
    bed_sync(b);
    assert_int_equal(bed_audit(b, "outcome", "done", "u0"), 2);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 4);
    is_idle(b);

    b->rules[0].roles.text = (char *)"E, F, G, H";
    fake_tenant_forget_calls(b->tenant);
    outage.skips = 7; /* what goes, goes first */
    fake_tenant_fail(b->tenant, outage);
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 7);
    b->rules[0].roles.text =
        (char *)"H"; /* what was given meanwhile is known, and taken back */
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_advance(b, 2 * HOUR);
    assert_true(has_role(b, "u0", "H"));
    assert_false(has_role(b, "u0", "E") || has_role(b, "u0", "G"));
    assert_false(has_role(b, "u0", "A") || has_role(b, "u0", "D"));
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_PATCH), 11);
    is_idle(b);
}

struct set {
    const char *login, *role;
    bool named, found;
};

static void look_at_outcome(const json_t *row, void *userdata)
{
    struct set *s = userdata;
    const json_t *person = json_object_get(row, "person");
    const char *event = json_string_value(json_object_get(row, "event")),
               *operation = json_string_value(json_object_get(row, "operation")),
               *login = json_string_value(json_object_get(person, "login"));
    json_t *change;
    size_t i;
    if (!text_equal(event, "outcome") || !text_equal(operation, "create") ||
        !text_equal(login, s->login))
        return;
    s->found = json_object_get(json_object_get(row, "details"), "found");
    s->named = false;
    json_array_foreach(json_object_get(row, "changes"), i, change) s->named =
        s->named || text_equal(json_string_value(json_object_get(change, "field")), s->role);
}

/* What the last outcome of a create says of that login. */
static struct set outcome_of(struct bed *b, const char *login, const char *role)
{
    struct set s = {.login = login, .role = role};
    bed_each_audit(b, look_at_outcome, &s);
    return s;
}

/* Before the first look at the user. */
static void take_away(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    struct fake_tenant *t = userdata;
    struct fake_user *u = fake_tenant_find(t, "u0");
    (void)ret;
    if (kind != FAKE_GET || !u)
        return;
    user_remove_role(u->user, "Agent");
    t->chaos = NULL;
}

/* A create got no answer, and reading settles it: its outcome sets what was made, whoever took
 * the rest away, or where it was never given. */
static void test_settled_by_reading(void **state)
{
    struct bed *b = *state;
    struct fake_fault lost = {
        .kinds = FAKE_CREATE, .times = 1, .class = TENANT_UNCLEAR, .takes_effect = true};
    bool by_value = b->tenant->parts->created_later;
    people(b, 1, "support");
    bed_start(b);
    fake_tenant_fail(b->tenant, lost);
    b->tenant->chaos = by_value ? NULL : take_away;
    b->tenant->chaos_data = b->tenant;
    bed_sync(b);
    bed_advance(b, HOUR);
    struct set s = outcome_of(b, "u0", "role:Agent");
    assert_true(s.found);
    assert_false(s.named);
    assert_true(outcome_of(b, "u0", "team").named);
    assert_true(has_role(b, "u0", "Agent")); /* given since, by a change */
    is_idle(b);
}

static bool death_is_due;
static unsigned writes_until_death;

static void die_at_write(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    (void)userdata;
    if (kind != FAKE_PATCH || !writes_until_death || --writes_until_death)
        return;
    death_is_due = true; /* it arrived, and nobody hears of it */
    ret->class = TENANT_UNCLEAR;
    ret->takes_effect = true;
}

static bool dies_there(void *userdata)
{
    struct bed *b = userdata;
    bool due = death_is_due;
    death_is_due = false;
    if (due) /* and is configured otherwise when it starts again */
        b->rules[0].roles.text = (char *)"Agent, G";
    return due;
}

/* Dead amid values that are written one by one: what was given by then is known afterwards, so
 * that it is taken back when it is wanted no more. */
static void test_death_amid_values(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    b->dies = dies_there;
    b->dies_data = b;
    b->tenant->chaos = die_at_write;
    writes_until_death = 2;
    b->rules[0].roles.text = (char *)"Agent, E, F, G";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(writes_until_death, 0);
    assert_true(has_role(b, "u0", "G"));
    assert_false(has_role(b, "u0", "E") || has_role(b, "u0", "F"));
    is_idle(b);
}

/* The roles that a create could not take count as the create's: under its budget and approval.
 */
static void test_a_create_is_completed(void **state)
{
    struct bed *b = *state;
    for (size_t i = 0; i < BUDGET_N_KINDS; i++)
        b->sync.budgets[i] = (struct budget){.unlimited = i == BUDGET_CREATE};
    people(b, 30, "support");
    bed_start(b);
    bed_sync(b);
    for (size_t i = 0; i < b->tenant->n_users; i++)
        assert_non_null(user_role(b->tenant->users[i].user, "Agent"));
    assert_int_equal(b->tenant->n_users, 30);
    assert_int_equal(bed_audit(b, "outcome", "done", NULL), 30);
    is_idle(b);
}

static void rename_entry(struct bed *b, const char *name)
{
    bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "u0", "givenName", name,
               "sn", "u0", "mail", "u0@example.com", NULL);
    bed_tell(b, "id-u0");
    bed_run(b);
}

/* A lost race is read and decided anew; one that is lost for ever waits, as for an outage. */
static void test_lost_races(void **state)
{
    struct bed *b = *state;
    struct fake_fault race = {
        .kinds = FAKE_PATCH, .times = 1, .class = TENANT_LOST_RACE, .status = 412};
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_forget_calls(b->tenant);
    fake_tenant_fail(b->tenant, race);
    rename_entry(b, "Once");
    assert_string_equal(user_get(fake_tenant_find(b->tenant, "u0")->user, USER_FIRST_NAME),
                        "Once");
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PATCH), 2);
    is_idle(b);

    race.times = -1;
    fake_tenant_fail(b->tenant, race);
    fake_tenant_forget_calls(b->tenant);
    rename_entry(b, "Never");
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_PATCH), 4);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_TENANT_AWAY), 1);
    fake_tenant_heal(b->tenant);
    bed_advance(b, HOUR);
    is_idle(b);
}

/* Somebody gives a skill between our reading and our writing. */
static void meddle(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    struct fake_user *u = fake_tenant_find(userdata, "u0");
    (void)ret;
    if (kind == FAKE_PATCH && u && !user_skill(u->user, "Chess"))
        assert_int_equal(user_add_skill(u->user, "Chess", 80, NULL), 0);
}

/* What can only be written whole loses nothing of that, since the tenant knows versions. */
static void test_versions_guard_what_is_whole(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->tenant->parts = &fake_one_part;
    b->tenant->has_versions = true;
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    b->tenant->chaos = meddle;
    b->tenant->chaos_data = b->tenant;
    b->rules[0].skills.text = (char *)"English:40";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_sync(b);
    const struct user *u = fake_tenant_find(b->tenant, "u0")->user;
    assert_int_equal(user_skill(u, "English")->level, 40);
    assert_non_null(user_skill(u, "Chess"));
    is_idle(b);
}

/* Somebody disables the user between our reading and our writing. */
static void disable(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    struct fake_user *u = fake_tenant_find(userdata, "u0");
    (void)ret;
    if (kind & (FAKE_PATCH | FAKE_ACTIVE) && u)
        u->user->disabled = true;
}

/* A race that is lost to who disables the user: that is not our doing, and stays so. */
static void test_disabled_by_who_was_faster(void **state)
{
    struct bed *b = *state;
    b->tenant->parts = &fake_one_part;
    b->tenant->has_versions = true;
    b->sync.leave_grace_usec = DAY;
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    b->tenant->chaos = disable;
    b->tenant->chaos_data = b->tenant;
    bed_leave(b, "id-u0");
    bed_leave(b, "id-u1");
    bed_read_all(b);
    bed_run(b);
    bed_advance(b, 2 * DAY);
    assert_true(is_disabled(b, "u0") && is_disabled(b, "u1"));
    b->tenant->chaos = NULL;
    bed_person_uid(b, "u0");
    bed_person_uid(b, "u1");
    bed_sync(b);
    bed_approve(b);
    bed_advance(b, 2 * HOUR);
    assert_true(is_disabled(b, "u0"));
    assert_false(is_disabled(b, "u1"));
}

/* The same, and nothing is answered any more behind the lost race. */
static void disable_and_hold(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    struct fake_tenant *t = userdata;
    disable(kind, ret, t);
    t->hold |= (kind & (FAKE_PATCH | FAKE_ACTIVE)) != 0;
}

/* … also when rosterd dies before it has read who was faster. */
static void test_disabled_by_who_was_faster_and_death(void **state)
{
    struct bed *b = *state;
    b->tenant->parts = &fake_one_part;
    b->tenant->has_versions = true;
    b->sync.leave_grace_usec = DAY;
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    b->tenant->chaos = disable_and_hold;
    b->tenant->chaos_data = b->tenant;
    bed_leave(b, "id-u0");
    bed_read_all(b);
    bed_run(b);
    bed_advance(b, 2 * DAY);
    assert_true(is_disabled(b, "u0") && b->tenant->hold);
    b->tenant->chaos = NULL;
    b->tenant->hold = false;
    bed_crash(b);
    bed_sync(b);
    bed_advance(b, DAY);
    bed_person_uid(b, "u0");
    bed_sync(b);
    bed_approve(b);
    bed_advance(b, 2 * HOUR);
    assert_true(is_disabled(b, "u0"));
}

/* Somebody with that mail and unknown roles may have a privileged one. */
static void test_hidden_roles_need_approval(void **state)
{
    struct bed *b = *state;
    b->tenant->parts = &fake_hidden_groups;
    b->sync.verify_interval_usec = HOUR;
    b->sync.on_drift = DRIFT_REPAIR;
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_add(b->tenant, "u2", "First", "u2", "u2@example.com", "Support");
    people(b, 3, "support");
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_ADOPTION), 1);
    assert_int_equal(bed_approve(b), 1);
    bed_run(b);
    assert_true(has_role(b, "u2", "Agent"));
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, 3 * HOUR); /* not shown is not gone */
    assert_true(fake_tenant_calls(b->tenant, FAKE_GET) >= 3);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    assert_int_equal(bed_audit(b, "drift", NULL, NULL), 0);
    is_idle(b);
}

/* Deleted, which only disables: whoever returns has the login still, and is enabled. Another
 * entry of that login takes the user over as it is. */
static void test_removed_and_kept(void **state)
{
    struct bed *b = *state;
    b->tenant->deactivates = true;
    b->sync.leave_grace_usec = 0;
    b->sync.delete_after_usec = DAY;
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    bed_leave(b, "id-u0");
    bed_leave(b, "id-u1");
    bed_read_all(b);
    bed_run(b);
    bed_advance(b, 3 * DAY);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_DELETE), 2);
    assert_true(is_disabled(b, "u0"));
    bed_person_uid(b, "u0");
    bed_person(b, "id-anew", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "givenName",
               "First", "sn", "u1", "mail", "u1@example.com", NULL);
    bed_sync(b);
    bed_approve(b);
    bed_run(b);
    assert_false(is_disabled(b, "u0"));
    assert_true(is_disabled(b, "u1"));
    assert_int_equal(b->tenant->n_users, 2);
    is_idle(b);
}

/* A list of pages proves no absence: whoever vanished may be there under another login. */
static void test_pages_prove_no_absence(void **state)
{
    struct bed *b = *state;
    b->sync.on_drift = DRIFT_REPAIR;
    b->tenant->no_scim = true; /* no id is ever learnt */
    b->tenant->parts = &fake_one_part;
    b->sync.verify_interval_usec = HOUR;
    people(b, 2, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_remove(b->tenant, "u1");
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, 3 * HOUR);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 0);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_USER_GONE), 1);
}

/* What is not offered is the part that the change needs, and waits with all others for that. */
static void test_part_not_offered(void **state)
{
    struct bed *b = *state;
    struct operation_list list = {0};
    struct error e = {0};
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_PATCH,
                                                    .times = -1,
                                                    .class = TENANT_UNSUPPORTED,
                                                    .status = 501});
    bed_group(b, "sales", "u0", NULL);
    bed_sync(b);
    bed_ok(b, queue_of_person(b->state, "id-u0", &list, &e));
    assert_int_equal(list.n_items, 1);
    assert_string_equal(list.items[0]->reason, REASON_PART_NOT_OFFERED);
    assert_string_equal(list.items[0]->cause, "groups");
    assert_non_null(strstr(list.items[0]->sentence, "roles change through groups"));
    operation_list_done(&list);
}

#define on_groups(fn) cmocka_unit_test_setup_teardown(fn, prepare, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        on_groups(test_each_value_has_its_outcome),
        on_groups(test_values_and_an_outage),
        on_groups(test_part_not_offered),
        on_groups(test_a_create_is_completed),
        on_groups(test_settled_by_reading),
        cmocka_unit_test_setup_teardown(test_settled_by_reading, prepare_one, teardown),
        on_groups(test_death_amid_values),
        on_groups(test_versions_guard_what_is_whole),
        on_groups(test_disabled_by_who_was_faster),
        on_groups(test_disabled_by_who_was_faster_and_death),
        on_groups(test_lost_races),
        on_groups(test_hidden_roles_need_approval),
        on_groups(test_removed_and_kept),
        on_groups(test_pages_prove_no_absence),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
