/*
 * One connection at a time: from an address to a session, and to what the server says of
 * itself. What libldap or whoever uses the session reports from inside a callback is only noted
 * here and dealt with on the loop's next turn, since the objects that call us cannot be freed
 * under their own feet.
 */
#include "config.h"

#include "directory/connection.h"

#include <errno.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "base/trust.h"
#include "directory/address.h"
#include "directory/connect.h"
#include "directory/resolution.h"
#include "directory/rootdse.h"
#include "directory/session.h"
#include "directory/task.h"

/* A connection that lived this long was a good one, whatever ended it. */
#define GOOD_CONNECTION_USEC (60 * USEC_PER_SEC)
#define LOOK_AT_CA_USEC      (5 * USEC_PER_SEC)

struct connection {
    struct sd_event *event;
    const struct directory_options *options;
    const char *bases[DIRECTORY_MAX_SEARCHES];
    unsigned n_bases;
    const struct connection_events *events;
    void *owner;
    struct address_list *addresses;
    struct task_slot *asking; /* DNS again, for servers that it named before */
    sd_event_source *retry, *heartbeat, *comeback, *ca;
    bool stays;

    /* for one attempt or connection */
    struct address *address;
    struct connect *connect;
    struct task *resolve;
    struct session *session;
    struct rootdse_read *reading;
    struct rootdse *server;
    struct session_operation *beat;
    struct address *better_address;
    struct connect *better;
    struct trust trust, trust_of_attempt;
    uint64_t connected_usec;
    int failed; /* noted */
    struct error failure;

    /* status */
    char *uri, *product;
    char base_doubt[256];
    uint64_t next_attempt_usec, n_reconnects, certificate_expires_usec;
};

static void drop(struct connection *c)
{
    c->events->dropping(c->owner);
    c->connect = connect_free(c->connect);
    c->resolve = task_free(c->resolve);
    c->better = connect_free(c->better);
    c->better_address = NULL;
    c->beat = session_operation_free(c->beat);
    c->reading = rootdse_read_free(c->reading);
    c->session = session_free(c->session);
    c->server = rootdse_free(c->server);
    c->failed = 0;
    sd_event_source_set_enabled(c->heartbeat, SD_EVENT_OFF);
    sd_event_source_set_enabled(c->comeback, SD_EVENT_OFF);
    sd_event_source_set_enabled(c->ca, SD_EVENT_OFF);
}

static void fail(struct connection *c, int r, bool refused, const struct error *e)
{
    struct error copy = *e; /* it may lie in what is dropped */
    uint64_t now = clock_monotonic_usec();
    bool was_good = c->connected_usec > 0 && now - c->connected_usec > GOOD_CONNECTION_USEC;
    struct address *a = c->address;
    drop(c);
    c->connected_usec = 0;
    c->address = NULL;
    if (a && was_good)
        address_worked(a);
    if (a)
        address_failed(a, refused, now);
    c->n_reconnects++;
    if (!c->events->failed(r, &copy, c->owner))
        return;
    timer_arm(c->retry, 0);
    c->events->state(DIRECTORY_CONNECTING, c->owner);
}

void connection_note_failure(struct connection *c, int r, const struct error *e)
{
    if (c->failed < 0)
        return;
    c->failed = r;
    c->failure = *e;
    connection_silence(c);
    c->events->settle(c->owner);
}

bool connection_has_failed(const struct connection *c)
{
    return c->failed < 0;
}

bool connection_settle(struct connection *c)
{
    if (c->failed == 0)
        return false;
    struct error e = c->failure;
    fail(c, c->failed, false, &e);
    return true;
}

void connection_silence(struct connection *c)
{
    if (c->session)
        session_stop(c->session);
}

static void on_lost(struct session *s, int r, const struct error *e, void *userdata)
{
    (void)s;
    connection_note_failure(userdata, r, e);
}

static void on_turn(struct session *s, bool drained, void *userdata)
{
    (void)s;
    struct connection *c = userdata;
    if (c->failed == 0)
        c->events->turn(drained, c->owner);
}

