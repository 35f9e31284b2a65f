/* The whole mapping: configurations with their mistakes, people with their verdicts. */
#include "config.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/schema-read.h"
#include "mapping-sample.h"
#include "mapping/ruleset.h"
#include "model/schema.h"
#include "model/user.h"
#include "unit.h"

#define NOW        1700000000000000ULL
#define DN         "uid=jdoe,ou=people,dc=example,dc=com"
#define SUPPORT_DN "cn=cc-support,ou=groups,dc=example,dc=com"
#define SALES_DN   "CN=cc-sales,OU=groups,DC=example,DC=com"

static void print_problem(const struct problem *p, void *userdata)
{
    buffer_format(userdata, "%s %s:%u:%u: %s\n", p->level == PROBLEM_WARNING ? "W" : "E",
                  p->file, p->line, p->column, p->sentence);
}

/* A ruleset that must be good. */
static struct ruleset *good(const struct mapping_options *options, const struct schema *schema)
{
    CLEANUP(buffer_done) struct buffer problems = {0};
    struct ruleset *rs = NULL;
    int r = ruleset_new(&rs, options, schema, print_problem, &problems);
    if (r < 0)
        fail_msg("%d: %s", r, problems.data ? problems.data : "");
    return rs;
}

/* One person under one configuration. */
struct person {
    const char *pairs[40];
    struct membership memberships[2]; /* support, sales */
};
#define BASIC "objectClass", "inetOrgPerson", "uid", "JDoe", "givenName", "Jane", "sn", "Doe"
#define IN_SUPPORT                                                                             \
    .memberships = {{.state = GROUP_PRESENT, .member = true}, {.state = GROUP_PRESENT}}
#define IN_SALES                                                                               \
    .memberships = {{.state = GROUP_PRESENT}, {.state = GROUP_PRESENT, .member = true}}
#define IN_BOTH                                                                                \
    .memberships = {{.state = GROUP_PRESENT, .member = true},                                  \
                    {.state = GROUP_PRESENT, .member = true}}
#define IN_NONE .memberships = {{.state = GROUP_PRESENT}, {.state = GROUP_PRESENT}}

static struct verdict judge(const struct mapping_options *options, const struct person *p,
                            bool explain)
{
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(entry_freep) struct entry *entry = entry_of(DN, p->pairs);
    struct ruleset *rs = good(options, schema);
    struct verdict v = {0};
    struct error e = {0};
    assert_non_null(entry);
    int r = ruleset_evaluate(rs, entry, p->memberships, NOW, explain, &v, &e);
    if (r < 0)
        fail_msg("%s", e.message);
    ruleset_free(rs);
    assert_true((v.kind == VERDICT_USER) == (v.user != NULL));
    assert_true((v.kind == VERDICT_USER) == (v.code == NULL));
    return v;
}

static void test_makes_a_user_with_sources(void **state)
{
    struct person p = {{BASIC, "mail", "jane@example.com", "preferredLanguage", "es-MX",
                        "ccSkill", "Billing, high=80", "ccSkill", "English:20", NULL},
                       IN_SUPPORT};
    struct verdict v = judge(&sample_options, &p, false);
    (void)state;
    assert_int_equal(v.kind, VERDICT_USER);
    assert_string_equal(user_get(v.user, USER_LOGIN), "jdoe");
    assert_string_equal(user_get(v.user, USER_FIRST_NAME), "Jane");
    assert_string_equal(user_get(v.user, USER_EMAIL), "jane@example.com");
    assert_null(user_get(v.user, USER_WORK_PHONE));
    assert_null(user_get(v.user, USER_MOBILE_PHONE));
    assert_string_equal(user_get(v.user, USER_TEAM), "Customer Service");
    assert_false(v.user->disabled);
    const struct source *s = &v.user->fields[USER_TEAM].source;
    assert_string_equal(s->rule, "Support agents");
    assert_string_equal(s->file, "test.conf");
    assert_int_equal(s->line, 12);
    assert_string_equal(v.user->fields[USER_EMAIL].source.rule, "[user] email");
    assert_int_equal(v.user->fields[USER_EMAIL].source.line, 63);
    assert_int_equal(v.user->n_roles, 2);
    assert_string_equal(user_role(v.user, "Phone")->source.rule, "Support again");
    assert_int_equal(v.user->n_skills, 3);
    assert_int_equal(user_skill(v.user, "English")->level, 100);
    assert_int_equal(user_skill(v.user, "English")->source.line, 14);
    assert_int_equal(user_skill(v.user, "Billing, high")->level, 80);
    assert_int_equal(user_skill(v.user, "Billing, high")->source.line, 41);
    assert_int_equal(user_skill(v.user, "Spanish")->level, 100);
    assert_null(v.steps);
    verdict_done(&v);
}

