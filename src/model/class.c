/*
 * The hierarchy of object classes. Whoever asks names a class as a server or a person does, by
 * any of its names or its OID, in any case. A hierarchy that is a circle ends.
 */
#include "config.h"

#include "model/class.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/aliases.h"
#include "model/entry.h"
#include "model/json.h"

#define DEPTH_MAX 16

struct object_class {
    char *oid; /* or NULL */
    struct string_list names, superiors;
};

struct class_list {
    struct object_class **items;
    size_t n_items, capacity;
    struct alias_list aliases;
};

/* A chain, from the classes that directories of people are made with. */
static const struct {
    const char *name, *superior;
} built_in[] = {
    /* RFC 4519, RFC 2798, RFC 4524, X.521 */
    {"inetOrgPerson", "organizationalPerson"},
    {"organizationalPerson", "person"},
    {"residentialPerson", "person"},
    {"pilotPerson", "person"},
    {"newPilotPerson", "person"},
    {"person", "top"},
    {"account", "top"},
    {"organizationalRole", "top"},
    {"organizationalUnit", "top"},
    {"organization", "top"},
    {"groupOfNames", "top"},
    {"groupOfUniqueNames", "top"},
    {"posixAccount", "top"},
    {"posixGroup", "top"},
    /* Active Directory and 389 Directory Server, where an entry was written without them */
    {"user", "organizationalPerson"},
    {"computer", "user"},
    {"nsPerson", "top"},
    {"nsOrgPerson", "nsPerson"},
};

static void class_free(struct object_class *c)
{
    free(c->oid);
    string_list_done(&c->names);
    string_list_done(&c->superiors);
    free(c);
}

DEFINE_CLEANUP(struct object_class *, class_free)

struct class_list *class_list_free(struct class_list *l)
{
    if (!l)
        return NULL;
    for (size_t i = 0; i < l->n_items; i++)
        class_free(l->items[i]);
    free(l->items);
    free(l->aliases.items);
    free(l);
    return NULL;
}

DEFINE_CLEANUP(struct class_list *, class_list_free)

static struct object_class *find(const struct class_list *l, const char *name)
{
    return alias_list_find(&l->aliases, name, strlen(name));
}

static void remove_class(struct class_list *l, struct object_class *class)
{
    alias_list_remove(&l->aliases, class);
    for (size_t i = 0; i < l->n_items; i++)
        if (l->items[i] == class) {
            l->items[i] = l->items[--l->n_items];
            break;
        }
    class_free(class);
}

/* Takes the class. */
static int insert(struct class_list *l, struct object_class *taken)
{
    CLEANUP(class_freep) struct object_class *c = taken;
    struct object_class *old;

    if (memory_grow(&l->items, &l->capacity, l->n_items + 1, sizeof(struct object_class *)) < 0 ||
        alias_list_make_room(&l->aliases, c->names.n_items + 1) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < c->names.n_items; i++)
        if ((old = find(l, c->names.items[i])))
            remove_class(l, old);
    if (c->oid && (old = find(l, c->oid)))
        remove_class(l, old);
    l->items[l->n_items++] = c;
    for (size_t i = 0; i < c->names.n_items; i++)
        alias_list_add(&l->aliases, c->names.items[i], c);
    if (c->oid)
        alias_list_add(&l->aliases, c->oid, c);
    c = NULL;
    return 0;
}

int class_list_add(struct class_list *l, const char *oid, const char *const *names, size_t n_names,
                   const char *const *superiors, size_t n_superiors)
{
    CLEANUP(class_freep) struct object_class *c = calloc(1, sizeof(*c));

    if (!c || (oid && !(c->oid = strdup(oid))))
        return -ENOMEM;
    for (size_t i = 0; i < n_names; i++)
        if (string_list_add(&c->names, names[i]) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < n_superiors; i++)
        if (string_list_add(&c->superiors, superiors[i]) < 0)
            return -ENOMEM;
    /* A class without a name goes by its OID. */
    if (n_names == 0 && oid && string_list_add(&c->names, oid) < 0)
        return -ENOMEM;
    return c->names.n_items ? insert(l, TAKE(c)) : 0;
}

struct class_list *class_list_new(void)
{
    CLEANUP(class_list_freep) struct class_list *l = calloc(1, sizeof(*l));