static void on_searched(struct session *s, const struct session_request *request, void *userdata)
{
    struct connection *c = userdata;
    c->events->searched(session_uri(s), request, c->owner);
}

static void on_beat(struct session_operation *o, int type, LDAPMessage **m, void *userdata)
{
    (void)o, (void)m;
    struct connection *c = userdata;
    if (type == LDAP_RES_SEARCH_RESULT)
        c->beat = session_operation_free(c->beat);
}

/* A frozen server still answers TCP's keep-alive; only a search shows that it lives. */
static int on_heartbeat(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    static const char *const nothing[] = {"1.1", NULL};
    struct connection *c = userdata;
    uint64_t now = clock_monotonic_usec();
    if (!c->session || c->failed < 0)
        return 0;
    uint64_t silent = now - session_last_heard_usec(c->session);
    struct session_request q = {
        .base = "",
        .scope = LDAP_SCOPE_BASE,
        .filter = "(objectClass=*)",
        .attributes = nothing,
        .timeout_usec = c->options->search_timeout_usec,
    };
    struct error e = {0};
    if (silent >= c->options->keepalive_usec && !c->beat &&
        session_search(c->session, &c->beat, &q, on_beat, c, &e) < 0) {
        connection_note_failure(c, -ENOTCONN, &e);
        return 0;
    }
    timer_arm(c->heartbeat, c->options->keepalive_usec);
    return 0;
}

static struct trust trust_of_now(const struct connection *c)
{
    return trust_of(connect_ca_file(c->options), c->options->tls_ca_directory);
}

/* The server of a connection was vouched for by the CAs of when it was made. */
static int on_ca(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    struct connection *c = userdata;
    const char *file = connect_ca_file(c->options), *folder = c->options->tls_ca_directory;
    struct trust trust;
    if (c->failed < 0 || !c->events->may_leave(c->owner) ||
        !trust_has_changed(&c->trust, file, folder, session_uri(c->session), &trust)) {
        timer_arm(c->ca, LOOK_AT_CA_USEC);
        return 0;
    }
    log_notice(
        "The CA certificates for the directory have changed: the connection to %s is made anew",
        session_uri(c->session));
    connection_again(c);
    c->events->state(DIRECTORY_CONNECTING, c->owner);
    return 0;
}

static void on_read(int r, struct rootdse *taken, const struct error *e, void *userdata)
{
    struct connection *c = userdata;
    if (r < 0) {
        connection_note_failure(c, r, e);
        return;
    }
    c->server = taken;
    free(c->product);
    c->product = strdup(taken->product_text ? taken->product_text : "");
    c->base_doubt[0] = '\0';
    if (!taken->base_visible[0]) {
        snprintf(c->base_doubt, sizeof(c->base_doubt), "%s", taken->base_doubt);
        log_debug("the base %s cannot be seen: %s", c->bases[0], taken->base_doubt);
    }
    c->events->up(c->session, c->server, c->owner);
}

/* Takes ld and the password. */
static void begin_session(struct connection *c, LDAP *ld, struct secret *password)
{
    static const struct session_events events = {
        .lost = on_lost, .turn = on_turn, .searched = on_searched};
    struct error e = {0};
    enum connect_tls tls = CONNECT_PLAIN;
    uint64_t certificate_usec = connect_certificate_expires(ld);
    int r = session_new(&c->session, c->event, ld, password, c->address->uri, &events, c, &e);
    if (r == 0)
        r = rootdse_read_start(&c->reading, c->session, c->bases, c->n_bases,
                               c->options->search_timeout_usec, on_read, c, &e);
    if (r < 0) {
        fail(c, r, false, &e);
        return;
    }
    c->connected_usec = clock_monotonic_usec();
    c->certificate_expires_usec = certificate_usec;
    c->trust = c->trust_of_attempt;
    if (connect_tls_of(c->options, c->address->uri, &tls, &e) == 0 &&
        (tls == CONNECT_LDAPS || tls == CONNECT_STARTTLS))
        timer_arm(c->ca, LOOK_AT_CA_USEC);
    if (c->options->keepalive_usec > 0)
        timer_arm(c->heartbeat, c->options->keepalive_usec);
    if (c->options->return_interval_usec > 0 && c->address->preference > 0 && c->stays)
        timer_arm(c->comeback, c->options->return_interval_usec);
}