/* T17: two groups, two teams: the file's order decides, not the order of values. */
static void test_T17_first_rule_in_the_file_gives_the_team(void **state)
{
    static struct mapping_rule rules[2];
    struct mapping_options options = sample_options;
    struct person one = {{BASIC, "ou", "a", "ou", "b", NULL}, IN_BOTH};
    struct person other = {{"ou", "b", BASIC, "ou", "a", NULL}, IN_BOTH};
    (void)state;
    struct verdict v = judge(&options, &one, false), w = judge(&options, &other, false);
    assert_string_equal(user_get(v.user, USER_TEAM), "Customer Service");
    assert_string_equal(user_get(w.user, USER_TEAM), "Customer Service");
    assert_int_equal(v.user->n_roles, 3);
    assert_int_equal(user_skill(v.user, "English")->level, 100);
    char *a = user_to_json(v.user, true), *b = user_to_json(w.user, true);
    assert_string_equal(a, b);
    free(a);
    free(b);
    verdict_done(&v);
    verdict_done(&w);
    rules[0] = sample_rules[1];
    rules[1] = sample_rules[0];
    options.rules = rules;
    options.n_rules = 2;
    v = judge(&options, &one, false);
    assert_string_equal(user_get(v.user, USER_TEAM), "Sales");
    assert_int_equal(user_skill(v.user, "English")->level, 100);
    verdict_done(&v);
}

/* T38: names of groups with everything that DNs escape. */
static void test_T38_group_names_with_special_characters(void **state)
{
    static struct mapping_rule rules[] = {
        RULE(1, "odd",
             .group = TEXT(2, "cn=\\ Smith\\, John \\#1\\+x \\\"q\\\" *()\\5c\\00,dc=x"),
             .when = TEXT(3, "(cn=\\28a\\29\\2a\\5c)"), .team = TEXT(4, "T")),
    };
    struct mapping_options options = sample_options;
    struct person p = {{BASIC, "cn", "(a)*\\", NULL}, IN_SUPPORT};
    (void)state;
    options.rules = rules;
    options.n_rules = 1;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    struct ruleset *rs = good(&options, schema);
    size_t n;
    const struct ruleset_group *groups = ruleset_groups(rs, &n);
    assert_int_equal(n, 1);
    assert_string_equal(groups[0].dn, rules[0].group.text);
    ruleset_free(rs);
    struct verdict v = judge(&options, &p, false);
    assert_int_equal(v.kind, VERDICT_USER);
    verdict_done(&v);
}

