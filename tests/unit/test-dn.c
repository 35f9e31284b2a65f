/*
 * DNs: keys, parents, escapes, and libldap as a second opinion on what is a DN and on what its
 * values are. Covers T38.
 */
#include "config.h"

#include <errno.h>
#include <ldap.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "model/dn.h"
#include "unit.h"

static const struct {
    const char *dn, *key;
} keys[] = {
    {"", ""},
    {"dc=com", "dc=com\n"},
    {"uid=jdoe,ou=People,dc=example,dc=com", "dc=com\ndc=example\nou=people\nuid=jdoe\n"},
    {"UID=JDoe , OU = People,DC=Example,  DC=com", "dc=com\ndc=example\nou=people\nuid=jdoe\n"},
    {"0.9.2342.19200300.100.1.1=jdoe,2.5.4.11=People", "ou=people\nuid=jdoe\n"},
    {"commonName=x,DomainComponent=y", "dc=y\ncn=x\n"},
    {"1.3.6.1.4.1.99=x", "1.3.6.1.4.1.99=x\n"},
    {"cn=b+uid=a", "cn=b+uid=a\n"},
    {"uid=a+cn=b", "cn=b+uid=a\n"},
    {"cn=Smith\\, John", "cn=smith, john\n"},
    {"cn=Smith\\2c  John", "cn=smith, john\n"},
    {"cn=\\ a\\ ", "cn=a\n"},
    {"cn=a\\2bb", "cn=a\\2bb\n"},
    {"cn=a\\+b", "cn=a\\2bb\n"},
    {"cn=a\\5c2bb", "cn=a\\5c2bb\n"},
    {"cn=a\\0Ab", "cn=a\\0ab\n"},
    {"cn=John\\0ADEL:6a,cn=Deleted Objects", "cn=deleted objects\ncn=john\\0adel:6a\n"},
    {"cn=a\\00b", "cn=a\\00b\n"},
    {"cn=\\23a", "cn=\\23a\n"},
    {"cn=#0402486A", "cn=#0402486a\n"},
    {"cn=\\230402486A", "cn=\\230402486a\n"},
    {"cn=a=b", "cn=a=b\n"},
    {"cn=", "cn=\n"},
    {"cn=*()\\\\", "cn=*()\\5c\n"},
    {"CN=Stra\xc3\x9f"
     "e",
     "cn=stra\xc3\x9f"
     "e\n"},
    {"cn=\xef\xac\x81n", "cn=fin\n"},
    {"cn=a\xef\xbc\x8bsn=b", "cn=a\\2bsn=b\n"}, /* a full-width '+' is no separator */
    {"cn=\xcf\x82", "cn=\xcf\x82\n"},             /* a final sigma is another letter */
    {"cn=\xcf\x83", "cn=\xcf\x83\n"},
    {"cn=a\xc2\xad"
     "b",
     "cn=a\xc2\xad"
     "b\n"}, /* no character is dropped */
    {"telephoneNumber=\\2b34 6-0", "telephonenumber=\\2b3460\n"},
    {"2.16.840.1.113730.3.1.241=a", "displayname=a\n"},
    {"uidNumber=007", "uidnumber=7\n"},
    {"homeDirectory=/Home", "homedirectory=/Home\n"},
    {"cn=Jos\xc3\xa9", "cn=jos\xc3\xa9\n"},
    {"cn=Jose\xcc\x81", "cn=jos\xc3\xa9\n"},
    {"cn=Jos\\C3\\A9", "cn=jos\xc3\xa9\n"},
    {"member=UID\\=Ada\\,DC\\=T,dc=x", "dc=x\nmember=dc=t\\0auid=ada\\0a\n"},
    {"member=No Name,dc=x", "dc=x\nmember=No Name\n"},
    /* The fourth name within names is compared as a name, the fifth as it is written. */
    {"member=member=Member=MEMBER=UID=A",
     "member=member=member=member=uid=a\\5c5c5c0a\\5c5c0a\\5c0a\\0a\n"},
    {"member=member=member=member=Member=UID=A",
     "member=member=member=member=member=UID=A\\5c5c5c0a\\5c5c0a\\5c0a\\0a\n"},
};

static void test_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        CLEANUP(freep) char *key = NULL;
        struct error e = {""};
        assert_row(keys[i].dn, dn_key(NULL, keys[i].dn, &key, &e) == 0);
        assert_string_equal(key, keys[i].key);
        assert_true(dn_is_valid(keys[i].dn));
    }
}

