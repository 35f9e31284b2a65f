/*
 * The schema: the built-in table, what a server adds, and the way to the state file and back.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "base/text.h"
#include "dice.h"
#include "model/schema-table.h"
#include "model/schema.h"
#include "unit.h"

static const struct {
    const char *attribute, *canonical;
    enum matching matching;
} known[] = {
    {"cn", "cn", MATCHING_CASE_IGNORE},
    {"CommonName", "cn", MATCHING_CASE_IGNORE},
    {"2.5.4.3", "cn", MATCHING_CASE_IGNORE},
    {"cn;lang-de", "cn", MATCHING_CASE_IGNORE},
    {"MEMBER", "member", MATCHING_DN},
    {"member;range=0-1499", "member", MATCHING_DN},
    {"uniqueMember", "uniqueMember", MATCHING_DN},
    {"memberOf", "memberOf", MATCHING_DN},
    {"manager", "manager", MATCHING_DN},
    {"seeAlso", "seeAlso", MATCHING_DN},
    {"owner", "owner", MATCHING_DN},
    {"secretary", "secretary", MATCHING_DN},
    {"distinguishedName", "distinguishedName", MATCHING_DN},
    {"uidNumber", "uidNumber", MATCHING_INTEGER},
    {"userAccountControl", "userAccountControl", MATCHING_INTEGER},
    {"sAMAccountType", "sAMAccountType", MATCHING_INTEGER},
    {"groupType", "groupType", MATCHING_INTEGER},
    {"primaryGroupID", "primaryGroupID", MATCHING_INTEGER},
    {"accountExpires", "accountExpires", MATCHING_FILETIME},
    {"pwdLastSet", "pwdLastSet", MATCHING_FILETIME},
    {"lastLogon", "lastLogon", MATCHING_FILETIME},
    {"lastLogonTimestamp", "lastLogonTimestamp", MATCHING_FILETIME},
    {"objectGUID", "objectGUID", MATCHING_OCTETS},
    {"objectSid", "objectSid", MATCHING_OCTETS},
    {"jpegPhoto", "jpegPhoto", MATCHING_OCTETS},
    {"userPassword", "userPassword", MATCHING_OCTETS},
    {"modifyTimestamp", "modifyTimestamp", MATCHING_TIME},
    {"whenChanged", "whenChanged", MATCHING_TIME},
    {"telephoneNumber", "telephoneNumber", MATCHING_TELEPHONE},
    {"mobileTelephoneNumber", "mobile", MATCHING_TELEPHONE},
    {"memberUid", "memberUid", MATCHING_CASE_EXACT},
    {"userid", "uid", MATCHING_CASE_IGNORE},
    {"isDeleted", "isDeleted", MATCHING_BOOLEAN},
    {"x121Address", "x121Address", MATCHING_NUMERIC},
};

static void test_built_in(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *s = schema_new();
    assert_non_null(s);
    assert_false(schema_is_from_server(s));
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        assert_row(known[i].attribute, schema_knows(s, known[i].attribute));
        assert_row(known[i].attribute,
                   schema_matching(s, known[i].attribute) == known[i].matching);
        assert_string_equal(schema_canonical(s, known[i].attribute), known[i].canonical);
    }
    /* No row of the table has displaced another. */
    size_t n = 0;
    const char *const *names = schema_names(s, &n);
    assert_int_equal(n, schema_table_size);
    assert_string_equal(text_nearest("telefoneNumber", names, n), "telephoneNumber");
}

static void test_unknown(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *s = schema_new();
    static const char *const names[] = {"ccSkill", "c n", "", ";x", "cnn", "c;", "2.5.4.333"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], "c;") == 0)
            continue; /* that one is c */
        assert_row(names[i], !schema_knows(s, names[i]));
        assert_int_equal(schema_matching(s, names[i]), MATCHING_CASE_IGNORE);
        assert_ptr_equal(schema_canonical(s, names[i]), names[i]);
    }
    assert_string_equal(schema_canonical(s, "c;"), "c");
}

