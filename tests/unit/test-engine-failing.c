/*
 * The tenant answers what concerns nobody in particular, and fails for each user, or for some:
 * how often it is tried, whom that holds up, and that people hear of it.
 */
#include "config.h"

#include "dice.h"
#include "engine-test.h"

#define OF_USERS (FAKE_ALL & ~(FAKE_TEAMS | FAKE_LIST))

static uint64_t first_seed = 1;
static unsigned n_histories = 4;

static void let_fail(struct bed *b, unsigned kinds, const char *login)
{
    static const struct fake_fault how[] = {
        {.class = TENANT_AWAY, .status = 500},
        {.class = TENANT_AWAY},
        {.class = TENANT_UNCLEAR, .status = 500},
        {.class = TENANT_UNCLEAR},
    };
    struct fake_fault f = how[below(4)];
    f.kinds = kinds;
    f.login = login;
    f.times = -1;
    fake_tenant_fail(b->tenant, f);
}

static void let_fail_from(struct bed *b, size_t first, size_t n)
{
    for (size_t i = first; i < n; i++) {
        char login[24];
        snprintf(login, sizeof(login), "u%zu", i);
        let_fail(b, FAKE_WRITES, login);
    }
}

/* Reads are answered, or not; writes are not. */
static void fail_all(struct bed *b)
{
    let_fail(b, chance(50) ? OF_USERS : FAKE_WRITES, NULL);
}

/* However many they are: after the first minutes so many tries an hour, of two calls each at
 * most. All is done soon after the end, and it was told once. */
static void test_all_fail(void **state)
{
    (void)state;
    for (unsigned h = 0; h < n_histories; h++) {
        struct bed *b = bed_new(true);
        size_t n = (size_t[]){25, 60, 120, 250}[h % 4];
        bool changes = h % 2;
        dice = first_seed + h;
        if (changes)
            people(b, n, "support");
        bed_start(b);
        bed_sync(b);
        fail_all(b);
        people(b, n, changes ? "sales" : "support");
        bed_sync(b);
        bed_advance(b, 10 * MINUTE);
        for (int hour = 0; hour < 2; hour++) {
            size_t before = fake_tenant_calls(b->tenant, OF_USERS);
            bed_advance(b, HOUR);
            size_t calls = fake_tenant_calls(b->tenant, OF_USERS) - before;
            if (calls < 50 || calls > 2 * 260)
                fail_msg("seed %llu: %zu calls for %zu people in hour %d",
                         (unsigned long long)dice, calls, n, hour);
        }
        assert_int_equal(bed_audit(b, "alarm", REASON_TENANT_AWAY, NULL) > 0, true);
        fake_tenant_heal(b->tenant);
        bed_advance(b, 10 * MINUTE);
        assert_int_equal(b->tenant->n_users, n);
        assert_int_equal(bed_queue(b, 0, NULL), 0);
        assert_int_equal(bed_audit(b, "alarm-over", NULL, NULL),
                         bed_audit(b, "alarm", NULL, NULL));
        is_idle(b);
        bed_check_ledgers(b);
        bed_free(b);
    }
}

/* Some fail without end while others come: each of these is made at once, and those who fail
 * are tried less and less often, each at least once a day. */
