/* Intents are remembered until their outcome, so that what an outcome leaves out is known: as
 * lines, which are parsed only if there is such an outcome. */
#include "config.h"

#include "audit/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/intents.h"
#include "audit/line.h"
#include "audit/parts.h"
#include "base/memory.h"
#include "model/json.h"
#include "model/operation.h"

/* Intents that were just read, taken apart: most outcomes come soon behind them. */
#define RECENT 64U
struct recent {
    int64_t number; /* 0: none */
    struct line_parts parts;
};

struct audit_view {
    struct intents *intents;      /* of one that nobody read no text is kept */
    struct recent recent[RECENT]; /* by their number; of each the line is among the intents */
    struct parts_reader *reader;
    line_parts_mask unwanted;
    line_parts_mask unwanted_of_intents; /* of what an outcome has of its intent */
};

void audit_view_brief(struct audit_view *v)
{
    static const char *const names[] = {"prev", "cfg", "run", "st",  "ans",
                                        "try",  "lag", "ms",  "key", "sig"};

    v->unwanted = parts_without(names, ARRAY_SIZE(names));
}

struct audit_view *audit_view_new(void)
{
    static const char *const of_intents[] = {"run", "cfg", "op", "try", "lag", "code"};
    struct audit_view *v = calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    v->unwanted_of_intents = parts_only(of_intents, ARRAY_SIZE(of_intents));
    v->intents = intents_new();
    v->reader = parts_reader_new();
    return v->intents && v->reader ? v : audit_view_free(v);
}

static void forget_recent(struct audit_view *v, int64_t number)
{
    struct recent *r = &v->recent[(uint64_t)number % RECENT];

    if (r->number == number) {
        parts_done(&r->parts);
        r->number = 0;
    }
}

struct audit_view *audit_view_free(struct audit_view *v)
{
    if (v) {
        for (size_t i = 0; i < RECENT; i++)
            forget_recent(v, v->recent[i].number);
        intents_free(v->intents);
        parts_reader_free(v->reader);
    }
    free(v);
    return NULL;
}

static void put(json_t *object, const char *name, json_t *value_taken)
{
    json_object_set_new_nocheck(object, name, value_taken);
}

/* What a line leaves out since it is as nearly always. */
static void add_usual(json_t *view)
{
    const char *event = json_text_of(view, "event");
    bool outcome = event && strcmp(event, "outcome") == 0;

    if (outcome && json_object_get(view, "status") && !json_object_get(view, "answer") &&
        json_text_is(view, "code", "done"))
        put(view, "answer", json_string("done"));
    if (((event && strcmp(event, "intent") == 0) ||
         (outcome && json_object_get(view, "operation"))) &&
        !json_object_get(view, "attempts"))
        put(view, "attempts", json_integer(1));
}

