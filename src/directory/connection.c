/*
 * The way from a list of addresses to a running feed: resolve, connect, ask the server what it
 * is, choose the feed, start it; and the way back when something fails. What libldap or a feed
 * reports from inside a callback is only noted here and dealt with on the loop's next turn,
 * since the objects that call us cannot be freed under their own feet.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "directory/connect.h"
#include "directory/decode-raw.h"
#include "directory/libldap.h"
#include "directory/private.h"
#include "directory/rootdse.h"
#include "directory/session.h"
#include "directory/sights.h"
#include "directory/task.h"
#include "model/schema.h"

/* A connection that lived this long was a good one, whatever ended it. */
#define GOOD_CONNECTION_USEC (60 * USEC_PER_SEC)

void connection_drop_feed(struct directory *d)
{
    if (d->feed)
        d->ops->free(d->feed);
    d->feed = NULL;
    d->ops = NULL;
    if (d->env_ready) {
        decoder_done(&d->env.decoder);
        decoder_attributes_free(d->env.attributes);
    }
    d->env = (struct feed_environment){};
    d->env_ready = false;
}

void connection_drop(struct directory *d)
{
    d->connect = connect_free(d->connect);
    d->resolve = task_free(d->resolve);
    d->better = connect_free(d->better);
    d->better_address = NULL;
    d->beat = session_operation_free(d->beat);
    d->reading = rootdse_read_free(d->reading);
    d->sights = sights_free(d->sights);
    connection_drop_feed(d);
    d->session = session_free(d->session);
    d->server = rootdse_free(d->server);
    d->schema = NULL;
    d->no_syncrepl = d->no_dirsync = false;
    d->failed = 0;
    d->refused = d->unsupported = false;
    sd_event_source_set_enabled(d->full, SD_EVENT_OFF);
    sd_event_source_set_enabled(d->doubts, SD_EVENT_OFF);
    sd_event_source_set_enabled(d->heartbeat, SD_EVENT_OFF);
    sd_event_source_set_enabled(d->comeback, SD_EVENT_OFF);
}

static void tell_away(struct directory *d, const struct error *e)
{
    if (d->away_logged || d->quiet) {
        log_debug("%s", e->message);
        return;
    }
    d->away_logged = true;
    log_event(LOG_WARNING, MSG_DIRECTORY_AWAY, "The directory cannot be followed: %s",
              e->message);
}

void connection_fail(struct directory *d, int r, bool refused, const struct error *e)
{
    struct error copy = *e; /* it may lie in what is dropped */
    uint64_t now = clock_monotonic_usec();
    bool was_good = d->connected_usec > 0 && now - d->connected_usec > GOOD_CONNECTION_USEC;
    struct address *a = d->address;
    connection_drop(d);
    d->connected_usec = 0;
    d->address = NULL;
    if (a && was_good)
        address_worked(a);
    if (a)
        address_failed(a, refused, now);
    d->last_error = copy;
    d->has_error = true;
    d->n_reconnects++;
    tell_away(d, &copy);
    if (d->once && ++d->n_attempts >= address_count(d->addresses)) {
        d->failed = r;
        d->failure = copy;
        d->once_over = true;
        sd_event_source_set_enabled(d->settle, SD_EVENT_ONESHOT);
        return;
    }
    directory_arm(d->retry, 0);
    directory_set_state(d, DIRECTORY_CONNECTING);
}

/* From inside a callback of the session or of something that stands on it. */
static void note_failure(struct directory *d, int r, const struct error *e)
{
    if (d->failed < 0)
        return;
    d->failed = r;
    d->failure = *e;
    if (d->session)
        session_stop(d->session);
    sd_event_source_set_enabled(d->settle, SD_EVENT_ONESHOT);
}

void directory_feed_failed(struct feed_environment *env, int r, const struct error *e)
{
    note_failure(env->directory, r, e);
}

void directory_feed_unsupported(struct feed_environment *env, const struct error *e)
{
    struct directory *d = env->directory;
    log_debug("%s", e->message);
    d->unsupported = true;
    d->failure = *e;
    sd_event_source_set_enabled(d->settle, SD_EVENT_ONESHOT);
}

static void on_lost(struct session *s, int r, const struct error *e, void *userdata)
{
    (void)s;
    note_failure(userdata, r, e);
}

static void on_turn(struct session *s, bool drained, void *userdata)
{
    (void)s;
    struct directory *d = userdata;
    if (d->feed && d->ops->turn && d->failed == 0)
        d->ops->turn(d->feed, drained);
}

