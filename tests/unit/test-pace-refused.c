/* Refusals with 429 that concern one user, or everybody, with a clock that the test turns. */
#include "config.h"

#include "base/clock.h"
#include "tenant/pace.h"
#include "unit.h"

#define START (1000 * USEC_PER_SEC)

/* One user is always refused, with a long Retry-After: others are served all the time, or there is
 * nothing else to send. */
static void test_one_users_refusals_slow_nobody(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 20, START);
    for (unsigned minute = 0; minute < 60; minute++) {
        uint64_t now = START + minute * 60 * USEC_PER_SEC;
        for (uint64_t who = 2; minute < 30 && who < 40; who++)
            pace_served(&p, who);
        pace_take(&p, now);
        pace_ended(&p, now);
        pace_throttled(&p, now, 50 * USEC_PER_SEC, 1);
        if (minute > 0)
            assert_int_equal(pace_wait(&p, now + USEC_PER_SEC, 0), 0);
        if (minute > 5)
            assert_true(p.rate == 20);
    }
    /* Its calls are answered again, and then it is one of many. */
    uint64_t now = START + 4000 * USEC_PER_SEC;
    pace_served(&p, 1);
    for (uint64_t who = 1; who < 9; who++)
        pace_throttled(&p, now, 0, who);
    assert_true(p.rate == 10);
    pace_done(&p);
}

/* As little where they are many, each with a long Retry-After; one of them is served now and
 * then, and all of them in the end. */
static void test_many_users_refusals_slow_nobody(void **state)
{
    (void)state;
    static const uint64_t n_users[] = {60, 70, 1000, 5000};
    for (size_t i = 0; i < ARRAY_SIZE(n_users); i++) {
        struct pace p;
        pace_init(&p, 20, START);
        for (unsigned minute = 0; minute < 60; minute++) {
            uint64_t now = START + minute * 60 * USEC_PER_SEC;
            for (uint64_t who = 1; who <= n_users[i]; who++) {
                pace_take(&p, now);
                pace_ended(&p, now);
                pace_throttled(&p, now, 50 * USEC_PER_SEC, who * 7919);
                pace_served(&p, 1000000 + who % 40);
            }
            if (minute > 20 && minute % 10 == 0)
                pace_served(&p, 7919 * (uint64_t)(minute / 10));
            if (minute > 0 && minute % 10 > 1)
                assert_true(p.paused_until_usec <= now);
        }
        assert_true(p.rate == 20);
        for (uint64_t who = 1; who <= n_users[i]; who++)
            pace_served(&p, who * 7919);
        assert_int_equal(p.reads_refused.n_known, 0);
        pace_done(&p);
    }
}

/* As little where each write of that user is refused, and the read before it is answered. */
static void test_one_users_refused_writes_slow_nobody(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 20, START);
    for (unsigned minute = 0; minute < 30; minute++) {
        uint64_t now = START + minute * 60 * USEC_PER_SEC;
        if (minute < 15)
            pace_served(&p, 2 | PACE_WRITES);
        pace_served(&p, 1);
        pace_throttled(&p, now, 50 * USEC_PER_SEC, 1 | PACE_WRITES);
        if (minute > 0)
            assert_int_equal(pace_wait(&p, now + USEC_PER_SEC, 0), 0);
        if (minute > 0)
            assert_true(p.rate == 20);
    }
    pace_done(&p);
}

/* A tenant that takes no writes, and answers all reads, is slowed for, however often each comes
 * back. */
static void test_refused_writes_count_while_others_are_read(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 16, START);
    for (unsigned i = 0; i < 4; i++) {
        pace_served(&p, 1 + i % 2);
        pace_served(&p, 3);
        pace_throttled(&p, START + i * 5 * USEC_PER_SEC, 0, (1 + i % 2) | PACE_WRITES);
    }
    assert_true(p.rate == 1);
    pace_done(&p);
}

/* The very first refusal cuts; that it was one user's is known by the second. Rows: whether others
 * were refused in between, whether some were served, whether it is taken back. */
static void test_the_first_refusal_is_taken_back(void **state)
{
    (void)state;
    static const bool rows[][3] = {{false, true, true}, {true, true, false}, {false, false, false}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (double max_rate = 0; max_rate <= 20; max_rate += 20) {
            uint64_t now = START;
            struct pace p;
            pace_init(&p, max_rate, now);
            pace_take(&p, now);
            pace_throttled(&p, now, 0, 1);
            double cut = p.rate;
            now += 3 * USEC_PER_SEC;
            if (rows[i][1])
                pace_served(&p, 2);
            for (uint64_t who = rows[i][0] ? 3 : 1; who > 0; who -= who > 1 ? 2 : 1)
                pace_throttled(&p, now, 0, who);
            assert_true(cut > 0 && (rows[i][2] ? p.rate == max_rate : p.rate <= cut));
            pace_done(&p);
        }
}

/* Two users who are refused by turns, and nobody is served: that is the tenant. */
static void test_everybodys_refusals_count_each_time(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 16, START);
    for (unsigned i = 0; i < 4; i++)
        pace_throttled(&p, START + i * 5 * USEC_PER_SEC, 0, 1 + i % 2);
    assert_true(p.rate == 1);
    pace_done(&p);
}

/* One person's refusal stops the others for a minute, whatever time it names; the next person's
 * says that it is the account's matter, and both times count. Whoever is served in between says
 * that it was not. */
static void test_long_retry_after(void **state)
{
    (void)state;
    uint64_t now = START, hour = 3600 * USEC_PER_SEC, end = START + hour;
    struct pace p;
    pace_init(&p, 0, START);
    pace_take(&p, now);
    pace_throttled(&p, now, hour, 1 | PACE_WRITES);
    assert_int_equal(pace_wait(&p, now, 0), 60 * USEC_PER_SEC);
    pace_throttled(&p, now, hour, 1); /* the same person */
    assert_int_equal(pace_wait(&p, now, 0), 60 * USEC_PER_SEC);
    now += 60 * USEC_PER_SEC;
    pace_throttled(&p, now, 0, 2 | PACE_WRITES);
    assert_int_equal(pace_wait(&p, now, 0), end - now);
    pace_throttled(&p, now, 2 * hour, 3 | PACE_WRITES);
    assert_int_equal(pace_wait(&p, now, 0), 2 * hour);
    pace_done(&p);
    for (int reads = 0; reads < 2; reads++) {
        now = START;
        pace_init(&p, 0, START);
        pace_throttled(&p, now, hour, 1 | PACE_WRITES);
        now += 61 * USEC_PER_SEC;
        pace_served(&p, 2 | (reads ? 0 : PACE_WRITES)); /* that of a read says nothing */
        pace_throttled(&p, now, hour, 3 | PACE_WRITES);
        assert_int_equal(pace_wait(&p, now, 0), reads ? hour : 60 * USEC_PER_SEC);
        pace_done(&p);
    }
    pace_init(&p, 0, START); /* nobody's: the token, say */
    pace_throttled(&p, START, hour, 0);
    assert_int_equal(pace_wait(&p, START, 0), hour);
    pace_done(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_retry_after),
        cmocka_unit_test(test_one_users_refusals_slow_nobody),
        cmocka_unit_test(test_many_users_refusals_slow_nobody),
        cmocka_unit_test(test_one_users_refused_writes_slow_nobody),
        cmocka_unit_test(test_refused_writes_count_while_others_are_read),
        cmocka_unit_test(test_the_first_refusal_is_taken_back),
        cmocka_unit_test(test_everybodys_refusals_count_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
