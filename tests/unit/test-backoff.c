/* How long to wait: the bounds, and that they are never left; between doubts; lags by length. */
#include "config.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "books/lag.h"
#include "directory/doubts.h"
#include "unit.h"

static void test_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t min, max;
        unsigned attempt;
        uint64_t least, most;
    } rows[] = {
        {"the first", 1000, 60000, 1, 500, 1000},
        {"none yet counts as the first", 1000, 60000, 0, 500, 1000},
        {"doubled", 1000, 60000, 2, 1000, 2000},
        {"doubled again", 1000, 60000, 4, 4000, 8000},
        {"at most", 1000, 60000, 7, 30000, 60000},
        {"long after", 1000, 60000, 4000000000U, 30000, 60000},
        {"least above most", 100000, 60000, 1, 30000, 60000},
        {"no least", 0, 60000, 1, 0, 1},
        {"no most", 1000, 0, 5, 500, 1000},
    };
    static const uint64_t bits[] = {0, 1, 499, 500, 12345678901ULL, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t j = 0; j < ARRAY_SIZE(bits); j++) {
            uint64_t wait = backoff_wait(rows[i].min, rows[i].max, rows[i].attempt, bits[j]);
            assert_row(rows[i].name, wait >= rows[i].least && wait <= rows[i].most);
        }
}

static void test_chance_spreads(void **state)
{
    (void)state;
    assert_int_equal(backoff_wait(1000, 60000, 1, 0), 500);
    assert_int_equal(backoff_wait(1000, 60000, 1, 500), 1000);
    assert_int_equal(backoff_wait(1000, 60000, 1, 501), 500);
}

/* A doubt is settled soon; where they never end, four fifths of the time are left to other work. */
static void test_doubts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t took, since, pause;
    } rows[] = {
        {"nothing was read for one", 0, 3600 * USEC_PER_SEC, 2 * USEC_PER_SEC},
        {"a small directory", 300 * USEC_PER_MSEC, 0, 2 * USEC_PER_SEC},
        {"a large one, at once again", 20 * USEC_PER_SEC, 0, 80 * USEC_PER_SEC},
        {"later", 20 * USEC_PER_SEC, 50 * USEC_PER_SEC, 30 * USEC_PER_SEC},
        {"much later", 20 * USEC_PER_SEC, 79 * USEC_PER_SEC, 2 * USEC_PER_SEC},
        {"long after", 20 * USEC_PER_SEC, 3600 * USEC_PER_SEC, 2 * USEC_PER_SEC},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_row(rows[i].name, doubts_pause(rows[i].took, rows[i].since) == rows[i].pause);
}

static void test_lags_are_counted(void **state)
{
    (void)state;
    struct lag l = {0};
    lag_count(&l, 0);
    lag_count(&l, 5 * USEC_PER_MSEC);
    lag_count(&l, 5 * USEC_PER_MSEC + 1);
    lag_count(&l, lag_bounds_usec[LAG_BOUNDS - 1]);
    lag_count(&l, lag_bounds_usec[LAG_BOUNDS - 1] + 1);
    assert_int_equal(l.counts[0], 2);
    assert_int_equal(l.counts[1], 1);
    assert_int_equal(l.counts[LAG_BOUNDS - 1], 1);
    assert_int_equal(l.counts[LAG_BOUNDS], 1);
    assert_int_equal(l.sum_usec, 10 * USEC_PER_MSEC + 2 + 2 * lag_bounds_usec[LAG_BOUNDS - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_chance_spreads),
        cmocka_unit_test(test_doubts),
        cmocka_unit_test(test_lags_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
