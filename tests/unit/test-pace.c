/* The token bucket towards the tenant, with a clock that the test turns. */
#include "config.h"

#include "base/clock.h"
#include "tenant/pace.h"
#include "unit.h"

#define START (1000 * USEC_PER_SEC)

/* Sends whatever may leave until `until`, in steps as the waits say; returns how many. */
static unsigned send_until(struct pace *p, uint64_t *now, uint64_t until)
{
    unsigned n = 0;
    while (*now < until) {
        uint64_t wait = pace_wait(p, *now);
        if (wait > 0) {
            *now += wait;
            continue;
        }
        pace_take(p, *now);
        n++;
        if (p->rate <= 0)
            *now += 1000; /* a millisecond a request */
    }
    return n;
}

static void test_unlimited(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 0, START);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(pace_wait(&p, START), 0);
        pace_take(&p, START);
    }
}

static void test_rate_is_kept(void **state)
{
    (void)state;
    static const double rates[] = {0.5, 1, 7, 50, 1000};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct pace p;
        uint64_t now = START;
        pace_init(&p, rates[i], now);
        unsigned n = send_until(&p, &now, START + 20 * USEC_PER_SEC);
        unsigned most = (unsigned)(rates[i] * 20 + rates[i] * 0.1 + 2);
        assert_in_range(n, (unsigned)(rates[i] * 20) - 1, most);
    }
}

static void test_idle_time_is_not_saved_up(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 10, START);
    uint64_t now = START + 3600 * USEC_PER_SEC;
    assert_int_equal(pace_wait(&p, now), 0);
    pace_take(&p, now);
    assert_in_range(pace_wait(&p, now), 90000, 100001);
}

static void test_throttling_halves_once_for_a_burst(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 100, START);
    for (int i = 0; i < 16; i++)
        pace_throttled(&p, START + i * 1000, 0);
    assert_true(p.rate == 50);
    /* After the pause the tenant still refuses: once more. */
    uint64_t later = START + 3 * USEC_PER_SEC;
    pace_throttled(&p, later, 0);
    assert_true(p.rate == 25);
}

static void test_retry_after_pauses(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 0, START);
    pace_take(&p, START);
    pace_throttled(&p, START, 30 * USEC_PER_SEC);
    assert_int_equal(pace_wait(&p, START), 30 * USEC_PER_SEC);
    assert_int_equal(pace_wait(&p, START + 10 * USEC_PER_SEC), 20 * USEC_PER_SEC);
    /* A shorter wait named later does not shorten the longer one. */
    pace_throttled(&p, START + USEC_PER_SEC, USEC_PER_SEC);
    assert_int_equal(pace_wait(&p, START + 10 * USEC_PER_SEC), 20 * USEC_PER_SEC);
    /* Nothing was saved up during the pause: no thundering at its end. */
    uint64_t end = START + 30 * USEC_PER_SEC;
    assert_true(pace_wait(&p, end) > 0);
}

static void test_unlimited_learns_a_rate_and_forgets_it(void **state)
{
    (void)state;
    struct pace p;
    uint64_t now = START;
    pace_init(&p, 0, now);
    send_until(&p, &now, START + 2 * USEC_PER_SEC); /* 1,000 a second */
    pace_throttled(&p, now, 0);
    assert_in_range((unsigned)p.rate, 450, 501);
    pace_wait(&p, now + 25 * USEC_PER_SEC);
    assert_in_range((unsigned)p.rate, 700, 800);
    pace_wait(&p, now + 3600 * USEC_PER_SEC);
    assert_true(p.rate == 0);
}

static void test_recovery_is_slow_and_ends_at_the_limit(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 100, START);
    pace_throttled(&p, START, 0);
    pace_wait(&p, START + 5 * USEC_PER_SEC);
    assert_true(p.rate == 50);
    pace_wait(&p, START + 12 * USEC_PER_SEC);
    assert_true(p.rate == 62.5);
    pace_wait(&p, START + 600 * USEC_PER_SEC);
    assert_true(p.rate == 100);
}

static void test_rate_has_a_floor(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 10, START);
    for (unsigned i = 0; i < 100; i++)
        pace_throttled(&p, START + i * 5 * USEC_PER_SEC, 0);
    assert_true(p.rate >= 0.2);
}

static void test_reload_keeps_the_pause(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 100, START);
    pace_throttled(&p, START, 60 * USEC_PER_SEC);
    pace_set_max_rate(&p, 200, START);
    assert_int_equal(pace_wait(&p, START), 60 * USEC_PER_SEC);
    assert_true(p.rate == 50);
    pace_set_max_rate(&p, 20, START);
    assert_true(p.rate == 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unlimited),
        cmocka_unit_test(test_rate_is_kept),
        cmocka_unit_test(test_idle_time_is_not_saved_up),
        cmocka_unit_test(test_throttling_halves_once_for_a_burst),
        cmocka_unit_test(test_retry_after_pauses),
        cmocka_unit_test(test_unlimited_learns_a_rate_and_forgets_it),
        cmocka_unit_test(test_recovery_is_slow_and_ends_at_the_limit),
        cmocka_unit_test(test_rate_has_a_floor),
        cmocka_unit_test(test_reload_keeps_the_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
