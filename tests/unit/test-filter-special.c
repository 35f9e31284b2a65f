/*
 * Filters whose assertion has another form than the values, or whose rule suits them on one
 * kind of server alone; and each filter with every allocation failing.
 */
#include "config.h"

#include <errno.h>

#include "failing-memory.h"
#include "filter-test.h"

enum {
    F = FILTER_FALSE,
    T = FILTER_TRUE,
    U = FILTER_UNDEFINED
};

#define GUID "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
#define SID  "\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x20\x02\x00\x00"
#define CATEGORY "CN=Person,CN=Schema,CN=Configuration,DC=x"
#define ALL  "1.2.840.113556.1.4.803"
#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Of a server that keeps to RFC 4512: its definitions, and those of more types. */
static const char *const more_standard[] = {
    NAMED("1.3.6.1.4.1.4203.1.12.2.3.0.1", "olcAccess") "EQUALITY caseIgnoreMatch " SYNTAX_OF("15"),
    NAMED("2.5.4.41", "name") "EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch " SYNTAX_OF("15"),
    NAMED("2.5.4.4", "sn") "SUP name )",
    NAMED("0.9.2342.19200300.100.1.10", "manager") "EQUALITY distinguishedNameMatch " SYNTAX_OF("12"),
    NAMED("2.5.4.20", "telephoneNumber") "EQUALITY telephoneNumberMatch " SYNTAX_OF("50"),
    NAMED("1.2.3.2", "xNumber") "EQUALITY integerMatch " SYNTAX_OF("27"),
    NAMED("1.2.840.113556.1.4.159", "accountExpires") "EQUALITY integerMatch " SYNTAX_OF("27"),
    NAMED("1.2.3.5", "xNothing") SYNTAX_OF("28"),
    NAMED("0.9.2342.19200300.100.1.3", "mail") "EQUALITY caseIgnoreIA5Match " SYNTAX_OF("26"),
    NAMED("1.3.6.1.1.16.4", "entryUUID") "EQUALITY UUIDMatch " "SYNTAX 1.3.6.1.1.16.1 )",
    NAMED("2.5.4.36", "userCertificate") "EQUALITY octetStringMatch " SYNTAX_OF("8"),
    NAMED("2.5.4.38", "authorityRevocationList") "EQUALITY octetStringMatch " SYNTAX_OF("9"),
};

enum server { BUILT_IN, STANDARD, NETSCAPE, MICROSOFT, N_SERVERS };

static struct schema *schema_by(enum server s)
{
    static const char *const top[] = {"top"}, *const person[] = {"person"}, *const theirs[] = {"theirPerson"};
    struct schema *schema =
        s == STANDARD    ? schema_of(more_standard, ARRAY_SIZE(more_standard))
        : s == NETSCAPE  ? schema_of(netscape_schema, ARRAY_SIZE(netscape_schema))
        : s == MICROSOFT ? schema_of(microsoft_schema, ARRAY_SIZE(microsoft_schema))
                         : schema_new();
    assert_non_null(schema);
    if (s == STANDARD) {
        assert_int_equal(schema_add_class(schema, "2.5.6.0", top, 1, NULL, 0), 0);
        assert_int_equal(schema_add_class(schema, "2.5.6.6", person, 1, top, 1), 0);
        assert_int_equal(schema_add_class(schema, "1.2.3.9", theirs, 1, person, 1), 0);
    }
    return schema;
}

