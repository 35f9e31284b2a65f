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
        uint64_t wait = pace_wait(p, *now, 0);
        if (wait > 0) {
            *now += wait;
            continue;
        }
        pace_take(p, *now);
        pace_ended(p, *now);
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
        assert_int_equal(pace_wait(&p, START, 0), 0);
        pace_take(&p, START);
        pace_ended(&p, START);
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
        /* A thousandth less, since a second is counted in whole milliseconds. */
        assert_in_range(n, (unsigned)(rates[i] * 20 / 1.0015) - 1, most);
    }
}

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return below ? (*seed >> 33) % below : 0;
}

static int by_time(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* A client that wakes late and is reloaded, on a way that takes any time: each request arrives
 * at any moment between when it leaves and when its answer is there. Arrivals are written to
 * `times`. */
#define FLIGHT 64
static size_t send_at_random(double rate, uint64_t longest_usec, uint64_t *seed, uint64_t *times,
                             size_t most)
{
    uint64_t ends[FLIGHT], now = START;
    size_t n = 0, n_under_way = 0;
    struct pace p;
    pace_init(&p, rate, now);
    while (now < START + 30 * USEC_PER_SEC && n < most) {
        for (size_t i = 0; i < n_under_way;)
            if (ends[i] <= now) {
                pace_ended(&p, now);
                ends[i] = ends[--n_under_way];
            } else {
                i++;
            }
        uint64_t wait = n_under_way < FLIGHT ? pace_wait(&p, now, 0) : PACE_WAIT_FOR_END;
        if (wait > 0) { /* the loop wakes for the pace or for an answer, and may be late */
            uint64_t next = wait == PACE_WAIT_FOR_END ? UINT64_MAX : now + wait;
            for (size_t i = 0; i < n_under_way; i++)
                next = ends[i] < next ? ends[i] : next;
            assert_true(next != UINT64_MAX);
            now = next + draw(seed, 3000);
            if (draw(seed, 64) == 0)
                now += draw(seed, 2 * USEC_PER_SEC);
            continue;
        }
        uint64_t way = draw(seed, longest_usec);
        pace_take(&p, now);
        ends[n_under_way++] = now + way;
        times[n++] = now + draw(seed, way + 1);
        if (draw(seed, 500) == 0)
            pace_set_max_rate(&p, rate, now); /* a reload gives nothing away */
    }
    qsort(times, n, sizeof(*times), by_time);
    return n;
}

/* In no second, wherever it begins, more than configured arrive: counted by brute force. */
static void test_no_second_has_more(void **state)
{
    (void)state;
    static const double rates[] = {1, 2.5, 10, 37, 50, 333, 1000, 1500};
    static const uint64_t ways[] = {0, 1000, 50 * USEC_PER_MSEC, 700 * USEC_PER_MSEC,
                                    5 * USEC_PER_SEC};
    static uint64_t times[60000];
    uint64_t seed = 15;
    for (size_t i = 0; i < ARRAY_SIZE(rates) * ARRAY_SIZE(ways); i++) {
        double rate = rates[i / ARRAY_SIZE(ways)];
        uint64_t way = ways[i % ARRAY_SIZE(ways)];
        size_t n = send_at_random(rate, way, &seed, times, ARRAY_SIZE(times));
        for (size_t from = 0, to = 0; from < n; from++) {
            while (to < n && times[to] < times[from] + USEC_PER_SEC)
                to++;
            if ((double)(to - from) > rate)
                fail_msg("%zu in a second at %g, way %llu", to - from, rate, (unsigned long long)way);
        }
    }
}

/* What hurries does not wait for answers that do not come. */
static void test_silent_tenant_keeps_no_revocation(void **state)
{
    (void)state;
    struct pace p;
    uint64_t now = START + USEC_PER_SEC;
    pace_init(&p, 2, START);
    for (int i = 0; i < 2; i++) {
        now += USEC_PER_SEC / 2;
        assert_int_equal(pace_wait(&p, now, 0), 0);
        pace_take(&p, now);
    }
    now += 10 * USEC_PER_SEC;
    assert_true(pace_wait(&p, now, 0) == PACE_WAIT_FOR_END);
    assert_true(pace_wait(&p, now, 2) == 0);
    pace_ended(&p, now);
    assert_int_equal(pace_wait(&p, now, 0), USEC_PER_SEC + USEC_PER_MSEC);
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
        uint64_t wait = pace_wait(&p, now, 0);
        if (wait > 0) {
            now += wait;
            continue;
        }
        pace_take(&p, now);
        pace_ended(&p, now);
        if (now / USEC_PER_SEC != second) {
            second = now / USEC_PER_SEC;
            in_second = 0;
        }
        n++;
        bool refuse = (limit && ++in_second > limit) || (one_in && n % one_in == 0);
        if (refuse)
            pace_throttled(&p, now, 0, n);
        else if (now >= START + 540 * USEC_PER_SEC)
            taken++;
    }
    pace_done(&p);
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

/* The same tenant with a limit, and people who come back a while after they were refused, before
 * any new one: what it takes a second in the last of ten minutes. */
#define CROWD 20000
static unsigned settle_with_returns(double max_rate, unsigned limit)
{
    static uint64_t due[CROWD]; /* 0: served */
    struct pace p;
    uint64_t now = START, second = 0;
    unsigned in_second = 0, taken = 0, first = 0;
    pace_init(&p, max_rate, now);
    for (size_t i = 0; i < CROWD; i++)
        due[i] = 1;
    while (now < START + 600 * USEC_PER_SEC) {
        uint64_t wait = pace_wait(&p, now, 0);
        size_t i = first;
        while (wait == 0 && i < CROWD && (due[i] == 0 || due[i] > now))
            i++;
        assert_true(i < CROWD);
        if (wait > 0) {
            now += wait;
            continue;
        }
        pace_take(&p, now);
        pace_ended(&p, now);
        in_second = now / USEC_PER_SEC == second ? in_second + 1 : 1;
        second = now / USEC_PER_SEC;
        if (in_second > limit) {
            pace_throttled(&p, now, 0, i + 1);
            due[i] = now + 2 * USEC_PER_SEC;
        } else {
            pace_served(&p, i + 1);
            due[i] = 0;
            taken += now >= START + 540 * USEC_PER_SEC;
        }
        while (first < CROWD && due[first] == 0)
            first++;
    }
    pace_done(&p);
    return taken / 60;
}

static void test_settles_while_the_refused_come_back(void **state)
{
    (void)state;
    assert_in_range(settle_with_returns(50, 10), 7, 10);
    assert_in_range(settle_with_returns(50, 20), 15, 20);
    assert_in_range(settle_with_returns(50, 3), 1, 3);
}

static void test_idle_time_is_not_saved_up(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 10, START);
    uint64_t now = START + 3600 * USEC_PER_SEC;
    assert_int_equal(pace_wait(&p, now, 0), 0);
    pace_take(&p, now);
    assert_in_range(pace_wait(&p, now, 0), 90000, 100001);
}