static void on_connected(struct connect *connect, enum connect_outcome outcome, LDAP *ld,
                         struct secret *password, int r, const struct error *e, void *userdata)
{
    (void)connect;
    struct connection *c = userdata;
    if (outcome != CONNECT_DONE) {
        fail(c, r, outcome == CONNECT_REFUSED, e);
        return;
    }
    c->connect = connect_free(c->connect);
    begin_session(c, ld, password);
}

static void on_resolved(struct task *t, bool in_time, void *data, void *userdata)
{
    (void)t;
    struct connection *c = userdata;
    struct error e = {0};
    int r = resolution_take(in_time ? data : NULL, c->options, c->addresses, c->address, &e);
    if (r < 0) {
        fail(c, r, false, &e);
        return;
    }
    c->address = NULL; /* it was replaced by those that it stands for */
    c->resolve = task_free(c->resolve);
    timer_arm(c->retry, 0);
}

static int resolve(struct connection *c, struct error *e)
{
    return resolution_start(&c->resolve, c->event, c->address->uri ? c->asking : c->address->slot,
                            c->address, c->options, on_resolved, c, e);
}

static void wait_for_next(struct connection *c, uint64_t now, uint64_t when)
{
    uint64_t pause = when > now ? when - now : 0;
    timer_arm(c->retry, pause);
    c->next_attempt_usec = clock_steady_usec() + pause;
    c->events->state(address_all_refused(c->addresses) ? DIRECTORY_REFUSED : DIRECTORY_AWAY,
                     c->owner);
}

static void try_next(struct connection *c)
{
    struct error e = {0};
    uint64_t now = clock_monotonic_usec(), when;
    if (c->connect || c->session || c->resolve)
        return;
    c->address = address_to_ask_again(c->addresses, now);
    if (c->address && resolve(c, &e) == 0)
        return;
    if (c->address) /* the last question may not have ended yet */
        address_not_resolved(c->addresses, c->address);
    c->address = address_next(c->addresses, now, &when);
    if (!c->address) {
        wait_for_next(c, now, when);
        return;
    }
    c->next_attempt_usec = 0;
    free(c->uri);
    c->uri = strdup(c->address->uri ? c->address->uri : c->address->configured);
    c->events->state(DIRECTORY_CONNECTING, c->owner);
    c->trust_of_attempt = trust_of_now(c);
    int r;
    if (!c->address->uri)
        r = resolve(c, &e);
    else
        r = connect_start(&c->connect, c->event, c->address->slot, c->options, c->address->uri,
                          on_connected, c, &e);
    if (r < 0)
        fail(c, r, false, &e);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    try_next(userdata);
    return 0;
}

static void on_better(struct connect *connect, enum connect_outcome outcome, LDAP *ld,
                      struct secret *password, int r, const struct error *e, void *userdata)
{
    (void)connect, (void)r;
    struct connection *c = userdata;
    struct address *better = c->better_address;
    if (outcome != CONNECT_DONE) {
        log_debug("the preferred server is still away: %s", e->message);
        address_failed(better, outcome == CONNECT_REFUSED, clock_monotonic_usec());
        c->better = connect_free(c->better);
        timer_arm(c->comeback, c->options->return_interval_usec);
        return;
    }
    log_notice("Returning from %s to the preferred %s", session_uri(c->session), better->uri);
    drop(c);
    address_worked(better);
    c->address = better;
    free(c->uri);
    c->uri = strdup(better->uri);
    c->events->state(DIRECTORY_CONNECTING, c->owner);
    begin_session(c, ld, password);
}