static int make_environment(struct directory *d, struct error *e)
{
    const struct directory_options *o = &d->options;
    const char *own = o->id_attribute, *usual = identity_attribute(d->server->identity);
    enum identity_kind identity = d->server->identity;
    if (own && (!usual || !text_equal_ascii_case(own, usual)))
        identity = IDENTITY_ATTRIBUTE;
    if (identity == 0)
        return error_set(
            e, -EINVAL,
            "%s shows none of entryUUID, objectGUID and nsUniqueId; name a lasting "
            "identity with [directory] id_attribute",
            session_uri(d->session));
    d->env = (struct feed_environment){
        .directory = d,
        .event = d->event,
        .options = o,
        .sink = d->sink,
        .userdata = d->userdata,
        .session = d->session,
        .server = d->server,
        .n_searches = d->n_searches,
        .once = d->once,
        .force_full = d->full_wanted,
    };
    int r = plan_keys(d, e);
    for (unsigned i = 0; i < d->n_searches && r == 0; i++) {
        d->env.searches[i] = d->searches[i];
        d->env.searches[i].base_visible = d->server->base_visible[i];
    }
    if (r == 0)
        r = decoder_init(&d->env.decoder, identity, d->server->identity,
                         d->server->product == PRODUCT_ACTIVE_DIRECTORY, o, &d->attributes,
                         d->schema, e);
    if (r < 0)
        return r;
    d->env_ready = true;
    if (d->ops->kind == DIRECTORY_FEED_POLL)
        d->env.decoder.watermark_attribute = feed_poll_watermark_attribute(d->server);
    /* RFC 4519 wants a member; these two do not. */
    d->env.decoder.groups_have_members = d->server->product != PRODUCT_389 &&
                                         d->server->product != PRODUCT_ACTIVE_DIRECTORY;
    d->env.decoder.children_attribute = rootdse_children_attribute(d->server);
    r = decode_raw_seal(&d->env.decoder, o, e);
    if (r < 0)
        return r;
    d->env.attributes = decoder_attributes(&d->env.decoder);
    return d->env.attributes ? 0 : error_out_of_memory(e);
}

static int tell_searches(struct directory *d, struct error *e)
{
    const char *bases[DIRECTORY_MAX_SEARCHES];
    for (unsigned i = 0; i < d->n_searches; i++)
        bases[i] = d->searches[i].base_key;
    return d->sink->searches(d->userdata, bases, d->n_searches, e);
}

void connection_start_feed(struct directory *d)
{
    struct error e = {};
    char reason[sizeof d->feed_reason];
    int r = plan_filters(d, &e);
    if (r == 0)
        r = directory_refresh_attributes(d, &e);
    if (r == 0) {
        d->ops = plan_feed(d, reason, sizeof reason);
        r = make_environment(d, &e);
    }
    if (r == 0 && d->unsupported) {
        /* The server's own words, if the choice fell on this feed because of them. */
        snprintf(d->feed_reason, sizeof d->feed_reason, "%.120s: %.120s", reason,
                 d->failure.message);
        d->unsupported = false;
    } else if (r == 0) {
        memcpy(d->feed_reason, reason, sizeof reason);
    }
    if (r == 0)
        r = tell_searches(d, &e);
    if (r == 0) {
        d->feed_kind = d->ops->kind;
        log_event(d->quiet ? LOG_DEBUG : LOG_NOTICE, MSG_FEED_CHOSEN, "Following %s (%s) by %s: %s",
                  session_uri(d->session), d->server->product_text,
                  directory_feed_name(d->feed_kind), d->feed_reason);
        directory_set_state(d, DIRECTORY_READING);
        r = d->ops->start(&d->feed, &d->env, &e);
    }
    if (r < 0)
        note_failure(d, r, &e);
}

static void on_sight(const char *dn, const char *sentence, void *userdata)
{
    struct directory *d = userdata;
    d->sink->group_sighted(d->userdata, dn, sentence);
}

static void on_sights_over(void *userdata)
{
    connection_start_feed(userdata);
}

static void on_sights_failed(int r, const struct error *e, void *userdata)
{
    note_failure(userdata, r, e);
}