static void test_throttling_halves_once_for_a_burst(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 100, START);
    for (int i = 0; i < 16; i++)
        pace_throttled(&p, START + i * 1000, 0, 0);
    assert_true(p.rate == 50);
    /* After the pause the tenant still refuses: once more. */
    uint64_t later = START + 3 * USEC_PER_SEC;
    pace_throttled(&p, later, 0, 0);
    assert_true(p.rate == 25);
}

static void test_retry_after_pauses(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 0, START);
    pace_take(&p, START);
    pace_throttled(&p, START, 30 * USEC_PER_SEC, 0);
    assert_int_equal(pace_wait(&p, START, 0), 30 * USEC_PER_SEC);
    assert_int_equal(pace_wait(&p, START + 10 * USEC_PER_SEC, 0), 20 * USEC_PER_SEC);
    /* A shorter wait named later does not shorten the longer one. */
    pace_throttled(&p, START + USEC_PER_SEC, USEC_PER_SEC, 0);
    assert_int_equal(pace_wait(&p, START + 10 * USEC_PER_SEC, 0), 20 * USEC_PER_SEC);
    /* Nothing was saved up during the pause: no thundering at its end. */
    uint64_t end = START + 30 * USEC_PER_SEC;
    assert_true(pace_wait(&p, end, 0) > 0);
}

