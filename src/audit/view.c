/* Intents are remembered until their outcome, so that what an outcome leaves out is known. How
 * many is bounded: an intent that never had an outcome is forgotten some time. */
#include "config.h"

#include "audit/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/operation.h"

#define INTENTS_MAX 16384

struct audit_view {
    json_t *intents; /* views by number */
};

/* Members that keep their meaning under a longer name, in the order of the reading. */
static const struct {
    const char *name, *view;
} members[] = {
    {"seq", "seq"},    {"t", "time"},      {"run", "run"},       {"ev", "event"},
    {"op", "operation"}, {"no", "number"}, {"code", "code"},     {"st", "status"},
    {"ans", "answer"}, {"try", "attempts"}, {"lag", "lag_ms"},   {"ms", "duration_ms"},
    {"cfg", "fingerprint"},
    {"who", "actor"},  {"plan", "plan"},   {"groups", "groups"}, {"reason", "reason"}, {"say", "sentence"},
    {"d", "details"},  {"why", "why"},     {"key", "key"},       {"sig", "signature"},
    {"pc", "commitment"}, {"prev", "prev"},
};
static const struct {
    const char *name, *view;
} personal_members[] = {
    {"why", "why"}, {"say", "sentence"}, {"text", "answer_text"}, {"d", "details"}};

struct audit_view *audit_view_new(void)
{
    struct audit_view *v = calloc(1, sizeof(*v));

    if (v)
        v->intents = json_object();
    if (!v || !v->intents) {
        free(v);
        return NULL;
    }
    return v;
}

struct audit_view *audit_view_free(struct audit_view *v)
{
    if (v)
        json_decref(v->intents);
    free(v);
    return NULL;
}

/* "FILE:LINE RULE" into a source's members; a place without a rule is the field's template. */
static void add_place(json_t *change, const char *file, const char *place)
{
    const char *colon = place;
    char *end;

    while ((colon = strchr(colon, ':')) && (colon[1] < '0' || colon[1] > '9'))
        colon++;
    if (!colon)
        return;
    unsigned long line = strtoul(colon + 1, &end, 10);
    if (*end == ' ')
        json_object_set_new(change, "rule", json_string(end + 1));
    else
        json_object_set_new(change, "rule",
                            json_sprintf("[user] %s", json_string_value(json_object_get(
                                                          change, "field"))));
    if (*file)
        json_object_set_new(change, "file", json_string(file));
    if (line)
        json_object_set_new(change, "line", json_integer((json_int_t)line));
}

/* The file of a place is that of the nearest place before it that names one. */
static void find_file(const json_t *at, size_t index, char *ret, size_t size)
{
    *ret = '\0';
    for (size_t i = 0; i <= index && i < json_array_size(at); i++) {
        const char *place = json_string_value(json_array_get(at, i)), *colon = place;

        while (colon && (colon = strchr(colon, ':')) && (colon[1] < '0' || colon[1] > '9'))
            colon++;
        if (colon && colon > place)
            snprintf(ret, size, "%.*s", (int)(colon - place), place);
    }
}

static json_t *changes_of(const json_t *set, const json_t *at)
{
    json_t *changes = json_array(), *item;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)set, i, item)
    {
        const json_t *to = json_array_get(item, 1), *from = json_array_get(item, 3);
        const json_t *place = json_array_get(item, 2);
        json_t *change = json_pack("{s:O?, s:O?, s:O?}", "field", json_array_get(item, 0),
                                   "from", from, "to", to);
        if (!change)
            continue;
        if (json_is_integer(place)) {
            size_t index = (size_t)json_integer_value(place);
            const char *text = json_string_value(json_array_get(at, index));
            char file[256];

            find_file(at, index, file, sizeof(file));
            if (text)
                add_place(change, file, text);
        }
        json_array_append_new(changes, change);
    }
    return changes;
}

static void add_person(json_t *view, const json_t *p)
{
    const json_t *id = json_object_get(p, "id"), *dn = json_object_get(p, "dn");
    const json_t *login = json_object_get(p, "login");

    if (id || dn || login)
        json_object_set_new(view, "person",
                            json_pack("{s:O?, s:O*, s:O*}", "id", id, "dn", dn, "login", login));
}

static void copy(json_t *to, const char *name, const json_t *from, const char *as)
{
    json_t *value = json_object_get(from, name);

    if (value && !json_object_get(to, as))
        json_object_set(to, as, value);
}

static bool is(const json_t *view, const char *name, const char *text)
{
    const char *value = json_string_value(json_object_get(view, name));

    return value && strcmp(value, text) == 0;
}

/* What a line leaves out since it is as nearly always. */
static void add_usual(json_t *view)
{
    const json_t *person = json_object_get(view, "person");

    if (is(view, "event", "outcome") && is(view, "code", "done") && json_object_get(view, "status") &&
        !json_object_get(view, "answer"))
        json_object_set_new(view, "answer", json_string("done"));
    if ((is(view, "event", "intent") || (is(view, "event", "outcome") && json_object_get(person, "dn"))) &&
        !json_object_get(view, "attempts"))
        json_object_set_new(view, "attempts", json_integer(1));
}

static json_t *view_of(const json_t *line)
{
    json_t *view = json_object();
    const json_t *p = json_object_get(line, "p"), *set = json_object_get(p, "set");

    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        copy(view, members[i].name, line, members[i].view);
    add_person(view, p);
    if (set)
        json_object_set_new(view, "changes", changes_of(set, json_object_get(line, "at")));
    for (size_t i = 0; i < ARRAY_SIZE(personal_members); i++)
        copy(view, personal_members[i].name, p, personal_members[i].view);
    if (json_object_get(line, "pc") && !p)
        json_object_set_new(view, "erased", json_true());
    add_usual(view);
    return view;
}

static void take_from_intent(json_t *view, const json_t *intent)
{
    static const char *const names[] = {"changes", "why", "attempts", "fingerprint"};
    json_t *person = json_object_get(view, "person");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        copy(view, names[i], intent, names[i]);
    copy(view, "lag_ms", intent, "lag_ms");
    if (is(intent, "code", REASON_REVOKED))
        json_object_set_new(view, "revoked", json_true());
    copy(person, "dn", json_object_get(intent, "person"), "dn");
    copy(person, "login", json_object_get(intent, "person"), "login");
}

static void join(struct audit_view *v, json_t *view)
{
    const char *event = json_string_value(json_object_get(view, "event"));
    const json_t *number = json_object_get(view, "number");
    char key[32];

    if (!event || !number)
        return;
    snprintf(key, sizeof(key), "%" JSON_INTEGER_FORMAT, json_integer_value(number));
    if (strcmp(event, "intent") == 0) {
        if (json_object_size(v->intents) >= INTENTS_MAX)
            json_object_clear(v->intents);
        json_object_set(v->intents, key, view);
    } else if (strcmp(event, "outcome") == 0) {
        const json_t *intent = json_object_get(v->intents, key);
        const json_t *person = json_object_get(view, "person");

        if (intent && person && !json_object_get(person, "dn"))
            take_from_intent(view, intent);
        json_object_del(v->intents, key);
    }
}

json_t *audit_view_read(struct audit_view *v, const char *line, size_t size)
{
    json_t *object = json_loadb(line, size, 0, NULL), *view;

    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    if (!json_object_get(object, "v"))
        return object; /* before version 1 the names were the long ones */
    view = view_of(object);
    json_decref(object);
    join(v, view);
    return view;
}
