/* What a schema holds: shared by its questions and its JSON form, by nobody else. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/aliases.h"
#include "model/schema.h"

struct attribute_type {
    char *oid; /* or NULL */
    struct string_list names;
    enum matching matching;
    struct schema_rules rules;
    char *superior; /* a name or OID, or NULL */
    bool single_value;
    bool built_in; /* the server has not confirmed it */
};

struct schema {
    struct attribute_type **types;
    size_t n_types, types_capacity;
    struct alias_list aliases;
    const char **canonical; /* in step with types */
    size_t canonical_capacity;
    bool from_server;
    struct class_list *classes;
    enum schema_kind kind;
};

/* Without names, with the usual rules of `matching`. NULL when out of memory. */
struct attribute_type *type_new(const char *oid, enum matching matching, bool single_value);
void type_free(struct attribute_type *t);
DEFINE_CLEANUP(struct attribute_type *, type_free)

/* Takes the type; replaces all that share a name or the OID with it. 0 or -ENOMEM. */
int schema_insert(struct schema *s, struct attribute_type *taken);