/* Rows that libldap, too, must refuse. */
static const struct {
    const char *dn;
    const char *says;
} refused[] = {
    {" ", "an attribute type is missing at byte 2"},
    {"x", "'=' is missing after an attribute type at byte 2"},
    {"=x", "an attribute type is missing at byte 1"},
    {"cn=a,", "an attribute type is missing at byte 6"},
    {",cn=a", "an attribute type is missing at byte 1"},
    {"cn=a,,dc=b", "an attribute type is missing at byte 6"},
    {"cn=a+", "an attribute type is missing at byte 6"},
    {"cn=a;dc=b", "without a backslash before it at byte 5"},
    {"cn=\"a, b\"", "without a backslash before it at byte 4"},
    {"cn=a<b", "without a backslash before it at byte 5"},
    {"cn=a\\", "a backslash before neither"},
    {"cn=a\\4", "a backslash before neither"},
    {"cn=a\\zz", "a backslash before neither"},
    {"cn=#", "hexadecimal digits are missing"},
    {"cn=#4", "an odd number of hexadecimal digits"},
    {"cn=#0402zz", "something other than hexadecimal digits"},
    {"1=x", "an object identifier of a single number"},
    {"1..2=x", "a malformed object identifier"},
    {"cn_x=a", "'=' is missing"},
    {"OID.2.5.4.3=x", "'=' is missing after an attribute type at byte 4"},
    {"-cn=a", "an attribute type is missing"},
    {"cn=\\ff", "a value that is not UTF-8 at byte 4"},
    {"cn=a\xff", "a value that is not UTF-8 at byte 4"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        char *key = NULL;
        struct error e = {""};
        assert_row(refused[i].dn, dn_key(NULL, refused[i].dn, &key, &e) == -EINVAL);
        assert_null(key);
        if (!strstr(e.message, refused[i].says))
            fail_msg("\"%s\" does not say \"%s\"", e.message, refused[i].says);
        assert_false(dn_is_valid(refused[i].dn));
        assert_null(dn_leaf_value(refused[i].dn));
    }
}

/* However deep somebody nests names, the key is hardly longer than what was written, and made soon:
 * to look into each would take minutes. */
static void test_nested_without_end(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer dn = {0};
    CLEANUP(freep) char *key = NULL;
    for (unsigned i = 0; i < 200000; i++)
        buffer_add_text(&dn, "member=");
    buffer_add_text(&dn, "a");
    alarm(60);
    assert_int_equal(dn_key(NULL, dn.data, &key, NULL), 0);
    alarm(0);
    assert_true(strlen(key) < dn.size + 100);
}

static void test_refusal_quotes_safely(void **state)
{
    (void)state;
    struct error e;
    char *key = NULL;
    assert_int_equal(dn_key(NULL, "cn=a\nb;", &key, &e), -EINVAL);
    assert_non_null(strstr(e.message, "\"cn=a\\x0ab;\" is not a distinguished name"));
    /* However long the name becomes: what is wrong with it is said. */
    char dn[300] = "cn=";
    memset(dn + 3, '\x17', sizeof(dn) - 5);
    dn[sizeof(dn) - 2] = ';';
    assert_int_equal(dn_key(NULL, dn, &key, &e), -EINVAL);
    assert_non_null(strstr(e.message, "without a backslash before it at byte 299"));
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(dn_equal(NULL, "cn=a b,dc=x", "CN=A  B , DC=X"));
    assert_false(dn_equal(NULL, "cn=a,dc=x", "cn=a,dc=y"));
    assert_false(dn_equal(NULL, "cn=a+sn=b", "cn=a,sn=b"));
    assert_false(dn_equal(NULL, "cn=a\\+sn=b", "cn=a+sn=b"));
    assert_false(dn_equal(NULL, "cn=a\\00b", "cn=ab"));
    assert_false(dn_equal(NULL, "bad", "bad"));
}

static bool is_below(const char *dn, const char *ancestor)
{
    CLEANUP(freep) char *key = NULL;
    CLEANUP(freep) char *above = NULL;
    assert_int_equal(dn_key(NULL, dn, &key, NULL), 0);
    assert_int_equal(dn_key(NULL, ancestor, &above, NULL), 0);
    return dn_key_is_below(key, above);
}

