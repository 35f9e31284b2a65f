/* Numbers and durations as people write them. */
#include "config.h"

#include <errno.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "unit.h"

static void test_duration(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int r;
        uint64_t usec;
        const char *formatted; /* NULL: the text itself */
    } rows[] = {
        {"0", 0, 0, "0s"},
        {"30", 0, 30 * USEC_PER_SEC, "30s"},
        {"30s", 0, 30 * USEC_PER_SEC, NULL},
        {"5min", 0, 300 * USEC_PER_SEC, NULL},
        {"2h", 0, 7200 * USEC_PER_SEC, NULL},
        {"90d", 0, 90 * 86400 * USEC_PER_SEC, NULL},
        {"500ms", 0, 500 * USEC_PER_MSEC, NULL},
        {"7us", 0, 7, NULL},
        {"2h 5min", 0, 7500 * USEC_PER_SEC, NULL},
        {"90min", 0, 5400 * USEC_PER_SEC, "1h 30min"},
        {"1500ms", 0, 1500 * USEC_PER_MSEC, "1s 500ms"},
        {"1s 1us", 0, USEC_PER_SEC + 1, "1s"},
        {"1min 1ms", 0, 60 * USEC_PER_SEC + 1000, "1min"},
        {"213503982d", 0, 213503982ULL * 86400 * USEC_PER_SEC, NULL},
        {"213503983d", -ERANGE, 0, NULL},
        {"18446744073709551615", -ERANGE, 0, NULL},
        {"99999999999999999999999s", -ERANGE, 0, NULL},
        {"213503982d 1d", -ERANGE, 0, NULL},
        {"", -EINVAL, 0, NULL},
        {"s", -EINVAL, 0, NULL},
        {"-1s", -EINVAL, 0, NULL},
        {"+1s", -EINVAL, 0, NULL},
        {"1.5s", -EINVAL, 0, NULL},
        {"5 min", -EINVAL, 0, NULL},
        {"5m", -EINVAL, 0, NULL},
        {"5S", -EINVAL, 0, NULL},
        {" 5s", -EINVAL, 0, NULL},
        {"5s ", -EINVAL, 0, NULL},
        {"2h 5", -EINVAL, 0, NULL},
        {"5 5", -EINVAL, 0, NULL},
        {"99999999999999999999999x", -EINVAL, 0, NULL},
        {"0x10", -EINVAL, 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t usec = 77;
        char buffer[64];
        assert_row(rows[i].text, text_parse_duration(rows[i].text, &usec) == rows[i].r);
        assert_row(rows[i].text, usec == (rows[i].r == 0 ? rows[i].usec : 77));
        if (rows[i].r == 0)
            assert_string_equal(text_format_duration(buffer, sizeof(buffer), usec),
                                rows[i].formatted ? rows[i].formatted : rows[i].text);
    }
    char small[4];
    assert_string_equal(text_format_duration(small, sizeof(small), 7500 * USEC_PER_SEC), "2h ");
    assert_string_equal(text_format_duration(small, 1, 7500 * USEC_PER_SEC), "");
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max;
        int r;
        uint64_t value;
    } rows[] = {
        {"0", 10, 0, 0},
        {"007", 10, 0, 7},
        {"10", 10, 0, 10},
        {"11", 10, -ERANGE, 0},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, -ERANGE, 0},
        {"99999999999999999999", UINT64_MAX, -ERANGE, 0},
        {"", 10, -EINVAL, 0},
        {" 1", 10, -EINVAL, 0},
        {"1 ", 10, -EINVAL, 0},
        {"+1", 10, -EINVAL, 0},
        {"-1", 10, -EINVAL, 0},
        {"0x1", 10, -EINVAL, 0},
        {"1e1", 10, -EINVAL, 0},
        {"99999999999999999999x", 10, -EINVAL, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t value = 77;
        assert_row(rows[i].text,
                   text_parse_unsigned(rows[i].text, rows[i].max, &value) == rows[i].r);
        assert_row(rows[i].text, value == (rows[i].r == 0 ? rows[i].value : 77));
    }
    int64_t value = 0;
    assert_int_equal(text_parse_signed("-9223372036854775808", &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(text_parse_signed("9223372036854775807", &value), 0);
    assert_true(value == INT64_MAX);
    assert_int_equal(text_parse_signed("-5", &value), 0);
    assert_int_equal(value, -5);
    assert_int_equal(text_parse_signed("9223372036854775808", &value), -ERANGE);
    assert_int_equal(text_parse_signed("-9223372036854775809", &value), -ERANGE);
    assert_int_equal(text_parse_signed("--5", &value), -EINVAL);
    assert_int_equal(text_parse_signed("-", &value), -EINVAL);
    assert_int_equal(value, -5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
