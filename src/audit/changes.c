/*
 * What the lines of an operation say of its changes: the values, and the places in the
 * configuration that gave them.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "audit/compose.h"
#include "audit/line.h"
#include "base/error.h"
#include "base/json-write.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/operation.h"

#define TEMPLATE "[user] "

/* Two values of one rule and one line have one place. */
static bool same_place(const struct source *a, const struct source *b)
{
    return a->line == b->line && strcmp(a->rule ? a->rule : "", b->rule ? b->rule : "") == 0 &&
           strcmp(a->file ? a->file : "", b->file ? b->file : "") == 0;
}

static bool has_place(const struct source *s)
{
    return s->rule || s->line;
}

/* For each change the index of its place among the places of its operation; -1: it has none. */
static void find_places(const struct operation *o, int *places)
{
    int n = 0;

    for (size_t i = 0; i < o->n_changes; i++) {
        size_t k = 0;

        places[i] = -1;
        if (!has_place(&o->changes[i].source))
            continue;
        while (k < i && !same_place(&o->changes[k].source, &o->changes[i].source))
            k++;
        places[i] = k < i ? places[k] : n++;
    }
}

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? slash + 1 : path ? path : "";
}

/* NULL: none, or the template of the field itself. */
static const char *rule_to_say(const struct change *change)
{
    const char *rule = change->source.rule;
    bool template = rule && strncmp(rule, TEMPLATE, sizeof(TEMPLATE) - 1) == 0 &&
                    strcmp(rule + sizeof(TEMPLATE) - 1, change->field) == 0;

    return template ? NULL : rule;
}

/* "FILE:LINE RULE": FILE only where it is another than before; RULE not where it is the
 * template of the field itself, and nothing but its blank where it is that of the place before. */
static void add_place(struct buffer *b, struct buffer *text, const struct change *change,
                      const struct change *before)
{
    const struct source *s = &change->source;
    const char *file = base_name(s->file);
    const char *rule = rule_to_say(change), *said = before ? rule_to_say(before) : NULL;
    bool same = before && strcmp(base_name(before->source.file), file) == 0;

    buffer_clear(text);
    if (!same)
        buffer_add_text(text, file);
    buffer_add(text, ":", 1);
    json_write_integer(text, s->line);
    if (rule)
        buffer_add(text, " ", 1);
    if (rule && !(said && strcmp(said, rule) == 0))
        buffer_add_text(text, rule);
    if (text->failed)
        b->failed = true;
    else
        line_add_string(b, text->data);
}

static void add_places(struct buffer *b, const struct operation *o, const int *places)
{
    CLEANUP(buffer_done) struct buffer text = {0};
    const struct change *before = NULL;
    int n = 0;

    for (size_t i = 0; i < o->n_changes; i++) {
        if (places[i] != n)
            continue;
        buffer_add_text(b, n++ ? "," : ",\"at\":[");
        add_place(b, &text, &o->changes[i], before);
        before = &o->changes[i];
    }
    if (n)
        buffer_add_text(b, "]");
}

bool compose_is_contact(const char *field)
{
    static const char *const fields[] = {"email", "work_phone", "mobile_phone", "extension"};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (strcmp(field, fields[i]) == 0)
            return true;
    return false;
}

static void add_value(struct buffer *b, bool hide_contacts, const char *field, const char *value)
{
    if (value && hide_contacts && compose_is_contact(field))
        buffer_add_text(b, "true");
    else
        line_add_string(b, value);
}

/* Of a create it says in the queue what was confirmed already, by what is wanted: it was gained
 * all the same. */
static const char *from_of(const struct change *change)
{
    return text_equal(change->from, change->to) ? NULL : change->from;
}

/* [field, to, place, from], as far as there is something to say. */
static void add_change(struct buffer *b, bool hide_contacts, const struct change *change, int place)
{
    const char *from = from_of(change);

    buffer_add_text(b, "[");
    line_add_string(b, change->field);
    buffer_add_text(b, ",");
    add_value(b, hide_contacts, change->field, change->to);
    if (place >= 0) {
        buffer_add(b, ",", 1);
        json_write_integer(b, place);
    } else if (from)
        buffer_add_text(b, ",null");
    if (from) {
        buffer_add_text(b, ",");
        add_value(b, hide_contacts, change->field, from);
    }
    buffer_add_text(b, "]");
}

int compose_changes(const struct operation *o, bool hide_contacts, struct buffer *at,
                    struct buffer *set, struct error *e)
{
    int *places = calloc(o->n_changes + 1, sizeof(*places));

    if (!places)
        return error_out_of_memory(e);
    find_places(o, places);
    add_places(at, o, places);
    for (size_t i = 0; i < o->n_changes; i++) {
        buffer_add_text(set, i ? "," : ",\"set\":[");
        add_change(set, hide_contacts, &o->changes[i], places[i]);
    }
    free(places);
    if (o->n_changes)
        buffer_add_text(set, "]");
    return at->failed || set->failed ? error_out_of_memory(e) : 0;
}
