/*
 * The frame of a program that plays random histories: those of some seeds, those that once went
 * wrong, and one twice. With --seed or --histories it plays those alone. Which seed goes wrong
 * is told; what is right, each program knows by itself.
 */
#pragma once
#include <stdio.h>

#include "base/log.h"
#include "dice.h"
#include "engine-bed.h"
#include "same-again.h"
#include "unit.h"

static uint64_t seed; /* of the history that is played */

#define wrong(...)                                                                             \
    do {                                                                                       \
        printf("seed %llu: ", (unsigned long long)seed);                                       \
        printf(__VA_ARGS__);                                                                   \
        printf("\n");                                                                          \
        fail_msg("the history of seed %llu went wrong", (unsigned long long)seed);             \
    } while (0)

/* To the end, or a part of the way, so that what comes next comes amid it. */
static inline void run_some(struct bed *b)
{
    if (chance(60))
        bed_run(b);
    else
        for (unsigned i = below(20); i > 0 && sd_event_run(b->event, 0) > 0; i--)
            ;
}

struct played {
    void (*history)(void);   /* plays that of the seed */
    void (*never_met)(void); /* fails if they met too little to be a test of it */
    const uint64_t *kept;    /* seeds that once went wrong */
    size_t n_kept;
    unsigned n; /* histories, unless the arguments say another number */
};

static struct {
    const struct played *by;
    uint64_t first_seed;
    unsigned n;
} playing;

static void test_histories(void **state)
{
    (void)state;
    for (unsigned i = 0; i < playing.n; i++) {
        seed = playing.first_seed + i;
        playing.by->history();
    }
    if (playing.n >= playing.by->n)
        playing.by->never_met();
}

static void test_kept_seeds(void **state)
{
    (void)state;
    for (size_t i = 0; i < playing.by->n_kept; i++) {
        seed = playing.by->kept[i];
        playing.by->history();
    }
}

static void test_same_again(void **state)
{
    (void)state;
    seed = playing.first_seed;
    same_again(playing.by->history);
}

static inline int play_histories(int argc, char **argv, const struct played *by)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept_seeds),
                                       cmocka_unit_test(test_histories),
                                       cmocka_unit_test(test_same_again)};
    const struct CMUnitTest histories[] = {cmocka_unit_test(test_histories)};
    playing.by = by;
    playing.first_seed = 1;
    playing.n = by->n;
    log_set_level(getenv("V") ? LOG_DEBUG : LOG_CRIT);
    read_arguments(argc, argv, &playing.first_seed, &playing.n);
    return argc == 1 ? cmocka_run_group_tests(tests, NULL, NULL)
                     : cmocka_run_group_tests(histories, NULL, NULL);
}
