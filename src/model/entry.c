/*
 * An entry as a plain value: attributes with their values sorted, members, and a canonical JSON
 * form for the mirror. It judges bytes (text or not, too large or not) and nothing else: which
 * attributes matter, and what a value that is no text means, is the mapping's question.
 */
#include "config.h"

#include "model/entry.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/json.h"

/* Numbers that are in state files, and in the statements that ask for them. */
static_assert(ENTRY_PERSON == 1 && ENTRY_GROUP == 2 && ENTRY_CONTAINER == 3,
              "kinds of entries are stored");
static_assert(MEMBER_DN == 1 && MEMBER_LOGIN == 2 && MEMBER_PRIMARY == 3,
              "kinds of members are stored");

static void attribute_done(struct attribute *a)
{
    for (size_t i = 0; i < a->n_values; i++)
        free(a->values[i].data);
    free(a->values);
    free(a->name);
}

static void attributes_free(struct attribute *attributes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        attribute_done(&attributes[i]);
    free(attributes);
}

static void member_done(struct member *m)
{
    free(m->key);
    free(m->text);
}

struct entry *entry_free(struct entry *e)
{
    if (!e)
        return NULL;
    attributes_free(e->attributes, e->n_attributes);
    for (size_t i = 0; i < e->n_members; i++)
        member_done(&e->members[i]);
    free(e->members);
    free(e->id);
    free(e->dn);
    free(e->login_key);
    string_list_done(&e->other_login_keys);
    free(e->primary_key);
    free(e);
    return NULL;
}

struct entry *entry_new(const char *id, const char *dn, enum entry_kind kind)
{
    CLEANUP(entry_freep) struct entry *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->kind = kind;
    e->id = strdup(id);
    e->dn = strdup(dn);
    return e->id && e->dn ? TAKE(e) : NULL;
}

/* The attribute with exactly this description, added if need be. */
static int attribute_get(struct entry *e, const char *name, struct attribute **ret)
{
    for (size_t i = 0; i < e->n_attributes; i++)
        if (text_equal_ascii_case(e->attributes[i].name, name)) {
            *ret = &e->attributes[i];
            return 0;
        }
    if (memory_grow(&e->attributes, &e->attributes_capacity, e->n_attributes + 1,
                    sizeof(*e->attributes)) < 0)
        return -ENOMEM;
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    struct attribute *a = &e->attributes[e->n_attributes++];
    *a = (struct attribute){.name = copy};
    *ret = a;
    return 0;
}

/* An attribute has mostly one value, so there is no room in advance and no counter for it: the
 * array grows when the number of values is a power of two. */
