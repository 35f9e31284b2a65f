/*
 * Reads the difference that DirSync sends for one object: whether it was deleted, which members
 * came ("member;range=1-1") and went ("member;range=0-0"), and whether anything else changed.
 */
#include "config.h"

#include "directory/dirsync-change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "directory/decode.h"
#include "directory/identity.h"
#include "directory/libldap.h"

static void members_done(struct member *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(m[i].key);
        free(m[i].text);
    }
    free(m);
}

void dirsync_change_done(struct dirsync_change *x)
{
    free(x->id);
    members_done(x->added, x->n_added);
    members_done(x->removed, x->n_removed);
}

static int take_members(struct dirsync_change *x, const struct schema *schema, bool added,
                        const struct berval *values)
{
    struct member **list = added ? &x->added : &x->removed;
    size_t *n = added ? &x->n_added : &x->n_removed;
    size_t *capacity = added ? &x->added_capacity : &x->removed_capacity;
    for (size_t i = 0; values && values[i].bv_val; i++) {
        struct member m = {.kind = MEMBER_DN};
        if (memory_grow(list, capacity, *n + 1, sizeof(**list)) < 0 ||
            decode_member_dn(NULL, schema, values[i].bv_val, values[i].bv_len, &m.key, &m.text) < 0)
            return -ENOMEM;
        if (m.key)
            (*list)[(*n)++] = m;
    }
    return 0;
}

static bool name_is(const struct berval *name, const char *text)
{
    return name->bv_len == strlen(text) && strncasecmp(name->bv_val, text, name->bv_len) == 0;
}

static int take_attribute(struct dirsync_change *x, const struct schema *schema,
                          const struct berval *name, const struct berval *values)
{
    if (name_is(name, "objectGUID")) {
        if (values && values[0].bv_val && !x->id)
            x->id = identity_from_value(IDENTITY_OBJECTGUID, values[0].bv_val, values[0].bv_len);
        return 0;
    }
    if (name_is(name, "instanceType") || name_is(name, "objectClass"))
        return 0;
    if (name_is(name, "member;range=1-1"))
        return take_members(x, schema, true, values);
    if (name_is(name, "member;range=0-0"))
        return take_members(x, schema, false, values);
    if (name_is(name, "isDeleted") && values && values[0].bv_val && values[0].bv_len == 4 &&
        strncasecmp(values[0].bv_val, "TRUE", 4) == 0)
        x->deleted = true;
    x->other = true;
    return 0;
}

int dirsync_change_read(const struct schema *schema, LDAP *ld, LDAPMessage *m,
                        struct dirsync_change *x, struct error *e)
{
    CLEANUP(libldap_ber_freep) BerElement *ber = NULL;
    struct berval dn, name = {0}, *values = NULL;
    int code = ldap_get_dn_ber(ld, m, &ber, &dn), r = 0;
    while (code == LDAP_SUCCESS && r == 0 &&
           (code = ldap_get_attribute_ber(ld, m, ber, &name, &values)) == LDAP_SUCCESS &&
           name.bv_val) {
        r = take_attribute(x, schema, &name, values);
        ber_memfree(values);
        values = NULL;
    }
    if (r < 0)
        return error_out_of_memory(e);
    return code == LDAP_SUCCESS ? 0 : libldap_error(e, code, NULL, "a change cannot be read");
}
