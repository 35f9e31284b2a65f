/* Chance: what the kernel gives differs, what a seed gives is the same again. */
#include "config.h"

#include "base/random.h"

#include "unit.h"

static void test_differs(void **state)
{
    (void)state;
    unsigned char a[300] = {0}, b[300] = {0};
    assert_int_equal(random_bytes(a, sizeof(a)), 0);
    assert_int_equal(random_bytes(b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, 32);
    assert_memory_not_equal(a + sizeof(a) - 32, b + sizeof(b) - 32, 32); /* to the last byte */
    assert_true(random_number() != random_number());
}

static void test_seeded(void **state)
{
    (void)state;
    unsigned char a[40], b[40];
    random_seed(7);
    assert_int_equal(random_bytes(a, sizeof(a)), 0);
    uint64_t number = random_number();
    random_seed(8);
    assert_int_equal(random_bytes(b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
    random_seed(7);
    assert_int_equal(random_bytes(b, sizeof(b)), 0);
    assert_memory_equal(a, b, sizeof(a));
    assert_true(random_number() == number);
    random_seed(0);
    assert_true(random_number() != random_number());
    assert_int_equal(random_bytes(b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_differs),
                                       cmocka_unit_test(test_seeded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
