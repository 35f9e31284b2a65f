/* Entries as an LDAP server would send them, through libldap, for the fuzzers. */
#pragma once
#include <ldap.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_ATTRIBUTES 64
#define WIRE_VALUES     64

/* Names and values lie in the input. */
struct wire_attribute {
    struct berval name;
    struct berval values[WIRE_VALUES];
    size_t n_values;
};
struct wire_entry {
    struct berval dn;
    struct wire_attribute attributes[WIRE_ATTRIBUTES];
    size_t n_attributes;
};

/* Lines: the first is the DN, the others are "NAME:VALUE"; one attribute for each name. */
void wire_read(const uint8_t *data, size_t size, struct wire_entry *ret);
/* Keeps one value of it. */
void wire_single(struct wire_entry *x, const char *name);
int wire_is(const struct berval *name, const char *text); /* whatever the case */

/* The message that brings the entry, its attributes and their values in this order or from the
 * last to the first; to be freed by ldap_msgfree(). */
LDAPMessage *wire_send(LDAP **ret_ld, const struct wire_entry *x, int backwards);
/* Any bytes in the place of DN and attributes. */
LDAPMessage *wire_send_bytes(LDAP **ret_ld, const void *bytes, size_t size);

static inline void wire_freep(LDAPMessage **m)
{
    if (*m)
        ldap_msgfree(*m);
}
