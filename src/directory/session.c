/*
 * Drives one libldap handle from the loop. Two rules decide whether that works at all: after a
 * wake-up ldap_result() is called until it has nothing more (TLS and SASL layers hold decrypted
 * messages that no poll shows), and the descriptor is non-blocking (else a "zero timeout" waits
 * for the rest of a message that was cut). A turn is capped so that other work gets its share;
 * a defer source then continues. It does no connecting and no retrying.
 */
#include "config.h"

#include "directory/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/timer.h"
#include "directory/libldap.h"

#define MESSAGES_PER_TURN 64

struct session_operation {
    struct session *session; /* NULL: ended, or the session is gone */
    struct session_operation *next;
    int message_id;
    uint64_t timeout_usec, heard_usec;
    session_message_fn message;
    void *userdata;
};

struct session {
    LDAP *ld;
    struct secret *password; /* that the server was told; NULL: none */
    char *uri;
    sd_event_source *io, *defer, *timer;
    struct session_operation *operations;
    struct session_events events;
    void *userdata;
    uint64_t heard_usec, n_entries;
    bool stopped;
    char farewell[LIBLDAP_SAID_SIZE + 80]; /* what a notice of disconnection said */
};

char *session_said(const struct session *s, char *buffer, const char *said)
{
    return libldap_said(buffer, said, s->password);
}

char *session_said_url(const struct session *s, char *buffer, const char *url)
{
    const char *host = strstr(url, "://");
    buffer[0] = '\0';
    if (session_said(s, buffer, url) && strcmp(buffer, url) != 0 && host) {
        CLEANUP(freep)
        char *server = strndup(url, (size_t)(host - url) + 3 + strcspn(host + 3, "/?"));
        return server ? session_said(s, buffer, server) : buffer;
    }
    if (!buffer[0])
        snprintf(buffer, LIBLDAP_SAID_SIZE, "unreadable");
    return buffer;
}

LDAP *session_ldap(const struct session *s)
{
    return s->ld;
}

const char *session_uri(const struct session *s)
{
    return s->uri;
}

uint64_t session_n_entries(const struct session *s)
{
    return s->n_entries;
}

uint64_t session_last_heard_usec(const struct session *s)
{
    return s->heard_usec;
}

void session_stop(struct session *s)
{
    s->stopped = true;
    if (s->io)
        sd_event_source_set_enabled(s->io, SD_EVENT_OFF);
    if (s->defer)
        sd_event_source_set_enabled(s->defer, SD_EVENT_OFF);
    if (s->timer)
        sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
}

static void lose(struct session *s, int r, const struct error *e)
{
    if (s->stopped)
        return;
    session_stop(s);
    s->events.lost(s, r, e, s->userdata);
}

static struct session_operation *find(struct session *s, int message_id)
{
    for (struct session_operation *o = s->operations; o; o = o->next)
        if (o->message_id == message_id)
            return o;
    return NULL;
}

static void unlink_operation(struct session_operation *o)
{
    struct session_operation **p = &o->session->operations;
    while (*p && *p != o)
        p = &(*p)->next;
    if (*p)
        *p = o->next;
    o->session = NULL;
    o->next = NULL;
}

/* RFC 4511 4.4.1: the server says why it is going to hang up. */
static void note_farewell(struct session *s, LDAPMessage *m)
{
    int code = 0;
    char shown[LIBLDAP_SAID_SIZE];
    CLEANUP(libldap_memory_freep) char *said = NULL;
    if (ldap_parse_result(s->ld, m, &code, NULL, &said, NULL, NULL, 0) == LDAP_SUCCESS)
        snprintf(s->farewell, sizeof(s->farewell),
                 "; before, the server said: %s (LDAP code %d) %s", ldap_err2string(code), code,
                 session_said(s, shown, said) ? shown : "");
}

