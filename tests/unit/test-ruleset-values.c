/*
 * What the rules make of odd values: times, several logins, revocations, explanations; what is
 * wrong in rules; and all of it with every allocation failing.
 */
#include "config.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "failing-memory.h"
#include "mapping-sample.h"
#include "mapping/ruleset.h"
#include "model/schema.h"
#include "unit.h"

#define NOW (1800000000 * USEC_PER_SEC) /* 2027-01-15 08:00 */
#define BASE "uid", "anna", "cn", "Anna", "sn", "A"
#define LONG_NAME \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#define BIG  -1 /* the last value becomes one of 20,000 bytes, */
#define RAW  -2 /* … or bytes */

static void add_problem(const struct problem *p, void *userdata)
{
    buffer_format(userdata, "%u:%u: %s\n", p->line, p->column, p->sentence);
}

static void ignore_problem(const struct problem *p, void *userdata)
{
    (void)p, (void)userdata;
}

static const struct row {
    const char *name;
    const char *pairs[24];
    const char *expect; /* code, or the user in short */
    const char *scope, *revoke, *disabled, *expires, *starts, *login, *skills_from, *when, *group;
    bool member;
    bool clears;
    int last; /* BIG, RAW */
    const char *step; /* part of the explanation */
} rows[] = {
    {"plain", {BASE}, "user", .step = "matches everybody"},
    {"no team", {BASE}, "no-team", .when = "(cn=x)"},

    {"revoked", {BASE}, "user revoked", .revoke = "(cn=Anna)", .step = "(cn=Anna) is true"},
    {"not revoked", {BASE}, "user", .revoke = "(cn=Berta)"},
    {"revoked, out of scope", {BASE}, "out-of-scope revoked", .revoke = "(cn=Anna)", .scope = "(cn=x)"},
    {"unreadable", {BASE, ":unreadable", "its name is none"}, "entry-unreadable", .revoke = "(cn=Berta)"},
    {"revoked, unreadable", {BASE, ":unreadable", "x"}, "entry-unreadable revoked", .revoke = "(cn=Anna)", .last = RAW},
    {"revoked, invalid otherwise", {"uid", "anna", "cn", "Anna"}, "value-missing revoked", .revoke = "(cn=Anna)"},
    {"nobody can tell whether revoked", {BASE, "info", "x"}, "filter-undecided", .revoke = "(info=x)", .last = BIG},
    {"… out of scope", {BASE, "info", "x"}, "out-of-scope", .revoke = "(info=x)", .scope = "(cn=x)", .last = BIG},
    {"… without a team", {BASE, "info", "x"}, "no-team", .revoke = "(info=x)", .when = "(cn=x)", .last = BIG},

    {"ends", {BASE, "shadowExpire", "30000"}, "user recheck=2592000000", .expires = "shadowExpire", .step = "the account ends at 2052"},
    {"ended", {BASE, "shadowExpire", "3"}, "user disabled", .expires = "shadowExpire", .step = "the account ended at 1970"},
    {"ends now", {BASE, "end", "1800000000"}, "user disabled", .expires = "end"},
    {"ends a second later", {BASE, "end", "1800000001"}, "user recheck=1800000001", .expires = "end"},
    {"ends never", {BASE, "shadowExpire", "-1"}, "user", .expires = "shadowExpire", .step = "shadowExpire is '-1': never"},
    {"no end", {BASE}, "user", .expires = "shadowExpire", .step = "shadowExpire is absent: never"},
    {"an end that is none", {BASE, "end", "soon"}, "value-malformed", .expires = "end", .step = "is not a time"},
    {"an end of bytes", {BASE, "end", "x"}, "value-not-text", .expires = "end", .last = RAW, .step = "2 bytes that are not a time"},
    {"a large end", {BASE, "end", "x"}, "value-too-large", .expires = "end", .last = BIG},
    {"the usable one of two ends", {BASE, "end", " ", "end", "1900000000"}, "user recheck=1900000000", .expires = "end"},
    {"disabled, and ended", {BASE, "end", "1700000000"}, "user disabled by=[user] disabled_when", .disabled = "(cn=Anna)", .expires = "end"},
    {"not disabled, but ended", {BASE, "end", "1700000000"}, "user disabled by=[user] expires_at", .disabled = "(cn=x)", .expires = "end"},
    {"neither", {BASE, "end", "1900000000"}, "user recheck=1900000000 by=[user] disabled_when", .disabled = "(cn=x)", .expires = "end"},
    {"nobody can tell whether disabled", {BASE, "info", "x"}, "filter-undecided", .disabled = "(info=x)", .last = BIG},

    {"starts", {BASE, "begin", "2027-01-16"}, "user start=1800057600", .starts = "begin", .step = "begin: begins at 2027-01-16"},
    {"starts now", {BASE, "begin", "1800000000"}, "user start=1800000000", .starts = "begin", .step = "begin: began at"},
    {"started", {BASE, "begin", "20270101"}, "user start=1798761600", .starts = "begin", .step = "begin: began at 2027-01-01"},
    {"never starts", {BASE, "begin", "2147483647"}, "user", .starts = "begin"},
    {"a start that is none", {BASE, "begin", "soon"}, "value-malformed", .starts = "begin"},
    {"a start of bytes", {BASE, "begin", "x"}, "value-not-text", .starts = "begin", .last = RAW},

    {"other logins", {"uid", "anna", "uid", "berta", "uid", "Anna", "cn", "A", "sn", "A"}, "user other=anna,berta", .login = "${uid}"},
    {"other logins, one form", {"uid", "anna", "uid", "ANNA", "uid", "ANNA2", "cn", "A", "sn", "A"}, "user other=anna2", .login = "${uid,,}"},
    {"other logins, once each", {"uid", "anna", "uid", "BERTA", "uid", "berta", "cn", "A", "sn", "A"}, "user other=berta", .login = "${uid,,}"},
    {"other logins of two attributes", {"uid", "anna", "uid", "berta", "cn", "A", "cn", "B", "sn", "A"}, "user other=anna.B,berta.A", .login = "${uid}.${cn}"},
    {"another value that is too long", {"uid", "anna", "uid", LONG_NAME "x", "cn", "A", "sn", "A"}, "user", .login = "${uid}"},
    {"other values that give none", {"uid", "anna", "uid", "x", "cn", "A", "cn", "B", "sn", "A"}, "user", .login = "${uid##x*}"},
    {"other values of nothing that is read", {"uid", "anna", "ou", "a", "ou", "b", "cn", "A", "sn", "A"}, "user", .login = "${uid}"},
    {"an other value that is refused", {"uid", "anna", "uid", "\xe4\xb8\x80", "cn", "A", "sn", "A"}, "user", .login = "${uid@ascii}"},
    {"an other value of bytes", {"cn", "A", "sn", "A", "uid", "anna", "uid", "x"}, "user", .login = "${uid}", .last = RAW},

    {"decomposed", {"uid", "anna", "cn", "Jose\xcc\x81", "sn", "A"}, "user first=Jos\xc3\xa9", .scope = NULL},
    {"cleared", {BASE}, "user mail=- phone=''", .clears = true, .step = "is empty: the tenant's value is cleared"},
    {"kept", {BASE}, "user mail=- phone=-", .step = "is empty: not managed"},

    {"skills of bytes", {BASE, "skill", "x"}, "value-not-text", .skills_from = "skill", .last = RAW},
    {"a large skill", {BASE, "skill", "x"}, "value-too-large", .skills_from = "skill", .last = BIG, .step = "skill cannot be used"},
    {"a skill without a level", {BASE, "skill", "a:x"}, "value-malformed", .skills_from = "skill"},
    {"no skills", {BASE}, "user", .skills_from = "skill", .step = "skills from skill: 0"},
    {"a member, and an undecided rule", {BASE, "info", "x"}, "filter-undecided", .when = "(info=x)", .group = "cn=g", .member = true, .last = BIG},
    {"no member, and an undecided rule", {BASE, "info", "x"}, "no-team", .when = "(info=x)", .group = "cn=g", .last = BIG},
    {"an undecided rule", {BASE, "info", "x"}, "filter-undecided", .when = "(info=x)", .last = BIG},
};

