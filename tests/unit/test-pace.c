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
        /* A fiftieth less, so that the way to the tenant cannot make it more in a second. */
        assert_in_range(n, (unsigned)(rates[i] * 20 / 1.021) - 1, most);
    }
}

/* In no second, wherever it begins, more than configured: counted by brute force, with a client
 * that wakes late, pauses and bursts at random. */
static void test_no_second_has_more(void **state)
{
    (void)state;
    static const double rates[] = {1, 2.5, 10, 50, 333, 1000};
    static uint64_t times[40000];
    uint64_t random = 15;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct pace p;
        uint64_t now = START;
        size_t n = 0;
        pace_init(&p, rates[i], now);
        while (now < START + 30 * USEC_PER_SEC && n < 40000) {
            uint64_t wait = pace_wait(&p, now);
            random = random * 6364136223846793005ULL + 1442695040888963407ULL;
            if (wait > 0) {
                now += wait + (random >> 40) % 3000; /* the loop is late */
                if ((random >> 33) % 64 == 0)
                    now += (random >> 36) % (2 * USEC_PER_SEC);
                continue;
            }
            pace_take(&p, now);
            times[n++] = now;
            if ((random >> 35) % 500 == 0)
                pace_set_max_rate(&p, rates[i], now); /* a reload gives nothing away */
        }
        for (size_t from = 0, to = 0; from < n; from++) {
            while (to < n && times[to] <= times[from] + USEC_PER_SEC)
                to++;
            if ((double)(to - from) > rates[i])
                fail_msg("%zu in a second at %g", to - from, rates[i]);
        }
    }
}

/* A tenant that takes `limit` requests in each second and refuses the others, or refuses one in
 * `one_in` whatever comes; returns what it takes a second in the last of ten minutes. */
static unsigned settle(double max_rate, unsigned limit, unsigned one_in)
{
    struct pace p;
    uint64_t now = START, second = 0;
    unsigned in_second = 0, taken = 0, n = 0;
    pace_init(&p, max_rate, now);
    while (now < START + 600 * USEC_PER_SEC) {
        uint64_t wait = pace_wait(&p, now);
        if (wait > 0) {
            now += wait;
            continue;
        }
        pace_take(&p, now);
        if (now / USEC_PER_SEC != second) {
            second = now / USEC_PER_SEC;
            in_second = 0;
        }
        n++;
        bool refuse = (limit && ++in_second > limit) || (one_in && n % one_in == 0);
        if (refuse)
            pace_throttled(&p, now, 0);
        else if (now >= START + 540 * USEC_PER_SEC)
            taken++;
    }
    return taken / 60;
}

static void test_settles_near_the_tenants_limit(void **state)
{
    (void)state;
    assert_in_range(settle(50, 0, 50), 45, 50);
    assert_in_range(settle(50, 0, 20), 40, 50);
    assert_in_range(settle(200, 0, 100), 180, 200);
    assert_in_range(settle(100, 50, 0), 38, 50);
    assert_in_range(settle(50, 10, 0), 7, 10);
    assert_in_range(settle(1000, 30, 0), 22, 30);
    assert_in_range(settle(50, 3, 0), 1, 3);
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
        cmocka_unit_test(test_no_second_has_more),
        cmocka_unit_test(test_settles_near_the_tenants_limit),
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
