/*
 * The client's side: connects, sends one request, waits for its answer until a deadline. It
 * blocks, since rosterctl has nothing else to do; it never waits without a bound.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "control/control.h"
#include "control/protocol.h"

struct control_client {
    int fd;
    struct buffer in;
};

struct control_client *control_client_free(struct control_client *c)
{
    if (!c)
        return NULL;
    if (c->fd >= 0)
        (void)close(c->fd);
    buffer_done(&c->in);
    free(c);
    return NULL;
}

DEFINE_CLEANUP(struct control_client *, control_client_free)

int control_client_open(struct control_client **ret, const char *path, struct error *e)
{
    static const struct timeval queue_wait = {.tv_sec = 10};
    CLEANUP(control_client_freep) struct control_client *c = calloc(1, sizeof(*c));
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    if (!c)
        return error_out_of_memory(e);
    c->fd = -1;
    if (strlen(path) >= sizeof(a.sun_path))
        return error_set(e, -ENAMETOOLONG, "the path of a socket has at most %zu bytes: %s",
                         sizeof(a.sun_path) - 1, path);
    memcpy(a.sun_path, path, strlen(path) + 1);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return error_set(e, -errno, "a socket cannot be made: %s", strerror(errno));
    /* A Unix socket connects at once, or when the daemon's queue has room again (unix(7); EAGAIN:
     * it had none for that long). */
    if (setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &queue_wait, sizeof(queue_wait)) < 0 ||
        connect(c->fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
        fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0) {
        int r = -errno;
        if (r == -EAGAIN)
            return error_set(e, r, "rosterd did not answer in time on %s", path);
        if (r == -ENOENT || r == -ECONNREFUSED)
            return error_set(e, r, "rosterd is not running: nothing answers on %s", path);
        if (r == -EACCES || r == -EPERM)
            return error_set(e, r,
                             "%s: permission denied; root and the members of the groups of "
                             "[control] may connect",
                             path);
        return error_set(e, r, "%s: %s", path, strerror(-r));
    }
    *ret = TAKE(c);
    return 0;
}

/* 0 when the socket is ready; -ETIMEDOUT. */
static int wait_until(int fd, short events, uint64_t deadline_usec, struct error *e)
{
    for (;;) {
        uint64_t now = clock_monotonic_usec();
        struct pollfd p = {.fd = fd, .events = events};
        if (now >= deadline_usec)
            return error_set(e, -ETIMEDOUT, "rosterd did not answer in time");
        uint64_t left = (deadline_usec - now) / USEC_PER_MSEC + 1;
        int n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return error_set(e, -errno, "waiting for rosterd: %s", strerror(errno));
    }
}

static int send_all(struct control_client *c, const struct buffer *b, uint64_t deadline_usec,
                    struct error *e)
{
    size_t sent = 0;

    while (sent < b->size) {
        ssize_t n = send(c->fd, b->data + sent, b->size - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += (size_t)n;
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET)
            return 0; /* it may have said why; the answer is read next */
        if (errno != EAGAIN && errno != EINTR)
            return error_set(e, -errno, "asking rosterd: %s", strerror(errno));
        int r = wait_until(c->fd, POLLOUT, deadline_usec, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int receive(struct control_client *c, uint64_t deadline_usec, json_t **ret, struct error *e)
{
    char chunk[65536];
    size_t used, seen = 0;

    for (;;) {
        /* Only what is new is looked at for the end, so a large answer is not read twice. */
        if (c->in.size > seen && memchr(c->in.data + seen, '\0', c->in.size - seen)) {
            int r = protocol_next(c->in.data, c->in.size, CONTROL_ANSWER_MAX, ret, &used, e);
            memmove(c->in.data, c->in.data + used, c->in.size - used);
            c->in.size -= used;
            return r;
        }
        seen = c->in.size;
        if (seen > CONTROL_ANSWER_MAX)
            return error_set(e, -EMSGSIZE, "rosterd's answer is too large");
        int r = wait_until(c->fd, POLLIN, deadline_usec, e);
        if (r < 0)
            return r;
        ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);
        if (n == 0)
            return error_set(e, -ECONNRESET, "rosterd closed the connection without an answer");
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return error_set(e, -errno, "reading rosterd's answer: %s", strerror(errno));
        if (n > 0)
            buffer_add(&c->in, chunk, (size_t)n);
        if (c->in.failed)
            return error_out_of_memory(e);
    }
}

static int refused(const json_t *answer, char **ret_code, struct error *e)
{
    char space[PROTOCOL_NAME_MAX];
    const char *name = json_string_value(json_object_get(answer, "error"));
    const char *code = name ? protocol_word(space, name) : NULL;
    const char *sentence =
        json_string_value(json_object_get(json_object_get(answer, "parameters"), "message"));

    *ret_code = strdup(code ? code : "failed");
    if (!*ret_code)
        return error_out_of_memory(e);
    (void)error_set(e, 0, "%s", sentence ? sentence : name ? name : *ret_code);
    return CONTROL_REFUSED;
}

int control_client_call(struct control_client *c, const char *method, json_t *parameters_taken,
                        unsigned timeout_seconds, json_t **ret, char **ret_code, struct error *e)
{
    CLEANUP(buffer_done) struct buffer request = {0};
    json_auto_t *parameters = parameters_taken ? parameters_taken : json_object();
    char name[PROTOCOL_NAME_MAX];
    json_auto_t *message =
        json_pack("{s:s, s:O}", "method", protocol_name(name, method), "parameters", parameters);
    uint64_t deadline = clock_monotonic_usec() + timeout_seconds * USEC_PER_SEC;

    if (!message || protocol_add(&request, message) < 0)
        return error_out_of_memory(e);
    if (request.size > CONTROL_MESSAGE_MAX)
        return error_set(e, -EMSGSIZE, "the request is larger than %d bytes", CONTROL_MESSAGE_MAX);
    int r = send_all(c, &request, deadline, e);
    if (r < 0)
        return r;
    json_auto_t *answer = NULL;
    r = receive(c, deadline, &answer, e);
    if (r < 0)
        return r;
    if (json_object_get(answer, "error"))
        return refused(answer, ret_code, e);
    json_t *result = json_object_get(answer, "parameters");
    if (!json_is_object(result))
        return error_set(e, -EBADMSG, "rosterd's answer has no parameters");
    *ret = json_incref(result);
    return 0;
}