static const struct row {
    enum server server;
    const char *text, *attribute, *value;
    size_t size;
    int result;
} rows[] = {
#define ROW(s, t, a, v, r) {s, t, a, v, sizeof(v) - 1, r}
    /* The category of a class. */
    ROW(MICROSOFT, "(objectCategory=inetOrgPerson)", "objectCategory", CATEGORY, T),
    ROW(MICROSOFT, "(objectCategory=contact)", "objectCategory", CATEGORY, T),
    ROW(MICROSOFT, "(objectCategory=Per-Son)", "objectCategory", CATEGORY, T),
    ROW(MICROSOFT, "(objectCategory=1[)", "objectCategory", CATEGORY, F),
    ROW(MICROSOFT, "(objectCategory=person)", "objectCategory", "person", F),
    ROW(MICROSOFT, "(objectCategory=person)", "objectCategory", "\xff", F),
    ROW(MICROSOFT, "(objectCategory=)", "objectCategory", CATEGORY, F),
    ROW(MICROSOFT, "(objectCategory=per\\00son)", "objectCategory", CATEGORY, U),
    ROW(BUILT_IN, "(objectCategory=user)", "objectCategory", CATEGORY, T),

    /* An objectGUID as people write it. */
    ROW(MICROSOFT, "(objectGUID={00112233-4455-6677-8899-aabbccddeef})", "objectGUID", GUID, F),
    ROW(MICROSOFT, "(objectGUID=[00112233-4455-6677-8899-aabbccddeeff})", "objectGUID", GUID, F),
    ROW(MICROSOFT, "(objectGUID={00112233-4455-6677-8899-aabbccddeeff])", "objectGUID", GUID, F),
    ROW(MICROSOFT, "(objectGUID=00112233_4455-6677-8899-aabbccddeeff)", "objectGUID", GUID, F),
    ROW(MICROSOFT, "(objectGUID=00112233-4455-6677-8899_aabbccddeeff)", "objectGUID", GUID, F),
    ROW(MICROSOFT, "(objectGUID=g0112233-4455-6677-8899-aabbccddeeff)", "objectGUID", GUID, F),
    ROW(MICROSOFT, "(objectGUID=0/112233-4455-6677-8899-aabbccddeeff)", "objectGUID", GUID, F),
    ROW(MICROSOFT, "(objectGUID=0:112233-4455-6677-8899-aabbccddeeff)", "objectGUID", GUID, F),
    ROW(MICROSOFT, "(objectGUID=00112233-4455-6677-8899-aabbccddee@f)", "objectGUID", GUID, F),
    ROW(MICROSOFT, "(objectGUID=\\33\\22\\11\\00\\55\\44\\77\\66\\88\\99\\aa\\bb\\cc\\dd\\ee\\ff)", "objectGUID", GUID, T),
    ROW(BUILT_IN, "(objectGUID=00112233-4455-6677-8899-AABBCCDDEEFF)", "objectGUID", GUID, T),

    /* A security identifier (MS-DTYP 2.4.2). */
    ROW(MICROSOFT, "(objectSid=s-1-5-32-544)", "objectSid", SID, T),
    ROW(BUILT_IN, "(sIDHistory=S-1-5-32-544)", "sIDHistory", SID, T),
    ROW(MICROSOFT, "(objectSid=X-1-5-32-544)", "objectSid", SID, F),
    ROW(MICROSOFT, "(objectSid=S-1-5-32-544\\00)", "objectSid", SID, F),
    ROW(MICROSOFT, "(objectSid=S-1-5)", "objectSid", "\x01\x00\x00\x00\x00\x00\x00\x05", F),
    ROW(MICROSOFT, "(objectSid=S-1-5-32-544x)", "objectSid", SID, F),
    ROW(MICROSOFT, "(objectSid=S-1-5-32--544)", "objectSid", SID, F),
    ROW(MICROSOFT, "(objectSid=S-1-5-32-:)", "objectSid", SID, F),
    ROW(MICROSOFT, "(objectSid=S-1-281474976710655-1)", "objectSid", "\x01\x01\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00", T),
    ROW(MICROSOFT, "(objectSid=S-1-281474976710656-1)", "objectSid", "\x01\x01\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00", F),
    ROW(MICROSOFT, "(objectSid=S-1-5-4294967295)", "objectSid", "\x01\x01\x00\x00\x00\x00\x00\x05\xff\xff\xff\xff", T),
    ROW(MICROSOFT, "(objectSid=S-1-5-4294967296)", "objectSid", "\x01\x01\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00", F),
    ROW(MICROSOFT, "(objectSid=S-1-5-99999999999999999999)", "objectSid", SID, F),
    ROW(MICROSOFT, "(objectSid=S-1-1-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15)", "objectSid",
        "\x01\x0f\x00\x00\x00\x00\x00\x01\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05\x00\x00\x00"
        "\x06\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x09\x00\x00\x00\x0a\x00\x00\x00\x0b\x00\x00\x00\x0c\x00\x00\x00"
        "\x0d\x00\x00\x00\x0e\x00\x00\x00\x0f\x00\x00\x00", T),
    ROW(MICROSOFT, "(objectSid=S-1-1-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16)", "objectSid", SID, F),

    /* Classes by any of their names. */
    ROW(STANDARD, "(objectClass=THEIRPERSON)", "objectClass", "theirPerson", T),
    ROW(STANDARD, "(objectClass=1.2.3.9)", "objectClass", "theirPerson", T),
    ROW(BUILT_IN, "(structuralObjectClass=2.5.6.6)", "structuralObjectClass", "person", T),
    ROW(BUILT_IN, "(objectClass=2.5.6.6\\00)", "objectClass", "person", F),
    ROW(STANDARD, "(objectClass=person\\00)", "objectClass", "person", U),
    ROW(STANDARD, "(objectClass=no such)", "objectClass", "person", U),

    /* DNs: of a strict server the types in them are known. */
    ROW(STANDARD, "(manager=sn=a+name=b,sn=c)", "manager", "name=B+sn=A, sn=C", T),
    ROW(STANDARD, "(manager=sn=a,noSuch=c)", "manager", "sn=a,noSuch=c", U),
    ROW(STANDARD, "(manager=sn=a+noSuch=c)", "manager", "sn=a+noSuch=c", U),
    ROW(STANDARD, "(manager=" LONG "=c)", "manager", "sn=a", U),
    ROW(STANDARD, "(manager=)", "manager", "sn=a", F),
    ROW(NETSCAPE, "(manager=noSuch=c)", "manager", "noSuch=C", T),

    /* Rules that suit the values. */
    ROW(STANDARD, "(sn:caseExactMatch:=A)", "sn", "A", T),
    ROW(STANDARD, "(sn:caseExactMatch:=a)", "sn", "A", F),
    ROW(STANDARD, "(mail:caseExactIA5Match:=A)", "mail", "A", T),
    ROW(STANDARD, "(mail:caseIgnoreMatch:=A)", "mail", "A", U),
    ROW(STANDARD, "(telephoneNumber:caseIgnoreMatch:=1 2)", "telephoneNumber", "1  2", T),
    ROW(STANDARD, "(telephoneNumber:telephoneNumberMatch:=1-2)", "telephoneNumber", "12", T),
    ROW(STANDARD, "(sn:telephoneNumberMatch:=12)", "sn", "12", U),
    ROW(STANDARD, "(xNumber:integerMatch:=12)", "xNumber", "12", T),
    ROW(STANDARD, "(xNumber:caseIgnoreMatch:=12)", "xNumber", "12", U),
    ROW(STANDARD, "(entryUUID=01234567-89ab-cdef-0123-456789abcdef)", "entryUUID", "01234567-89AB-cdef-0123-456789abcdef", T),
    ROW(STANDARD, "(entryUUID:UUIDMatch:=01234567-89ab-cdef-0123-456789abcdef)", "entryUUID", "01234567-89ab-cdef-0123-456789abcdef", U),
    ROW(STANDARD, "(entryUUID:=01234567-89ab-cdef-0123-456789abcdef)", "entryUUID", "01234567-89ab-cdef-0123-456789abcdef", U),
    ROW(STANDARD, "(telephoneNumber:=1-2)", "telephoneNumber", "12", T),
    ROW(STANDARD, "(accountExpires:integerMatch:=7)", "accountExpires", "07", T),
    ROW(STANDARD, "(accountExpires:=7)", "accountExpires", "7", T),
    ROW(STANDARD, "(sn:=a)", "sn", "A", T),
    ROW(NETSCAPE, "(sn:=a)", "sn", "A", T),
    ROW(NETSCAPE, "(sn:caseExactMatch:=a)", "sn", "A", F),
    ROW(MICROSOFT, "(sn:=a)", "sn", "A", T),
    ROW(STANDARD, "(xNothing=a)", "xNothing", "a", U),
    ROW(STANDARD, "(xNothing:=a)", "xNothing", "a", U),
    ROW(STANDARD, "(xNothing=*)", "xNothing", "a", T),

    /* Bits of numbers. */
    ROW(BUILT_IN, "(sn:" ALL ":=2)", "sn", "6", T),
    ROW(BUILT_IN, "(accountExpires:" ALL ":=2)", "accountExpires", "2", T),
    ROW(MICROSOFT, "(userAccountControl:" ALL ":=2)", "userAccountControl", "x", U),
    ROW(MICROSOFT, "(userAccountControl:" ALL ":=2)", "userAccountControl", "2\0", U),
    ROW(MICROSOFT, "(userAccountControl:" ALL ":=0)", "userAccountControl", "5", T),
    ROW(MICROSOFT, "(userAccountControl:" ALL ":=99999999999999999999)", "userAccountControl", "5", U),

    /* Options that the server knows. */
    ROW(STANDARD, "(userCertificate;binary=a)", "userCertificate;binary", "a", T),
    ROW(STANDARD, "(authorityRevocationList;binary=a)", "authorityRevocationList;binary", "a", T),
    ROW(STANDARD, "(userCertificate;binarz=a)", "userCertificate;binarz", "a", U),
    ROW(STANDARD, "(sn;lang=a)", "sn;lang", "a", U),
    ROW(STANDARD, "(sn;lang-de;lang-en=a)", "sn;lang-de;lang-en", "a", T),
    ROW(STANDARD, "(sn;lang-de;x-foo=a)", "sn;lang-de;x-foo", "a", U),
    ROW(STANDARD, "(sn;x-foo;lang-de=a)", "sn;lang-de;x-foo", "a", U),
    ROW(MICROSOFT, "(sn;binary=a)", "sn;binary", "a", T),

    /* Whatever has no value of its kind is Undefined. */
    ROW(BUILT_IN, "(uidNumber>=5)", "uidNumber", "x", U),
    ROW(BUILT_IN, "(!(uidNumber<=5))", "uidNumber", "x", U),
    ROW(BUILT_IN, "(&(uidNumber=5)(cn=a))", "uidNumber", "x", F),
    ROW(BUILT_IN, "(|(uidNumber=5)(cn=a))", "uidNumber", "x", U),
    ROW(BUILT_IN, "(&(cn=a)(cn=*)(!(cn=b)))", "cn", "a", T),
    ROW(BUILT_IN, "(|(cn=b)(cn=c))", "cn", "a", F),
    ROW(BUILT_IN, "(cn=*a*a*)", "cn", "a", F),
    ROW(BUILT_IN, "(cn=*b*a)", "cn", "b a", T),
    ROW(BUILT_IN, "(cn=a*b)", "cn", "abc", F),
#undef ROW
};

