/*
 * Who gets a user and when: roles that nobody may have together, the start of work, seats, people
 * who did not log in for long.
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

static struct mapping_text text_of(unsigned line, const char *text)
{
    return (struct mapping_text){
        .text = (char *)text, .file = (char *)"test.conf", .line = line};
}

static struct user *user_at(struct bed *b, const char *login)
{
    struct fake_user *u = fake_tenant_find(b->tenant, login);
    return u ? u->user : NULL;
}

static bool is_disabled(struct bed *b, const char *login)
{
    const struct user *u = user_at(b, login);
    assert_non_null(u);
    return u && u->disabled;
}

static bool has(struct bed *b, const char *login, const char *role)
{
    return user_role(user_at(b, login), role) != NULL;
}

static void no_waits(struct bed *b)
{
    assert_int_equal(bed_queue(b, 0, NULL), 0);
}

/* -- [conflict] -- */

static struct mapping_rule conflict = {
    .name = (char *)"Four eyes", .file = (char *)"test.conf", .line = 60};

/* "Cashier" by one group, "Auditor" by another; the tenant writes them in another case. */
static void with_conflict(struct bed *b)
{
    conflict.roles = text_of(61, "CASHIER, Auditor");
    b->mapping.conflicts = &conflict;
    b->mapping.n_conflicts = 1;
    b->rules[3] = (struct mapping_rule){.name = (char *)"Cash desk",
                                        .file = (char *)"test.conf",
                                        .line = 70,
                                        .group = text_of(71, "cn=cash,ou=groups,dc=example,dc=com"),
                                        .roles = text_of(72, "Cashier")};
    b->rules[4] = (struct mapping_rule){.name = (char *)"Audit",
                                        .file = (char *)"test.conf",
                                        .line = 80,
                                        .group = text_of(81, "cn=audit,ou=groups,dc=example,dc=com"),
                                        .roles = text_of(82, "Auditor")};
    b->mapping.n_rules = 5;
    bed_person_uid(b, "u1");
    bed_person_uid(b, "u2");
    bed_group(b, "support", "u1", "u2", NULL);
    bed_group(b, "cash", "u1", NULL);
    bed_group(b, "audit", "u2", NULL);
    bed_start(b);
    bed_sync(b);
}

static int note_sentence(const struct operation *o, void *userdata)
{
    char *text = userdata;
    if (text_equal(o->reason, REASON_ROLE_CONFLICT))
        snprintf(text, 1500, "%s|%s", o->cause, o->sentence);
    return 0;
}

static void test_conflict(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char said[1500] = "";
    with_conflict(b);
    assert_true(has(b, "u1", "Cashier") && !has(b, "u1", "Auditor") && has(b, "u2", "Auditor"));
    no_waits(b);
    /* Whoever has one and would get the other is held for that, and for nothing else. */
    bed_group(b, "audit", "u1", "u2", NULL);
    bed_person(b, "id-u1", "uid=u1,ou=people,dc=example,dc=com", "uid", "u1", "givenName", "New", "sn",
               "u1", "mail", "u1@example.com", NULL);
    bed_sync(b);
    assert_false(has(b, "u1", "Auditor"));
    assert_true(has(b, "u1", "Cashier"));
    assert_string_equal(user_get(user_at(b, "u1"), USER_FIRST_NAME), "New");
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_ROLE_CONFLICT), 1);
    assert_int_equal(bed_queue(b, 0, NULL), 1);
    bed_ok(b, queue_each(b->state, OPERATION_HELD, note_sentence, said, &e));
    assert_non_null(strstr(said, "conflict:Four eyes|"));
    assert_non_null(strstr(said, "rule \"Audit\" (test.conf:82)"));
    assert_non_null(strstr(said, "rule \"Cash desk\" (test.conf:72)"));
    bed_restart(b);
    bed_sync(b);
    bed_advance(b, DAY);
    assert_false(has(b, "u1", "Auditor"));
    assert_int_equal(bed_queue(b, 0, NULL), 1);
    /* An exchange is none. */
    bed_group(b, "cash", NULL);
    bed_tell(b, "group-cash");
    bed_run(b);
    assert_true(has(b, "u1", "Auditor") && !has(b, "u1", "Cashier"));
    no_waits(b);
}

