/*
 * Of each user the fields that outcomes named, each with a number that stands for its value: eight
 * bytes. A field whose value was left out or erased is not told of any more. Names of fields are
 * kept once.
 */
#include "config.h"

#include "audit/holdings.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/user.h"

#define ABSENT 0U

struct entry {
    uint32_t field; /* index into names */
    uint32_t value; /* ABSENT, or its number */
};
struct holding {
    struct entry *entries;
    size_t n, capacity;
    bool gone; /* deleted */
};
struct holdings {
    json_t *index; /* entry id: place in items */
    struct holding *items;
    size_t n, capacity;
    json_t *fields; /* name: place in names */
    struct string_list names;
    uint64_t n_erased;
};

struct holdings *holdings_free(struct holdings *h)
{
    if (!h)
        return NULL;
    for (size_t i = 0; i < h->n; i++)
        free(h->items[i].entries);
    free(h->items);
    json_decref(h->index);
    json_decref(h->fields);
    string_list_done(&h->names);
    free(h);
    return NULL;
}

uint64_t holdings_n_erased(const struct holdings *h)
{
    return h->n_erased;
}

/* FNV-1a; never ABSENT. */
static uint32_t number_of(const char *text)
{
    uint32_t n = 2166136261U;

    for (; *text; text++)
        n = (n ^ (unsigned char)*text) * 16777619U;
    return n == ABSENT ? 1 : n;
}

static int find_field(struct holdings *h, const char *name, uint32_t *ret)
{
    const json_t *known = json_object_get(h->fields, name);

    if (known) {
        *ret = (uint32_t)json_integer_value(known);
        return 0;
    }
    *ret = (uint32_t)h->names.n_items;
    if (string_list_add(&h->names, name) < 0)
        return -ENOMEM;
    return json_object_set_new(h->fields, name, json_integer((json_int_t)*ret)) < 0 ? -ENOMEM : 0;
}

static struct holding *holding_of(struct holdings *h, const char *id)
{
    const json_t *place = json_object_get(h->index, id);

    if (place)
        return &h->items[json_integer_value(place)];
    if (memory_grow(&h->items, &h->capacity, h->n + 1, sizeof(*h->items)) < 0 ||
        json_object_set_new(h->index, id, json_integer((json_int_t)h->n)) < 0)
        return NULL;
    h->items[h->n] = (struct holding){0};
    return &h->items[h->n++];
}

static int set(struct holdings *h, struct holding *u, const char *field, uint32_t value)
{
    uint32_t name;

    if (find_field(h, field, &name) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < u->n; i++)
        if (u->entries[i].field == name) {
            u->entries[i].value = value;
            return 0;
        }
    if (memory_grow(&u->entries, &u->capacity, u->n + 1, sizeof(*u->entries)) < 0)
        return -ENOMEM;
    u->entries[u->n++] = (struct entry){name, value};
    return 0;
}

static void forget(struct holdings *h, struct holding *u, const char *field)
{
    const json_t *name = json_object_get(h->fields, field);

    for (size_t i = 0; name && i < u->n; i++)
        if (u->entries[i].field == (uint32_t)json_integer_value(name)) {
            u->entries[i] = u->entries[--u->n];
            return;
        }
}

static int set_disabled(struct holdings *h, struct holding *u, bool disabled)
{
    return set(h, u, "disabled", number_of(disabled ? "true" : "false"));
}

static int take_change(struct holdings *h, struct holding *u, const json_t *change)
{
    const char *field = json_string_value(json_object_get(change, "field"));
    const json_t *to = json_object_get(change, "to");
    const char *text = json_string_value(to);

    if (!field)
        return 0;
    if (json_is_true(to)) { /* [audit] values = names */
        forget(h, u, field);
        return 0;
    }
    if (strcmp(field, "disabled") == 0)
        return set_disabled(h, u, text && strcmp(text, "false") != 0 && strcmp(text, "no") != 0);
    if (strncmp(field, "role:", 5) == 0)
        return set(h, u, field, text ? 1 : ABSENT);
    return set(h, u, field, text ? number_of(text) : ABSENT);
}

