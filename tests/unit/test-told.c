/*
 * Who is told ahead of a read: what it costs for many, and what it says beside a few lines that
 * look through all.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/text.h"
#include "dice.h"
#include "intake/told.h"
#include "unit.h"

#define N_MANY  20000
#define N_SMALL 12

/* The later, the further in front. */
static const char *id_of(unsigned n)
{
    static char text[40];
    snprintf(text, sizeof(text), "%08x-1e2f-103f-8a5b-0123456789ab", UINT32_MAX - n);
    return text;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* All that may happen to so many in one read. */
static double cost(unsigned n)
{
    CLEANUP(string_list_done) struct string_list not = {0};
    struct told t = {0};
    double from = seconds();
    told_begin(&t, 0);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(told_note(&t, id_of(i), 0, i % 2), 1);
    assert_int_equal(told_end(&t, 0, &not), 0);
    told_begin(&t, 0);
    for (unsigned i = 0; i < n; i += 3)
        assert_int_equal(told_note(&t, id_of(i), 0, i % 2), 0);
    assert_int_equal(told_end(&t, 0, &not), 0);
    for (unsigned i = 0; i < n; i += 6)
        told_forget(&t, id_of(i));
    for (size_t i = 0; i < t.n_open; i++)
        assert_non_null(told_next_open(&t));
    assert_int_equal(told_end_all(&t, &not), 0);
    told_done(&t);
    return seconds() - from;
}

/* Twice as many take little more than twice as long: four times where each looks through all. */
static void test_many(void **state)
{
    double best[2] = {1e9, 1e9};
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        for (unsigned k = 0; k < 2; k++) {
            double took = cost(N_MANY << k);
            best[k] = took < best[k] ? took : best[k];
        }
    if (getenv("V"))
        print_message("%u: %.1f ms, %u: %.1f ms\n", N_MANY, best[0] * 1e3, 2 * N_MANY, best[1] * 1e3);
    assert_true(best[1] < 3 * best[0]);
}

struct plain {
    unsigned searches, unnamed;
    bool is_shown;
};

static void check(struct told *t, const struct plain plain[static N_SMALL])
{
    size_t n_items = 0, n_open = 0;
    for (unsigned i = 0; i < N_SMALL; i++) {
        assert_int_equal(told_has(t, id_of(i)), plain[i].searches != 0);
        assert_int_equal(told_is_shown(t, id_of(i)), plain[i].searches && plain[i].is_shown);
        n_items += plain[i].searches != 0;
        n_open += plain[i].searches && !plain[i].is_shown;
    }
    assert_int_equal(t->n_items, n_items);
    assert_int_equal(t->n_open, n_open);
    for (unsigned turn = 0; turn < 2 * n_open; turn++) { /* each once, and then again */
        const char *id = told_next_open(t);
        assert_true(told_has(t, id) && !told_is_shown(t, id));
    }
}

/* Those who are named no more, and whom the mirror does not show so. */
static size_t end_plain(struct plain plain[static N_SMALL], unsigned search, bool all)
{
    size_t n = 0;
    for (unsigned i = 0; i < N_SMALL; i++) {
        bool was = plain[i].searches;
        plain[i].searches &= ~(all ? ~0u : plain[i].unnamed & 1u << search);
        plain[i].unnamed &= plain[i].searches;
        n += was && !plain[i].searches && !plain[i].is_shown;
    }
    return n;
}

static void step(struct told *t, struct plain plain[static N_SMALL])
{
    unsigned i = below(N_SMALL), search = below(3), what = below(100);
    struct plain *p = &plain[i];
    CLEANUP(string_list_done) struct string_list not = {0};
    if (what < 40) {
        bool is_shown = chance(50);
        assert_int_equal(told_note(t, id_of(i), search, is_shown), !p->searches);
        p->searches |= 1u << search;
        p->unnamed &= ~(1u << search);
        p->is_shown = is_shown;
    } else if (what < 60) {
        bool was = p->searches;
        p->searches &= ~(1u << search);
        p->unnamed &= p->searches;
        assert_int_equal(told_take_back(t, id_of(i), search),
                         was && !p->searches && !p->is_shown);
    } else if (what < 65) {
        told_forget(t, id_of(i));
        *p = (struct plain){0};
    } else if (what < 75) {
        p->is_shown = chance(50);
        told_set_shown(t, id_of(i), p->is_shown);
    } else if (what < 85) {
        told_begin(t, search);
        for (unsigned k = 0; k < N_SMALL; k++)
            plain[k].unnamed |= plain[k].searches & 1u << search;
    } else {
        bool all = what >= 97;
        int r = all ? told_end_all(t, &not) : told_end(t, search, &not);
        assert_int_equal(r, 0);
        assert_int_equal(not.n_items, end_plain(plain, search, all));
        for (size_t k = 0; k < not.n_items; k++)
            assert_false(told_has(t, not.items[k]));
    }
    check(t, plain);
}

static void test_as_plain(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct told t = {0};
        struct plain plain[N_SMALL] = {0};
        dice = seed;
        for (unsigned i = 0; i < 200; i++)
            step(&t, plain);
        told_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_plain),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
