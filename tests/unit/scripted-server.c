/*
 * See scripted-server.h. Any failure of the server itself aborts the test. It reads a whole
 * request before it asks what to do, keeps connections open, and understands no more of HTTP
 * than the client under test sends.
 */
#include "config.h"

#include "scripted-server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define REQUEST_MAX (64 * 1024)

struct connection {
    LIST_ENTRY(connection) link;
    struct scripted_server *server;
    int fd;
    sd_event_source *source;
    char data[REQUEST_MAX + 1];
    size_t size;
    unsigned n_requests;
    bool endless;
};

struct scripted_server {
    struct sd_event *event;
    sd_event_source *source;
    int fd;
    char url[64];
    scripted_fn fn;
    void *userdata;
    unsigned n_connections;
    LIST_HEAD(, connection) connections;
};

#define MUST(condition)                                                                        \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "%s:%d: %s: %m\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

static void connection_free(struct connection *c)
{
    LIST_REMOVE(c, link);
    sd_event_source_disable_unref(c->source);
    close(c->fd);
    free(c);
}

static void send_text(const struct connection *c, const char *text)
{
    /* The peer may be gone: that is what some tests are about. */
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = send(c->fd, text, left, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n < 0)
            return;
        text += n;
        left -= (size_t)n;
    }
}

static void header_of(const char *head, const char *name, char *out, size_t size)
{
    out[0] = '\0';
    const char *at = strcasestr(head, name);
    if (at) {
        at += strlen(name);
        at += strspn(at, " ");
        snprintf(out, size, "%.*s", (int)strcspn(at, "\r\n"), at);
    }
}

/* false: the connection is gone. */
static bool act(struct connection *c, const struct scripted_answer *a)
{
    char head[2048];
    size_t size = a->body ? strlen(a->body) : 0;
    int status = a->status ? a->status : 200;
    switch (a->deed) {
    case SCRIPTED_STALL: return true;
    case SCRIPTED_RESET: {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        MUST(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
        connection_free(c);
        return false;
    }
    case SCRIPTED_CLOSE: connection_free(c); return false;
    case SCRIPTED_ENDLESS:
        send_text(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        c->endless = true;
        MUST(sd_event_source_set_io_events(c->source, EPOLLIN | EPOLLOUT) >= 0);
        return true;
    case SCRIPTED_SHORT:
    case SCRIPTED_ANSWER:
    default: break;
    }
    bool cut = a->deed == SCRIPTED_SHORT;
    snprintf(head, sizeof(head), "HTTP/1.1 %d Scripted\r\nContent-Length: %zu\r\n%s\r\n",
             status, cut ? size + 100 : size, a->headers ? a->headers : "");
    send_text(c, head);
    if (a->body)
        send_text(c, a->body);
    if (cut)
        connection_free(c);
    return !cut;
}

/* Serves one whole request if there is one. */
static bool serve(struct connection *c, bool *ret_served)
{
    static char head[REQUEST_MAX + 1], body[REQUEST_MAX + 1];
    char method[16], path[1024], authorization[512], content_type[128], length[32];
    *ret_served = false;
    c->data[c->size] = '\0';
    char *end = strstr(c->data, "\r\n\r\n");
    if (!end)
        return true;
    size_t head_size = (size_t)(end - c->data) + 4;
    memcpy(head, c->data, head_size);
    head[head_size] = '\0';
    header_of(head, "\r\nContent-Length:", length, sizeof(length));
    size_t body_size = strtoul(length, NULL, 10);
    MUST(head_size + body_size <= REQUEST_MAX);
    if (c->size < head_size + body_size)
        return true;
    memcpy(body, c->data + head_size, body_size);
    body[body_size] = '\0';
    memmove(c->data, c->data + head_size + body_size, c->size - head_size - body_size);
    c->size -= head_size + body_size;
    MUST(sscanf(head, "%15s %1023s", method, path) == 2);
    header_of(head, "\r\nAuthorization:", authorization, sizeof(authorization));
    header_of(head, "\r\nContent-Type:", content_type, sizeof(content_type));
    const struct scripted_request request = {
        .method = method,
        .path = path,
        .authorization = authorization,
        .content_type = content_type,
        .body = body,
        .on_connection = ++c->n_requests,
    };
    struct scripted_answer answer = {.deed = SCRIPTED_ANSWER};
    c->server->fn(&request, &answer, c->server->userdata);
    *ret_served = true;
    return act(c, &answer);
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct connection *c = userdata;
    (void)source;
    if (c->endless && (events & EPOLLOUT)) {
        static char chunk[4096 + 16];
        snprintf(chunk, sizeof(chunk), "1000\r\n%04096d\r\n", 0);
        if (send(fd, chunk, strlen(chunk), MSG_NOSIGNAL) < 0 && errno != EAGAIN) {
            connection_free(c);
            return 0;
        }
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return 0;
    ssize_t n = recv(fd, c->data + c->size, REQUEST_MAX - c->size, 0);
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            return 0;
        connection_free(c);
        return 0;
    }
    c->size += (size_t)n;
    for (bool served = true; served;)
        if (!serve(c, &served))
            break;
    return 0;
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct scripted_server *s = userdata;
    (void)source, (void)events;
    struct connection *c = calloc(1, sizeof(*c));
    MUST(c);
    c->server = s;
    c->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    MUST(c->fd >= 0);
    /* Head and body are two writes: without this the second waits for what the client owes. */
    MUST(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) == 0);
    MUST(sd_event_add_io(s->event, &c->source, c->fd, EPOLLIN, on_connection, c) >= 0);
    LIST_INSERT_HEAD(&s->connections, c, link);
    s->n_connections++;
    return 0;
}

struct scripted_server *scripted_server_new(struct sd_event *event, scripted_fn fn,
                                            void *userdata)
{
    struct scripted_server *s = calloc(1, sizeof(*s));
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    MUST(s);
    LIST_INIT(&s->connections);
    s->event = sd_event_ref(event);
    s->fn = fn;
    s->userdata = userdata;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    MUST(s->fd >= 0);
    MUST(bind(s->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    MUST(listen(s->fd, 64) == 0);
    MUST(getsockname(s->fd, (struct sockaddr *)&address, &size) == 0);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    MUST(sd_event_add_io(event, &s->source, s->fd, EPOLLIN, on_accept, s) >= 0);
    return s;
}

void scripted_server_shut(struct scripted_server *s)
{
    s->source = sd_event_source_disable_unref(s->source);
    close(s->fd);
    s->fd = -1;
}

struct scripted_server *scripted_server_free(struct scripted_server *s)
{
    if (!s)
        return NULL;
    while (!LIST_EMPTY(&s->connections))
        connection_free(LIST_FIRST(&s->connections));
    if (s->fd >= 0)
        scripted_server_shut(s);
    sd_event_unref(s->event);
    free(s);
    return NULL;
}

const char *scripted_server_url(const struct scripted_server *s)
{
    return s->url;
}

void scripted_server_drop(struct scripted_server *s)
{
    while (!LIST_EMPTY(&s->connections))
        connection_free(LIST_FIRST(&s->connections));
}

unsigned scripted_server_n_connections(const struct scripted_server *s)
{
    return s->n_connections;
}