static int on_comeback(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    struct connection *c = userdata;
    struct error e = {0};
    if (c->better || !c->address || !c->events->may_leave(c->owner)) {
        timer_arm(c->comeback, c->options->return_interval_usec);
        return 0;
    }
    c->trust_of_attempt = trust_of_now(c);
    c->better_address = address_better(c->addresses, c->address, clock_monotonic_usec());
    int r = c->better_address ? connect_start(&c->better, c->event, c->better_address->slot,
                                              c->options, c->better_address->uri, on_better, c, &e)
                              : -EAGAIN;
    if (r < 0)
        timer_arm(c->comeback, c->options->return_interval_usec);
    return 0;
}

int connection_new(struct connection **ret, struct sd_event *event,
                   const struct directory_options *options, const char *const *bases,
                   unsigned n_bases, const struct connection_events *events, void *owner,
                   struct error *e)
{
    struct connection *c = calloc(1, sizeof(*c));
    if (!c)
        return error_out_of_memory(e);
    c->event = sd_event_ref(event);
    c->options = options;
    for (unsigned i = 0; i < n_bases; i++)
        c->bases[c->n_bases++] = bases[i];
    c->events = events;
    c->owner = owner;
    int r = address_list_new(&c->addresses, options->uris, options->n_uris, e);
    c->asking = task_slot_new();
    if (r == 0 && !c->asking)
        r = error_out_of_memory(e);
    if (r < 0) {
        connection_free(c);
        return r;
    }
    r = timer_add(event, &c->retry, on_retry, c);
    if (r >= 0)
        r = timer_add(event, &c->heartbeat, on_heartbeat, c);
    if (r >= 0)
        r = timer_add(event, &c->comeback, on_comeback, c);
    if (r >= 0)
        r = timer_add(event, &c->ca, on_ca, c);
    if (r < 0) {
        connection_free(c);
        return error_set(e, r, "cannot make timers for the directory: %s", strerror(-r));
    }
    *ret = c;
    return 0;
}

struct connection *connection_free(struct connection *c)
{
    if (!c)
        return NULL;
    if (c->ca)
        drop(c);
    c->retry = sd_event_source_disable_unref(c->retry);
    c->heartbeat = sd_event_source_disable_unref(c->heartbeat);
    c->comeback = sd_event_source_disable_unref(c->comeback);
    c->ca = sd_event_source_disable_unref(c->ca);
    address_list_free(c->addresses);
    task_slot_free(c->asking);
    free(c->uri);
    free(c->product);
    sd_event_unref(c->event);
    free(c);
    return NULL;
}

void connection_start(struct connection *c, bool stays)
{
    c->stays = stays;
    timer_arm(c->retry, 0);
}

void connection_stop(struct connection *c)
{
    drop(c);
    sd_event_source_set_enabled(c->retry, SD_EVENT_OFF);
}

void connection_again(struct connection *c)
{
    drop(c);
    c->connected_usec = 0;
    c->address = NULL;
    timer_arm(c->retry, 0);
}

bool connection_try_now(struct connection *c)
{
    if (c->session || c->connect || c->resolve)
        return false;
    address_try_now(c->addresses);
    timer_arm(c->retry, 0);
    return true;
}

void connection_worked(struct connection *c)
{
    address_worked(c->address);
}

size_t connection_n_addresses(const struct connection *c)
{
    return address_count(c->addresses);
}

const char *connection_uri(const struct connection *c)
{
    return session_uri(c->session);
}

void connection_status(const struct connection *c, struct connection_status *ret)
{
    *ret = (struct connection_status){
        .uri = c->uri,
        .product = c->product,
        .base_doubt = c->base_doubt[0] ? c->base_doubt : NULL,
        .next_attempt_usec = c->next_attempt_usec,
        .n_reconnects = c->n_reconnects,
        .n_entries = c->session ? session_n_entries(c->session) : 0,
        .certificate_expires_usec = c->certificate_expires_usec,
    };
}
