/*
 * How fast requests may leave: a token bucket that halves its rate when the tenant asks for
 * patience and recovers slowly. Pure: the caller brings the time (monotonic microseconds).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Faster than so many a second the bucket alone decides. */
#define PACE_RING 1024

struct pace {
    double max_rate;      /* requests a second as configured; 0: no limit */
    double rate;          /* now; 0: no limit */
    double ceiling;       /* no configured limit: the rate at which none is needed again */
    double tokens;        /* requests that may leave at once */
    uint64_t filled_usec; /* when tokens was last brought up to date */
    uint64_t paused_until_usec;         /* nothing leaves before */
    uint64_t cut_usec;                  /* when the rate was last halved */
    uint64_t grown_usec;                /* when it last grew, or was cut */
    uint64_t window_usec;               /* start of the second that is being counted */
    unsigned n_window, n_last_window;   /* requests in it, and in the one before */
    unsigned n_refused, n_last_refused; /* of them */
    size_t n_left;
    uint64_t left_usec[PACE_RING]; /* when the last ones left, n_left % PACE_RING is the next */
};

void pace_init(struct pace *p, double max_rate, uint64_t now_usec);
void pace_set_max_rate(struct pace *p, double max_rate, uint64_t now_usec);
uint64_t pace_wait(struct pace *p, uint64_t now_usec); /* 0: a request may leave now */
/* One leaves; returns its number. It may have to wait for its connection first, and then leave
 * in the same moment as those that were taken after it: pace_stays() says so, and pace_left()
 * when it is gone, or given up. */
size_t pace_take(struct pace *p, uint64_t now_usec);
void pace_stays(struct pace *p, size_t number);
void pace_left(struct pace *p, size_t number, uint64_t now_usec);
/* retry_after_usec: 0 when the tenant named no time. */
void pace_throttled(struct pace *p, uint64_t now_usec, uint64_t retry_after_usec);
