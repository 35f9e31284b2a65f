/* Sending without waiting. */
#include "config.h"

#include "control/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/memory.h"

/* So that whoever reads fast keeps nobody waiting. */
#define WRITTEN_AT_ONCE (1024 * 1024)
#define SENT_ALL        1

void outbox_done(struct outbox *o)
{
    buffer_done(&o->messages);
    free(TAKE(o->parameters));
}

bool outbox_any(const struct outbox *o)
{
    return o->messages.size > 0 || o->parameters;
}

size_t outbox_left(const struct outbox *o)
{
    size_t behind = o->parameters ? o->parameters_size - o->parameters_sent + 2 : 0;
    return o->messages.size - o->sent + behind;
}

void outbox_add_answer(struct outbox *o, char *parameters_taken, size_t size)
{
    assert(!o->parameters);
    buffer_add_text(&o->messages, "{\"parameters\":");
    o->parameters = parameters_taken;
    o->parameters_size = size;
    o->parameters_sent = 0;
}

static int send_some(int fd, const char *bytes, size_t size, size_t *sent, bool *ret_moved)
{
    size_t left = WRITTEN_AT_ONCE;

    while (*sent < size && left) {
        size_t some = size - *sent < left ? size - *sent : left;
        ssize_t n = send(fd, bytes + *sent, some, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
        *sent += (size_t)n;
        left -= (size_t)n;
        *ret_moved = true;
    }
    return *sent == size ? SENT_ALL : 0;
}

int outbox_write(struct outbox *o, int fd, bool *ret_moved)
{
    int r = SENT_ALL;

    *ret_moved = false;
    while (r == SENT_ALL && outbox_any(o)) {
        r = send_some(fd, o->messages.data, o->messages.size, &o->sent, ret_moved);
        if (r != SENT_ALL)
            break;
        buffer_done(&o->messages); /* a large answer's memory is not kept */
        o->sent = 0;
        if (!o->parameters)
            break;
        r = send_some(fd, o->parameters, o->parameters_size, &o->parameters_sent, ret_moved);
        if (r != SENT_ALL)
            break;
        free(TAKE(o->parameters));
        buffer_add(&o->messages, "}", 2); /* with the end of the message */
        if (o->messages.failed)
            return -ENOMEM;
    }
    return r < 0 ? r : 0;
}
