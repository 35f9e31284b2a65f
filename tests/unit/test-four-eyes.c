/*
 * Where nobody knows who loaded the configuration, an approval takes two people, and both ask for
 * the same. What is answered is kept here; more is in tests/e2e/test_audit_who.py.
 */
#include "config.h"

#include "engine-test.h"

#include <stdarg.h>

#include "audit/audit.h"
#include "control/control.h"
#include "daemon/daemon.h"

#define PLAN "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static char answer[400];

void control_fail(struct control_call *call, const char *error, const char *format, ...)
{
    va_list args;
    (void)call;
    assert_string_equal(error, "four-eyes");
    va_start(args, format);
    vsnprintf(answer, sizeof(answer), format, args);
    va_end(args);
}

static struct audit_actor actor_of(unsigned uid, const char *name)
{
    struct audit_actor a = {.uid = uid, .known = true};
    snprintf(a.name, sizeof(a.name), "%s", name);
    return a;
}

/* What somebody is answered; NULL: it is approved. */
static const char *ask(struct bed *b, unsigned uid, const char *name, const char *groups)
{
    struct settings settings = {.four_eyes = true, .sync = {.approval_valid_usec = HOUR}};
    struct daemon d = {.state = b->state, .engine = b->engine, .settings = &settings};
    const struct audit_actor a = actor_of(uid, name);
    answer[0] = '\0';
    return four_eyes_want_second(&d, NULL, &a, PLAN, groups) ? answer : NULL;
}

static void assert_says(const char *said, const char *part)
{
    if (!said || !strstr(said, part))
        fail_msg("'%s' instead of '%s'", said ? said : "approved", part);
}

static void test_two(void **state)
{
    struct bed *b = *state;
    bed_start(b);
    assert_says(ask(b, 1, "ada", NULL), "takes two");
    assert_says(ask(b, 1, "ada", NULL), "somebody else");
    assert_says(ask(b, 2, "bob", "a (team)"), "takes two");
    assert_says(ask(b, 2, "bob", "a (team)"), "somebody else");
    assert_null(ask(b, 1, "ada", "a (team)"));
}

/* Whoever asked long ago asked for what was to be seen then. */
static void test_long_ago(void **state)
{
    struct bed *b = *state;
    bed_start(b);
    assert_says(ask(b, 1, "ada", NULL), "takes two");
    bed_advance(b, HOUR);
    assert_says(ask(b, 2, "bob", NULL), "takes two");
    bed_advance(b, HOUR - MINUTE);
    assert_null(ask(b, 1, "ada", NULL));
}

/* However many groups there are, one more is something else. */
static void test_many_groups(void **state)
{
    static const char many[] = "a (revoke), b (delete), c (disable), d (privileged), e (team), "
                               "f (rename), g (update), h (privileged), i (team), j (update)";
    struct bed *b = *state;
    char more[400];
    bed_start(b);
    snprintf(more, sizeof(more), "%s, k (disable)", many);
    assert_says(ask(b, 1, "ada", many), "takes two");
    assert_says(ask(b, 2, "bob", more), "takes two");
    assert_null(ask(b, 1, "ada", more));
}

/* The name service is away for a while: whoever has no name meanwhile may be anybody after it. */
static void test_no_name(void **state)
{
    struct bed *b = *state;
    bed_start(b);
    assert_says(ask(b, 1, "", NULL), "not known who you are");
    assert_says(ask(b, 1, "ada", NULL), "takes two");
    assert_says(ask(b, 1, "", NULL), "not known who you are");
    assert_null(ask(b, 2, "bob", NULL));
}

static void load_as(struct bed *b, const struct audit_actor *actor, bool four_eyes,
                    const char *name)
{
    struct error e = {0};
    struct engine_act act = {.actor = actor};
    b->options.four_eyes = four_eyes;
    b->options.fingerprint = b->options.decisions = name;
    engine_act(b->engine, &act);
    bed_ok(b, engine_reload(b->engine, &b->options, &e));
    engine_act(b->engine, NULL);
    bed_run(b);
}

static bool is_bound(struct bed *b, const struct audit_actor *actor)
{
    struct settings settings = {.sync = {.approval_valid_usec = HOUR}};
    struct daemon d = {.state = b->state, .engine = b->engine, .settings = &settings};
    return four_eyes_forbid(&d, NULL, actor) ||
           four_eyes_want_second(&d, NULL, actor, PLAN, NULL);
}

/* Whoever ended the rule is bound until somebody else loads a configuration, under whatever
 * account, and no longer. */
static void test_ended_under_two_accounts(void **state)
{
    struct bed *b = *state;
    const struct audit_actor ada = {.uid = 1, .name = "ada", .login = "ada", .known = true};
    const struct audit_actor sudo = {.name = "root", .login = "ada", .known = true};
    const struct audit_actor bob = {.name = "root", .login = "bob", .known = true};
    bed_start(b);
    load_as(b, &bob, true, "a");
    load_as(b, &ada, false, "b");
    assert_true(is_bound(b, &ada) && is_bound(b, &sudo) && !is_bound(b, &bob));
    load_as(b, &sudo, false, "c");
    assert_true(is_bound(b, &ada) && is_bound(b, &sudo) && !is_bound(b, &bob));
    load_as(b, &bob, false, "d");
    assert_false(is_bound(b, &ada) || is_bound(b, &sudo) || is_bound(b, &bob));
    load_as(b, &ada, false, "e");
    assert_false(is_bound(b, &ada) || is_bound(b, &sudo) || is_bound(b, &bob));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ended_under_two_accounts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_ago, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_name, setup, teardown),
    };
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