/* Groups that rules name in vain are looked for first, so that what is said of them is so. */
static int look_for_groups(struct directory *d, bool *ret_started, struct error *e)
{
    static const struct sights_events events = {
        .tell = on_sight, .over = on_sights_over, .failed = on_sights_failed};
    CLEANUP(string_list_done) struct string_list wanted = {};
    const char *keys[SIGHTS_BASES_MAX], *bases[SIGHTS_BASES_MAX];
    size_t n = 0;
    *ret_started = false;
    d->sink->group_sighted(d->userdata, NULL, NULL);
    int r = d->sink->wanted_groups(d->userdata, &wanted, e);
    if (r == 0 && wanted.n_items > 0)
        r = plan_keys(d, e);
    if (r == 0 && wanted.n_items > 0)
        r = plan_filters(d, e);
    if (r < 0 || wanted.n_items == 0)
        return r;
    for (; n < d->n_searches && n < SIGHTS_BASES_MAX; n++) {
        keys[n] = d->searches[n].base_key;
        bases[n] = d->searches[n].base;
    }
    struct sights_request q = {
        .session = d->session,
        .dns = &wanted,
        .schema = d->schema,
        .base_keys = keys,
        .bases = bases,
        .n_bases = n,
        .groups = d->searches[d->n_searches - 1].groups,
        .timeout_usec = d->options.search_timeout_usec,
    };
    *ret_started = true;
    return sights_start(&d->sights, &q, &events, d, e);
}

static void on_read(int r, struct rootdse *taken, const struct error *e, void *userdata)
{
    struct directory *d = userdata;
    if (r < 0) {
        note_failure(d, r, e);
        return;
    }
    d->server = taken;
    free(d->status_product);
    d->status_product = strdup(taken->product_text ? taken->product_text : "");
    d->schema = d->sink->schema(d->userdata, TAKE(taken->schema));
    d->status_base_doubt[0] = '\0';
    if (!taken->base_visible[0]) {
        snprintf(d->status_base_doubt, sizeof d->status_base_doubt, "%s", taken->base_doubt);
        log_debug("the base %s cannot be seen: %s", d->searches[0].base, taken->base_doubt);
    }
    struct error own = {};
    bool started;
    r = look_for_groups(d, &started, &own);
    if (r < 0)
        note_failure(d, r, &own);
    else if (!started)
        connection_start_feed(d);
}

