/*
 * Values in the form in which they compare, as RFC 4517 and RFC 4518 have it where a server
 * keeps to them; numbers and times by size; and what is no value of its kind.
 */
#include "config.h"

#include <errno.h>

#include "base/text.h"
#include "failing-memory.h"
#include "mapping/matching.h"
#include "model/schema.h"
#include "unit.h"

#define NONE NULL /* no form */

static const struct form {
    const char *name;
    enum matching matching;
    enum part_place place;
    const char *bytes, *expected;
    size_t size; /* 0: up to the NUL */
} forms[] = {
    {"case goes", MATCHING_CASE_IGNORE, PART_WHOLE, "  Ab  C ", "ab c", 0},
    {"case stays", MATCHING_CASE_EXACT, PART_WHOLE, "  Ab  C ", "Ab C", 0},
    {"blanks alone are one", MATCHING_CASE_IGNORE, PART_WHOLE, "   ", " ", 0},
    {"nothing is nothing", MATCHING_CASE_IGNORE, PART_WHOLE, "", "", 0},
    {"the first part goes on", MATCHING_CASE_IGNORE, PART_INITIAL, " a  b  ", "a b ", 0},
    {"a middle part goes on at both ends", MATCHING_CASE_IGNORE, PART_ANY, "  a  ", " a ", 0},
    {"the last part goes on in front", MATCHING_CASE_IGNORE, PART_FINAL, "  a  ", " a", 0},
    {"a last part of blanks is nothing", MATCHING_CASE_IGNORE, PART_FINAL, "  ", "", 0},
    {"a middle part of blanks is one", MATCHING_CASE_IGNORE, PART_ANY, "  ", " ", 0},
    {"a first part of blanks is one", MATCHING_CASE_IGNORE, PART_INITIAL, "  ", " ", 0},
    {"what is looked in", MATCHING_CASE_IGNORE, PART_SUBJECT, "  a  b ", "a b", 0},
    {"not UTF-8", MATCHING_CASE_IGNORE, PART_WHOLE, "a\xff", NONE, 0},
    {"ASCII", MATCHING_IA5_IGNORE, PART_WHOLE, " A  B ", "a b", 0},
    {"ASCII with case", MATCHING_IA5_EXACT, PART_WHOLE, " A  B ", "A B", 0},
    {"one letter of ASCII", MATCHING_IA5_EXACT, PART_WHOLE, " A ", "A", 0},
    {"blanks of ASCII are nothing", MATCHING_IA5_IGNORE, PART_WHOLE, "  ", "", 0},
    {"blanks of ASCII in the middle are nothing, too", MATCHING_IA5_EXACT, PART_ANY, "  ", "", 0},
    {"digits without blanks", MATCHING_NUMERIC, PART_WHOLE, " 12 3-4 ", "123-4", 0},
    {"blanks for digits are one", MATCHING_NUMERIC, PART_WHOLE, "  ", " ", 0},
    {"no digits at all", MATCHING_NUMERIC, PART_WHOLE, "", "", 0},
    {"a NUL is no blank", MATCHING_NUMERIC, PART_WHOLE, "1\0 2", "1\0" "2", 4},
    {"a number without blanks and hyphens", MATCHING_TELEPHONE, PART_WHOLE, "+49 (89) 12-34 EXT", "+49(89)1234ext", 0},
    {"… with case", MATCHING_TELEPHONE_EXACT, PART_WHOLE, "12-34 EXT", "1234EXT", 0},
    {"hyphens alone are one blank", MATCHING_TELEPHONE, PART_WHOLE, "- -", " ", 0},
    {"lines of an address", MATCHING_LIST, PART_WHOLE, " A  b $ C ", "a b$c", 0},
    {"an empty line of an address", MATCHING_LIST, PART_WHOLE, "a$$b$", "a$$b$", 0},
    {"a name of the schema", MATCHING_OID, PART_WHOLE, "Person", "person", 0},
    {"integer", MATCHING_INTEGER, PART_WHOLE, "42", "42", 0},
    {"integer with zeros", MATCHING_INTEGER, PART_WHOLE, "0042", "42", 0},
    {"negative integer with zeros", MATCHING_INTEGER, PART_WHOLE, "-0042", "-42", 0},
    {"no negative zero", MATCHING_INTEGER, PART_WHOLE, "-000", "0", 0},
    {"zero", MATCHING_FILETIME, PART_WHOLE, "0", "0", 0},
    {"longer than any register", MATCHING_INTEGER, PART_WHOLE, "-123456789012345678901234567890", "-123456789012345678901234567890", 0},
    {"no integer", MATCHING_INTEGER, PART_WHOLE, "4a", NONE, 0},
    {"no integer, below the digits", MATCHING_INTEGER, PART_WHOLE, "4/", NONE, 0},
    {"no integer, a plus", MATCHING_INTEGER, PART_WHOLE, "+4", NONE, 0},
    {"no integer, a sign", MATCHING_INTEGER, PART_WHOLE, "-", NONE, 0},
    {"no integer, nothing", MATCHING_INTEGER, PART_WHOLE, "", NONE, 0},
    {"true", MATCHING_BOOLEAN, PART_WHOLE, "True", "TRUE", 0},
    {"false", MATCHING_BOOLEAN, PART_WHOLE, "FALSE", "FALSE", 0},
    {"four letters that are not true", MATCHING_BOOLEAN, PART_WHOLE, "trub", NONE, 0},
    {"five letters that are not false", MATCHING_BOOLEAN, PART_WHOLE, "falsy", NONE, 0},
    {"no truth", MATCHING_BOOLEAN, PART_WHOLE, "1", NONE, 0},
    {"DN", MATCHING_DN, PART_WHOLE, "CN = A , dc=x", "dc=x\ncn=a\n", 0},
    {"no DN", MATCHING_DN, PART_WHOLE, "a", NONE, 0},
    {"DN with a NUL", MATCHING_DN, PART_WHOLE, "cn=a\0b", NONE, 6},
    {"DN that is not UTF-8", MATCHING_DN, PART_WHOLE, "cn=\xff", NONE, 0},
    {"a part of a DN", MATCHING_DN, PART_INITIAL, "CN=A B , DC=", "cn=a b,dc=", 0},
    {"a part of a DN, not UTF-8", MATCHING_DN, PART_FINAL, "\xff", NONE, 0},
    {"a part of a DN, blanks at its ends", MATCHING_DN, PART_ANY, " a ", " a ", 0},
    {"bytes", MATCHING_OCTETS, PART_WHOLE, "A\0 \xff", "A\0 \xff", 4},
    {"no bytes", MATCHING_OCTETS, PART_WHOLE, "", "", 0},
    {"time", MATCHING_TIME, PART_WHOLE, "19700101000001Z", "1000000", 0},
    {"no time", MATCHING_TIME, PART_WHOLE, "today", NONE, 0},
    {"time with a NUL", MATCHING_TIME, PART_WHOLE, "19700101000001Z\0", NONE, 16},
    {"time that does not end", MATCHING_TIME, PART_WHOLE, "19700101000001.000000000000000000000000000000000000000000000000Z", NONE, 0},
    {"the longest time", MATCHING_TIME, PART_WHOLE, "19700101000001.00000000000000000000000000000000000000000000000Z", "1000000", 0},
    {"UUID", MATCHING_UUID, PART_WHOLE, "01234567-89ab-CDEF-0123-456789abcdef", "0123456789abcdef0123456789abcdef", 0},
    {"UUID as its bytes", MATCHING_UUID, PART_WHOLE, "\x01#Eg\x89\xab\xcd\xef\x01#Eg\x89\xab\xcd\xef", "0123456789abcdef0123456789abcdef", 16},
    {"UUID, a hyphen too early", MATCHING_UUID, PART_WHOLE, "0123456-789ab-CDEF-0123-456789abcdef", NONE, 0},
    {"UUID, no hyphen", MATCHING_UUID, PART_WHOLE, "01234567089ab-CDEF-0123-456789abcdef", NONE, 0},
    {"UUID, above the letters", MATCHING_UUID, PART_WHOLE, "g1234567-89ab-CDEF-0123-456789abcdef", NONE, 0},
    {"UUID, between digits and letters", MATCHING_UUID, PART_WHOLE, ":1234567-89ab-CDEF-0123-456789abcdef", NONE, 0},
    {"UUID, below the digits", MATCHING_UUID, PART_WHOLE, "/1234567-89ab-CDEF-0123-456789abcdef", NONE, 0},
    {"UUID of another length", MATCHING_UUID, PART_WHOLE, "01234567", NONE, 0},
    {"of no kind", (enum matching)99, PART_WHOLE, "a", NONE, 0},
};

