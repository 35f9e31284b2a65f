/*
 * The pace towards the tenant. Many requests are in flight when the tenant begins to refuse, so
 * their refusals come as a burst: the rate is halved once for a burst, and only the pause grows
 * with each. It recovers by a quarter every ten seconds without a refusal, so that a tenant
 * that is still weak is not overrun again at once.
 *
 * It does not know what a request is and never looks at a clock.
 */
#include "config.h"

#include "tenant/pace.h"

#include "base/clock.h"

#define MIN_RATE       0.2
#define BURST_USEC     (USEC_PER_SEC)
#define GROW_USEC      (10 * USEC_PER_SEC)
#define GROW_FACTOR    1.25
#define PLAIN_PAUSE    (USEC_PER_SEC)
#define CEILING_FACTOR 4.0
/* How much of a second's requests may leave in one go. */
#define BUCKET_SECONDS 0.1

static double bucket_size(const struct pace *p)
{
    double size = p->rate * BUCKET_SECONDS;
    return size < 1.0 ? 1.0 : size;
}

void pace_init(struct pace *p, double max_rate, uint64_t now_usec)
{
    *p = (struct pace){
        .max_rate = max_rate,
        .rate = max_rate,
        .filled_usec = now_usec,
        .window_usec = now_usec,
    };
    p->tokens = bucket_size(p);
}

void pace_set_max_rate(struct pace *p, double max_rate, uint64_t now_usec)
{
    uint64_t pause = p->paused_until_usec;
    double rate = p->cut_usec ? p->rate : 0;
    uint64_t cut = p->cut_usec, grown = p->grown_usec;
    double ceiling = p->ceiling;
    pace_init(p, max_rate, now_usec);
    p->paused_until_usec = pause;
    if (rate > 0 && (max_rate <= 0 || rate < max_rate)) {
        /* Still recovering: a reload is no reason to forget what the tenant said. */
        p->rate = rate;
        p->cut_usec = cut;
        p->grown_usec = grown;
        p->ceiling = ceiling > rate ? ceiling : rate * CEILING_FACTOR;
    }
}

static void grow(struct pace *p, uint64_t now_usec)
{
    if (!p->cut_usec)
        return;
    while (now_usec >= p->grown_usec + GROW_USEC) {
        p->grown_usec += GROW_USEC;
        p->rate *= GROW_FACTOR;
        double limit = p->max_rate > 0 ? p->max_rate : p->ceiling;
        if (p->rate >= limit) {
            p->rate = p->max_rate;
            p->cut_usec = 0;
            return;
        }
    }
}

static void fill(struct pace *p, uint64_t now_usec)
{
    grow(p, now_usec);
    if (now_usec > p->filled_usec) {
        p->tokens += p->rate * (double)(now_usec - p->filled_usec) / (double)USEC_PER_SEC;
        p->filled_usec = now_usec;
    }
    if (p->tokens > bucket_size(p))
        p->tokens = bucket_size(p);
}

uint64_t pace_wait(struct pace *p, uint64_t now_usec)
{
    if (now_usec < p->paused_until_usec)
        return p->paused_until_usec - now_usec;
    fill(p, now_usec);
    if (p->rate <= 0 || p->tokens >= 1.0)
        return 0;
    /* One microsecond more, so that rounding does not wake the loop for nothing. */
    return (uint64_t)((1.0 - p->tokens) / p->rate * (double)USEC_PER_SEC) + 1;
}

static void count(struct pace *p, uint64_t now_usec)
{
    if (now_usec >= p->window_usec + USEC_PER_SEC) {
        p->n_last_window = now_usec < p->window_usec + 2 * USEC_PER_SEC ? p->n_window : 0;
        p->window_usec = now_usec;
        p->n_window = 0;
    }
    p->n_window++;
}

void pace_take(struct pace *p, uint64_t now_usec)
{
    count(p, now_usec);
    if (p->rate > 0)
        p->tokens -= 1.0;
}

void pace_throttled(struct pace *p, uint64_t now_usec, uint64_t retry_after_usec)
{
    uint64_t until = now_usec + (retry_after_usec ? retry_after_usec : PLAIN_PAUSE);
    bool same_burst =
        p->cut_usec && (now_usec < p->cut_usec + BURST_USEC || now_usec < p->paused_until_usec);
    if (until > p->paused_until_usec)
        p->paused_until_usec = until;
    if (!same_burst)
        grow(p, now_usec);
    p->grown_usec = p->paused_until_usec;
    if (same_burst)
        return;
    if (p->rate <= 0) {
        p->rate = p->n_window > p->n_last_window ? p->n_window : p->n_last_window;
        p->ceiling = p->rate * CEILING_FACTOR;
    }
    p->rate /= 2;
    if (p->rate < MIN_RATE)
        p->rate = MIN_RATE;
    if (p->max_rate > 0 && p->rate > p->max_rate)
        p->rate = p->max_rate;
    if (p->max_rate <= 0 && p->ceiling < p->rate * 2)
        p->ceiling = p->rate * CEILING_FACTOR;
    p->cut_usec = now_usec ? now_usec : 1;
    p->tokens = 0;
    p->filled_usec = p->paused_until_usec;
}