static int take_kind(struct holdings *h, struct holding *u, const char *kind)
{
    if (strcmp(kind, "create") == 0 || strcmp(kind, "adopt") == 0) {
        u->n = 0;
        u->gone = false;
    }
    if (strcmp(kind, "delete") == 0) {
        u->n = 0;
        u->gone = true;
    }
    if (strcmp(kind, "disable") == 0 || strcmp(kind, "enable") == 0)
        return set_disabled(h, u, strcmp(kind, "disable") == 0);
    return strcmp(kind, "create") == 0 ? set_disabled(h, u, false) : 0;
}

static int take_line(const char *line, const json_t *view, void *userdata)
{
    struct holdings *h = userdata;
    const char *id = json_string_value(json_object_get(json_object_get(view, "person"), "id"));
    const char *kind = json_string_value(json_object_get(view, "operation"));
    struct holding *u;
    json_t *change;
    size_t i;

    (void)line;
    if (json_is_true(json_object_get(view, "erased")))
        h->n_erased++;
    if (!id || !kind)
        return 0;
    u = holding_of(h, id);
    if (!u || take_kind(h, u, kind) < 0)
        return -ENOMEM;
    json_array_foreach(json_object_get(view, "changes"), i, change)
    {
        if (take_change(h, u, change) < 0)
            return -ENOMEM;
    }
    return 0;
}

int holdings_read(struct holdings **ret, const char *const *files, size_t n_files,
                  struct error *e)
{
    CLEANUP(holdings_freep) struct holdings *h = calloc(1, sizeof(*h));
    struct audit_filter done = {.event = "outcome", .code = "done"};
    int r;

    if (!h)
        return error_out_of_memory(e);
    h->index = json_object();
    h->fields = json_object();
    if (!h->index || !h->fields)
        return error_out_of_memory(e);
    r = audit_each(files, n_files, &done, take_line, h, e);
    if (r == -ENOMEM)
        return error_out_of_memory(e);
    if (r == 0)
        *ret = TAKE(h);
    return r;
}

struct comparison {
    const struct user *known, *quirks, *wanted;
};

/* False: it is not compared. */
static bool value_of_skill(const struct comparison *c, const char *name, uint32_t *ret)
{
    const struct user_skill *skill = user_skill(c->known, name);
    char level[16];

    if (!c->wanted || (c->quirks && user_skill(c->quirks, name)))
        return false;
    snprintf(level, sizeof(level), "%u", skill ? skill->level : 0);
    *ret = skill ? number_of(level) : ABSENT;
    return true;
}

static bool value_of_field(const struct comparison *c, const char *name, uint32_t *ret)
{
    int field = user_field_from_name(name);
    const char *text = field >= 0 ? user_get(c->known, (enum user_field)field) : NULL;

    /* The login is the link's, and follows whoever renames the user. */
    if (field < 0 || field == USER_LOGIN || !c->wanted ||
        !user_get(c->wanted, (enum user_field)field) ||
        (c->quirks && user_get(c->quirks, (enum user_field)field)))
        return false;
    *ret = text && *text ? number_of(text) : ABSENT;
    return true;
}

static bool value_of(const struct comparison *c, const char *name, uint32_t *ret)
{
    if (strcmp(name, "disabled") == 0) {
        *ret = number_of(c->known->disabled ? "true" : "false");
        return true;
    }
    if (strncmp(name, "skill:", 6) == 0)
        return value_of_skill(c, name + 6, ret);
    if (strncmp(name, "role:", 5) != 0)
        return value_of_field(c, name, ret);
    *ret = user_role(c->known, name + 5) ? 1 : ABSENT;
    return c->wanted && !(c->quirks && user_role(c->quirks, name + 5));
}

int holdings_compare(const struct holdings *h, const char *entry_id, const struct user *known,
                     const struct user *quirks, const struct user *wanted,
                     struct string_list *ret, struct error *e)
{
    const json_t *place = json_object_get(h->index, entry_id);
    const struct holding *u = place ? &h->items[json_integer_value(place)] : NULL;
    struct comparison c = {known, quirks, wanted};

    if (!u || u->gone || u->n == 0)
        return HOLDINGS_NONE;
    for (size_t i = 0; i < u->n; i++) {
        const char *name = h->names.items[u->entries[i].field];
        uint32_t value;

        if (value_of(&c, name, &value) && value != u->entries[i].value &&
            string_list_add(ret, name) < 0)
            return error_out_of_memory(e);
    }
    return 0;
}