    for (size_t i = 0; l && i < ARRAY_SIZE(built_in); i++)
        if (class_list_add(l, NULL, &built_in[i].name, 1, &built_in[i].superior, 1) < 0)
            return NULL;
    return TAKE(l);
}

static const char *built_in_superior(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
        if (text_equal_ascii_case(built_in[i].name, name))
            return built_in[i].superior;
    return NULL;
}

static bool is_built_in(const char *name, const char *ancestor)
{
    for (; name; name = built_in_superior(name))
        if (text_equal_ascii_case(name, ancestor))
            return true;
    return false;
}

static bool is_below(const struct class_list *l, const char *name, const char *ancestor,
                     const struct object_class *goal, unsigned depth)
{
    const struct object_class *c = find(l, name);

    if (goal ? c == goal : text_equal_ascii_case(name, ancestor))
        return true;
    for (size_t i = 0; c && depth < DEPTH_MAX && i < c->superiors.n_items; i++)
        if (is_below(l, c->superiors.items[i], ancestor, goal, depth + 1))
            return true;
    return false;
}

bool class_is_a(const struct class_list *l, const char *name, const char *ancestor)
{
    return l ? is_below(l, name, ancestor, find(l, ancestor), 0) : is_built_in(name, ancestor);
}

const char *class_name(const struct class_list *l, const char *name)
{
    const struct object_class *c = l ? find(l, name) : NULL;

    return c ? c->names.items[0] : name;
}

static bool has_class(const struct attribute *a, const char *name)
{
    for (size_t i = 0; i < a->n_values; i++)
        if (text_equal_ascii_case(a->values[i].data, name))
            return true;
    return false;
}

static int add_class(struct entry *e, const struct attribute **a, const char *name)
{
    if (has_class(*a, name))
        return 0;
    int r = entry_add_value(e, (*a)->name, name, strlen(name));
    *a = entry_attribute(e, "objectClass");
    return r;
}

int class_add_superiors(const struct class_list *l, struct entry *e)
{
    const struct attribute *a = entry_attribute(e, "objectClass");
    int r = 0;

    /* What is added is looked at in its turn, so the whole chain comes. */
    for (size_t i = 0; r == 0 && a && i < a->n_values; i++) {
        const struct object_class *c = l ? find(l, a->values[i].data) : NULL;
        const char *superior = l ? NULL : built_in_superior(a->values[i].data);
        for (size_t k = 0; r == 0 && c && k < c->superiors.n_items; k++)
            r = add_class(e, &a, class_name(l, c->superiors.items[k]));
        if (superior)
            r = add_class(e, &a, superior);
    }
    return r;
}

static void write_class(struct buffer *b, const struct object_class *c)
{
    buffer_add_text(b, "{");
    json_write_texts(b, "names", &c->names);
    if (c->oid) {
        json_write_key(b, "oid");
        json_write_text(b, c->oid);
    }
    json_write_texts(b, "superiors", &c->superiors);
    buffer_add_text(b, "}");
}

void class_list_write_json(struct buffer *b, const struct class_list *l)
{
    buffer_add_text(b, "[");
    /* By alias, each at its first name, so that the order of a server's answer does not show. */
    for (size_t i = 0; i < l->aliases.n_items; i++) {
        const struct alias *a = &l->aliases.items[i];
        const struct object_class *c = a->owner;
        if (a->text != c->names.items[0])
            continue;
        json_write_comma(b);
        write_class(b, c);
    }
    buffer_add_text(b, "]");
}

static int class_from_json(struct class_list *l, const json_t *object)
{
    CLEANUP(class_freep) struct object_class *c = calloc(1, sizeof(*c));
    const char *oid = NULL;

    if (!c)
        return -ENOMEM;
    int r = json_get_texts(object, "names", &c->names);
    if (r == 0)
        r = json_get_texts(object, "superiors", &c->superiors);
    if (r == 0)
        r = json_get_text(object, "oid", &oid);
    if (r < 0 || c->names.n_items == 0)
        return r < 0 ? r : -EINVAL;
    if (oid && !(c->oid = strdup(oid)))
        return -ENOMEM;
    return insert(l, TAKE(c));
}

int class_list_from_json(struct class_list **ret, const json_t *array)
{
    CLEANUP(class_list_freep) struct class_list *l = calloc(1, sizeof(*l));
    int r = l ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < json_array_size(array); i++)
        r = class_from_json(l, json_array_get(array, i));
    if (r == 0)
        *ret = TAKE(l);
    return r;
}
