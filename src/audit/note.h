/* The texts that a key signs, and a checkpoint's line as the signed note that it stands for. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "audit/chain.h"
#include "base/buffer.h"

/* Name of the key, number and link of the last line that is covered, and when. */
void checkpoint_note(struct buffer *b, const char *name, int64_t seq,
                     const struct chain_hash *link, const char *time);
/* Hands over from the key `name` to another one. */
void checkpoint_key_note(struct buffer *b, const char *name, const char *new_vkey,
                         const char *time);

/* The signed note of a checkpoint's line (https://c2sp.org/signed-note), if it is one. name: of
 * the key. *ret_seq: the last line that it covers; *ret_counted: it was written because so many
 * lines were, and for no other reason. */
bool note_of_line(struct buffer *b, const char *line, const char *name, int64_t *ret_seq,
                  bool *ret_counted);
