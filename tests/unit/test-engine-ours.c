/*
 * A tenant that keeps the id which we give a new user: whose user it is that an earlier attempt may
 * have made, that id alone tells, whatever somebody did there between the lost answer and our
 * reading.
 */
#include "config.h"

#include "engine-test.h"

static int prepare(void **state)
{
    int r = setup(state);
    struct bed *b = *state;
    b->tenant->parts = &fake_groups;
    b->sync.on_drift = DRIFT_REPAIR;
    for (size_t i = 0; i < BUDGET_N_KINDS; i++)
        b->sync.budgets[i] = (struct budget){.unlimited = true};
    return r;
}

/* No read shows the roles, and whether ids of ours are kept nobody knows. */
static int prepare_hidden(void **state)
{
    int r = prepare(state);
    ((struct bed *)*state)->tenant->parts = &fake_hidden_groups;
    return r;
}

/* The answer to the create of u0 is lost, and it cannot be read before the next attempt. */
static void lose_next_create(struct bed *b, bool takes_effect)
{
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                    .login = "u0",
                                                    .times = 1,
                                                    .class = TENANT_UNCLEAR,
                                                    .takes_effect = takes_effect});
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_GET,
                                                    .times = 1,
                                                    .class = TENANT_UNCLEAR});
}

static void lose_create(struct bed *b, bool takes_effect)
{
    lose_next_create(b, takes_effect);
    bed_start(b);
    bed_sync(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_UNCLEAR), 1);
    fake_tenant_heal(b->tenant);
}

static struct link link_of(struct bed *b, const char *id)
{
    struct link l = {0};
    struct error e = {0};
    assert_int_equal(link_load(b->state, id, &l, &e), 0);
    return l;
}

static void expect_origin(struct bed *b, const char *id, const char *login, const char *origin)
{
    struct link l = link_of(b, id);
    assert_string_equal(l.login, login);
    assert_string_equal(l.origin, origin);
    link_done(&l);
}

/* What the only operation of the person waits for. */
static void expect_cause(struct bed *b, const char *id, const char *cause)
{
    struct operation_list list = {0};
    struct error e = {0};
    bed_ok(b, queue_of_person(b->state, id, &list, &e));
    assert_int_equal(list.n_items, 1);
    assert_string_equal(list.items[0]->cause, cause);
    operation_list_done(&list);
}

static bool has_roles(struct bed *b, const char *login)
{
    const struct fake_user *u = fake_tenant_find(b->tenant, login);
    return u && user_role(u->user, "Agent");
}

/* Somebody renames the new user before it is read: it is found, is nobody else's, and gets its
 * login back. Also when rosterd died meanwhile. */
static void renamed(struct bed *b, bool dies)
{
    people(b, 1, "support");
    lose_create(b, true);
    fake_tenant_rename(fake_tenant_find(b->tenant, "u0"), "other");
    if (dies) {
        bed_crash(b);
        bed_sync(b);
    }
    bed_advance(b, 2 * HOUR);
    assert_int_equal(b->tenant->n_users, 1);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 1);
    assert_true(has_roles(b, "u0"));
    expect_origin(b, "id-u0", "u0", "create");
    assert_int_equal(bed_audit(b, "drift", NULL, NULL), 1);
    is_idle(b);
}

static void test_renamed_between(void **state)
{
    renamed(*state, false);
}

static void test_renamed_between_and_death(void **state)
{
    renamed(*state, true);
}

/* … and somebody else's user has the login by now: that one stays as it is, and ours waits for the
 * login, known under the other one. */
static void test_renamed_and_the_login_taken(void **state)
{
    struct bed *b = *state;
    people(b, 1, "support");
    lose_create(b, true);
    fake_tenant_rename(fake_tenant_find(b->tenant, "u0"), "other");
    fake_tenant_add(b->tenant, "u0", "Another", "Person", "ap@example.com", "Sales");
    bed_advance(b, 2 * HOUR);
    assert_int_equal(b->tenant->n_users, 2);
    assert_true(has_roles(b, "other"));
    assert_false(has_roles(b, "u0"));
    expect_origin(b, "id-u0", "other", "create");
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_CONFLICT), 1);
    expect_cause(b, "id-u0", "login:u0");
    bed_advance(b,
                DAY); /* it is refused again and again, and the login that is taken is named */
    expect_cause(b, "id-u0", "login:u0");

    fake_tenant_remove(b->tenant, "u0");
    bed_advance(b, 3 * HOUR);
    assert_int_equal(b->tenant->n_users, 1);
    expect_origin(b, "id-u0", "u0", "create");
    is_idle(b);
}