/* What hurries asks once a minute while the tenant has named a longer time, and waits as the
 * others do otherwise. */
static void test_hurried_amid_a_pause(void **state)
{
    (void)state;
    uint64_t now = START;
    struct pace p;
    pace_init(&p, 10, START);
    pace_take(&p, now);
    pace_throttled(&p, now, 30 * USEC_PER_SEC, 0);
    pace_ended(&p, now);
    assert_int_equal(pace_wait_hurried(&p, now, 0), 30 * USEC_PER_SEC);
    pace_throttled(&p, now, 3600 * USEC_PER_SEC, 0);
    unsigned n = 0;
    while (now < START + 3600 * USEC_PER_SEC) {
        uint64_t wait = pace_wait_hurried(&p, now, 0);
        assert_in_range(wait, 0, 60 * USEC_PER_SEC);
        if (wait == 0) {
            assert_true(pace_wait(&p, now, 0) > 0);
            pace_take(&p, now);
            pace_ended(&p, now);
            n++;
        }
        now += wait ? wait : 1;
    }
    assert_in_range(n, 58, 60);
    assert_int_equal(pace_wait_hurried(&p, now + 10 * USEC_PER_SEC, 0), 0); /* it is over */
    pace_done(&p);
}

static void test_unlimited_learns_a_rate_and_forgets_it(void **state)
{
    (void)state;
    struct pace p;
    uint64_t now = START;
    pace_init(&p, 0, now);
    send_until(&p, &now, START + 2 * USEC_PER_SEC); /* 1,000 a second */
    pace_throttled(&p, now, 0, 0);
    assert_in_range((unsigned)p.rate, 450, 501);
    pace_wait(&p, now + 25 * USEC_PER_SEC, 0);
    assert_in_range((unsigned)p.rate, 700, 800);
    pace_wait(&p, now + 3600 * USEC_PER_SEC, 0);
    assert_true(p.rate == 0);
}

static void test_recovery_is_slow_and_ends_at_the_limit(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 100, START);
    pace_throttled(&p, START, 0, 0);
    pace_wait(&p, START + 5 * USEC_PER_SEC, 0);
    assert_true(p.rate == 50);
    pace_wait(&p, START + 12 * USEC_PER_SEC, 0);
    assert_true(p.rate == 62.5);
    pace_wait(&p, START + 600 * USEC_PER_SEC, 0);
    assert_true(p.rate == 100);
}

static void test_rate_has_a_floor(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 10, START);
    for (unsigned i = 0; i < 100; i++)
        pace_throttled(&p, START + i * 5 * USEC_PER_SEC, 0, 0);
    assert_true(p.rate >= 0.2);
}

static void test_reload_keeps_the_pause(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 100, START);
    pace_throttled(&p, START, 60 * USEC_PER_SEC, 0);
    pace_set_max_rate(&p, 200, START);
    assert_int_equal(pace_wait(&p, START, 0), 60 * USEC_PER_SEC);
    assert_true(p.rate == 50);
    pace_set_max_rate(&p, 20, START);
    assert_true(p.rate == 20);
}

/* Nothing is forgotten by a reload that lifts the limit: it recovers as if there had been none. */
static void test_reload_lifts_the_limit(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 100, START);
    pace_throttled(&p, START, 0, 0);
    pace_set_max_rate(&p, 0, START);
    assert_true(p.rate == 50 && p.ceiling == 200);
    pace_wait(&p, START + 12 * USEC_PER_SEC, 0);
    assert_true(p.rate == 62.5);
    pace_set_max_rate(&p, 0, START + 12 * USEC_PER_SEC);
    assert_true(p.rate == 62.5 && p.ceiling == 200);
    pace_wait(&p, START + 600 * USEC_PER_SEC, 0);
    assert_true(p.rate == 0);
    pace_set_max_rate(&p, 7, START + 600 * USEC_PER_SEC); /* no longer recovering */
    assert_true(p.rate == 7);
}

