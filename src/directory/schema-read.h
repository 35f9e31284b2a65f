/* From a server's subschema entry (RFC 4512 4.2) to the model's schema. */
#pragma once
#include <ldap.h>
#include <stddef.h>

struct error;
struct schema;

/* The definitions of a subschema entry, NUL-terminated. */
struct schema_definitions {
    const char *const *types, *const *classes;
    size_t n_types, n_classes;
};

/* *ret is NULL when there was no attribute type in it; malloc'd. -ENOMEM. */
int schema_read_message(LDAP *ld, LDAPMessage *m, struct schema **ret, struct error *e);
/* The same from the texts. */
int schema_read_subschema(const struct schema_definitions *d, struct schema **ret, struct error *e);