/* A newcomer whom two rules give both gets a user with one of them. */
static void test_conflict_of_a_newcomer(void **state)
{
    struct bed *b = *state;
    with_conflict(b);
    bed_person_uid(b, "u3");
    bed_group(b, "support", "u1", "u2", "u3", NULL);
    bed_group(b, "cash", "u1", "u3", NULL);
    bed_group(b, "audit", "u2", "u3", NULL);
    bed_sync(b);
    assert_true(has(b, "u3", "Auditor") && has(b, "u3", "Agent") && !has(b, "u3", "Cashier"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_ROLE_CONFLICT), 1);
    bed_advance(b, DAY);
    assert_false(has(b, "u3", "Cashier"));
    /* The conflict is taken out of the configuration. */
    struct error e = {0};
    b->mapping.n_conflicts = 0;
    b->options.fingerprint = b->options.decisions = "without";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_true(has(b, "u3", "Cashier"));
    no_waits(b);
}

/* What somebody gave at the tenant is in the way as well, in any case of letters, also when it is
 * not known before the write. Who has both already keeps both. */
static void test_conflict_with_a_role_of_the_tenant(void **state)
{
    struct bed *b = *state;
    with_conflict(b);
    assert_int_equal(user_add_role(user_at(b, "u2"), "cashier", NULL), 0);
    bed_group(b, "cash", "u1", "u2", NULL);
    bed_tell(b, "group-cash");
    bed_run(b);
    assert_false(has(b, "u2", "Cashier"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_ROLE_CONFLICT), 1);
    bed_group(b, "cash", "u1", NULL);
    bed_tell(b, "group-cash");
    bed_run(b);
    no_waits(b);
    assert_int_equal(user_add_role(user_at(b, "u1"), "AUDITOR", NULL), 0);
    bed_group(b, "audit", "u1", "u2", NULL);
    bed_tell(b, "group-audit");
    bed_run(b);
    assert_false(has(b, "u1", "Auditor"));
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_ROLE_CONFLICT), 1);
    bed_retry(b, "conflict:Four eyes");
    bed_run(b);
    assert_false(has(b, "u1", "Auditor"));
}

/* -- [user] starts_at -- */

static void starter(struct bed *b, const char *uid, uint64_t start, const char *type)
{
    char id[80], dn[160], mail[40], when[CLOCK_TEXT_SIZE];
    snprintf(id, sizeof id, "id-%s", uid);
    snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
    snprintf(mail, sizeof mail, "%s@example.com", uid);
    bed_person(b, id, dn, "uid", uid, "givenName", "First", "sn", uid, "mail", mail, "employeeType",
               type, "employmentStart", clock_format(when, start), NULL);
}

static void begin_with_starts(struct bed *b)
{
    b->mapping.starts_at = text_of(62, "employmentStart");
    bed_person_uid(b, "u0");
    bed_group(b, "support", "u0", "u1", "u2", NULL);
}

static void test_start(void **state)
{
    struct bed *b = *state;
    begin_with_starts(b);
    uint64_t start = b->now + 10 * DAY;
    starter(b, "u1", start, "Here");
    starter(b, "u2", b->now - DAY, "Here");
    bed_start(b);
    bed_sync(b);
    assert_null(user_at(b, "u1"));
    assert_false(is_disabled(b, "u2") || is_disabled(b, "u0"));
    assert_int_equal(bed_audit(b, "skip", "not-started", NULL), 1);
    bed_advance(b, start - b->now - USEC_PER_SEC);
    assert_null(user_at(b, "u1"));
    bed_advance(b, USEC_PER_SEC);
    assert_false(is_disabled(b, "u1"));
    /* It never disables: another date later changes nothing for who has an enabled user. */
    starter(b, "u1", b->now + 30 * DAY, "Here");
    bed_sync(b);
    bed_advance(b, DAY);
    assert_false(is_disabled(b, "u1"));
    no_waits(b);
}

static void test_create_ahead(void **state)
{
    struct bed *b = *state;
    b->sync.create_ahead_usec = 3 * DAY;
    begin_with_starts(b);
    uint64_t start = b->now + 10 * DAY;
    starter(b, "u1", start, "Here");
    bed_start(b);
    bed_sync(b);
    bed_advance(b, 7 * DAY - USEC_PER_SEC);
    assert_null(user_at(b, "u1"));
    bed_advance(b, USEC_PER_SEC);
    assert_true(is_disabled(b, "u1"));
    no_waits(b);
    bed_restart(b);
    bed_sync(b);
    /* Put off by a day while the user is there already. */
    start += DAY;
    starter(b, "u1", start, "Here");
    bed_sync(b);
    bed_advance(b, start - b->now - USEC_PER_SEC);
    assert_true(is_disabled(b, "u1"));
    bed_advance(b, USEC_PER_SEC);
    assert_false(is_disabled(b, "u1"));
    no_waits(b);
    /* Who leaves and comes back with a date to come is enabled at that. */
    bed_leave(b, "id-u1");
    bed_tell(b, "id-u1");
    bed_run(b);
    assert_true(is_disabled(b, "u1"));
    start = b->now + 5 * DAY;
    starter(b, "u1", start, "Here");
    bed_sync(b);
    bed_advance(b, start - b->now - USEC_PER_SEC);
    assert_true(is_disabled(b, "u1"));
    bed_advance(b, USEC_PER_SEC);
    assert_false(is_disabled(b, "u1"));
}