static void on_searched(struct session *s, const struct session_request *request, void *userdata)
{
    struct directory *d = userdata;
    struct directory_search search = {
        .uri = session_uri(s),
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

/* Takes ld. */
static void begin_session(struct directory *d, LDAP *ld)
{
    static const struct session_events events = {
        .lost = on_lost, .turn = on_turn, .searched = on_searched};
    const char *bases[DIRECTORY_MAX_SEARCHES];
    for (unsigned i = 0; i < d->n_searches; i++)
        bases[i] = d->searches[i].base;
    struct error e = {};
    uint64_t certificate_usec = connect_certificate_expires(ld);
    int r = session_new(&d->session, d->event, ld, d->address->uri, &events, d, &e);
    if (r == 0)
        r = rootdse_read_start(&d->reading, d->session, bases, d->n_searches,
                               d->options.search_timeout_usec, on_read, d, &e);
    if (r < 0) {
        connection_fail(d, r, false, &e);
        return;
    }
    d->connected_usec = clock_monotonic_usec();
    d->certificate_expires_usec = certificate_usec;
    if (d->options.keepalive_usec > 0)
        directory_arm(d->heartbeat, d->options.keepalive_usec);
    if (d->options.return_interval_usec > 0 && d->address->preference > 0 && !d->once)
        directory_arm(d->comeback, d->options.return_interval_usec);
}

static void on_connected(struct connect *c, enum connect_outcome outcome, LDAP *ld, int r,
                         const struct error *e, void *userdata)
{
    (void)c;
    struct directory *d = userdata;
    if (outcome != CONNECT_DONE) {
        connection_fail(d, r, outcome == CONNECT_REFUSED, e);
        return;
    }
    d->connect = connect_free(d->connect);
    begin_session(d, ld);
}

/* Name resolution of a service (DNS SRV). */
struct resolution {
    char *domain;
    bool ldaps;
    struct string_list uris;
    int r;
    struct error error;
};

static void resolution_run(void *data)
{
    struct resolution *s = data;
    s->r = address_resolve(s->domain, s->ldaps, &s->uris, &s->error);
}

static void resolution_free(void *data)
{
    struct resolution *s = data;
    if (!s)
        return;
    free(s->domain);
    string_list_done(&s->uris);
    free(s);
}

static const struct task_ops resolution_ops = {
    .name = "resolving",
    .run = resolution_run,
    .free = resolution_free,
};

static void on_resolved(struct task *t, bool in_time, void *data, void *userdata)
{
    (void)t;
    struct directory *d = userdata;
    struct resolution *s = data;
    struct error e = {};
    int r = 0;
    if (!in_time || !s)
        r = error_set(&e, -ETIMEDOUT, "%s: DNS did not answer in time", d->address->configured);
    else if (s->r < 0)
        r = error_set(&e, s->r, "%s: %s", d->address->configured, s->error.message);
    else
        r = address_keep_allowed(&s->uris, s->domain, d->options.srv_hosts,
                                 d->options.n_srv_hosts, &e);
    if (r == 0)
        r = address_resolved(d->addresses, d->address, &s->uris, &e);
    if (r < 0) {
        connection_fail(d, r, false, &e);
        return;
    }
    d->address = NULL; /* it was replaced by those that it stands for */
    d->resolve = task_free(d->resolve);
    directory_arm(d->retry, 0);
}

static int resolve(struct directory *d, struct error *e)
{
    struct resolution *s = calloc(1, sizeof *s);
    if (!s)
        return error_out_of_memory(e);
    s->domain = address_domain(d->address->configured);
    s->ldaps = address_is_ldaps_service(d->address->configured) ||
               d->options.tls == DIRECTORY_TLS_LDAPS;
    if (!s->domain) {
        resolution_free(s);
        return error_out_of_memory(e);
    }
    return task_start(&d->resolve, d->event, d->address->slot, &resolution_ops, s,
                      d->options.connect_timeout_usec, on_resolved, d, e);
}

static void wait_for_next(struct directory *d, uint64_t now, uint64_t when)
{
    uint64_t pause = when > now ? when - now : 0;
    directory_arm(d->retry, pause);
    d->next_attempt_usec = clock_steady_usec() + pause;
    directory_set_state(d,
                        address_all_refused(d->addresses) ? DIRECTORY_REFUSED : DIRECTORY_AWAY);
}

void connection_try(struct directory *d)
{
    struct error e = {};
    uint64_t now = clock_monotonic_usec(), when;
    if (d->connect || d->session || d->resolve)
        return;
    d->address = address_next(d->addresses, now, &when);
    if (!d->address) {
        wait_for_next(d, now, when);
        return;
    }
    d->next_attempt_usec = 0;
    free(d->status_uri);
    d->status_uri = strdup(d->address->uri ? d->address->uri : d->address->configured);
    directory_set_state(d, DIRECTORY_CONNECTING);
    int r;
    if (!d->address->uri)
        r = resolve(d, &e);
    else
        r = connect_start(&d->connect, d->event, d->address->slot, &d->options, d->address->uri,
                          on_connected, d, &e);
    if (r < 0)
        connection_fail(d, r, false, &e);
}

static void on_better(struct connect *c, enum connect_outcome outcome, LDAP *ld, int r,
                      const struct error *e, void *userdata)
{
    (void)c, (void)r;
    struct directory *d = userdata;
    struct address *better = d->better_address;
    if (outcome != CONNECT_DONE) {
        log_debug("the preferred server is still away: %s", e->message);
        address_failed(better, outcome == CONNECT_REFUSED, clock_monotonic_usec());
        d->better = connect_free(d->better);
        directory_arm(d->comeback, d->options.return_interval_usec);
        return;
    }
    log_notice("Returning from %s to the preferred %s", session_uri(d->session), better->uri);
    connection_drop(d);
    address_worked(better);
    d->address = better;
    free(d->status_uri);
    d->status_uri = strdup(better->uri);
    directory_set_state(d, DIRECTORY_CONNECTING);
    begin_session(d, ld);
}

void connection_try_better(struct directory *d)
{
    struct error e = {};
    if (d->better || !d->address || d->state != DIRECTORY_FOLLOWING) {
        directory_arm(d->comeback, d->options.return_interval_usec);
        return;
    }
    d->better_address = address_better(d->addresses, d->address, clock_monotonic_usec());
    int r = d->better_address
                ? connect_start(&d->better, d->event, d->better_address->slot, &d->options,
                                d->better_address->uri, on_better, d, &e)
                : -EAGAIN;
    if (r < 0)
        directory_arm(d->comeback, d->options.return_interval_usec);
}
