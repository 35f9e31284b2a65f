/*
 * How far a long load is: looked at once a second while there is one, for `status`, for STATUS=
 * of the service manager and for one line of the log at each tenth. What is due is counted, not
 * guessed: the total grows while people are still being looked at.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "daemon/daemon.h"
#include "state/link.h"
#include "state/queue.h"

/* A load is long, and worth lines of the log, from here on. */
#define LONG_LOAD      100
#define LONG_LOAD_USEC (2 * USEC_PER_SEC)
/* Between two looks while nothing is due: nobody is woken each second for nothing. */
#define IDLE_USEC (10 * USEC_PER_SEC)

struct progress {
    uint64_t since_usec; /* monotonic; 0: nothing is due */
    size_t done, left;
    double rate; /* a second */
    unsigned tenths;
    bool is_long;
    uint64_t n_done, looked_usec; /* at the last look */
    bool was_idle;                /* likewise, and … */
    uint64_t n_done_before;       /* … how many operations were done by then */
    bool has_rested;              /* the state gave back its pages, … */
    int n_changes_at_rest;        /* … after so many changes */
    sd_event_source *timer;
    char told[320]; /* what the service manager was told */
};

static const char *const tenant_words[] = {
    [ENGINE_TENANT_OK] = "tenant ok",
    [ENGINE_TENANT_AWAY] = "tenant away",
    [ENGINE_TENANT_REFUSED] = "tenant refuses the account",
    [ENGINE_TENANT_NO_SECRET] = "the tenant's client secret cannot be read",
    [ENGINE_TENANT_UNKNOWN] = "tenant not asked yet",
};

bool progress_of(const struct daemon *d, struct progress_now *ret)
{
    const struct progress *p = d->progress;
    if (!p || !p->since_usec)
        return false;
    *ret = (struct progress_now){
        .done = p->done,
        .total = p->done + p->left,
        .rate = p->rate,
        .left_usec = p->rate > 0.05 ? (uint64_t)((double)p->left / p->rate * 1e6) : 0,
        .since_usec = p->since_usec};
    return true;
}

static void say_tenth(struct progress *p, uint64_t now_usec)
{
    size_t total = p->done + p->left;
    unsigned tenth = (unsigned)(10 * p->done / total);
    char left[64];
    if (tenth <= p->tenths || total < LONG_LOAD || now_usec - p->since_usec < LONG_LOAD_USEC)
        return;
    p->tenths = tenth;
    p->is_long = true;
    uint64_t left_usec = p->rate > 0.05 ? (uint64_t)((double)p->left / p->rate * 1e6) : 0;
    text_format_duration(left, sizeof(left), left_usec - left_usec % USEC_PER_SEC);
    if (p->left)
        log_notice("%zu of %zu changes are written, %.1f a second, about %s left", p->done, total,
                   p->rate, left);
}

static void end_load(struct progress *p, uint64_t now_usec)
{
    char took[64];
    uint64_t usec = now_usec - p->since_usec;
    text_format_duration(took, sizeof(took), usec - usec % USEC_PER_SEC);
    if (p->is_long)
        log_notice("%zu %s written in %s", p->done, p->done == 1 ? "change was" : "changes were",
                   took);
    p->since_usec = 0;
    p->done = p->left = 0;
    p->rate = 0;
    p->tenths = 0;
    p->is_long = false;
}

/* The rate is that of the last ten seconds or so. */
static void follow(struct progress *p, size_t left, uint64_t n_done, uint64_t now_usec)
{
    double seconds = (double)(now_usec - p->looked_usec) / 1e6;
    uint64_t n = n_done - p->n_done;
    p->n_done = n_done;
    p->looked_usec = now_usec;
    if (!p->since_usec && !left)
        return;
    if (!p->since_usec)
        p->since_usec = now_usec;
    p->done += n;
    p->left = left;
    if (seconds > 0.01) {
        double rate = (double)n / seconds, weight = seconds < 10 ? seconds / 10 : 1;
        p->rate = p->rate > 0 ? p->rate + (rate - p->rate) * (p->done > 50 ? weight : 0.5) : rate;
    }
    if (p->done)
        say_tenth(p, now_usec);
    if (!left)
        end_load(p, now_usec);
}