/* A clock that is set ahead lets nobody in early, and is believed once as much time has passed. */
static void test_start_and_the_clock(void **state)
{
    struct bed *b = *state;
    b->sync.create_ahead_usec = DAY;
    begin_with_starts(b);
    starter(b, "u1", b->now + 5 * HOUR, "Here");
    bed_start(b);
    bed_sync(b);
    assert_true(is_disabled(b, "u1"));
    bed_set_clock(b, b->now + 8 * HOUR);
    bed_sync(b);
    bed_advance(b, 4 * HOUR);
    assert_true(is_disabled(b, "u1"));
    bed_set_clock(b, b->now - 8 * HOUR); /* it was wrong */
    bed_tell(b, "id-u0");
    bed_run(b);
    bed_advance(b, HOUR - USEC_PER_SEC);
    assert_true(is_disabled(b, "u1"));
    bed_advance(b, 2 * USEC_PER_SEC);
    assert_false(is_disabled(b, "u1"));
}

static void test_create_disabled(void **state)
{
    struct bed *b = *state;
    begin_with_starts(b);
    starter(b, "u1", b->now - DAY, "Terminated");
    bed_start(b);
    bed_sync(b);
    assert_null(user_at(b, "u1"));
    struct error e = {0};
    b->sync.create_disabled = true;
    b->options.fingerprint = b->options.decisions = "with";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_true(is_disabled(b, "u1"));
    no_waits(b);
    starter(b, "u1", b->now - DAY, "Here");
    bed_sync(b);
    assert_false(is_disabled(b, "u1"));
    no_waits(b);
}

/* -- [guard] max_users -- */

static size_t n_enabled(struct bed *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->tenant->n_users; i++)
        n += !b->tenant->users[i].user->disabled;
    return n;
}

static size_t most_enabled;

static void note_most(enum fake_kind kind, const struct fake_user *after, const char *login,
                      void *userdata)
{
    (void)kind, (void)after, (void)login;
    size_t n = n_enabled(userdata);
    most_enabled = n > most_enabled ? n : most_enabled;
}

static void test_seats(void **state)
{
    struct bed *b = *state;
    struct error e = {0};
    char names[20][8];
    const char *uids[20];
    for (size_t i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        uids[i] = names[i];
        bed_person_uid(b, uids[i]);
    }
    bed_group_uids(b, "support", uids, 20);
    b->sync.max_users = 8;
    b->sync.budgets[BUDGET_DISABLE].unlimited = true;
    b->tenant->on_write = note_most;
    b->tenant->write_data = b;
    most_enabled = 0;
    bed_start(b);
    bed_sync(b);
    assert_int_equal(n_enabled(b), 8);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 12);
    bed_advance(b, DAY);
    bed_restart(b);
    bed_sync(b);
    assert_int_equal(b->tenant->n_users, 8);
    /* Two leave: two come, and one who returns waits as well. */
    bed_leave(b, "id-u0");
    bed_leave(b, "id-u1");
    bed_sync(b);
    assert_int_equal(n_enabled(b), 8);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 10);
    bed_person_uid(b, "u0");
    bed_sync(b);
    assert_int_equal(n_enabled(b), 8);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 11);
    assert_int_equal(most_enabled, 8);
    b->sync.max_users = 15;
    b->options.fingerprint = b->options.decisions = "more";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(n_enabled(b), 15);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_SEATS), 4);
    b->sync.max_users = 0;
    b->options.fingerprint = b->options.decisions = "no limit";
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    bed_run(b);
    assert_int_equal(n_enabled(b), 19);
    no_waits(b);
}

/* Answers that are lost take a seat until they are settled. */
static void test_seats_and_lost_answers(void **state)
{
    struct bed *b = *state;
    char names[20][8];
    const char *uids[20];
    for (size_t i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        uids[i] = names[i];
        bed_person_uid(b, uids[i]);
    }
    bed_group_uids(b, "support", uids, 20);
    b->sync.max_users = 5;
    b->tenant->on_write = note_most;
    b->tenant->write_data = b;
    most_enabled = 0;
    fake_tenant_fail(b->tenant, (struct fake_fault){.kinds = FAKE_CREATE | FAKE_GET,
                                                    .times = 20,
                                                    .takes_effect = true,
                                                    .class = TENANT_UNCLEAR});
    bed_start(b);
    bed_sync(b);
    bed_advance(b, DAY);
    assert_int_equal(n_enabled(b), 5);
    assert_int_equal(most_enabled, 5);
}

