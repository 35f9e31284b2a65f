/*
 * Changes as DirSync sends them, under random bytes, through libldap. In lines (the first byte
 * is even) this file knows what they say: who came and who went, in their order, whether
 * anything else changed, of which object; any bytes (odd) are read the same twice.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "directory/dirsync-change.h"
#include "fuzz.h"
#include "model/dn.h"
#include "wire.h"

static void check_list(const struct wire_attribute *a, const struct member *list, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; a && i < a->n_values; i++) {
        const struct berval *v = &a->values[i];
        CLEANUP(freep) char *text = strndup(v->bv_val, v->bv_len);
        CLEANUP(freep) char *key = NULL;

        if (memchr(v->bv_val, '\0', v->bv_len) || dn_key(NULL, text, &key, NULL) < 0)
            continue; /* nobody's name */
        DEMAND(at < n && list[at].kind == MEMBER_DN);
        DEMAND(strcmp(list[at].text, text) == 0 && strcmp(list[at].key, key) == 0);
        at++;
    }
    DEMAND(at == n);
}

static void check(const struct wire_entry *x, const struct dirsync_change *c)
{
    const struct wire_attribute *added = NULL, *removed = NULL, *id = NULL;
    bool other = false, deleted = false;

    for (size_t i = 0; i < x->n_attributes; i++) {
        const struct wire_attribute *a = &x->attributes[i];

        if (wire_is(&a->name, "member;range=1-1"))
            added = a;
        else if (wire_is(&a->name, "member;range=0-0"))
            removed = a;
        else if (wire_is(&a->name, "objectGUID"))
            id = a;
        else if (!wire_is(&a->name, "instanceType") && !wire_is(&a->name, "objectClass"))
            other = true;
        if (wire_is(&a->name, "isDeleted"))
            deleted = wire_is(&a->values[0], "TRUE");
    }
    check_list(added, c->added, c->n_added);
    check_list(removed, c->removed, c->n_removed);
    DEMAND(c->other == other && c->deleted == deleted);
    DEMAND((c->id != NULL) == (id && id->values[0].bv_len == 16));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(dirsync_change_done) struct dirsync_change c = {0};
    static struct wire_entry x;
    struct error e = {0};
    LDAP *ld;

    if (size < 1 || size > 4096)
        return 0;
    if (data[0] & 1) {
        CLEANUP(dirsync_change_done) struct dirsync_change again = {0};
        CLEANUP(wire_freep) LDAPMessage *m = wire_send_bytes(&ld, data + 1, size - 1);
        int r = dirsync_change_read(NULL, ld, m, &c, &e);
        DEMAND(r == 0 || (r < 0 && e.message[0]));
        /* The same bytes once more: libldap writes into a message that it reads. */
        CLEANUP(wire_freep) LDAPMessage *anew = wire_send_bytes(&ld, data + 1, size - 1);
        DEMAND(dirsync_change_read(NULL, ld, anew, &again, &e) == r);
        DEMAND(c.n_added == again.n_added && c.n_removed == again.n_removed &&
               c.other == again.other && !c.id == !again.id);
        return 0;
    }
    wire_read(data + 1, size - 1, &x);
    CLEANUP(wire_freep) LDAPMessage *m = wire_send(&ld, &x, 0);
    DEMAND(dirsync_change_read(NULL, ld, m, &c, &e) == 0);
    check(&x, &c);
    return 0;
}
