/*
 * The server's side of the control socket, on the loop. Nothing here waits: a client that sends
 * half a message, reads slowly or goes away costs a bounded buffer and a bounded time. One
 * request of a client is handled at a time; a client that sends more has to read first.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "control/control.h"
#include "control/listen.h"
#include "control/outbox.h"
#include "control/protocol.h"

#define MAX_CLIENTS 64
/* A client that takes nothing of its answer, or does not finish a message, for so long is
 * dropped; and so is one that takes its answer more slowly than this, so that no answer stays for
 * ever. rosterctl takes all of it before it shows anything. */
#define SLOW_CLIENT_USEC (30 * USEC_PER_SEC)
#define SLOWEST          (128 * 1024) /* bytes a second */

enum role {
    ROLE_NONE = 0, /* may connect, and is told that it may do nothing */
    ROLE_READER = 1,
    ROLE_OPERATOR = 2,
};

struct connection {
    struct control_server *server;
    struct connection *previous, *next;
    sd_event_source *io, *timer;
    int fd;
    uid_t peer;
    pid_t pid; /* of the peer when it connected */
    enum role role;
    struct buffer in;
    struct outbox out;
    uint64_t out_since_usec, out_until_usec; /* the answer is there; it must be taken */
    struct control_call *call;               /* the request that waits for its answer */
    bool no_more_input; /* end of input, or input that was refused: close when sent */
    bool dispatching;
};

struct control_call {
    struct connection *connection; /* NULL: the client went away */
    bool oneway;                   /* the client wants no answer */
};

struct control_server {
    sd_event *event;
    sd_event_source *io;
    struct listening at;
    char *path;
    char *operators, *readers; /* names of groups; NULL: the process's own; none */
    gid_t operators_gid, readers_gid;
    bool (*is_for_readers)(const char *method);
    control_handler_fn handler;
    void *userdata;
    struct connection *connections;
    size_t n_connections;
};

static void connection_free(struct connection *c)
{
    struct control_server *s = c->server;

    if (c->call)
        c->call->connection = NULL; /* its answer will be dropped */
    if (c->previous)
        c->previous->next = c->next;
    else
        s->connections = c->next;
    if (c->next)
        c->next->previous = c->previous;
    s->n_connections--;
    sd_event_source_disable_unref(c->io);
    sd_event_source_disable_unref(c->timer);
    (void)close(c->fd);
    buffer_done(&c->in);
    outbox_done(&c->out);
    free(c);
}

/* It has to take something of its answer soon, and all of it some time. */
static void connection_hurry(struct connection *c)
{
    uint64_t at = clock_monotonic_usec() + SLOW_CLIENT_USEC;

    (void)sd_event_source_set_time(c->timer, at < c->out_until_usec ? at : c->out_until_usec);
}

/* false: the client cannot be served any longer. */
static bool connection_write(struct connection *c)
{
    bool moved;
    int r = outbox_write(&c->out, c->fd, &moved);

    if (moved)
        connection_hurry(c);
    return r == 0;
}

/* What the loop should wait for. false as above. */
static bool connection_arm(struct connection *c)
{
    bool writing = outbox_any(&c->out);
    bool reading = !writing && !c->call && !c->no_more_input;
    /* A quiet client between two messages may stay; one inside a message or behind with reading
     * may not. */
    bool timed = writing || (reading && c->in.size > 0);

    if (!writing && !c->call && c->no_more_input)
        return false; /* all is said */
    return sd_event_source_set_io_events(c->io, (writing ? EPOLLOUT : 0u) |
                                                    (reading ? EPOLLIN : 0u)) >= 0 &&
           sd_event_source_set_enabled(c->timer, timed ? SD_EVENT_ONESHOT : SD_EVENT_OFF) >= 0;
}

