/*
 * The schema as the state keeps it from one start to the next.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/class.h"
#include "model/json.h"
#include "model/schema-tree.h"

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
        json_integer_value(matching) > MATCHING_FILETIME || json_get_text(object, "oid", &oid) < 0)
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
    return schema_insert(s, TAKE(t));
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
