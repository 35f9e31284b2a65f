/* The texts that a key signs, and a checkpoint's line as the signed note that it stands for. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "audit/chain.h"
#include "audit/line.h"
#include "base/buffer.h"

/* What a checkpoint vouches for. */
struct note {
    int64_t seq; /* the last line that is covered */
    struct chain_hash link;
    char time[32];
    int64_t from; /* the first line of the tree, which ends with `seq` */
    struct chain_hash root;
};
/* The text that the key `name` signs. */
void checkpoint_note(struct buffer *b, const char *name, const struct note *n);
/* Hands over from the key `name` to another one, behind line `seq` with that link and nowhere
 * else. */
void checkpoint_key_note(struct buffer *b, const char *name, const char *new_vkey, const char *time,
                         int64_t seq, const struct chain_hash *link);

/* What a checkpoint's line vouches for, and its signature, borrowed from the row; NULL: it is none,
 * or not whole. */
const char *note_read(const json_t *row, const struct line_chain *l, struct note *ret);
/* The signed note of a checkpoint's line (https://c2sp.org/signed-note), if it is one. name: of
 * the key. *ret_seq: the last line that it covers; *ret_counted: it was written because so many
 * lines were, and for no other reason. */
bool note_of_line(struct buffer *b, const char *line, const char *name, int64_t *ret_seq,
                  bool *ret_counted);
