/* The steady clock and the clock of dates, with clocks that the test turns. */
#include "config.h"

#include <sys/timex.h>

#include "base/clock.h"
#include "state-fixture.h"
#include "state/steady.h"

#define WALL   (1700000000ULL * USEC_PER_SEC)
#define MINUTE (60 * USEC_PER_SEC)
#define HOUR   (60 * MINUTE)

static bool synchronised;
static uint64_t wall, monotonic;

/* In place of the C library's: what the kernel says. */
int adjtimex(struct timex *t)
{
    t->status = synchronised ? 0 : STA_UNSYNC;
    return synchronised ? TIME_OK : TIME_ERROR;
}

static void set(uint64_t wall_usec, uint64_t monotonic_usec)
{
    wall = wall_usec;
    monotonic = monotonic_usec;
    clock_freeze(wall, monotonic);
}

static void pass(uint64_t usec)
{
    set(wall + usec, monotonic + usec);
}

static void step(int64_t usec)
{
    set(wall + (uint64_t)usec, monotonic);
}

static int set_up(void **state)
{
    synchronised = false;
    set(WALL, 100 * HOUR);
    return fixture_new(state);
}

static int tear_down(void **state)
{
    clock_freeze(0, 0);
    return fixture_free(state);
}

static void start(struct fixture *f, struct steady *c)
{
    ok(f, steady_start(f->s, c, &f->e));
}

/* The state is left as at the last note; the machine boots, or rosterd alone is started. */
static void note(struct fixture *f, struct steady *c)
{
    begin(f);
    ok(f, steady_note(f->s, c, &f->e));
    commit(f);
}

static void test_begins_as_the_wall_clock(void **state)
{
    struct steady c;
    start(*state, &c);
    assert_int_equal(clock_steady_usec(), WALL);
    assert_int_equal(clock_date_usec(), WALL);
    pass(HOUR);
    assert_int_equal(clock_steady_usec(), WALL + HOUR);
    assert_false(steady_is_open(&c));
}

/* Time passes while the machine is suspended, and the wall clock is right after that: no step.
 */
static void test_suspended(void **state)
{
    struct fixture *f = *state;
    struct steady c;
    start(f, &c);
    clock_freeze_asleep(40 * HOUR);
    step(40 * HOUR);
    assert_int_equal(clock_steady_usec(), WALL + 40 * HOUR);
    assert_int_equal(clock_date_usec(), WALL + 40 * HOUR);
    assert_false(steady_look(&c));
    assert_false(steady_is_open(&c));
    note(f, &c);
    clock_freeze_asleep(50 * HOUR); /* nothing runs */
    step(10 * HOUR);
    clock_set_steady(0, 0);
    start(f, &c);
    assert_int_equal(clock_steady_usec(), WALL + 50 * HOUR);
    assert_false(steady_is_open(&c));
}

/* Whatever the step, what waits passes as real time does. */
static void test_steps_leave_the_steady_clock_alone(void **state)
{
    static const int64_t steps[] = {
        1, -1, 500000, -2000000, 60, -(int64_t)HOUR, (int64_t)(9000 * HOUR)};
    struct steady c;
    uint64_t passed = 0;
    start(*state, &c);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        step(steps[i]);
        (void)steady_look(&c);
        pass(MINUTE);
        (void)steady_look(&c);
        passed += MINUTE;
        assert_int_equal(clock_steady_usec(), WALL + passed);
    }
    assert_in_range(clock_wall_of(clock_steady_usec()), wall - USEC_PER_SEC, wall + USEC_PER_SEC);
}