/* T39: names in any script survive; what is no text refuses the person. */
static void test_T39_scripts_survive_and_binary_is_refused(void **state)
{
    struct person p = {{"objectClass", "inetOrgPerson", "uid", "wang", "givenName",
                        "\xe5\xb0\x8f\xe9\xbe\x8d \xf0\x9f\x98\x80", "sn",
                        "\xd8\xb9\xd9\x84\xd9\x8a", NULL},
                       IN_SUPPORT};
    (void)state;
    struct verdict v = judge(&sample_options, &p, false);
    assert_string_equal(user_get(v.user, USER_FIRST_NAME), p.pairs[5]);
    assert_string_equal(user_get(v.user, USER_LAST_NAME), p.pairs[7]);
    verdict_done(&v);
    p.pairs[7] = "Do\xff";
    v = judge(&sample_options, &p, false);
    assert_int_equal(v.kind, VERDICT_INVALID);
    assert_string_equal(v.code, INVALID_BINARY);
    assert_non_null(strstr(v.sentence, DN));
    assert_non_null(strstr(v.sentence, "'sn'"));
    verdict_done(&v);
}

/* T40: options do not shadow the plain attribute; several values: always the same one. */
static void test_T40_options_and_several_values(void **state)
{
    struct person p = {{BASIC, "givenName;lang-de", "Johanna", "mail", "z@x", "mail", "b@x",
                        "telephoneNumber;x-a", "2", "telephoneNumber;x-b", "1", NULL},
                       IN_SUPPORT};
    (void)state;
    struct verdict v = judge(&sample_options, &p, false);
    assert_string_equal(user_get(v.user, USER_FIRST_NAME), "Jane");
    assert_string_equal(user_get(v.user, USER_EMAIL), "b@x");
    assert_string_equal(user_get(v.user, USER_WORK_PHONE), "2");
    verdict_done(&v);
}

