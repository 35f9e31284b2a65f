/* Trees as in RFC 9162, section 2.1, with another byte in front of a node; a leaf is a link, which
 * has its own. */
#include "config.h"

#include "audit/tree.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void tree_window_add(struct tree_window *w, int64_t seq, const struct chain_hash *link)
{
    if (seq != w->next)
        w->n = 0;
    if (w->n == TREE_LEAVES_MAX)
        memmove(w->links, w->links + 1, --w->n * sizeof(*w->links));
    w->links[w->n++] = *link;
    w->next = seq + 1;
}

const struct chain_hash *tree_window_from(const struct tree_window *w, int64_t from, size_t *ret_n)
{
    int64_t first = w->next - (int64_t)w->n;

    if (from < first || from >= w->next)
        return NULL;
    *ret_n = (size_t)(w->next - from);
    return w->links + (from - first);
}

/* The largest power of two that is less than n. */
static size_t split(size_t n)
{
    size_t k = 1;

    while (2 * k < n)
        k *= 2;
    return k;
}

int tree_root(const struct chain_hash *leaves, size_t n, struct chain_hash *ret)
{
    struct chain_hash left, right;
    size_t k = split(n);
    int r;

    assert(n >= 1 && n <= TREE_LEAVES_MAX);
    if (n == 1) {
        *ret = leaves[0];
        return 0;
    }
    r = tree_root(leaves, k, &left);
    if (r == 0)
        r = tree_root(leaves + k, n - k, &right);
    return r == 0 ? chain_node(&left, &right, ret) : r;
}

int tree_path(const struct chain_hash *leaves, size_t n, size_t index,
              struct chain_hash ret[static TREE_DEPTH_MAX], size_t *ret_n)
{
    size_t k = split(n);
    int r;

    assert(index < n);
    if (n == 1) {
        *ret_n = 0;
        return 0;
    }
    if (index < k) {
        r = tree_path(leaves, k, index, ret, ret_n);
        return r == 0 ? tree_root(leaves + k, n - k, &ret[(*ret_n)++]) : r;
    }
    r = tree_path(leaves + k, n - k, index - k, ret, ret_n);
    return r == 0 ? tree_root(leaves, k, &ret[(*ret_n)++]) : r;
}

int tree_climb(const struct chain_hash *leaf, size_t n, size_t index, const struct chain_hash *path,
               size_t n_path, struct chain_hash *ret)
{
    struct chain_hash here = *leaf;
    size_t last;

    if (n < 1 || n > TREE_LEAVES_MAX || index >= n)
        return -EBADMSG;
    last = n - 1;
    for (size_t i = 0; i < n_path; i++) {
        int r;

        if (last == 0)
            return -EBADMSG;
        if (index % 2 == 1 || index == last) {
            r = chain_node(&path[i], &here, &here);
            while (index % 2 == 0 && index > 0) {
                index /= 2;
                last /= 2;
            }
        } else
            r = chain_node(&here, &path[i], &here);
        if (r < 0)
            return r;
        index /= 2;
        last /= 2;
    }
    if (last != 0)
        return -EBADMSG;
    *ret = here;
    return 0;
}
