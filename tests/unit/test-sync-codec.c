/* RFC 4533 on the wire: every form of each message, and what is malformed. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "directory/sync-codec.h"
#include "failing-memory.h"
#include "unit.h"

#define UUID "0123456789abcdef"

static struct berval bytes(const char *text, size_t size)
{
    return (struct berval){size, (char *)text};
}
#define BYTES(literal) bytes(literal, sizeof(literal) - 1)

static void test_request(void **state)
{
    (void)state;
    struct berval *v = sync_request_value(SYNC_REFRESH_AND_PERSIST, "abc", 3);
    assert_int_equal(v->bv_len, 13);
    assert_memory_equal(v->bv_val,
                        "\x30\x0b\x0a\x01\x03\x04\x03"
                        "abc\x01\x01\x00",
                        13);
    ber_bvfree(v);
    v = sync_request_value(SYNC_REFRESH_ONLY, NULL, 0);
    assert_int_equal(v->bv_len, 8);
    assert_memory_equal(v->bv_val, "\x30\x06\x0a\x01\x01\x01\x01\x00", 8);
    ber_bvfree(v);
}

static void test_state(void **state)
{
    (void)state;
    struct sync_state s;
    struct berval v = BYTES("\x30\x15\x0a\x01\x03\x04\x10" UUID);
    assert_int_equal(sync_parse_state(&v, &s), 0);
    assert_int_equal(s.state, SYNC_DELETE);
    assert_memory_equal(s.uuid, UUID, 16);
    assert_null(s.cookie.data);
    sync_state_done(&s);
    v = BYTES("\x30\x19\x0a\x01\x01\x04\x10" UUID "\x04\x02ok");
    assert_int_equal(sync_parse_state(&v, &s), 0);
    assert_int_equal(s.cookie.size, 2);
    assert_memory_equal(s.cookie.data, "ok", 2);
    sync_state_done(&s);
}

static void test_state_malformed(void **state)
{
    (void)state;
    const struct berval rows[] = {
        BYTES(""),
        BYTES("\x30\x14\x0a\x01\x03\x04\x0f"
              "0123456789abcde"),                   /* an id of 15 bytes */
        BYTES("\x30\x15\x0a\x01\x04\x04\x10" UUID), /* no such state */
        BYTES("\x30\x15\x0a\x01\xff\x04\x10" UUID), /* a negative one */
        BYTES("\x30\x7f\x0a\x01\x03\x04\x10" UUID), /* shorter than it says */
        BYTES("\x30\x03\x0a\x01\x03"),                /* no id */
        {3, NULL},
        BYTES("\x04\x03"
              "abc"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sync_state s;
        assert_int_equal(sync_parse_state(&rows[i], &s), -EBADMSG);
    }
}

static void test_info(void **state)
{
    (void)state;
    struct sync_info i;
    struct berval v = BYTES("\x80\x03"
                            "abc");
    assert_int_equal(sync_parse_info(&v, &i), 0);
    assert_int_equal(i.kind, SYNC_NEW_COOKIE);
    assert_memory_equal(i.cookie.data, "abc", 3);
    sync_info_done(&i);

    v = BYTES("\xa1\x00"); /* refreshDone is TRUE when absent */
    assert_int_equal(sync_parse_info(&v, &i), 0);
    assert_int_equal(i.kind, SYNC_REFRESH_DELETE);
    assert_true(i.refresh_done);
    sync_info_done(&i);

    v = BYTES("\xa2\x08\x04\x03"
              "abc\x01\x01\x00");
    assert_int_equal(sync_parse_info(&v, &i), 0);
    assert_int_equal(i.kind, SYNC_REFRESH_PRESENT);
    assert_false(i.refresh_done);
    assert_int_equal(i.cookie.size, 3);
    sync_info_done(&i);
}

