/* The form in which values of naming attributes are compared. */
#pragma once
#include <stddef.h>

#include "model/schema.h"

struct buffer;

/* Appends the form of a value of an attribute type whose values match so, where the server
 * compares names so. A value that its syntax does not allow keeps its bytes, and so does one
 * that is a name. It cannot fail but for memory, which stays in the buffer. */
void dn_value_form(struct buffer *b, enum schema_naming naming, enum matching matching,
                   const char *bytes, size_t size);
