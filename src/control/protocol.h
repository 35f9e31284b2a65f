/*
 * Framing and names of the control protocol, which is Varlink's: JSON objects, each followed by
 * a NUL byte; methods and errors are names of an interface. The programs speak of words
 * ("not-found", "status"); only the wire has the names ("org.rosterd.NotFound").
 */
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

/* {"error":name,"parameters":{"message":sentence}}; NULL when out of memory. The sentence is
 * made printable. */
json_t *protocol_error(const char *word, const char *sentence);

#define PROTOCOL_INTERFACE "org.rosterd"
#define SERVICE_INTERFACE  "org.varlink.service"
#define PROTOCOL_NAME_MAX  100 /* bytes that a word or a name takes, with its NUL */
/* "not-found" -> "org.rosterd.NotFound". */
const char *protocol_name(char buffer[static PROTOCOL_NAME_MAX], const char *word);
/* The way back; NULL: the name is of another interface, or of none. */
const char *protocol_word(char buffer[static PROTOCOL_NAME_MAX], const char *name);

/* service.c. A whole answer to a method of org.varlink.service (a reference that the caller
 * owns), or NULL: the method is of another interface. */
json_t *service_answer(const char *method, const json_t *parameters);
/* One of its errors, such as MethodNotFound with {"method": value}. */
json_t *service_error(const char *error, const char *member, const char *value);