/* The new user was given the login of another person's: unclear until one of them has another. */
static void test_renamed_to_somebody_elses_login(void **state)
{
    struct bed *b = *state;
    people(b, 2, "support");
    lose_create(b, true);
    struct fake_user *theirs = fake_tenant_find(b->tenant, "u1");
    assert_non_null(theirs);
    fake_tenant_rename(theirs, "third");
    fake_tenant_rename(fake_tenant_find(b->tenant, "u0"), "u1");
    bed_advance(b, HOUR / 2);
    assert_int_equal(b->tenant->n_users, 2);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 2);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_UNCLEAR), 1);
    fake_tenant_rename(fake_tenant_find(b->tenant, "u1"), "u0");
    fake_tenant_rename(fake_tenant_find(b->tenant, "third"), "u1");
    bed_advance(b, 8 * HOUR);
    assert_int_equal(b->tenant->n_users, 2);
    assert_true(has_roles(b, "u0") && has_roles(b, "u1"));
    expect_origin(b, "id-u0", "u0", "create");
    is_idle(b);
}

/* The create was never done, and somebody else made just such a user: that is no doing of ours, but
 * a user that is there. Where no id tells, it counts as made by us. */
static void made_by_another(struct bed *b, const char *origin)
{
    people(b, 1, "support");
    lose_create(b, false);
    fake_tenant_add(b->tenant, "u0", "First u0", "u0", "u0@example.com", "Support");
    bed_advance(b, 2 * HOUR);
    bed_approve(b);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 1);
    assert_true(has_roles(b, "u0"));
    expect_origin(b, "id-u0", "u0", origin);
    is_idle(b);
}

static void test_made_by_another(void **state)
{
    made_by_another(*state, "adopt");
}

static void test_made_by_who_knows(void **state)
{
    made_by_another(*state, "create");
}

/* A privileged role that somebody gave our own user meanwhile makes it nobody else's. */
static void test_promoted_between(void **state)
{
    struct bed *b = *state;
    char *privileged[] = {(char *)"Boss"};
    b->sync.privileged_roles = privileged;
    b->sync.n_privileged_roles = 1;
    people(b, 1, "support");
    lose_create(b, true);
    struct user *u = fake_tenant_find(b->tenant, "u0")->user;
    assert_int_equal(user_add_role(u, "Boss", NULL), 0);
    assert_int_equal(user_set(u, USER_EMAIL, "elsewhere@example.com", NULL), 0);
    bed_advance(b, 2 * HOUR);
    expect_origin(b, "id-u0", "u0", "create");
    assert_int_equal(b->tenant->n_users, 1);
    b->sync.n_privileged_roles = 0;
}

/* Who is not to be enabled stays disabled: our own user whom somebody disabled meanwhile, and
 * one whom somebody else made so. */
static void stays_disabled(struct bed *b, bool ours, const char *origin)
{
    people(b, 1, "support");
    lose_create(b, ours);
    if (!ours)
        fake_tenant_add(b->tenant, "u0", "First u0", "u0", "u0@example.com", "Support");
    fake_tenant_find(b->tenant, "u0")->user->disabled = true;
    bed_advance(b, 2 * HOUR);
    bed_approve(b);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 1);
    assert_true(is_disabled(b, "u0"));
    assert_true(has_roles(b, "u0"));
    expect_origin(b, "id-u0", "u0", origin);
    is_idle(b);
}

static void test_disabled_between(void **state)
{
    stays_disabled(*state, true, "create");
}

/* The login is all that tells: whoever is not as it was sent may be anybody's. */
static void test_disabled_between_unknown(void **state)
{
    struct bed *b = *state;
    b->tenant->loses_our_ids = true;
    stays_disabled(b, true, "adopt");
}

