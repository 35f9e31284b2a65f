/*
 * What large groups that changed lately came as: a server sends a group whole whenever one member
 * comes, and the others need not be made keys of, looked up and compared again. Remembered is a
 * digest of each value, so that what is new among them is found in one pass over the message.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>

#include "model/entry.h"

struct decoded;
struct decoder;
struct error;
struct group_memory;
struct raw_entry;

int group_memory_new(struct group_memory **ret); /* 0 or a negative errno value */
struct group_memory *group_memory_free(struct group_memory *m);

/* decode_entry() for what decode_raw() gave `raw` of: the entry is known whenever these bytes come
 * again. remember: it changed, so that a large group is known by its members as well. */
int group_memory_decode(const struct decoder *d, LDAP *ld, LDAPMessage *m, const char *id,
                        const struct raw_entry *raw, bool remember, struct decoded *ret,
                        struct error *e);

/* Values that the group did not have when it was decoded, in the message. */
struct group_growth {
    unsigned char was[ENTRY_RAW_SIZE]; /* the digest of the message that was decoded */
    struct berval *added;
    size_t n_added, capacity;
};
void group_growth_done(struct group_growth *g);
/* 0: the group had what is in `was` and only has more members now; where it is not remembered this
 * is a guess, which holds if the mirror has the group as it was taken from `was`. remember: as
 * above, else nothing is guessed. Else GROUP_SHRANK when members are all that differs, and some of
 * them are not there any more, or GROUP_DIFFERS. */
#define GROUP_DIFFERS 1
#define GROUP_SHRANK  2
int group_memory_compare(const struct decoder *d, LDAP *ld, LDAPMessage *m,
                         const struct raw_entry *raw, bool remember, struct group_growth *ret,
                         struct error *e);
/* What was found came to be taken: the group is remembered from now on. */
int group_memory_grew(const struct decoder *d, LDAP *ld, LDAPMessage *m,
                      const struct raw_entry *raw, const struct group_growth *growth,
                      struct error *e);
