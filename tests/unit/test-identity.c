/*
 * Whose a login is: users whom somebody at the tenant deleted, renamed, or gave the login of
 * another one. Nobody else is written to, nobody gets a second user, and many who vanish at once
 * are a doubt.
 */
#include "config.h"

#include "base/log.h"
#include "engine-bed.h"
#include "state/link.h"
#include "state/queue.h"
#include "unit.h"

static int setup(void **state)
{
    *state = bed_new(false);
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    bed_check_ledgers(b);
    bed_free(b);
    return 0;
}

/* u0 to u(n-1) are users, and their ids are learnt when `learn`. */
static void begin(struct bed *b, size_t n, bool learn)
{
    char names[200][16];
    const char *uids[200];
    assert_true(n <= 200);
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        uids[i] = names[i];
        bed_person_uid(b, uids[i]);
    }
    bed_group_uids(b, "support", uids, n);
    b->sync.verify_interval_usec = learn ? HOUR : 0;
    bed_start(b);
    bed_sync(b);
    if (learn)
        bed_advance(b, 61 * MINUTE);
    assert_int_equal(b->tenant->n_users, n);
}

/* The user is deleted there, and its login given to somebody else. */
static struct fake_user *give_away(struct bed *b, const char *login)
{
    fake_tenant_remove(b->tenant, login);
    return fake_tenant_add(b->tenant, login, "Jana", "Dorn", "jana@example.net", "Sales");
}

static void leave_group(struct bed *b, const char *uid)
{
    char id[80];
    snprintf(id, sizeof id, "id-%s", uid);
    bed_leave(b, id);
    bed_tell(b, id);
    bed_run(b);
}

static bool is_disabled(struct bed *b, const char *login)
{
    return fake_tenant_find(b->tenant, login)->user->disabled;
}

static void revocable(struct bed *b)
{
    b->mapping.revoke_when = (struct mapping_text){
        .text = (char *)"(employeeType=Revoked)", .file = (char *)"test.conf", .line = 50};
}

static void revoke_uid(struct bed *b, const char *uid)
{
    char id[80], dn[160];
    snprintf(id, sizeof id, "id-%s", uid);
    snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
    bed_person(b, id, dn, "uid", uid, "givenName", "First", "sn", uid, "mail", "x@example.com",
               "employeeType", "Revoked", NULL);
    bed_tell(b, id);
    bed_run(b);
}

/* Disable, delete, enable and revoke: whatever concerns the account as a whole. */
static void test_login_given_away(void **state)
{
    struct bed *b = *state;
    revocable(b);
    b->sync.delete_after_usec = DAY;
    begin(b, 20, true);
    leave_group(b, "u1");
    leave_group(b, "u2");
    assert_true(is_disabled(b, "u1") && is_disabled(b, "u2"));
    static const char *const logins[] = {"u0", "u1", "u2", "u3"};
    for (size_t i = 0; i < ARRAY_SIZE(logins); i++)
        give_away(b, logins[i]);
    fake_tenant_find(b->tenant, "u2")->user->disabled = true;
    fake_tenant_forget_calls(b->tenant);
    leave_group(b, "u0");       /* to be disabled */
    bed_person_uid(b, "u2");    /* to be enabled */
    bed_tell(b, "id-u2");
    bed_run(b);
    revoke_uid(b, "u3");
    bed_advance(b, 25 * HOUR); /* u1: to be deleted */
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_WRITES), 0);
    assert_int_equal(b->tenant->n_users, 20);
    assert_false(is_disabled(b, "u0") || is_disabled(b, "u1") || is_disabled(b, "u3"));
    assert_true(is_disabled(b, "u2"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_CONFLICT), 4);
}

/* Somebody made the same person's user anew: another id, the same mail. */
static void test_made_anew(void **state)
{
    struct bed *b = *state;
    begin(b, 20, true);
    fake_tenant_remove(b->tenant, "u1");
    fake_tenant_add(b->tenant, "u1", "First", "New", "u1@example.com", "Sales");
    leave_group(b, "u1");
    assert_true(is_disabled(b, "u1"));
    assert_int_equal(bed_queue(b, 0, NULL), 0);
}

