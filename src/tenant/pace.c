/*
 * The pace towards the tenant. Many requests are in flight when the tenant begins to refuse, so
 * their refusals come as a burst: the rate is cut once for a burst, to what the tenant took of
 * it, at most by half, and only the pause grows with each. It
 * recovers by a quarter every ten seconds, so that a tenant that is still weak is not overrun
 * again at once. A refusal now and then among many requests is no burst: it cuts nothing, or a
 * tenant that refuses one in fifty would end near nothing.
 *
 * The configured rate is held in any second, wherever it begins, as the tenant counts: the bucket
 * smooths, and what may have arrived within a second (second.h) decides. So a tenant that answers
 * slowly gets a little less than the configured rate. A refusal that says something of one user
 * alone (refused.h) cuts nothing and stops nobody; that of the first one alone is known by the
 * second, which takes back what the first has cut.
 *
 * It does not know what a request is and never looks at a clock.
 */
#include "config.h"

#include "tenant/pace.h"

#include "base/clock.h"

#define MIN_RATE    0.2
#define BURST_USEC  (USEC_PER_SEC)
#define GROW_USEC   (10 * USEC_PER_SEC)
#define GROW_FACTOR 1.25
#define PLAIN_PAUSE (USEC_PER_SEC)
/* So long the word of one refusal is taken for everybody's, and what hurries waits. */
#define LONE_USEC      (60 * USEC_PER_SEC)
#define HURRIED_USEC   (60 * USEC_PER_SEC)
#define CEILING_FACTOR 4.0
/* How much of a second's requests may leave in one go. */
#define BUCKET_SECONDS 0.1
/* No burst: fewer than one in so many requests of the last two seconds. */
#define BURST_SHARE    10
#define BURST_AT_LEAST 3

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
        /* Another process may have sent as many a moment ago. */
        .tokens = max_rate < 1.0 ? 1.0 - max_rate : 0,
    };
}

void pace_done(struct pace *p)
{
    refused_done(&p->reads_refused);
    refused_done(&p->writes_refused);
}

