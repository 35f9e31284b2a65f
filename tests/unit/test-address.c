/* Which server next: order, pauses, DNS answers. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "directory/address.h"
#include "unit.h"

static struct address_list *list(size_t n, const char *const *uris)
{
    struct address_list *l = NULL;
    struct error e;
    assert_int_equal(address_list_new(&l, (char *const *)uris, n, &e), 0);
    return l;
}

static void test_order_and_pauses(void **state)
{
    (void)state;
    const char *uris[] = {"ldap://a", "ldap://b"};
    struct address_list *l = list(2, uris);
    uint64_t now = 1000 * USEC_PER_SEC, when;
    struct address *a = address_next(l, now, &when);
    assert_string_equal(a->uri, "ldap://a");
    address_failed(a, false, now);
    struct address *b = address_next(l, now, &when);
    assert_string_equal(b->uri, "ldap://b");
    address_failed(b, false, now);
    assert_null(address_next(l, now, &when));
    assert_in_range(when, now + USEC_PER_SEC * 8 / 10, now + USEC_PER_SEC * 12 / 10);
    assert_ptr_equal(address_next(l, now + 2 * USEC_PER_SEC, &when), a);
    /* The pause grows, to a minute at most. */
    for (int i = 0; i < 20; i++)
        address_failed(a, false, now);
    assert_in_range(a->not_before_usec, now + 48 * USEC_PER_SEC, now + 72 * USEC_PER_SEC);
    address_worked(a);
    assert_ptr_equal(address_next(l, now, &when), a);
    address_list_free(l);
}

static void test_refused(void **state)
{
    (void)state;
    const char *uris[] = {"ldap://a", "ldap://b"};
    struct address_list *l = list(2, uris);
    uint64_t now = 1000 * USEC_PER_SEC, when;
    struct address *a = address_next(l, now, &when);
    address_failed(a, true, now);
    assert_true(a->not_before_usec >=
                now + 240 * USEC_PER_SEC); /* so that no account is locked */
    assert_false(address_all_refused(l));
    struct address *b = address_next(l, now, &when);
    address_failed(b, true, now);
    assert_true(address_all_refused(l));
    address_failed(b, false, now);
    assert_false(address_all_refused(l));
    address_list_free(l);
}

static void test_better(void **state)
{
    (void)state;
    const char *uris[] = {"ldap://a", "ldap://b", "ldap://c"};
    struct address_list *l = list(3, uris);
    uint64_t now = 1000 * USEC_PER_SEC, when;
    struct address *a = address_next(l, now, &when);
    assert_null(address_better(l, a, now));
    address_failed(a, false, now);
    struct address *b = address_next(l, now, &when);
    assert_null(address_better(l, b, now));
    assert_ptr_equal(address_better(l, b, now + 2 * USEC_PER_SEC), a);
    address_list_free(l);
}

static void test_resolved(void **state)
{
    (void)state;
    const char *uris[] = {"ldap://first", "srv:example.com", "ldap://last"};
    struct address_list *l = list(3, uris);
    struct error e;
    uint64_t now = 1000 * USEC_PER_SEC, when;
    clock_freeze(now, now);
    address_failed(address_next(l, now, &when), false, now);
    struct address *a = address_next(l, now, &when);
    assert_null(a->uri);
    struct string_list found = {};
    assert_int_equal(address_resolved(l, a, &found, &e), -ENOENT);
    string_list_add(&found, "ldap://x:389");
    string_list_add(&found, "ldap://y:389");
    assert_int_equal(address_resolved(l, a, &found, &e), 0);
    assert_int_equal(address_count(l), 4);
    a = address_next(l, now, &when);
    assert_string_equal(a->uri, "ldap://x:389");
    address_failed(a, false, now);
    a = address_next(l, now, &when);
    assert_string_equal(a->uri, "ldap://y:389");
    address_failed(a, false, now);
    address_failed(address_next(l, now, &when), false, now);
    assert_null(address_to_ask_again(l, now + 9 * USEC_PER_SEC));
    assert_string_equal(address_to_ask_again(l, now + 10 * USEC_PER_SEC)->uri, "ldap://x:389");
    string_list_done(&found);
    address_list_free(l);
    clock_freeze(0, 0);
}

