/*
 * The object that the rest of the program sees: its life, its timers, its status. How a
 * connection comes about is in connection.c; which feed runs over it, in feeding.c; what a feed
 * does with it, in feed-*.c. What they report from inside callbacks is noted and dealt with on
 * the loop's next turn.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "directory/connect.h"
#include "directory/connection.h"
#include "directory/doubts.h"
#include "directory/feeding.h"
#include "directory/libldap.h"
#include "directory/searches.h"
#include "directory/session.h"
#include "directory/unanswered.h"

struct directory {
    struct sd_event *event;
    struct directory_options options;
    const struct feed_sink *sink;
    void *userdata;
    struct searches searches;
    struct feeding *feeding;
    struct connection *connection;
    struct unanswered *unanswered;
    struct doubts *doubts;
    sd_event_source *settle, *full;
    bool running, once, quiet;
    void (*searched)(const struct directory_search *s, void *userdata);
    void *searched_userdata;

    /* of a read that is done once */
    void (*once_done)(int r, const struct error *e, void *userdata);
    void *once_userdata;
    bool once_over;
    int once_r;
    size_t n_attempts;

    bool begin_again; /* other attributes are to be read */
    bool full_wanted;
    bool unproven; /* of this read, not all may have come */

    /* status */
    enum directory_state state;
    bool has_error, away_logged;
    struct error last_error;
    uint64_t since_usec, last_change_usec;
    uint64_t full_usec; /* steady: when everything was compared last; 0: nobody knows */
};

static void set_state(struct directory *d, enum directory_state state)
{
    if (d->state != state)
        d->since_usec = clock_steady_usec();
    d->state = state;
    if (d->sink->changed)
        d->sink->changed(state, d->userdata);
}

static void settle_soon(struct directory *d)
{
    sd_event_source_set_enabled(d->settle, SD_EVENT_ONESHOT);
}

static void end_once(struct directory *d)
{
    int r = d->once_r;
    struct error e = d->last_error;
    void (*done)(int, const struct error *, void *) = d->once_done;
    connection_stop(d->connection);
    d->running = d->once = d->once_over = false;
    d->once_done = NULL;
    set_state(d, DIRECTORY_STOPPED);
    if (done) /* may free the directory */
        done(r, &e, d->once_userdata);
}

/* Deals with what was noted from inside callbacks. */
static int on_settle(sd_event_source *source, void *userdata)
{
    (void)source;
    struct directory *d = userdata;
    if (d->once_over) {
        end_once(d);
    } else if (d->begin_again) {
        d->begin_again = false;
        connection_again(d->connection);
        set_state(d, DIRECTORY_CONNECTING);
    } else if (!connection_settle(d->connection)) {
        feeding_settle(d->feeding, d->full_wanted);
    }
    return 0;
}

static int on_full(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    struct directory *d = userdata;
    d->full_wanted = true;
    if (!feeding_is_reading(d->feeding)) /* else what was noted is of that read */
        unanswered_begin(d->unanswered);
    if (!connection_has_failed(d->connection))
        feeding_request_full(d->feeding);
    return 0;
}

/* A read that is going on asks all of that anew, and its end waits again if it must. */
static int on_ask_again(sd_event_source *source, uint64_t usec, void *userdata)
{
    const struct directory *d = userdata;
    return feeding_is_reading(d->feeding) ? 0 : on_full(source, usec, userdata);
}

/* -- what a feed tells -- */

static void on_feed_failed(int r, const struct error *e, void *owner)
{
    struct directory *d = owner;
    connection_note_failure(d->connection, r, e);
}

static void on_feed_unsupported(const struct error *e, void *owner)
{
    struct directory *d = owner;
    feeding_note_unsupported(d->feeding, e);
    settle_soon(d);
}

static void on_feed_begins(void *owner)
{
    set_state(owner, DIRECTORY_READING);
}

/* Neither over a new connection nor after a new start the interval begins anew: where those come
 * more often than that, everything would never be compared. */
static uint64_t until_full(const struct directory *d, uint64_t interval)
{
    uint64_t now = clock_steady_usec(), due = d->full_usec + interval;
    return d->full_usec && now < due ? due - now : 0;
}

static void on_caught_up(bool full, void *owner)
{
    struct directory *d = owner;
    if (full)
        doubts_settled(d->doubts);
    if (unanswered_wait(d->unanswered, d->once)) {
        d->full_wanted = true; /* also over another connection */
    } else if (full) {
        d->full_wanted = false;
        d->full_usec = d->unproven ? d->full_usec : clock_steady_usec();
        unanswered_end(d->unanswered, !d->unproven);
    }
    d->unproven = false;
    feeding_read_is_over(d->feeding);
    connection_worked(d->connection);
    d->has_error = false;
    if (d->away_logged)
        log_event(LOG_NOTICE, MSG_DIRECTORY_BACK, "The directory is followed again, from %s",
                  connection_uri(d->connection));
    d->away_logged = false;
    if (d->once) {
        d->once_over = true;
        settle_soon(d);
        return;
    }
    uint64_t interval = d->options.full_interval_usec;
    if (interval > 0 && (full || !timer_is_armed(d->full)))
        timer_arm(d->full, full ? interval : until_full(d, interval));
    if (d->state != DIRECTORY_FOLLOWING)
        set_state(d, DIRECTORY_FOLLOWING);
}

