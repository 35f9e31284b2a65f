/* Intents are remembered until their outcome, so that what an outcome leaves out is known: as
 * lines, which are parsed only if there is such an outcome. */
#include "config.h"

#include "audit/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/form.h"
#include "audit/intents.h"
#include "audit/line.h"
#include "base/memory.h"
#include "model/operation.h"

struct audit_view {
    struct intents *intents;
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
        v->intents = intents_new();
    if (!v || !v->intents) {
        free(v);
        return NULL;
    }
    return v;
}

struct audit_view *audit_view_free(struct audit_view *v)
{
    if (v)
        intents_free(v->intents);
    free(v);
    return NULL;
}

/* Places of a line, taken apart once: "FILE:LINE RULE", where FILE is that of the nearest place
 * before it that names one. */
struct place {
    const char *file; /* not terminated */
    int file_size;
    unsigned long line;
    const char *rule; /* NULL: the template of the field itself */
};
#define PLACES_MAX 256

static size_t read_places(const json_t *at, struct place places[static PLACES_MAX])
{
    const char *file = "";
    int file_size = 0;
    size_t n = 0, i;
    json_t *item;

    json_array_foreach((json_t *)(uintptr_t)at, i, item)
    {
        const char *text = json_string_value(item), *colon = text;
        struct place *p = &places[n];
        char *end;

        if (n == PLACES_MAX)
            break;
        n++;
        *p = (struct place){0};
        while (colon && (colon = strchr(colon, ':')) && (colon[1] < '0' || colon[1] > '9'))
            colon++;
        if (!colon)
            continue;
        if (colon > text) {
            file = text;
            file_size = (int)(colon - text);
        }
        p->file = file;
        p->file_size = file_size;
        p->line = strtoul(colon + 1, &end, 10);
        p->rule = *end == ' ' ? end + 1 : NULL;
    }
    return n;
}

static void put(json_t *object, const char *name, json_t *value_taken)
{
    json_object_set_new_nocheck(object, name, value_taken);
}

static void add_place(json_t *change, const char *field, const struct place *p)
{
    if (!p->file)
        return;
    put(change, "rule",
        p->rule ? json_string(p->rule) : json_sprintf("[user] %s", field ? field : ""));
    if (p->file_size)
        put(change, "file", json_stringn(p->file, (size_t)p->file_size));
    if (p->line)
        put(change, "line", json_integer((json_int_t)p->line));
}

static json_t *or_null(json_t *value)
{
    return value ? json_incref(value) : json_null();
}

static json_t *changes_of(const json_t *set, const json_t *at)
{
    struct place places[PLACES_MAX];
    size_t n_places = read_places(at, places), i;
    json_t *changes = json_array(), *item;

    json_array_foreach((json_t *)(uintptr_t)set, i, item)
    {
        const json_t *place = json_array_get(item, 2);
        json_int_t index = json_is_integer(place) ? json_integer_value(place) : -1;
        json_t *change = json_object();

        put(change, "field", or_null(json_array_get(item, 0)));
        put(change, "from", or_null(json_array_get(item, 3)));
        put(change, "to", or_null(json_array_get(item, 1)));
        if (index >= 0 && (size_t)index < n_places)
            add_place(change, json_string_value(json_array_get(item, 0)), &places[index]);
        json_array_append_new(changes, change);
    }
    return changes;
}

static void copy(json_t *to, const char *name, const json_t *from, const char *as)
{
    json_t *value = json_object_get(from, name);

    if (value && !json_object_get(to, as))
        put(to, as, json_incref(value));
}