static void test_made_disabled_by_another(void **state)
{
    stays_disabled(*state, false, "adopt");
}

/* Another name, which somebody gave our own user meanwhile, is no form in which the tenant
 * shows ours. */
static void test_another_name_between(void **state)
{
    struct bed *b = *state;
    people(b, 1, "support");
    lose_create(b, true);
    struct user *u = fake_tenant_find(b->tenant, "u0")->user;
    assert_int_equal(user_set(u, USER_LAST_NAME, "Byhand", NULL), 0);
    bed_advance(b, 2 * HOUR);
    u = fake_tenant_find(b->tenant, "u0")->user;
    assert_string_equal(user_get(u, USER_LAST_NAME), "u0");
    is_idle(b);
}

/* A tenant that does not let us look for our id, and one that loses it: the login settles. */
static void looked_for_in_vain(struct bed *b)
{
    people(b, 1, "support");
    lose_create(b, true);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(b->tenant->n_users, 1);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 1);
    assert_true(has_roles(b, "u0"));
    expect_origin(b, "id-u0", "u0", "create");
    is_idle(b);
}

static void test_not_to_be_looked_for(void **state)
{
    struct bed *b = *state;
    b->tenant->shuns_our_ids = 400;
    looked_for_in_vain(b);
}

static void test_broken_look_up(void **state)
{
    struct bed *b = *state;
    b->tenant->shuns_our_ids = 500;
    looked_for_in_vain(b);
}

/* Nor was it done: it is made. */
static void test_broken_look_up_and_not_made(void **state)
{
    struct bed *b = *state;
    b->tenant->shuns_our_ids = 500;
    people(b, 1, "support");
    lose_create(b, false);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(b->tenant->n_users, 1);
    assert_true(has_roles(b, "u0"));
    expect_origin(b, "id-u0", "u0", "create");
    is_idle(b);
}

/* But an outage of the look-up that ends is waited for: the user has another login by now. */
static void test_broken_for_a_while(void **state)
{
    struct bed *b = *state;
    people(b, 1, "support");
    lose_create(b, true);
    b->tenant->shuns_our_ids = 500;
    fake_tenant_rename(fake_tenant_find(b->tenant, "u0"), "other");
    bed_advance(b, 2 * b->sync.retry_min_usec);
    b->tenant->shuns_our_ids = 0;
    bed_advance(b, 2 * HOUR);
    assert_int_equal(b->tenant->n_users, 1);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 1);
    expect_origin(b, "id-u0", "u0", "create");
    is_idle(b);
}

/* Attempts that failed otherwise are no looks: a tenant that throttled the create for long, and
 * then breaks, is asked for our id all the same. */
static void test_broken_after_throttling(void **state)
{
    struct bed *b = *state;
    people(b, 1, "support");
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                    .times = 8,
                                                    .class = TENANT_THROTTLED,
                                                    .status = 429});
    lose_next_create(b, true);
    bed_start(b);
    bed_sync(b);
    for (int i = 0; i < 120 && !bed_queue(b, OPERATION_HELD, REASON_UNCLEAR); i++)
        bed_advance(b, MINUTE);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 9);
    fake_tenant_heal(b->tenant);
    b->tenant->shuns_our_ids = 500;
    fake_tenant_rename(fake_tenant_find(b->tenant, "u0"), "other");
    bed_advance(b, 15 * MINUTE);
    b->tenant->shuns_our_ids = 0;
    bed_advance(b, 2 * HOUR);
    assert_int_equal(b->tenant->n_users, 1);
    expect_origin(b, "id-u0", "u0", "create");
    is_idle(b);
}

static void test_lost_ids(void **state)
{
    struct bed *b = *state;
    b->tenant->loses_our_ids = true;
    looked_for_in_vain(b);
}

/* Who was removed, which the tenant takes for disabling, and returns under another login gets a new
 * user, whose answer is lost: the old one has our id as well, and was not made by that attempt. */