static int add_value(struct attribute *a, const void *bytes, size_t size, enum value_state state)
{
    if ((a->n_values & (a->n_values - 1)) == 0) {
        size_t capacity = a->n_values == 0 ? 1 : a->n_values * 2;
        struct value *grown = reallocarray(a->values, capacity, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        a->values = grown;
    }
    size_t kept = state == VALUE_TOO_LARGE ? 0 : size;
    char *data = malloc(kept + 1);
    if (!data)
        return -ENOMEM;
    if (kept > 0)
        memcpy(data, bytes, kept);
    data[kept] = '\0';
    a->values[a->n_values++] = (struct value){.data = data, .size = size, .state = state};
    return 0;
}

static enum value_state classify(const char *bytes, size_t size)
{
    if (size > ENTRY_VALUE_MAX)
        return VALUE_TOO_LARGE;
    if (!text_is_utf8(bytes, size) || text_has_control(bytes, size)) /* NUL is a control */
        return VALUE_BINARY;
    return VALUE_TEXT;
}

/* An attribute description (RFC 4512 section 2.5) is printable ASCII. */
bool entry_is_description(const char *name)
{
    if (*name == '\0')
        return false;
    for (; *name; name++)
        if (*name <= ' ' || *name > '~')
            return false;
    return true;
}

int entry_add_value(struct entry *e, const char *attribute, const void *bytes, size_t size)
{
    struct attribute *a = NULL;

    if (!entry_is_description(attribute))
        return -EINVAL;
    int r = attribute_get(e, attribute, &a);
    if (r < 0)
        return r;
    return add_value(a, bytes, size, classify(bytes, size));
}

int entry_take_member(struct entry *e, enum member_kind kind, char *key_taken, char *text_taken)
{
    struct member m = {.kind = kind, .key = key_taken, .text = text_taken};

    if (!m.key || !m.text ||
        memory_grow(&e->members, &e->members_capacity, e->n_members + 1, sizeof(m)) < 0) {
        member_done(&m);
        return -ENOMEM;
    }
    e->members[e->n_members++] = m;
    return 0;
}

int entry_add_member(struct entry *e, enum member_kind kind, const char *key, const char *text)
{
    return entry_take_member(e, kind, strdup(key), strdup(text));
}

static int compare_sizes(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int compare_values(const void *a, const void *b)
{
    const struct value *x = a, *y = b;

    if (x->state == VALUE_TOO_LARGE || y->state == VALUE_TOO_LARGE)
        return x->state == y->state ? compare_sizes(x->size, y->size)
                                    : (int)x->state - (int)y->state;
    int r = memcmp(x->data, y->data, x->size < y->size ? x->size : y->size);
    return r != 0 ? r : compare_sizes(x->size, y->size);
}

static int compare_attributes(const void *a, const void *b)
{
    const struct attribute *x = a, *y = b;

    return text_compare_ascii_case(x->name, y->name);
}

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    if (x->kind != y->kind)
        return (int)x->kind - (int)y->kind;
    int r = strcmp(x->key, y->key);
    return r != 0 ? r : strcmp(x->text, y->text);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A member that came twice, in two spellings or because ranges overlapped, is one member. */
static void drop_double_members(struct entry *e)
{
    size_t kept = 0;

    for (size_t i = 0; i < e->n_members; i++) {
        struct member *m = &e->members[i];
        if (kept > 0 && e->members[kept - 1].kind == m->kind &&
            strcmp(e->members[kept - 1].key, m->key) == 0)
            member_done(m);
        else
            e->members[kept++] = *m;
    }
    e->n_members = kept;
}

void entry_sort(struct entry *e)
{
    for (size_t i = 0; i < e->n_attributes; i++)
        if (e->attributes[i].n_values > 1)
            qsort(e->attributes[i].values, e->attributes[i].n_values, sizeof(struct value),
                  compare_values);
    if (e->n_attributes > 1)
        qsort(e->attributes, e->n_attributes, sizeof(*e->attributes), compare_attributes);
    if (e->n_members > 1)
        qsort(e->members, e->n_members, sizeof(*e->members), compare_members);
    drop_double_members(e);
    if (e->other_login_keys.n_items > 1)
        qsort(e->other_login_keys.items, e->other_login_keys.n_items, sizeof(char *),
              compare_texts);
}

/* name is "cn", description "cn;lang-de" */
static bool is_option_form(const char *description, const char *name)
{
    const char *semicolon = strchr(description, ';');

    if (!semicolon || (size_t)(semicolon - description) != strlen(name))
        return false;
    for (; *name; name++, description++) {
        char a[2] = {*name, '\0'}, b[2] = {*description, '\0'};
        if (!text_equal_ascii_case(a, b))
            return false;
    }
    return true;
}

const struct attribute *entry_attribute(const struct entry *e, const char *name)
{
    const struct attribute *first = NULL;

    for (size_t i = 0; i < e->n_attributes; i++) {
        const struct attribute *a = &e->attributes[i];
        if (text_equal_ascii_case(a->name, name))
            return a;
        if (is_option_form(a->name, name) &&
            (!first || text_compare_ascii_case(a->name, first->name) < 0))
            first = a;
    }
    return first;
}

const char *entry_text(const struct entry *e, const char *name)
{
    const struct attribute *a = entry_attribute(e, name);

    for (size_t i = 0; a && i < a->n_values; i++)
        if (a->values[i].state == VALUE_TEXT)
            return a->values[i].data;
    return NULL;
}

/* Binary values as hexadecimal digits. */
static void write_binary(struct buffer *b, const struct value *v)
{
    static const char digits[] = "0123456789abcdef";

    buffer_add_text(b, "{\"binary\":\"");
    for (size_t i = 0; i < v->size; i++) {
        unsigned char byte = (unsigned char)v->data[i];
        char two[2] = {digits[byte >> 4], digits[byte & 15]};
        buffer_add(b, two, sizeof(two));
    }
    buffer_add(b, "\"}", 2);
}

static void write_value(struct buffer *b, const struct value *v)
{
    switch (v->state) {
    case VALUE_TEXT: json_write_bytes(b, v->data, v->size); break;
    case VALUE_BINARY: write_binary(b, v); break;
    case VALUE_TOO_LARGE:
        buffer_add_text(b, "{\"too_large\":");
        json_write_integer(b, (int64_t)v->size);
        buffer_add(b, "}", 1);
        break;
    }
}

static int compare_by_bytes(const void *a, const void *b)
{
    return strcmp((*(const struct attribute *const *)a)->name,
                  (*(const struct attribute *const *)b)->name);
}

char *entry_attributes_to_json(const struct entry *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(freep) char *memory = malloc((e->n_attributes + 1) * sizeof(struct attribute *));
    const struct attribute **sorted = (const struct attribute **)(void *)memory;

    if (!sorted)
        return NULL;
    for (size_t i = 0; i < e->n_attributes; i++)
        sorted[i] = &e->attributes[i];
    qsort(sorted, e->n_attributes, sizeof(*sorted), compare_by_bytes);
    buffer_add(&b, "{", 1);
    for (size_t i = 0; i < e->n_attributes; i++) {
        json_write_comma(&b);
        json_write_bytes(&b, sorted[i]->name, strlen(sorted[i]->name)); /* the server's word */
        buffer_add(&b, ":[", 2);
        for (size_t j = 0; j < sorted[i]->n_values; j++) {
            json_write_comma(&b);
            write_value(&b, &sorted[i]->values[j]);
        }
        buffer_add(&b, "]", 1);
    }
    buffer_add(&b, "}", 1);
    return buffer_take(&b);
}

static int add_binary(struct attribute *a, const char *text)
{
    size_t size = strlen(text) / 2;
    CLEANUP(freep) char *bytes = NULL;

    if (strlen(text) % 2 != 0 || size > ENTRY_VALUE_MAX)
        return -EINVAL;
    bytes = malloc(size + 1);
    if (!bytes)
        return -ENOMEM;
    for (size_t i = 0; i < size; i++) {
        int high = text_hex_digit(text[2 * i]), low = text_hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return -EINVAL;
        bytes[i] = (char)(high * 16 + low);
    }
    return add_value(a, bytes, size, VALUE_BINARY);
}

static void check(struct json_reader *r, int result)
{
    if (result < 0)
        json_read_fail(r, result);
}

static void read_text_value(struct json_reader *r, struct attribute *a)
{
    size_t size;
    CLEANUP(freep) char *text = json_read_text(r, &size);

    if (r->failed)
        return;
    /* Nothing else was written by entry_attributes_to_json(). */
    check(r, text && classify(text, size) == VALUE_TEXT ? add_value(a, text, size, VALUE_TEXT)
                                                        : -EINVAL);
}

static void read_value(struct json_reader *r, struct attribute *a)
{
    CLEANUP(freep) char *key = NULL, *text = NULL, *more = NULL;

    if (json_read_peek(r) == '"') {
        read_text_value(r, a);
        return;
    }
    json_read_open(r, '{');
    if (!json_read_key(r, &key)) {
        json_read_fail(r, -EINVAL);
    } else if (strcmp(key, "binary") == 0) {
        text = json_read_text(r, NULL);
        if (r->failed == 0)
            check(r, text ? add_binary(a, text) : -EINVAL);
    } else if (strcmp(key, "too_large") == 0) {
        int64_t size = json_read_integer(r);
        check(r,
              size > ENTRY_VALUE_MAX ? add_value(a, "", (size_t)size, VALUE_TOO_LARGE) : -EINVAL);
    } else {
        json_read_fail(r, -EINVAL);
    }
    if (json_read_key(r, &more))
        json_read_fail(r, -EINVAL);
}

static void read_attribute(struct json_reader *r, struct entry *e, const char *name)
{
    struct attribute *a = NULL;
    size_t n = e->n_attributes;

    check(r, entry_is_description(name) ? attribute_get(e, name, &a) : -EINVAL);
    if (e->n_attributes == n)
        json_read_fail(r, -EINVAL); /* "cn" and "CN": which of them? */
    json_read_open(r, '[');
    while (json_read_item(r))
        read_value(r, a);
}

/* Replaces the attributes; on failure they stay as they were. */
int entry_attributes_from_json(struct entry *e, const char *json, struct error *err)
{
    CLEANUP(entry_freep) struct entry *read = entry_new("", "", ENTRY_PERSON);
    CLEANUP(freep) char *last = NULL;
    struct json_reader r;

    if (!read)
        return error_out_of_memory(err);
    json_read_start(&r, json);
    json_read_open(&r, '{');
    for (char *name; json_read_key(&r, &name);) {
        free(last);
        last = name;
        read_attribute(&r, read, name);
    }
    int failed = json_read_end(&r);
    if (failed == -ENOMEM)
        return error_out_of_memory(err);
    if (failed < 0 && last)
        return error_set(err, failed, "the stored attribute \"%s\" of %s cannot be read", last,
                         e->dn);
    if (failed < 0)
        return error_set(err, failed, "the stored attributes of %s are not a JSON object", e->dn);
    entry_sort(read);
    struct entry old = *e;
    e->attributes = read->attributes;
    e->n_attributes = read->n_attributes;
    e->attributes_capacity = read->attributes_capacity;
    read->attributes = old.attributes;
    read->n_attributes = old.n_attributes;
    read->attributes_capacity = old.attributes_capacity;
    return 0;
}

int entry_take_login_key(struct entry *e, char *key)
{
    CLEANUP(freep) char *taken = key;
    struct string_list *others = &e->other_login_keys;

    if (!taken)
        return -ENOMEM;
    if (!e->login_key) {
        e->login_key = TAKE(taken);
        return 0;
    }
    if (strcmp(taken, e->login_key) == 0)
        return 0;
    if (strcmp(taken, e->login_key) < 0) {
        char *least = taken;
        taken = e->login_key;
        e->login_key = least;
    }
    return string_list_add_once(others, taken); /* sorted with the rest: they may be many */
}
