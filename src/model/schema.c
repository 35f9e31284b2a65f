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
#include "model/json.h"
#include "model/schema-table.h"

struct attribute_type {
    char *oid; /* or NULL */
    struct string_list names;
    enum matching matching;
    struct schema_rules rules;
    char *superior; /* a name or OID, or NULL */
    bool single_value;
    bool built_in; /* the server has not confirmed it */
};

/* A server's schema may hold a circle. */
#define SUPERIORS_MAX 32

/* An alias, a name or an OID, sorted without regard to case. */
struct alias {
    uint64_t head;    /* its first characters, see head_of() */
    const char *text; /* borrowed from the type */
    struct attribute_type *type;
};

struct schema {
    struct attribute_type **types;
    size_t n_types, types_capacity;
    struct alias *aliases;
    size_t n_aliases, aliases_capacity;
    const char **canonical; /* in step with types */
    size_t canonical_capacity;
    bool from_server;
    struct class_list *classes;
    enum schema_kind kind;
};

static void type_free(struct attribute_type *t)
{
    string_list_done(&t->names);
    free(t->oid);
    free(t->superior);
    free(t);
}

DEFINE_CLEANUP(struct attribute_type *, type_free)

struct schema *schema_free(struct schema *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < s->n_types; i++)
        type_free(s->types[i]);
    free(s->types);
    free(s->aliases);
    free(s->canonical);
    class_list_free(s->classes);
    free(s);
    return NULL;
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Compares the first n bytes of a description with an alias. It runs for each RDN of each
 * member of each group. */
static int compare_name(const char *description, size_t n, const char *alias)
{
    for (size_t i = 0; i < n; i++) {
        int r = (unsigned char)small(description[i]) - (unsigned char)small(alias[i]);
        if (r != 0) /* also at the end of the alias */
            return r;
    }
    return alias[n] == '\0' ? 0 : -1;
}

/* The first eight characters as a number that is in the order of the names: one comparison tells
 * most names apart. */
static uint64_t head_of(const char *name, size_t n)
{
    uint64_t head = 0;
    for (size_t i = 0; i < sizeof(head); i++)
        head = head << 8 | (i < n ? (unsigned char)small(name[i]) : 0);
    return head;
}

/* Where the name is, or belongs. */
static size_t find_place_n(const struct schema *s, const char *name, size_t n, bool *ret_found)
{
    uint64_t head = head_of(name, n);
    size_t low = 0, high = s->n_aliases;

    *ret_found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct alias *a = &s->aliases[middle];
        int r = head != a->head ? (head < a->head ? -1 : 1) : compare_name(name, n, a->text);
        if (r == 0) {
            *ret_found = true;
            return middle;
        }
        if (r < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The same of a description, whose options do not count. */
static size_t find_place(const struct schema *s, const char *description, bool *ret_found)
{
    return find_place_n(s, description, strcspn(description, ";"), ret_found);
}

static struct attribute_type *find_type(const struct schema *s, const char *description)
{
    bool found;
    size_t i = find_place(s, description, &found);

    return found ? s->aliases[i].type : NULL;
}

/* Room was made before. The first who has a name keeps it: a second one can only be a name that
 * is given twice for one attribute. */
static void insert_alias(struct schema *s, const char *text, struct attribute_type *type)
{
    bool found;
    size_t i = find_place(s, text, &found);

    if (found)
        return;
    memmove(&s->aliases[i + 1], &s->aliases[i], (s->n_aliases - i) * sizeof(*s->aliases));
    s->aliases[i] = (struct alias){.head = head_of(text, strlen(text)), .text = text, .type = type};
    s->n_aliases++;
}

static void remove_type(struct schema *s, struct attribute_type *type)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n_aliases; i++)
        if (s->aliases[i].type != type)
            s->aliases[kept++] = s->aliases[i];
    s->n_aliases = kept;
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
        memory_grow(&s->canonical, &s->canonical_capacity, s->n_types + 1,
                    sizeof(*s->canonical)) < 0 ||
        memory_grow(&s->aliases, &s->aliases_capacity, s->n_aliases + n_aliases,
                    sizeof(*s->aliases)) < 0)
        return -ENOMEM;
    return 0;
}

