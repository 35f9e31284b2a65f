/* PATCH of RFC 7644, section 3.5.2, on a JSON document: add, replace and remove, with and
 * without path. Paths are an attribute, a sub-attribute, or values chosen by one `eq`
 * comparison; other filters are refused, since the tenant documents none. The result is judged
 * by whoever reads the document. */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "scim.h"

#define PATCH_URN   "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#define USER_PREFIX "urn:ietf:params:scim:schemas:core:2.0:User:"

struct path {
    const struct scim_attribute *attribute;
    const char *sub;        /* NULL: the whole attribute */
    const char *filter_sub; /* NULL: no filter */
    json_t *filter_value;
};

static int bad_path(struct scim_refusal *no, const char *text)
{
    return scim_refuse(no, 400, "invalidPath", "the path '%.100s' is not understood", text);
}

/* `[sub eq value]`; `*rest` is left behind the bracket. */
static int filter_parse(struct path *p, const char **rest, const char *whole,
                        struct scim_refusal *no)
{
    const char *text = *rest + 1;
    size_t length = strcspn(text, " ]");
    p->filter_sub = scim_sub_find(p->attribute, text, length);
    text += length;
    if (!p->filter_sub || strncasecmp(text, " eq ", 4) != 0)
        return scim_refuse(no, 400, "invalidFilter", "the filter in '%.100s' is not supported",
                           whole);
    text += 4;
    json_error_t error;
    p->filter_value = json_loads(text, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &error);
    if (!p->filter_value || text[error.position] != ']')
        return scim_refuse(no, 400, "invalidFilter", "the filter in '%.100s' is malformed",
                           whole);
    *rest = text + error.position + 1;
    return 0;
}

/* On failure too `p->filter_value` is to be released by the caller. */
static int path_parse(struct path *p, const char *text, struct scim_refusal *no)
{
    const char *rest = text;
    if (!strncasecmp(rest, USER_PREFIX, strlen(USER_PREFIX)))
        rest += strlen(USER_PREFIX);
    size_t length = strcspn(rest, ".[");
    p->attribute = scim_attribute_find(rest, length);
    if (!p->attribute)
        return bad_path(no, text);
    rest += length;
    if (*rest == '[') {
        if (p->attribute->kind != SCIM_MULTI)
            return bad_path(no, text);
        if (filter_parse(p, &rest, text, no) < 0)
            return -1;
    }
    if (*rest == '.') {
        p->sub = scim_sub_find(p->attribute, rest + 1, strlen(rest + 1));
        if (!p->sub)
            return bad_path(no, text);
        rest += strlen(rest);
    }
    return *rest ? bad_path(no, text) : 0;
}

static bool item_fits(const struct path *p, const json_t *item)
{
    if (!p->filter_sub)
        return true;
    const json_t *value = json_object_get(item, p->filter_sub);
    if (json_is_string(value) && json_is_string(p->filter_value))
        return !strcasecmp(json_string_value(value), json_string_value(p->filter_value));
    /* "primary" that is not there is false. */
    return value ? json_equal(value, p->filter_value)
                 : json_is_false(p->filter_value) && !strcmp(p->filter_sub, "primary");
}

/* A list item in normal form: an object even where a plain string was sent. */
static json_t *item_normal(const json_t *value)
{
    return json_is_string(value) ? json_pack("{s:O}", "value", value) : json_deep_copy(value);
}

/* At most one value is primary: a new one takes it from the others. */
static void append_item(json_t *list, json_t *item_taken)
{
    size_t i;
    json_t *other;
    if (json_is_true(json_object_get(item_taken, "primary")))
        json_array_foreach(list, i, other) if (json_is_object(other))
            json_object_set_new(other, "primary", json_false());
    json_array_foreach(list, i, other)
    {
        if (!json_equal(other, item_taken))
            continue;
        json_decref(item_taken); /* adding what is there changes nothing */
        return;
    }
    json_array_append_new(list, item_taken);
}

static int set_list(json_t *document, const char *name, const json_t *value, bool replace)
{
    json_t *list = json_object_get(document, name);
    if (!list || replace) {
        list = json_array();
        json_object_set_new(document, name, list);
    }
    if (!json_is_array(value)) {
        append_item(list, item_normal(value));
        return 0;
    }
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item) append_item(list, item_normal(item));
    return 0;
}

/* Adds or replaces one whole attribute. */
static int set_attribute(json_t *document, const struct scim_attribute *a, const json_t *value,
                         bool replace, struct scim_refusal *no)
{
    switch (a->kind) {
    case SCIM_SIMPLE: json_object_set_new(document, a->name, json_deep_copy(value)); return 0;
    case SCIM_MULTI: return set_list(document, a->name, value, replace);
    case SCIM_READ_ONLY:
        if (!strcmp(a->name, "id") || !strcmp(a->name, "meta") || !strcmp(a->name, "groups"))
            return scim_refuse(no, 400, "mutability", "%s is read only", a->name);
        return 0;
    case SCIM_COMPLEX: break;
    }
    if (!json_is_object(value))
        return scim_refuse(no, 400, "invalidValue", "%s must be an object", a->name);
    json_t *target = json_object_get(document, a->name);
    if (!target) {
        target = json_object();
        json_object_set_new(document, a->name, target);
    }
    const char *key;
    json_t *part;
    json_object_foreach((json_t *)(uintptr_t)value, key, part)
    {
        const char *sub = scim_sub_find(a, key, strlen(key));
        if (!sub)
            return scim_refuse(no, 400, "invalidValue", "unknown attribute '%s.%.60s'", a->name,
                               key);
        json_object_set_new(target, sub, json_deep_copy(part));
    }
    return 0;
}