static int normalise(const struct form *f, const struct schema *schema, struct normal *ret)
{
    return matching_normalise(ret, schema, f->matching, f->place, f->bytes,
                              f->size ? f->size : strlen(f->bytes));
}

static void test_forms(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        const struct form *f = &forms[i];
        struct normal n = {0};
        int r = normalise(f, schema, &n);
        assert_row(f->name, r == (f->expected ? 0 : MATCHING_NO_FORM));
        if (f->expected) {
            size_t size = f->size && f->matching == MATCHING_OCTETS ? f->size
                          : f->size && f->matching == MATCHING_NUMERIC ? 3 : strlen(f->expected);
            if (n.size != size || memcmp(n.data, f->expected, size) != 0)
                fail_msg("row \"%s\": '%s'", f->name, n.data);
            assert_row(f->name, n.data[n.size] == '\0');
        }
        normal_done(&n);
    }
}

/* Servers fold case differently: of 389 DS and Active Directory each letter by itself. */
static void test_servers(void **state)
{
    (void)state;
    static const enum schema_kind kinds[] = {SCHEMA_BUILT_IN, SCHEMA_STANDARD, SCHEMA_389,
                                             SCHEMA_ACTIVE_DIRECTORY};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        CLEANUP(schema_freep) struct schema *schema = schema_new();
        struct normal composed = {0}, decomposed = {0};
        schema_set_kind(schema, kinds[i]);
        assert_int_equal(matching_normalise(&composed, schema, MATCHING_CASE_IGNORE, PART_WHOLE, "\xc3\x89", 2), 0);
        assert_int_equal(matching_normalise(&decomposed, schema, MATCHING_CASE_IGNORE, PART_WHOLE, "e\xcc\x81", 3), 0);
        assert_int_equal(normal_equal(&composed, &decomposed), kinds[i] <= SCHEMA_STANDARD);
        assert_string_equal(composed.data, "\xc3\xa9");
        normal_done(&composed);
        normal_done(&decomposed);
    }
}

