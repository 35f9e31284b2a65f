/* The pure parts of the directory: identities, SIDs, classes, marks, cookies' identities,
 * schema. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "directory/cookie-identity.h"
#include "directory/decode.h"
#include "directory/environment.h"
#include "directory/follow.h"
#include "directory/identity.h"
#include "directory/kind.h"
#include "directory/libldap.h"
#include "directory/rereads.h"
#include "directory/schema-read.h"
#include "directory/search.h"
#include "model/class.h"
#include "model/schema.h"
#include "unit.h"

static const unsigned char raw[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                      0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};

static void test_identities(void **state)
{
    (void)state;
    char *id = identity_from_value(IDENTITY_OBJECTGUID, raw, 16);
    assert_string_equal(id, "67452301-ab89-efcd-fedc-ba9876543210");
    char *base = identity_guid_base(id);
    assert_string_equal(base, "<GUID=67452301-ab89-efcd-fedc-ba9876543210>");
    free(base);
    free(id);
    assert_null(identity_from_value(IDENTITY_OBJECTGUID, raw, 15));
    id = identity_from_value(IDENTITY_ENTRYUUID, "01234567-89AB-CDEF-FEDC-BA9876543210", 36);
    char text[IDENTITY_TEXT_SIZE];
    identity_from_sync(IDENTITY_ENTRYUUID, raw, text);
    assert_string_equal(id, text);
    free(id);
    id = identity_from_value(IDENTITY_NSUNIQUEID, "01234567-89abcdef-fedcba98-76543210", 35);
    identity_from_sync(IDENTITY_NSUNIQUEID, raw, text);
    assert_string_equal(id, text);
    free(id);
    id = identity_from_value(IDENTITY_ATTRIBUTE, "Agent-7", 7);
    assert_string_equal(id, "Agent-7");
    free(id);
    assert_null(identity_from_value(IDENTITY_ATTRIBUTE, "a\nb", 3));
    assert_null(identity_from_value(IDENTITY_ATTRIBUTE, "a\0b", 3));
    assert_null(identity_from_value(IDENTITY_ATTRIBUTE, "\xff", 1));
    assert_null(identity_from_value(IDENTITY_ENTRYUUID, "", 0));
}

static void test_rid(void **state)
{
    (void)state;
    const unsigned char sid[] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x01, 0x02, 0, 0};
    uint32_t rid = 0;
    assert_true(decode_rid(sid, sizeof sid, &rid));
    assert_int_equal(rid, 513);
    assert_false(decode_rid(sid, sizeof sid - 1, &rid));
    assert_false(decode_rid(sid, 0, &rid));
    const unsigned char none[] = {1, 0, 0, 0, 0, 0, 0, 5};
    assert_false(decode_rid(none, sizeof none, &rid));
}

static void test_classes(void **state)
{
    (void)state;
    struct string_list l = {};
    assert_int_equal(
        decode_classes_of_filter("(&(|(objectClass=groupOfNames)(OBJECTCLASS=myGroup))"
                                 "(!(objectClass=computer))(objectClass=*)(objectClass=top)"
                                 "(objectClass=mygroup)(cn=objectClass=x))",
                                 &l),
        0);
    assert_int_equal(l.n_items, 2);
    assert_string_equal(l.items[0], "groupOfNames");
    assert_string_equal(l.items[1], "myGroup");
    string_list_done(&l);
}

static void test_filter_by_class(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        bool is;
    } rows[] = {
        {"(objectClass=person)", true},
        {"(OBJECTCLASS=person)", true},
        {"(objectClass=*)", false},
        {"(objectClass=top)", false},
        {"(objectClass=topPerson)", true},
        {"(uid=*)", false},
        {"objectClass=person", false},
        {"(&(objectClass=person)(!(objectClass=computer)))", true},
        {"(&(!(objectClass=computer))(uid=*)(objectClass=person))", true},
        {"(& (uid=*) (|(objectClass=a)(objectClass=b)))", true},
        {"(| (objectClass=a) (objectClass=b) )", true},
        {"(|(objectClass=a)(uid=x))", false},
        {"(|(objectClass=a)(&(uid=x)(objectClass=b)))", true},
        {"(|(!(objectClass=a))(objectClass=b))", false},
        {"(&(!(objectClass=a))(uid=\\28))", false},
        {"(&)", false},
        {"(|)", false},
        {"(&(", false},
        {"(", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_row(rows[i].filter, decode_filter_is_by_class(rows[i].filter) == rows[i].is);
}

static void test_filter_attributes(void **state)
{
    (void)state;
    struct string_list l = {};
    assert_int_equal(decode_attributes_of_filter(NULL, &l), 0);
    assert_int_equal(l.n_items, 0);
    assert_int_equal(decode_attributes_of_filter(
                         "(&(objectClass=user)(|(! (employeeType=a\\28b))(OBJECTCLASS=x))"
                         "(userAccountControl:1.2.840.113556.1.4.803:=2)(a>=1)(b~=2)",
                         &l),
                     0);
    static const char *const expected[] = {"objectClass", "employeeType", "userAccountControl",
                                           "a", "b"};
    assert_int_equal(l.n_items, ARRAY_SIZE(expected));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_string_equal(l.items[i], expected[i]);
    string_list_done(&l);
}

static void test_members(void **state)
{
    (void)state;
    static const struct {
        enum member_kind kind;
        const char *value;
        size_t size;
        const char *text; /* NULL: nobody */
    } rows[] = {
#define VALUE(text) text, sizeof(text) - 1
        {MEMBER_DN, VALUE("cn=Ada,dc=x"), "cn=Ada,dc=x"},
        {MEMBER_DN, VALUE("cn=Ada,dc=x#'0101'B"), "cn=Ada,dc=x"},
        {MEMBER_DN, VALUE("cn=Ada\\2C B,dc=x"), "cn=Ada\\2C B,dc=x"},
        {MEMBER_DN, VALUE("no DN"), NULL},
        {MEMBER_DN, VALUE("cn=\xff,dc=x"), NULL},
        {MEMBER_DN, VALUE("cn=Ada,dc=x\0"), NULL},
        {MEMBER_DN, VALUE("cn=Ada,dc=x\0,dc=y"), NULL},
        {MEMBER_DN, VALUE("cn=Ada,dc=x\0#'0101'B"), NULL},
        {MEMBER_LOGIN, VALUE("Ada"), "Ada"},
        {MEMBER_LOGIN, VALUE("Ada\0Bob"), NULL},
        {MEMBER_LOGIN, VALUE("Ad\xff"), NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct entry *g = entry_new("1", "cn=g", ENTRY_GROUP);
        assert_int_equal(
            decode_member(&(struct decoder){0}, g, rows[i].kind, rows[i].value, rows[i].size), 0);
        assert_int_equal(g->n_members, rows[i].text != NULL);
        if (rows[i].text)
            assert_string_equal(g->members[0].text, rows[i].text);
        entry_free(g);
    }
}