/* What was added to c->out goes to the client. */
static bool connection_flush(struct connection *c)
{
    if (c->out.messages.size - c->out.sent > CONTROL_ANSWER_MAX) {
        json_auto_t *instead = protocol_error("failed", "the answer is too large");
        c->out.messages.size = c->out.sent = 0;
        if (!instead || protocol_add(&c->out.messages, instead) < 0)
            return false;
    }
    c->out_since_usec = clock_monotonic_usec();
    c->out_until_usec =
        c->out_since_usec + SLOW_CLIENT_USEC + outbox_left(&c->out) * USEC_PER_SEC / SLOWEST;
    connection_hurry(c);
    return connection_write(c);
}

static bool connection_send(struct connection *c, const json_t *message)
{
    return protocol_add(&c->out.messages, message) >= 0 && connection_flush(c);
}

static bool connection_refuse(struct connection *c, const char *code, const char *sentence)
{
    json_auto_t *message = protocol_error(code, sentence);

    return message && connection_send(c, message);
}

static bool connection_send_text(struct connection *c, char **parameters)
{
    size_t size = strlen(*parameters);

    if (size > CONTROL_ANSWER_MAX)
        return connection_refuse(c, "failed", "the answer is too large");
    outbox_add_answer(&c->out, TAKE(*parameters), size);
    return !c->out.messages.failed && connection_flush(c);
}

pid_t control_call_pid(const struct control_call *call)
{
    return call->connection ? call->connection->pid : 0;
}

static bool connection_forbid(struct connection *c, const char *method)
{
    const struct control_server *s = c->server;
    char sentence[600];

    (void)snprintf(sentence, sizeof(sentence),
                   c->role == ROLE_READER
                       ? "%s is for members of the operators' group %s: members of %s may only look"
                       : "%s is for members of the group %s or, to look only, of %s",
                   method, s->operators ? s->operators : "of the service", s->readers);
    return connection_refuse(c, "permission-denied", sentence);
}

static bool connection_call(struct connection *c, const char *word, const json_t *parameters,
                            bool oneway)
{
    const struct control_server *s = c->server;

    if (c->role != ROLE_OPERATOR && (c->role == ROLE_NONE || !s->is_for_readers(word)))
        return connection_forbid(c, word);
    c->call = calloc(1, sizeof(*c->call));
    if (!c->call)
        return connection_refuse(c, "failed", "out of memory");
    *c->call = (struct control_call){.connection = c, .oneway = oneway};
    json_auto_t *none = parameters ? NULL : json_object();
    s->handler(c->call, word, parameters ? parameters : none, c->peer, s->userdata);
    return true;
}

static bool connection_handle(struct connection *c, const json_t *message)
{
    const char *method = json_string_value(json_object_get(message, "method"));
    const json_t *parameters = json_object_get(message, "parameters");
    char space[PROTOCOL_NAME_MAX];

    if (!method || (parameters && !json_is_object(parameters)))
        return connection_refuse(c, "invalid-parameter",
                                 "a request is {\"method\":\"…\",\"parameters\":{…}}");
    const char *word = protocol_word(space, method);
    if (word)
        return connection_call(c, word, parameters,
                               json_is_true(json_object_get(message, "oneway")));
    json_auto_t *answer = service_answer(method, parameters);
    if (!answer)
        answer = strncmp(method, PROTOCOL_INTERFACE ".", sizeof(PROTOCOL_INTERFACE)) == 0
                     ? service_error("MethodNotFound", "method", method)
                     : service_error("InterfaceNotFound", "interface", method);
    return answer && connection_send(c, answer);
}

/* Handles the messages that are there, one at a time; the next one waits for the answer. */
static bool connection_dispatch(struct connection *c)
{
    bool ok = true;

    if (c->dispatching)
        return true; /* control_reply() from inside the handler: the loop below goes on */
    c->dispatching = true;
    while (ok && !c->call && !outbox_any(&c->out) && c->in.size > 0) {
        json_auto_t *message = NULL;
        struct error e = {""};
        size_t used = 0;
        int r = protocol_next(c->in.data, c->in.size, CONTROL_MESSAGE_MAX, &message, &used, &e);
        if (r == PROTOCOL_INCOMPLETE)
            break;
        memmove(c->in.data, c->in.data + used, c->in.size - used);
        c->in.size -= used;
        if (r == 0) {
            ok = connection_handle(c, message);
            continue;
        }
        c->no_more_input = true; /* where the next message begins is not known for sure */
        buffer_clear(&c->in);
        ok = connection_refuse(c, "invalid-parameter", e.message);
    }
    c->dispatching = false;
    return ok && connection_arm(c);
}