static void test_slow_limits(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 0.1, START);
    pace_throttled(&p, START, 0, 0);
    assert_true(p.rate == 0.1); /* the floor is not above the limit */
    pace_init(
        &p, 0,
        0); /* and a tenant that refuses the very first request, at the first microsecond */
    pace_throttled(&p, 0, 0, 0);
    assert_true(p.rate == 0.2 && p.ceiling == 0.8 && p.cut_usec != 0);
    assert_int_equal(pace_wait(&p, 0, 0), USEC_PER_SEC);
}

/* The rate at which no limit is needed again stays above what the tenant takes. */
static void test_ceiling_follows(void **state)
{
    (void)state;
    struct pace p;
    uint64_t now = START;
    pace_init(&p, 0, now);
    send_until(&p, &now, START + 2 * USEC_PER_SEC);
    pace_throttled(&p, now, 0, 0);
    double first = p.ceiling;
    assert_in_range((unsigned)first, 3600, 4004);
    now += 95 * USEC_PER_SEC;
    send_until(&p, &now, now + 2 * USEC_PER_SEC);
    double rate = p.rate;
    for (int i = 0; i < 400; i++) /* more than one in ten */
        pace_throttled(&p, now, 0, 0);
    assert_true(p.rate < rate && p.rate >= rate / 2);
    assert_true(p.ceiling >= 2 * p.rate);
}

static void test_writes_of_a_second(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 0, START);
    assert_int_equal(pace_second(&p, START), 0);
    for (int i = 0; i < 7; i++)
        pace_written(&p, START + 10);
    assert_int_equal(pace_second(&p, START + 20), 7); /* the present one */
    assert_int_equal(pace_second(&p, START + 2 * USEC_PER_SEC - 1), 7);
    assert_int_equal(pace_second(&p, START + 2 * USEC_PER_SEC), 0); /* none of late */
    pace_written(&p, START + USEC_PER_SEC);
    assert_int_equal(pace_second(&p, START + USEC_PER_SEC), 7); /* the last whole one had more */
    for (int i = 0; i < 8; i++)
        pace_written(&p, START + USEC_PER_SEC + 1);
    assert_int_equal(pace_second(&p, START + USEC_PER_SEC + 2), 9);
    p.rate = 3.5; /* it was faster before */
    assert_int_equal(pace_second(&p, START + USEC_PER_SEC + 2), 4);
    pace_written(&p, START + 9 * USEC_PER_SEC); /* after a while nothing of before counts */
    assert_int_equal(pace_second(&p, START + 9 * USEC_PER_SEC), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unlimited),
        cmocka_unit_test(test_rate_is_kept),
        cmocka_unit_test(test_no_second_has_more),
        cmocka_unit_test(test_settles_near_the_tenants_limit),
        cmocka_unit_test(test_silent_tenant_keeps_no_revocation),
        cmocka_unit_test(test_settles_while_the_refused_come_back),
        cmocka_unit_test(test_idle_time_is_not_saved_up),
        cmocka_unit_test(test_throttling_halves_once_for_a_burst),
        cmocka_unit_test(test_retry_after_pauses),
        cmocka_unit_test(test_hurried_amid_a_pause),
        cmocka_unit_test(test_unlimited_learns_a_rate_and_forgets_it),
        cmocka_unit_test(test_recovery_is_slow_and_ends_at_the_limit),
        cmocka_unit_test(test_rate_has_a_floor),
        cmocka_unit_test(test_reload_keeps_the_pause),
        cmocka_unit_test(test_reload_lifts_the_limit),
        cmocka_unit_test(test_slow_limits),
        cmocka_unit_test(test_ceiling_follows),
        cmocka_unit_test(test_writes_of_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
