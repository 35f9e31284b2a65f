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
    const char *const *without;
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

void audit_view_brief(struct audit_view *v)
{
    static const char *const names[] = {"prev", "cfg", "run", "st",   "ans", "try", "lag",
                                        "ms",   "key", "sig", "root", "v",   NULL};

    v->without = names;
}

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
            if (*name == *members[at].name && strcmp(name, members[at].name) == 0) {
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
    add_usual(view);
    add_usual_login(view);
    add_usual_why(view);
    return view;
}

static void take_if_missing(json_t *to, const json_t *from, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        copy(to, names[i], from, names[i]);
}

/* What an outcome leaves to its intent, in the line's own names: so one view is made and not two.
 * Places belong to what is set. */
static void take_from_intent(json_t *outcome, const json_t *intent)
{
    static const char *const names[] = {"run", "cfg", "op", "try", "lag"};
    static const char *const of_person[] = {"id", "dn", "login", "why", "set"};
    const json_t *whose = json_object_get(intent, "p");
    json_t *p = json_object_get(outcome, "p");

    take_if_missing(outcome, intent, names, ARRAY_SIZE(names));
    if (!json_object_get(p, "set") && json_object_get(whose, "set") && json_object_get(intent, "at"))
        json_object_set(outcome, "at", json_object_get(intent, "at"));
    if (!p && whose)
        json_object_set_new(outcome, "p", p = json_object());
    take_if_missing(p, whose, of_person, ARRAY_SIZE(of_person));
}

/* The name of the event and what follows, or NULL. */
static const char *event_of(const char *line)
{
    const char *at = strstr(line, ",\"ev\":\"");

    return at ? at + sizeof(",\"ev\":\"") - 1 : NULL;
}

static bool begins(const char *text, const char *with)
{
    return text && strncmp(text, with, strlen(with)) == 0;
}

/* Behind these no outcome refers to an intent before them. */
static bool begins_anew(const char *event)
{
    return begins(event, "start\"") || begins(event, "repair\"");
}

enum audit_intent audit_view_intent(const struct audit_view *v, const char *line)
{
    bool says_what;
    size_t size;
    int64_t number = begins(event_of(line), "outcome\"") ? line_number(line, &says_what) : 0;

    if (!number || says_what)
        return AUDIT_INTENT_NONE;
    if (!intents_get(v->intents, number, &size))
        return AUDIT_INTENT_MISSING;
    return size ? AUDIT_INTENT_READ : AUDIT_INTENT_PASSED;
}

int audit_view_note(struct audit_view *v, const char *line, size_t size, enum audit_intent intent)
{
    const char *event = event_of(line);
    bool begun = begins(event, "intent\""), says_what;
    int64_t number = 0;

    if (begins_anew(event))
        intents_clear(v->intents);
    else if (begun || intent != AUDIT_INTENT_NONE || begins(event, "outcome\""))
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

static bool is_erased(const json_t *line)
{
    return json_object_get(line, "pc") && !json_object_get(line, "p");
}

/* What the intent has to say of an outcome, before that is put together. */
struct other_half {
    bool missing, erased, revoked;
};

static void join(struct audit_view *v, json_t *object, const char *line, enum audit_intent where,
                 struct other_half *ret)
{
    bool says_what;
    size_t size;
    const char *text;
    json_t *intent = NULL;

    if (where == AUDIT_INTENT_READ) {
        text = intents_get(v->intents, line_number(line, &says_what), &size);
        intent = form_read_without(text, size, v->without);
    }
    ret->missing = where == AUDIT_INTENT_MISSING || (where == AUDIT_INTENT_READ && !intent);
    ret->erased = intent && is_erased(intent);
    ret->revoked = intent && is(intent, "code", REASON_REVOKED);
    if (intent)
        take_from_intent(object, intent);
    json_decref(intent);
}

json_t *audit_view_read(struct audit_view *v, const char *line, size_t size)
{
    struct other_half half = {0};
    enum audit_intent intent;
    json_t *view, *object;
    bool erased;

    if (!line_is_new(line, size)) { /* before version 1 the names were the long ones */
        view = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(view))
            return view;
        json_decref(view);
        return NULL;
    }
    intent = audit_view_intent(v, line);
    object = form_read_without(line, size, v->without);
    erased = object && is_erased(object);
    if (object)
        join(v, object, line, intent, &half);
    view = object ? view_of(object) : NULL;
    json_decref(object);
    if (erased || half.erased)
        json_object_set_new(view, "erased", json_true());
    if (half.revoked)
        json_object_set_new(view, "revoked", json_true());
    if (half.missing)
        json_object_set_new(view, "intent_missing", json_true());
    if (audit_view_note(v, line, size, intent) < 0) {
        json_decref(view);
        return NULL;
    }
    return view;
}