static struct entry *entry_by(const struct row *row)
{
    struct entry *e = entry_new("id", "uid=anna,dc=x", ENTRY_PERSON);
    static char big[20000];
    memset(big, 'x', sizeof(big));
    for (const char *const *p = row->pairs; *p; p += 2) {
        bool last = !p[2] && row->last;
        const char *value = last && row->last == BIG ? big : last ? "\xff\xfe" : p[1];
        assert_int_equal(
            entry_add_value(e, p[0], value,
                            last && row->last == BIG ? sizeof(big) : strlen(value)),
            0);
    }
    entry_sort(e);
    return e;
}

static void describe(const struct row *row, const struct verdict *v, char *text, size_t size)
{
    size_t n = (size_t)snprintf(text, size, "%s%s", v->kind == VERDICT_USER ? "user" : v->code, v->revoked ? " revoked" : "");
    if (v->kind != VERDICT_USER)
        return;
    if (v->user->disabled)
        n += (size_t)snprintf(text + n, size - n, " disabled");
    if (v->has_recheck)
        n += (size_t)snprintf(text + n, size - n, " recheck=%llu", (unsigned long long)(v->recheck_usec / USEC_PER_SEC));
    if (v->has_start)
        n += (size_t)snprintf(text + n, size - n, " start=%llu", (unsigned long long)(v->start_usec / USEC_PER_SEC));
    if (strstr(row->expect, "by="))
        n += (size_t)snprintf(text + n, size - n, " by=%s", v->user->disabled_source.rule);
    for (size_t i = 0; i < v->other_logins.n_items; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%s", i ? "," : " other=", v->other_logins.items[i]);
    if (strstr(row->expect, "first="))
        n += (size_t)snprintf(text + n, size - n, " first=%s", user_get(v->user, USER_FIRST_NAME));
    const char *mail = user_get(v->user, USER_EMAIL), *phone = user_get(v->user, USER_WORK_PHONE);
    if (strstr(row->expect, "mail="))
        snprintf(text + n, size - n, " mail=%s phone=%s", mail ? mail : "-", !phone ? "-" : *phone ? phone : "''");
}

/* The n-th allocation fails; true: none did. */
static bool judge(const struct row *row, const struct schema *schema, const struct entry *entry,
                  bool explain, long n, struct verdict *ret)
{
    struct mapping_rule rules[] = {
        RULE(1, "Everybody", .group = TEXT(7, row->group), .when = TEXT(2, row->when), .team = TEXT(3, "T"), .roles = TEXT(4, "R"),
             .skills = TEXT(5, "S:5"), .skills_from = TEXT(6, row->skills_from)),
        RULE(10, "Second", .group = TEXT(7, row->group), .team = TEXT(11, "U"), .when = TEXT(12, row->when)),
    };
    struct mapping_rule conflicts[] = {RULE(20, "C", .roles = TEXT(21, "R, Q")), RULE(22, "D", .roles = TEXT(23, "R, P"))};
    struct mapping_options options = {
        .scope_when = TEXT(40, row->scope),
        .revoke_when = TEXT(41, row->revoke),
        .disabled_when = TEXT(42, row->disabled),
        .account_expires = TEXT(43, row->expires),
        .starts_at = TEXT(44, row->starts),
        .empty = row->clears ? MAPPING_EMPTY_CLEAR : MAPPING_EMPTY_KEEP,
        .fields = {[USER_LOGIN] = TEXT(60, row->login ? row->login : "${uid}"),
                   [USER_FIRST_NAME] = TEXT(61, "${cn}"),
                   [USER_LAST_NAME] = TEXT(62, "${sn}"),
                   [USER_EMAIL] = TEXT(63, "${mail}"),
                   [USER_WORK_PHONE] = {.text =
                                            WRITABLE("${telephoneNumber}")} /* of no file */},
        .rules = rules,
        .n_rules = ARRAY_SIZE(rules),
        .conflicts = conflicts,
        .n_conflicts = ARRAY_SIZE(conflicts),
    };
    const struct membership membership = {.state = GROUP_PRESENT, .member = row->member};
    struct ruleset *rs = NULL;
    struct error e = {0};
    *ret = (struct verdict){0};
    fail_after = n;
    int r = ruleset_new(&rs, &options, schema, ignore_problem, NULL);
    bool built = r == 0;
    if (built)
        r = ruleset_evaluate(rs, entry, &membership, NOW, explain, ret, &e);
    if (built && r == 0)
        r = ruleset_revokes(rs, entry);
    bool failed = n >= 0 && fail_after < 0;
    fail_after = -1;
    if (!failed) {
        assert_row(row->name, built && r >= 0 && r == (int)ret->revoked);
        assert_int_equal(ruleset_reads_clock(rs), row->expires || row->starts);
        /* Told from elsewhere, it holds for whomever, if there is such a filter; twice is once. */
        struct verdict told = {0};
        const char *filter = ruleset_revoke_filter(rs);
        assert_row(row->name, filter ? text_equal(filter, row->revoke) : !row->revoke);
        for (int again = 0; again < 2; again++)
            assert_row(row->name,
                       ruleset_is_told(rs, &told) == 0 && told.revoked == (filter != NULL));
        assert_row(row->name, (told.revoke_source.line == 41) == (filter != NULL));
        verdict_done(&told);
    }
    /* Hashing tells no memory from no method. */
    assert_row(row->name, !failed || r >= 0 || r == -ENOMEM || (!built && r == -EIO));
    ruleset_free(rs);
    if (r < 0)
        verdict_done(ret);
    return !failed;
}

static void test_rows(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(entry_freep) struct entry *entry = entry_by(&rows[i]);
        struct verdict v;
        char text[200];
        for (int explain = 0; explain < 2; explain++) {
            assert_true(judge(&rows[i], schema, entry, explain, -1, &v));
            describe(&rows[i], &v, text, sizeof(text));
            if (strcmp(text, rows[i].expect) != 0)
                fail_msg("row \"%s\": %s, not %s: %s", rows[i].name, text, rows[i].expect, v.sentence ? v.sentence : "");
            bool found = !explain || !rows[i].step;
            for (size_t k = 0; k < v.n_steps; k++)
                found = found || strstr(v.steps[k].sentence, rows[i].step);
            assert_row(rows[i].name, found);
            assert_row(rows[i].name, explain || v.n_steps == 0);
            verdict_done(&v);
        }
    }
}

