/* libmicrohttpd's side of the simulator: listeners that main's loop drives, requests from their
 * first byte to the last byte of the answer, and the ways of sending that faults ask for. One
 * thread does everything, so nothing is locked; what must wait is suspended and resumed by the
 * loop. */
#include "config.h"

#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "route.h"
#include "simulator.h"

#define BODY_LIMIT (64u << 20) /* seeding by hand sends whole tenants */

struct peer {
    uint64_t number; /* 0: only control requests so far */
};

uint64_t request_connection_number(const struct request *q)
{
    return q->peer ? q->peer->number : 0;
}

static enum method method_from_text(const char *text)
{
    static const char *const words[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    for (size_t i = 0; i < ELEMENTS(words); i++)
        if (!strcmp(words[i], text))
            return (enum method)i;
    return METHOD_OTHER;
}

/* Called with the request line; what it returns is the request's context from then on. */
static void *on_target(void *userdata, const char *target, struct MHD_Connection *connection)
{
    struct listener *l = userdata;
    struct simulator *s = l->simulator;
    struct request *q = memory_new(sizeof(*q));
    q->simulator = s;
    q->connection = connection;
    q->target = text_copy(target);
    q->arrived_usec = time_monotonic_usec();
    q->control = l->control_only || !strncmp(target, "/simulator/", 11);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    q->peer = info ? info->socket_context : NULL;
    if (!q->control) {
        q->counted = true;
        if (++s->journal.in_flight > s->journal.in_flight_peak)
            s->journal.in_flight_peak = s->journal.in_flight;
        if (q->peer && !q->peer->number)
            q->peer->number = ++s->journal.connections;
    }
    return q;
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    (void)userdata;
    (void)connection;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = memory_new(sizeof(struct peer));
    } else {
        free(*context);
        *context = NULL;
    }
}

static enum MHD_Result on_accept(void *userdata, const struct sockaddr *address,
                                 socklen_t length)
{
    const struct listener *l = userdata;
    (void)address;
    (void)length;
    return l->simulator->down == DOWN_ACCEPT && !l->control_only ? MHD_NO : MHD_YES;
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)userdata;
    (void)connection;
    struct request *q = *context;
    if (!q)
        return;
    *context = NULL;
    if (q->counted) {
        q->simulator->journal.in_flight--;
        if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
            q->simulator->journal.undelivered++;
    }
    fault_unref(q->fault);
    json_decref(q->json);
    buffer_done(&q->body);
    buffer_done(&q->answer);
    while (q->n_headers)
        free(q->header_text[--q->n_headers]);
    free(q->target);
    free(q->argument);
    free(q->login);
    free(q);
}

static void suspend(struct request *q)
{
    TAILQ_INSERT_TAIL(&q->simulator->waiting, q, waiting);
    MHD_suspend_connection(q->connection);
}

static void resume(struct request *q)
{
    TAILQ_REMOVE(&q->simulator->waiting, q, waiting);
    q->simulator->has_resumed = true;
    MHD_resume_connection(q->connection);
}

/* With a pace, an answer comes in pieces: whether the next one is not due yet. The connection
 * sleeps until then. */
static bool is_paced(struct request *q)
{
    uint64_t now = time_monotonic_ms();
    if (!q->fault->pace_ms)
        return false;
    if (q->wait_until_ms > now) {
        suspend(q);
        return true;
    }
    q->wait_until_ms = now + (uint64_t)q->fault->pace_ms;
    return false;
}

/* The tenant's answer first and white space after it, for as long as the fault wants. A short
 * body ends early: MHD closes the connection, since less was sent than declared. */
static ssize_t read_bent_body(void *userdata, uint64_t position, char *to, size_t room)
{
    struct request *q = userdata;
    const struct fault *f = q->fault;
    if (f->action == FAULT_SHORT_BODY) {
        uint64_t stop = f->bytes == UINT64_MAX ? q->answer.length / 2 : f->bytes;
        if (position >= stop || position >= q->answer.length)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        room = stop - position < room ? stop - position : room;
    }
    if (is_paced(q))
        return 0;
    if (position < q->answer.length) {
        size_t left = q->answer.length - position;
        size_t n = left < room ? left : room;
        memcpy(to, q->answer.data + position, n);
        return (ssize_t)n;
    }
    size_t n = f->pace_ms ? 1 : room;
    memset(to, ' ', n);
    return (ssize_t)n;
}

static struct MHD_Response *make_response(struct request *q)
{
    enum fault_action action = q->fault ? q->fault->action : FAULT_DELAY;
    uint64_t bytes = q->fault && q->fault->bytes != UINT64_MAX ? q->fault->bytes : 64u << 20;
    if (action == FAULT_SHORT_BODY)
        return MHD_create_response_from_callback(q->answer.length + 100, 4096, read_bent_body,
                                                 q, NULL);
    if (action == FAULT_BIG_BODY)
        return MHD_create_response_from_callback(q->answer.length + bytes, 65536,
                                                 read_bent_body, q, NULL);
    if (action == FAULT_ENDLESS_BODY)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_bent_body, q,
                                                 NULL);
    /* The request outlives its response, so the text is lent. */
    return MHD_create_response_from_buffer(q->answer.length, q->answer.data,
                                           MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_answer(struct request *q)
{
    if (!q->answer.data)
        buffer_text(&q->answer, "");
    struct MHD_Response *response = make_response(q);
    if (!response)
        return MHD_NO;
    if (q->content_type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, q->content_type);
    for (size_t i = 0; i < q->n_headers; i++) {
        char *colon = strchr(q->header_text[i], ':');
        *colon = '\0';
        MHD_add_response_header(response, q->header_text[i], colon + 2);
        *colon = ':';
    }
    enum MHD_Result result = MHD_queue_response(q->connection, q->status, response);
    MHD_destroy_response(response);
    return result;
}

/* With no time to linger, close sends RST. */
static void arm_reset(struct request *q)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (info && setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) < 0)
        fprintf(stderr, "tenant-simulator: cannot arm a reset: %m\n");
}