static void test_id_set(void **state)
{
    (void)state;
    struct sync_info i;
    struct berval v = BYTES("\xa3\x29\x01\x01\xff\x31\x24\x04\x10" UUID "\x04\x10"
                            "fedcba9876543210");
    assert_int_equal(sync_parse_info(&v, &i), 0);
    assert_int_equal(i.kind, SYNC_ID_SET);
    assert_true(i.refresh_deletes);
    assert_int_equal(i.n_uuids, 2);
    assert_memory_equal(i.uuids[1], "fedcba9876543210", 16);
    sync_info_done(&i);
    v = BYTES("\xa3\x02\x31\x00"); /* none; refreshDeletes is FALSE when absent */
    assert_int_equal(sync_parse_info(&v, &i), 0);
    assert_false(i.refresh_deletes);
    assert_int_equal(i.n_uuids, 0);
    sync_info_done(&i);
    /* One id too short: nothing of the set is believed. */
    v = BYTES("\xa3\x17\x31\x15\x04\x10" UUID "\x04\x01z");
    assert_int_equal(sync_parse_info(&v, &i), -EBADMSG);
    v = BYTES("\xa3\x17\x31\x15\x04\x01z\x04\x10" UUID);
    assert_int_equal(sync_parse_info(&v, &i), -EBADMSG);
    assert_int_equal(i.n_uuids, 0);
    v = BYTES("\xa3\x05\x31\x03\x04\x7fz"); /* longer than the set */
    assert_int_equal(sync_parse_info(&v, &i), -EBADMSG);
    v = BYTES("\xa3\x0b\x04\x01"
              "a\x01\x06\x01\x01\x01\x01\x01\x01"); /* a boolean of six bytes */
    assert_int_equal(sync_parse_info(&v, &i), -EBADMSG);
    assert_null(i.cookie.data);
    v = BYTES("\xa9\x00");
    assert_int_equal(sync_parse_info(&v, &i), -EBADMSG);
    v = BYTES("");
    assert_int_equal(sync_parse_info(&v, &i), -EBADMSG);
}

static void test_end(void **state)
{
    (void)state;
    struct sync_end e;
    struct berval v = BYTES("\x30\x00");
    assert_int_equal(sync_parse_end(&v, &e), 0);
    assert_false(e.refresh_deletes);
    sync_end_done(&e);
    v = BYTES("\x30\x08\x04\x03"
              "abc\x01\x01\x01");
    assert_int_equal(sync_parse_end(&v, &e), 0);
    assert_true(e.refresh_deletes); /* any value but 0 */
    assert_int_equal(e.cookie.size, 3);
    sync_end_done(&e);
    v = BYTES("\x02\x01\x00");
    assert_int_equal(sync_parse_end(&v, &e), -EBADMSG);
    v = BYTES("\x30\x0d\x04\x03"
              "abc\x01\x06\x01\x01\x01\x01\x01\x01");
    assert_int_equal(sync_parse_end(&v, &e), -EBADMSG);
    assert_null(e.cookie.data);
}