static void test_below(void **state)
{
    (void)state;
    assert_true(is_below("uid=a,ou=b,dc=c", "OU=B,DC=C"));
    assert_true(is_below("ou=b,dc=c", "ou=b,dc=c"));
    assert_true(is_below("ou=b,dc=c", ""));
    assert_false(is_below("ou=bb,dc=c", "ou=b,dc=c"));
    assert_false(is_below("dc=c", "ou=b,dc=c"));
    /* No value can pretend to be two RDNs. */
    assert_false(is_below("ou=x\\0aou=b,dc=c", "ou=b,ou=x,dc=c"));
}

static void test_leaf_and_parent(void **state)
{
    (void)state;
    static const struct {
        const char *dn, *leaf, *parent;
    } rows[] = {
        {"cn=Smith\\, John,ou=b,dc=c", "Smith, John", "ou=b,dc=c"},
        {"cn=a+sn=b , dc=c", "a", "dc=c"},
        {"cn=a\\,b+sn=c\\+d,dc=e", "a,b", "dc=e"},
        {"  uid = x y  ,dc=c", "x y", "dc=c"},
        {"cn=\\20a\\20,dc=c", " a ", "dc=c"},
        {"cn=#0401,dc=c", "#0401", "dc=c"},
        {"dc=com", "com", NULL},
        {"", NULL, NULL},
        {"cn=a\\00b,dc=c", NULL, "dc=c"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(freep) char *leaf = dn_leaf_value(rows[i].dn);
        const char *parent = dn_parent(rows[i].dn);
        assert_row(rows[i].dn, text_equal(leaf, rows[i].leaf));
        assert_row(rows[i].dn, text_equal(parent, rows[i].parent));
        if (parent)
            assert_true(parent > rows[i].dn && parent < rows[i].dn + strlen(rows[i].dn));
    }
}

/* What was escaped is read back, by us and by libldap. */
static void test_escape(void **state)
{
    (void)state;
    static const char *const values[] = {
        "plain", "Smith, John",       " lead", "trail ", " ", "#hash",
        "a#b",   "a+b;c<d>e\"f\\g=h", "x\ny",  "*()",    "",  "  two  ",
        "\x7f",  "J\xc3\xb6rg",
    };
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        CLEANUP(freep) char *escaped = dn_escape_value(values[i], strlen(values[i]));
        CLEANUP(freep) char *dn = NULL;
        CLEANUP(freep) char *leaf = NULL;
        assert_true(asprintf(&dn, "cn=%s,dc=x", escaped) > 0);
        leaf = dn_leaf_value(dn);
        assert_row(dn, text_equal(leaf, values[i]));
        LDAPDN parsed = NULL;
        assert_int_equal(ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3), LDAP_SUCCESS);
        assert_int_equal(parsed[0][0]->la_value.bv_len, strlen(values[i]));
        assert_memory_equal(parsed[0][0]->la_value.bv_val, values[i], strlen(values[i]));
        ldap_dnfree(parsed);
    }
    CLEANUP(freep) char *nul = dn_escape_value("a\0b", 3);
    assert_string_equal(nul, "a\\00b");
    CLEANUP(freep) char *binary = dn_escape_value("a\xff", 2);
    assert_string_equal(binary, "a\\FF");
}

/* Where we are stricter on purpose: options of an attribute ("cn;lang-de") name no entry, RFC
 * 4512 wants two numbers in an OID, and a value that is no text can be compared with nothing.
 * libldap takes blanks after '#' and digits for the end, whatever follows. */
static bool is_stricter(const char *dn, const struct error *e)
{
    size_t at = strtoul(strrchr(e->message, ' '), NULL, 10);

    return (strstr(e->message, "'=' is missing") && dn[at - 1] == ';') ||
           strstr(e->message, "not UTF-8") || strstr(e->message, "of a single number") ||
           strstr(e->message, "digits after '#'") ||
           strstr(e->message, "digits are missing after '#'");
}

