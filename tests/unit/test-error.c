/*
 * The sentence for a person: set, wrapped, cut, made printable.
 */
#include "config.h"

#include <errno.h>

#include "base/error.h"
#include "unit.h"

static void test_set_and_wrap(void **state)
{
    (void)state;
    struct error e;
    assert_int_equal(error_set(&e, -EINVAL, "line %d is odd", 7), -EINVAL);
    assert_string_equal(e.message, "line 7 is odd");
    assert_int_equal(error_wrap(&e, -EINVAL, "reading \"%s\"", "a.conf"), -EINVAL);
    assert_string_equal(e.message, "reading \"a.conf\": line 7 is odd");
    assert_int_equal(error_wrap(&e, 3, "%s", ""), 3);
    assert_string_equal(e.message, "reading \"a.conf\": line 7 is odd");
    assert_int_equal(error_out_of_memory(&e), -ENOMEM);
    assert_string_equal(e.message, "out of memory");
}

static void test_null(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, -EIO, "x"), -EIO);
    assert_int_equal(error_wrap(NULL, -EIO, "x"), -EIO);
    assert_int_equal(error_out_of_memory(NULL), -ENOMEM);
}

static void test_own_message_as_argument(void **state)
{
    (void)state;
    struct error e;
    error_set(&e, -1, "inner");
    error_set(&e, -1, "outer (%s)", e.message);
    assert_string_equal(e.message, "outer (inner)");
    error_wrap(&e, -1, "%s", e.message);
    assert_string_equal(e.message, "outer (inner): outer (inner)");
}

static void test_hostile_bytes(void **state)
{
    (void)state;
    struct error e;
    error_set(&e, -1, "cn is \"a\r\nb\x1b[1m\xff\xe2\x80\xa8\xc3\xa9\"");
    assert_string_equal(e.message,
                        "cn is \"a\\x0d\\x0ab\\x1b[1m\\xff\\xe2\\x80\\xa8\xc3\xa9\"");
    error_wrap(&e, -1, "again");
    assert_string_equal(e.message,
                        "again: cn is \"a\\x0d\\x0ab\\x1b[1m\\xff\\xe2\\x80\\xa8\xc3\xa9\"");
}

static void test_long(void **state)
{
    (void)state;
    char text[3000];
    struct error e;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    error_set(&e, -1, "%s", text);
    assert_int_equal(strlen(e.message), sizeof(e.message) - 1);
    assert_string_equal(e.message + strlen(e.message) - 4, "x\xe2\x80\xa6");
    error_wrap(&e, -1, "%s", "front");
    assert_true(strlen(e.message) < sizeof(e.message));
    assert_memory_equal(e.message, "front: xxx", 10);
    assert_string_equal(e.message + strlen(e.message) - 4, "x\xe2\x80\xa6");
}

static void test_errno_survives(void **state)
{
    (void)state;
    struct error e;
    errno = ENOENT;
    error_set(&e, -errno, "open: %m");
    assert_int_equal(errno, ENOENT);
    assert_string_equal(e.message, "open: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_wrap),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_own_message_as_argument),
        cmocka_unit_test(test_hostile_bytes),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_errno_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