void pace_set_max_rate(struct pace *p, double max_rate, uint64_t now_usec)
{
    p->max_rate = max_rate;
    p->tokens = 0;
    p->filled_usec = now_usec;
    /* Still recovering: a reload is no reason to forget what the tenant said. */
    if (p->cut_usec && (max_rate <= 0 || p->rate < max_rate)) {
        p->ceiling = p->ceiling > p->rate ? p->ceiling : p->rate * CEILING_FACTOR;
        return;
    }
    p->rate = max_rate;
    p->cut_usec = 0;
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

/* Until another one may arrive at the tenant without one too many in a second. */
static uint64_t wait_for_room(struct pace *p, uint64_t now_usec, size_t n_silent)
{
    if (p->max_rate <= 0)
        return 0;
    size_t most = p->max_rate > 1.0 ? (size_t)p->max_rate : 1, n = p->n_under_way - n_silent;
    return n >= most ? PACE_WAIT_FOR_END : second_wait(&p->ended, now_usec, most - n - 1);
}

uint64_t pace_wait(struct pace *p, uint64_t now_usec, size_t n_silent)
{
    if (now_usec < p->paused_until_usec)
        return p->paused_until_usec - now_usec;
    fill(p, now_usec);
    uint64_t room = wait_for_room(p, now_usec, n_silent);
    if (p->rate <= 0 || p->tokens >= 1.0)
        return room;
    /* One microsecond more, so that rounding does not wake the loop for nothing. */
    uint64_t wait = (uint64_t)((1.0 - p->tokens) / p->rate * (double)USEC_PER_SEC) + 1;
    return wait > room ? wait : room;
}

uint64_t pace_wait_hurried(struct pace *p, uint64_t now_usec, size_t n_silent)
{
    uint64_t at = p->taken_usec + HURRIED_USEC;
    if (now_usec >= p->paused_until_usec || p->paused_until_usec <= at)
        return pace_wait(p, now_usec, n_silent);
    return at > now_usec ? at - now_usec : wait_for_room(p, now_usec, n_silent);
}

static void turn_window(struct pace *p, uint64_t now_usec)
{
    if (now_usec < p->window_usec + USEC_PER_SEC)
        return;
    bool next = now_usec < p->window_usec + 2 * USEC_PER_SEC;
    p->n_last_window = next ? p->n_window : 0;
    p->n_last_refused = next ? p->n_refused : 0;
    p->n_last_written = next ? p->n_written : 0;
    p->window_usec = now_usec;
    p->n_window = p->n_refused = p->n_written = 0;
}

void pace_written(struct pace *p, uint64_t now_usec)
{
    turn_window(p, now_usec);
    p->n_written++;
}

unsigned pace_second(const struct pace *p, uint64_t now_usec)
{
    if (now_usec >= p->window_usec + 2 * USEC_PER_SEC)
        return 0;
    unsigned n = p->n_written > p->n_last_written ? p->n_written : p->n_last_written;
    return p->rate > 0 && n > p->rate ? (unsigned)p->rate + 1 : n; /* it was faster before */
}

void pace_take(struct pace *p, uint64_t now_usec)
{
    turn_window(p, now_usec);
    p->n_window++;
    p->n_under_way++;
    p->taken_usec = now_usec;
    if (p->rate > 0)
        p->tokens -= 1.0;
}

void pace_ended(struct pace *p, uint64_t now_usec)
{
    p->n_under_way--;
    second_add(&p->ended, now_usec);
}

/* A refusal among so many requests that it says little. */
static bool is_single(const struct pace *p)
{
    unsigned sent = p->n_window + p->n_last_window, refused = p->n_refused + p->n_last_refused;
    return p->rate > 0 && sent > BURST_SHARE &&
           (refused < BURST_AT_LEAST || refused * BURST_SHARE <= sent);
}

/* What the tenant took in a second of late; what it has not answered yet counts as taken. */
static double taken_rate(const struct pace *p, uint64_t now_usec)
{
    unsigned sent = p->n_window + p->n_last_window, refused = p->n_refused + p->n_last_refused;
    double seconds =
        (double)(now_usec - p->window_usec) / (double)USEC_PER_SEC + (p->n_last_window ? 1.0 : 0.0);
    return sent > refused ? (sent - refused) / (seconds < 1.0 ? 1.0 : seconds) : 0;
}

static void cut(struct pace *p, uint64_t now_usec)
{
    if (p->rate <= 0) {
        p->rate = p->n_window > p->n_last_window ? p->n_window : p->n_last_window;
        p->ceiling = p->rate * CEILING_FACTOR;
        p->rate /= 2;
    } else {
        double taken = taken_rate(p, now_usec);
        p->rate = taken > p->rate / 2 && taken < p->rate ? taken : p->rate / 2;
    }
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

static void pause_until(struct pace *p, uint64_t until_usec)
{
    if (until_usec > p->paused_until_usec)
        p->paused_until_usec = until_usec;
}

static struct refused *refused_of(struct pace *p, uint64_t who)
{
    return who & PACE_WRITES ? &p->writes_refused : &p->reads_refused;
}

void pace_served(struct pace *p, uint64_t who)
{
    bool alike = (who & PACE_WRITES) == (p->cut_who & PACE_WRITES);
    refused_served(refused_of(p, who), who);
    if ((who & PACE_WRITES) == (p->lone_who & PACE_WRITES) && who != p->lone_who && p->lone_who)
        p->lone_until_usec = 0;
    p->served_since |= alike && who != p->cut_who;
}

/* What was cut for one who is refused while others are served was cut for nothing. */
static void take_back(struct pace *p)
{
    p->rate = p->rate_before;
    p->cut_usec = 0;
    p->cut_who = 0;
}

/* A refusal speaks of the account (RFC 6585, 4), but it may be one user's call that it comes to
 * again and again. The next person who is refused tells: then it holds for as long as either
 * was told. */
static uint64_t until_when(struct pace *p, uint64_t now_usec, uint64_t retry_after_usec,
                           uint64_t who)
{
    uint64_t until = now_usec + retry_after_usec;
    bool stands = p->lone_until_usec > now_usec;
    if (stands && p->lone_until_usec > until)
        until = p->lone_until_usec;
    if (!who || (stands && (p->lone_who & ~PACE_WRITES) != (who & ~PACE_WRITES))) {
        p->lone_who = 0;
        p->lone_until_usec = until;
        return until;
    }
    p->lone_who = who;
    p->lone_until_usec = until;
    return until < now_usec + LONE_USEC ? until : now_usec + LONE_USEC;
}

void pace_throttled(struct pace *p, uint64_t now_usec, uint64_t retry_after_usec, uint64_t who)
{
    turn_window(p, now_usec);
    if (refused_is_own(refused_of(p, who), who)) {
        if (p->cut_usec && who == p->cut_who && p->served_since)
            take_back(p);
        return;
    }
    p->n_refused++;
    p->cut_who = 0;
    bool same_burst =
        p->cut_usec && (now_usec < p->cut_usec + BURST_USEC || now_usec < p->paused_until_usec);
    pause_until(p, until_when(p, now_usec, retry_after_usec, who));
    if (!same_burst && is_single(p))
        return;
    pause_until(p, now_usec + PLAIN_PAUSE);
    if (!same_burst)
        grow(p, now_usec);
    p->grown_usec = p->paused_until_usec;
    if (same_burst)
        return;
    bool whole = !p->cut_usec;
    p->rate_before = p->rate;
    cut(p, now_usec);
    p->cut_who = whole ? who : 0;
    p->served_since = false;
}