static struct entry *entry_of(const struct row *row)
{
    struct entry *entry = entry_new("1", "cn=x", ENTRY_PERSON);
    assert_int_equal(entry_add_value(entry, row->attribute, row->value, row->size), 0);
    entry_sort(entry);
    return entry;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(schema_freep) struct schema *schema = schema_by(rows[i].server);
        CLEANUP(entry_freep) struct entry *entry = entry_of(&rows[i]);
        struct subject subject;
        struct reported r = {0};
        assert_int_equal(subject_init(&subject, entry, schema), 0);
        CLEANUP(filter_freep) struct filter *f = prepared(rows[i].text, schema, &r);
        int result = filter_evaluate(f, &subject);
        if (result != rows[i].result)
            fail_msg("row %zu, %s: %d instead of %d", i, rows[i].text, result, rows[i].result);
        subject_done(&subject);
    }
}

static int all_of(const struct row *row, const struct schema *schema,
                  const struct subject *subject, int *ret)
{
    CLEANUP(filter_freep) struct filter *f = NULL;
    CLEANUP(buffer_done) struct buffer b = {0};
    struct string_list names = {0};
    struct reported reported = {0};
    struct problem_sink problems = {.report = note, .userdata = &reported};
    char file[] = "test.conf";
    struct mapping_text where = {.file = file, .line = 7};
    struct error e = {0};
    size_t offset;
    int r = filter_parse(&f, row->text, &offset, &e);
    if (r == 0)
        r = filter_prepare(f, schema, &problems, &where);
    if (r == 0)
        r = filter_attributes(row->text, &names, &e);
    if (r == 0)
        r = filter_collect(f, &names);
    string_list_done(&names);
    if (r == 0)
        *ret = r = filter_evaluate(f, subject);
    if (r >= 0)
        r = filter_explain(f, subject, &b);
    return r;
}

