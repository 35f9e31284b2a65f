/*
 * How often in a row a look for a user by our own id was answered by an error, of each person
 * whose create is unclear. In memory: after a start it begins anew.
 */
#pragma once
#include <stddef.h>

struct vain_of {
    char *entry_id;
    unsigned n;
};
struct vain {
    struct vain_of *items;
    size_t n_items;
};

/* One more; how many it are. No memory: 1. */
unsigned vain_note(struct vain *v, const char *entry_id);
/* There was another answer. */
void vain_forget(struct vain *v, const char *entry_id);
void vain_done(struct vain *v);
