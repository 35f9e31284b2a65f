/*
 * How often in a row a look for a user was answered by an error, of each: by the login, or,
 * where a create is unclear, by the id of the entry. However many they are: each is a matter of
 * its own while the tenant answers for others, or for what concerns nobody in particular. In
 * memory: after a start it begins anew.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Looks for one user in a row, each some time after the one before ([retry]): with more of them
 * no look for it will be answered. */
#define VAIN_MOST 5

struct vain_of {
    char *key;
    unsigned n;
    bool waits; /* it was noted since vain_again() */
};
struct vain {
    struct vain_of *items; /* by their keys */
    size_t n_items;
};

/* One more; how many they are. counts false: nothing tells yet whether it is that user's
 * matter; it is no more of them. No memory: 1. */
unsigned vain_note(struct vain *v, const char *key, bool counts);
bool vain_waits(const struct vain *v, const char *key);
void vain_again(struct vain *v); /* everybody is looked for once more */
/* Everybody was: who was not noted again is not looked for any more, and forgotten. True:
 * somebody waits for the next time. */
bool vain_end_round(struct vain *v);
void vain_next_round(struct vain *v); /* both */
/* There was another answer. */
void vain_forget(struct vain *v, const char *key);
void vain_done(struct vain *v);