/* It is said when memory was short, and what is said then is not another result. */
static void test_memory(void **state)
{
    (void)state;
    static const struct row more[] = {
        {BUILT_IN, "(&(cn=a*b*c)(|(cn=*)(!(sn;lang-de>=b)))(cn;lang-de:caseExactMatch:=\\28))", "cn", "a", 1, F},
        {BUILT_IN, "(& (a=\\5C\\5c) (b~=c)\t(d<=e) )", "cn", "a", 1, F},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows) + ARRAY_SIZE(more); i++) {
        const struct row *row = i < ARRAY_SIZE(rows) ? &rows[i] : &more[i - ARRAY_SIZE(rows)];
        CLEANUP(schema_freep) struct schema *schema = schema_by(row->server);
        CLEANUP(entry_freep) struct entry *entry = entry_of(row);
        struct subject subject;
        assert_int_equal(subject_init(&subject, entry, schema), 0);
        for (long n = 0;; n++) {
            int result = row->result;
            fail_after = n;
            int r = all_of(row, schema, &subject, &result);
            bool failed = fail_after < 0;
            fail_after = -1;
            assert_row(row->text, r == 0 || (failed && r == -ENOMEM));
            assert_row(row->text, r < 0 || result == row->result);
            if (!failed)
                break;
        }
        subject_done(&subject);
    }
}

