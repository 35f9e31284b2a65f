/*
 * Where the audit's lines wait until they are in the audit file. The audit composes and chains
 * them; this keeps them in order. The last line always stays, as the head of the chain.
 */
#pragma once
#include <stdint.h>

#include "base/digest.h"

struct audit_memory;
struct error;
struct state;

struct trail_head {
    int64_t seq; /* 0: no line yet */
    char hash[DIGEST_TEXT_SIZE];
};
int trail_head(struct state *s, struct trail_head *ret, struct error *e);
/* Adds a line; drops those that are known to be in the audit file. */
int trail_append(struct state *s, int64_t seq, const char *line, const char *hash,
                 struct error *e);
/* The hash of a line that is still here, or STATE_NONE. */
int trail_hash(struct state *s, int64_t seq, char ret[static DIGEST_TEXT_SIZE],
               struct error *e);
/* The lowest line that is still here; 0: none. */
int trail_first(struct state *s, int64_t *ret_seq, struct error *e);
/* fn for each line after `seq`, in order, until it returns non-zero, which is returned. */
int trail_each(struct state *s, int64_t after,
               int (*fn)(int64_t seq, const char *line, void *userdata), void *userdata,
               struct error *e);
/* Lines up to `seq` are durable in the audit file. Remembered, and noted in the state by the
 * next trail_append() or trail_note(). */
void trail_exported(struct state *s, int64_t seq);
int trail_note(struct state *s, struct error *e);
/* How far the audit file is known to have got. */
int64_t trail_exported_get(struct state *s);
/* Drops every line: before a chain is continued from an audit file that is ahead of the state.
 */
int trail_clear(struct state *s, struct error *e);

/* What the composer remembers between lines, or NULL. It is borrowed. The epoch changes when a
 * transaction is rolled back: what was remembered of it is then not so. */
void trail_attach(struct state *s, struct audit_memory *m);
struct audit_memory *trail_attached(const struct state *s, uint64_t *ret_epoch);