static void test_add(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *s = schema_new();
    size_t before, after;
    (void)schema_names(s, &before);
    const char *const skill[] = {"ccSkill", "ccSkills"};
    assert_int_equal(schema_add(s, "1.3.6.1.4.1.99.1", skill, 2, MATCHING_CASE_EXACT, false),
                     0);
    assert_int_equal(schema_matching(s, "CCSKILLS;x"), MATCHING_CASE_EXACT);
    assert_string_equal(schema_canonical(s, "1.3.6.1.4.1.99.1"), "ccSkill");
    const char *const *names = schema_names(s, &after);
    assert_int_equal(after, before + 1);
    assert_string_equal(names[before], "ccSkill");

    /* The server's word on "mobile" replaces ours, aliases too. */
    const char *const mobile[] = {"mobile"};
    assert_int_equal(schema_add(s, NULL, mobile, 1, MATCHING_CASE_IGNORE, true), 0);
    assert_int_equal(schema_matching(s, "mobile"), MATCHING_CASE_IGNORE);
    assert_false(schema_knows(s, "mobileTelephoneNumber"));
    /* One that unites two removes both. */
    const char *const both[] = {"sn", "givenName", "sn"};
    assert_int_equal(schema_add(s, "2.5.4.4", both, 3, MATCHING_CASE_EXACT, false), 0);
    assert_string_equal(schema_canonical(s, "GIVENNAME"), "sn");
    assert_false(schema_knows(s, "surname"));
    (void)schema_names(s, &after);
    assert_int_equal(after, before);

    /* Nameless ones go by their OID; one with neither is refused. */
    assert_int_equal(schema_add(s, "1.2.3", NULL, 0, MATCHING_INTEGER, false), 0);
    assert_string_equal(schema_canonical(s, "1.2.3"), "1.2.3");
    assert_int_equal(schema_add(s, NULL, NULL, 0, MATCHING_INTEGER, false), -EINVAL);
    schema_set_from_server(s);
    assert_true(schema_is_from_server(s));
}

/* Active Directory calls its FILETIMEs large integers. */
static void test_filetime_stays(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *s = schema_new();
    const char *const expires[] = {"accountExpires"};
    enum matching m = schema_matching_from_rule(NULL, "1.2.840.113556.1.4.906");
    assert_int_equal(m, MATCHING_INTEGER);
    assert_int_equal(schema_add(s, "1.2.840.113556.1.4.159", expires, 1, m, true), 0);
    assert_int_equal(schema_matching(s, "accountExpires"), MATCHING_FILETIME);
    const char *const usn[] = {"uSNChanged"};
    assert_int_equal(schema_add(s, NULL, usn, 1, m, true), 0);
    assert_int_equal(schema_matching(s, "uSNChanged"), MATCHING_INTEGER);
}