/* A new user's team, the rule that gave it and where that stands say why. */
static void add_usual_why(json_t *view)
{
    json_t *change;
    size_t i;

    if (json_object_get(view, "why"))
        return;
    json_array_foreach (json_object_get(view, "changes"), i, change) {
        const char *rule = json_text_of(change, "rule");
        const char *file = json_text_of(change, "file");
        const char *team = json_text_of(change, "to");
        const char *quote = rule && *rule == '[' ? "" : "\"";

        if (json_text_is(change, "field", "team") && rule && file && team)
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

    if (!person || json_object_get(person, "login"))
        return;
    json_array_foreach (json_object_get(view, "changes"), i, change) {
        if (json_text_is(change, "field", "login_id") && json_text_of(change, "to"))
            json_object_set(person, "login", json_object_get(change, "to"));
    }
}

static void put_if_missing(json_t *view, const char *name, json_t *value)
{
    if (value && !json_object_get(view, name))
        put(view, name, json_incref(value));
}

static void add_person(json_t *view, const struct line_parts *p)
{
    json_t *person;

    if (!p->id && !p->dn && !p->login)
        return;
    person = json_object();
    put(person, "id", p->id ? json_incref(p->id) : json_null());
    put_if_missing(person, "dn", p->dn);
    put_if_missing(person, "login", p->login);
    put(view, "person", person);
}

static json_t *view_of(const struct line_parts *p)
{
    json_t *view = json_incref(p->head);

    add_person(view, p);
    if (p->changes)
        put(view, "changes", json_incref(p->changes));
    put_if_missing(view, "why", p->why);
    put_if_missing(view, "sentence", p->sentence);
    put_if_missing(view, "answer_text", p->answer_text);
    put_if_missing(view, "details", p->details);
    add_usual(view);
    if (p->changes && json_text_is(view, "operation", "create")) {
        add_usual_login(view);
        add_usual_why(view);
    }
    return view;
}

static void take_if_missing(json_t **to, json_t *from)
{
    if (!*to)
        *to = json_incref(from);
}

/* What an outcome leaves to its intent. */
static void take_from_intent(struct line_parts *outcome, const struct line_parts *intent)
{
    static const char *const names[] = {"run", "fingerprint", "operation", "lag_ms"};
    json_t *attempts = json_object_get(intent->head, "attempts");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        put_if_missing(outcome->head, names[i], json_object_get(intent->head, names[i]));
    if (json_integer_value(attempts) > 1)
        put_if_missing(outcome->head, "attempts", attempts);
    take_if_missing(&outcome->id, intent->id);
    take_if_missing(&outcome->dn, intent->dn);
    take_if_missing(&outcome->login, intent->login);
    take_if_missing(&outcome->why, intent->why);
    take_if_missing(&outcome->changes, intent->changes);
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
    if (number)
        forget_recent(v, number);
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

static bool is_erased(const struct line_parts *p)
{
    return p->committed && !p->personal;
}

/* What the intent has to say of an outcome, before that is put together. */
struct other_half {
    bool missing, erased, revoked;
};

/* False: it is none. */
static bool read_intent(struct audit_view *v, int64_t number, struct line_parts *ret)
{
    size_t size;
    const char *text = intents_get(v->intents, number, &size);

    return parts_read(v->reader, text, size, v->unwanted | v->unwanted_of_intents, ret);
}

static void join(struct audit_view *v, struct line_parts *outcome, const char *line,
                 enum audit_intent where, struct other_half *ret)
{
    struct line_parts read = {0}, *intent = NULL;
    bool says_what;

    if (where == AUDIT_INTENT_READ) {
        int64_t number = line_number(line, &says_what);
        struct recent *r = &v->recent[(uint64_t)number % RECENT];

        if (r->number == number)
            intent = &r->parts;
        else if (read_intent(v, number, &read))
            intent = &read;
    }
    ret->missing = where == AUDIT_INTENT_MISSING || (where == AUDIT_INTENT_READ && !intent);
    ret->erased = intent && is_erased(intent);
    ret->revoked = intent && json_text_is(intent->head, "code", REASON_REVOKED);
    if (intent)
        take_from_intent(outcome, intent);
    parts_done(&read);
}

/* The line of an intent was just read, and is noted. */
static void keep_recent(struct audit_view *v, const char *line, struct line_parts *parts_taken)
{
    bool says_what;
    int64_t number = begins(event_of(line), "intent\"") ? line_number(line, &says_what) : 0;
    struct recent *r = &v->recent[(uint64_t)number % RECENT];

    if (!number || !parts_taken->head) {
        parts_done(parts_taken);
        return;
    }
    forget_recent(v, r->number);
    r->number = number;
    r->parts = *parts_taken;
    *parts_taken = (struct line_parts){0};
}

/* Before version 1 the names were the long ones. */
static json_t *read_old(const char *line, size_t size)
{
    json_t *view = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(view))
        return view;
    json_decref(view);
    return NULL;
}

json_t *audit_view_read(struct audit_view *v, const char *line, size_t size)
{
    struct other_half half = {0};
    struct line_parts parts = {0};
    enum audit_intent intent;
    json_t *view = NULL;

    if (!line_is_new(line, size))
        return read_old(line, size);
    intent = audit_view_intent(v, line);
    if (parts_read(v->reader, line, size, v->unwanted, &parts)) {
        bool erased = is_erased(&parts);

        join(v, &parts, line, intent, &half);
        view = view_of(&parts);
        if (erased || half.erased)
            put(view, "erased", json_true());
    }
    if (half.revoked)
        put(view, "revoked", json_true());
    if (half.missing)
        put(view, "intent_missing", json_true());
    if (audit_view_note(v, line, size, intent) < 0) {
        parts_done(&parts);
        json_decref(view);
        return NULL;
    }
    keep_recent(v, line, &parts);
    return view;
}
