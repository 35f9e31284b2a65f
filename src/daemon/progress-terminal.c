/*
 * How far --once and --dry-run are, for whoever waits at a terminal: the reading, the looking
 * at people, the writing.
 */
#include "config.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/meter.h"
#include "base/timer.h"
#include "daemon/daemon.h"
#include "state/mirror.h"
#include "state/person.h"

#define SHOW_USEC (250 * USEC_PER_MSEC)

static void show(struct daemon *d)
{
    struct directory_status s = {0};
    struct progress_now p;
    size_t left = person_count_dirty(d->state);
    if (d->directory)
        directory_status(d->directory, &s);
    if (left > d->n_dirty)
        d->n_dirty = left;
    if (!d->read_done && d->directory)
        meter_show(&d->meter, "Reading the directory", s.n_entries, d->n_read_before, METER_THINGS);
    else if (left)
        meter_show(&d->meter, "Evaluating people", d->n_dirty - left, d->n_dirty, METER_THINGS);
    else if (progress_of(d, &p))
        meter_show(&d->meter, "Writing to the tenant", p.done, p.total, METER_THINGS);
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
    if (mirror_counts(d->state, &n, &e) == 0)
        d->n_read_before = n.people + n.groups + n.containers;
    (void)timer_in(d->event, &d->meter_timer, SHOW_USEC, on_time, d);
}

void progress_hide(struct daemon *d)
{
    d->meter_timer = sd_event_source_disable_unref(d->meter_timer);
    meter_end(&d->meter);
}
