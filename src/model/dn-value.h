/* The form in which values of naming attributes are compared. */
#pragma once
#include <stddef.h>

struct buffer;
struct schema;

/* Appends the form of a value of this attribute type (a name of n_type bytes, or an OID) by the
 * server's schema; NULL: by the built-in table. A value that its syntax does not allow keeps
 * its bytes, and so does one that is a name. It cannot fail but for memory, which stays in the
 * buffer. */
void dn_value_form(struct buffer *b, const struct schema *schema, const char *type,
                   size_t n_type, const char *bytes, size_t size);