static void give_out(struct session *s, LDAPMessage **m)
{
    int type = ldap_msgtype(*m), message_id = ldap_msgid(*m);
    s->heard_usec = clock_monotonic_usec();
    if (message_id == 0) {
        note_farewell(s, *m);
        return;
    }
    struct session_operation *o = find(s, message_id);
    if (!o)
        return; /* of an operation that was abandoned */
    o->heard_usec = s->heard_usec;
    s->n_entries += type == LDAP_RES_SEARCH_ENTRY;
    if (type == LDAP_RES_SEARCH_RESULT)
        unlink_operation(o); /* its owner may free it, or the answer may start another */
    o->message(o, type, m, o->userdata);
}

static void read_failed(struct session *s, int number)
{
    int code = LDAP_SERVER_DOWN;
    ldap_get_option(s->ld, LDAP_OPT_RESULT_CODE, &code);
    if (code == LDAP_SUCCESS)
        code = LDAP_SERVER_DOWN;
    struct error e = {0};
    int r;
    if (number == ERANGE) /* liblber's word for a message beyond the limit of connect.c */
        r = error_set(&e, -EMSGSIZE,
                      "%s sent a message that is larger than [directory] max_message, so the "
                      "connection was ended: if an entry is really that large, raise it",
                      s->uri);
    else
        r = libldap_error(&e, code, NULL, "%s: the connection was lost%s%s", s->uri,
                          number == ECONNRESET  ? " (reset by the other side)"
                          : number == ETIMEDOUT ? " (nothing answers any more)"
                                                : "",
                          s->farewell);
    lose(s, r, &e);
}

/* What lies in the buffers of the connection wakes no poll. */
static bool holds_more(const struct session *s)
{
    Sockbuf *sb = NULL;
    return ldap_get_option(s->ld, LDAP_OPT_SOCKBUF, &sb) == LDAP_OPT_SUCCESS && sb &&
           ber_sockbuf_ctrl(sb, LBER_SB_OPT_DATA_READY, NULL) > 0;
}

static void turn(struct session *s)
{
    bool drained = false;
    for (unsigned n = 0; n < MESSAGES_PER_TURN && !s->stopped; n++) {
        struct timeval zero = {0};
        CLEANUP(libldap_message_freep) LDAPMessage *m = NULL;
        errno = 0;
        int r = ldap_result(s->ld, LDAP_RES_ANY, LDAP_MSG_ONE, &zero, &m);
        if (r < 0) {
            read_failed(s, errno);
            return;
        }
        if (r == 0 && holds_more(s))
            continue; /* it took a part of a large message */
        if (r == 0) {
            drained = true;
            break;
        }
        if (m)
            give_out(s, &m);
    }
    if (s->stopped)
        return;
    if (!drained)
        sd_event_source_set_enabled(s->defer, SD_EVENT_ONESHOT);
    if (s->events.turn)
        s->events.turn(s, drained, s->userdata);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source, (void)fd, (void)events;
    turn(userdata);
    return 0;
}

static int on_defer(sd_event_source *source, void *userdata)
{
    (void)source;
    turn(userdata);
    return 0;
}

/* Arms the timer for the operation that is to run out first. */
static void arm_timer(struct session *s)
{
    uint64_t first = UINT64_MAX;
    for (struct session_operation *o = s->operations; o; o = o->next)
        if (o->timeout_usec > 0 && o->heard_usec + o->timeout_usec < first)
            first = o->heard_usec + o->timeout_usec;
    if (s->stopped || first == UINT64_MAX) {
        sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        return;
    }
    uint64_t now = clock_monotonic_usec();
    sd_event_source_set_time_relative(s->timer, first > now ? first - now : 0);
    sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    struct session *s = userdata;
    turn(s); /* what has arrived meanwhile counts */
    uint64_t now = clock_monotonic_usec();
    for (struct session_operation *o = s->operations; o && !s->stopped; o = o->next) {
        if (o->timeout_usec == 0 || o->heard_usec + o->timeout_usec > now)
            continue;
        struct error e = {0};
        int r = error_set(&e, -ETIMEDOUT, "%s: no answer to a search for %.1f s", s->uri,
                          (double)o->timeout_usec / (double)USEC_PER_SEC);
        lose(s, r, &e);
        return 0;
    }
    arm_timer(s);
    return 0;
}