static void on_committed(const struct feed_commit *commit, void *owner)
{
    struct directory *d = owner;
    if (commit->n_entries > 0 || commit->absence == FEED_ABSENCE_NONE)
        d->last_change_usec = clock_now_usec();
    d->unproven |= commit->absence == FEED_ABSENCE_UNPROVEN;
    feeding_committed(d->feeding);
}

static void on_doubts(const char *why, void *owner)
{
    struct directory *d = owner;
    log_debug("a full compare will follow: %s", why);
    doubts_note(d->doubts);
    d->full_wanted = true;
}

static void on_unanswered(const char *why, void *owner)
{
    struct directory *d = owner;
    unanswered_note(d->unanswered, why);
    d->full_wanted = true; /* also when the connection is lost before this read ends */
    if (d->state == DIRECTORY_FOLLOWING && !feeding_is_reading(d->feeding))
        unanswered_wait(d->unanswered, false);
}

/* -- what the connection tells -- */

static void on_state(enum directory_state state, void *owner)
{
    set_state(owner, state);
}

static void on_up(struct session *session, struct rootdse *server, void *owner)
{
    struct directory *d = owner;
    struct feeding_request q = {
        .session = session,
        .server = server,
        .once = d->once,
        .force_full = d->full_wanted,
        .quiet = d->quiet,
    };
    d->unproven = false;
    feeding_start(d->feeding, &q);
}

static void on_dropping(void *owner)
{
    struct directory *d = owner;
    feeding_stop(d->feeding);
    unanswered_begin(d->unanswered);
    sd_event_source_set_enabled(d->full, SD_EVENT_OFF);
    doubts_stop(d->doubts);
}

static void tell_away(struct directory *d, const struct error *e)
{
    if (d->away_logged || d->quiet) {
        log_debug("%s", e->message);
        return;
    }
    d->away_logged = true;
    log_event(LOG_WARNING, MSG_DIRECTORY_AWAY, "The directory cannot be followed: %s", e->message);
}

static bool on_failed(int r, const struct error *e, void *owner)
{
    struct directory *d = owner;
    d->last_error = *e;
    d->has_error = true;
    tell_away(d, e);
    if (!d->once || ++d->n_attempts < connection_n_addresses(d->connection))
        return true;
    d->once_r = r;
    d->once_over = true;
    settle_soon(d);
    return false;
}

static void on_noted(void *owner)
{
    settle_soon(owner);
}

static bool may_leave(void *owner)
{
    const struct directory *d = owner;
    return d->state == DIRECTORY_FOLLOWING;
}

static void on_turn(bool drained, void *owner)
{
    struct directory *d = owner;
    feeding_turn(d->feeding, drained);
}

static void on_searched(const char *uri, const struct session_request *request, void *owner)
{
    struct directory *d = owner;
    struct directory_search search = {
        .uri = uri,
        .base = request->base,
        .filter = request->filter,
        .scope = request->scope,
        .attributes = request->attributes,
        .paged = libldap_control(request->controls, LIBLDAP_OID_PAGED) != NULL,
        .synchronises = libldap_control(request->controls, LIBLDAP_OID_SYNC) != NULL,
    };
    if (d->searched)
        d->searched(&search, d->searched_userdata);
}

/* -- life -- */

static int add_sources(struct directory *d, struct error *e)
{
    int r = timer_add(d->event, &d->full, on_full, d);
    if (r >= 0)
        r = sd_event_add_defer(d->event, &d->settle, on_settle, d);
    if (r >= 0)
        r = sd_event_source_set_enabled(d->settle, SD_EVENT_OFF);
    if (r < 0)
        return error_set(e, r, "cannot make timers for the directory: %s", strerror(-r));
    r = doubts_new(&d->doubts, d->event, on_full, d, e);
    if (r == 0)
        r = unanswered_new(&d->unanswered, d->sink, d->userdata, d->event, on_ask_again, d, e);
    return r;
}

static int add_owners(struct directory *d, const struct string_list *attributes, struct error *e)
{
    static const struct feeding_events feeding_events = {
        .news = {.failed = on_feed_failed,
                 .unsupported = on_feed_unsupported,
                 .caught_up = on_caught_up,
                 .committed = on_committed,
                 .doubts = on_doubts,
                 .unanswered = on_unanswered},
        .begins = on_feed_begins,
    };
    static const struct connection_events connection_events = {
        .state = on_state,
        .up = on_up,
        .dropping = on_dropping,
        .failed = on_failed,
        .settle = on_noted,
        .may_leave = may_leave,
        .turn = on_turn,
        .searched = on_searched,
    };
    const char *bases[DIRECTORY_MAX_SEARCHES];
    for (unsigned i = 0; i < d->searches.n_items; i++)
        bases[i] = d->searches.items[i].base;
    int r = feeding_new(&d->feeding, d->event, &d->options, &d->searches, attributes, d->sink,
                        d->userdata, &feeding_events, d, e);
    if (r == 0)
        r = connection_new(&d->connection, d->event, &d->options, bases, d->searches.n_items,
                           &connection_events, d, e);
    return r;
}

