/* Putting a composed line into the chain. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "audit/chain.h"
#include "base/buffer.h"

struct error;
struct operation;
struct state;

/* The end of the chain, to which the next line is appended. */
struct compose_head {
    int64_t seq; /* of the last line; 0: none yet */
    struct chain_hash link;
};
int compose_head(struct state *s, struct compose_head *ret, struct error *e);
/* The link of a line that is still in the state, or STATE_NONE. */
int compose_link_of(struct state *s, int64_t seq, struct chain_hash *ret, struct error *e);
/* {"v":1,"seq":N,"t":"…" */
void compose_begin(struct buffer *b, int64_t seq, const char *time);
/* Ends the line with commitment, prev and what is personal (an object's text, or NULL), and
 * stores it. */
int compose_end(struct state *s, struct buffer *b, const struct buffer *personal,
                const struct compose_head *head, struct error *e);

/* What an intent and its outcome have in common of their operation's changes: ,"at":[…] with the
 * places, ,"set":[…] with the values, or nothing; those by which a person is reached left out. */
int compose_changes(const struct operation *o, bool hide_contacts, struct buffer *at,
                    struct buffer *set, struct error *e);
bool compose_is_contact(const char *field);
