/*
 * Roles of which nobody may have two: [conflict].
 */
#include "config.h"

#include "people-test.h"

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

#define scenario(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scenario(test_conflict),
        scenario(test_conflict_of_a_newcomer),
        scenario(test_conflict_with_a_role_of_the_tenant),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