static void test_rules(void **state)
{
    (void)state;
    static const struct {
        const char *equality, *syntax;
        enum matching matching;
    } rows[] = {
        {"caseExactMatch", NULL, MATCHING_CASE_EXACT},
        {"CASEEXACTMATCH", NULL, MATCHING_CASE_EXACT},
        {"2.5.13.5", NULL, MATCHING_CASE_EXACT},
        {"integerMatch", "1.3.6.1.4.1.1466.115.121.1.15", MATCHING_INTEGER},
        {"distinguishedNameMatch", NULL, MATCHING_DN},
        {"uniqueMemberMatch", NULL, MATCHING_DN},
        {"generalizedTimeMatch", NULL, MATCHING_TIME},
        {"booleanMatch", NULL, MATCHING_BOOLEAN},
        {"octetStringMatch", NULL, MATCHING_OCTETS},
        {"numericStringMatch", NULL, MATCHING_NUMERIC},
        {"telephoneNumberMatch", NULL, MATCHING_TELEPHONE},
        {"caseIgnoreIA5Match", NULL, MATCHING_CASE_IGNORE},
        {"unheardOfMatch", "1.3.6.1.4.1.1466.115.121.1.27", MATCHING_INTEGER},
        {NULL, "1.3.6.1.4.1.1466.115.121.1.12", MATCHING_DN},
        {NULL, "1.3.6.1.4.1.1466.115.121.1.24", MATCHING_TIME},
        {NULL, "1.3.6.1.4.1.1466.115.121.1.40", MATCHING_OCTETS},
        {NULL, "1.2.3", MATCHING_CASE_IGNORE},
        {NULL, NULL, MATCHING_CASE_IGNORE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(schema_matching_from_rule(rows[i].equality, rows[i].syntax),
                         rows[i].matching);
}

static void test_json(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *s = schema_new();
    CLEANUP(schema_freep) struct schema *t = schema_new();
    CLEANUP(schema_freep) struct schema *read = NULL;
    const char *const x[] = {"x"}, *const y[] = {"y", "why"};
    assert_int_equal(schema_add(s, NULL, x, 1, MATCHING_BOOLEAN, true), 0);
    assert_int_equal(schema_add(s, "1.2.3", y, 2, MATCHING_TIME, false), 0);
    assert_int_equal(schema_add(t, "1.2.3", y, 2, MATCHING_TIME, false), 0);
    assert_int_equal(schema_add(t, NULL, x, 1, MATCHING_BOOLEAN, true), 0);
    schema_set_from_server(s);
    schema_set_from_server(t);
    CLEANUP(freep) char *text = schema_to_json(s);
    CLEANUP(freep) char *same = schema_to_json(t);
    assert_non_null(text);
    assert_string_equal(text, same); /* the order of the server's answer does not show */
    assert_int_equal(schema_from_json(&read, text), 0);
    CLEANUP(freep) char *again = schema_to_json(read);
    assert_string_equal(text, again);
    assert_true(schema_is_from_server(read));
    assert_int_equal(schema_matching(read, "WHY"), MATCHING_TIME);
    assert_int_equal(schema_matching(read, "x"), MATCHING_BOOLEAN);
    assert_string_equal(schema_canonical(read, "commonName"), "cn");
}

/* Names of odd bytes, rules that are and are not the usual ones, classes above and below. */
static void add_at_random(struct schema *s, unsigned i)
{
    static const char *const odd[] = {"", "\"", "\\", "\t", "\x01", "\x7f", "é", "\U0001f600"};
    char name[40], other[40], oid[40];
    snprintf(name, sizeof(name), "new%u%s", i, odd[below(8)]);
    snprintf(other, sizeof(other), "other%u%s", i, odd[below(8)]);
    snprintf(oid, sizeof(oid), "1.2.%u", i);
    const char *const names[] = {name, other}, *const above[] = {"top", odd[below(8)]};
    enum matching m = (enum matching)(MATCHING_CASE_IGNORE + (int)below(MATCHING_FILETIME));
    const char *some_oid = chance(50) ? oid : NULL;
    assert_int_equal(schema_add(s, some_oid, names, 1 + below(2), m, chance(50)), 0);
    struct schema_rules rules = {(enum matching)(1 + below(MATCHING_LAST)),
                                 (enum matching)below(MATCHING_LAST + 1),
                                 (enum matching)below(MATCHING_LAST + 1),
                                 (enum matching)below(MATCHING_LAST + 1)};
    if (chance(70))
        assert_int_equal(schema_set_rules(s, name, &rules, chance(50) ? "cn" : NULL), 0);
    if (chance(50))
        assert_int_equal(schema_add_class(s, some_oid, names, 1 + below(2), above, below(3)), 0);
    if (chance(20))
        schema_set_kind(s, SCHEMA_ACTIVE_DIRECTORY);
}

/* Earlier versions had jansson write what is stored: it must not look like another schema. */
static void test_json_as_jansson_writes_it(void **state)
{
    (void)state;
    for (dice = 0; dice < 200; dice++) {
        uint64_t seed = dice;
        CLEANUP(schema_freep) struct schema *s = schema_new();
        assert_non_null(s);
        for (unsigned i = below(6); i > 0; i--)
            add_at_random(s, i);
        schema_set_from_server(s);
        CLEANUP(freep) char *text = schema_to_json(s);
        json_t *tree = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        CLEANUP(freep) char *again = json_dumps(tree, JSON_SORT_KEYS | JSON_COMPACT);
        json_decref(tree);
        assert_string_equal(text, again);
        CLEANUP(schema_freep) struct schema *read = NULL;
        assert_int_equal(schema_from_json(&read, text), 0);
        CLEANUP(freep) char *same = schema_to_json(read);
        assert_string_equal(text, same);
        dice = seed;
    }
}

static void test_json_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"attributes\":[],\"from_server\":1}",
        "{\"attributes\":{},\"from_server\":true}",
        "{\"attributes\":[1],\"from_server\":true}",
        "{\"attributes\":[{\"names\":[],\"matching\":1}],\"from_server\":true}",
        "{\"attributes\":[{\"names\":[1],\"matching\":1}],\"from_server\":true}",
        "{\"attributes\":[{\"names\":[\"a\"]}],\"from_server\":true}",
        "{\"attributes\":[{\"names\":[\"a\"],\"matching\":0}],\"from_server\":true}",
        "{\"attributes\":[{\"names\":[\"a\"],\"matching\":11}],\"from_server\":true}",
        "{\"attributes\":[{\"names\":[\"a\"],\"matching\":1,\"oid\":1}],\"from_server\":true}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct schema *s = NULL;
        assert_row(texts[i], schema_from_json(&s, texts[i]) == -EINVAL);
        assert_null(s);
    }
}

/* A server's schema has some 1,500 attributes, two names each. */
static void test_many(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *s = schema_new();
    for (unsigned i = 0; i < 1500; i++) {
        char a[32], b[32], oid[32];
        snprintf(a, sizeof(a), "x%u", i * 7919 % 1500);
        snprintf(b, sizeof(b), "Y%u", i);
        snprintf(oid, sizeof(oid), "1.2.%u", i);
        const char *const names[] = {a, b};
        assert_int_equal(schema_add(s, oid, names, 2, MATCHING_INTEGER, false), 0);
    }
    for (unsigned i = 0; i < 1500; i++) {
        char y[32];
        snprintf(y, sizeof(y), "y%u;binary", i);
        assert_int_equal(schema_matching(s, y), MATCHING_INTEGER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_in),     cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_add),          cmocka_unit_test(test_filetime_stays),
        cmocka_unit_test(test_rules),        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_as_jansson_writes_it),
        cmocka_unit_test(test_json_refused), cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
