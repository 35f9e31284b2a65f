/* Framing of the control protocol: JSON objects, each followed by a NUL byte. */
#pragma once
#include <jansson.h>
#include <stddef.h>

#include "base/buffer.h"

struct error;

/* An answer may be larger than a request: a plan of many people. */
#define CONTROL_ANSWER_MAX (64 * 1024 * 1024)

#define PROTOCOL_INCOMPLETE 1 /* no whole message is there yet */

/* Takes the first message out of the bytes received: an object (a reference that the caller
 * owns). -EMSGSIZE when more than `max` bytes are there without an end, -EBADMSG when a message
 * is no JSON object; both with a sentence. *ret_used: bytes to drop in front, also of a message
 * that is bad. */
int protocol_next(const char *bytes, size_t size, size_t max, json_t **ret, size_t *ret_used,
                  struct error *e);
/* Appends the message and its NUL. -ENOMEM. */
int protocol_add(struct buffer *b, const json_t *message);

/* {"error":code,"parameters":{"message":sentence}}; NULL when out of memory. The sentence is
 * made printable. */
json_t *protocol_error(const char *code, const char *sentence);
