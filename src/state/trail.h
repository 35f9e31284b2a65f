/*
 * Where the audit's lines wait until they are in the audit file. The audit composes and chains
 * them; this keeps them in order. The lines of one commit are one row, written when it commits.
 * The last lines always stay: they are the head of the chain, and what a checkpoint is made of.
 */
#pragma once
#include <stdint.h>

#include "base/digest.h"

struct audit_memory;
struct error;
struct state;

#define TRAIL_KEPT 64 /* lines that stay, at least */
#define TRAIL_STEP 32 /* they are dropped so many at a time: each time other pages are written */

struct trail_head {
    int64_t seq; /* 0: no line yet */
    char hash[DIGEST_TEXT_SIZE];
};
int trail_head(struct state *s, struct trail_head *ret, struct error *e);
/* Adds a line, which is written with the next trail_flush(). */
int trail_append(struct state *s, int64_t seq, const char *line, const char *hash, struct error *e);
/* Writes what was added, and drops lines that are known to be in the audit file; state_commit()
 * does so. */
int trail_flush(struct state *s, struct error *e);
/* The lowest line that is still here; 0: none. */
int trail_first(struct state *s, int64_t *ret_seq, struct error *e);
typedef int (*trail_fn)(int64_t seq, const char *line, void *userdata);
/* fn for each line after `seq`, in order, until it returns non-zero, which is returned. */
int trail_each(struct state *s, int64_t after, trail_fn fn, void *userdata, struct error *e);
/* What fn says of that one line; 0: it is not here any more. */
int trail_line(struct state *s, int64_t seq, trail_fn fn, void *userdata, struct error *e);
/* Lines up to `seq` are durable in the audit file. Remembered, and noted in the state by the
 * next trail_flush() that has lines, or trail_note(). */
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
