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
    struct intents *intents; /* of one that nobody read no text is kept */
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
 * before it that names one; "FILE:LINE " has the rule of the place before it. */
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
        p->rule = *end != ' ' ? NULL : end[1] ? end + 1 : n > 1 ? p[-1].rule : NULL;
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
    bool outcome = is(view, "event", "outcome");

    if (outcome && is(view, "code", "done") && json_object_get(view, "status") &&
        !json_object_get(view, "answer"))
        json_object_set_new(view, "answer", json_string("done"));
    if ((is(view, "event", "intent") || (outcome && json_object_get(view, "operation"))) &&
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

/* A new user's login stands among the values. */
static void add_usual_login(json_t *view)
{
    json_t *change, *person = json_object_get(view, "person");
    size_t i;

    if (!person || json_object_get(person, "login") || !is(view, "operation", "create"))
        return;
    json_array_foreach(json_object_get(view, "changes"), i, change)
        if (is(change, "field", "login_id") && json_is_string(json_object_get(change, "to")))
            json_object_set(person, "login", json_object_get(change, "to"));
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
    add_usual_login(view);
    add_usual_why(view);
    return view;
}

static void take_from_intent(json_t *view, const json_t *intent)
{
    static const char *const names[] = {"run",     "operation",   "changes", "why",
                                        "attempts", "fingerprint", "lag_ms",  "erased"};
    static const char *const of_person[] = {"id", "dn", "login"};
    json_t *person = json_object_get(view, "person"), *whose = json_object_get(intent, "person");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        copy(view, names[i], intent, names[i]);
    if (is(intent, "code", REASON_REVOKED))
        json_object_set_new(view, "revoked", json_true());
    if (whose && !person)
        json_object_set(view, "person", whose);
    for (size_t i = 0; person && i < ARRAY_SIZE(of_person); i++)
        copy(person, of_person[i], whose, of_person[i]);
}

/* A new reference, or NULL. */
static json_t *read_line(const char *line, size_t size)
{
    json_t *object = form_read(line, size), *view = object ? view_of(object) : NULL;

    json_decref(object);
    return view;
}

/* Behind these no outcome refers to an intent before them. */
static bool begins_anew(const char *line)
{
    return line_is_event(line, "start") || line_is_event(line, "repair");
}

enum audit_intent audit_view_intent(const struct audit_view *v, const char *line)
{
    bool says_what;
    size_t size;
    int64_t number = line_is_event(line, "outcome") ? line_number(line, &says_what) : 0;

    if (!number || says_what)
        return AUDIT_INTENT_NONE;
    if (!intents_get(v->intents, number, &size))
        return AUDIT_INTENT_MISSING;
    return size ? AUDIT_INTENT_READ : AUDIT_INTENT_PASSED;
}

int audit_view_note(struct audit_view *v, const char *line, size_t size, enum audit_intent intent)
{
    bool begun = line_is_event(line, "intent"), says_what;
    int64_t number = 0;

    if (begins_anew(line))
        intents_clear(v->intents);
    else if (begun || intent != AUDIT_INTENT_NONE || line_is_event(line, "outcome"))
        number = line_number(line, &says_what);
    if (number && begun)
        return intents_put(v->intents, number, line, size);
    if (number)
        intents_drop(v->intents, number);
    return 0;
}

int audit_view_pass(struct audit_view *v, const char *line, enum audit_intent intent)
{
    return audit_view_note(v, line, 0, intent);
}

static void join(struct audit_view *v, json_t *view, const char *line, enum audit_intent where)
{
    bool says_what;
    size_t size;
    const char *text;
    json_t *intent;

    if (where == AUDIT_INTENT_MISSING)
        put(view, "intent_missing", json_true());
    if (where != AUDIT_INTENT_READ)
        return;
    text = intents_get(v->intents, line_number(line, &says_what), &size);
    intent = read_line(text, size);
    if (intent)
        take_from_intent(view, intent);
    else
        put(view, "intent_missing", json_true());
    json_decref(intent);
}

json_t *audit_view_read(struct audit_view *v, const char *line, size_t size)
{
    enum audit_intent intent;
    json_t *view;

    if (!line_is_new(line, size)) { /* before version 1 the names were the long ones */
        view = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(view))
            return view;
        json_decref(view);
        return NULL;
    }
    intent = audit_view_intent(v, line);
    view = read_line(line, size);
    if (view)
        join(v, view, line, intent);
    if (audit_view_note(v, line, size, intent) < 0) {
        json_decref(view);
        return NULL;
    }
    return view;
}