/* libldap agrees: accepted or not, number of RDNs, and the bytes of the leaf's first value. */
static void compare_with_libldap(const char *dn)
{
    CLEANUP(freep) char *key = NULL;
    LDAPDN parsed = NULL;
    bool theirs = ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS;
    struct error e = {""};
    bool ours = dn_key(NULL, dn, &key, &e) == 0;

    if (theirs && !ours && is_stricter(dn, &e)) {
        ldap_dnfree(parsed);
        return;
    }
    if (theirs != ours)
        fail_msg("\"%s\": ours %d, libldap %d; %s", dn, ours, theirs, e.message);
    size_t n_theirs = 0, n_ours = 0;
    while (parsed && parsed[n_theirs])
        n_theirs++;
    for (const char *p = key; p && *p; p++)
        n_ours += *p == '\n';
    assert_row(dn, n_theirs == n_ours);
    /* libldap takes the blank after an escaped backslash for an escaped blank. */
    if (n_theirs > 0 && !strstr(dn, "\\\\ ") && !(parsed[0][0]->la_flags & LDAP_AVA_BINARY)) {
        const struct berval *value = &parsed[0][0]->la_value;
        CLEANUP(freep) char *leaf = dn_leaf_value(dn);
        if (value->bv_len > 0 && memchr(value->bv_val, 0, value->bv_len))
            assert_null(leaf);
        else
            assert_row(dn, leaf && strlen(leaf) == value->bv_len &&
                               (value->bv_len == 0 ||
                                memcmp(leaf, value->bv_val, value->bv_len) == 0));
    }
    ldap_dnfree(parsed);
}

static void test_oracle_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        compare_with_libldap(keys[i].dn);
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        compare_with_libldap(refused[i].dn);
}

/* Strings from pieces that matter to the grammar; the same ones in every run. */
static void test_oracle_random(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "cn=",  "dc=", "uid=", ",",    "+",    " ",        "\\",       "\\,",
        "\\20", "\\2", "#",    "#04",  "\\23", "a",        "B",        "=",
        "\"",   ";",   "<",    ">",    "ff",   "\\c3\\a9", "\xc3\xa9", "2.5",
        ".4",   "1",   "OID.", "\\\\", "\\ ",  "cn",       "-",        "x y",
    };
    uint32_t seed = 12345;
    for (unsigned round = 0; round < 200000; round++) {
        char dn[128] = "cn=";
        seed = seed * 1664525U + 1013904223U;
        unsigned n = (seed >> 16) % 9;
        if (seed >> 31)
            dn[0] = '\0';
        for (unsigned i = 0; i < n; i++) {
            seed = seed * 1664525U + 1013904223U;
            const char *piece = pieces[(seed >> 16) % ARRAY_SIZE(pieces)];
            memcpy(dn + strlen(dn), piece, strlen(piece) + 1);
        }
        compare_with_libldap(dn);
    }
}

/* The key is the same, or the refusal, whatever names were seen before. */
static void compare_with_memory(struct dn_memory *m, const char *dn)
{
    CLEANUP(freep) char *plain = NULL;
    CLEANUP(freep) char *by = NULL;
    struct error e = {0}, f = {0};
    int r = dn_key(NULL, dn, &plain, &e);

    assert_int_equal(dn_key_by(m, NULL, dn, &by, &f), r);
    assert_true(text_equal(plain, by));
    assert_string_equal(e.message, f.message);
}

static void test_memory(void **state)
{
    (void)state;
    static const char *const leaves[] = {
        "uid=a", "UID=B ", "cn=a+sn=b", "cn=a\\,b", "cn=a\\2c", " cn=x", "cn=", "cn", "=", "cn=a\\", "", "cn=\"", "cn=#04",
    };
    static const char *const parents[] = {
        "", ",", ",ou=p,dc=t", ",OU=p,dc=t", ", ou=p,dc=t", ",ou=p,dc=t ", ",ou=p,,dc=t", ",ou=p,dc=t,", ",dc=t", ",cn=a+sn=b,dc=t", ",b",
        "\\,ou=p,dc=t", "+ou=p,dc=t",
    };
    struct dn_memory m = {0};
    uint32_t seed = 4711;

    for (unsigned round = 0; round < 20000; round++) {
        char dn[128];
        const char *parent, *middle;

        seed = seed * 1664525U + 1013904223U;
        parent = parents[(seed >> 8) % ARRAY_SIZE(parents)];
        middle = (seed >> 16) % 3 ? "" : parents[(seed >> 20) % ARRAY_SIZE(parents)];
        for (unsigned i = 0; i < 3; i++) {
            seed = seed * 1664525U + 1013904223U;
            snprintf(dn, sizeof(dn), "%s%s%s", leaves[(seed >> 16) % ARRAY_SIZE(leaves)], middle, parent);
            compare_with_memory(&m, dn);
        }
    }
    dn_memory_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nested_without_end),
        cmocka_unit_test(test_refusal_quotes_safely),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_leaf_and_parent),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_oracle_rows),
        cmocka_unit_test(test_oracle_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
