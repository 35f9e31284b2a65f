/*
 * Growing arrays and strings.
 */
#include "config.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/digest.h"
#include "unit.h"

static void test_take(void **state)
{
    (void)state;
    struct buffer b = {0};
    buffer_add_text(&b, "cn=");
    buffer_add(&b, "ab\0c", 4);
    buffer_format(&b, " %d%s", 42, "!");
    assert_int_equal(b.size, 11);
    CLEANUP(freep) char *text = buffer_take(&b);
    assert_memory_equal(text, "cn=ab\0c 42!", 12);
    assert_null(b.data);
    assert_int_equal(b.size + b.capacity, 0);
}

static void test_empty(void **state)
{
    (void)state;
    struct buffer b = {0};
    CLEANUP(freep) char *text = buffer_take(&b);
    assert_string_equal(text, "");
    buffer_add(&b, NULL, 0);
    CLEANUP(freep) char *again = buffer_take(&b);
    assert_string_equal(again, "");
}

static void test_clear(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer b = {0};
    buffer_clear(&b);
    buffer_add_text(&b, "abc");
    char *before = b.data;
    buffer_clear(&b);
    assert_ptr_equal(b.data, before);
    assert_string_equal(b.data, "");
    buffer_add_text(&b, "d");
    assert_string_equal(b.data, "d");
}

static void test_grows(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer b = {0};
    for (unsigned i = 0; i < 5000; i++)
        buffer_format(&b, "%04u", i);
    assert_false(b.failed);
    assert_int_equal(b.size, 20000);
    assert_memory_equal(b.data + 4 * 4321, "4321", 4);
}

static void test_failed_stays_failed(void **state)
{
    (void)state;
    struct buffer b = {0};
    volatile size_t much = SIZE_MAX - 2; /* the compiler would refuse it otherwise */
    buffer_add_text(&b, "abc");
    buffer_add(&b, "x", much); /* refused before anything is read */
    assert_true(b.failed);
    buffer_add_text(&b, "def");
    assert_int_equal(b.size, 3);
    assert_null(buffer_take(&b));
    assert_null(b.data);
    assert_false(b.failed);
}

static void test_memory_grow(void **state)
{
    (void)state;
    int *items = NULL;
    size_t capacity = 0;
    assert_int_equal(memory_grow(&items, &capacity, 1, sizeof(*items)), 0);
    assert_true(capacity >= 1);
    for (size_t i = 0; i < capacity; i++)
        items[i] = (int)i;
    size_t before = capacity;
    assert_int_equal(memory_grow(&items, &capacity, before, sizeof(*items)), 0);
    assert_int_equal(capacity, before);
    assert_int_equal(memory_grow(&items, &capacity, before + 1, sizeof(*items)), 0);
    assert_true(capacity >= 2 * before);
    for (size_t i = 0; i < before; i++)
        assert_int_equal(items[i], i);
    int *old = items;
    before = capacity;
    assert_int_equal(memory_grow(&items, &capacity, SIZE_MAX / 2, sizeof(*items)), -ENOMEM);
    assert_int_equal(memory_grow(&items, &capacity, SIZE_MAX, 1), -ENOMEM);
    assert_ptr_equal(items, old);
    assert_int_equal(capacity, before);
    free(items);
}

static void test_take_macro(void **state)
{
    (void)state;
    char *a = strdup("x");
    CLEANUP(freep) char *b = TAKE(a);
    assert_null(a);
    assert_string_equal(b, "x");
}

/* The vectors of FIPS 180-2. */
static void test_digest(void **state)
{
    (void)state;
    char text[DIGEST_TEXT_SIZE];
    assert_int_equal(digest_text(text, ""), 0);
    assert_string_equal(text,
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(digest_text(text, "abc"), 0);
    assert_string_equal(text,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const struct digest_part parts[] = {{"a", 1}, {NULL, 0}, {"bc", 2}};
    assert_int_equal(digest_parts(text, parts, ARRAY_SIZE(parts)), 0);
    assert_string_equal(text,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct digest_sum sum; /* beside another one, and another use of the same thread */
    digest_sum_init(&sum);
    digest_sum_add(&sum, "a", 1);
    assert_int_equal(digest_text(text, ""), 0);
    digest_sum_add(&sum, NULL, 0);
    digest_sum_add(&sum, "bc", 2);
    assert_int_equal(digest_sum_end(&sum, text), 0);
    digest_sum_done(&sum);
    assert_string_equal(text,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_failed_stays_failed),
        cmocka_unit_test(test_memory_grow),
        cmocka_unit_test(test_take_macro),
        cmocka_unit_test(test_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
