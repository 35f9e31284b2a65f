/* Reading members of an answer, and the small pieces that several texts share. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "render/output.h"
#include "render/render.h"

const char *member_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

const char *member_sentence(const json_t *object, const char *heading)
{
    return text_without_heading(member_text(object, "sentence"), heading);
}

long long member_number(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);

    return json_is_real(v) ? (long long)json_real_value(v) : json_integer_value(v);
}

bool member_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

const char *member_any(const json_t *object, const char *name, char *buffer, size_t size)
{
    const json_t *v = json_object_get(object, name);

    if (json_is_string(v))
        return json_string_value(v);
    if (json_is_integer(v))
        (void)snprintf(buffer, size, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        (void)snprintf(buffer, size, "%g", json_real_value(v));
    else if (json_is_boolean(v))
        (void)snprintf(buffer, size, "%s", json_is_true(v) ? "yes" : "no");
    else
        return NULL;
    return buffer;
}

void render_source(struct output *o, const json_t *object)
{
    const char *rule = member_text(object, "rule"), *file = member_text(object, "file");
    long long line = member_number(object, "line");

    if (!rule && !file)
        return;
    buffer_add_text(&o->text, "  ");
    if (rule && *rule != '[')
        output_colour(o, COLOUR_DIM, "rule \"");
    output_text_colour(o, COLOUR_DIM, rule);
    if (rule && *rule != '[')
        output_colour(o, COLOUR_DIM, "\"");
    if (!file)
        return;
    const char *slash = strrchr(file, '/');
    output_colour(o, COLOUR_DIM, rule ? " (" : "(");
    output_text_colour(o, COLOUR_DIM, slash ? slash + 1 : file);
    if (line > 0)
        output_colour(o, COLOUR_DIM, ":%lld", line);
    output_colour(o, COLOUR_DIM, ")");
}

void table_source(struct table *t, const json_t *object)
{
    CLEANUP(output_done) struct output source = {0};

    render_source(&source, object);
    t->failed |= source.text.failed;
    table_add(t, COLOUR_DIM,
              source.text.data ? source.text.data + strspn(source.text.data, " ") : "");
}

/* Long answers forget who was told long before. */
#define PEOPLE_MAX 4096

/* Whether this is the first time that it is told. */
static bool is_new(struct output *o, const char *login, const char *dn)
{
    const char *before = json_string_value(json_object_get(o->people, dn));

    if (before && strcmp(before, login) == 0)
        return false;
    if (!o->people || json_object_size(o->people) >= PEOPLE_MAX) {
        json_decref(o->people);
        o->people = json_object();
    }
    (void)json_object_set_new(o->people, dn, json_string(login));
    return true;
}

void render_person(struct output *o, const json_t *person)
{
    const char *login = member_text(person, "login"), *dn = member_text(person, "dn");

    if (!login || !*login) {
        output_text(o, dn ? dn : login ? "" : member_text(person, "id"));
        return;
    }
    output_text_colour(o, COLOUR_BOLD, login);
    if (!dn || !is_new(o, login, dn))
        return;
    output_format(o, " (");
    output_text(o, dn);
    output_format(o, ")");
}

void render_counts(struct output *o, const json_t *counts)
{
    const char *name;
    json_t *value;
    bool any = false;

    json_object_foreach ((json_t *)(uintptr_t)counts, name, value) {
        long long n = json_integer_value(value);
        if (!json_is_integer(value) || n == 0)
            continue;
        output_format(o, "%s%lld ", any ? ", " : "", n);
        output_text(o, name);
        any = true;
    }
    if (!any)
        output_format(o, "nothing");
}
