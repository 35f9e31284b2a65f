/* The server's attribute types (RFC 4512 4.2.2) as the model's schema. */
#pragma once
#include <ldap.h>

struct error;
struct schema;

/* The subschema entry's attributeTypes. Both get the same content (one goes to the sink, one
 * stays); NULL when there was no definition that could be read. */
int schema_read_message(LDAP *ld, LDAPMessage *m, struct schema **ret, struct error *e);
/* The same from definitions, for tests. */
int schema_read_definitions(const char *const *definitions, size_t n, struct schema **ret,
                            struct error *e);