static int look(struct daemon *d, struct queue_counts *c, struct error *e)
{
    size_t waiting = 0;
    struct engine_status es;
    engine_status(d->engine, &es);
    int r = queue_counts(d->state, c, e);
    if (r == 0)
        r = queue_count_waiting(d->state, clock_steady_usec(), &waiting, e);
    if (r < 0)
        return r;
    size_t ready = queue_count_of(c, OPERATION_READY);
    size_t left = (ready > waiting ? ready - waiting : 0) + queue_count_of(c, OPERATION_STARTED);
    bool moves = !es.paused && !es.observing && !es.state_failed && es.tenant == ENGINE_TENANT_OK;
    follow(d->progress, moves ? left : 0, es.n_done, clock_monotonic_usec());
    return 0;
}

static void add(char *text, size_t size, size_t n, const char *what)
{
    size_t used = strlen(text);
    if (n)
        snprintf(text + used, size - used, ", %zu %s", n, what);
}

/* In short, with counts: `systemctl status` shows it. */
static void tell(struct daemon *d, const struct queue_counts *c)
{
    struct directory_status ds = {0};
    struct engine_status es;
    struct progress_now now;
    char text[sizeof(d->progress->told)];
    if (d->directory)
        directory_status(d->directory, &ds);
    engine_status(d->engine, &es);
    snprintf(text, sizeof(text), "%s%sdirectory %s, %s%s",
             es.observing ? "observing, nothing is written; " : "",
             es.paused ? "paused, nothing is written; " : "", directory_state_name(ds.state),
             tenant_words[es.tenant],
             es.state_failed  ? ", state file failed"
             : es.audit_error ? ", audit file failed"
                              : "");
    size_t n_users = link_count(d->state, LINK_ACTIVE);
    add(text, sizeof(text), n_users, n_users == 1 ? "user" : "users");
    if (c) {
        size_t n_parked = queue_count_of(c, OPERATION_PARKED);
        add(text, sizeof(text), n_parked, n_parked == 1 ? "waits for you" : "wait for you");
        add(text, sizeof(text), queue_count_of(c, OPERATION_HELD), "held");
    }
    if (progress_of(d, &now) && now.total >= LONG_LOAD) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, ", %zu of %zu written", now.done, now.total);
    }
    if (strcmp(text, d->progress->told) == 0)
        return;
    snprintf(d->progress->told, sizeof(d->progress->told), "%s", text);
    sd_notifyf(0, "STATUS=%s", text);
}

void progress_tell(struct daemon *d)
{
    struct queue_counts c = {0};
    struct error e = {0};
    if (d->progress)
        tell(d, queue_counts(d->state, &c, &e) < 0 ? NULL : &c);
}

/* After ten seconds in which nothing was done, what a load of thousands took is given back; the
 * pages of the state once, since each look would only read the same ones again. */
static void rest(struct daemon *d, bool idle)
{
    struct progress *p = d->progress;
    struct engine_status es;
    engine_status(d->engine, &es);
    if (idle && p->was_idle && es.n_done == p->n_done_before) {
        int n_changes = state_n_changes(d->state);
        if (!p->has_rested || n_changes != p->n_changes_at_rest)
            state_rest(d->state);
        p->has_rested = true;
        p->n_changes_at_rest = n_changes;
        memory_rest();
    }
    p->was_idle = idle;
    p->n_done_before = es.n_done;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct daemon *d = userdata;
    struct queue_counts c = {0};
    struct error e = {0};
    (void)usec;
    if (look(d, &c, &e) == 0 && d->directory)
        tell(d, &c);
    bool idle = !d->progress->since_usec && engine_is_idle(d->engine);
    rest(d, idle);
    (void)sd_event_source_set_time_relative(source, idle ? IDLE_USEC : USEC_PER_SEC);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

int progress_start(struct daemon *d, struct error *e)
{
    if (d->dry_run)
        return 0;
    d->progress = calloc(1, sizeof(*d->progress));
    if (!d->progress)
        return error_out_of_memory(e);
    d->progress->looked_usec = clock_monotonic_usec();
    int r = timer_in(d->event, &d->progress->timer, USEC_PER_SEC, on_time, d);
    return r < 0 ? error_set(e, r, "the timer of the progress: %s", strerror(-r)) : 0;
}

void progress_stop(struct daemon *d)
{
    if (d->progress)
        sd_event_source_disable_unref(d->progress->timer);
    free(d->progress);
    d->progress = NULL;
}