static void test_memory(void **state)
{
    (void)state;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        for (long n = 0;; n++) {
            struct normal got = {0};
            fail_after = n;
            int r = normalise(&forms[i], schema, &got);
            bool failed = fail_after < 0;
            fail_after = -1;
            assert_row(forms[i].name, r == (failed              ? -ENOMEM
                                            : forms[i].expected ? 0
                                                                : MATCHING_NO_FORM));
            assert_row(forms[i].name, r == 0 || !got.data);
            normal_done(&got);
            if (!failed)
                break;
        }
}

/* Each is above the one before. */
static void test_order(void **state)
{
    (void)state;
    static const struct {
        enum matching matching;
        const char *texts[12];
    } rows[] = {
        {MATCHING_INTEGER, {"-100", "-99", "-10", "-9", "-1", "0", "1", "9", "10", "99", "100", NULL}},
        {MATCHING_FILETIME, {"-1", "0", "9223372036854775807", "9223372036854775808", NULL}},
        {MATCHING_TIME, {"19691231235958Z", "19691231235959Z", "19700101000000Z", "20000229000000Z", NULL}},
        {MATCHING_CASE_IGNORE, {"", "1", "10", "2", "a", "ab", "b", "\xc3\xa9", NULL}},
    };
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t a = 0; rows[i].texts[a]; a++)
            for (size_t b = 0; rows[i].texts[b]; b++) {
                struct normal one = {0}, two = {0};
                const char *x = rows[i].texts[a], *y = rows[i].texts[b];
                assert_int_equal(matching_normalise(&one, schema, rows[i].matching, PART_WHOLE,
                                                    x, strlen(x)),
                                 0);
                assert_int_equal(matching_normalise(&two, schema, rows[i].matching, PART_WHOLE,
                                                    y, strlen(y)),
                                 0);
                int r = matching_compare(rows[i].matching, &one, &two);
                if ((r < 0) != (a < b) || (r > 0) != (a > b))
                    fail_msg("%s against %s: %d", x, y, r);
                assert_int_equal(normal_equal(&one, &two), a == b);
                normal_done(&one);
                normal_done(&two);
            }
}

