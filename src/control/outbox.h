/*
 * What waits to be sent to a client: messages, and of a large answer the text that was made
 * elsewhere, which is not copied.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

struct outbox {
    struct buffer messages; /* whoever adds looks whether that failed */
    size_t sent;
    char *parameters; /* of an answer that follows; NULL: none */
    size_t parameters_size, parameters_sent;
};

void outbox_done(struct outbox *o);
bool outbox_any(const struct outbox *o);
size_t outbox_left(const struct outbox *o); /* bytes that are still to be sent */
/* An answer with these parameters, of which there may be one at a time. */
void outbox_add_answer(struct outbox *o, char *parameters_taken, size_t size);
/* What the client takes now, and not so much that others wait. 0 or -errno; *ret_moved: it took
 * something. */
int outbox_write(struct outbox *o, int fd, bool *ret_moved);