static bool connection_read(struct connection *c)
{
    char chunk[16384];

    /* One chunk a wake-up: other clients get their turn. */
    ssize_t n = recv(c->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK;
    if (n == 0) {
        c->no_more_input = true;
    } else {
        if (c->in.size == 0)
            (void)sd_event_source_set_time_relative(c->timer, SLOW_CLIENT_USEC);
        buffer_add(&c->in, chunk, (size_t)n);
    }
    return !c->in.failed;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct connection *c = userdata;
    bool ok = true;

    (void)source;
    (void)fd;
    if (revents & EPOLLOUT)
        ok = connection_write(c);
    else if (revents & EPOLLIN)
        ok = connection_read(c);
    else if (revents & (EPOLLHUP | EPOLLERR))
        ok = false;
    if (!ok || !connection_dispatch(c))
        connection_free(c);
    return 0;
}

static int on_slow(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    log_debug("A client of the control socket was too slow and is dropped");
    connection_free(userdata);
    return 0;
}

/* Every answer goes this way: a message or the text of its parameters, which is taken; neither: out
 * of memory. */
static void call_end(struct control_call *call, const json_t *message, char *parameters_taken)
{
    CLEANUP(freep) char *parameters = parameters_taken;
    struct connection *c = call->connection;
    bool oneway = call->oneway;

    free(call);
    if (!c)
        return;
    c->call = NULL;
    bool ok = oneway       ? true
              : message    ? connection_send(c, message)
              : parameters ? connection_send_text(c, &parameters)
                           : connection_refuse(c, "failed", "the answer could not be put together");
    if (c->dispatching)
        c->no_more_input |= !ok; /* the dispatcher frees it */
    else if (!ok || !connection_dispatch(c))
        connection_free(c);
}

void control_reply(struct control_call *call, json_t *taken)
{
    json_auto_t *parameters = taken;
    json_auto_t *message = json_pack("{s:O}", "parameters", parameters);

    call_end(call, message, NULL);
}

void control_reply_text(struct control_call *call, char *parameters_taken)
{
    call_end(call, NULL, parameters_taken);
}

bool control_call_is_gone(const struct control_call *call)
{
    return !call->connection;
}

void control_fail(struct control_call *call, const char *code, const char *format, ...)
{
    char sentence[1024];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, ap);
    va_end(ap);
    json_auto_t *message = protocol_error(code, sentence);
    call_end(call, message, NULL);
}

void control_unknown_method(struct control_call *call, const char *method)
{
    char name[PROTOCOL_NAME_MAX];

    json_auto_t *message = service_error("MethodNotFound", "method", protocol_name(name, method));
    call_end(call, message, NULL);
}

/* Of the peer's group and supplementary groups; what cannot be asked is no. */
static bool peer_is_in(int fd, const struct ucred *peer, gid_t wanted)
{
    gid_t groups[256];
    socklen_t size = sizeof(groups);

    if (peer->gid == wanted)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return false;
    for (size_t i = 0; i < size / sizeof(groups[0]); i++)
        if (groups[i] == wanted)
            return true;
    return false;
}

/* Without readers the socket's mode has decided: who is here is an operator. */
static enum role role_of(const struct control_server *s, int fd, const struct ucred *peer)
{
    if (!s->readers || peer->uid == 0 || peer->uid == geteuid() ||
        peer_is_in(fd, peer, s->operators_gid))
        return ROLE_OPERATOR;
    return s->is_for_readers && peer_is_in(fd, peer, s->readers_gid) ? ROLE_READER : ROLE_NONE;
}

