/*
 * What random histories of clocks that are set are about: the company, and time as it really
 * passed.
 */
#pragma once
#include <stdlib.h>
#include <time.h>

#include "base/random.h"
#include "bed-order.h"
#include "engine-bed.h"
#include "model/operation.h"
#include "played.h"
#include "state/queue.h"
#include "sync/engine-internal.h"
#include "unit.h"

#define N_PEOPLE  12
#define N_REFUSED 2
#define N_RESTS  3
#define N_STEPS  24
#define YEAR     (365 * DAY)

#define GRACE      (6 * HOUR)
#define DELETE     (30 * HOUR)
#define SHIFT      (8 * HOUR)
#define HOLD_RETRY (15 * MINUTE)
/* A wall clock that is off by so much may be believed, and a clock that is kept right is off by
 * a second at each boot. */
#define SLACK (2 * HOUR)
/* After it is due and nothing stands in the way, it happens within so much. */
#define SOON (20 * MINUTE)

static bool synchronised;

/* Each person does one kind of thing. */
enum sort {
    LEAVES,
    ENDS,
    STARTS,
    WORKS,
    REFUSED,
    APPROVED,
    N_SORTS
};

struct worker {
    bool away, terminated, renamed; /* left the directory; is on shift, and to be disabled; … */
    uint64_t date;                  /* its account ends, or begins, in real time */
    uint64_t since, awake; /* it waits since, in real time and while the machine runs; 0: not */
    uint64_t disabled_since; /* the same of a leaver who is disabled */
    uint64_t disabled_awake, tried, tried_awake, approved, approved_awake;
    bool disabled, there, new_name; /* as the tenant has it */
};

struct history {
    struct bed *b;
    uint64_t begins;       /* what the monotonic clock says at each boot */
    uint64_t before_boots; /* time that passed in earlier boots, between them, and asleep */
    uint64_t asleep;       /* since the last boot */
    uint64_t slack;
    int64_t wrong; /* how far the wall clock is off */
    bool lies;     /* by more than may be believed */
    struct worker people[N_PEOPLE];
    unsigned n_changes;
};

/* Over all histories. */
static size_t n_graces, n_deletes, n_ends, n_starts, n_shifts, n_tries, n_kept, n_over;

static uint64_t real(const struct history *h)
{
    return h->before_boots + h->b->monotonic;
}

/* Since the last boot. */
static uint64_t awake(const struct history *h)
{
    return h->b->monotonic + h->asleep;
}

#define BEGAN (1800000000ULL * USEC_PER_SEC)

static void set_wall(struct history *h)
{
    bed_set_clock(h->b, BEGAN + real(h) + (uint64_t)h->wrong);
}

static enum sort sort_of(unsigned who)
{
    return (enum sort)(who % N_SORTS);
}

static unsigned who_of(const char *login)
{
    unsigned who = (unsigned)atoi(login + 1);
    assert_true(login[0] == 'p' && who < N_PEOPLE);
    return who;
}
