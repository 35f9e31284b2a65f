/*
 * Reads definitions of attribute types and object classes. Matching rules and SYNTAX are inherited
 * from the superior type (RFC 4512 2.5.1); Active Directory leaves the rules out altogether,
 * there the syntax decides. A definition that cannot be read is left out, and that one alone:
 * the built-in tables still know the common ones.
 *
 * libldap is given nothing that is not well formed: of "SYNTAX 1.1{64" it reads on behind the
 * end of the text, and of a quote that is not closed it loses memory.
 */
#include "config.h"

#include "directory/schema-read.h"

#include <errno.h>
#include <ldap_schema.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/libldap.h"
#include "model/schema-table.h"
#include "model/schema.h"

#define INHERITANCE_MAX  16
#define DEFINITION_MAX   65536
#define SYNTAX_IA5       "1.3.6.1.4.1.1466.115.121.1.26"
#define SYNTAX_PRINTABLE "1.3.6.1.4.1.1466.115.121.1.44"

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

/* Outside of quotes, each bound is closed: "{64}". */
static bool has_whole_bounds(const char *text)
{
    bool quoted = false;

    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            quoted = !quoted;
        if (quoted || *p != '{')
            continue;
        size_t n = strspn(p + 1, "0123456789");
        if (n == 0 || p[1 + n] != '}')
            return false;
    }
    return true;
}

/* One parenthesis around everything, all closed, all quotes too. */
static bool is_well_formed(const char *text)
{
    bool quoted = false;
    unsigned depth = 0;
    const char *p = text + strspn(text, " ");

    if (*p != '(' || !text_is_utf8(text, strlen(text)) || strlen(text) > DEFINITION_MAX)
        return false;
    for (; *p; p++) {
        if (*p == '\'')
            quoted = !quoted;
        if (quoted)
            continue;
        depth += *p == '(';
        if (*p == ')' && --depth == 0)
            break;
    }
    return *p == ')' && p[1 + strspn(p + 1, " ")] == '\0' && has_whole_bounds(text);
}

