/*
 * Of each user the fields that lines named, each with a number that stands for its value: eight
 * bytes. A field whose value was left out or erased is not told of any more. Names of fields are
 * kept once.
 *
 * What rosterd knows of a user changes by what it did (outcomes that are done) and by what it found
 * (`found`, in an adoption, a change that the tenant did not apply, a drift that is put back):
 * whatever changes it writes a line that says so.
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
#include "audit/line.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/json.h"
#include "model/operation.h"
#include "model/user.h"

#define ABSENT 0U

struct held_value {
    uint32_t field; /* index into names */
    uint32_t value; /* ABSENT, or its number */
};
struct holding {
    struct held_value *entries;
    size_t n, capacity;
    bool gone; /* deleted */
};
struct holdings {
    json_t *index; /* entry id: place in items */
    struct holding *items;
    size_t n, capacity;
    json_t *fields; /* name: place in names */
    struct string_list names;
    uint64_t n_erased, n_forgotten; /* n_forgotten: doubts that were acted upon */
    struct audit_doubts doubts;
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
    audit_doubts_done(&h->doubts);
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
    u->entries[u->n++] = (struct held_value){name, value};
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
    const char *field = json_text_of(change, "field");
    const json_t *to = json_object_get(change, "to");
    const char *text = json_string_value(to);

    if (!field)
        return 0;
    if (json_is_true(to)) { /* [audit] values = names */
        forget(h, u, field);
        return 0;
    }
    switch (change_kind_of(field, NULL)) {
    case CHANGE_DISABLED:
        return set_disabled(h, u, text && strcmp(text, "false") != 0 && strcmp(text, "no") != 0);
    case CHANGE_ROLE: return set(h, u, field, text ? 1 : ABSENT);
    case CHANGE_FIELD:
    case CHANGE_SKILL: break;
    }
    return set(h, u, field, text ? number_of(text) : ABSENT);
}

/* A user that is made, taken over or deleted has nothing of what was there before. */
static int begin_anew(struct holdings *h, struct holding *u, const char *kind)
{
    bool made = strcmp(kind, "create") == 0, deleted = strcmp(kind, "delete") == 0;

    if (!made && !deleted && strcmp(kind, "adopt") != 0)
        return 0;
    u->n = 0;
    u->gone = deleted;
    return made ? set_disabled(h, u, false) : 0;
}

/* A user as it was met, as user_to_json() writes it: what it does not have is not there. */
static int take_found(struct holdings *h, struct holding *u, const json_t *found)
{
    const char *name;
    json_t *value;
    char text[300];
    size_t i;

    for (size_t k = 0; k < u->n; k++)
        u->entries[k].value = ABSENT;
    json_object_foreach ((json_t *)(uintptr_t)found, name, value) {
        if (json_is_true(value) && strcmp(name, "disabled") != 0)
            forget(h, u, name);
        else if (json_is_string(value) && user_field_from_name(name) >= 0 &&
                 set(h, u, name, number_of(json_string_value(value))) < 0)
            return -ENOMEM;
    }
    json_array_foreach (json_object_get(found, "roles"), i, value) {
        const json_t *role = json_is_string(value) ? value : json_object_get(value, "name");

        snprintf(text, sizeof(text), "role:%s",
                 json_is_string(role) ? json_string_value(role) : "");
        if (set(h, u, text, 1) < 0)
            return -ENOMEM;
    }
    json_object_foreach (json_object_get(found, "skills"), name, value) {
        char level[24];

        snprintf(text, sizeof(text), "skill:%s", name);
        snprintf(level, sizeof(level), "%lld", (long long)json_integer_value(value));
        if (set(h, u, text, number_of(level)) < 0)
            return -ENOMEM;
    }
    return set_disabled(h, u, json_is_true(json_object_get(found, "disabled")));
}