static void test_cookie_identity(void **state)
{
    (void)state;
    static const struct {
        const char *stored, *current;
        bool matches;
        const char *why;
    } rows[] = {
        {"{\"a\":1}", "{\"a\":1}", true, NULL},
        {"{\"a\":1}", "{\"a\":2}", false, "its a differs"},
        {"{\"a\":1}", "{\"a\":1,\"b\":1}", false, "other settings"},
        {"{\"a\":1,\"b\":1}", "{\"a\":1}", false, "its b differs"},
        {"{\"a\":1,\"usn\":5}", "{\"a\":1,\"usn\":7}", true, NULL},
        {"{\"a\":1,\"usn\":7}", "{\"a\":1,\"usn\":5}", false, "gone back in time"},
        {"{\"a\":1,\"usn\":7}", "{\"a\":1}", false, "gone back in time"},
        {"{\"a\":1", "{\"a\":1}", false, "nothing is known"},
        {NULL, "{\"a\":1}", false, "nothing is known"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[120] = "";
        assert_int_equal(
            cookie_identity_matches(rows[i].stored, rows[i].current, why, sizeof why),
            rows[i].matches);
        if (rows[i].why)
            assert_non_null(strstr(why, rows[i].why));
    }
}

static void test_schema(void **state)
{
    (void)state;
    static const char *const definitions[] = {
        "( 1.2.3.2 NAME ( 'child' 'kid' ) SUP parent SINGLE-VALUE )",
        "( 1.2.3.1 NAME 'parent' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
        "( 1.2.3.3 NAME 'loop' SUP loop )",
        "( broken",
        "( 1.2.3.4 NAME 'count' SYNTAX '1.3.6.1.4.1.1466.115.121.1.27' )",
    };
    struct schema *s = NULL;
    struct error e;
    assert_int_equal(
        schema_read_subschema(
            &(struct schema_definitions){.types = definitions, .n_types = 5}, &s, &e),
        0);
    assert_true(schema_is_from_server(s));
    assert_int_equal(schema_matching(s, "kid"), MATCHING_CASE_EXACT);
    assert_string_equal(schema_canonical(s, "1.2.3.2"), "child");
    assert_int_equal(schema_matching(s, "loop"), MATCHING_CASE_IGNORE);
    assert_int_equal(schema_matching(s, "count"), MATCHING_INTEGER);
    schema_free(s);
}

/* What libldap would read past the end of, or lose memory of, is not given to it; each costs
 * itself alone. Run under valgrind or with ASan it says more. */
static void test_schema_that_is_hostile(void **state)
{
    (void)state;
    static const char *const types[] = {
        "( 1.2.3 NAME 'x' SYNTAX 1.1{64",
        "( 1.2.4 NAME 'x' SYNTAX 1.1{",
        "( 1.2.4 NAME 'x' SYNTAX 1.1{64 )",
        "( 1.2.5 NAME 'x SYNTAX 1.1 )",
        "( 1.2.6 NAME ( 'x' SYNTAX 1.1 )",
        "( 1.2.7 NAME '\xff\xfe' SYNTAX 1.1 )",
        "( 1.2.8 NAME 'x' DESC 'M\xfcller' SYNTAX 1.1 )",
        "1.2.9",
        "",
        ")(",
        "( 1.2.10 NAME 'x' ) more",
        "( NAME 'x' EQUALITY caseExactMatch )", /* without an OID */
        "( 1.2.11 NAME 'good' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{64} )",
    };
    static const char *const classes[] = {
        "( 1.2.20 NAME ( 'acme' 'site' ) SUP ( inetOrgPerson $ nsPerson ) STRUCTURAL )",
        "( 1.2.21 NAME 'circle' SUP round )",
        "( 1.2.22 NAME 'round' SUP 1.2.21 )",
        "( 1.2.23 NAME 'broken' SUP person",
        "( 1.2.24 NAME 'deep' SUP SITE )",
    };
    struct schema *s = NULL;
    struct error e;
    assert_int_equal(
        schema_read_subschema(&(struct schema_definitions){types, classes, ARRAY_SIZE(types),
                                                             ARRAY_SIZE(classes)},
                                &s, &e),
        0);
    assert_true(schema_knows(s, "good"));
    assert_false(schema_knows(s, "x"));
    assert_int_equal(schema_matching(s, "good"), MATCHING_CASE_EXACT);
    CLEANUP(freep) char *json = schema_to_json(s);
    assert_non_null(json);
    struct schema *again = NULL;
    assert_int_equal(schema_from_json(&again, json), 0);
    CLEANUP(freep) char *second = schema_to_json(again);
    assert_string_equal(json, second);
    for (unsigned i = 0; i < 2; i++) {
        const struct class_list *l = schema_classes(i ? again : s);
        assert_true(class_is_a(l, "1.2.24", "person"));
        assert_true(class_is_a(l, "deep", "acme"));
        assert_true(class_is_a(l, "site", "NSPERSON"));
        assert_false(class_is_a(l, "circle", "person"));
        assert_true(class_is_a(l, "circle", "round"));
        assert_false(class_is_a(l, "broken", "person"));
        assert_string_equal(class_name(l, "1.2.20"), "acme");
    }
    schema_free(again);
    schema_free(s);
}

/* T69 */
static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *classes, *group; /* each of two classes at most; the group filter's class */
        enum entry_kind kind, or_else; /* if the filter for people selects others as well */
    } rows[] = {
        {"inetOrgPerson", NULL, ENTRY_PERSON, ENTRY_PERSON},
        {"inetOrgPerson posixGroup", NULL, ENTRY_PERSON, ENTRY_PERSON},
        {"account posixGroup", NULL, ENTRY_GROUP, ENTRY_PERSON},
        {"posixAccount posixGroup", NULL, ENTRY_GROUP, ENTRY_PERSON},
        {"inetOrgPerson groupOfNames", NULL, ENTRY_PERSON, ENTRY_PERSON},
        {"inetOrgPerson dcObject", NULL, ENTRY_PERSON, ENTRY_PERSON},
        {"posixGroup", NULL, ENTRY_GROUP, ENTRY_GROUP},
        {"groupOfNames posixGroup", NULL, ENTRY_GROUP, ENTRY_GROUP},
        {"groupOfNames posixAccount", NULL, ENTRY_GROUP, ENTRY_GROUP},
        {"organizationalUnit", NULL, ENTRY_CONTAINER, ENTRY_CONTAINER},
        {"organizationalUnit", "organizationalUnit", ENTRY_GROUP, ENTRY_GROUP},
        /* the filter for people is the site's own matter */
        {"device", NULL, ENTRY_PERSON, ENTRY_PERSON},
        {"device", "acmeTeam", ENTRY_GROUP, ENTRY_GROUP},
        {"acmeTeam", "acmeTeam", ENTRY_GROUP, ENTRY_GROUP},
        {"inetOrgPerson posixGroup", "posixGroup", ENTRY_PERSON, ENTRY_PERSON},
        {"inetOrgPerson", "inetOrgPerson", ENTRY_GROUP, ENTRY_GROUP},
        {"computer user", NULL, ENTRY_PERSON, ENTRY_PERSON},
    };
    for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
        const char *classes = rows[i / 2].classes, *group = rows[i / 2].group;
        bool others = i % 2;
        enum entry_kind kind = others ? rows[i / 2].or_else : rows[i / 2].kind;
        CLEANUP(string_list_done) struct string_list people = {}, groups = {};
        assert_int_equal(string_list_add(&people, "person"), 0);
        if (group)
            assert_int_equal(string_list_add(&groups, group), 0);
        struct kinds *k = kinds_new(NULL, &people, !others, &groups, group != NULL);
        assert_non_null(k);
        size_t first = strcspn(classes, " ");
        CLEANUP(freep) char *class = strndup(classes, first);
        unsigned m = kinds_of_class(k, class) | kinds_of_class(k, class);
        if (classes[first])
            m |= kinds_of_class(k, classes + first + 1);
        assert_row(classes, kinds_decide(k, m) == kind);
        kinds_free(k);
    }
}

