/* A line of the audit file: what of it belongs to the chain, and writing its JSON. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/chain.h"
#include "base/buffer.h"

/* What was written before version 1 had another form and another hash. */
#define LINE_OLD 0
#define LINE_NEW 1

struct line_chain {
    int version;
    int64_t seq;
    char time[32];
    struct chain_hash prev;
    struct chain_hash link; /* what the line after this one names as its prev */
    bool committed;         /* it has "pc" */
    struct chain_hash commitment;
    const char *head; /* what is hashed of it, but for prev; borrowed */
    size_t head_size;
    const char *personal; /* {"s":…}, borrowed; NULL: none, or erased */
    size_t personal_size;
};
/* Reads what of a line (without its newline) has a fixed form. 1 when it has it, 0 when not,
 * -EIO. */
int line_parse(const char *line, size_t size, struct line_chain *ret);
/* The same without the hash of the line itself: `link` is not filled in. 1 or 0. */
int line_look(const char *line, size_t size, struct line_chain *ret);
/* Has it the form of version 1, or one that is later? */
bool line_is_new(const char *line, size_t size);
/* The same line with another place in the chain, malloc'd; NULL when out of memory. */
char *line_rechain(const char *line, int64_t seq, const struct chain_hash *prev);
/* Does the line tell of this event? A quick look, without parsing. */
bool line_is_event(const char *line, const char *event);
/* A plain word, or the first digits of a number, that stands before what is personal; "" when there
 * is none, or no room for it. The key as it stands there: ,"ev":" */
void line_word(const struct line_chain *l, const char *key, char *ret, size_t room);
/* The operation's number of a line of version 1, without parsing; 0: none. *ret_says_what: its kind
 * is there too, so the line says all of it itself. */
int64_t line_number(const char *line, bool *ret_says_what);

/* ,"key":"text" with text made printable; nothing for NULL. */
void line_add_text(struct buffer *b, const char *key, const char *text);
void line_add_number(struct buffer *b, const char *key, int64_t value);
/* A JSON string, or null for NULL. */
void line_add_string(struct buffer *b, const char *text);
