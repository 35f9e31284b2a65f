#include "config.h"

#include "audit/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/form.h"
#include "base/memory.h"

/* Members that keep their meaning under a longer name, in the order of the line. */
static const struct {
    const char *name, *as;
} members[] = {
    {"seq", "seq"},        {"t", "time"},        {"run", "run"},       {"cfg", "fingerprint"},
    {"ev", "event"},       {"no", "number"},     {"op", "operation"},  {"code", "code"},
    {"st", "status"},      {"ans", "answer"},    {"try", "attempts"},  {"lag", "lag_ms"},
    {"ms", "duration_ms"}, {"who", "actor"},     {"plan", "plan"},     {"groups", "groups"},
    {"reason", "reason"},  {"say", "sentence"},  {"d", "details"},     {"why", "why"},
    {"key", "key"},        {"sig", "signature"}, {"pc", "commitment"}, {"prev", "prev"},
};
#define NO_MEMBER ARRAY_SIZE(members)

/* A place, "FILE:LINE RULE". FILE is that of the nearest place before it that names one; "FILE:LINE "
 * has the rule of the place before it. */
struct place {
    bool told;           /* or the text is none */
    json_t *file, *rule; /* NULL: none; the template of the field itself */
    json_int_t line;
};
#define PLACES_MAX 256

/* Lines of one kind mostly have the very same places. */
struct places {
    char *text; /* as they stand in the line; NULL: none */
    size_t size;
    struct place items[PLACES_MAX];
    size_t n;
};
#define KEPT 8U

struct parts_reader {
    struct form_reader form;
    struct line_parts parts;
    line_parts_mask unwanted;
    struct places kept[KEPT];
    size_t next;                 /* the one that is forgotten next */
    const struct places *places; /* of this line; NULL: none */
    json_t *file;                /* that a place named last; NULL: none did */
    const char *personal_at;     /* where the value of p begins; NULL: it did not come yet */
};

static size_t number_of(const char *name, size_t size, size_t from)
{
    for (size_t i = 0; i < ARRAY_SIZE(members); i++, from = (from + 1) % ARRAY_SIZE(members))
        if (*members[from].name == *name && strncmp(members[from].name, name, size) == 0 &&
            !members[from].name[size])
            return from;
    return NO_MEMBER;
}

line_parts_mask parts_without(const char *const *names, size_t n)
{
    line_parts_mask mask = 0;

    for (size_t i = 0; i < n; i++)
        mask |= 1U << number_of(names[i], strlen(names[i]), 0);
    return mask;
}

line_parts_mask parts_only(const char *const *names, size_t n)
{
    return ~parts_without(names, n);
}

void parts_done(struct line_parts *p)
{
    json_decref(p->head);
    json_decref(p->id);
    json_decref(p->dn);
    json_decref(p->login);
    json_decref(p->changes);
    json_decref(p->why);
    json_decref(p->sentence);
    json_decref(p->answer_text);
    json_decref(p->details);
    *p = (struct line_parts){0};
}

static void forget_places(struct places *p)
{
    for (size_t i = 0; i < p->n; i++) {
        json_decref(p->items[i].file);
        json_decref(p->items[i].rule);
    }
    p->n = 0;
    free(p->text);
    p->text = NULL;
}

static void put(json_t *object, const char *name, json_t *value_taken)
{
    json_object_set_new_nocheck(object, name, value_taken);
}

static void read_place(struct parts_reader *r, struct places *to, const char *text)
{
    const struct place *before = to->n ? &to->items[to->n - 1] : NULL;
    struct place *p = &to->items[to->n++];
    const char *colon = text;
    char *end;

    *p = (struct place){0};
    while (colon && (colon = strchr(colon, ':')) && (colon[1] < '0' || colon[1] > '9'))
        colon++;
    if (!colon)
        return;
    if (colon > text) {
        json_decref(r->file);
        r->file = json_stringn_nocheck(text, (size_t)(colon - text));
    }
    p->told = true;
    p->file = json_incref(r->file);
    p->line = (json_int_t)strtoul(colon + 1, &end, 10);
    if (*end == ' ' && end[1])
        p->rule = json_string_nocheck(end + 1);
    else if (*end == ' ' && before)
        p->rule = json_incref(before->rule);
}

/* What is the same text is the same places. */
static const struct places *find_places(const struct parts_reader *r)
{
    const struct form_reader *f = &r->form;

    for (size_t i = 0; i < KEPT; i++) {
        const struct places *p = &r->kept[i];

        if (p->text && (size_t)(f->end - f->at) > p->size && memcmp(f->at, p->text, p->size) == 0)
            return p;
    }
    return NULL;
}

static bool read_places(struct parts_reader *r)
{
    const char *begin = r->form.at;
    struct places *p = &r->kept[r->next];
    json_t *at = NULL, *item;
    size_t i;

    r->places = find_places(r);
    if (r->places) {
        r->form.at += r->places->size;
        return true;
    }
    if (!form_value(&r->form, &at))
        return false;
    forget_places(p);
    json_array_foreach (at, i, item) {
        if (i < PLACES_MAX)
            read_place(r, p, json_is_string(item) ? json_string_value(item) : "");
    }
    json_decref(at);
    json_decref(r->file);
    r->file = NULL;
    r->places = p;
    r->next = (r->next + 1) % KEPT;
    p->size = (size_t)(r->form.at - begin);
    p->text = *begin == '[' ? strndup(begin, p->size) : NULL;
    return true;
}