static void test_filters(void **state)
{
    (void)state;
    char *text = libldap_filter_escape("a*(b)\\\0\xc3", 8);
    assert_string_equal(text, "a\\2a\\28b\\29\\5c\\00\\c3");
    free(text);
    text = libldap_filter_and("(a=1)", "(b=2)");
    assert_string_equal(text, "(&(a=1)(b=2))");
    free(text);
    text = libldap_filter_and(NULL, "(b=2)");
    assert_string_equal(text, "(b=2)");
    free(text);
}

static void test_partitions(void **state)
{
    (void)state;
    assert_true(search_reference_is_partition("ldap://ad.lab/CN=Configuration,DC=ad,DC=lab"));
    assert_true(search_reference_is_partition("ldaps://x/DC=DomainDnsZones,DC=ad,DC=lab"));
    assert_false(search_reference_is_partition("ldap://x/DC=child,DC=ad,DC=lab"));
    assert_false(search_reference_is_partition("nonsense"));
}

static void test_references_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *url, *server, *base, *filter;
        int scope;
    } rows[] = {
        {"ldaps://b.example/ou=x,dc=t??sub", "ldaps://b.example:636", "ou=x,dc=t", NULL,
         LDAP_SCOPE_SUBTREE},
        {"ldap://b.example:1389/ou=x%20y,dc=t", "ldap://b.example:1389", "ou=x y,dc=t", NULL,
         -1},
        {"ldap://b.example/ou=x,dc=t??base", "ldap://b.example:389", "ou=x,dc=t", NULL,
         LDAP_SCOPE_BASE},
        {"ldaps://[::1]:1636", "ldaps://[::1]:1636", NULL, NULL, -1},
        {"ldaps://b/ou=x?"
         "?"
         "?(a=b)",
         "ldaps://b:636", "ou=x", "(a=b)", -1},
        {"ldapi://%2Frun%2Fldapi/ou=x", NULL, NULL, NULL, 0},
        {"ldap:///ou=x", NULL, NULL, NULL, 0},
        {"ldaps://b/ou=x?"
         "?"
         "?"
         "?!critical",
         NULL, NULL, NULL, 0},
        {"http://b/", NULL, NULL, NULL, 0},
        {"", NULL, NULL, NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error e = {0};
        char *server = NULL, *base = NULL, *filter = NULL;
        int scope = 0, r = follow_parse(rows[i].url, &server, &base, &filter, &scope, &e);
        assert_int_equal(r, rows[i].server ? 0 : -EINVAL);
        if (r < 0) {
            assert_null(server);
            assert_true(e.message[0] != 0); /* which reference it is the caller says */
            continue;
        }
        assert_string_equal(server, rows[i].server);
        assert_string_equal(base ? base : "", rows[i].base ? rows[i].base : "");
        assert_string_equal(filter ? filter : "", rows[i].filter ? rows[i].filter : "");
        assert_int_equal(scope, rows[i].scope);
        free(server);
        free(base);
        free(filter);
    }
}

