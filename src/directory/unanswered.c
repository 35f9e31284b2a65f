/* When what was not answered is asked again. */
#include "config.h"

#include "directory/unanswered.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "base/timer.h"
#include "directory/environment.h"

struct unanswered {
    const struct feed_sink *sink;
    void *userdata;
    sd_event_source *timer;
    bool noted;
    unsigned n_waits; /* in a row */
    uint64_t next_usec;
    char why[320];
};

void unanswered_note(struct unanswered *u, const char *why)
{
    if (!u->noted)
        log_debug("not answered, and asked again: %s", why);
    u->noted = true;
    snprintf(u->why, sizeof(u->why), "%s", why);
}

void unanswered_begin(struct unanswered *u)
{
    u->noted = false;
    sd_event_source_set_enabled(u->timer, SD_EVENT_OFF);
}

static void tell(const struct unanswered *u, bool whole)
{
    if (u->sink->compared)
        u->sink->compared(whole, u->userdata);
}

bool unanswered_wait(struct unanswered *u, bool once)
{
    if (!u->noted || timer_is_armed(u->timer))
        return u->noted;
    if (!once) {
        uint64_t wait = backoff_wait(FEED_ASK_AGAIN_MIN_USEC, FEED_ASK_AGAIN_MAX_USEC, ++u->n_waits,
                                     random_number());
        u->next_usec = clock_steady_usec() + wait;
        timer_arm(u->timer, wait);
    }
    tell(u, false); /* also for another process */
    return true;
}

void unanswered_end(struct unanswered *u, bool whole)
{
    unanswered_begin(u);
    u->next_usec = 0;
    if (!whole) /* what was not answered then is not known to be answered */
        return;
    u->n_waits = 0;
    u->why[0] = '\0';
    tell(u, true);
}

const char *unanswered_why(const struct unanswered *u, uint64_t *ret_next_usec)
{
    *ret_next_usec = u->next_usec;
    return u->why[0] ? u->why : NULL;
}

int unanswered_new(struct unanswered **ret, const struct feed_sink *sink, void *userdata,
                   struct sd_event *event, sd_event_time_handler_t due, void *owner,
                   struct error *e)
{
    struct unanswered *u = calloc(1, sizeof(*u));
    if (!u)
        return error_out_of_memory(e);
    u->sink = sink;
    u->userdata = userdata;
    int r = timer_add(event, &u->timer, due, owner);
    if (r < 0) {
        unanswered_free(u);
        return error_set(e, r, "cannot make a timer for the directory: %s", strerror(-r));
    }
    *ret = u;
    return 0;
}

struct unanswered *unanswered_free(struct unanswered *u)
{
    if (!u)
        return NULL;
    u->timer = sd_event_source_disable_unref(u->timer);
    free(u);
    return NULL;
}