/* Of what DNS named some time ago some stay, with their pauses, some go, and some come. */
static void test_resolved_again(void **state)
{
    (void)state;
    const char *uris[] = {"ldap://first", "srv:example.com", "ldap://last"};
    struct address_list *l = list(3, uris);
    struct error e;
    struct string_list found = {}, others = {}, none = {};
    uint64_t now = 1000 * USEC_PER_SEC, when;
    clock_freeze(now, now);
    address_failed(address_next(l, now, &when), false, now);
    string_list_add(&found, "ldap://x:389");
    string_list_add(&found, "ldap://y:389");
    assert_int_equal(address_resolved(l, address_next(l, now, &when), &found, &e), 0);
    address_failed(address_next(l, now, &when), true, now); /* x is refused: a long pause */
    now += 10 * USEC_PER_SEC;
    clock_freeze(now, now);
    /* DNS does not say: they stay, and it is asked again a minute later. */
    struct address *a = address_to_ask_again(l, now);
    assert_int_equal(address_resolved(l, a, &none, &e), -ENOENT);
    address_not_resolved(l, a);
    assert_int_equal(address_count(l), 4);
    assert_null(address_to_ask_again(l, now + 59 * USEC_PER_SEC));
    now += 60 * USEC_PER_SEC;
    clock_freeze(now, now);
    string_list_add(&others, "ldap://z:389");
    string_list_add(&others, "ldap://x:389");
    assert_int_equal(address_resolved(l, address_to_ask_again(l, now), &others, &e), 0);
    assert_int_equal(address_count(l), 4);
    assert_null(address_to_ask_again(l, now));
    static const char *const order[] = {"ldap://first", "ldap://z:389", "ldap://last"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        a = address_next(l, now, &when);
        assert_string_equal(a->uri, order[i]);
        address_failed(a, false, now);
    }
    assert_null(address_next(l, now, &when)); /* x keeps its pause */
    address_try_now(l);
    assert_string_equal(address_next(l, now, &when)->uri, "ldap://first");
    string_list_done(&found);
    string_list_done(&others);
    address_list_free(l);
    clock_freeze(0, 0);
}

static void test_domain(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *domain;
    } rows[] = {
        {"srv:example.com", "example.com"},
        {"SRVS:example.com", "example.com"},
        {"ldap:///dc=example,dc=com", "example.com"},
        {"ldaps:///dc=example,dc=com", "example.com"},
        {"ldap:///ou=x,dc=example,dc=com", "example.com"},
        {"ldap:///dc=x,ou=x,domainComponent=example,DC=com", "example.com"},
        {"ldap:///dc=m%C3%BCnchen,dc=example", "m\xc3\xbcnchen.example"},
        {"ldap:///dc%3dexample%2cdc%3dcom", "example.com"},
        {"ldap:///ou=x", NULL},
        {"ldap://host/dc=example,dc=com", NULL},
        {"ldap://host", NULL},
        {"ldapi://%2Frun%2Fldapi", NULL},
        {"srv:", NULL},
        {"ldap:///", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *domain = address_domain(rows[i].uri);
        if (rows[i].domain)
            assert_string_equal(domain, rows[i].domain);
        else
            assert_null(domain);
        free(domain);
    }
}

static uint32_t scripted(void *userdata)
{
    uint32_t **next = userdata;
    return *(*next)++;
}

static void test_srv_order(void **state)
{
    (void)state;
    struct address_srv r[] = {{"b", 389, 20, 0},
                              {"heavy", 389, 10, 60},
                              {"light", 389, 10, 20},
                              {"zero", 389, 10, 0}};
    /* Running sums in priority 10: zero 0, heavy 60, light 80. */
    uint32_t draws[] = {70, 0, 5, 0}, *next = draws;
    address_order_srv(r, 4, scripted, &next);
    assert_string_equal(r[0].host, "light");
    assert_string_equal(r[1].host, "zero");
    assert_string_equal(r[2].host, "heavy");
    assert_string_equal(r[3].host, "b");
}

/* A question and two answers, the second by a compressed name; then one that says "not here".
 */
static const unsigned char answer[] =
    "\x12\x34\x81\x80\x00\x01\x00\x03\x00\x00\x00\x00"
    "\x05_ldap\x04_tcp\x07"
    "example\x03"
    "com\x00\x00\x21\x00\x01"
    "\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x3c\x00\x0c\x00\x0a\x00\x05\x01\x85\x03"
    "dc1\xc0\x17"
    "\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x3c\x00\x0c\x00\x14\x00\x00\x02\x7c\x03"
    "dc2\xc0\x17"
    "\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x3c\x00\x07\x00\x00\x00\x00\x00\x00\x00";

static void test_srv_parse(void **state)
{
    (void)state;
    struct address_srv r[8];
    size_t n, size = sizeof answer - 1;
    assert_int_equal(address_parse_srv(answer, size, r, 8, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(r[0].host, "dc1.example.com");
    assert_int_equal(r[0].port, 389);
    assert_int_equal(r[0].priority, 10);
    assert_int_equal(r[0].weight, 5);
    assert_string_equal(r[1].host, "dc2.example.com");
    assert_int_equal(r[1].port, 636);
    assert_int_equal(address_parse_srv(answer, size, r, 1, &n), 0);
    assert_int_equal(n, 1);
    /* Cut anywhere, it is malformed and never read past its end. */
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *copy = malloc(cut + 1);
        memcpy(copy, answer, cut);
        assert_int_equal(address_parse_srv(copy, cut, r, 8, &n), -EBADMSG);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_pauses), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_better),           cmocka_unit_test(test_resolved),
        cmocka_unit_test(test_resolved_again),
        cmocka_unit_test(test_domain),           cmocka_unit_test(test_srv_order),
        cmocka_unit_test(test_srv_parse),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