static void test_explains(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } sentences[] = {
        {"(cn=e)", "(cn=e) is false: cn is 'a', 'b', 'c' and 1 more"},
        {"(userPassword=x)", "(userPassword=x) is false: userPassword is (secret)"},
        {"(unicodePwd=*)", "(unicodePwd=*) is true: unicodePwd is (secret)"},
        {"(uidNumber=x)", "(uidNumber=x) is undefined: uidNumber is absent"},
        {"(&(uidNumber=x)(cn=*))", "(&(uidNumber=x)(cn=*)) is undefined: (uidNumber=x) is undefined: uidNumber is absent"},
        {"(|(cn=e)(cn=a))", "(|(cn=e)(cn=a)) is true: (cn=a) is true: cn is 'a', 'b', 'c' and 1 more"},
        {"(&(sn=*))", "(&(sn=*)) is false: (sn=*) is false: sn is absent"},
        {"(!(&(sn=*)))", "(!(&(sn=*))) is true: (&(sn=*)) is false: (sn=*) is false: sn is absent"},
        {"(|)", "(|) is false"},
        {"(&)", "(&) is true"},
        {"(|(sn=a)(sn=b))", "(|(sn=a)(sn=b)) is false: (sn=a) is false: sn is absent; (sn=b) is false: sn is absent"},
    };
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(entry_freep) struct entry *entry = entry_new("1", "cn=x", ENTRY_PERSON);
    static const char *const pairs[][2] = {{"cn", "a"}, {"cn", "b"}, {"cn", "c"}, {"cn", "d"},
                                           {"userPassword", "{SSHA}x"}, {"unicodePwd", "x"}};
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        assert_int_equal(entry_add_value(entry, pairs[i][0], pairs[i][1], strlen(pairs[i][1])), 0);
    entry_sort(entry);
    struct subject subject;
    assert_int_equal(subject_init(&subject, entry, schema), 0);
    for (size_t i = 0; i < ARRAY_SIZE(sentences); i++) {
        struct reported r = {0};
        CLEANUP(filter_freep) struct filter *f = prepared(sentences[i].text, schema, &r);
        CLEANUP(buffer_done) struct buffer b = {0};
        assert_int_equal(filter_explain(f, &subject, &b), 0);
        assert_string_equal(b.data, sentences[i].sentence);
    }
    subject_done(&subject);
}

