/*
 * The schema as the mapping needs it: which names mean one attribute, and how its values match.
 *
 * What the server says replaces the built-in table attribute by attribute; the rest of the
 * table stays, since servers leave operational attributes out. One thing a server cannot say:
 * Active Directory gives its FILETIMEs the syntax of a large integer, so they keep what the
 * table knows. Object classes are kept in class.c.
 */
#include "config.h"

#include "model/schema.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/class.h"
#include "model/schema-table.h"
#include "model/schema-tree.h"

/* A server's schema may hold a circle. */
#define SUPERIORS_MAX 32

void type_free(struct attribute_type *t)
{
    string_list_done(&t->names);
    free(t->oid);
    free(t->superior);
    free(t);
}

struct schema *schema_free(struct schema *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < s->n_types; i++)
        type_free(s->types[i]);
    free(s->types);
    free(s->aliases.items);
    free(s->canonical);
    class_list_free(s->classes);
    free(s);
    return NULL;
}

/* Of a description, whose options do not count. */
static struct attribute_type *find_type(const struct schema *s, const char *description)
{
    return alias_list_find(&s->aliases, description, strcspn(description, ";"));
}

static void remove_type(struct schema *s, struct attribute_type *type)
{
    alias_list_remove(&s->aliases, type);
    for (size_t i = 0; i < s->n_types; i++)
        if (s->types[i] == type) {
            s->n_types--;
            memmove(&s->types[i], &s->types[i + 1], (s->n_types - i) * sizeof(s->types[0]));
            memmove(&s->canonical[i], &s->canonical[i + 1],
                    (s->n_types - i) * sizeof(s->canonical[0]));
            break;
        }
    type_free(type);
}

static bool is_filetime(const struct attribute_type *t)
{
    return t && t->matching == MATCHING_FILETIME;
}

/* Everything that can fail, before anything is changed. */
static int make_room(struct schema *s, size_t n_aliases)
{
    if (memory_grow(&s->types, &s->types_capacity, s->n_types + 1, sizeof(*s->types)) < 0 ||
        memory_grow(&s->canonical, &s->canonical_capacity, s->n_types + 1, sizeof(*s->canonical)) <
            0 ||
        alias_list_make_room(&s->aliases, n_aliases) < 0)
        return -ENOMEM;
    return 0;
}

int schema_insert(struct schema *s, struct attribute_type *taken)
{
    CLEANUP(type_freep) struct attribute_type *type = taken;
    size_t n_names = type->names.n_items;
    struct attribute_type *old;

    if (make_room(s, n_names + 1) < 0)
        return -ENOMEM;
    for (size_t i = 0; i <= n_names; i++) {
        const char *text = i < n_names ? type->names.items[i] : type->oid;
        if (!text || !(old = find_type(s, text)))
            continue;
        if (is_filetime(old) && type->matching == MATCHING_INTEGER) {
            type->matching = MATCHING_FILETIME;
            type->rules = schema_rules_of(MATCHING_FILETIME);
        }
        remove_type(s, old);
    }
    s->canonical[s->n_types] = type->names.items[0];
    s->types[s->n_types++] = type;
    for (size_t i = 0; i < n_names; i++)
        alias_list_add(&s->aliases, type->names.items[i], type);
    if (type->oid)
        alias_list_add(&s->aliases, type->oid, type);
    type = NULL;
    return 0;
}

struct attribute_type *type_new(const char *oid, enum matching matching, bool single_value)
{
    struct attribute_type *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->matching = matching;
    t->rules = schema_rules_of(matching);
    t->single_value = single_value;
    if (oid && !(t->oid = strdup(oid))) {
        type_free(t);
        return NULL;
    }
    return t;
}

int schema_add(struct schema *s, const char *oid, const char *const *names, size_t n_names,
               enum matching matching, bool single_value)
{
    CLEANUP(type_freep) struct attribute_type *t = NULL;

    if (n_names == 0 && !oid)
        return -EINVAL;
    t = type_new(oid, matching, single_value);
    if (!t)
        return -ENOMEM;
    for (size_t i = 0; i < n_names; i++)
        if (string_list_add(&t->names, names[i]) < 0)
            return -ENOMEM;
    /* A type without a name goes by its OID (RFC 4512 section 2.5). */
    if (n_names == 0 && string_list_add(&t->names, oid) < 0)
        return -ENOMEM;
    return schema_insert(s, TAKE(t));
}

static enum matching coarse(enum matching m)
{
    return m == MATCHING_IA5_EXACT         ? MATCHING_CASE_EXACT
           : m == MATCHING_TELEPHONE_EXACT ? MATCHING_TELEPHONE
           : m > MATCHING_FILETIME         ? MATCHING_CASE_IGNORE
                                           : m;
}

static int add_row(struct schema *s, const struct schema_row *row)
{
    CLEANUP(type_freep)
    struct attribute_type *t = type_new(row->oid, coarse(row->matching), row->single_value);

    if (!t)
        return -ENOMEM;
    t->rules = schema_rules_of(row->matching);
    for (const char *p = row->names; *p;) {
        size_t n = strcspn(p, " ");
        if (string_list_add_n(&t->names, p, n) < 0)
            return -ENOMEM;
        p += n;
        p += strspn(p, " ");
    }
    t->built_in = true;
    const char *superior = schema_table_superior(t->names.items[0]);
    if (superior && !(t->superior = strdup(superior)))
        return -ENOMEM;
    return schema_insert(s, TAKE(t));
}

