/*
 * Filters as text: what is accepted and what it means, against libldap, and what is said of the
 * rest.
 */
#include "config.h"

#include <errno.h>
#include <lber.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/schema-read.h"
#include "mapping/filter.h"
#include "mapping/options.h"
#include "mapping/problem-sink.h"
#include "mapping/ruleset.h"
#include "model/entry.h"
#include "model/schema.h"
#include "unit.h"

/* libldap exports it and declares it in no header: text of a filter to BER. */
int ldap_pvt_put_filter(BerElement *ber, const char *str);

static bool libldap_accepts(const char *text)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    assert_non_null(ber);
    int r = ldap_pvt_put_filter(ber, text);
    ber_free(ber, 1);
    return r != -1;
}

static bool we_accept(const char *text)
{
    struct filter *f = NULL;
    struct error e = {0};
    size_t offset;
    int r = filter_parse(&f, text, &offset, &e);
    assert_true(r == 0 || (r == -EINVAL && e.message[0]));
    filter_free(f);
    return r == 0;
}

static const char *const corpus[] = {
    "(cn=foo)",
    "(cn=)",
    "(cn=*)",
    "(cn=**)",
    "(cn=a*)",
    "(cn=*a)",
    "(cn=*a*)",
    "(cn=a*b)",
    "(cn=a*b*c)",
    "(cn=a*b**c)",
    "(cn=a**)",
    "(cn=**a)",
    "(cn>=5)",
    "(cn<=5)",
    "(cn~=x)",
    "(cn>5)",
    "(cn<5)",
    "(cn>=*)",
    "(cn<=a*)",
    "(cn~=*)",
    "(&)",
    "(|)",
    "(!)",
    "(!(a=b))",
    "(!(a=b)(c=d))",
    "(&(a=b)(c=d))",
    "(&(a=b) (c=d))",
    "(& (a=b) (c=d) )",
    "(|(a=b))",
    "(&(|(a=b)(c=d))(!(e=f)))",
    "(a=b",
    "a=b)",
    "(=x)",
    "( cn = foo )",
    "(cn =foo)",
    "(cn= foo )",
    "(cn=\\28\\29\\2a\\5c\\00)",
    "(cn=\\zz)",
    "(cn=\\2)",
    "(cn=\\)",
    "(cn=a(b)",
    "(cn=a(b))",
    "(cn;lang-de=x)",
    "(cn;lang-de;x-y=z)",
    "(cn;=x)",
    "(2.5.4.3=x)",
    "(2.5.=x)",
    "(2..5=x)",
    "(cn_x=y)",
    "(1cn=x)",
    "(cn:=x)",
    "(cn:dn:=x)",
    "(cn:DN:=x)",
    "(cn:caseExactMatch:=x)",
    "(cn:dn:caseExactMatch:=x)",
    "(cn:2.5.13.5:=x)",
    "(:caseExactMatch:=x)",
    "(:dn:2.5.13.5:=x)",
    "(:=x)",
    "(:dn:=x)",
    "(cn:dn=x)",
    "(cn::=x)",
    "(userAccountControl:1.2.840.113556.1.4.803:=2)",
    "(cn:=a*b)",
    "(cn:caseExactMatch:=*)",
    "((a=b))",
    "()",
    "(",
    ")",
    "(&(a=b)",
    "(&(a=b)))",
    "(cn=J\xc3\xb6rg)",
    "(cn=\\c3\\b6)",
    "(cn=a=b)",
    "(cn=a>=b)",
    "(cn=a:=b)",
    "(c n=x)",
    "(-cn=x)",
    "(cn-=x)",
    "(cn=#)",
    "(cn=\"x\")",
    "(&(a=b)x)",
    "(&x(a=b))",
    "(!(!(a=b)))",
    "(!(&))",
    "(cn=a,b;c+d)",
    "  (cn=foo)",
    "(cn=foo)  ",
    "(cn:x;y:=z)",
    "(cn:dn:caseExactMatch=x)",
    "(cn.x=y)",
    "(objectGUID=\\01\\02\\ff)",
};

/* Where we mean to be stricter, and why. */
static const struct {
    const char *text, *why;
} stricter[] = {
    {"", "an empty filter is a mistake in a configuration"},
    {"cn=foo", "RFC 4515 has brackets; leaving them out hides an unbalanced filter"},
    {"a=b)", "the same"},
    {"(a=b)(c=d)", "libldap drops the second filter without a word"},
    {"(a=b)x", "libldap ignores what follows"},
    {"(&(a=b)))", "the same"},
    {"(cn::=x)", "RFC 4515 has no empty matching rule"},
};