/* What is said of a filter that can never match. */
static void test_reports(void **state)
{
    (void)state;
    static const struct {
        enum server server;
        const char *text;
        unsigned n_errors, n_warnings;
        const char *words;
    } reports[] = {
        {BUILT_IN, "(isMemberOf=cn=a,dc=b)", 0, 1, "'group = DN'"},
        {BUILT_IN, "(anr=a)", 1, 0, "'anr' searches several"},
        {BUILT_IN, "(cn:1.2.840.113556.1.4.1941:=)", 1, 0, "'group = DN'"},
        {BUILT_IN, "(userAccountControl:" ALL ":=2\\00)", 1, 1, "are integers"},
        {STANDARD, "(objectClass=nope)", 1, 0, "no object class 'nope'"},
        {STANDARD, "(sn;binary=a)", 0, 1, "no option 'binary' for attributes of this kind"},
        {STANDARD, "(sn;x-foo=a)", 0, 1, "no option 'x-foo'"},
        {STANDARD, "(xNothing=a)", 0, 1, "no equality for the values of 'xNothing'"},
        {STANDARD, "(sn>=a)", 0, 1, "no order for the values of 'sn', which are text"},
        {STANDARD, "(telephoneNumber=)", 0, 1, "are telephone numbers"},
        {STANDARD, "(entryUUID=1)", 0, 1, "are UUIDs"},
        {STANDARD, "(mail=\xc3\xa9)", 0, 1, "are ASCII text"},
        {STANDARD, "(manager=a)", 0, 1, "are DNs"},
        {STANDARD, "(userCertificate=a*)", 0, 1, "are bytes"},
        {BUILT_IN, "(createTimestamp=a)", 0, 1, "are times"},
        {BUILT_IN, "(postalAddress=\\ff)", 0, 1, "are postal addresses"},
        {BUILT_IN, "(objectClass=\\ff)", 0, 1, "are names of schema elements"},
        {BUILT_IN, "(x121Address=\\ff)", 0, 1, "are digits"},
        {BUILT_IN, "(isDeleted=a)", 0, 1, "are TRUE or FALSE"},
        {BUILT_IN, "(accountExpires=a)", 0, 1, "are integers"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
        CLEANUP(schema_freep) struct schema *schema = schema_by(reports[i].server);
        struct reported r = {0};
        CLEANUP(filter_freep) struct filter *f = prepared(reports[i].text, schema, &r);
        if (r.n_errors != reports[i].n_errors || r.n_warnings != reports[i].n_warnings ||
            !strstr(r.sentence, reports[i].words))
            fail_msg("%s: %u errors, %u warnings: %s", reports[i].text, r.n_errors, r.n_warnings, r.sentence);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_explains),
        cmocka_unit_test(test_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
