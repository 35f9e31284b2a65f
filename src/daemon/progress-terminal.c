/*
 * How far --once and --dry-run are, for whoever waits at a terminal: the reading, the looking
 * at people, the writing.
 */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/meter.h"
#include "base/timer.h"
#include "daemon/daemon.h"
#include "state/mirror.h"
#include "state/person.h"

#define SHOW_USEC (250 * USEC_PER_MSEC)

struct progress_line {
    struct meter meter;
    sd_event_source *timer;
    size_t n_dirty, n_read_before; /* to look at, at the most; that an earlier read left */
};

static void show(struct daemon *d)
{
    struct progress_line *l = d->progress_line;
    struct directory_status s = {0};
    struct progress_now p;
    size_t left = person_count_dirty(d->state);
    if (d->directory)
        directory_status(d->directory, &s);
    if (left > l->n_dirty)
        l->n_dirty = left;
    if (!d->read_done && d->directory)
        meter_show(&l->meter, "Reading the directory", s.n_entries, l->n_read_before, METER_THINGS);
    else if (left)
        meter_show(&l->meter, "Evaluating people", l->n_dirty - left, l->n_dirty, METER_THINGS);
    else if (progress_of(d, &p))
        meter_show(&l->meter, "Writing to the tenant", p.done, p.total, METER_THINGS);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)usec;
    show(userdata);
    (void)sd_event_source_set_time_relative(source, SHOW_USEC);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

/* Only where somebody looks on; a failure costs nobody more than the line. */
void progress_show(struct daemon *d)
{
    struct mirror_counts n = {0};
    struct error e = {0};
    if (!d->once || isatty(STDERR_FILENO) != 1)
        return;
    struct progress_line *l = d->progress_line = calloc(1, sizeof(*l));
    if (!l)
        return;
    if (mirror_counts(d->state, &n, &e) == 0)
        l->n_read_before = n.people + n.groups + n.containers;
    (void)timer_in(d->event, &l->timer, SHOW_USEC, on_time, d);
}

void progress_hide(struct daemon *d)
{
    if (!d->progress_line)
        return;
    sd_event_source_disable_unref(d->progress_line->timer);
    meter_end(&d->progress_line->meter);
    free(d->progress_line);
    d->progress_line = NULL;
}