static bool is_stricter(const char *text)
{
    for (size_t i = 0; i < ARRAY_SIZE(stricter); i++)
        if (strcmp(stricter[i].text, text) == 0)
            return true;
    return false;
}

static void test_accepts_what_libldap_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(corpus); i++) {
        bool theirs = libldap_accepts(corpus[i]), ours = we_accept(corpus[i]);
        if (theirs != ours && !(is_stricter(corpus[i]) && !ours))
            fail_msg("%s: libldap says %d, we say %d", corpus[i], theirs, ours);
    }
    for (size_t i = 0; i < ARRAY_SIZE(stricter); i++)
        assert_false(we_accept(stricter[i].text));
}

static void put_node(BerElement *ber, const struct filter_node *n);

static void put_children(BerElement *ber, const struct filter_node *n, unsigned tag)
{
    assert_int_not_equal(ber_printf(ber, "t{", tag), -1);
    for (size_t i = 0; i < n->n_children; i++)
        put_node(ber, n->children[i]);
    assert_int_not_equal(ber_printf(ber, "N}"), -1);
}

static void put_assertion(BerElement *ber, const struct filter_node *n, unsigned tag)
{
    const struct filter_part *part = &n->parts[0];
    assert_int_not_equal(
        ber_printf(ber, "t{soN}", tag, n->attribute.written, part->bytes, part->size), -1);
}

static void put_substrings(BerElement *ber, const struct filter_node *n)
{
    assert_int_not_equal(ber_printf(ber, "t{s{", 0xa4U, n->attribute.written), -1);
    for (size_t i = 0; i < n->n_parts; i++) {
        const struct filter_part *part = &n->parts[i];
        unsigned tag = part->place == PART_INITIAL ? 0x80
                       : part->place == PART_ANY   ? 0x81
                                                   : 0x82;
        assert_int_not_equal(ber_printf(ber, "to", tag, part->bytes, part->size), -1);
    }
    assert_int_not_equal(ber_printf(ber, "N}N}"), -1);
}

static void put_extensible(BerElement *ber, const struct filter_node *n)
{
    assert_int_not_equal(ber_printf(ber, "t{", 0xa9U), -1);
    if (n->rule)
        assert_int_not_equal(ber_printf(ber, "ts", 0x81U, n->rule), -1);
    if (n->attribute.written)
        assert_int_not_equal(ber_printf(ber, "ts", 0x82U, n->attribute.written), -1);
    assert_int_not_equal(ber_printf(ber, "to", 0x83U, n->parts[0].bytes, n->parts[0].size), -1);
    if (n->dn_at)
        assert_int_not_equal(ber_printf(ber, "tb", 0x84U, 1), -1);
    assert_int_not_equal(ber_printf(ber, "N}"), -1);
}

/* RFC 4511 4.5.1. */
static void put_node(BerElement *ber, const struct filter_node *n)
{
    switch (n->kind) {
    case FILTER_AND: put_children(ber, n, 0xa0); break;
    case FILTER_OR: put_children(ber, n, 0xa1); break;
    case FILTER_NOT: put_children(ber, n, 0xa2); break;
    case FILTER_EQUAL: put_assertion(ber, n, 0xa3); break;
    case FILTER_SUBSTRINGS: put_substrings(ber, n); break;
    case FILTER_NOT_BELOW: put_assertion(ber, n, 0xa5); break;
    case FILTER_NOT_ABOVE: put_assertion(ber, n, 0xa6); break;
    case FILTER_PRESENT:
        assert_int_not_equal(ber_printf(ber, "ts", 0x87U, n->attribute.written), -1);
        break;
    case FILTER_APPROXIMATE: put_assertion(ber, n, 0xa8); break;
    case FILTER_EXTENSIBLE: put_extensible(ber, n); break;
    }
}

/* What we understand is what libldap would send. */
static void test_understands_what_libldap_sends(void **state)
{
    size_t n_compared = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(corpus); i++) {
        CLEANUP(filter_freep) struct filter *f = NULL;
        struct error e = {0};
        struct berval ours, theirs;
        size_t offset;
        if (filter_parse(&f, corpus[i], &offset, &e) < 0)
            continue;
        BerElement *a = ber_alloc_t(LBER_USE_DER), *b = ber_alloc_t(LBER_USE_DER);
        put_node(a, f->root);
        assert_int_not_equal(ldap_pvt_put_filter(b, corpus[i]), -1);
        assert_int_equal(ber_flatten2(a, &ours, 0), 0);
        assert_int_equal(ber_flatten2(b, &theirs, 0), 0);
        assert_row(corpus[i], ours.bv_len == theirs.bv_len &&
                                  memcmp(ours.bv_val, theirs.bv_val, ours.bv_len) == 0);
        ber_free(a, 1);
        ber_free(b, 1);
        n_compared++;
    }
    assert_true(n_compared > 40);
}