static enum MHD_Result serve(struct request *q)
{
    enum route_result result = route_serve(q->simulator, q);
    if (result == ROUTE_WAIT) {
        suspend(q);
        return MHD_YES;
    }
    bool cut = result != ROUTE_ANSWER;
    if (!q->control)
        journal_record(&q->simulator->journal, q, cut);
    if (!cut)
        return send_answer(q);
    if (result == ROUTE_RESET)
        arm_reset(q);
    return MHD_NO; /* MHD closes the connection */
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
                                  const char *url, const char *method, const char *version,
                                  const char *data, size_t *data_size, void **context)
{
    (void)userdata;
    (void)connection;
    (void)url;
    (void)version;
    struct request *q = *context;
    if (!q)
        return MHD_NO;
    if (!q->method_text[0]) { /* the headers are complete */
        snprintf(q->method_text, sizeof(q->method_text), "%s", method);
        q->method = method_from_text(method);
        return MHD_YES;
    }
    if (*data_size) {
        q->too_large = q->too_large || q->body.length + *data_size > BODY_LIMIT;
        if (!q->too_large)
            buffer_append(&q->body, data, *data_size);
        *data_size = 0;
        return MHD_YES;
    }
    if (!q->endpoint && q->stage == 0)
        route_resolve(q->simulator, q);
    return serve(q);
}

static int parse_address(const char *text, struct sockaddr_in *ret)
{
    const char *colon = strrchr(text, ':');
    CLEANUP(text_freep)
    char *host = colon ? text_copy_length(text, (size_t)(colon - text)) : NULL;
    long port = 0;
    *ret = (struct sockaddr_in){.sin_family = AF_INET};
    if (!host || !text_number(colon + 1, 0, 65535, &port) ||
        inet_pton(AF_INET, host, &ret->sin_addr) != 1)
        return -1;
    ret->sin_port = htons((uint16_t)port);
    return 0;
}

static int bind_address(struct listener *l, const char *text)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    if (parse_address(text, &address) < 0) {
        fprintf(stderr, "tenant-simulator: %s is no IPV4:PORT\n", text);
        return -1;
    }
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        fprintf(stderr, "tenant-simulator: cannot listen on %s: %m\n", text);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    l->port = ntohs(address.sin_port);
    return fd;
}

int http_listen(struct listener *l, struct simulator *s, const char *address,
                const char *certificate, const char *key, int control_only)
{
    *l = (struct listener){.simulator = s, .control_only = control_only, .epoll_fd = -1};
    int fd = bind_address(l, address);
    if (fd < 0)
        return -1;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (certificate ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    l->daemon = MHD_start_daemon(
        flags, 0, on_accept, l, on_request, l, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_URI_LOG_CALLBACK, on_target, l,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, l, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, l, MHD_OPTION_ARRAY, certificate ? tls : none, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        l->daemon ? MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) {
        fprintf(
            stderr,
            "tenant-simulator: cannot start the server; are certificate and key readable?\n");
        if (!l->daemon)
            close(fd);
        return -1;
    }
    l->epoll_fd = info->epoll_fd;
    return 0;
}

void http_close(struct listener *l)
{
    if (l->daemon)
        MHD_stop_daemon(l->daemon);
    l->daemon = NULL;
}

int http_run(struct listener *l)
{
    return MHD_run(l->daemon) == MHD_YES ? 0 : -1;
}

int http_timeout(const struct listener *l, int limit_ms)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    if (MHD_get_timeout(l->daemon, &wait_ms) != MHD_YES)
        return limit_ms;
    return wait_ms < (MHD_UNSIGNED_LONG_LONG)limit_ms ? (int)wait_ms : limit_ms;
}

static bool is_hung_up(const struct request *q)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd p = {.fd = info ? info->connect_fd : -1, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}

int http_wake(struct simulator *s)
{
    enum {
        LOOK_MS = 250
    }; /* how often the clients of stalled requests are looked at */
    uint64_t now = time_monotonic_ms();
    int next_ms = 60000;
    struct request *q = TAILQ_FIRST(&s->waiting), *after;
    for (; q; q = after) {
        after = TAILQ_NEXT(q, waiting);
        bool due = q->wait_forever ? is_hung_up(q) : q->wait_until_ms <= now;
        uint64_t left = q->wait_forever ? LOOK_MS : q->wait_until_ms - now;
        if (due)
            resume(q);
        else if (left < (uint64_t)next_ms)
            next_ms = (int)left;
    }
    /* MHD takes resumed connections up in its next run; its epoll set does not announce them.
     */
    if (s->has_resumed)
        next_ms = 0;
    s->has_resumed = false;
    return next_ms;
}

void http_end_stalls(struct simulator *s)
{
    struct request *q = TAILQ_FIRST(&s->waiting), *after;
    for (; q; q = after) {
        after = TAILQ_NEXT(q, waiting);
        if (q->wait_forever)
            resume(q); /* its stage says that it is to be cut */
    }
}

void http_end_all(struct simulator *s)
{
    struct request *q;
    s->down = DOWN_CUT; /* whatever is served from now on is cut */
    while ((q = TAILQ_FIRST(&s->waiting)))
        resume(q);
}
