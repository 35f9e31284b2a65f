/*
 * Every allocation of the mapping fails once: what then comes back is -ENOMEM or a verdict that
 * is the right one, and nothing is lost. The linker's --wrap puts the failing allocator in.
 */
#include "config.h"

#include <errno.h>

#include "base/error.h"
#include "base/memory.h"
#include "failing-memory.h"
#include "mapping-sample.h"
#include "mapping/ruleset.h"
#include "model/schema.h"
#include "model/user.h"
#include "unit.h"

static const char *const pairs[] = {"objectClass",
                                    "inetOrgPerson",
                                    "uid",
                                    "JDoe",
                                    "givenName",
                                    "\xc3\x89lodie",
                                    "sn",
                                    "Doe",
                                    "mail",
                                    "jane@example.com",
                                    "preferredLanguage",
                                    "es-MX",
                                    "ccSkill",
                                    "Billing:80",
                                    "employeeType",
                                    "Perm",
                                    "userAccountControl",
                                    "512",
                                    "telephoneNumber",
                                    "+49 89 1",
                                    "accountExpires",
                                    "133444736000000010",
                                    "manager",
                                    "cn=x,dc=y",
                                    NULL};

static struct mapping_rule more_rules[] = {
    RULE(1, "all kinds", .group = TEXT(2, "cn=a,dc=b"),
         .when = TEXT(3, "(&(cn;lang-de:caseExactMatch:=x)(uidNumber>=5)(sn=*d*\\2a*e)(manager="
                         "cn=x,dc=y)(createTimestamp<=20260101000000Z)(memberOf=cn=q))"),
         .team = TEXT(4, "T"), .skills_from = TEXT(5, "ccSkill")),
};

static void ignore_problem(const struct problem *p, void *userdata)
{
    (void)p, (void)userdata;
}

static struct mapping_options with_templates(void)
{
    struct mapping_options options = sample_options;
    struct mapping_text mail =
        TEXT(63, "${mail//[a-c]@${uid}/${givenName@ascii-de,,:0:1}}${sn^}${cn:-a$$${mail%@*}}");
    struct mapping_text phone = TEXT(64, "${telephoneNumber@digits:+${telephoneNumber/#+/00}}");
    options.fields[USER_EMAIL] = mail;
    options.fields[USER_WORK_PHONE] = phone;
    return options;
}

/* ruleset_new() with the n-th allocation failing; true when none failed any more. */
static bool build_fails_cleanly(const struct mapping_options *options,
                                const struct schema *schema, long n)
{
    struct ruleset *rs = NULL;
    fail_after = n;
    int r = ruleset_new(&rs, options, schema, ignore_problem, NULL);
    bool done = fail_after >= 0;
    fail_after = -1;
    assert_true(r == 0 || r == -ENOMEM || (r == -EIO && !done));
    assert_true(r == 0 || !rs);
    assert_true(!done || r == 0);
    ruleset_free(rs);
    return done;
}

static void test_building(void **state)
{
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    struct mapping_options options = with_templates();
    long n = 0;
    (void)state;
    while (!build_fails_cleanly(&options, schema, n))
        n++;
    assert_true(n > 100);
    options.rules = more_rules;
    options.n_rules = ARRAY_SIZE(more_rules);
    for (n = 0; !build_fails_cleanly(&options, schema, n);)
        n++;
    assert_true(n > 50);
}

static bool evaluation_fails_cleanly(const struct ruleset *rs, const struct entry *entry,
                                     bool explain, long n, const char *expected)
{
    struct membership memberships[2] = {{.state = GROUP_PRESENT, .member = true, .via = "cn=z"},
                                        {.state = GROUP_MISSING}};
    struct verdict v = {0};
    struct error e = {0};
    fail_after = n;
    int r = ruleset_evaluate(rs, entry, memberships, 1700000000000000, explain, &v, &e);
    bool done = fail_after >= 0;
    fail_after = -1;
    assert_true(r == 0 || r == -ENOMEM);
    if (r == 0) {
        CLEANUP(freep) char *text = user_to_json(v.user, true);
        assert_string_equal(text, expected);
    } else {
        assert_true(e.message[0]);
        assert_null(v.user);
    }
    verdict_done(&v);
    assert_true(!done || r == 0);
    return done;
}

static void test_evaluating(void **state)
{
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(entry_freep) struct entry *entry = entry_of("uid=x", pairs);
    struct mapping_options options = with_templates();
    struct membership memberships[2] = {{.state = GROUP_PRESENT, .member = true, .via = "cn=z"},
                                        {.state = GROUP_MISSING}};
    struct ruleset *rs = NULL;
    struct verdict v = {0};
    struct error e = {0};
    (void)state;
    assert_int_equal(ruleset_new(&rs, &options, schema, ignore_problem, NULL), 0);
    assert_int_equal(ruleset_evaluate(rs, entry, memberships, 1700000000000000, false, &v, &e),
                     0);
    assert_int_equal(v.kind, VERDICT_USER);
    CLEANUP(freep) char *expected = user_to_json(v.user, true);
    verdict_done(&v);
    for (int explain = 0; explain < 2; explain++) {
        long n = 0;
        while (!evaluation_fails_cleanly(rs, entry, explain, n, expected))
            n++;
        assert_true(n > 100);
    }
    ruleset_free(rs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_building),
        cmocka_unit_test(test_evaluating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
