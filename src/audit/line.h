/* A line of the audit file: what of it belongs to the chain, and writing its JSON. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/digest.h"

/* What the first line of all names as its predecessor. */
#define LINE_NO_PREDECESSOR "0000000000000000000000000000000000000000000000000000000000000000"

struct line_chain {
    int64_t seq;
    char time[32];
    char prev[DIGEST_TEXT_SIZE];
};
/* Reads the head and the end of a line (without its newline), whose form is fixed:
 * {"seq":N,"time":"…",…,"prev":"…"}. False when it has another one. */
bool line_parse(const char *line, size_t size, struct line_chain *ret);
/* The same line with another place in the chain, malloc'd; NULL when out of memory. */
char *line_rechain(const char *line, int64_t seq, const char *prev);

/* ,"key":"text" with text made printable; nothing for NULL. */
void line_add_text(struct buffer *b, const char *key, const char *text);
void line_add_number(struct buffer *b, const char *key, int64_t value);
/* A JSON string, or null for NULL. */
void line_add_string(struct buffer *b, const char *text);