/* RFC 4517 3.3.13; the numbers are those of date(1). */
static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t usec; /* -1: none */
    } rows[] = {
        {"1970010100Z", 0},
        {"197001010000Z", 0},
        {"19700101000000Z", 0},
        {"20261124120000Z", 1795521600000000},
        {"2026112412.5Z", 1795523400000000},
        {"202611241200,5Z", 1795521630000000},
        {"20261124120000.123456789Z", 1795521600123456},
        {"20261124120000+0130", 1795516200000000},
        {"20261124120000+01", 1795518000000000},
        {"20261124120000-0130", 1795527000000000},
        {"20261124120000-2359", 1795607940000000},
        {"20240229235960Z", 1709251200000000}, /* a leap second */
        {"20000229000000Z", 951782400000000},
        {"19000228000000Z", -2203977600000000},
        {"00000101000000Z", -62167219200000000},
        {"00000229000000Z", -62162121600000000},
        {"99991231235959Z", 253402300799000000},
        {"20261231000000Z", 1798675200000000},
        {"19000229000000Z", -1}, {"20230229000000Z", -1}, {"21000229000000Z", -1},
        {"20260431000000Z", -1}, {"20261301000000Z", -1}, {"20260001000000Z", -1},
        {"20260100000000Z", -1}, {"20260132000000Z", -1}, {"2026010124Z", -1},
        {"202601012360Z", -1},   {"20260101235961Z", -1}, {"2026010100", -1},
        {"20260101000000", -1},  {"20260101000000z", -1}, {"20260101000000.Z", -1},
        {"20260101000000.:Z", -1}, {"20260101000000./Z", -1}, {"20260101000000+", -1},
        {"20260101000000+1", -1}, {"20260101000000+2400", -1}, {"20260101000000+0060", -1},
        {"20260101000000+01000", -1}, {"20260101000000+010", -1}, {"20260101000000Z0", -1},
        {"", -1}, {"20", -1}, {"20a6", -1}, {"20/6", -1}, {"2026", -1}, {"20260", -1}, {"202601", -1}, {"2026010", -1},
        {"20260101", -1}, {"202601010", -1}, {"20260101000Z", -1}, {"2026010100000Z", -1},
        {"20260101 00Z", -1}, {"2026010100:Z", -1}, {"202601010000:Z", -1}, {"2026 10100Z", -1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t usec = -1;
        int r = matching_parse_time(rows[i].text, &usec);
        assert_row(rows[i].text, r == (rows[i].usec == -1 ? -EINVAL : 0));
        if (usec != rows[i].usec)
            fail_msg("%s: %lld", rows[i].text, (long long)usec);
    }
}

/* RFC 4517 3.3. */
static void test_assertions(void **state)
{
    (void)state;
    static const struct {
        enum matching matching;
        const char *yes[6], *no[6];
    } rows[] = {
        {MATCHING_CASE_IGNORE, {"a", " ", "\xc3\xa9"}, {""}},
        {MATCHING_CASE_EXACT, {"a"}, {""}},
        {MATCHING_TELEPHONE, {"+1", " "}, {"", "\xc3\xa9"}},
        {MATCHING_TELEPHONE_EXACT, {"+1"}, {"", "1\xc3\xa9"}},
        {MATCHING_IA5_IGNORE, {"", "a", "\x7f"}, {"\xc3\xa9"}},
        {MATCHING_IA5_EXACT, {"", "a"}, {"a\x80"}},
        {MATCHING_NUMERIC, {"0 9", " "}, {"", "a", "1/", "1:"}},
        {MATCHING_INTEGER, {"", "0", "7", "10", "-7"}, {"00", "07", "-0", "-07"}},
        {MATCHING_BOOLEAN, {"TRUE", "FALSE"}, {"true", "false", "", "TRUEE", "FALSY", "TRUF"}},
        {MATCHING_DN, {"a"}, {NULL}},
        {MATCHING_OCTETS, {""}, {NULL}},
        {MATCHING_TIME, {""}, {NULL}},
        {MATCHING_FILETIME, {""}, {NULL}},
        {MATCHING_UUID, {""}, {NULL}},
        {MATCHING_LIST, {""}, {NULL}},
        {MATCHING_OID, {""}, {NULL}},
        {(enum matching)99, {""}, {NULL}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t k = 0; k < 6; k++) {
            const char *yes = rows[i].yes[k], *no = rows[i].no[k];
            if (yes)
                assert_row(yes, matching_is_assertion(rows[i].matching, yes, strlen(yes)));
            if (no)
                assert_row(no, !matching_is_assertion(rows[i].matching, no, strlen(no)));
        }
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(matching_from_extensible_rule("UUIDMATCH"), MATCHING_UUID);
    assert_int_equal(matching_from_extensible_rule("2.5.13.27"), MATCHING_TIME);
    assert_int_equal(matching_from_extensible_rule("2.5.13"), -1);
    size_t n = 0;
    while (matching_extensible_names()[n])
        assert_true(matching_from_extensible_rule(matching_extensible_names()[n++]) > 0);
    assert_int_equal(n, 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),  cmocka_unit_test(test_servers),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_order),
        cmocka_unit_test(test_times),  cmocka_unit_test(test_assertions),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
