/* One entry of a DirSync answer: what it says has changed. */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>

#include "model/entry.h"

struct error;
struct schema;

struct dirsync_change {
    char *id;
    bool deleted;
    bool other; /* something else than members */
    struct member *added, *removed;
    size_t n_added, n_removed, added_capacity, removed_capacity;
};
void dirsync_change_done(struct dirsync_change *x);
/* ret is empty before. id stays NULL when the entry says nothing of its objectGUID. */
int dirsync_change_read(const struct schema *schema, LDAP *ld, LDAPMessage *m,
                        struct dirsync_change *ret, struct error *e);