static void leave_out(const char *what, const char *why, const char *definition)
{
    char shown[120];

    log_debug("an %s of the schema is left out: %s: %s", what, why,
              text_printable(shown, sizeof(shown), definition, strlen(definition)));
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

/* Behind a semicolon stands an option, so such a name could never be found. */
static bool has_names(const LDAPAttributeType *type)
{
    for (char **name = type->at_names; name && *name; name++)
        if (!**name || strchr(*name, ';'))
            return false;
    return type->at_oid; /* libldap allows a definition without one */
}

static int parse_type(struct types *t, const char *definition)
{
    int code = 0;
    const char *where = NULL;
    LDAPAttributeType *type =
        is_well_formed(definition)
            ? ldap_str2attributetype(definition, &code, &where, LDAP_SCHEMA_ALLOW_ALL)
            : NULL;
    if (!type || !has_names(type)) {
        leave_out("attribute type", code ? ldap_scherr2str(code) : "it is malformed", definition);
        ldap_attributetype_free(type);
        return 0;
    }
    if (memory_grow(&t->items, &t->capacity, t->n_items + 1, sizeof(LDAPAttributeType *)) < 0) {
        ldap_attributetype_free(type);
        return -ENOMEM;
    }
    t->items[t->n_items++] = type;
    return 0;
}

/* Servers do not agree on what an attribute without a rule allows, so it matters who speaks. */
static enum schema_kind kind_of(const struct types *t, bool *ret_openldap)
{
    static const char openldap[] = "1.3.6.1.4.1.4203.1.12.2."; /* cn=config */
    bool any_rule = false;
    *ret_openldap = false;
    for (size_t i = 0; i < t->n_items; i++) {
        any_rule = any_rule || t->items[i]->at_equality_oid;
        if (strncmp(t->items[i]->at_oid, openldap, sizeof(openldap) - 1) == 0)
            *ret_openldap = true;
    }
    if (!any_rule && find(t, "sAMAccountName"))
        return SCHEMA_ACTIVE_DIRECTORY;
    return find(t, "nsUniqueId") ? SCHEMA_389 : SCHEMA_STANDARD;
}

struct definition {
    const char *equality, *ordering, *substrings, *syntax;
};

static struct definition inherited(const struct types *t, const LDAPAttributeType *type)
{
    struct definition d = {0};
    for (unsigned i = 0; i < INHERITANCE_MAX && type; i++) {
        d.equality = d.equality ? d.equality : type->at_equality_oid;
        d.ordering = d.ordering ? d.ordering : type->at_ordering_oid;
        d.substrings = d.substrings ? d.substrings : type->at_substr_oid;
        d.syntax = d.syntax ? d.syntax : type->at_syntax_oid;
        type = type->at_sup_oid ? find(t, type->at_sup_oid) : NULL;
    }
    return d;
}

/* 0: the definition names no rule. One that is not known here compares as the values do. */
static enum matching rule_of(const char *name, enum matching values)
{
    enum matching m = name ? schema_matching_of_rule(name) : 0;
    return !name ? 0 : m ? m : values;
}

static struct schema_rules rules_of(const struct definition *d, enum matching values,
                                    enum schema_kind kind, bool openldap)
{
    struct schema_rules rules = schema_rules_of(values);
    if (kind == SCHEMA_STANDARD) {
        rules.equality = rule_of(d->equality, values);
        rules.ordering = rule_of(d->ordering, values);
        rules.substrings = rule_of(d->substrings, values);
    }
    /* Measured: it takes a postal address for one line. */
    if (kind == SCHEMA_389 && values == MATCHING_LIST)
        rules = schema_rules_of(MATCHING_CASE_IGNORE);
    if (openldap && rules.equality == MATCHING_TELEPHONE)
        rules.equality = MATCHING_TELEPHONE_EXACT;
    if (openldap && rules.substrings == MATCHING_TELEPHONE)
        rules.substrings = MATCHING_TELEPHONE_EXACT;
    return rules;
}

static int add_type(struct schema *s, const struct types *t, const LDAPAttributeType *type,
                    bool openldap)
{
    struct definition d = inherited(t, type);
    enum matching values = schema_values_from_rule(d.equality, d.syntax);
    /* MS-ADTS 3.1.1.2.2.2.4: its IA5 and printable strings count case. */
    if (schema_kind(s) == SCHEMA_ACTIVE_DIRECTORY && d.syntax &&
        (strcmp(d.syntax, SYNTAX_IA5) == 0 || strcmp(d.syntax, SYNTAX_PRINTABLE) == 0))
        values = MATCHING_CASE_EXACT;
    struct schema_rules rules = rules_of(&d, values, schema_kind(s), openldap);
    size_t n = 0;
    while (type->at_names && type->at_names[n])
        n++;
    if (n == 0)
        return 0;
    int r = schema_add(s, type->at_oid, (const char *const *)type->at_names, n,
                       schema_matching_from_rule(d.equality, d.syntax), type->at_single_value != 0);
    return r < 0 ? r : schema_set_rules(s, type->at_names[0], &rules, type->at_sup_oid);
}

static size_t count(char **texts)
{
    size_t n = 0;

    while (texts && texts[n])
        n++;
    return n;
}

static int add_class(struct schema *s, const char *definition)
{
    int code = 0;
    const char *where = NULL;
    LDAPObjectClass *c =
        is_well_formed(definition)
            ? ldap_str2objectclass(definition, &code, &where, LDAP_SCHEMA_ALLOW_ALL)
            : NULL;
    if (!c) {
        leave_out("object class", code ? ldap_scherr2str(code) : "it is malformed", definition);
        return 0;
    }
    int r = schema_add_class(s, c->oc_oid, (const char *const *)c->oc_names, count(c->oc_names),
                             (const char *const *)c->oc_sup_oids, count(c->oc_sup_oids));
    ldap_objectclass_free(c);
    return r;
}

int schema_read_subschema(const struct schema_definitions *d, struct schema **ret, struct error *e)
{
    CLEANUP(types_done) struct types t = {0};
    CLEANUP(schema_freep) struct schema *s = NULL;
    int r = 0;

    *ret = NULL;
    for (size_t i = 0; i < d->n_types && r == 0; i++)
        r = parse_type(&t, d->types[i]);
    if (r == 0 && t.n_items == 0)
        return 0;
    if (r == 0 && !(s = schema_new()))
        r = -ENOMEM;
    bool openldap = false;
    if (r == 0)
        schema_set_kind(s, kind_of(&t, &openldap));
    for (size_t i = 0; i < t.n_items && r == 0; i++)
        r = add_type(s, &t, t.items[i], openldap);
    for (size_t i = 0; i < d->n_classes && r == 0; i++)
        r = add_class(s, d->classes[i]);
    if (r < 0)
        return error_out_of_memory(e);
    schema_set_from_server(s);
    *ret = TAKE(s);
    return 0;
}

/* A value that holds a NUL is no definition, and would be cut. */
static int take_values(LDAP *ld, LDAPMessage *m, const char *attribute, struct string_list *ret)
{
    struct berval **values = ldap_get_values_len(ld, m, attribute);
    int r = 0;

    for (size_t i = 0; values && values[i] && r == 0; i++)
        if (!memchr(values[i]->bv_val, '\0', values[i]->bv_len))
            r = string_list_add_n(ret, values[i]->bv_val, values[i]->bv_len);
    ldap_value_free_len(values);
    return r;
}

int schema_read_message(LDAP *ld, LDAPMessage *m, struct schema **ret, struct error *e)
{
    CLEANUP(string_list_done) struct string_list types = {0}, classes = {0};

    if (take_values(ld, m, "attributeTypes", &types) < 0 ||
        take_values(ld, m, "objectClasses", &classes) < 0)
        return error_out_of_memory(e);
    const struct schema_definitions d = {
        .types = (const char *const *)types.items,
        .n_types = types.n_items,
        .classes = (const char *const *)classes.items,
        .n_classes = classes.n_items,
    };
    return schema_read_subschema(&d, ret, e);
}
