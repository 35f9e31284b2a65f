/*
 * Writing JSON without building it first: the pieces go straight into a buffer. For what the
 * program writes once for each person; what is written seldom is easier with jansson.
 *
 * The text is what jansson writes with JSON_COMPACT, byte for byte, so that a stored text can be
 * compared with a new one whoever wrote it; keys are written in the order in which they are
 * given, and a canonical form gives them sorted.
 */
#pragma once
#include <stdint.h>

#include "base/buffer.h"

/* A string of that many bytes. What is no UTF-8 cannot be written: the buffer fails. */
void json_write_bytes(struct buffer *b, const char *text, size_t size);
void json_write_text(struct buffer *b, const char *text); /* NULL: null */
void json_write_integer(struct buffer *b, int64_t value);
/* A comma unless something was opened just before, then "key":. The key is plain ASCII. */
void json_write_key(struct buffer *b, const char *key);
/* A comma unless something was opened just before: in front of an item of an array, or of a key
 * that is written as a text. */
void json_write_comma(struct buffer *b);
