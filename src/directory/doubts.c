/* When a whole read follows a doubt. */
#include "config.h"

#include "directory/doubts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/timer.h"

struct doubts {
    sd_event_source *timer;
    sd_event_time_handler_t due;
    void *owner;
    uint64_t began_usec; /* monotonic: the read that a doubt asked for; 0: none is under way */
    uint64_t took_usec, ended_usec; /* of the last one, if a doubt asked for it, else 0 */
};

uint64_t doubts_pause(uint64_t took_usec, uint64_t since_usec)
{
    uint64_t rest = took_usec * DOUBTS_REST;
    return rest > since_usec + DOUBTS_PAUSE_USEC ? rest - since_usec : DOUBTS_PAUSE_USEC;
}

void doubts_note(struct doubts *d)
{
    if (!timer_is_armed(d->timer))
        timer_arm(d->timer, doubts_pause(d->took_usec, clock_monotonic_usec() - d->ended_usec));
}

void doubts_at_once(struct doubts *d)
{
    timer_arm(d->timer, 0);
}

void doubts_stop(struct doubts *d)
{
    sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
    d->began_usec = 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct doubts *d = userdata;
    d->began_usec = clock_monotonic_usec();
    return d->due(source, usec, d->owner);
}

void doubts_settled(struct doubts *d)
{
    d->ended_usec = clock_monotonic_usec();
    d->took_usec = d->began_usec ? d->ended_usec - d->began_usec : 0;
    d->began_usec = 0;
}

int doubts_new(struct doubts **ret, struct sd_event *event, sd_event_time_handler_t due,
               void *owner, struct error *e)
{
    struct doubts *d = calloc(1, sizeof(*d));
    if (!d)
        return error_out_of_memory(e);
    d->due = due;
    d->owner = owner;
    int r = timer_add(event, &d->timer, on_time, d);
    if (r < 0) {
        doubts_free(d);
        return error_set(e, r, "cannot make a timer for the directory: %s", strerror(-r));
    }
    *ret = d;
    return 0;
}

struct doubts *doubts_free(struct doubts *d)
{
    if (!d)
        return NULL;
    sd_event_source_disable_unref(d->timer);
    free(d);
    return NULL;
}