static int connection_new(struct control_server *s, int fd)
{
    struct connection *c = calloc(1, sizeof(*c));
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof(peer);

    if (!c) {
        (void)close(fd);
        return -ENOMEM;
    }
    c->server = s;
    c->fd = fd;
    c->next = s->connections;
    if (c->next)
        c->next->previous = c;
    s->connections = c;
    s->n_connections++;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
        int r = -errno;
        connection_free(c);
        return r;
    }
    c->peer = peer.uid;
    c->pid = peer.pid;
    c->role = role_of(s, fd, &peer);
    int r = sd_event_add_io(s->event, &c->io, fd, EPOLLIN, on_connection, c);
    if (r >= 0)
        r = timer_in(s->event, &c->timer, SLOW_CLIENT_USEC, on_slow, c);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
    if (r < 0)
        connection_free(c);
    return r;
}

/* Clients that only stay connected must not shut others out: the oldest one between two messages
 * makes way, else the oldest one within a message, which takes milliseconds to write, else the one
 * that has had its answer for longest, which takes as little to read. */
static bool make_room(struct control_server *s)
{
    struct connection *silent = NULL, *writing = NULL, *behind = NULL;

    for (struct connection *c = s->connections; c; c = c->next) /* the newest stand first */
        if (c->call)
            continue;
        else if (!outbox_any(&c->out))
            *(c->in.size == 0 ? &silent : &writing) = c;
        else if (!behind || c->out_since_usec <= behind->out_since_usec)
            behind = c;
    struct connection *first = silent ? silent : writing ? writing : behind;
    if (first)
        connection_free(first);
    return first != NULL;
}

static int on_listener(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct control_server *s = userdata;

    (void)source;
    (void)revents;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            log_debug("A connection to the control socket failed: %s", strerror(errno));
        return 0;
    }
    if (s->n_connections >= MAX_CLIENTS && !make_room(s)) {
        log_debug("Too many clients of the control socket");
        (void)close(client);
        return 0;
    }
    int r = connection_new(s, client);
    if (r < 0)
        log_debug("A client of the control socket cannot be served: %s", strerror(-r));
    return 0;
}

static int find_groups(struct control_server *s, struct error *e)
{
    s->operators_gid = getegid();
    int r = listen_find_group(s->operators, &s->operators_gid, e);
    return r == 0 ? listen_find_group(s->readers, &s->readers_gid, e) : r;
}

static int server_listen(struct control_server *s, struct error *e)
{
    int r = find_groups(s, e);

    if (r < 0)
        return r;
    return listen_at(&s->at, s->path, s->readers != NULL, s->operators, s->operators_gid, e);
}

static bool copy_name(char **ret, const char *name)
{
    *ret = name ? strdup(name) : NULL;
    return *ret || !name;
}

int control_server_new(struct control_server **ret, struct sd_event *event,
                       const struct control_server_options *options, struct error *e)
{
    struct control_server *s = calloc(1, sizeof(*s));

    if (!s)
        return error_out_of_memory(e);
    s->at.fd = -1;
    s->event = sd_event_ref(event);
    s->handler = options->handler;
    s->userdata = options->userdata;
    s->is_for_readers = options->is_for_readers;
    bool copied = copy_name(&s->path, options->path) &&
                  copy_name(&s->operators, options->operators) &&
                  copy_name(&s->readers, options->readers);
    int r = copied ? server_listen(s, e) : error_out_of_memory(e);
    if (r >= 0) {
        r = sd_event_add_io(event, &s->io, s->at.fd, EPOLLIN, on_listener, s);
        if (r < 0)
            r = error_set(e, r, "the control socket: %s", strerror(-r));
    }
    if (r < 0) {
        control_server_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

struct control_server *control_server_free(struct control_server *s)
{
    if (!s)
        return NULL;
    while (s->connections)
        connection_free(s->connections);
    sd_event_source_disable_unref(s->io);
    listen_end(&s->at, s->path);
    sd_event_unref(s->event);
    free(s->path);
    free(s->operators);
    free(s->readers);
    free(s);
    return NULL;
}
