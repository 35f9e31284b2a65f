/*
 * How often in a row a look for a user was answered by an error, of each: by the login, or,
 * where a create is unclear, by the id of the entry. In memory: after a start it begins anew.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Looks for one user in a row, each some time after the one before: [retry]. */
#define VAIN_MOST 5
#define VAIN_FEW  2 /* users; more are no matter of their own */

struct vain_of {
    char *key;
    unsigned n;
};
struct vain {
    struct vain_of *items;
    size_t n_items;
};

/* One more; how many it are. No memory: 1. */
unsigned vain_note(struct vain *v, const char *key);
/* More than `most`, of few: it is that user's matter, and no look for it will be answered. */
bool vain_is_own(const struct vain *v, unsigned n, unsigned most);
/* There was another answer. */
void vain_forget(struct vain *v, const char *key);
void vain_done(struct vain *v);
