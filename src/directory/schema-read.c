/*
 * Reads attribute type definitions. EQUALITY and SYNTAX are inherited from the superior type
 * (RFC 4512 2.5.1); Active Directory leaves EQUALITY out altogether, there the syntax decides.
 * A definition that cannot be parsed is left out: the built-in table still knows the common
 * ones.
 */
#include "config.h"

#include "directory/schema-read.h"

#include <errno.h>
#include <ldap_schema.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/libldap.h"
#include "model/schema.h"

#define INHERITANCE_MAX 16

struct types {
    LDAPAttributeType **items;
    size_t n_items, capacity;
};

static void types_done(struct types *t)
{
    for (size_t i = 0; i < t->n_items; i++)
        ldap_attributetype_free(t->items[i]);
    free(t->items);
}

static const LDAPAttributeType *find(const struct types *t, const char *name)
{
    for (size_t i = 0; i < t->n_items; i++) {
        if (text_equal_ascii_case(t->items[i]->at_oid, name))
            return t->items[i];
        for (char **n = t->items[i]->at_names; n && *n; n++)
            if (text_equal_ascii_case(*n, name))
                return t->items[i];
    }
    return NULL;
}

static int parse(struct types *t, const char *definition)
{
    int code = 0;
    const char *where = NULL;
    LDAPAttributeType *type =
        ldap_str2attributetype(definition, &code, &where, LDAP_SCHEMA_ALLOW_ALL);
    if (!type) {
        char shown[120];
        log_debug("an attribute type of the schema is left out: %s: %s", ldap_scherr2str(code),
                  text_printable(shown, sizeof shown, definition, strlen(definition)));
        return 0;
    }
    if (memory_grow(&t->items, &t->capacity, t->n_items + 1, sizeof(LDAPAttributeType *)) < 0) {
        ldap_attributetype_free(type);
        return -ENOMEM;
    }
    t->items[t->n_items++] = type;
    return 0;
}

static int add(struct schema *s, const struct types *t, const LDAPAttributeType *type)
{
    const char *equality = type->at_equality_oid, *syntax = type->at_syntax_oid;
    const LDAPAttributeType *up = type;
    for (unsigned i = 0; i < INHERITANCE_MAX && (!equality || !syntax) && up && up->at_sup_oid;
         i++) {
        up = find(t, up->at_sup_oid);
        if (up && !equality)
            equality = up->at_equality_oid;
        if (up && !syntax)
            syntax = up->at_syntax_oid;
    }
    size_t n = 0;
    while (type->at_names && type->at_names[n])
        n++;
    if (n == 0)
        return 0;
    return schema_add(s, type->at_oid, (const char *const *)type->at_names, n,
                      schema_matching_from_rule(equality, syntax), type->at_single_value != 0);
}

static int build(const struct types *t, struct schema **ret, struct error *e)
{
    *ret = NULL;
    if (t->n_items == 0)
        return 0;
    CLEANUP(schema_freep) struct schema *s = schema_new();
    if (!s)
        return error_out_of_memory(e);
    for (size_t i = 0; i < t->n_items; i++)
        if (add(s, t, t->items[i]) < 0)
            return error_out_of_memory(e);
    schema_set_from_server(s);
    *ret = TAKE(s);
    return 0;
}

int schema_read_definitions(const char *const *definitions, size_t n, struct schema **ret,
                            struct error *e)
{
    CLEANUP(types_done) struct types t = {};
    for (size_t i = 0; i < n; i++)
        if (parse(&t, definitions[i]) < 0)
            return error_out_of_memory(e);
    return build(&t, ret, e);
}

int schema_read_message(LDAP *ld, LDAPMessage *m, struct schema **ret, struct error *e)
{
    CLEANUP(types_done) struct types t = {};
    struct berval **values = ldap_get_values_len(ld, m, "attributeTypes");
    int r = 0;
    for (size_t i = 0; values && values[i] && r == 0; i++) {
        CLEANUP(freep) char *text = strndup(values[i]->bv_val, values[i]->bv_len);
        r = text ? parse(&t, text) : -ENOMEM;
    }
    ldap_value_free_len(values);
    if (r < 0)
        return error_out_of_memory(e);
    return build(&t, ret, e);
}
