/* Cases: their text, what the rules make of them, and how they look with other words. */
#include "config.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "mapping-sample.h"
#include "mapping/case-disguise.h"
#include "mapping/case.h"
#include "mapping/disguise.h"
#include "mapping/ruleset.h"
#include "model/schema.h"
#include "unit.h"

#define ENTRY                                                                                  \
    "dn: uid=jane.doe,ou=people,dc=example,dc=com\n"                                           \
    "objectClass: inetOrgPerson\n"                                                             \
    "uid: Jane.Doe\n"                                                                          \
    "givenName: Jane\n"                                                                        \
    "sn: Doe\n"                                                                                \
    "mail: jane.doe@corp.test\n"                                                               \
    "telephoneNumber: +44 20 7946 0958\n"                                                      \
    "preferredLanguage: es-MX\n"                                                               \
    "ccSkill: Billing, high=80\n"
#define GROUP "group: cn=CC-Support, ou=groups,dc=example,dc=com\n"
#define USER                                                                                   \
    "expect: user\nlogin_id: jane.doe\nfirst_name: Jane\nlast_name: Doe\n"                     \
    "email: jane.doe@corp.test\nwork_phone: +44 20 7946 0958\nteam: Customer Service\n"        \
    "role: Agent\nrole: Phone\nskill: Billing, high:80\nskill: English:100\nskill: Spanish:100\n"

static void parse(struct mapping_case *c, const char *text)
{
    struct error e = {0};
    if (case_parse(c, text, strlen(text), &e) < 0)
        fail_msg("%s", e.message);
}

/* The differences in one text, one a line. */
static char *differences(const struct mapping_case *c)
{
    CLEANUP(case_differences_done) struct case_differences d = {0};
    CLEANUP(verdict_done) struct verdict v = {0};
    CLEANUP(buffer_done) struct buffer b = {0};
    struct error e = {0};
    if (case_judge(c, &sample_options, true, &v, &e) < 0)
        fail_msg("%s", e.message);
    assert_int_equal(case_compare(c, &v, &d), 0);
    for (size_t i = 0; i < d.n_items; i++)
        buffer_format(&b, "%s: %s -> %s (%s)\n", d.items[i].field,
                      d.items[i].expected ? d.items[i].expected : "-",
                      d.items[i].got ? d.items[i].got : "-",
                      d.items[i].source.rule ? d.items[i].source.rule : "-");
    return buffer_take(&b);
}

static void test_differences(void **state)
{
    static const struct {
        const char *text, *differences;
    } rows[] = {
        {ENTRY "\n" GROUP "\n" USER, ""},
        /* No group: no team. */
        {ENTRY "\nexpect: skip no-team\n", ""},
        {ENTRY "\nexpect: skip\n", ""},
        {ENTRY "\nexpect: skip out-of-scope\n", "verdict: skip out-of-scope -> skip no-team (-)\n"},
        {ENTRY "\nexpect: invalid\n", "verdict: invalid -> skip no-team (-)\n"},
        {ENTRY "\n" GROUP "expect: skip\n", "verdict: skip -> user (-)\n"},
        {ENTRY "ccSkill: Billing:120\n\n" GROUP "expect: invalid value-malformed\n", ""},
        {ENTRY "\nmissing-group: cn=cc-support,ou=groups,dc=example,dc=com\nexpect: skip no-team\n", ""},
        /* What is left out is expected not to be there. */
        {ENTRY "employeeType: Terminated\n\n" GROUP USER, "disabled: no -> yes ([user] disabled_when)\n"},
        {ENTRY "ipPhone: 17\n\n" GROUP USER "skill: Spanish:100\nrole: Boss\n",
         "extension: - -> 17 ([user] extension)\nrole: Boss -> - (-)\n"},
        {ENTRY "\n" GROUP "expect: user\nlogin_id: jane.doe\nfirst_name: Jane\nlast_name: Doe\n"
               "email: jane.doe@corp.test\nwork_phone: +44 20 7946 0958\nteam: Sales\nrole: Agent\n"
               "skill: English:50\nskill: Spanish:100\n",
         "team: Sales -> Customer Service (Support agents)\nrole: - -> Phone (Support again)\n"
         "skill English: 50 -> 100 (Support agents)\nskill Billing, high: - -> 80 (Skills from HR)\n"},
        /* accountExpires against the time of the case: 2017-07-14. */
        {ENTRY "accountExpires: 131444736000000000\n\n" GROUP "time: 2017-07-13T00:00:00Z\n" USER, ""},
        {ENTRY "accountExpires: 131444736000000000\n\n" GROUP "time: 2017-07-15T00:00:00Z\n" USER
               "disabled: yes\n",
         ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(case_done) struct mapping_case c = {0};
        parse(&c, rows[i].text);
        CLEANUP(freep) char *found = differences(&c);
        if (strcmp(found, rows[i].differences) != 0)
            fail_msg("row %zu: '%s' instead of '%s'", i, found, rows[i].differences);
    }
}

static void test_refuses_what_it_cannot_read(void **state)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {"", "it is empty: the entry is missing"},
        {"uid: x\n", "line 1: a case begins with the entry, and that with 'dn:'"},
        {"dn: nonsense\n", "line 1: 'nonsense' is not a distinguished name"},
        {"dn: uid=a\nuid: a\n",
         "it expects nothing: 'expect: user', 'expect: skip' or 'expect: invalid' is "
         "missing after the entry and a blank line"},
        {"dn: uid=a\nuid\n", "line 2: NAME: VALUE is expected"},
        {"dn: uid=a\nuid:: ###\n", "line 2: what follows '::' is not base64"},
        {"dn: uid=a\nuid:< file:///x\n",
         "line 2: values in files of their own (:<) are not read"},
        {"# x\ndn: uid=a\n\nexpct: user\n",
         "line 4: unknown name 'expct' after the entry; did you mean 'expect'?"},
        {"dn: uid=a\n\nexpect: maybe\n",
         "line 3: 'maybe': user, skip [CODE] or invalid [CODE] is expected"},
        {"dn: uid=a\n\nskill: x\n",
         "line 3: 'x': NAME:LEVEL is expected, with a level from 0 to 100"},
        {"dn: uid=a\n\nskill: x:101\n",
         "line 3: 'x:101': NAME:LEVEL is expected, with a level from 0 to 100"},
        {"dn: uid=a\n\ngroup: x\n", "line 3: 'x' is not a distinguished name"},
        {"dn: uid=a\n\ntime: today\n",
         "line 3: 'today': a time like 2026-11-24T14:39:54Z is expected"},
        {"dn: uid=a\n\ndisabled: true\n", "line 3: 'true': yes or no is expected"},
        {"dn: uid=a\n\nserver: 390\n",
         "line 3: '390': any, standard, 389 or active-directory is expected"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(case_done) struct mapping_case c = {0};
        struct error e = {0};
        assert_int_equal(case_parse(&c, rows[i].text, strlen(rows[i].text), &e), -EINVAL);
        assert_string_equal(e.message, rows[i].sentence);
    }
}

