/* Checkpoints: lines that sign the chain up to the line before them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct state;

#define CHECKPOINT_LINES 64 /* the most from one to the next */

/* Says in a line of its own when the key is not the one that signed before. It is handed over by
 * the old one only when rosterd itself makes a new one. */
int checkpoint_note_key(struct state *s, struct error *e);
/* The key that signed last, as far as the state knows; NULL: none. */
int checkpoint_last_key(struct state *s, char **ret, struct error *e);
/* The key that signs hands over to this one, which signs from now on: *signer holds the other one
 * then. In the open transaction; when that is undone, so is to be the exchange. */
struct signer;
int checkpoint_hand_over(struct state *s, struct signer **signer, struct error *e);
/* Writes one, in the open transaction; nothing without a key. why: "start", "stop", "open",
 * "close", "count", "time", "key". */
int checkpoint_record(struct state *s, const char *why, struct error *e);
/* After a line was written: one is due by count, by time or by that line's event. */
int checkpoint_if_due(struct state *s, const char *event, struct error *e);
/* Were lines written since the last one, an hour ago or longer? */
bool checkpoint_is_late(struct state *s);