/* Dates follow a step when as much time has passed as it is wide, and never run ahead before. */
static void test_dates_follow_in_time(void **state)
{
    static const uint64_t wide[] = {2 * USEC_PER_SEC, 10 * MINUTE, 20 * HOUR, 9000 * HOUR};
    struct steady c;
    start(*state, &c);
    for (size_t i = 0; i < ARRAY_SIZE(wide); i++) {
        for (int back = 0; back < 2; back++) {
            uint64_t due = wide[i] < 24 * HOUR ? wide[i] : 24 * HOUR, begun = monotonic;
            uint64_t dates = clock_date_usec();
            step(back ? -(int64_t)wide[i] : (int64_t)wide[i]);
            while (monotonic - begun < due) {
                assert_false(steady_look(&c));
                assert_int_equal(clock_date_usec(), dates + (monotonic - begun));
                assert_int_equal(steady_doubt_usec(&c),
                                 back ? -(int64_t)wide[i] : (int64_t)wide[i]);
                pass(due / 7 + 1);
            }
            assert_true(steady_look(&c));
            assert_int_equal(clock_date_usec(), wall);
            assert_int_equal(steady_doubt_usec(&c), 0);
        }
    }
}

/* Wrong, then right: nothing was believed. Slow corrections are. */
static void test_wrong_for_a_while(void **state)
{
    struct steady c;
    start(*state, &c);
    for (int i = 0; i < 50; i++) {
        step((int64_t)HOUR * (i % 5 + 1));
        assert_false(steady_look(&c));
        pass(30 * MINUTE);
        assert_false(steady_look(&c));
        step(-(int64_t)HOUR * (i % 5 + 1));
        assert_false(steady_look(&c));
        assert_int_equal(clock_date_usec(), wall);
        assert_int_equal(steady_doubt_usec(&c), 0);
    }
    for (int i = 0; i < 1000; i++) {
        pass(MINUTE);
        step(30000); /* 500 ppm */
        assert_false(steady_look(&c));
        assert_int_equal(clock_date_usec(), wall);
    }
}

static void test_synchronised_is_believed_sooner(void **state)
{
    struct steady c;
    start(*state, &c);
    step(9000 * (int64_t)HOUR);
    assert_false(steady_look(&c));
    pass(4 * MINUTE);
    synchronised = true;
    assert_false(steady_look(&c));
    pass(MINUTE);
    assert_true(steady_look(&c));
    assert_int_equal(clock_date_usec(), wall);
}

/* Another start in the same boot: time has passed, a step of the wall clock meanwhile is none. */
static void test_restart(void **state)
{
    struct steady c;
    start(*state, &c);
    note(*state, &c);
    pass(3 * HOUR);
    step(100 * (int64_t)HOUR);
    start(*state, &c);
    assert_false(c.new_boot);
    assert_int_equal(clock_steady_usec(), WALL + 3 * HOUR);
    assert_int_equal(clock_date_usec(), WALL + 3 * HOUR);
    assert_int_equal(steady_doubt_usec(&c), 100 * (int64_t)HOUR);
}

static void boot(uint64_t down_usec, int64_t wrong_usec)
{
    set(wall + down_usec + (uint64_t)wrong_usec, 20 * USEC_PER_SEC);
}

/* A step is believed in time however often rosterd is started meanwhile; another step is one of
 * its own, and what the machine's boot makes of it as well. */
static void test_doubted_over_starts(void **state)
{
    struct fixture *f = *state;
    struct steady c;
    start(f, &c);
    step(9000 * (int64_t)HOUR);
    assert_false(steady_look(&c));
    for (uint64_t i = 0; i < 8; i++) {
        assert_int_equal(clock_date_usec(), WALL + i * 3 * HOUR);
        assert_int_equal(steady_doubt_usec(&c), 9000 * (int64_t)HOUR);
        note(f, &c);
        pass(3 * HOUR);
        start(f, &c);
    }
    assert_int_equal(clock_date_usec(), WALL + 24 * HOUR); /* whom it is about a look marks */
    assert_true(steady_look(&c));
    assert_int_equal(clock_date_usec(), wall);
    note(f, &c);
    step(-9000 * (int64_t)HOUR);
    assert_false(steady_look(&c));
    pass(20 * HOUR);
    note(f, &c);
    step(2 * HOUR);
    start(f, &c);
    assert_false(steady_look(&c));
    pass(20 * HOUR);
    assert_false(steady_look(&c));
    note(f, &c);
    boot(0, 0);
    start(f, &c);
    pass(20 * HOUR);
    assert_false(steady_look(&c));
    pass(4 * HOUR);
    assert_true(steady_look(&c));
    assert_int_equal(clock_date_usec(), wall);
}