static void test_what_is_written_is_read_again(void **state)
{
    static const char *const texts[] = {
        ENTRY "\n" GROUP "time: 2017-07-13T00:00:00.000000Z\nserver: 389\n"
              "attribute: ccLevel integer integer integer -\n\n" USER "disabled: yes\nrevoked: yes\n",
        "dn: uid=a\ncn:: IGJsYW5r\njpegPhoto:: /wAB\ncn: Zoë 王\n\n\nexpect: skip no-team\n",
        "dn: uid=a\n\nmissing-group: cn=x\n\nexpect: user\nmobile_phone:\n",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        CLEANUP(case_done) struct mapping_case c = {0}, again = {0};
        CLEANUP(buffer_done) struct buffer one = {0}, two = {0};
        parse(&c, texts[i]);
        case_write(&one, &c);
        parse(&again, one.data);
        case_write(&two, &again);
        assert_string_equal(one.data, two.data);
        for (const char *line = texts[i]; *line; line += strcspn(line, "\n") + 1) {
            CLEANUP(freep) char *copy = strndup(line, strcspn(line, "\n") + 1);
            if (!strstr(one.data, copy))
                fail_msg("'%s' is not in '%s'", copy, one.data);
        }
    }
}

static void test_lines_that_continue(void **state)
{
    CLEANUP(case_done) struct mapping_case c = {0};
    (void)state;
    parse(&c, "# a comment\n  that continues\r\ndn: uid=jane,\n ou=people\r\ncn: Jane \n  Doe\n\nexpect: sk\n ip\n");
    assert_string_equal(c.entry->dn, "uid=jane,ou=people");
    assert_string_equal(entry_text(c.entry, "cn"), "Jane  Doe");
    assert_int_equal(c.expected, VERDICT_SKIP);
}

/* The integer order of a server's attribute, which the built-in table does not know. */
static void test_takes_the_servers_schema(void **state)
{
    struct mapping_rule rules[] = {
        RULE(1, "Old", .when = TEXT(2, "(ccLevel>=9)"), .team = TEXT(3, "Old"))};
    struct mapping_options options = {.fields = {[USER_LOGIN] = TEXT(4, "${uid}"),
                                                 [USER_FIRST_NAME] = TEXT(5, "${uid}"),
                                                 [USER_LAST_NAME] = TEXT(6, "${uid}")},
                                      .rules = rules,
                                      .n_rules = 1};
    struct error e = {0};
    (void)state;
    for (int i = 0; i < 2; i++) {
        CLEANUP(case_done) struct mapping_case c = {0};
        CLEANUP(verdict_done) struct verdict v = {0};
        parse(&c, i ? "dn: uid=a\nuid: a\nccLevel: 10\n\nattribute: ccLevel integer\nexpect: user\n"
                    : "dn: uid=a\nuid: a\nccLevel: 10\n\nexpect: user\n");
        assert_int_equal(case_judge(&c, &options, false, &v, &e), 0);
        assert_int_equal(v.kind, i ? VERDICT_USER : VERDICT_SKIP);
    }
}