static void add_person(json_t *view, const json_t *p)
{
    static const char *const names[] = {"dn", "login"};
    json_t *id = json_object_get(p, "id"), *person;

    if (!id && !json_object_get(p, "dn") && !json_object_get(p, "login"))
        return;
    person = json_object();
    put(person, "id", or_null(id));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        copy(person, names[i], p, names[i]);
    put(view, "person", person);
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

/* A new user's team, the rule that gave it and where that stands say why. */
static void add_usual_why(json_t *view)
{
    json_t *change;
    size_t i;

    if (!is(view, "operation", "create") || json_object_get(view, "why"))
        return;
    json_array_foreach(json_object_get(view, "changes"), i, change)
    {
        const char *rule = json_string_value(json_object_get(change, "rule"));
        const char *file = json_string_value(json_object_get(change, "file"));
        const char *team = json_string_value(json_object_get(change, "to"));
        const char *quote = rule && *rule == '[' ? "" : "\"";

        if (is(change, "field", "team") && rule && file && team)
            put(view, "why",
                json_sprintf("%s%s%s%s (%s:%d) gives team %s", *quote ? "rule " : "", quote, rule,
                             quote, file, (int)json_integer_value(json_object_get(change, "line")),
                             team));
    }
}

/* Both are in the same order, so the next one is found where the one before ended. */
static void copy_members(json_t *view, const json_t *line)
{
    const char *name;
    json_t *value;
    size_t at = 0;

    json_object_foreach((json_t *)(uintptr_t)line, name, value)
    {
        for (size_t i = 0; i < ARRAY_SIZE(members); i++, at = (at + 1) % ARRAY_SIZE(members))
            if (strcmp(name, members[at].name) == 0) {
                put(view, members[at].view, json_incref(value));
                break;
            }
    }
}

static json_t *view_of(const json_t *line)
{
    json_t *view = json_object();
    const json_t *p = json_object_get(line, "p"), *set = json_object_get(p, "set");

    copy_members(view, line);
    add_person(view, p);
    if (set)
        json_object_set_new(view, "changes", changes_of(set, json_object_get(line, "at")));
    for (size_t i = 0; i < ARRAY_SIZE(personal_members); i++)
        copy(view, personal_members[i].name, p, personal_members[i].view);
    if (json_object_get(line, "pc") && !p)
        json_object_set_new(view, "erased", json_true());
    add_usual(view);
    add_usual_why(view);
    return view;
}

static void take_from_intent(json_t *view, const json_t *intent)
{
    static const char *const names[] = {"operation", "changes", "why", "attempts", "fingerprint"};
    json_t *person = json_object_get(view, "person");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        copy(view, names[i], intent, names[i]);
    copy(view, "lag_ms", intent, "lag_ms");
    if (is(intent, "code", REASON_REVOKED))
        json_object_set_new(view, "revoked", json_true());
    copy(person, "dn", json_object_get(intent, "person"), "dn");
    copy(person, "login", json_object_get(intent, "person"), "login");
}

/* A new reference, or NULL. */
static json_t *read_line(const char *line, size_t size)
{
    json_t *object = form_read(line, size), *view = object ? view_of(object) : NULL;

    json_decref(object);
    return view;
}

/* An outcome that names nobody's DN adds to its intent. */
static void join(struct audit_view *v, json_t *view)
{
    const json_t *person = json_object_get(view, "person");
    int64_t number = json_integer_value(json_object_get(view, "number"));
    size_t size;
    const char *line = number ? intents_get(v->intents, number, &size) : NULL;
    json_t *intent = NULL;

    if (person && number && !json_object_get(person, "dn")) {
        intent = line ? read_line(line, size) : NULL;
        if (intent)
            take_from_intent(view, intent);
        else
            put(view, "intent_missing", json_true());
    }
    json_decref(intent);
}

int audit_view_note(struct audit_view *v, const char *line, size_t size)
{
    int64_t number = line_number(line);

    if (!number)
        return 0;
    if (line_is_event(line, "intent"))
        return intents_put(v->intents, number, line, size);
    if (line_is_event(line, "outcome"))
        intents_drop(v->intents, number);
    return 0;
}

bool audit_view_awaits(const struct audit_view *v, const char *line)
{
    int64_t number = line_number(line);
    size_t size;

    return number && intents_get(v->intents, number, &size);
}

json_t *audit_view_read(struct audit_view *v, const char *line, size_t size)
{
    json_t *view;

    if (!line_is_new(line, size)) { /* before version 1 the names were the long ones */
        view = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(view))
            return view;
        json_decref(view);
        return NULL;
    }
    view = read_line(line, size);
    if (view && is(view, "event", "outcome"))
        join(v, view);
    if (view && audit_view_note(v, line, size) < 0) {
        json_decref(view);
        return NULL;
    }
    return view;
}
