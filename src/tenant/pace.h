/*
 * How fast requests may leave: a token bucket that halves its rate when the tenant asks for
 * patience and recovers slowly. Pure: the caller brings the time (monotonic microseconds).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenant/refused.h"
#include "tenant/second.h"

struct pace {
    double max_rate;            /* requests a second as configured; 0: no limit */
    double rate;                /* now; 0: no limit */
    double ceiling;             /* no configured limit: the rate at which none is needed again */
    double tokens;              /* requests that may leave at once */
    uint64_t filled_usec;       /* when tokens was last brought up to date */
    uint64_t paused_until_usec; /* nothing leaves before */
    uint64_t taken_usec;        /* when the last one left */
    uint64_t lone_until_usec;   /* what the first of late who was refused was told … */
    uint64_t lone_who;          /* … and who that is; 0: several were */
    uint64_t cut_usec;          /* when the rate was last halved */
    uint64_t cut_who;           /* whose refusal alone did it; 0: nobody's alone */
    bool served_since;          /* … others */
    double rate_before;         /* what it was then */
    uint64_t grown_usec;        /* when it last grew, or was cut */
    uint64_t window_usec;       /* start of the second that is being counted */
    unsigned n_window, n_last_window;   /* requests in it, and in the one before */
    unsigned n_refused, n_last_refused; /* of them */
    unsigned n_written, n_last_written; /* writes that were done */
    size_t n_under_way;
    struct second ended;
    struct refused reads_refused, writes_refused;
};

/* In whose call it is, where that is one that writes. */
#define PACE_WRITES (UINT64_C(1) << 63)

/* Until one that is under way has ended. */
#define PACE_WAIT_FOR_END UINT64_MAX

void pace_init(struct pace *p, double max_rate, uint64_t now_usec);
void pace_done(struct pace *p);
void pace_set_max_rate(struct pace *p, double max_rate, uint64_t now_usec);
/* 0: a request may leave now. n_silent: so many under way are taken for arrived long ago. */
uint64_t pace_wait(struct pace *p, uint64_t now_usec, size_t n_silent);
/* Of what hurries: one may leave in a minute though the tenant has named a longer time. */
uint64_t pace_wait_hurried(struct pace *p, uint64_t now_usec, size_t n_silent);
/* One leaves, and it has ended: answered or given up. */
void pace_take(struct pace *p, uint64_t now_usec);
void pace_ended(struct pace *p, uint64_t now_usec);
/* The tenant asked for patience; who: whose call it was, 0: nobody's in particular;
 * retry_after_usec: 0 when it named no time. That of one person alone stops the others for a
 * minute at most. */
void pace_throttled(struct pace *p, uint64_t now_usec, uint64_t retry_after_usec, uint64_t who);
void pace_served(struct pace *p, uint64_t who);       /* any other answer */
void pace_written(struct pace *p, uint64_t now_usec); /* a write was done */
/* How many writes were done within the last whole second, or within the present one if that is
 * more: what another second may bring. None while they are refused. */
unsigned pace_second(const struct pace *p, uint64_t now_usec);