/* By the id, which is one request; a tenant that does not take that is asked by the login. */
static void test_revoked_by_id(void **state)
{
    struct bed *b = *state;
    revocable(b);
    begin(b, 20, true);
    fake_tenant_forget_calls(b->tenant);
    free(fake_tenant_find(b->tenant, "u1")->login);
    struct fake_user *u = fake_tenant_find(b->tenant, "u1");
    u->login = strdup("other");
    strcpy(u->key, "o1"); /* renamed there, and nobody has noticed yet */
    revoke_uid(b, "u1");
    assert_true(u->user->disabled);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_ALL), 1);
    b->tenant->ignores_active = true;
    revoke_uid(b, "u2");
    assert_true(is_disabled(b, "u2"));
    b->tenant->shuns_active = true;
    revoke_uid(b, "u3");
    assert_true(is_disabled(b, "u3"));
    b->tenant->no_scim = true;
    revoke_uid(b, "u4");
    assert_true(is_disabled(b, "u4"));
    give_away(b, "u5");
    revoke_uid(b, "u5"); /* no id can be asked for, and another mail tells */
    assert_false(is_disabled(b, "u5"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_CONFLICT), 1);
}

/* Before an id is known the mail and the name tell, where there is time to ask. */
static void test_given_away_before_the_id(void **state)
{
    struct bed *b = *state;
    begin(b, 20, false);
    give_away(b, "u1");
    leave_group(b, "u1");
    leave_group(b, "u2");
    assert_false(is_disabled(b, "u1"));
    assert_true(is_disabled(b, "u2"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_CONFLICT), 1);
}

/* A revocation does not ask, unless a stranger was found there by what it replaces. */
static void test_revoked_where_a_stranger_was_found(void **state)
{
    struct bed *b = *state;
    revocable(b);
    begin(b, 20, false);
    give_away(b, "u1");
    bed_person(b, "id-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "givenName", "Other",
               "sn", "u1", "mail", "u1@example.com", NULL);
    bed_tell(b, "id-u1");
    bed_run(b);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_CONFLICT), 1);
    fake_tenant_forget_calls(b->tenant);
    revoke_uid(b, "u1");
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, HOUR);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    fake_tenant_remove(b->tenant, "u1"); /* and the one of before is restored */
    fake_tenant_add(b->tenant, "u1", "First", "u1", "u1@example.com", "Support");
    bed_advance(b, HOUR);
    assert_true(is_disabled(b, "u1"));
}

struct seen {
    const char *cause;
    size_t n_rows, n_people;
};

static int see(const char *cause, const char *reason, const char *sentence,
               enum operation_state state, uint64_t since_usec, uint64_t next_usec, size_t n_people,
               void *userdata)
{
    struct seen *s = userdata;
    (void)reason, (void)sentence, (void)state, (void)since_usec, (void)next_usec;
    s->n_rows++;
    s->n_people += text_equal(cause, s->cause) ? n_people : 0;
    return 0;
}

/* So many wait, all of them for this one cause. */
static void is_one_cause(struct bed *b, const char *cause, size_t n_people)
{
    struct error e = {0};
    struct seen s = {.cause = cause};
    bed_ok(b, queue_holds(b->state, true, see, &s, &e));
    assert_int_equal(s.n_rows, n_people ? 1 : 0);
    assert_int_equal(s.n_people, n_people);
}

struct stands {
    const char *cause;
    bool yes;
};

static int alarm_stands(const struct alarm *a, void *userdata)
{
    struct stands *s = userdata;
    s->yes = s->yes || text_equal(a->cause, s->cause);
    return 0;
}

static bool has_alarm(struct bed *b, const char *cause)
{
    struct error e = {0};
    struct stands s = {.cause = cause};
    bed_ok(b, alarm_each(b->state, alarm_stands, &s, &e));
    return s.yes;
}

static void delete_many(struct bed *b, size_t from, size_t to)
{
    char login[16];
    for (size_t i = from; i < to; i++) {
        snprintf(login, sizeof login, "u%zu", i);
        fake_tenant_remove(b->tenant, login);
    }
}

/* drift = report: one cause for all of them, until they are back. */
static void test_many_vanish_reported(void **state)
{
    struct bed *b = *state;
    begin(b, 40, true);
    delete_many(b, 0, 30);
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, 61 * MINUTE);
    assert_int_equal(bed_audit(b, "drift", "report", NULL), 30);
    is_one_cause(b, "users:gone", 30);
    bed_advance(b, 30 * MINUTE);
    assert_true(has_alarm(b, "hold:users:gone"));
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    for (size_t i = 0; i < 30; i++) {
        char login[16], mail[40];
        snprintf(login, sizeof login, "u%zu", i);
        snprintf(mail, sizeof mail, "u%zu@example.com", i);
        fake_tenant_add(b->tenant, login, "First", login, mail, "Support");
    }
    bed_advance(b, 2 * HOUR);
    is_one_cause(b, "users:gone", 0);
    assert_false(has_alarm(b, "hold:users:gone"));
    bed_advance(b, 2 * HOUR);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 0);
}