/* Mutations of the corpus: one byte of the alphabet of filters put in, replaced or taken out.
 */
static void test_accepts_what_libldap_accepts_when_mutated(void **state)
{
    static const char alphabet[] = "()&|!=<>~:*\\ ;.-a2d";
    (void)state;
    size_t n_both = 0;
    for (size_t i = 0; i < ARRAY_SIZE(corpus); i++)
        for (size_t at = 0; at < strlen(corpus[i]); at++)
            for (size_t k = 0; k < 2 * (sizeof(alphabet) - 1) + 1; k++) {
                char text[256];
                const char *rest = corpus[i] + at;
                size_t letter = k % (sizeof(alphabet) - 1);
                int skip = k >= sizeof(alphabet) - 1 ? 1 : 0;
                bool drop = k == 2 * (sizeof(alphabet) - 1);
                snprintf(text, sizeof(text), "%.*s%.*s%s", (int)at, corpus[i], drop ? 0 : 1,
                         alphabet + letter, rest + skip);
                bool ours = we_accept(text);
                if (ours && !libldap_accepts(text))
                    fail_msg("'%s': only we accept it", text);
                n_both += ours;
            }
    assert_true(n_both > 1000);
}

static void test_names_the_place_of_an_error(void **state)
{
    static const struct {
        const char *text;
        size_t offset;
        const char *words;
    } rows[] = {
        {"cn=foo", 0, "a filter stands in brackets: (cn=foo)"},
        {"", 0, "the filter is empty"},
        {"(cn=foo", 7, "')' is missing"},
        {"(cn=a**b)", 6, "two '*' follow each other"},
        {"(cn=a\\zz)", 5, "two hexadecimal digits"},
        {"(cn=a(b)", 5, "must be written as \\28"},
        {"(&(a=b)(c))", 9, "is expected after 'c', found ')'"},
        {"(&(a=b)(=c))", 8, "an attribute, '&', '|' or '!' is expected"},
        {"(!(a=b)(c=d))", 7, "'!' takes one filter"},
        {"(!)", 2, "'!' needs a filter in brackets"},
        {"(a=b)(c=d)", 5, "to join several"},
        {"(a>=b*)", 5, "only possible after '='"},
        {"(&(a=b)", 7, "')' is expected, found the end of the filter"},
        {"(cn :=x)", 3, "found ' '"},
        {"(cn:\xc3\xb6:=x)", 4, "found '\xc3\xb6'"},
        {"(cn:\xf0\x9f\x98\x80:=x)", 4, "found '\xf0\x9f\x98\x80'"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct filter *f = NULL;
        struct error e = {0};
        size_t offset = 999;
        assert_int_equal(filter_parse(&f, rows[i].text, &offset, &e), -EINVAL);
        if (offset != rows[i].offset || !strstr(e.message, rows[i].words))
            fail_msg("%s: at %zu: %s", rows[i].text, offset, e.message);
    }
}

static void test_limits_the_depth(void **state)
{
    (void)state;
    static const struct {
        int depth;
        bool taken;
    } rows[] = {{40, true}, {60, false}, {1000, false}, {100000, false}};
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
        CLEANUP(buffer_done) struct buffer b = {0};
        for (int i = 0; i < rows[k].depth; i++)
            buffer_add_text(&b, "(!");
        buffer_add_text(&b, "(cn=a)");
        for (int i = 0; i < rows[k].depth; i++)
            buffer_add_text(&b, ")");
        assert_int_equal(we_accept(b.data), rows[k].taken);
    }
}

static void test_lists_attributes(void **state)
{
    struct string_list list = {0};
    struct error e = {0};
    (void)state;
    assert_int_equal(
        filter_attributes("(&(cn;lang-de=a)(CN=b)(|(sn=*)(!(uid:=x))))", &list, &e), 0);
    assert_int_equal(list.n_items, 3);
    assert_string_equal(list.items[0], "cn");
    assert_string_equal(list.items[1], "sn");
    assert_string_equal(list.items[2], "uid");
    assert_int_equal(filter_attributes("(cn", &list, &e), -EINVAL);
    string_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_what_libldap_accepts),
        cmocka_unit_test(test_understands_what_libldap_sends),
        cmocka_unit_test(test_accepts_what_libldap_accepts_when_mutated),
        cmocka_unit_test(test_names_the_place_of_an_error),
        cmocka_unit_test(test_limits_the_depth),
        cmocka_unit_test(test_lists_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