static void returned(struct bed *b, bool takes_effect)
{
    b->tenant->deactivates = true;
    b->sync.leave_grace_usec = 0;
    b->sync.delete_after_usec = DAY;
    people(b, 1, "support");
    bed_start(b);
    bed_sync(b);
    bed_leave(b, "id-u0");
    bed_read_all(b);
    bed_run(b);
    bed_advance(b, 3 * DAY);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_DELETE), 1);
    bed_person(b, "id-u0", "uid=u0,ou=people,dc=example,dc=com", "uid", "third", "givenName",
               "Third", "sn", "Name", "mail", "third@example.com", NULL);
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE,
                                                    .times = 1,
                                                    .class = TENANT_UNCLEAR,
                                                    .takes_effect = takes_effect});
    bed_sync(b);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(b->tenant->n_users, 2);
    assert_true(is_disabled(b, "u0"));
    assert_false(is_disabled(b, "third"));
    assert_true(has_roles(b, "third"));
    expect_origin(b, "id-u0", "third", "create");
    is_idle(b);
}

static void test_returned_and_made(void **state)
{
    returned(*state, true);
}

static void test_returned_and_not_made(void **state)
{
    returned(*state, false);
}

/* Made by a newer state than the one that was restored, and renamed since, while the rules give
 * no user: found once they do, though the state is trusted by then. */
static void forgotten(struct bed *b, bool disabled)
{
    struct error e = {0};
    bed_start(b);
    bed_sync(b);
    bed_ok(b, engine_distrust_state(b->engine, &e));
    bed_person_uid(b, "u0");
    struct fake_user *u =
        fake_tenant_add(b->tenant, "before", "Of", "before", "before@example.com", "Support");
    u->our_id = strdup("id-u0");
    u->user->disabled = disabled;
    bed_sync(b);
    bed_advance(b, 2 * USEC_PER_SEC);
    assert_int_equal(bed_audit(b, "alarm-over", REASON_STATE_RESTORED, NULL), 1);
    bed_group(b, "support", "u0", NULL);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(b->tenant->n_users, 1);
    assert_int_equal(fake_tenant_find(b->tenant, "u0")->user->disabled, disabled);
    expect_origin(b, "id-u0", "u0", "create");
    is_idle(b);
}

static void test_forgotten_and_renamed(void **state)
{
    forgotten(*state, false);
}

/* … and whom somebody has disabled stays so. */
static void test_forgotten_and_disabled(void **state)
{
    forgotten(*state, true);
}

#define on_groups(fn) cmocka_unit_test_setup_teardown(fn, prepare, teardown)
#define on_hidden(fn) cmocka_unit_test_setup_teardown(fn, prepare_hidden, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        on_groups(test_renamed_between),
        on_hidden(test_renamed_between),
        on_groups(test_renamed_between_and_death),
        on_hidden(test_renamed_between_and_death),
        on_groups(test_renamed_and_the_login_taken),
        on_hidden(test_renamed_and_the_login_taken),
        on_groups(test_renamed_to_somebody_elses_login),
        on_groups(test_returned_and_made),
        on_hidden(test_returned_and_made),
        on_groups(test_returned_and_not_made),
        on_hidden(test_returned_and_not_made),
        on_groups(test_made_by_another),
        on_hidden(test_made_by_who_knows),
        on_groups(test_promoted_between),
        on_groups(test_disabled_between),
        on_hidden(test_disabled_between),
        on_hidden(test_disabled_between_unknown),
        on_groups(test_made_disabled_by_another),
        on_hidden(test_made_disabled_by_another),
        on_groups(test_another_name_between),
        on_hidden(test_another_name_between),
        on_groups(test_not_to_be_looked_for),
        on_hidden(test_not_to_be_looked_for),
        on_groups(test_broken_look_up),
        on_hidden(test_broken_look_up),
        on_groups(test_broken_look_up_and_not_made),
        on_groups(test_broken_for_a_while),
        on_groups(test_broken_after_throttling),
        on_hidden(test_lost_ids),
        on_groups(test_forgotten_and_renamed),
        on_hidden(test_forgotten_and_renamed),
        on_groups(test_forgotten_and_disabled),
        on_hidden(test_forgotten_and_disabled),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