/* While nobody was there it was put right: nothing is doubted. */
static void test_right_at_the_start(void **state)
{
    struct fixture *f = *state;
    struct steady c;
    start(f, &c);
    step(-9000 * (int64_t)HOUR);
    assert_false(steady_look(&c));
    note(f, &c);
    pass(30 * HOUR);
    step(9000 * (int64_t)HOUR);
    start(f, &c);
    assert_false(steady_look(&c));
    assert_int_equal(steady_doubt_usec(&c), 0);
    assert_int_equal(clock_date_usec(), wall);
}

/* Vouched for until the machine went down; and nobody vouches for the clock it boots with. */
static void boot_unsure(struct fixture *f, struct steady *c, uint64_t down, int64_t wrong)
{
    synchronised = true;
    start(f, c);
    note(f, c);
    synchronised = false;
    boot(down, wrong);
    start(f, c);
}

static void test_boot_with_an_unsure_clock(void **state)
{
    struct steady c;
    boot_unsure(*state, &c, 5 * HOUR, 100 * (int64_t)HOUR);
    assert_true(c.new_boot && c.gap_open);
    assert_int_equal(clock_steady_usec(), WALL);
    assert_int_equal(clock_date_usec(), WALL);
    /* It is put right and called so: the five hours had passed. */
    pass(MINUTE);
    step(-100 * (int64_t)HOUR);
    assert_false(steady_look(&c));
    assert_int_equal(clock_steady_usec(), WALL + MINUTE);
    synchronised = true;
    assert_true(steady_look(&c));
    assert_false(c.gap_open);
    assert_int_equal(clock_steady_usec(), WALL + 5 * HOUR + MINUTE);
    assert_int_equal(clock_date_usec(), wall);
    assert_false(steady_look(&c));
}

/* The hardware clock was ten days behind, and only the boot brings the right time: how long it was
 * down, nobody knows. */
static void test_boot_after_an_unsure_clock(void **state)
{
    struct steady c;
    start(*state, &c);
    note(*state, &c);
    synchronised = true;
    boot(5 * HOUR, 240 * (int64_t)HOUR);
    start(*state, &c);
    assert_true(c.new_boot && !c.gap_open && c.gap_lost);
    assert_false(steady_knows_age(&c, WALL));
    /* Nor after another start in the same boot. */
    pass(USEC_PER_SEC);
    note(*state, &c);
    start(*state, &c);
    assert_false(c.new_boot || steady_knows_age(&c, WALL));
    assert_true(steady_knows_age(&c, WALL + USEC_PER_SEC));
    pass(MINUTE - USEC_PER_SEC);
    (void)steady_look(&c);
    assert_int_equal(clock_steady_usec(), WALL + MINUTE);
    pass(5 * MINUTE); /* the dates follow, and from now on it is vouched for */
    (void)steady_look(&c);
    assert_int_equal(clock_date_usec(), wall);
    note(*state, &c);
    boot(5 * HOUR, 0);
    start(*state, &c);
    assert_int_equal(clock_steady_usec(), WALL + 5 * HOUR + 6 * MINUTE);
}

/* The kernel's word counts whenever it comes, and ends with a step that it does not vouch for. */
static void test_vouched(void **state)
{
    struct steady c;
    start(*state, &c);
    assert_false(c.vouched);
    pass(HOUR);
    synchronised = true;
    (void)steady_look(&c);
    assert_true(c.vouched);
    synchronised = false;
    step(10 * (int64_t)MINUTE);
    (void)steady_look(&c);
    assert_true(c.vouched); /* it is not followed yet */
    pass(10 * MINUTE);
    (void)steady_look(&c);
    assert_int_equal(clock_date_usec(), wall);
    assert_false(c.vouched);
}

