/* The tree of a checkpoint: a root over the links of its lines, and the way from one of them up to
 * it (docs/audit-format.md, "Checkpoints"). */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "audit/chain.h"

#define TREE_LEAVES_MAX 64
#define TREE_DEPTH_MAX  6 /* hashes beside the way up from one of so many */

/* The links of the last lines, without a gap in their numbers. */
struct tree_window {
    struct chain_hash links[TREE_LEAVES_MAX];
    size_t n;
    int64_t next; /* the number behind the last one */
};
void tree_window_add(struct tree_window *w, int64_t seq, const struct chain_hash *link);
/* The leaves from that line on, `*ret_n` of them, to the last one; NULL: some are not there. */
const struct chain_hash *tree_window_from(const struct tree_window *w, int64_t from, size_t *ret_n);

/* n: 1 to TREE_LEAVES_MAX. 0 or -EIO. */
int tree_root(const struct chain_hash *leaves, size_t n, struct chain_hash *ret);
/* The hashes beside the way from the leaf at `index` up to the root, the lowest first. */
int tree_path(const struct chain_hash *leaves, size_t n, size_t index,
              struct chain_hash ret[static TREE_DEPTH_MAX], size_t *ret_n);
/* The root to which a path leads. -EBADMSG: it cannot be one in a tree of n leaves. */
int tree_climb(const struct chain_hash *leaf, size_t n, size_t index, const struct chain_hash *path,
               size_t n_path, struct chain_hash *ret);