int session_new(struct session **ret, struct sd_event *event, LDAP *taken,
                struct secret *password_taken, const char *uri, const struct session_events *events,
                void *userdata, struct error *e)
{
    struct session *s = calloc(1, sizeof(*s));
    if (!s) {
        ldap_unbind_ext(taken, NULL, NULL);
        secret_free(password_taken);
        return error_out_of_memory(e);
    }
    s->ld = taken;
    s->password = password_taken;
    s->events = *events;
    s->userdata = userdata;
    s->heard_usec = clock_monotonic_usec();
    s->uri = strdup(uri);
    int fd = -1, r = s->uri ? 0 : -ENOMEM;
    if (r == 0 && (ldap_get_option(s->ld, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd < 0))
        r = -ENOTCONN;
    if (r >= 0)
        r = sd_event_add_io(event, &s->io, fd, EPOLLIN, on_io, s);
    if (r >= 0)
        r = sd_event_add_defer(event, &s->defer, on_defer, s);
    if (r >= 0)
        r = sd_event_source_set_enabled(s->defer, SD_EVENT_OFF);
    if (r >= 0)
        r = timer_in(event, &s->timer, 0, on_timer, s);
    if (r >= 0)
        r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
    if (r < 0) {
        session_free(s);
        return error_set(e, r, "cannot watch the connection to %s: %s", uri, strerror(-r));
    }
    *ret = s;
    return 0;
}

struct session *session_free(struct session *s)
{
    if (!s)
        return NULL;
    while (s->operations)
        unlink_operation(s->operations);
    s->io = sd_event_source_disable_unref(s->io);
    s->defer = sd_event_source_disable_unref(s->defer);
    s->timer = sd_event_source_disable_unref(s->timer);
    ldap_unbind_ext(s->ld, NULL, NULL);
    secret_free(s->password);
    free(s->uri);
    free(s);
    return NULL;
}

int session_search(struct session *s, struct session_operation **ret,
                   const struct session_request *request, session_message_fn message,
                   void *userdata, struct error *e)
{
    if (s->stopped)
        return error_set(e, -ENOTCONN, "%s: the connection is closed", s->uri);
    struct session_operation *o = calloc(1, sizeof(*o));
    if (!o)
        return error_out_of_memory(e);
    int code = ldap_search_ext(s->ld, request->base, request->scope, request->filter,
                               (char **)request->attributes, 0, request->controls, NULL, NULL,
                               request->size_limit, &o->message_id);
    if (code != LDAP_SUCCESS) {
        free(o);
        return libldap_error_of(e, s->ld, s->password, code, "%s: cannot search %s for %s", s->uri,
                                *request->base ? request->base : "the root entry", request->filter);
    }
    o->session = s;
    o->message = message;
    o->userdata = userdata;
    o->timeout_usec = request->timeout_usec;
    o->heard_usec = clock_monotonic_usec();
    o->next = s->operations;
    s->operations = o;
    if (o->timeout_usec > 0)
        arm_timer(s);
    if (s->events.searched)
        s->events.searched(s, request, s->userdata);
    *ret = o;
    return 0;
}

void session_operation_set_timeout(struct session_operation *o, uint64_t timeout_usec)
{
    o->timeout_usec = timeout_usec;
    o->heard_usec = clock_monotonic_usec();
    if (o->session)
        arm_timer(o->session);
}

struct session_operation *session_operation_free(struct session_operation *o)
{
    if (!o)
        return NULL;
    if (o->session) {
        struct session *s = o->session;
        unlink_operation(o);
        if (!s->stopped)
            ldap_abandon_ext(s->ld, o->message_id, NULL, NULL);
    }
    free(o);
    return NULL;
}
