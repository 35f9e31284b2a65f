/*
 * The object that the rest of the program sees: its life, its timers, its status. How a
 * connection comes about is in connection.c; what a feed does with it, in feed-*.c.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "directory/connect.h"
#include "directory/private.h"
#include "directory/session.h"

/* Several doubts in a row (an OU moved out, then another) are one read. */
#define DOUBTS_PAUSE_USEC (2 * USEC_PER_SEC)

const char *directory_state_name(enum directory_state s)
{
    switch (s) {
    case DIRECTORY_STOPPED: return "stopped";
    case DIRECTORY_CONNECTING: return "connecting";
    case DIRECTORY_READING: return "reading";
    case DIRECTORY_FOLLOWING: return "following";
    case DIRECTORY_AWAY: return "away";
    case DIRECTORY_REFUSED: return "refused";
    }
    return "unknown";
}

void directory_arm(struct sd_event_source *source, uint64_t usec)
{
    sd_event_source_set_time_relative(source, usec);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void directory_set_state(struct directory *d, enum directory_state state)
{
    if (d->state != state)
        d->since_usec = clock_steady_usec();
    d->state = state;
    if (d->sink->changed)
        d->sink->changed(d->userdata);
}

static void end_once(struct directory *d)
{
    int r = d->failed;
    struct error e = d->failure;
    void (*done)(int, const struct error *, void *) = d->once_done;
    connection_drop(d);
    d->running = d->once = d->once_over = false;
    d->once_done = NULL;
    sd_event_source_set_enabled(d->retry, SD_EVENT_OFF);
    directory_set_state(d, DIRECTORY_STOPPED);
    if (done)
        done(r, &e, d->once_userdata); /* may free the directory */
}

/* Deals with what was noted from inside callbacks. */
static int on_settle(sd_event_source *source, void *userdata)
{
    (void)source;
    struct directory *d = userdata;
    if (d->once_over) {
        end_once(d);
        return 0;
    }
    if (d->begin_again) {
        d->begin_again = false;
        connection_drop(d);
        d->connected_usec = 0;
        d->address = NULL;
        directory_arm(d->retry, 0);
        directory_set_state(d, DIRECTORY_CONNECTING);
        return 0;
    }
    if (d->failed < 0) {
        struct error e = d->failure;
        int r = d->failed;
        connection_fail(d, r, d->refused, &e);
        return 0;
    }
    if (d->unsupported && d->session) {
        bool *refused =
            d->feed_kind == DIRECTORY_FEED_SYNCREPL ? &d->no_syncrepl : &d->no_dirsync;
        connection_drop_feed(d);
        *refused = true;
        connection_start_feed(d);
    }
    return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    connection_try(userdata);
    return 0;
}

static void read_fully(struct directory *d)
{
    d->full_wanted = true;
    if (d->feed && d->failed == 0)
        d->ops->request_full(d->feed);
}

static int on_full(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    log_debug("time for a full compare");
    read_fully(userdata);
    return 0;
}

static int on_comeback(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    connection_try_better(userdata);
    return 0;
}

static void on_beat(struct session_operation *o, int type, LDAPMessage **m, void *userdata)
{
    (void)o, (void)m;
    struct directory *d = userdata;
    if (type == LDAP_RES_SEARCH_RESULT)
        d->beat = session_operation_free(d->beat);
}

/* A frozen server still answers TCP's keep-alive; only a search shows that it lives. */
static int on_heartbeat(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    static const char *const nothing[] = {"1.1", NULL};
    struct directory *d = userdata;
    uint64_t now = clock_monotonic_usec();
    if (!d->session || d->failed < 0)
        return 0;
    uint64_t silent = now - session_last_heard_usec(d->session);
    struct session_request q = {
        .base = "",
        .scope = LDAP_SCOPE_BASE,
        .filter = "(objectClass=*)",
        .attributes = nothing,
        .timeout_usec = d->options.search_timeout_usec,
    };
    struct error e = {};
    if (silent >= d->options.keepalive_usec && !d->beat &&
        session_search(d->session, &d->beat, &q, on_beat, d, &e) < 0) {
        directory_feed_failed(&d->env, -ENOTCONN, &e);
        return 0;
    }
    directory_arm(d->heartbeat, d->options.keepalive_usec);
    return 0;
}

void directory_feed_caught_up(struct feed_environment *env, bool full)
{
    struct directory *d = env->directory;
    if (full) {
        d->full_wanted = false;
        d->last_full_read_usec = clock_now_usec();
    }
    address_worked(d->address);
    d->has_error = false;
    if (d->away_logged)
        log_event(LOG_NOTICE, MSG_DIRECTORY_BACK, "The directory is followed again, from %s",
                  session_uri(d->session));
    d->away_logged = false;
    if (d->once) {
        d->once_over = true;
        sd_event_source_set_enabled(d->settle, SD_EVENT_ONESHOT);
        return;
    }
    if (d->options.full_interval_usec > 0) {
        int on = SD_EVENT_OFF;
        sd_event_source_get_enabled(d->full, &on);
        if (full || on == SD_EVENT_OFF)
            directory_arm(d->full, d->options.full_interval_usec);
    }
    if (d->state != DIRECTORY_FOLLOWING)
        directory_set_state(d, DIRECTORY_FOLLOWING);
}

void directory_feed_committed(struct feed_environment *env, const struct feed_commit *commit)
{
    struct directory *d = env->directory;
    if (commit->n_entries > 0 || commit->absence == FEED_ABSENCE_NONE)
        d->last_change_usec = clock_now_usec();
}

void directory_feed_doubts(struct feed_environment *env, const char *why)
{
    struct directory *d = env->directory;
    int on = SD_EVENT_OFF;
    log_debug("a full compare will follow: %s", why);
    sd_event_source_get_enabled(d->doubts, &on);
    if (on == SD_EVENT_OFF)
        directory_arm(d->doubts, DOUBTS_PAUSE_USEC);
    d->full_wanted = true;
}

static int add_timer(struct directory *d, struct sd_event_source **ret,
                     sd_event_time_handler_t handler)
{
    int r = sd_event_add_time_relative(d->event, ret, CLOCK_MONOTONIC, 0, 1000, handler, d);
    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int add_sources(struct directory *d, struct error *e)
{
    int r = add_timer(d, &d->retry, on_retry);
    if (r >= 0)
        r = add_timer(d, &d->full, on_full);
    if (r >= 0)
        r = add_timer(d, &d->doubts, on_full);
    if (r >= 0)
        r = add_timer(d, &d->heartbeat, on_heartbeat);
    if (r >= 0)
        r = add_timer(d, &d->comeback, on_comeback);
    if (r >= 0)
        r = sd_event_add_defer(d->event, &d->settle, on_settle, d);
    if (r >= 0)
        r = sd_event_source_set_enabled(d->settle, SD_EVENT_OFF);
    return r < 0 ? error_set(e, r, "cannot make timers for the directory: %s", strerror(-r))
                 : 0;
}

static int check_options(const struct directory_options *o, struct error *e)
{
    enum connect_tls tls;
    for (size_t i = 0; i < o->n_uris; i++) {
        CLEANUP(freep) char *domain = address_domain(o->uris[i]);
        int r = domain ? 0 : connect_tls_of(o, o->uris[i], &tls, e);
        if (r < 0)
            return r;
    }
    if (o->bind == DIRECTORY_BIND_SIMPLE && (!o->bind_dn || !o->bind_password_file))
        return error_set(e, -EINVAL, "a simple bind needs bind_dn and bind_password_file");
    return 0;
}

static int copy_attributes(struct string_list *to, const struct string_list *from,
                           struct error *e)
{
    CLEANUP(string_list_done) struct string_list copy = {};
    for (size_t i = 0; i < from->n_items; i++)
        if (string_list_add(&copy, from->items[i]) < 0)
            return error_out_of_memory(e);
    string_list_done(to);
    *to = copy;
    copy = (struct string_list){};
    return 0;
}

int directory_refresh_attributes(struct directory *d, struct error *e)
{
    return d->sink->attributes
               ? copy_attributes(&d->attributes, d->sink->attributes(d->userdata), e)
               : 0;
}

int directory_new(struct directory **ret, struct sd_event *event,
                  const struct directory_options *options, const struct string_list *attributes,
                  const struct feed_sink *sink, void *userdata, struct error *e)
{
    int r = check_options(options, e);
    if (r < 0)
        return r;
    connect_prepare_process(options);
    struct directory *d = calloc(1, sizeof *d);
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
        r = copy_attributes(&d->attributes, attributes, e);
    if (r == 0)
        r = plan_bases(d, e);
    if (r == 0)
        r = address_list_new(&d->addresses, options->uris, options->n_uris, e);
    if (r == 0)
        r = add_sources(d, e);
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
    if (d->settle)
        connection_drop(d);
    d->retry = sd_event_source_disable_unref(d->retry);
    d->settle = sd_event_source_disable_unref(d->settle);
    d->full = sd_event_source_disable_unref(d->full);
    d->doubts = sd_event_source_disable_unref(d->doubts);
    d->heartbeat = sd_event_source_disable_unref(d->heartbeat);
    d->comeback = sd_event_source_disable_unref(d->comeback);
    address_list_free(d->addresses);
    for (unsigned i = 0; i < ARRAY_SIZE(d->searches); i++) {
        free(d->searches[i].base);
        free(d->searches[i].base_key);
        free(d->searches[i].filter);
        free(d->searches[i].groups);
        free(d->searches[i].persons);
    }
    string_list_done(&d->attributes);
    directory_options_done(&d->options);
    free(d->status_uri);
    free(d->status_product);
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
    d->n_attempts = 0;
    directory_arm(d->retry, 0);
    directory_set_state(d, DIRECTORY_CONNECTING);
    return 0;
}

int directory_start(struct directory *d, struct error *e)
{
    return start(d, false, e);
}

int directory_read_once(struct directory *d,
                        void (*done)(int r, const struct error *e, void *userdata),
                        void *userdata, struct error *e)
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
    if (d->running && !d->session && !d->connect && !d->resolve) {
        /* A person asks, perhaps after repairing a password: no pause. */
        address_try_now(d->addresses);
        directory_arm(d->retry, 0);
        return;
    }
    directory_arm(d->doubts, 0);
}

static bool same_names(const struct string_list *a, const struct string_list *b)
{
    bool same = a->n_items == b->n_items;
    for (size_t i = 0; i < a->n_items && same; i++)
        same = string_list_contains(b, a->items[i]);
    return same;
}

int directory_set_attributes(struct directory *d, const struct string_list *attributes,
                             struct error *e)
{
    if (same_names(&d->attributes, attributes))
        return 0;
    int r = copy_attributes(&d->attributes, attributes, e);
    if (r < 0 || !d->running)
        return r;
    /* The cookie was made with other attributes: the next connection will not use it. We may
     * have been called from inside the sink. */
    d->begin_again = true;
    if (d->session)
        session_stop(d->session);
    sd_event_source_set_enabled(d->settle, SD_EVENT_ONESHOT);
    return 0;
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
    *ret = (struct directory_status){
        .state = d->state,
        .uri = d->status_uri,
        .product = d->status_product,
        .feed = d->feed_kind,
        .feed_reason = d->feed_reason[0] ? d->feed_reason : NULL,
        .base_doubt = d->status_base_doubt[0] ? d->status_base_doubt : NULL,
        .error = d->has_error ? d->last_error.message : NULL,
        .since_usec = d->since_usec,
        .next_attempt_usec = d->next_attempt_usec,
        .last_change_usec = d->last_change_usec,
        .last_full_read_usec = d->last_full_read_usec,
        .n_reconnects = d->n_reconnects,
        .n_entries = d->session ? session_n_entries(d->session) : 0,
        .certificate_expires_usec = d->certificate_expires_usec,
    };
}