/* drift = repair: as many as the budget allows are made anew, the others wait for approval. */
static void test_many_vanish_repaired(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    b->sync.on_drift = DRIFT_REPAIR;
    b->sync.budgets[BUDGET_REMAKE] = (struct budget){.percent = 5, .floor = 5};
    begin(b, 40, true);
    delete_many(b, 0, 30);
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 5);
    is_one_cause(b, "budget:remake", 25);
    assert_true(has_alarm(b, "budget:remake"));
    bed_advance(b, 3 * HOUR);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 5);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, 3 * HOUR);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 5);
    /* One whom somebody restores meanwhile is as if nothing had been. */
    CLEANUP(link_done) struct link l = {0};
    struct operation_list parked = {0};
    bed_ok(b, queue_of_person(b->state, "id-u9", &parked, &e));
    bool waits = parked.n_items == 1;
    operation_list_done(&parked);
    const char *restored = waits ? "u9" : "u29";
    fake_tenant_add(b->tenant, restored, "First", restored, waits ? "u9@example.com" : "u29@example.com",
                    "Support");
    bed_advance(b, 2 * HOUR);
    is_one_cause(b, "budget:remake", 24);
    assert_int_equal(bed_approve(b), 24);
    bed_run(b);
    assert_int_equal(b->tenant->n_users, 40);
    is_one_cause(b, "budget:remake", 0);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(fake_tenant_effects(b->tenant, FAKE_CREATE), 29);
    assert_false(has_alarm(b, "budget:remake"));
}

static void rename_there(struct bed *b, const char *from, const char *to)
{
    struct fake_user *u = fake_tenant_find(b->tenant, from);
    free(u->login);
    free(u->key);
    u->login = strdup(to);
    u->key = strdup(to);
    assert_int_equal(user_set(u->user, USER_LOGIN, to, NULL), 0);
}

/* Renamed there before its id was learnt: found by its mail, and renamed back. */
static void test_renamed_before_the_id(void **state)
{
    struct bed *b = *state;
    b->sync.on_drift = DRIFT_REPAIR;
    begin(b, 10, false);
    fake_tenant_add(b->tenant, "hand", "Made", "Byhand", "hand@example.com", "Sales");
    b->sync.verify_interval_usec = HOUR;
    rename_there(b, "u3", "married");
    fake_tenant_forget_calls(b->tenant);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, 2 * HOUR);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 0);
    assert_int_equal(b->tenant->n_users, 11);
    assert_non_null(fake_tenant_find(b->tenant, "u3"));
    assert_null(fake_tenant_find(b->tenant, "married"));
    assert_int_equal(bed_queue(b, 0, NULL), 0);
}

/* With another mail as well, the name raises the doubt, and without that, that somebody is there
 * whom nobody made: nobody gets a second user. */
static void test_renamed_with_another_mail(void **state)
{
    struct bed *b = *state;
    b->sync.on_drift = DRIFT_REPAIR;
    begin(b, 10, false);
    b->sync.verify_interval_usec = HOUR;
    rename_there(b, "u3", "married");
    rename_there(b, "u1", "moved");
    struct fake_user *u = fake_tenant_find(b->tenant, "married");
    assert_int_equal(user_set(u->user, USER_EMAIL, "married@example.com", NULL), 0);
    u = fake_tenant_find(b->tenant, "moved"); /* nothing of what was sent is the same, and it was not read since */
    assert_int_equal(user_set(u->user, USER_EMAIL, "moved@example.com", NULL), 0);
    assert_int_equal(user_set(u->user, USER_LAST_NAME, "Moved", NULL), 0);
    fake_tenant_forget_calls(b->tenant);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, 3 * HOUR);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 0);
    assert_int_equal(b->tenant->n_users, 10);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_USER_GONE), 1);
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_USER_GONE), 1);
    rename_there(b, "married", "u3"); /* as the sentence says */
    rename_there(b, "moved", "u1");
    bed_advance(b, 3 * HOUR);
    /* Whether that one is who it was nothing tells, neither an id nor mail nor name, and a
     * stranger is taken for nobody's: with its mail again it is known. */
    assert_int_equal(bed_queue(b, 0, REASON_USER_GONE), 1);
    u = fake_tenant_find(b->tenant, "u1");
    assert_int_equal(user_set(u->user, USER_EMAIL, "u1@example.com", NULL), 0);
    bed_advance(b, 3 * HOUR);
    assert_int_equal(bed_queue(b, 0, NULL), 0);
    assert_int_equal(b->tenant->n_users, 10);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 0);
}