/* -- [lifecycle] dormant_after -- */

/* u0 to u(n-1); u0 logs in every day, u1 did so once, the others never. */
static void begin_dormant(struct bed *b, size_t n)
{
    char names[40][8];
    const char *uids[40];
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        uids[i] = names[i];
        bed_person_uid(b, uids[i]);
    }
    bed_group_uids(b, "support", uids, n);
    b->sync.verify_interval_usec = DAY;
    b->sync.dormant_after_usec = 90 * DAY;
    b->sync.budgets[BUDGET_DORMANT] = (struct budget){.percent = 5, .floor = 5};
    bed_start(b);
    bed_sync(b);
    for (unsigned day = 0; day < 89; day++) {
        bed_advance(b, DAY);
        fake_tenant_find(b->tenant, "u0")->user->last_login_usec = b->now;
        if (day == 50)
            fake_tenant_find(b->tenant, "u1")->user->last_login_usec = b->now;
    }
    no_waits(b);
}

static void test_dormant_reported(void **state)
{
    struct bed *b = *state;
    begin_dormant(b, 10);
    fake_tenant_forget_calls(b->tenant);
    bed_advance(b, 2 * DAY);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_DORMANT), 8);
    assert_int_equal(fake_tenant_calls(b->tenant, FAKE_WRITES), 0);
    /* Who logs in is none any more, and what else changes for the others is done. */
    fake_tenant_find(b->tenant, "u5")->user->last_login_usec = b->now;
    bed_advance(b, 2 * DAY);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_DORMANT), 7);
    bed_person(b, "id-u6", "uid=u6,ou=people,dc=example,dc=com", "uid", "u6", "givenName", "New", "sn",
               "u6", "mail", "u6@example.com", NULL);
    bed_sync(b);
    assert_string_equal(user_get(user_at(b, "u6"), USER_FIRST_NAME), "New");
    bed_advance(b, 60 * DAY);
    fake_tenant_find(b->tenant, "u0")->user->last_login_usec = b->now;
    bed_advance(b, 2 * DAY);
    assert_int_equal(bed_queue(b, OPERATION_HELD, REASON_DORMANT), 8); /* u1 too */
}

static size_t n_disabled(struct bed *b)
{
    return b->tenant->n_users - n_enabled(b);
}

static void test_dormant_disabled(void **state)
{
    struct bed *b = *state;
    b->sync.dormant = DORMANT_DISABLE;
    begin_dormant(b, 20);
    /* After the last look: not to be disabled all the same. */
    fake_tenant_find(b->tenant, "u19")->user->last_login_usec = b->now;
    fake_tenant_find(b->tenant, "u2")->logged_in = true;
    bed_advance(b, 2 * DAY);
    assert_int_equal(n_disabled(b), 5); /* and those beyond the budget wait */
    assert_false(is_disabled(b, "u0") || is_disabled(b, "u1") || is_disabled(b, "u2") ||
                 is_disabled(b, "u19"));
    /* All were made in one moment, so u2 to u18 become dormant on one day: 17 less those five.
     * Among them is u2, of whom only the read before the write tells. */
    assert_int_equal(bed_queue(b, OPERATION_PARKED, REASON_BUDGET), 12);
    assert_int_equal(bed_approve(b), 12);
    assert_int_equal(n_disabled(b), 16);
    assert_false(is_disabled(b, "u2"));
    bed_sync(b);
    bed_advance(b, 3 * DAY); /* nobody is enabled again by that */
    assert_int_equal(n_disabled(b), 16);
    /* Whom a person enables is not dormant from then on. */
    fake_tenant_find(b->tenant, "u7")->user->disabled = false;
    bed_advance(b, 3 * DAY);
    assert_false(is_disabled(b, "u7"));
    no_waits(b);
}

#define scenario(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_conflict),
        scenario(test_conflict_of_a_newcomer),
        scenario(test_conflict_with_a_role_of_the_tenant),
        scenario(test_start),
        scenario(test_create_ahead),
        scenario(test_start_and_the_clock),
        scenario(test_create_disabled),
        scenario(test_seats),
        scenario(test_seats_and_lost_answers),
        scenario(test_dormant_reported),
        scenario(test_dormant_disabled),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