/* Takes the type; replaces all that share a name or the OID with it. */
static int insert_type(struct schema *s, struct attribute_type *taken)
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
        insert_alias(s, type->names.items[i], type);
    if (type->oid)
        insert_alias(s, type->oid, type);
    type = NULL;
    return 0;
}

static struct attribute_type *type_new(const char *oid, enum matching matching,
                                       bool single_value)
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
    return insert_type(s, TAKE(t));
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
    return insert_type(s, TAKE(t));
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
        bool same = row->oid && compare_name(name, n, row->oid) == 0;
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
    bool found;
    size_t i = find_place_n(s, name, n, &found);
    if (!found)
        return (struct schema_type){name, n, MATCHING_CASE_IGNORE};
    const struct attribute_type *t = s->aliases[i].type;
    return (struct schema_type){t->names.items[0], strlen(t->names.items[0]), t->matching};
}

const struct class_list *schema_classes(const struct schema *s)
{
    return s ? s->classes : NULL;
}

int schema_add_class(struct schema *s, const char *oid, const char *const *names,
                     size_t n_names, const char *const *superiors, size_t n_superiors)
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

static void write_number(struct buffer *b, const char *key, int value)
{
    json_write_key(b, key);
    json_write_integer(b, value);
}

/* A rule only where it is not as schema_rules_of() has it. */
static void write_rule(struct buffer *b, const char *key, enum matching own, enum matching usual)
{
    if (own != usual)
        write_number(b, key, (int)own);
}

static void write_true(struct buffer *b, const char *key, bool value)
{
    if (!value)
        return;
    json_write_key(b, key);
    buffer_add_text(b, "true");
}

static void write_optional(struct buffer *b, const char *key, const char *text)
{
    if (!text)
        return;
    json_write_key(b, key);
    json_write_text(b, text);
}

/* Keys in their order, as everywhere. */
static void write_type(struct buffer *b, const struct attribute_type *t)
{
    struct schema_rules usual = schema_rules_of(t->matching), own = t->rules;

    buffer_add_text(b, "{");
    write_true(b, "built_in", t->built_in);
    write_rule(b, "equality", own.equality, usual.equality);
    write_number(b, "matching", (int)t->matching);
    json_write_texts(b, "names", &t->names);
    write_optional(b, "oid", t->oid);
    write_rule(b, "ordering", own.ordering, usual.ordering);
    write_true(b, "single", t->single_value);
    write_rule(b, "substrings", own.substrings, usual.substrings);
    write_optional(b, "superior", t->superior);
    write_rule(b, "values", own.values, usual.values);
    buffer_add_text(b, "}");
}

static int compare_types(const void *a, const void *b)
{
    const struct attribute_type *x = *(struct attribute_type *const *)a;
    const struct attribute_type *y = *(struct attribute_type *const *)b;

    return text_compare_ascii_case(x->names.items[0], y->names.items[0]);
}

/* Sorted by name, so that the order of a server's answer does not show. It is asked for some times
 * at each connection, so there is no tree of it. */
char *schema_to_json(const struct schema *s)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(freep) char *copy = malloc((s->n_types + 1) * sizeof(s->types[0]));
    struct attribute_type **sorted = (void *)copy;

    if (!sorted)
        return NULL;
    if (s->n_types > 0) {
        memcpy(sorted, s->types, s->n_types * sizeof(s->types[0]));
        qsort(sorted, s->n_types, sizeof(sorted[0]), compare_types);
    }
    buffer_add_text(&b, "{\"attributes\":[");
    for (size_t i = 0; i < s->n_types; i++) {
        json_write_comma(&b);
        write_type(&b, sorted[i]);
    }
    buffer_add_text(&b, "]");
    json_write_key(&b, "classes");
    class_list_write_json(&b, s->classes);
    json_write_key(&b, "from_server");
    buffer_add_text(&b, s->from_server ? "true" : "false");
    if (s->kind != SCHEMA_BUILT_IN)
        write_number(&b, "kind", (int)s->kind);
    buffer_add_text(&b, "}");
    return buffer_take(&b);
}

