/*
 * Times as text, and the clock that tests can stop.
 */
#include "config.h"

#include <errno.h>

#include "base/clock.h"
#include "unit.h"

static const struct {
    const char *text;
    uint64_t usec;
    const char *canonical; /* NULL: the text itself */
} times[] = {
    {"1970-01-01T00:00:00.000000Z", 0, NULL},
    {"2026-11-24T14:39:54.123456Z", 1795531194123456ULL, NULL},
    {"2026-11-24T14:39:54Z", 1795531194000000ULL, "2026-11-24T14:39:54.000000Z"},
    {"2026-11-24T14:39:54.5Z", 1795531194500000ULL, "2026-11-24T14:39:54.500000Z"},
    {"2000-02-29T23:59:59.999999Z", 951868799999999ULL, NULL},
    {"9999-12-31T23:59:59.999999Z", 253402300799999999ULL, NULL},
};

static void test_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        char text[CLOCK_TEXT_SIZE];
        uint64_t usec = 1;
        assert_row(times[i].text, clock_parse(times[i].text, &usec) == 0);
        assert_row(times[i].text, usec == times[i].usec);
        assert_string_equal(clock_format(text, usec),
                            times[i].canonical ? times[i].canonical : times[i].text);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "2026",
        "2026-11-24",
        "2026-11-24T14:39:54",
        "2026-11-24T14:39:54z",
        "2026-11-24 14:39:54Z",
        "2026-11-24T14:39:54.Z",
        "2026-11-24T14:39:54.1234567Z",
        "2026-11-24T14:39:54Zx",
        "2026-11-24T14:39:54+01:00",
        "2026-02-29T00:00:00Z",
        "1900-01-01T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        " 2026-01-01T00:00:00Z",
        "+026-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        uint64_t usec = 77;
        assert_row(texts[i], clock_parse(texts[i], &usec) == -EINVAL);
        assert_int_equal(usec, 77);
    }
}

static void test_far_future_is_clamped(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_SIZE];
    assert_string_equal(clock_format(text, UINT64_MAX), "9999-12-31T23:59:59.999999Z");
}

static void test_freeze(void **state)
{
    (void)state;
    clock_freeze(5, 7);
    assert_int_equal(clock_now_usec(), 5);
    assert_int_equal(clock_monotonic_usec(), 7);
    clock_freeze(0, 0);
    assert_true(clock_now_usec() > 1700000000ULL * USEC_PER_SEC);
    uint64_t before = clock_monotonic_usec();
    assert_true(clock_monotonic_usec() >= before);
}

/* Between two looks at a clock time passes: a machine that never sleeps has not slept for ages.
 */
static void test_asleep(void **state)
{
    (void)state;
    uint64_t most = 0;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t asleep = clock_asleep_usec();
        most = asleep > most ? asleep : most;
    }
    assert_true(most < 100ULL * 365 * 24 * 3600 * USEC_PER_SEC);
    clock_freeze(1000, 1000);
    assert_int_equal(clock_asleep_usec(), 0);
    clock_freeze_asleep(5 * USEC_PER_SEC);
    assert_int_equal(clock_asleep_usec(), 5 * USEC_PER_SEC);
    clock_freeze_asleep(0);
    clock_freeze(0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_far_future_is_clamped),
        cmocka_unit_test(test_freeze),
        cmocka_unit_test(test_asleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