static void test_boot_with_a_synchronised_clock(void **state)
{
    struct steady c;
    synchronised = true;
    start(*state, &c);
    note(*state, &c);
    boot(5 * HOUR, 0);
    start(*state, &c);
    assert_true(c.new_boot && !c.gap_open);
    assert_int_equal(clock_steady_usec(), WALL + 5 * HOUR);
    /* What older versions noted: no clock of dates. */
    struct fixture *f = *state;
    begin(f);
    ok(f, state_meta_set(f->s, "steady-clock", "another 360000000000 1700000000000000", &f->e));
    commit(f);
    start(*state, &c);
    assert_int_equal(clock_date_usec(), wall);
}

/* The machine boots again while nobody knows how long it was down before: what was noted in
 * between is no older for that, and all of it counts for what was noted before. */
static void test_boots_twice(void **state)
{
    struct fixture *f = *state;
    struct steady c;
    synchronised = true;
    start(f, &c);
    pass(HOUR);
    (void)steady_look(&c);
    note(f, &c);
    synchronised = false;
    boot(100 * HOUR, -300 * HOUR);
    start(f, &c);
    assert_true(c.gap_open);
    assert_false(steady_knows_age(&c, WALL + HOUR));
    assert_int_equal(c.boot_usec, WALL + HOUR);
    pass(2 * HOUR);
    assert_false(steady_look(&c));
    note(f, &c);
    boot(10 * HOUR, -300 * HOUR);
    start(f, &c);
    assert_false(steady_knows_age(&c, WALL + 2 * HOUR));
    pass(HOUR);
    note(f, &c);
    start(f, &c); /* nor does another start in the same boot know */
    assert_false(steady_knows_age(&c, WALL + 2 * HOUR));
    assert_true(steady_knows_age(&c, WALL + 4 * HOUR));
    synchronised = true;
    step(300 * HOUR * 2);
    assert_true(steady_look(&c));
    assert_true(steady_knows_age(&c, WALL + HOUR));
    assert_int_equal(clock_steady_usec(), WALL + 114 * HOUR);
    assert_int_equal(c.boot_usec, WALL + HOUR);
    assert_int_equal(c.gap_usec, 110 * HOUR);
}

/* Nobody ever finds out how long it was down, either time. */
static void test_boots_twice_for_nothing(void **state)
{
    struct fixture *f = *state;
    struct steady c;
    boot_unsure(f, &c, HOUR, 300 * HOUR);
    pass(HOUR);
    note(f, &c);
    boot(100 * HOUR, 0);
    start(f, &c);
    (void)steady_look(&c);
    pass(26 * HOUR);
    (void)steady_look(&c);
    assert_true(!c.gap_open && c.gap_lost);
    assert_false(steady_knows_age(&c, WALL + HOUR / 2));
    assert_true(steady_knows_age(&c, WALL + 2 * HOUR));
}

/* A wrong clock is believed after a day, and right later: by how much it was wrong is no time
 * that has passed. */
static void test_believed_in_a_gap(void **state)
{
    struct fixture *f = *state;
    struct steady c;
    boot_unsure(f, &c, 10 * HOUR, -8760 * HOUR);
    for (int i = 0; i < 30; i++) {
        pass(HOUR);
        (void)steady_look(&c);
    }
    synchronised = true;
    step(8760 * HOUR);
    (void)steady_look(&c);
    assert_true(clock_steady_usec() <= WALL + 40 * HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_begins_as_the_wall_clock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_boots_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_boots_twice_for_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_believed_in_a_gap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_suspended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_steps_leave_the_steady_clock_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dates_follow_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_for_a_while, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_synchronised_is_believed_sooner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_doubted_over_starts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_right_at_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_boot_with_an_unsure_clock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_boot_after_an_unsure_clock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vouched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_boot_with_a_synchronised_clock, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
