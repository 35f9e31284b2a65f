/*
 * Filters over entries and schemas: what matches, what never can, and why.
 */
#include "config.h"

#include "base/buffer.h"
#include "base/text.h"
#include "filter-test.h"
#include "mapping/ruleset.h"

static void test_reports_what_cannot_work(void **state)
{
    static const struct {
        const char *text;
        unsigned n_errors, n_warnings, column;
        const char *words;
    } rows[] = {
        {"(ou:dn:=people)", 1, 0, 4, "':dn' is not evaluated"},
        {"(&(cn=\xc3\xb6)(ou:dn:=people))", 1, 0, 12, "':dn'"},
        {"(memberOf:1.2.840.113556.1.4.1941:=cn=a,dc=b)", 1, 1, 11, "'group = cn=a,dc=b'"},
        {"(:caseExactMatch:=x)", 1, 0, 2, "over all attributes"},
        {"(cn:caseExactMach:=x)", 1, 0, 5, "did you mean 'caseExactMatch'"},
        {"(cn:1.2.3.4:=x)", 1, 0, 5, "'1.2.3.4' is not evaluated"},
        {"(userAccountControl:1.2.840.113556.1.4.803:=two)", 1, 1, 45, "never matches"},
        {"(memberOf=cn=a,dc=b)", 0, 1, 2, "'group = DN'"},
        {"(uidNumber=abc)", 0, 1, 12, "integers"},
        {"(uidNumber=1*)", 0, 1, 12, "no substrings"},
        {"(manager>=cn=a)", 0, 1, 11, "no order"},
        {"(isDeleted<=TRUE)", 0, 1, 13, "no order"},
        {"(anr=smith)", 1, 0, 2, "name the attributes"},
        {"(manager=nonsense)", 0, 1, 10, "DNs"},
        {"(&(cn=a)(uidNumber>=5)(createTimestamp<=20260101000000Z))", 0, 0, 0, ""},
    };
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reported r = {0};
        filter_free(prepared(rows[i].text, schema, &r));
        if (r.n_errors != rows[i].n_errors || r.n_warnings != rows[i].n_warnings ||
            r.column != rows[i].column || !strstr(r.sentence, rows[i].words))
            fail_msg("%s: %u errors, %u warnings, column %u: %s", rows[i].text, r.n_errors,
                     r.n_warnings, r.column, r.sentence);
    }
}

static void test_warns_of_unknown_attributes(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    struct reported r = {0};
    filter_free(prepared("(emploeyType=x)", schema, &r));
    assert_int_equal(r.n_errors, 0); /* the built-in table is not all there is */
    schema_set_from_server(schema);
    const char *const names[] = {"employeeType"};
    assert_int_equal(schema_add(schema, NULL, names, 1, MATCHING_CASE_IGNORE, false), 0);
    filter_free(prepared("(&(cn=a)(emploeyeType=x))", schema, &r));
    assert_int_equal(r.n_errors, 2); /* cn: a built-in one that this server does not have */
    assert_int_equal(r.column, 10);
    assert_non_null(strstr(r.sentence, "did you mean 'employeeType'"));
}