static void test_some_fail(void **state)
{
    (void)state;
    for (unsigned h = 0; h < n_histories; h++) {
        struct bed *b = bed_new(true);
        size_t n_fail = (size_t[]){1, 5, 40, 120}[h % 4], n = n_fail;
        dice = first_seed + h;
        bed_start(b);
        bed_sync(b);
        let_fail_from(b, 0, n_fail);
        people(b, n + 5, "support"); /* nobody knows yet that not all fail */
        bed_sync(b);
        bed_advance(b, 2 * HOUR);
        for (n += 5; n < n_fail + 18; n++) {
            people(b, n + 1, "support");
            bed_sync(b);
            bed_advance(b, 2 * USEC_PER_SEC);
            if (b->tenant->n_users != n + 1 - n_fail)
                fail_msg("seed %llu: of %zu newcomers %zu are there", (unsigned long long)dice,
                         n + 1 - n_fail, b->tenant->n_users);
            bed_advance(b, below(8) * MINUTE);
        }
        size_t before = fake_tenant_calls(b->tenant, FAKE_CREATE);
        bed_advance(b, DAY / 2);
        size_t tries = fake_tenant_calls(b->tenant, FAKE_CREATE) - before;
        assert_in_range(tries, 0, 12 * 150);
        fake_tenant_heal(b->tenant);
        bed_advance(b, DAY);
        assert_int_equal(b->tenant->n_users, n);
        is_idle(b);
        bed_check_ledgers(b);
        bed_free(b);
    }
}

/* Nobody was answered for since hours, and it is thought to be slow: whoever comes is not one of
 * those, and is made at once; so are several, one after the other. */
static void test_newcomer_while_slow(void **state)
{
    (void)state;
    for (unsigned h = 0; h < n_histories; h++) {
        struct bed *b = bed_new(true);
        size_t n = 30 + h * 20;
        dice = first_seed + h;
        bed_start(b);
        bed_sync(b);
        let_fail_from(b, 0, n);
        people(b, n, "support");
        bed_sync(b);
        bed_advance(b, HOUR + below(3600) * USEC_PER_SEC);
        assert_true(bed_audit(b, "alarm", REASON_TENANT_AWAY, NULL) > 0);
        assert_int_equal(b->tenant->n_users, 0);
        size_t more = 1 + below(3);
        people(b, n + more, "support");
        bed_sync(b);
        bed_advance(b, more * USEC_PER_SEC);
        if (b->tenant->n_users != more)
            fail_msg("seed %llu: of %zu newcomers %zu are there", (unsigned long long)dice, more,
                     b->tenant->n_users);
        bed_check_ledgers(b);
        bed_free(b);
    }
}

/* One of them is answered for, which frees all the others, and they fail again: a newcomer does
 * not stand behind all those who are due by that. */
static void test_newcomer_behind_many(void **state)
{
    (void)state;
    for (unsigned h = 0; h < n_histories; h++) {
        struct bed *b = bed_new(true);
        size_t n = 120 + h * 60;
        dice = first_seed + h;
        bed_start(b);
        bed_sync(b);
        let_fail_from(b, 0, n);
        people(b, n, "support");
        bed_sync(b);
        bed_advance(b, HOUR);
        fake_tenant_heal(b->tenant);
        let_fail_from(b, 1, n);
        while (!fake_tenant_find(b->tenant, "u0"))
            bed_advance(b, 10 * MINUTE);
        bed_advance(b, 2 * MINUTE);
        people(b, n + 1, "support");
        bed_sync(b);
        bed_advance(b, USEC_PER_SEC);
        if (b->tenant->n_users != 2)
            fail_msg("seed %llu: the newcomer waits behind %zu", (unsigned long long)dice, n);
        bed_free(b);
    }
}

/* Whose access is to end is tried at once, and as often as ever. */
static void test_revocation(void **state)
{
    struct bed *b = *state;
    may_revoke(b);
    people(b, 100, "support");
    bed_start(b);
    bed_sync(b);
    let_fail(b, FAKE_WRITES, NULL);
    people(b, 100, "sales");
    bed_sync(b);
    bed_advance(b, HOUR);
    fake_tenant_heal(b->tenant);
    revoke_uid(b, "u7", true);
    bed_run(b);
    assert_true(is_disabled(b, "u7"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fail),
        cmocka_unit_test(test_some_fail),
        cmocka_unit_test(test_newcomer_while_slow),
        cmocka_unit_test(test_newcomer_behind_many),
        scenario(test_revocation),
    };
    read_arguments(argc, argv, &first_seed, &n_histories);
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