static json_t *template_of(const char *field)
{
    char text[128];
    int n = snprintf(text, sizeof(text), "[user] %s", field ? field : "");

    return n < (int)sizeof(text) ? json_stringn_nocheck(text, (size_t)n)
                                 : json_sprintf("[user] %s", field);
}

static void add_place(json_t *change, const char *field, const struct place *p)
{
    if (!p->told)
        return;
    put(change, "rule", p->rule ? json_incref(p->rule) : template_of(field));
    if (p->file)
        put(change, "file", json_incref(p->file));
    if (p->line)
        put(change, "line", json_integer(p->line));
}

static json_t *or_null(json_t *value_taken)
{
    return value_taken ? value_taken : json_null();
}

/* [FIELD, TO, PLACE, FROM]; whatever else it is tells nothing. */
static bool read_change(struct parts_reader *r, json_t *changes)
{
    struct form_reader *f = &r->form;
    json_t *values[4] = {NULL}, *change = json_object();
    bool fine = change, array = form_open_array(f);
    const char *field;

    if (fine && !array)
        fine = form_pass(f);
    for (size_t i = 0; fine && array && form_item(f, i, &fine); i++)
        fine = i < ARRAY_SIZE(values) ? form_value(f, &values[i]) : form_pass(f);
    if (!fine) {
        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
            json_decref(values[i]);
        json_decref(change);
        return false;
    }
    field = json_string_value(values[0]);
    put(change, "field", or_null(values[0]));
    put(change, "from", or_null(values[3]));
    put(change, "to", or_null(values[1]));
    if (json_is_integer(values[2]) && json_integer_value(values[2]) >= 0 && r->places &&
        (size_t)json_integer_value(values[2]) < r->places->n)
        add_place(change, field, &r->places->items[json_integer_value(values[2])]);
    json_decref(values[2]);
    return json_array_append_new(changes, change) == 0;
}

static bool read_changes(struct parts_reader *r)
{
    json_t *changes = json_array();
    bool fine = changes;

    json_decref(r->parts.changes);
    r->parts.changes = changes;
    if (!form_open_array(&r->form))
        return fine && form_pass(&r->form);
    for (size_t i = 0; fine && form_item(&r->form, i, &fine); i++)
        fine = read_change(r, changes);
    return fine;
}

static json_t **personal_part(struct line_parts *p, const struct form_span *name)
{
    return form_is_named(name, "id")      ? &p->id
           : form_is_named(name, "dn")    ? &p->dn
           : form_is_named(name, "login") ? &p->login
           : form_is_named(name, "why")   ? &p->why
           : form_is_named(name, "say")   ? &p->sentence
           : form_is_named(name, "text")  ? &p->answer_text
           : form_is_named(name, "d")     ? &p->details
                                          : NULL;
}

static bool read_personal(struct parts_reader *r)
{
    struct form_reader *f = &r->form;
    struct form_object o;
    struct form_span name;
    bool fine = true;

    r->personal_at = f->at;
    r->parts.personal = true;
    if (!form_open_object(f, &o))
        return form_pass(f);
    while (fine && form_member(f, &o, &name, &fine)) {
        json_t **part = personal_part(&r->parts, &name);

        if (form_is_named(&name, "set")) {
            fine = read_changes(r);
        } else if (part) {
            json_decref(*part);
            *part = NULL;
            fine = form_value(f, part);
        } else
            fine = form_pass(f);
    }
    return fine;
}

/* Where p stands before the places that its changes are of, which no line of ours has, it is read
 * once more. */
static bool read_late_places(struct parts_reader *r)
{
    const char *here;
    bool fine;

    if (!read_places(r))
        return false;
    if (!r->personal_at)
        return true;
    here = r->form.at;
    r->form.at = r->personal_at;
    fine = read_personal(r);
    r->form.at = here;
    return fine;
}

static bool read_member(struct parts_reader *r, const struct form_span *name, size_t *at)
{
    size_t number;
    json_t *value = NULL;

    if (form_is_named(name, "at"))
        return read_late_places(r);
    if (form_is_named(name, "p"))
        return read_personal(r);
    number = number_of(name->text, name->size, *at);
    if (form_is_named(name, "pc"))
        r->parts.committed = true;
    if (number == NO_MEMBER || r->unwanted & 1U << number)
        return form_pass(&r->form);
    *at = (number + 1) % ARRAY_SIZE(members);
    if (!form_value(&r->form, &value))
        return false;
    put(r->parts.head, members[number].as, value);
    return true;
}

struct parts_reader *parts_reader_new(void)
{
    return calloc(1, sizeof(struct parts_reader));
}

struct parts_reader *parts_reader_free(struct parts_reader *r)
{
    for (size_t i = 0; r && i < KEPT; i++)
        forget_places(&r->kept[i]);
    free(r);
    return NULL;
}

bool parts_read(struct parts_reader *r, const char *line, size_t size, line_parts_mask unwanted,
                struct line_parts *ret)
{
    struct form_object o;
    struct form_span name;
    size_t at = 0;
    bool fine = form_begin(&r->form, line, size) && form_open_object(&r->form, &o);

    r->parts = (struct line_parts){.head = json_object()};
    r->unwanted = unwanted;
    r->personal_at = NULL;
    r->places = NULL;
    fine = fine && r->parts.head;
    while (fine && form_member(&r->form, &o, &name, &fine))
        fine = read_member(r, &name, &at);
    fine = form_end(&r->form) && fine;
    if (fine)
        *ret = r->parts;
    else
        parts_done(&r->parts);
    return fine;
}