static int take_changes(struct holdings *h, struct holding *u, const char *kind,
                        const json_t *changes)
{
    json_t *change;
    size_t i;
    int r = 0;

    if (strcmp(kind, "disable") == 0 || strcmp(kind, "enable") == 0)
        r = set_disabled(h, u, strcmp(kind, "disable") == 0);
    json_array_foreach ((json_t *)(uintptr_t)changes, i, change)
        r = r == 0 ? take_change(h, u, change) : r;
    return r;
}

int holdings_take(struct holdings *h, const json_t *view)
{
    const char *id = json_text_of(json_object_get(view, "person"), "id");
    const char *kind = json_text_of(view, "operation");
    const json_t *found = json_object_get(json_object_get(view, "details"), "found");
    bool outcome = json_text_is(view, "event", "outcome"),
         done = outcome && json_text_is(view, "code", "done");
    bool told = done && !json_is_true(json_object_get(view, "intent_missing"));
    struct holding *u;
    int r = 0;

    h->n_erased += outcome && json_is_true(json_object_get(view, "erased"));
    if (!id || (!done && !json_is_object(found)))
        return 0;
    u = holding_of(h, id);
    if (!u)
        return -ENOMEM;
    kind = kind ? kind : "";
    if (done && !told)
        u->n = 0; /* what it changed is not told */
    if (told)
        r = begin_anew(h, u, kind);
    if (r == 0 && json_is_object(found))
        r = take_found(h, u, found);
    /* What was found counts where nothing was set: docs/audit-format.md. */
    return r == 0 && told ? take_changes(h, u, kind, json_object_get(view, "changes")) : r;
}

/* A line that is missing or cannot be read may have told of anybody: what was told before it is
 * not known to be so any more. */
static void forget_all(struct holdings *h)
{
    uint64_t n = h->doubts.n_breaks + h->doubts.n_unread + h->doubts.n_unknown;

    if (n == h->n_forgotten)
        return;
    h->n_forgotten = n;
    for (size_t i = 0; i < h->n; i++)
        h->items[i].n = 0;
}

static int take_line(const char *line, const json_t *view, void *userdata)
{
    struct holdings *h = userdata;

    (void)line;
    forget_all(h);
    return holdings_take(h, view);
}

static enum audit_want wants(const struct line_chain *l, const char *line, void *userdata)
{
    (void)userdata;
    if (line_is_event(line, "outcome") || line_is_event(line, "drift"))
        return AUDIT_READ;
    return l->version == LINE_OLD ? AUDIT_READ : AUDIT_NOTE;
}

struct holdings *holdings_new(void)
{
    CLEANUP(holdings_freep) struct holdings *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    h->index = json_object();
    h->fields = json_object();
    return h->index && h->fields ? TAKE(h) : NULL;
}

int holdings_read(struct holdings **ret, const char *const *files, size_t n_files, struct error *e)
{
    CLEANUP(holdings_freep) struct holdings *h = holdings_new();
    struct audit_filter filter = {.wants = wants};
    int r;

    if (!h)
        return error_out_of_memory(e);
    filter.doubts = &h->doubts;
    r = audit_each(files, n_files, &filter, take_line, h, e);
    if (r == -ENOMEM)
        return error_out_of_memory(e);
    forget_all(h);
    if (r == 0)
        *ret = TAKE(h);
    return r;
}

int64_t holdings_last_seq(const struct holdings *h)
{
    return h->doubts.last_seq;
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
    switch (change_kind_of(name, &name)) {
    case CHANGE_FIELD: return value_of_field(c, name, ret);
    case CHANGE_SKILL: return value_of_skill(c, name, ret);
    case CHANGE_DISABLED: *ret = number_of(c->known->disabled ? "true" : "false"); return true;
    case CHANGE_ROLE: break;
    }
    *ret = user_role(c->known, name) ? 1 : ABSENT;
    return c->wanted && !(c->quirks && user_role(c->quirks, name));
}

int holdings_compare(const struct holdings *h, const char *entry_id, const struct user *known,
                     const struct user *quirks, const struct user *wanted, struct string_list *ret,
                     struct error *e)
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
