/* Range retrieval: pieces of any size, edits between them, nonsense. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "directory/ranges.h"
#include "unit.h"

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is;
        size_t size;
        unsigned long low, high;
        bool last;
    } rows[] = {
        {"member;range=0-1499", true, 6, 0, 1499, false},
        {"member;Range=1500-*", true, 6, 1500, 1500, true},
        {"member;lang-de;range=3-4", true, 14, 3, 4, false},
        {"member", false, 0, 0, 0, false},
        {"member;range=", false, 0, 0, 0, false},
        {"member;range=5-3", false, 0, 0, 0, false},
        {"member;range=5", false, 0, 0, 0, false},
        {"member;range=-5", false, 0, 0, 0, false},
        {"member;range=1-2x", false, 0, 0, 0, false},
        {"member;range=1-*x", false, 0, 0, 0, false},
        {"member;range=99999999999-*", false, 0, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct range_name r = {};
        assert_int_equal(range_parse(rows[i].name, strlen(rows[i].name), &r), rows[i].is);
        assert_int_equal(r.name_size, rows[i].size);
        assert_int_equal(r.low, rows[i].low);
        assert_int_equal(r.high, rows[i].high);
        assert_int_equal(r.last, rows[i].last);
    }
}

/* Gives values first..first+n-1 of a group whose members are m0, m1, ... moved by `shift`. */
static int give(struct ranges *r, unsigned long low, size_t n, bool last, unsigned shift,
                const char *version)
{
    char text[200][16];
    struct range_value values[200];
    assert_true(n <= 200);
    for (size_t i = 0; i < n; i++) {
        snprintf(text[i], sizeof text[i], "m%lu", low + i + shift);
        values[i] = (struct range_value){text[i], strlen(text[i])};
    }
    struct range_name name = {6, low, last ? low : low + n - 1, last};
    return ranges_accept(r, &name, values, n, version);
}

static void assert_whole(const struct ranges *r, size_t n, unsigned shift)
{
    size_t found;
    const struct range_value *v = ranges_values(r, &found);
    assert_int_equal(found, n);
    for (size_t i = 0; i < n; i++) {
        char text[32];
        snprintf(text, sizeof text, "m%zu", i + shift);
        assert_string_equal(v[i].data, text);
    }
}

static void test_changing_sizes(void **state)
{
    (void)state;
    struct ranges *r = ranges_new("member");
    assert_string_equal(ranges_request(r), "member;range=0-*");
    assert_int_equal(give(r, 0, 100, false, 0, "7"), RANGES_MORE);
    assert_string_equal(ranges_request(r), "member;range=99-*");
    assert_int_equal(give(r, 99, 51, false, 0, "7"), RANGES_MORE);
    assert_string_equal(ranges_request(r), "member;range=149-*");
    /* Only the value that is known: the next request begins behind it. */
    assert_int_equal(give(r, 149, 1, false, 0, "7"), RANGES_MORE);
    assert_string_equal(ranges_request(r), "member;range=150-*");
    assert_int_equal(give(r, 150, 2, false, 0, "7"), RANGES_MORE);
    assert_int_equal(give(r, 151, 10, true, 0, "7"), RANGES_COMPLETE);
    assert_whole(r, 161, 0);
    ranges_free(r);
}

static void test_edits(void **state)
{
    (void)state;
    struct ranges *r = ranges_new("member");
    /* A member before the border left: everything moved up by one, and the version stayed. */
    assert_int_equal(give(r, 0, 100, false, 0, NULL), RANGES_MORE);
    assert_int_equal(give(r, 99, 50, true, 1, NULL), RANGES_AGAIN);
    assert_string_equal(ranges_request(r), "member;range=0-*");
    assert_int_equal(give(r, 0, 100, false, 1, NULL), RANGES_MORE);
    assert_int_equal(give(r, 99, 49, true, 1, NULL), RANGES_COMPLETE);
    assert_whole(r, 148, 1);
    ranges_free(r);
    /* The version changed. */
    r = ranges_new("member");
    assert_int_equal(give(r, 0, 100, false, 0, "7"), RANGES_MORE);
    assert_int_equal(give(r, 99, 50, true, 0, "8"), RANGES_AGAIN);
    ranges_free(r);
    /* It shrank below the border: nothing is left there. */
    r = ranges_new("member");
    assert_int_equal(give(r, 0, 100, false, 0, "7"), RANGES_MORE);
    assert_int_equal(give(r, 99, 0, true, 0, "7"), RANGES_AGAIN);
    ranges_free(r);
}

static void test_never_still(void **state)
{
    (void)state;
    struct ranges *r = ranges_new("member");
    int answer = RANGES_MORE;
    for (int i = 0; i < 100 && answer > 0; i++) {
        char version[16];
        snprintf(version, sizeof version, "%d", i);
        answer = give(r, i % 2 ? 99 : 0, 100, false, 0, version);
    }
    assert_int_equal(answer, -EAGAIN);
    ranges_free(r);
}

static void test_nonsense(void **state)
{
    (void)state;
    struct ranges *r = ranges_new("member");
    assert_int_equal(give(r, 5, 10, false, 0, NULL), -EBADMSG); /* not what was asked for */
    assert_int_equal(give(r, 0, 0, true, 0, NULL), RANGES_COMPLETE); /* an empty group */
    ranges_free(r);
    r = ranges_new("member");
    struct range_value one = {"m0", 2};
    struct range_name ten = {6, 0, 9, false};
    assert_int_equal(ranges_accept(r, &ten, &one, 1, NULL), -EBADMSG); /* one of ten */
    ranges_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_changing_sizes),
        cmocka_unit_test(test_edits),    cmocka_unit_test(test_never_still),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