static void test_describes_the_servers_schema(void **state)
{
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(case_done) struct mapping_case c = {0};
    struct ruleset *rules = NULL;
    const char *names[] = {"ccSkill"};
    (void)state;
    assert_int_equal(schema_add(schema, NULL, names, 1, MATCHING_CASE_EXACT, false), 0);
    schema_set_kind(schema, SCHEMA_389);
    assert_int_equal(ruleset_new(&rules, &sample_options, schema, NULL, NULL), 0);
    assert_int_equal(case_describe_schema(&c, rules, schema), 0);
    assert_int_equal(c.server, SCHEMA_389);
    assert_int_equal(c.attributes.n_items, 1);
    assert_string_equal(c.attributes.items[0], "ccSkill case-exact case-exact case-exact case-exact");
    ruleset_free(rules);
}

static void test_words_stay_the_same_words(void **state)
{
    CLEANUP(disguise_done) struct disguise d = {.seed = 1};
    (void)state;
    assert_int_equal(disguise_learn(&d, "Ada Lovelace 1815"), 0);
    assert_int_equal(disguise_learn(&d, "ADA.müller@x-9"), 0);
    assert_int_equal(disguise_learn(&d, "王 Пётр"), 0);
    assert_int_equal(d.n_words, 8);
    CLEANUP(freep) char *one = disguise_apply(&d, "Ada"), *two = disguise_apply(&d, "ada"),
                        *three = disguise_apply(&d, "--ADA, Ada Byron");
    assert_int_equal(strlen(one), 3);
    assert_int_equal(one[0] - 'A', two[0] - 'a');
    assert_string_equal(one + 1, two + 1);
    assert_string_not_equal(one, "Ada");
    assert_memory_equal(three, "--", 2);
    assert_memory_equal(three + 7, one, 3);
    assert_string_equal(three + 10, " Byron"); /* not learnt */
    for (size_t i = 0; i < d.n_words; i++)
        assert_string_not_equal(d.words[i].plain, d.words[i].other);
    CLEANUP(freep) char *broken = disguise_apply(&d, "ada\xff\xfe" "ada");
    assert_int_equal(strlen(broken), 8);
}

static bool spanish_is_common(const char *attribute, const char *value, void *userdata)
{
    (void)userdata;
    return strcmp(attribute, "preferredLanguage") == 0 && strcmp(value, "es-MX") == 0;
}

/* No word of hers is left but those that the rules ask for, and the verdict is the same. */
static void test_disguise_keeps_the_verdict(void **state)
{
    static const char *const gone[] = {"ane", "oe", "corp", "7946", "0958"};
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    struct case_commons commons = {spanish_is_common, NULL};
    struct ruleset *rules = NULL;
    (void)state;
    assert_int_equal(ruleset_new(&rules, &sample_options, schema, NULL, NULL), 0);
    for (int i = 0; i < 2; i++) {
        CLEANUP(case_done) struct mapping_case c = {0};
        CLEANUP(buffer_done) struct buffer b = {0};
        struct error e = {0};
        parse(&c, ENTRY "description: Jane's desk\njpegPhoto:: /wAB\n\n" GROUP USER);
        if (case_disguise(&c, &sample_options, rules, i ? &commons : NULL, &e) < 0)
            fail_msg("%s", e.message);
        case_write(&b, &c);
        for (size_t k = 0; k < ARRAY_SIZE(gone); k++)
            if (strstr(b.data, gone[k]))
                fail_msg("%s is still there: %s", gone[k], b.data);
        assert_non_null(strstr(b.data, "ccSkill: Billing, high=80\n")); /* a skill's name */
        assert_non_null(strstr(b.data, i ? "preferredLanguage: es-MX\n" : "preferredLanguage: es-"));
        assert_int_equal(c.user->n_skills, 3);
        assert_string_equal(user_get(c.user, USER_TEAM), "Customer Service");
        CLEANUP(freep) char *found = differences(&c);
        assert_string_equal(found, "");
    }
    ruleset_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_refuses_what_it_cannot_read),
        cmocka_unit_test(test_what_is_written_is_read_again),
        cmocka_unit_test(test_lines_that_continue),
        cmocka_unit_test(test_takes_the_servers_schema),
        cmocka_unit_test(test_describes_the_servers_schema),
        cmocka_unit_test(test_words_stay_the_same_words),
        cmocka_unit_test(test_disguise_keeps_the_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