/* T41: missing, endless and controlling values. */
static void test_T41_unusable_values(void **state)
{
    static char endless[5001], name300[301];
    memset(endless, '1', 5000);
    memset(name300, 'n', 300);
    static const struct {
        struct person p;
        const char *code, *words;
    } rows[] = {
        {{{"objectClass", "inetOrgPerson", "uid", "j", "givenName", "J", NULL}, IN_SUPPORT},
         INVALID_MISSING,
         "last_name is empty"},
        {{{"objectClass", "inetOrgPerson", "uid", " ", "givenName", "J", "sn", "D", NULL},
          IN_SUPPORT},
         INVALID_MISSING,
         "login_id is empty"},
        {{{BASIC, "telephoneNumber", endless, NULL}, IN_SUPPORT},
         INVALID_TOO_LARGE,
         "'telephoneNumber': the value has 5000 bytes"},
        {{{"objectClass", "inetOrgPerson", "uid", "j", "givenName", "J", "sn", name300, NULL},
          IN_SUPPORT},
         INVALID_TOO_LARGE,
         "last_name from '${sn}' has 300 bytes"},
        {{{"objectClass", "inetOrgPerson", "uid", "j", "givenName", "J\r\nX: y", "sn", "D",
           NULL},
          IN_SUPPORT},
         INVALID_BINARY,
         "'givenName'"},
        {{{BASIC, "ipPhone", "12a", NULL}, IN_SUPPORT}, INVALID_FORM, "extension '12a'"},
        {{{BASIC, "ccSkill", "Billing:high", NULL}, IN_SUPPORT},
         INVALID_FORM,
         "attribute 'ccSkill', value 'Billing:high'"},
        {{{BASIC, "ccSkill", "Bill\x01ing", NULL}, IN_SUPPORT}, INVALID_BINARY, "'ccSkill'"},
        {{{BASIC, "accountExpires", "soon", NULL}, IN_SUPPORT},
         INVALID_FORM,
         "'accountExpires'"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct verdict v = judge(&sample_options, &rows[i].p, true);
        assert_row(rows[i].words, v.kind == VERDICT_INVALID);
        if (strcmp(v.code, rows[i].code) != 0 || !strstr(v.sentence, rows[i].words) ||
            !strstr(v.sentence, DN))
            fail_msg("%s: %s: %s", rows[i].words, v.code, v.sentence);
        assert_false(text_has_control(v.sentence, strlen(v.sentence)));
        for (size_t k = 0; k < v.n_steps; k++)
            assert_false(text_has_control(v.steps[k].sentence, strlen(v.steps[k].sentence)));
        verdict_done(&v);
    }
}

static void test_skips(void **state)
{
    struct person out = {{"objectClass", "device", NULL}, IN_SUPPORT};
    struct person none = {{BASIC, "preferredLanguage", "es", "ccSkill", "bad:bad", NULL},
                          IN_NONE};
    (void)state;
    struct verdict v = judge(&sample_options, &out, false);
    assert_int_equal(v.kind, VERDICT_SKIP);
    assert_string_equal(v.code, SKIP_OUT_OF_SCOPE);
    verdict_done(&v);
    /* No team comes before an invalid value: the person would be no user anyway. */
    v = judge(&sample_options, &none, false);
    assert_int_equal(v.kind, VERDICT_SKIP);
    assert_string_equal(v.code, SKIP_NO_TEAM);
    assert_false(v.group_missing);
    verdict_done(&v);
}

static void test_missing_groups_leave_doubt(void **state)
{
    struct person p = {
        {BASIC, NULL},
        .memberships = {{.state = GROUP_PRESENT, .member = true}, {.state = GROUP_MISSING}}};
    (void)state;
    struct verdict v = judge(&sample_options, &p, false);
    assert_int_equal(v.kind, VERDICT_USER);
    assert_true(v.group_missing);
    assert_string_equal(v.group_missing_dn, SALES_DN);
    verdict_done(&v);
    /* The filter denies the rule whatever the group holds. */
    struct person temp = p;
    const char *const pairs[] = {BASIC, "employeeType", "Temp", NULL};
    memcpy(temp.pairs, pairs, sizeof(pairs));
    v = judge(&sample_options, &temp, false);
    assert_false(v.group_missing);
    verdict_done(&v);
    p.memberships[0].state = GROUP_MISSING;
    v = judge(&sample_options, &p, false);
    assert_int_equal(v.kind, VERDICT_SKIP);
    assert_true(v.group_missing);
    assert_string_equal(v.group_missing_dn, SUPPORT_DN);
    assert_non_null(strstr(v.sentence, SUPPORT_DN));
    verdict_done(&v);
}

static void test_disables(void **state)
{
    static const struct {
        struct person p;
        bool disabled, recheck;
        unsigned line;
        uint64_t usec;
    } rows[] = {
        {{{BASIC, "employeeType", "terminated", NULL}, IN_SUPPORT}, true, false, 66, 0},
        {{{BASIC, "userAccountControl", "514", NULL}, IN_SUPPORT}, true, false, 66, 0},
        {{{BASIC, "userAccountControl", "512", NULL}, IN_SUPPORT}, false, false, 66, 0},
        {{{BASIC, "accountExpires", "0", NULL}, IN_SUPPORT}, false, false, 66, 0},
        {{{BASIC, "accountExpires", "9223372036854775807", NULL}, IN_SUPPORT},
         false,
         false,
         66,
         0},
        {{{BASIC, "accountExpires", "133444736000000000", NULL}, IN_SUPPORT},
         true,
         false,
         67,
         0},
        {{{BASIC, "accountExpires", "133444736000000010", NULL}, IN_SUPPORT},
         false,
         true,
         66,
         NOW + 1},
        {{{BASIC, "accountExpires", "20231114221321Z", NULL}, IN_SUPPORT},
         false,
         true,
         66,
         NOW + 1000000},
        {{{BASIC, "accountExpires", "20231114221320Z", NULL}, IN_SUPPORT}, true, false, 67, 0},
        {{{BASIC, "employeeType", "terminated", "accountExpires",
           "1"
           "33444736000000010",
           NULL},
          IN_SUPPORT},
         true,
         true,
         66,
         NOW + 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct verdict v = judge(&sample_options, &rows[i].p, false);
        const char *row = rows[i].p.pairs[9];
        assert_row(row, v.kind == VERDICT_USER); /* wanted all the same */
        assert_row(row, v.user->disabled == rows[i].disabled);
        assert_row(row, v.user->disabled_source.line == rows[i].line);
        assert_row(row, v.has_recheck == rows[i].recheck);
        assert_row(row, v.recheck_usec == rows[i].usec);
        verdict_done(&v);
    }
}

static void test_empty_values(void **state)
{
    struct mapping_options options = sample_options;
    struct person p = {{BASIC, NULL}, IN_SUPPORT};
    (void)state;
    options.empty = MAPPING_EMPTY_CLEAR;
    struct verdict v = judge(&options, &p, false);
    assert_string_equal(user_get(v.user, USER_WORK_PHONE), "");
    assert_int_equal(v.user->fields[USER_WORK_PHONE].source.line, 64);
    assert_string_equal(user_get(v.user, USER_EXTENSION), "");
    assert_null(user_get(v.user, USER_EMAIL)); /* never cleared */
    assert_null(user_get(v.user, USER_MOBILE_PHONE));
    verdict_done(&v);
}

static void test_explains(void **state)
{
    struct person p = {
        {BASIC, "employeeType", "Temp", "ccSkill", "Chat:5", NULL},
        .memberships = {
            {.state = GROUP_PRESENT, .member = true, .via = "cn=inner,dc=example,dc=com"},
            {.state = GROUP_PRESENT, .member = true}}};
    CLEANUP(buffer_done) struct buffer b = {0};
    (void)state;
    struct verdict v = judge(&sample_options, &p, true);
    for (size_t i = 0; i < v.n_steps; i++)
        buffer_format(&b, "%s:%u %c %s: %s\n", v.steps[i].file, v.steps[i].line,
                      v.steps[i].matched ? '+' : '-', v.steps[i].rule, v.steps[i].sentence);
    assert_string_equal(
        b.data,
        "test.conf:2 + [scope] when: (objectClass=inetOrgPerson) is true: objectClass is "
        "'inetOrgPerson'\n"
        "test.conf:10 + Support agents: member of " SUPPORT_DN
        " through cn=inner,dc=example,dc=com; gives team Customer Service; role Agent; skill "
        "English:100; skill Billing, high:30\n"
        "test.conf:20 - Sales: when: (!(employeeType=Temp)) is false: (employeeType=Temp) is "
        "true: employeeType is 'Temp'\n"
        "test.conf:30 - Spanish speakers: when: (preferredLanguage=es*) is false: "
        "preferredLanguage is absent\n"
        "test.conf:40 + Skills from HR: matches everybody; skills from ccSkill: 1\n"
        "test.conf:50 + Support again: member of cn=cc-support, ou=groups, dc=example, dc=com "
        "through cn=inner,dc=example,dc=com; role Phone\n"
        "test.conf:60 + [user] login_id: gives 'jdoe'\n"
        "test.conf:61 + [user] first_name: gives 'Jane'\n"
        "test.conf:62 + [user] last_name: gives 'Doe'\n"
        "test.conf:63 - [user] email: is empty: not managed\n"
        "test.conf:64 - [user] work_phone: is empty: not managed\n"
        "test.conf:65 - [user] extension: is empty: not managed\n"
        "test.conf:66 - [user] disabled_when: (|(employeeType=Terminated)"
        "(userAccountControl:1.2.840.113556.1.4.803:=2)) is false: (employeeType=Terminated) is "
        "false: employeeType is 'Temp'; (userAccountControl:1.2.840.113556.1.4.803:=2) is "
        "false: userAccountControl is absent\n"
        "test.conf:67 - [user] expires_at: accountExpires is absent: never\n");
    verdict_done(&v);
}

static void test_knows_what_it_reads_and_names(void **state)
{
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    struct ruleset *rs = good(&sample_options, schema);
    static const char *const attributes[] = {"objectClass",
                                             "uid",
                                             "givenName",
                                             "displayName",
                                             "cn",
                                             "sn",
                                             "mail",
                                             "telephoneNumber",
                                             "ipPhone",
                                             "employeeType",
                                             "userAccountControl",
                                             "accountExpires",
                                             "preferredLanguage",
                                             "ccSkill"};
    (void)state;
    const struct string_list *list = ruleset_attributes(rs);
    assert_int_equal(list->n_items, ARRAY_SIZE(attributes));
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
        assert_row(attributes[i], string_list_contains(list, attributes[i]));
    size_t n;
    const struct ruleset_group *groups = ruleset_groups(rs, &n);
    assert_int_equal(n, 2); /* two spellings of one DN are one group */
    assert_string_equal(groups[0].dn, SUPPORT_DN);
    assert_string_equal(groups[0].rule, "Support agents");
    assert_int_equal(groups[0].line, 11);
    assert_string_equal(groups[1].dn, SALES_DN);
    assert_true(ruleset_reads_clock(rs));
    assert_true(ruleset_names_role(rs, "Seller"));
    assert_false(ruleset_names_role(rs, "seller"));
    assert_true(ruleset_names_skill(rs, "Billing, high"));
    assert_false(ruleset_names_skill(rs, "Chat"));
    assert_int_equal(ruleset_teams(rs)->n_items, 2);
    assert_int_equal(ruleset_roles(rs)->n_items, 3);
    assert_int_equal(ruleset_skills(rs)->n_items, 3);
    ruleset_free(rs);
}

static char *fingerprint(const struct mapping_options *options, const struct schema *schema)
{
    struct ruleset *rs = good(options, schema);
    char *copy = strdup(ruleset_fingerprint(rs));
    ruleset_free(rs);
    return copy;
}

static void test_fingerprint_follows_meaning(void **state)
{
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    struct mapping_options options = sample_options;
    CLEANUP(freep) char *first = fingerprint(&options, schema);
    (void)state;
    options.scope_when.line = 99;
    CLEANUP(freep) char *moved = fingerprint(&options, schema);
    assert_string_equal(first, moved);
    options.empty = MAPPING_EMPTY_CLEAR;
    CLEANUP(freep) char *empty = fingerprint(&options, schema);
    assert_string_not_equal(first, empty);
    options = sample_options;
    options.n_rules--;
    CLEANUP(freep) char *fewer = fingerprint(&options, schema);
    assert_string_not_equal(first, fewer);
    const char *const names[] = {"employeeType"};
    assert_int_equal(schema_add(schema, NULL, names, 1, MATCHING_CASE_EXACT, false), 0);
    CLEANUP(freep) char *schema_changed = fingerprint(&sample_options, schema);
    assert_string_not_equal(first, schema_changed);
}

static void test_reports_every_mistake_at_once(void **state)
{
    static struct mapping_rule rules[] = {
        RULE(10, "A", .group = TEXT(11, "nonsense"), .when = TEXT(12, "(cn=x"),
             .roles = TEXT(13, "Agent,,\"x"), .skills = TEXT(14, "a:101, b:x, c"),
             .skills_from = TEXT(15, "no way")),
        RULE(20, "A", .team = TEXT(21, "${department}"), .when = TEXT(22, "(ou:dn:=x)")),
        RULE(30, "B"),
        RULE(40, "C", .skills = TEXT(41, "  "), .when = TEXT(42, "(memberOf=cn=x)")),
        RULE(50, "D", .team = TEXT(51, "x\ty")),
    };
    struct mapping_options options = {
        .scope_when = TEXT(2, "cn=x"),
        .fields = {[USER_LOGIN] = TEXT(60, "${uid"), [USER_EMAIL] = TEXT(63, "x ${m@il}")},
        .disabled_when = TEXT(64, "(uidNumber>=x)"),
        .account_expires = TEXT(65, "=x"),
        .rules = rules,
        .n_rules = ARRAY_SIZE(rules),
    };
    static const char *const expected[] = {
        "E test.conf:2:1: filter 'cn=x': a filter stands in brackets: (cn=x)\n",
        "E test.conf:60:6: template '${uid': '}' is missing after 'uid'\n",
        "E :0:0: [user] first_name is not set",
        "E :0:0: [user] last_name is not set",
        "E test.conf:63:6: template 'x ${m@il}': '@il' is not known",
        "W test.conf:64:13: 'x' never matches",
        "E test.conf:64:1: filter '(uidNumber>=x)' can never match",
        "E test.conf:65:1: '=x' is not the name of an attribute\n",
        "E test.conf:11:0: ",
        "E test.conf:12:6: filter '(cn=x': ')' is missing",
        "E test.conf:13:7: 'Agent,,\"x': an element of the list is empty\n",
        "E test.conf:13:8: 'Agent,,\"x': the closing double quote is missing\n",
        "E test.conf:14:3: '101' is not a level; a whole number from 0 to 100 is expected\n",
        "E test.conf:14:10: 'x' is not a level",
        "E test.conf:15:3: 'no way' is not the name of an attribute\n",
        "E test.conf:20:0: there is a rule 'A' already, in line 10 of test.conf",
        "E test.conf:21:1: '${department}': a team is a plain name",
        "E test.conf:22:4: ':dn' is not evaluated here",
        "W test.conf:30:0: rule 'B' gives nothing",
        "W test.conf:40:0: rule 'C' gives nothing",
        "W test.conf:42:2: 'memberOf' is kept by the server",
        "E test.conf:51:1: 'x\\x09y': a team is UTF-8 text without control characters\n",
    };
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(buffer_done) struct buffer problems = {0};
    struct ruleset *rs = NULL;
    (void)state;
    assert_int_equal(ruleset_new(&rs, &options, schema, print_problem, &problems), -EINVAL);
    assert_null(rs);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        if (!strstr(problems.data, expected[i]))
            fail_msg("missing: %sin:\n%s", expected[i], problems.data);
    size_t n_lines = 0;
    for (const char *p = problems.data; *p; p++)
        n_lines += *p == '\n';
    if (n_lines != ARRAY_SIZE(expected))
        fail_msg("%zu lines:\n%s", n_lines, problems.data);
}

/* A filter that the server cannot decide holds everybody whom it would decide about, and nobody
 * else; it does not keep the rules from being used. */
static void test_undecidable_filters_hold(void **state)
{
    static const struct {
        const char *scope, *when, *disabled, *code; /* NULL: a user */
    } rows[] = {
        {"(!(noSuch=x))", "(cn=*)", "(cn=nobody)", INVALID_UNDECIDED},
        {"(|(noSuch=x)(cn=*))", "(cn=*)", "(cn=nobody)", NULL},
        {"(&(noSuch=x)(cn=nobody))", "(cn=*)", "(cn=nobody)", SKIP_OUT_OF_SCOPE},
        {"(cn=*)", "(noSuch=*)", "(cn=nobody)", INVALID_UNDECIDED},
        {"(cn=*)", "(cn=*)", "(noSuch=*)", INVALID_UNDECIDED},
        {"(cn=*)", "(sAMAccountName=*)", "(cn=nobody)", INVALID_UNDECIDED}, /* built in alone */
        {"(cn=*)", "(cn>=a)", "(cn=nobody)", INVALID_UNDECIDED},            /* no order */
    };
    static const char *const definitions[] = {
        "( 2.5.4.3 NAME 'cn' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch "
        "SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
    };
    CLEANUP(schema_freep) struct schema *schema = NULL;
    struct error e = {0};
    (void)state;
    assert_int_equal(
        schema_read_subschema(&(struct schema_definitions){.types = definitions, .n_types = 1},
                              &schema, &e),
        0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct mapping_rule rules[] = {
            RULE(10, "A", .when = TEXT(11, rows[i].when), .team = TEXT(12, "T")),
        };
        struct mapping_options options = {
            .scope_when = TEXT(2, rows[i].scope),
            .disabled_when = TEXT(3, rows[i].disabled),
            .fields = {[USER_LOGIN] = TEXT(60, "${cn}"),
                       [USER_FIRST_NAME] = TEXT(61, "${cn}"),
                       [USER_LAST_NAME] = TEXT(62, "${cn}")},
            .rules = rules,
            .n_rules = 1,
        };
        CLEANUP(buffer_done) struct buffer problems = {0};
        struct ruleset *rs = NULL;
        static const char *const pairs[] = {"cn", "ana", NULL};
        CLEANUP(entry_freep) struct entry *entry = entry_of("cn=ana,dc=x", pairs);
        struct verdict v = {0};
        assert_int_equal(ruleset_new(&rs, &options, schema, print_problem, &problems), 0);
        assert_int_equal(ruleset_evaluate(rs, entry, NULL, 0, false, &v, &e), 0);
        if (!text_equal(v.code, rows[i].code))
            fail_msg("row %zu: %s: %s", i, v.code ? v.code : "a user", problems.data);
        verdict_done(&v);
        ruleset_free(rs);
    }
}

static void test_needs_a_team_and_templates(void **state)
{
    struct mapping_options options = {0};
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(buffer_done) struct buffer problems = {0};
    struct ruleset *rs = NULL;
    (void)state;
    assert_int_equal(ruleset_new(&rs, &options, schema, print_problem, &problems), -EINVAL);
    assert_non_null(strstr(problems.data, "login_id is not set"));
    assert_non_null(strstr(problems.data, "no rule gives a team"));
}

static void test_warns_of_attributes_the_server_lacks(void **state)
{
    struct mapping_options options = sample_options;
    struct mapping_text mail = TEXT(63, "x${maill}");
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(buffer_done) struct buffer problems = {0};
    struct ruleset *rs = NULL;
    (void)state;
    options.fields[USER_EMAIL] = mail;
    const char *const names[] = {"mail"};
    assert_int_equal(schema_add(schema, NULL, names, 1, MATCHING_CASE_IGNORE, false), 0);
    schema_set_from_server(schema);
    assert_int_equal(ruleset_new(&rs, &options, schema, print_problem, &problems), 0);
    assert_non_null(strstr(problems.data, "W test.conf:63:4: the directory's schema has no "
                                          "attribute 'maill'; did you mean 'mail'?\n"));
    assert_non_null(strstr(problems.data, "W test.conf:41:1: the directory's schema has no "
                                          "attribute 'ccSkill'\n"));
    ruleset_free(rs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_makes_a_user_with_sources),
        cmocka_unit_test(test_T17_first_rule_in_the_file_gives_the_team),
        cmocka_unit_test(test_T38_group_names_with_special_characters),
        cmocka_unit_test(test_T39_scripts_survive_and_binary_is_refused),
        cmocka_unit_test(test_T40_options_and_several_values),
        cmocka_unit_test(test_T41_unusable_values),
        cmocka_unit_test(test_skips),
        cmocka_unit_test(test_missing_groups_leave_doubt),
        cmocka_unit_test(test_disables),
        cmocka_unit_test(test_empty_values),
        cmocka_unit_test(test_explains),
        cmocka_unit_test(test_knows_what_it_reads_and_names),
        cmocka_unit_test(test_fingerprint_follows_meaning),
        cmocka_unit_test(test_reports_every_mistake_at_once),
        cmocka_unit_test(test_undecidable_filters_hold),
        cmocka_unit_test(test_needs_a_team_and_templates),
        cmocka_unit_test(test_warns_of_attributes_the_server_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