static void test_openldap_cookie(void **state)
{
#define CSN "20260101000000.000012Z#000000#00a#000000"
    static const struct {
        const char *cookie;
        bool good;
    } rows[] = {
        {"rid=000,csn=" CSN, true},
        {"rid=000,sid=007,csn=" CSN ";" CSN, true},
        {"csn=" CSN ",delcsn=" CSN, true},
        {"rid=000,csn=" CSN ";", false},
        {"rid=000,csn=" CSN " ", false},
        {"rid=000,csn=20260101000000.000012Z#000000#00a#00000", false},
        {"rid=000,csn=20260101000000.000012Z#000000#00g#000000", false},
        {"rid=000,csn=", false},
        {"rid=000", false},
        {"csn", false},
        {"csn=", false},
        {"garbage", false},
        {",,,", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(sync_cookie_is_openldap(rows[i].cookie, strlen(rows[i].cookie)),
                         rows[i].good);
}

static void test_change_number(void **state)
{
    (void)state;
    static const struct {
        const char *cookie;
        bool is;
        unsigned long long number;
    } rows[] = {
        {"localhost:389#cn=reader:dc=example,dc=com:(uid=#1)#17", true, 17},
        {"#0", true, 0},
        {"17", false, 0},
        {"a#", false, 0},
        {"a#17x", false, 0},
        {"a17", false, 0},
        {"", false, 0},
        {"a#99999999999999999999", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned long long n = 0;
        assert_int_equal(sync_cookie_change_number(rows[i].cookie, strlen(rows[i].cookie), &n),
                         rows[i].is);
        assert_int_equal(n, rows[i].number);
    }
}

/* -- memory that is short: ours, and that of liblber -- */

WRAP(BerElement *, ber_alloc_t, (int options), (options))
WRAP(BerElement *, ber_init, (struct berval *value), (value))

int __real_ber_flatten(BerElement *ber, struct berval **ret);
int __wrap_ber_flatten(BerElement *ber, struct berval **ret);
int __wrap_ber_flatten(BerElement *ber, struct berval **ret)
{
    return fails() ? -1 : __real_ber_flatten(ber, ret);
}

int __real_ber_printf(BerElement *ber, const char *format, ...);
int __wrap_ber_printf(BerElement *ber, const char *format, int mode, ...);
int __wrap_ber_printf(BerElement *ber, const char *format, int mode, ...)
{
    va_list ap;
    struct berval *cookie;
    if (fails())
        return -1;
    if (strcmp(format, "{eOb}") != 0)
        return __real_ber_printf(ber, format, mode, 0);
    va_start(ap, mode);
    cookie = va_arg(ap, struct berval *);
    va_end(ap);
    return __real_ber_printf(ber, format, mode, cookie, 0);
}

/* true: what was read or made was whole. */
static bool all_forms(void)
{
    struct sync_state s;
    struct sync_info i;
    struct sync_end e;
    struct berval v = BYTES("\x30\x19\x0a\x01\x01\x04\x10" UUID "\x04\x02ok");
    bool whole = sync_parse_state(&v, &s) == 0;
    sync_state_done(&s);
    v = BYTES("\xa3\x2d\x04\x02ok\x01\x01\xff\x31\x24\x04\x10" UUID "\x04\x10" UUID);
    whole = sync_parse_info(&v, &i) == 0 && whole;
    assert_int_equal(i.n_uuids, i.uuids ? 2 : 0);
    sync_info_done(&i);
    v = BYTES("\x80\x03"
              "abc");
    whole = sync_parse_info(&v, &i) == 0 && whole;
    sync_info_done(&i);
    v = BYTES("\x30\x05\x04\x03"
              "abc");
    whole = sync_parse_end(&v, &e) == 0 && whole;
    sync_end_done(&e);
    struct berval *request = sync_request_value(SYNC_REFRESH_ONLY, "abc", 3);
    whole = request && whole;
    if (request) /* what was made is made wholly */
        assert_int_equal(request->bv_len, 13);
    ber_bvfree(request);
    return whole;
}

static void test_short_memory(void **state)
{
    (void)state;
    long n = 0;
    for (;; n++) {
        fail_after = n;
        bool whole = all_forms();
        bool failed = fail_after < 0;
        fail_after = -1;
        if (whole == failed)
            fail_msg("allocation %ld %s, and what was read is %s", n, failed ? "failed" : "worked",
                     whole ? "whole" : "not");
        if (!failed)
            break;
    }
    assert_in_range(n, 12, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),         cmocka_unit_test(test_state),
        cmocka_unit_test(test_state_malformed), cmocka_unit_test(test_info),
        cmocka_unit_test(test_id_set),          cmocka_unit_test(test_end),
        cmocka_unit_test(test_change_number),   cmocka_unit_test(test_openldap_cookie),
        cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests_name("sync-codec", tests, NULL, NULL);
}