struct schema *schema_new(void)
{
    CLEANUP(schema_freep) struct schema *s = calloc(1, sizeof(*s));

    if (s && !(s->classes = class_list_new()))
        return NULL;
    for (size_t i = 0; s && i < schema_table_size; i++)
        if (add_row(s, &schema_table[i]) < 0)
            return NULL;
    return TAKE(s);
}

enum matching schema_matching(const struct schema *s, const char *attribute)
{
    const struct attribute_type *t = find_type(s, attribute);

    return t ? t->matching : MATCHING_CASE_IGNORE;
}

const char *schema_canonical(const struct schema *s, const char *attribute)
{
    const struct attribute_type *t = find_type(s, attribute);

    return t ? t->names.items[0] : attribute;
}

static struct schema_type describe_built_in(const char *name, size_t n)
{
    for (size_t i = 0; i < schema_table_size; i++) {
        const struct schema_row *row = &schema_table[i];
        bool same = row->oid && strlen(row->oid) == n && memcmp(row->oid, name, n) == 0;
        for (const char *p = row->names; *p && !same; p += strspn(p, " ")) {
            size_t size = strcspn(p, " ");
            same = size == n && strncasecmp(p, name, n) == 0;
            p += size;
        }
        if (same)
            return (struct schema_type){row->names, strcspn(row->names, " "), row->matching};
    }
    return (struct schema_type){name, n, MATCHING_CASE_IGNORE};
}

struct schema_type schema_describe(const struct schema *s, const char *name, size_t n)
{
    if (!s)
        return describe_built_in(name, n);
    const struct attribute_type *t = alias_list_find(&s->aliases, name, n);
    if (!t)
        return (struct schema_type){name, n, MATCHING_CASE_IGNORE};
    return (struct schema_type){t->names.items[0], strlen(t->names.items[0]), t->matching};
}

const struct class_list *schema_classes(const struct schema *s)
{
    return s ? s->classes : NULL;
}

int schema_add_class(struct schema *s, const char *oid, const char *const *names, size_t n_names,
                     const char *const *superiors, size_t n_superiors)
{
    return class_list_add(s->classes, oid, names, n_names, superiors, n_superiors);
}

enum schema_naming schema_naming(const struct schema *s)
{
    bool by_case = s && (s->kind == SCHEMA_389 || s->kind == SCHEMA_ACTIVE_DIRECTORY);

    return by_case ? SCHEMA_NAMES_BY_CASE : SCHEMA_NAMES_BY_RULE;
}

bool schema_knows(const struct schema *s, const char *attribute)
{
    const struct attribute_type *t = find_type(s, attribute);

    return t && (!t->built_in || !s->from_server || schema_table_is_hidden(t->names.items[0]));
}

struct schema_rules schema_rules_of(enum matching m)
{
    struct schema_rules rules = {.values = m, .equality = m, .ordering = m, .substrings = m};

    if (m == MATCHING_BOOLEAN || m == MATCHING_DN || m == MATCHING_OID || m == MATCHING_LIST)
        rules.ordering = 0;
    if (m == MATCHING_INTEGER || m == MATCHING_FILETIME || m == MATCHING_BOOLEAN ||
        m == MATCHING_TIME || m == MATCHING_UUID)
        rules.substrings = 0;
    return rules;
}

struct schema_rules schema_rules(const struct schema *s, const char *attribute)
{
    const struct attribute_type *t = find_type(s, attribute);

    return t ? t->rules : schema_rules_of(MATCHING_CASE_IGNORE);
}

int schema_set_rules(struct schema *s, const char *attribute, const struct schema_rules *rules,
                     const char *superior)
{
    struct attribute_type *t = find_type(s, attribute);
    char *copy = superior ? strdup(superior) : NULL;

    if (!t || (superior && !copy)) {
        free(copy);
        return t ? -ENOMEM : -EINVAL;
    }
    free(t->superior);
    t->superior = copy;
    if (t->matching != MATCHING_FILETIME)
        t->rules = *rules;
    return 0;
}

bool schema_is_subtype(const struct schema *s, const char *attribute, const char *of)
{
    const struct attribute_type *t = find_type(s, attribute), *wanted = find_type(s, of);

    for (unsigned i = 0; t && i < SUPERIORS_MAX; i++) {
        if (t == wanted)
            return true;
        t = t->superior ? find_type(s, t->superior) : NULL;
    }
    return false;
}

enum schema_kind schema_kind(const struct schema *s)
{
    return s->kind;
}

void schema_set_kind(struct schema *s, enum schema_kind kind)
{
    s->kind = kind;
}

bool schema_is_from_server(const struct schema *s)
{
    return s->from_server;
}

void schema_set_from_server(struct schema *s)
{
    s->from_server = true;
}

const char *const *schema_names(const struct schema *s, size_t *ret_n)
{
    *ret_n = s->n_types;
    return s->canonical;
}

enum matching schema_matching_from_rule(const char *equality, const char *syntax_oid)
{
    return coarse(schema_values_from_rule(equality, syntax_oid));
}

enum matching schema_values_from_rule(const char *equality, const char *syntax_oid)
{
    enum matching m = 0;

    if (equality)
        m = schema_matching_of_rule(equality);
    if (m == 0 && syntax_oid)
        m = schema_matching_of_syntax(syntax_oid);
    return m != 0 ? m : MATCHING_CASE_IGNORE;
}