/* As many values as somebody may have put there; some of them are tried. */
static void test_many_logins(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(entry_freep) struct entry *entry = entry_by(&rows[0]);
    struct verdict v;
    for (int i = 10; i < 60; i++) {
        char uid[16];
        snprintf(uid, sizeof(uid), "u%d", i);
        assert_int_equal(entry_add_value(entry, "uid", uid, strlen(uid)), 0);
    }
    entry_sort(entry);
    assert_true(judge(&rows[0], schema, entry, false, -1, &v));
    assert_string_equal(user_get(v.user, USER_LOGIN), "anna");
    assert_int_equal(v.other_logins.n_items, 31);
    verdict_done(&v);
}

/* "r1000, r1001, ...": so many, each with this at its end. */
static char *many_names(int n, const char *end)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    for (int i = 0; i < n; i++)
        buffer_format(&b, "%sr%d%s", i ? ", " : "", 1000 + i, end);
    return buffer_take(&b);
}

/* Nobody is given more roles or skills than a user may have, wherever they come from. */
static void test_many_names(void **state)
{
    (void)state;
    static const struct {
        int roles, skills, values;
        const char *sentence; /* NULL: it is a user's */
    } cases[] = {
        {2000, 1, 1999, NULL},
        {2001, 1, 0, "more than 2000 roles, with those of rule 'Many'"},
        {2100, 1, 0, "more than 2000 roles, with those of rule 'Many'"},
        {1, 2001, 0, "more than 2000 skills, with those of rule 'Many'"},
        {1, 2100, 0, "more than 2000 skills, with those of rule 'Many'"},
        {1, 1, 2100, "more than 2000 skills, with those of rule 'Many'"},
    };
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(entry_freep) struct entry *entry = entry_by(&rows[0]);
        CLEANUP(freep) char *roles = many_names(cases[i].roles, "");
        CLEANUP(freep) char *skills = many_names(cases[i].skills, ":5");
        for (int k = 0; k < cases[i].values; k++) {
            char skill[16];
            snprintf(skill, sizeof(skill), "s%d:5", 1000 + k);
            assert_int_equal(entry_add_value(entry, "skill", skill, strlen(skill)), 0);
        }
        entry_sort(entry);
        struct mapping_rule rules[] = {RULE(1, "Many", .team = TEXT(2, "T"), .roles = TEXT(3, roles), .skills = TEXT(4, skills),
                                            .skills_from = TEXT(5, "skill"))};
        struct mapping_options options = {
            .fields = {[USER_LOGIN] = TEXT(60, "${uid}"),
                       [USER_FIRST_NAME] = TEXT(61, "${cn}"),
                       [USER_LAST_NAME] = TEXT(62, "${sn}")},
            .rules = rules,
            .n_rules = ARRAY_SIZE(rules),
        };
        struct membership membership = {.state = GROUP_PRESENT};
        struct ruleset *rs = NULL;
        struct error e = {0};
        struct verdict v = {0};
        assert_int_equal(ruleset_new(&rs, &options, schema, ignore_problem, NULL), 0);
        assert_int_equal(ruleset_evaluate(rs, entry, &membership, NOW, false, &v, &e), 0);
        if (!cases[i].sentence)
            assert_int_equal(v.kind, VERDICT_USER);
        else if (v.kind == VERDICT_USER || strcmp(v.code, INVALID_FORM) != 0 ||
                 !strstr(v.sentence, cases[i].sentence))
            fail_msg("case %zu: %s", i, v.sentence ? v.sentence : "a user");
        verdict_done(&v);
        ruleset_free(rs);
    }
}