static int set_in_item(const struct path *p, json_t *item, const json_t *value,
                       struct scim_refusal *no)
{
    if (p->sub) {
        json_object_set_new(item, p->sub, json_deep_copy(value));
        return 0;
    }
    if (!json_is_object(value))
        return scim_refuse(no, 400, "invalidValue", "an object is needed for %s",
                           p->attribute->name);
    json_object_update(item, (json_t *)(uintptr_t)value);
    return 0;
}

/* Sets what a path with a filter or with a sub-attribute names. */
static int set_by_path(json_t *document, const struct path *p, const json_t *value,
                       bool replace, struct scim_refusal *no)
{
    const char *name = p->attribute->name;
    if (p->attribute->kind == SCIM_COMPLEX) {
        json_auto_t *part = json_pack("{s:O}", p->sub, value);
        return set_attribute(document, p->attribute, part, replace, no);
    }
    if (p->attribute->kind != SCIM_MULTI)
        return scim_refuse(no, 400, "invalidPath", "%s has no parts", name);
    json_t *list = json_object_get(document, name), *item;
    size_t i, n_found = 0;
    json_array_foreach(list, i, item)
    {
        if (!item_fits(p, item))
            continue;
        n_found++;
        if (set_in_item(p, item, value, no) < 0)
            return -1;
    }
    if (n_found)
        return 0;
    if (replace || no->strict)
        return scim_refuse(no, 400, "noTarget", "no value of %s is chosen by the path", name);
    json_auto_t *made = json_object();
    if (p->filter_sub)
        json_object_set(made, p->filter_sub, p->filter_value);
    if (set_in_item(p, made, value, no) < 0)
        return -1;
    return set_list(document, name, made, false);
}

static int remove_by_path(json_t *document, const struct path *p, struct scim_refusal *no)
{
    const struct scim_attribute *a = p->attribute;
    if (a->kind == SCIM_READ_ONLY)
        return scim_refuse(no, 400, "mutability", "%s is read only", a->name);
    if (!p->sub && !p->filter_sub) {
        json_object_del(document, a->name);
        return 0;
    }
    json_t *target = json_object_get(document, a->name);
    if (json_is_object(target))
        json_object_del(target, p->sub);
    size_t n_found = 0;
    for (size_t i = json_array_size(target); i > 0; i--) {
        json_t *item = json_array_get(target, i - 1);
        if (!item_fits(p, item))
            continue;
        n_found++;
        if (p->sub)
            json_object_del(item, p->sub);
        if (!p->sub || json_object_size(item) == 0)
            json_array_remove(target, i - 1);
    }
    if (no->strict && p->filter_sub && !n_found)
        return scim_refuse(no, 400, "noTarget", "no value of %s is chosen by the path", a->name);
    return 0;
}

/* Without a path the value is an object of attributes. */
static int set_many(json_t *document, const json_t *value, bool replace,
                    struct scim_refusal *no)
{
    if (!json_is_object(value))
        return scim_refuse(no, 400, "invalidValue",
                           "without a path the value must be an object");
    const char *key;
    json_t *part;
    json_object_foreach((json_t *)(uintptr_t)value, key, part)
    {
        const struct scim_attribute *a = scim_attribute_find(key, strlen(key));
        if (!a)
            return scim_refuse(no, 400, "invalidValue", "unknown attribute '%.80s'", key);
        if (set_attribute(document, a, part, replace, no) < 0)
            return -1;
    }
    return 0;
}

static int operate(json_t *document, const json_t *operation, struct scim_refusal *no)
{
    const char *op = json_string_value(json_object_get(operation, "op"));
    const json_t *path_json = json_object_get(operation, "path");
    const json_t *value = json_object_get(operation, "value");
    if (!op || (path_json && !json_is_string(path_json)))
        return scim_refuse(no, 400, "invalidSyntax", "an operation is malformed");
    bool is_remove = !strcmp(op, "remove"), replace = !strcmp(op, "replace");
    if (!is_remove && !replace && strcmp(op, "add") != 0)
        return scim_refuse(no, 400, "invalidSyntax", "unknown operation '%.40s'", op);
    if (is_remove && !path_json)
        return scim_refuse(no, 400, "noTarget", "remove needs a path");
    /* RFC 7644 gives the value of a remove no meaning. A client that sends one expects
     * something else than what would happen, so it is told. */
    if (is_remove == (value != NULL))
        return scim_refuse(no, 400, "invalidValue", "%s %s a value", op,
                           is_remove ? "takes no" : "needs");
    if (!path_json)
        return set_many(document, value, replace, no);
    struct path p = {0};
    int r = path_parse(&p, json_string_value(path_json), no);
    if (r == 0) {
        if (is_remove)
            r = remove_by_path(document, &p, no);
        else if (p.sub || p.filter_sub)
            r = set_by_path(document, &p, value, replace, no);
        else
            r = set_attribute(document, p.attribute, value, replace, no);
    }
    json_decref(p.filter_value);
    return r;
}

int scim_patch(json_t *document, const json_t *message, struct scim_refusal *no)
{
    const json_t *schemas = json_object_get(message, "schemas");
    const json_t *operations = json_object_get(message, "Operations");
    size_t i;
    json_t *item;
    bool named = false;
    json_array_foreach(schemas, i, item) named |=
        json_is_string(item) && !strcmp(json_string_value(item), PATCH_URN);
    if (!named)
        return scim_refuse(no, 400, "invalidSyntax", "schemas does not name PatchOp");
    if (json_array_size(operations) == 0)
        return scim_refuse(no, 400, "invalidSyntax", "Operations is missing or empty");
    json_array_foreach(operations, i, item) if (operate(document, item, no) < 0) return -1;
    return 0;
}