int directory_new(struct directory **ret, struct sd_event *event,
                  const struct directory_options *options, const struct string_list *attributes,
                  const struct feed_sink *sink, void *userdata, struct error *e)
{
    int r = connect_check_options(options, e);
    if (r < 0)
        return r;
    connect_prepare_process(options);
    struct directory *d = calloc(1, sizeof(*d));
    if (!d)
        return error_out_of_memory(e);
    d->event = sd_event_ref(event);
    d->sink = sink;
    d->userdata = userdata;
    d->since_usec = clock_steady_usec();
    r = directory_options_copy(&d->options, options);
    if (r < 0)
        error_out_of_memory(e);
    if (r == 0)
        r = searches_init(&d->searches, &d->options, e);
    if (r == 0)
        r = add_sources(d, e);
    if (r == 0)
        r = add_owners(d, attributes, e);
    if (r < 0) {
        directory_free(d);
        return r;
    }
    *ret = d;
    return 0;
}

struct directory *directory_free(struct directory *d)
{
    if (!d)
        return NULL;
    d->connection = connection_free(d->connection);
    d->feeding = feeding_free(d->feeding);
    d->settle = sd_event_source_disable_unref(d->settle);
    d->full = sd_event_source_disable_unref(d->full);
    d->doubts = doubts_free(d->doubts);
    d->unanswered = unanswered_free(d->unanswered);
    searches_done(&d->searches);
    directory_options_done(&d->options);
    sd_event_unref(d->event);
    free(d);
    return NULL;
}

static int start(struct directory *d, bool once, struct error *e)
{
    if (d->running)
        return error_set(e, -EALREADY, "the directory is already being followed");
    d->running = true;
    d->once = once;
    d->once_over = false;
    d->once_r = 0;
    d->n_attempts = 0;
    connection_start(d->connection, !once);
    set_state(d, DIRECTORY_CONNECTING);
    return 0;
}

int directory_start(struct directory *d, struct error *e)
{
    d->full_usec =
        d->sink->compared_usec ? d->sink->compared_usec(d->userdata) : clock_steady_usec();
    return start(d, false, e);
}

int directory_read_once(struct directory *d,
                        void (*done)(int r, const struct error *e, void *userdata), void *userdata,
                        struct error *e)
{
    int r = start(d, true, e);
    if (r == 0) {
        d->once_done = done;
        d->once_userdata = userdata;
    }
    return r;
}

void directory_request_full_read(struct directory *d)
{
    d->full_wanted = true;
    /* A person asks, perhaps after repairing a password: no pause. */
    if (!d->running || !connection_try_now(d->connection))
        doubts_at_once(d->doubts);
}

/* We may have been called from inside the sink. */
static void begin_again(struct directory *d)
{
    d->begin_again = true;
    connection_silence(d->connection);
    settle_soon(d);
}

int directory_set_attributes(struct directory *d, const struct string_list *attributes,
                             struct error *e)
{
    int r = feeding_set_attributes(d->feeding, attributes, e);
    /* The cookie was made with other attributes: the next connection will not use it. */
    if (r > 0 && d->running)
        begin_again(d);
    return r < 0 ? r : 0;
}

void directory_slept(struct directory *d)
{
    if (d->state == DIRECTORY_FOLLOWING || d->state == DIRECTORY_READING)
        begin_again(d);
}

void directory_be_quiet(struct directory *d)
{
    d->quiet = true;
}

void directory_on_search(struct directory *d,
                         void (*fn)(const struct directory_search *s, void *userdata),
                         void *userdata)
{
    d->searched = fn;
    d->searched_userdata = userdata;
}

void directory_status(const struct directory *d, struct directory_status *ret)
{
    const char *reason = feeding_reason(d->feeding);
    struct connection_status c;
    connection_status(d->connection, &c);
    uint64_t next_usec = 0;
    const char *doubt = feeding_doubt(d->feeding, &next_usec);
    if (!doubt)
        doubt = unanswered_why(d->unanswered, &next_usec);
    *ret = (struct directory_status){
        .state = d->state,
        .uri = c.uri,
        .product = c.product,
        .feed = feeding_kind(d->feeding),
        .feed_reason = reason[0] ? reason : NULL,
        .base_doubt = c.base_doubt,
        .error = d->has_error ? d->last_error.message : doubt,
        .since_usec = d->since_usec,
        .next_attempt_usec = d->has_error || !doubt ? c.next_attempt_usec : next_usec,
        .last_change_usec = d->last_change_usec,
        .last_full_read_usec = d->full_usec ? clock_wall_of(d->full_usec) : 0,
        .n_reconnects = c.n_reconnects,
        .n_entries = c.n_entries,
        .certificate_expires_usec = c.certificate_expires_usec,
    };
}