static int rule_from_json(const json_t *object, const char *name, enum matching *ret)
{
    const json_t *number = json_object_get(object, name);

    if (!number)
        return 0;
    if (!json_is_integer(number) || json_integer_value(number) < 0 ||
        json_integer_value(number) > MATCHING_LAST)
        return -EINVAL;
    *ret = (enum matching)json_integer_value(number);
    return 0;
}

static int rules_from_json(struct attribute_type *t, const json_t *object)
{
    const char *superior;

    if (rule_from_json(object, "values", &t->rules.values) < 0 ||
        rule_from_json(object, "equality", &t->rules.equality) < 0 ||
        rule_from_json(object, "ordering", &t->rules.ordering) < 0 ||
        rule_from_json(object, "substrings", &t->rules.substrings) < 0 ||
        json_get_text(object, "superior", &superior) < 0)
        return -EINVAL;
    t->built_in = json_is_true(json_object_get(object, "built_in"));
    if (superior && !(t->superior = strdup(superior)))
        return -ENOMEM;
    return 0;
}

static int type_from_json(struct schema *s, const json_t *object)
{
    CLEANUP(type_freep) struct attribute_type *t = NULL;
    const json_t *names = json_object_get(object, "names");
    const json_t *matching = json_object_get(object, "matching");
    const char *oid;

    if (!json_is_object(object) || !json_is_array(names) || json_array_size(names) == 0 ||
        !json_is_integer(matching) || json_integer_value(matching) < MATCHING_CASE_IGNORE ||
        json_integer_value(matching) > MATCHING_FILETIME ||
        json_get_text(object, "oid", &oid) < 0)
        return -EINVAL;
    t = type_new(oid, (enum matching)json_integer_value(matching),
                 json_is_true(json_object_get(object, "single")));
    if (!t)
        return -ENOMEM;
    int r = rules_from_json(t, object);
    if (r < 0)
        return r;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!name)
            return -EINVAL;
        if (string_list_add(&t->names, name) < 0)
            return -ENOMEM;
    }
    return insert_type(s, TAKE(t));
}

int schema_from_json(struct schema **ret, const char *json)
{
    CLEANUP(json_decref_cleanup) json_t *object = NULL;
    CLEANUP(schema_freep) struct schema *s = NULL;
    const json_t *types, *from_server;
    int r = -EINVAL;

    object = json_from_text(json, &r);
    if (!object)
        return r;
    types = json_object_get(object, "attributes");
    from_server = json_object_get(object, "from_server");
    if (!json_is_array(types) || !json_is_boolean(from_server))
        return -EINVAL;
    s = calloc(1, sizeof(*s)); /* without the built-in table: it is in the text */
    if (!s)
        return -ENOMEM;
    r = 0;
    if (json_object_get(object, "classes"))
        r = class_list_from_json(&s->classes, json_object_get(object, "classes"));
    else if (!(s->classes = class_list_new())) /* of an earlier version */
        r = -ENOMEM;
    if (r < 0)
        return r;
    s->from_server = json_is_true(from_server);
    const json_t *kind = json_object_get(object, "kind");
    if (json_integer_value(kind) >= SCHEMA_BUILT_IN &&
        json_integer_value(kind) <= SCHEMA_ACTIVE_DIRECTORY)
        s->kind = (enum schema_kind)json_integer_value(kind);
    for (size_t i = 0; i < json_array_size(types); i++) {
        r = type_from_json(s, json_array_get(types, i));
        if (r < 0)
            return r;
    }
    *ret = TAKE(s);
    return 0;
}