static size_t taken(struct rereads *l, uint64_t now)
{
    struct string_list dns = {0};
    struct error e = {0};
    assert_int_equal(rereads_take(l, now, &dns, &e), 0);
    size_t n = dns.n_items;
    string_list_done(&dns);
    return n;
}

static enum rereads_answer asked(struct rereads *l, const char *id, uint64_t now)
{
    enum rereads_answer answer = 0;
    struct error e = {0};
    assert_int_equal(rereads_group(l, id, now, &answer, &e), 0);
    return answer;
}

/* At once, after half a second, and after three seconds for the last time. */
static void test_rereads(void **state)
{
    (void)state;
    const uint64_t ms = 1000, t = 1000000 * ms;
    struct error e = {0};
    struct rereads *l = NULL;
    assert_int_equal(rereads_new(&l, NULL, true, NULL, NULL, &e), 0);
    assert_int_equal(rereads_add(l, "uid=a", t, &e), 0);
    assert_true(rereads_any(l));
    assert_int_equal(taken(l, t), 1);
    assert_false(rereads_any(l));
    assert_int_equal(taken(l, t + 499 * ms), 0);
    assert_int_equal(rereads_add(l, "uid=b", t + 400 * ms, &e), 0);
    assert_int_equal(taken(l, t + 500 * ms), 2);
    assert_int_equal(taken(l, t + 2999 * ms), 1);
    assert_int_equal(taken(l, t + 3000 * ms), 1);
    assert_int_equal(taken(l, t + 3400 * ms), 1);
    assert_int_equal(taken(l, t + 9000 * ms), 0);
    assert_int_equal(asked(l, "g", t), REREADS_READ);
    assert_int_equal(asked(l, "g", t + 1 * ms), REREADS_WAIT);
    assert_int_equal(asked(l, "h", t + 1 * ms), REREADS_READ);
    assert_int_equal(asked(l, "g", t + 600 * ms), REREADS_READ);
    assert_int_equal(asked(l, "g", t + 700 * ms), REREADS_WAIT);
    assert_int_equal(asked(l, "g", t + 3000 * ms), REREADS_LAST);
    struct string_list still = {0};
    assert_int_equal(string_list_add(&still, "h"), 0);
    rereads_keep_groups(l, &still);
    string_list_done(&still);
    assert_int_equal(asked(l, "g", t + 3001 * ms), REREADS_READ);
    /* A group that is seen for the first time after long, as by a slow poll. */
    assert_int_equal(asked(l, "h", t + 60000 * ms), REREADS_LAST);
    for (size_t i = 0; i < 2000; i++)
        assert_int_equal(rereads_add(l, "uid=c", t, &e), 0);
    assert_int_equal(rereads_add(l, "uid=c", t, &e), REREADS_TOO_MANY);
    assert_int_equal(taken(l, t + 9000 * ms), 0);
    rereads_free(l);
    /* Where repairs happen in one transaction, once is enough. */
    assert_int_equal(rereads_new(&l, NULL, false, NULL, NULL, &e), 0);
    assert_int_equal(rereads_add(l, "uid=a", t, &e), 0);
    assert_int_equal(taken(l, t), 1);
    assert_int_equal(taken(l, t + 9000 * ms), 0);
    assert_int_equal(asked(l, "g", t), REREADS_LAST);
    rereads_free(l);
}

/* Of a class that the server does not tell of nobody knows what stands below it. */
static void test_unknown_class_of_the_filter(void **state)
{
    (void)state;
    static const char *const filters[] = {"(objectClass=inetOrgPerson)", "(objectClass=9.9.9)"};
    struct schema *s = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
        struct directory_options options = {.filter = (char *)filters[i]};
        struct decoder d = {0};
        assert_int_equal(decoder_init(&d, IDENTITY_ENTRYUUID, IDENTITY_ENTRYUUID, false,
                                      &options, &(struct string_list){0}, s, NULL),
                         0);
        bool counts = kinds_of_class(d.kinds, "account") & CLASS_OF_PERSON;
        assert_row(filters[i], counts == (i == 1));
        decoder_done(&d);
    }
    schema_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_rid),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_filter_by_class),
        cmocka_unit_test(test_unknown_class_of_the_filter),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_filter_attributes),
        cmocka_unit_test(test_cookie_identity),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_schema_that_is_hostile),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_partitions),
        cmocka_unit_test(test_references_parsed),
        cmocka_unit_test(test_rereads),
    };
    return cmocka_run_group_tests_name("directory-values", tests, NULL, NULL);
}