/* What comes all the same is what would have come. */
static void test_memory(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(entry_freep) struct entry *entry = entry_by(&rows[i]);
        for (int explain = 0; explain < 2; explain++) {
            struct verdict v;
            for (long n = 0; !judge(&rows[i], schema, entry, explain, n, &v); n++) {
                char text[200];
                if (!v.kind)
                    continue;
                describe(&rows[i], &v, text, sizeof(text));
                assert_row(rows[i].name, strcmp(text, rows[i].expect) == 0);
                verdict_done(&v);
            }
            verdict_done(&v);
        }
    }
}

static void test_mistakes(void **state)
{
    (void)state;
    char longest[256] = "";
    memset(longest, 'b', 255);
    struct mapping_rule rules[] = {
        RULE(40, "H", .team = TEXT(41, longest)),
        RULE(1, "A", .team = TEXT(2, LONG_NAME), .roles = TEXT(3, "\"x\"y, a\tb, ${r}, ok, ok"),
             .skills = TEXT(5, "${s}:5, \"a\":x, " LONG_NAME), .skills_from = TEXT(6, "skill")),
        RULE(10, "B", .roles = TEXT(11, "a\xff"), .skills_from = TEXT(12, "SKILL"), .team = TEXT(13, "T")),
        RULE(30, "E", .roles = TEXT(31, "x,,")),
    };
    struct mapping_rule conflicts[] = {RULE(20, "C", .roles = TEXT(21, "ok")), RULE(22, "D", .roles = TEXT(23, "p, q")),
                                       RULE(24, "F", .roles = TEXT(25, "OK, q"))};
    struct mapping_options options = {
        .fields = {[USER_LOGIN] = TEXT(60, "same"),
                   [USER_FIRST_NAME] = TEXT(61, "${cn}"),
                   [USER_LAST_NAME] = {.file = WRITABLE("test.conf"), .line = 62}},
        .rules = rules,
        .n_rules = ARRAY_SIZE(rules),
        .conflicts = conflicts,
        .n_conflicts = ARRAY_SIZE(conflicts),
    };
    static const char *const expected[] = {
        "60:1: 'same' names no attribute, so that everybody would have the same login",
        "62:0: [user] last_name is not set",
        "2:1: the team is longer than",
        "3:4: 'y' follows the closing quote; ',' is expected",
        "3:7: 'a\\x09b': a role is UTF-8 text without control characters",
        "3:12: '${r}': a role is a plain name",
        "5:1: '${s}': a skill is a plain name",
        "5:13: 'x' is not a level",
        "5:16: the name of the skill is longer than",
        "11:1: 'a\\xff': a role is UTF-8 text",
        "31:3: 'x,,': an element of the list is empty",
        "20:0: the conflict 'C' names 1 roles",
        "23:0: no rule gives any of the roles of the conflict 'D'",
    };
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(buffer_done) struct buffer problems = {0};
    struct ruleset *rs = NULL;
    assert_int_equal(ruleset_new(&rs, &options, schema, add_problem, &problems), -EINVAL);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        if (!strstr(problems.data, expected[i]))
            fail_msg("missing: %s in:\n%s", expected[i], problems.data);
    size_t n_lines = 0;
    for (const char *p = problems.data; *p; p++)
        n_lines += *p == '\n';
    if (n_lines != ARRAY_SIZE(expected))
        fail_msg("%zu lines:\n%s", n_lines, problems.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_many_logins),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