/* A tenant that lists nobody: whether it was renamed cannot be told, so a person says it. */
static void test_vanished_without_a_listing(void **state)
{
    struct bed *b = *state;
    b->sync.on_drift = DRIFT_REPAIR;
    b->tenant->no_listing = true;
    begin(b, 10, false);
    b->sync.verify_interval_usec = HOUR;
    fake_tenant_remove(b->tenant, "u3");
    fake_tenant_forget_calls(b->tenant);
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, 3 * HOUR);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_CREATE), 0);
    is_one_cause(b, "users:gone", 1);
    assert_int_equal(bed_approve(b), 1);
    bed_run(b);
    assert_non_null(fake_tenant_find(b->tenant, "u3"));
    assert_int_equal(bed_queue(b, 0, NULL), 0);
}

/* The login attribute vanishes from everybody: one cause, not one for each. */
static void test_login_attribute_vanishes(void **state)
{
    struct bed *b = *state;
    begin(b, 30, false);
    for (size_t i = 0; i < 30; i++) {
        char id[80], dn[160], uid[16], mail[40];
        snprintf(uid, sizeof uid, "u%zu", i);
        snprintf(id, sizeof id, "id-%s", uid);
        snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
        snprintf(mail, sizeof mail, "%s@example.com", uid);
        bed_person(b, id, dn, "givenName", "First", "sn", uid, "mail", mail, NULL);
    }
    fake_tenant_forget_calls(b->tenant);
    bed_sync(b);
    is_one_cause(b, "attribute:uid", 30);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    for (size_t i = 0; i < 30; i++) {
        char uid[16];
        snprintf(uid, sizeof uid, "u%zu", i);
        bed_person_uid(b, uid);
    }
    bed_sync(b);
    is_one_cause(b, "", 0);
}

static void put_again(struct bed *b, const char *type)
{
    bed_person(b, "id-again", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "givenName",
               "First", "sn", "u1", "mail", "u1@example.com", "employeeType", type, NULL);
    bed_tell(b, "id-again");
    bed_run(b);
}

/* Whose entry was made anew, and says that nobody is to use the account now, loses it as
 * anybody does who leaves: there is nothing that a person could approve. */
static void disabled_under_another_entry(struct bed *b, bool create_disabled)
{
    b->sync.create_disabled = create_disabled;
    b->sync.delete_after_usec = DAY;
    begin(b, 20, true);
    bed_leave(b, "id-u1");
    bed_tell(b, "id-u1");
    put_again(b, "Here");
    assert_false(is_disabled(b, "u1")); /* linking it to the new entry waits for approval … */
    put_again(b, "Terminated");
    assert_true(is_disabled(b, "u1"));
    bed_advance(b, 3 * DAY);
    assert_int_equal(b->tenant->n_users, 20); /* … and it is kept for that */
    put_again(b, "Here");
    bed_approve(b);
    bed_advance(b, MINUTE);
    assert_false(is_disabled(b, "u1"));
    assert_int_equal(bed_queue(b, 0, NULL), 0);
}

static void test_disabled_under_another_entry(void **state)
{
    disabled_under_another_entry(*state, false);
}

static void test_made_disabled_under_another_entry(void **state)
{
    disabled_under_another_entry(*state, true);
}

#define scenario(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_login_given_away),
        scenario(test_made_anew),
        scenario(test_revoked_by_id),
        scenario(test_given_away_before_the_id),
        scenario(test_revoked_where_a_stranger_was_found),
        scenario(test_many_vanish_reported),
        scenario(test_many_vanish_repaired),
        scenario(test_renamed_before_the_id),
        scenario(test_renamed_with_another_mail),
        scenario(test_vanished_without_a_listing),
        scenario(test_login_attribute_vanishes),
        scenario(test_disabled_under_another_entry),
        scenario(test_made_disabled_under_another_entry),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