static struct entry *sample(void)
{
    struct entry *e = entry_new("1", "uid=j,dc=example", ENTRY_PERSON);
    static const char *const pairs[][2] = {
        {"objectClass", "inetOrgPerson"},
        {"objectClass", "person"},
        {"cn", "Jos\xc3\xa9  Mu\xcc\x88ller "},
        {"cn;lang-de", "Joseph"},
        {"surname", "M\xc3\xbcller"},
        {"employeeType", "Temp"},
        {"uidNumber", "0100"},
        {"manager", "CN=Smith\\, John, DC=Example"},
        {"userAccountControl", "514"},
        {"groupType", "-2147483646"},
        {"createTimestamp", "20261124120000Z"},
        {"telephoneNumber", "+1 415-123 4567"},
        {"description", "a*b(c)\\d"},
        {"departmentNumber", "42"},
        {"pwdReset", "TRUE"},
        {"displayName", "John von Neumann"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        assert_int_equal(entry_add_value(e, pairs[i][0], pairs[i][1], strlen(pairs[i][1])), 0);
    assert_int_equal(entry_add_value(e, "objectGUID", "\x01\x00\xff", 3), 0);
    CLEANUP(freep) char *big = calloc(1, ENTRY_VALUE_MAX + 1);
    memset(big, 'x', ENTRY_VALUE_MAX + 1);
    assert_int_equal(entry_add_value(e, "info", big, ENTRY_VALUE_MAX + 1), 0);
    entry_sort(e);
    return e;
}

static void test_evaluates(void **state)
{
    enum {
        F = FILTER_FALSE,
        T = FILTER_TRUE,
        U = FILTER_UNDEFINED
    };
    static const struct {
        const char *text;
        int result;
    } rows[] = {
        {"(&)", T},
        {"(|)", F},
        {"(objectClass=PERSON)", T},
        {"(objectClass=2.5.6.6)", T},
        {"(objectClass=2.16.840.1.113730.3.2.2)", T},
        {"(objectClass=2.5.6.9)", F},
        {"(cn=*)", T},
        {"(mail=*)", F},
        {"(!(mail=*))", T},
        {"(cn=jos\xc3\x89 m\xc3\xbcLLER)", T},
        {"(cn= Jos\xc3\xa9 M\xc3\xbcller)", T},
        {"(cn=Joseph)", T}, /* RFC 4512 2.5.2: an option makes a subtype */
        {"(cn;lang-de=joseph)", T},
        {"(cn;lang-de=Jos\xc3\xa9*)", F},
        {"(cn;lang-en=*)", F},
        {"(sn=m\xc3\xbcller)", T},
        {"(2.5.4.4=M\xc3\xbcller)", T},
        {"(surname=x)", F},
        {"(sn=Mueller)", F},
        {"(cn=jos\xc3\xa9*)", T},
        {"(cn=*ller)", T},
        {"(cn=*m\xc3\xbc*)", T},
        {"(cn=j*\xc3\xa9*r)", T},
        {"(cn=*x*)", F},
        {"(sn=m*m\xc3\xbcller)", F},
        {"(displayName=john *)", T},
        {"(displayName=john*von*neumann)", T},
        {"(displayName=*neumann *)", F}, /* servers see no blank at the end of a value */
        {"(displayName=* *)", T},
        {"(employeeType=* *)", F},
        {"(displayName=* )", T},
        {"(displayName=*von neu*)", T},
        {"(displayName=*vonneu*)", F},
        {"(displayName=*john*john*)", F},
        {"(displayName=john * von*)", F}, /* nor one blank twice */
        {"(displayName=hn*)", F},
        {"(displayName=*Neuman)", F},
        {"(uidNumber=100)", T},
        {"(uidNumber>=99)", T},
        {"(uidNumber<=99)", F},
        {"(uidNumber>=100)", T},
        {"(uidNumber>=-5)", T},
        {"(uidNumber=abc)", U},
        {"(!(uidNumber=abc))", U},
        {"(|(uidNumber=abc)(uidNumber=100))", T},
        {"(&(uidNumber=abc)(uidNumber=1))", F},
        {"(&(uidNumber=abc)(uidNumber=100))", U},
        {"(uidNumber=1*)", U},
        {"(departmentNumber>=9)", F}, /* by text: 42 */
        {"(departmentNumber>=100)", T},
        {"(departmentNumber<=zoo)", T},
        {"(employeeType>=5)", T},
        {"(name=m\xc3\xbcller)", T}, /* RFC 4512 2.5.1: sn is a subtype */
        {"(name;lang-de=joseph)", T},
        {"(cn;lang-=joseph)", T}, /* RFC 3866: a range */
        {"(cn;lang-d-=joseph)", F},
        {"(manager=cn=smith*)", T},
        {"(manager=cn=smith\\5c2c john,dc=example)", T}, /* T38: a DN in a filter */
        {"(manager=CN=\"x\")", U},
        {"(manager=cn=other,dc=example)", F},
        {"(userAccountControl:1.2.840.113556.1.4.803:=2)", T},
        {"(userAccountControl:1.2.840.113556.1.4.803:=3)", F},
        {"(userAccountControl:1.2.840.113556.1.4.804:=3)", T},
        {"(userAccountControl:1.2.840.113556.1.4.804:=1)", F},
        {"(groupType:1.2.840.113556.1.4.803:=2147483648)", T},
        {"(createTimestamp>=20261124115959Z)", T},
        {"(createTimestamp<=20261124125959.5+0100)", F},
        {"(createTimestamp=202611241300+0100)", T},
        {"(createTimestamp=2026*)", U},
        {"(telephoneNumber=+14151234567)", T},
        {"(telephoneNumber=*415123*)", T},
        {"(description=a\\2ab\\28c\\29\\5cd)", T},
        {"(description=*\\2a*)", T},
        {"(employeeType~=temp)", T},
        {"(employeeType:=temp)", T},
        {"(employeeType:caseExactMatch:=temp)", F},
        {"(employeeType:caseExactMatch:=Temp)", T},
        {"(employeeType:2.5.13.5:=Temp)", T},
        {"(employeeType:CASEIGNOREMATCH:=temp)", T},
        {"(cn:caseExactMatch:=Jos\xc3\xa9 M\xc3\xbcller)", T},
        {"(objectGUID=\\01\\00\\ff)", T},
        {"(objectGUID=\\01\\00)", F},
        {"(objectGUID=\\01*)", T},
        {"(info=x)", U},
        {"(info=*)", T},
        {"(pwdReset:booleanMatch:=true)", T},
        {"(employeeType=Te\\00mp)", F}, /* no server drops it */
        {"(userAccountControl:integerBitAndMatch:=2)", T},
        {"(userAccountControl:integerBitOrMatch:=3)", T},
    };
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(entry_freep) struct entry *entry = sample();
    struct subject subject;
    assert_int_equal(subject_init(&subject, entry, schema), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reported r = {0};
        CLEANUP(filter_freep) struct filter *f = prepared(rows[i].text, schema, &r);
        int result = filter_evaluate(f, &subject);
        if (result != rows[i].result)
            fail_msg("%s: %d instead of %d", rows[i].text, result, rows[i].result);
    }
    subject_done(&subject);
}

static void test_unknown_attribute_is_undefined_under_a_server_schema(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(entry_freep) struct entry *entry = sample();
    struct subject subject;
    struct reported r = {0};
    schema_set_from_server(schema);
    assert_int_equal(subject_init(&subject, entry, schema), 0);
    CLEANUP(filter_freep) struct filter *f = prepared("(!(noSuchThing=x))", schema, &r);
    assert_int_equal(filter_evaluate(f, &subject), FILTER_UNDEFINED);
    subject_done(&subject);
}

/* What tests/lab/compare-filters found against the servers themselves. */
static void test_evaluates_as_the_server_does(void **state)
{
    enum {
        F = FILTER_FALSE,
        T = FILTER_TRUE,
        U = FILTER_UNDEFINED
    };
    CLEANUP(schema_freep)
    struct schema *standard = schema_of(standard_schema, ARRAY_SIZE(standard_schema));
    CLEANUP(schema_freep)
    struct schema *netscape = schema_of(netscape_schema, ARRAY_SIZE(netscape_schema));
    CLEANUP(schema_freep)
    struct schema *microsoft = schema_of(microsoft_schema, ARRAY_SIZE(microsoft_schema));
    const struct {
        const struct schema *schema;
        const char *text, *attribute, *value;
        size_t size;
        int result;
    } rows[] = {
#define ROW(s, t, a, v, r) {s, t, a, v, sizeof(v) - 1, r}
        ROW(standard, "(sn=eng)", "sn", "\xef\xbd\x85\xef\xbd\x8e\xef\xbd\x87", T),
        ROW(standard, "(sn=STRASSE)", "sn", "Stra\xc3\x9f" "e", F),
        ROW(netscape, "(sn=STRASSE)", "sn", "Stra\xc3\x9f" "e", F),
        ROW(microsoft, "(sn=STRASSE)", "sn", "Stra\xc3\x9f" "e", F),
        ROW(standard, "(name=anna)", "sn", "Anna", T),
        ROW(standard, "(name=*)", "sn", "Anna", T),
        ROW(standard, "(sn>=M)", "sn", "Nowak", U),
        ROW(standard, "(xOrdered>=M)", "xOrdered", "Nowak", T),
        ROW(standard, "(xOrdered<=M)", "xOrdered", "Nowak", F),
        ROW(netscape, "(sn>=M)", "sn", "Nowak", T),
        ROW(microsoft, "(sn>=M)", "sn", "Nowak", T),
        ROW(standard, "(employeeNumber>=9)", "employeeNumber", "10", U),
        ROW(netscape, "(employeeNumber>=9)", "employeeNumber", "10", F),
        ROW(standard, "(x121Address>=0)", "x121Address", "12 34", T),
        ROW(standard, "(x121Address=1234)", "x121Address", "12 34", T),
        ROW(standard, "(postalAddress=a$b)", "postalAddress", "A $ b", T),
        ROW(standard, "(telephoneNumber=EXT.12)", "telephoneNumber", "ext. 12", F),
        ROW(netscape, "(telephoneNumber=EXT.12)", "telephoneNumber", "ext. 12", T),
        ROW(standard, "(userPassword=a*)", "userPassword", "abc", U),
        ROW(standard, "(manager=cn=a*)", "manager", "cn=anna,dc=x", U),
        ROW(netscape, "(manager=cn=a*)", "manager", "cn=anna, dc=x", T),
        ROW(netscape, "(manager=*,dc=x)", "manager", "CN=Anna, DC=x", T),
        ROW(microsoft, "(manager=cn=a*)", "manager", "CN=anna,DC=x", T),
        ROW(standard, "(!(memberOf=cn=x))", "sn", "a", U),
        ROW(standard, "(sAMAccountName=a)", "sAMAccountName", "a", U),
        ROW(standard, "(sn;binary=a)", "sn", "a", U),
        ROW(standard, "(sn;x-foo=a)", "sn", "a", U),
        ROW(netscape, "(sn;x-foo=a)", "sn;x-foo", "a", T),
        ROW(microsoft, "(sn;lang-de=a)", "sn;lang-de", "a", U),
        ROW(standard, "(sn;lang-=a)", "sn;lang-de", "A", T),
        ROW(standard, "(sn;lang-de-=a)", "sn;lang-de-at", "A", T),
        ROW(standard, "(sn;lang-de=a)", "sn;lang-de-at", "A", F),
        ROW(standard, "(xNumber:1.2.840.113556.1.4.803:=2)", "xNumber", "6", T),
        ROW(standard, "(xNumber:integerBitOrMatch:=3)", "xNumber", "4", F),
        ROW(standard, "(sn:1.2.840.113556.1.4.803:=2)", "sn", "6", U),
        ROW(standard, "(xNumber=007)", "xNumber", "7", U),
        ROW(standard, "(xNumber>=1)", "xNumber", "7", U),
        ROW(standard, "(xFlag=true)", "xFlag", "TRUE", U),
        ROW(standard, "(xFlag=TRUE)", "xFlag", "TRUE", T),
        ROW(standard, "(!(sn=))", "sn", "a", U),
        ROW(standard, "(sn:integerMatch:=1)", "sn", "1", U),
        ROW(microsoft, "(sn:caseExactMatch:=a)", "sn", "a", U),
        ROW(microsoft, "(loginShell=/BIN/sh)", "loginShell", "/bin/sh", F),
        ROW(microsoft, "(objectCategory=person)", "objectCategory", "CN=Person,CN=Schema,CN=Configuration,DC=x", T),
        ROW(microsoft, "(objectCategory=user)", "objectCategory", "CN=Person,CN=Schema,CN=Configuration,DC=x", T),
        ROW(microsoft, "(objectCategory=computer)", "objectCategory", "CN=Person,CN=Schema,CN=Configuration,DC=x", F),
        ROW(microsoft, "(objectCategory=organizationalUnit)", "objectCategory", "CN=Organizational-Unit,CN=Schema,DC=x", T),
        ROW(microsoft, "(objectCategory=cn=person,cn=schema,cn=configuration,dc=x)", "objectCategory", "CN=Person,CN=Schema,CN=Configuration,DC=x", T),
        ROW(standard, "(objectCategory=person)", "objectCategory", "CN=Person,CN=Schema,DC=x", U),
        ROW(microsoft, "(objectGUID=00112233-4455-6677-8899-aabbccddeeff)", "objectGUID",
            "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff", T),
        ROW(microsoft, "(objectGUID={00112233-4455-6677-8899-AABBCCDDEEFF})", "objectGUID",
            "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff", T),
        ROW(microsoft, "(objectSid=S-1-5-32-544)", "objectSid",
            "\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x20\x02\x00\x00", T),
        ROW(microsoft, "(objectSid=S-1-5-32-545)", "objectSid",
            "\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x20\x02\x00\x00", F),
#undef ROW
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reported r = {0};
        struct subject subject;
        CLEANUP(entry_freep) struct entry *entry = entry_new("1", "cn=x", ENTRY_PERSON);
        assert_int_equal(
            entry_add_value(entry, rows[i].attribute, rows[i].value, rows[i].size), 0);
        entry_sort(entry);
        assert_int_equal(subject_init(&subject, entry, rows[i].schema), 0);
        CLEANUP(filter_freep) struct filter *f = prepared(rows[i].text, rows[i].schema, &r);
        int result = filter_evaluate(f, &subject);
        if (result != rows[i].result)
            fail_msg("row %zu, %s: %d instead of %d", i, rows[i].text, result, rows[i].result);
        subject_done(&subject);
    }
}

static void test_tells_what_can_never_match(void **state)
{
    static const struct {
        const char *text;
        bool can;
    } rows[] = {
        {"(uidNumber=abc)", false},
        {"(!(uidNumber=abc))", false},
        {"(&(cn=a)(uidNumber=abc))", false},
        {"(|(cn=a)(uidNumber=abc))", true},
        {"(!(&(cn=a)(uidNumber=abc)))", true},
        {"(!(|(cn=a)(uidNumber=abc)))", false},
        {"(|)", false},
        {"(!(|))", true},
        {"(&)", true},
        {"(!(&))", false},
        {"(cn=*)", true},
    };
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reported r = {0};
        CLEANUP(filter_freep) struct filter *f = prepared(rows[i].text, schema, &r);
        assert_row(rows[i].text, filter_can_match(f) == rows[i].can);
    }
}

static void test_explains(void **state)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {"(employeeType=Perm)", "(employeeType=Perm) is false: employeeType is 'Temp'"},
        {"(mail=*)", "(mail=*) is false: mail is absent"},
        {"(&(cn=*)(employeeType=Perm))",
         "(&(cn=*)(employeeType=Perm)) is false: "
         "(employeeType=Perm) is false: employeeType is 'Temp'"},
        {"(!(employeeType=temp))", "(!(employeeType=temp)) is false: (employeeType=temp) is "
                                   "true: employeeType is 'Temp'"},
        {"(|(mail=*)(uidNumber=5))",
         "(|(mail=*)(uidNumber=5)) is false: (mail=*) is false: mail is absent; (uidNumber=5) is "
         "false: uidNumber is '0100'"},
        {"(objectGUID=\\01)", "(objectGUID=\\01) is false: objectGUID is (3 bytes, no text)"},
        {"(objectClass=x)",
         "(objectClass=x) is false: objectClass is 'inetOrgPerson', 'person'"},
        {"(&(cn=*)(sn=*))", "(&(cn=*)(sn=*)) is true"},
    };
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(entry_freep) struct entry *entry = sample();
    struct subject subject;
    assert_int_equal(subject_init(&subject, entry, schema), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reported r = {0};
        CLEANUP(filter_freep) struct filter *f = prepared(rows[i].text, schema, &r);
        CLEANUP(buffer_done) struct buffer b = {0};
        assert_int_equal(filter_explain(f, &subject, &b), 0);
        assert_string_equal(b.data, rows[i].sentence);
    }
    subject_done(&subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports_what_cannot_work),
        cmocka_unit_test(test_warns_of_unknown_attributes),
        cmocka_unit_test(test_evaluates),
        cmocka_unit_test(test_unknown_attribute_is_undefined_under_a_server_schema),
        cmocka_unit_test(test_evaluates_as_the_server_does),
        cmocka_unit_test(test_tells_what_can_never_match),
        cmocka_unit_test(test_explains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
