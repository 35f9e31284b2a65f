/* The attributes that are known without a server's schema. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "model/schema.h"

struct schema_row {
    const char *oid;   /* or NULL */
    const char *names; /* separated by blanks, the canonical one first */
    enum matching matching;
    bool single_value;
};
extern const struct schema_row schema_table[];
extern const size_t schema_table_size;
/* The attribute type that a built-in one is a subtype of (RFC 4519), or NULL. */
const char *schema_table_superior(const char *name);
/* An attribute of the server's own making, which its schema need not list. */
bool schema_table_is_hidden(const char *name);
/* Matching rules of any kind, and syntaxes; 0 when the name or OID is not in the table. */
enum matching schema_matching_of_rule(const char *rule);
enum matching schema_matching_of_syntax(const char *oid);
