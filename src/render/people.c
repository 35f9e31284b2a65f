/* One person: why there is a user or why not, and what was done; and the configuration in
 * effect. */
#include "config.h"

#include <string.h>

#include "base/memory.h"
#include "render/output.h"
#include "render/render.h"

/* A field of a user: a plain value, or {value, rule, file, line}. */
static void render_field(struct output *o, const char *name, const json_t *wanted,
                         const json_t *known)
{
    char wanted_space[64], known_space[64];
    json_auto_t *boxed = NULL;
    const json_t *box = wanted;

    if (wanted && !json_is_object(wanted))
        box = boxed = json_pack("{s:O}", "value", wanted);
    const char *want = member_any(box, "value", wanted_space, sizeof(wanted_space));
    json_auto_t *known_box = json_is_object(known)
                                 ? json_incref((json_t *)(uintptr_t)known)
                                 : (known ? json_pack("{s:O}", "value", known) : NULL);
    const char *have = member_any(known_box, "value", known_space, sizeof(known_space));

    if (!want && !have)
        return;
    output_format(o, "    ");
    output_text(o, name);
    output_format(o, "  ");
    if (want && have && strcmp(want, have) == 0) {
        output_text(o, want);
    } else {
        if (have)
            output_text_colour(o, want ? COLOUR_RED : COLOUR_DIM, *have ? have : "\"\"");
        if (have && want)
            output_format(o, " -> ");
        if (want)
            output_text_colour(o, COLOUR_GREEN, *want ? want : "\"\"");
        if (have && !want)
            output_colour(o, COLOUR_DIM, "  at the tenant");
    }
    render_source(o, box);
    output_format(o, "\n");
}

/* Roles and skills: an array of objects with name, or an object by name. */
static void render_members(struct output *o, const char *kind, const json_t *set)
{
    const char *name;
    json_t *value;
    size_t i;

    json_array_foreach(set, i, value)
    {
        output_format(o, "    %s  ", kind);
        output_text(o, json_is_string(value) ? json_string_value(value)
                                             : member_text(value, "name"));
        if (json_is_integer(json_object_get(value, "level")))
            output_format(o, ": %lld", member_number(value, "level"));
        render_source(o, value);
        output_format(o, "\n");
    }
    json_object_foreach((json_t *)(uintptr_t)set, name, value)
    {
        char space[32];
        json_auto_t *box = json_pack("{s:O}", "value", value);
        const char *level = json_is_object(value)
                                ? member_any(value, "value", space, sizeof(space))
                                : member_any(box, "value", space, sizeof(space));
        if (!level && json_is_object(value))
            level = member_any(value, "level", space, sizeof(space));
        output_format(o, "    %s  ", kind);
        output_text(o, name);
        if (level && !json_is_boolean(value)) {
            output_format(o, ": ");
            output_text(o, level);
        }
        render_source(o, value);
        output_format(o, "\n");
    }
}

static void render_user(struct output *o, const json_t *wanted, const json_t *known)
{
    static const char *const fields[] = {"login_id",  "first_name", "last_name",
                                         "email",     "work_phone", "mobile_phone",
                                         "extension", "team",       "disabled"};
    const json_t *shown = json_is_object(wanted) ? wanted : known;

    if (!json_is_object(shown))
        return;
    output_colour(o, COLOUR_BOLD,
                  json_is_object(wanted) ? "  User\n" : "  User at the tenant\n");
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        render_field(o, fields[i], json_object_get(wanted, fields[i]),
                     json_object_get(known, fields[i]));
    render_members(o, "role", json_object_get(shown, "roles"));
    render_members(o, "skill", json_object_get(shown, "skills"));
}

/* Of a user, what does not hold is told on demand: it is no part of the answer. */
static void render_steps(struct output *o, const json_t *steps, bool all)
{
    size_t i, n_hidden = 0;
    json_t *s;

    if (json_array_size(steps) == 0)
        return;
    output_colour(o, COLOUR_BOLD, "  Rules\n");
    json_array_foreach(steps, i, s)
    {
        bool matched = member_true(s, "matched");
        n_hidden += !matched && !all;
        if (!matched && !all)
            continue;
        output_colour(o, matched ? COLOUR_GREEN : COLOUR_DIM, matched ? "    yes" : "    no ");
        render_source(o, s);
        output_format(o, "\n");
        output_sentence(o, 9, member_text(s, "sentence"));
    }
    if (n_hidden > 0)
        output_format(o, "    %zu other%s %s not hold: --all shows %s\n", n_hidden,
                      n_hidden == 1 ? "" : "s", n_hidden == 1 ? "does" : "do",
                      n_hidden == 1 ? "it" : "them");
}

static void render_link(struct output *o, const json_t *link)
{
    if (!json_is_object(link))
        return;
    output_colour(o, COLOUR_BOLD, "  Link\n");
    output_format(o, "    ");
    output_text(o, member_text(link, "login"));
    output_format(o, ", ");
    output_text(o, member_text(link, "status"));
    if (member_text(link, "origin")) {
        output_format(o, ", by ");
        output_text(o, member_text(link, "origin"));
    }
    output_format(o, ", confirmed ");
    output_time(o, member_text(link, "confirmed"));
    output_format(o, "\n");
    if (!member_text(link, "leaving_since"))
        return;
    output_colour(o, COLOUR_YELLOW, "    leaving since ");
    output_time(o, member_text(link, "leaving_since"));
    output_format(o, "\n");
    if (member_text(link, "leaving_why"))
        output_sentence(o, 6, member_text(link, "leaving_why"));
}

static void render_attributes(struct output *o, const json_t *attributes)
{
    const char *name;
    json_t *values, *value;
    size_t i;

    if (json_object_size(attributes) == 0)
        return;
    output_colour(o, COLOUR_BOLD, "  Attributes\n");
    json_object_foreach((json_t *)(uintptr_t)attributes, name, values)
    {
        json_array_foreach(values, i, value)
        {
            output_format(o, "    ");
            output_text(o, name);
            output_format(o, ": ");
            output_text(o, json_string_value(value));
            output_format(o, "\n");
        }
    }
}

static void render_one(struct output *o, const json_t *p, bool all)
{
    const char *verdict = member_text(p, "verdict");
    bool user = verdict && strcmp(verdict, "user") == 0;
    size_t i;
    json_t *operation;

    render_person(o, json_object_get(p, "person"));
    output_format(o, "\n  ");
    if (!json_is_true(json_object_get(p, "in_directory")))
        output_colour(o, COLOUR_YELLOW, "not in the directory");
    else
        output_text_colour(o, user ? COLOUR_GREEN : COLOUR_YELLOW, verdict);
    if (member_text(p, "code")) {
        output_format(o, ", ");
        output_text(o, member_text(p, "code"));
    }
    output_format(o, "\n");
    if (member_text(p, "gone_why"))
        output_sentence(o, 2, member_text(p, "gone_why"));
    if (member_text(p, "sentence"))
        output_sentence(o, 2, member_text(p, "sentence"));
    render_user(o, json_object_get(p, "wanted"), json_object_get(p, "known"));
    render_link(o, json_object_get(p, "link"));
    if (json_array_size(json_object_get(p, "operations")) > 0)
        output_colour(o, COLOUR_BOLD, "  To be done\n");
    json_array_foreach(json_object_get(p, "operations"), i, operation)
        render_operation(o, operation);
    render_steps(o, json_object_get(p, "steps"), all || !user);
    render_attributes(o, json_object_get(p, "attributes"));
}

static void render_explained(struct output *o, const json_t *answer, bool all)
{
    size_t i;
    json_t *p;

    json_array_foreach(json_object_get(answer, "people"), i, p)
    {
        if (i > 0)
            output_format(o, "\n");
        render_one(o, p, all);
    }
}

int render_explain(struct output *o, const json_t *answer)
{
    render_explained(o, answer, false);
    return EXIT_FINE;
}

int render_explain_whole(struct output *o, const json_t *answer)
{
    render_explained(o, answer, true);
    return EXIT_FINE;
}

static void render_audit_changes(struct output *o, const json_t *changes)
{
    size_t i;
    json_t *c;

    json_array_foreach(changes, i, c)
    {
        char from_space[32], to_space[32];
        const char *from = member_any(c, "from", from_space, sizeof(from_space));
        const char *to = member_any(c, "to", to_space, sizeof(to_space));
        if (json_is_true(json_object_get(c, "from")))
            from = "(left out)";
        if (json_is_true(json_object_get(c, "to")))
            to = "(left out)";
        /* By a sign and not by colour alone: a removal must never read like a grant. */
        output_format(o, "      %s ", !from ? "+" : !to ? "-" : "~");
        output_text(o, member_text(c, "field"));
        output_format(o, "  ");
        output_text_colour(o, COLOUR_RED, from);
        if (to)
            output_format(o, from ? " -> " : "");
        output_text_colour(o, COLOUR_GREEN, to);
        render_source(o, c);
        output_format(o, "\n");
    }
}

/* by anton (as root) */
static void render_actor(struct output *o, const json_t *line)
{
    const json_t *a = json_object_get(line, "actor");
    const char *name = member_text(a, "name"), *login = member_text(a, "login");

    if (!a)
        return;
    output_format(o, "  by ");
    if (login || name)
        output_text(o, login ? login : name);
    else
        output_format(o, "user id %lld", member_number(a, "uid"));
    if (login) {
        output_format(o, " (as ");
        output_text(o, name);
        output_format(o, ")");
    }
}

void render_audit_line(struct output *o, const json_t *line)
{
    static const char *const sentences[] = {"why", "sentence", "answer_text"};
    const char *time = member_text(line, "time"), *kind = member_text(line, "operation");
    const json_t *person = json_object_get(line, "person");

    output_colour(o, COLOUR_DIM, "%lld  ", member_number(line, "seq"));
    output_text(o, time);
    output_format(o, "  ");
    output_text_colour(o, COLOUR_BOLD, member_text(line, "event"));
    if (kind) {
        output_format(o, " ");
        output_text(o, kind);
    }
    output_format(o, "  ");
    if (json_is_object(person))
        render_person(o, person);
    if (member_number(line, "status") > 0)
        output_format(o, "  HTTP %lld", member_number(line, "status"));
    if (member_text(line, "answer")) {
        output_format(o, "  ");
        output_text(o, member_text(line, "answer"));
    }
    const char *code = member_text(line, "code"), *class = member_text(line, "answer");
    if (code && !(class && strcmp(code, class) == 0)) {
        output_format(o, "  ");
        output_text_colour(o, COLOUR_YELLOW, code);
    }
    render_actor(o, line);
    output_format(o, "\n");
    render_audit_changes(o, json_object_get(line, "changes"));
    if (member_text(line, "reason"))
        output_sentence(o, 6, member_text(line, "reason"));
    for (size_t i = 0; i < ARRAY_SIZE(sentences); i++)
        if (member_text(line, sentences[i]))
            output_sentence(o, 6, member_text(line, sentences[i]));
}

int render_history(struct output *o, const json_t *answer)
{
    const json_t *lines = json_object_get(answer, "lines");
    size_t i;
    json_t *line;

    json_array_foreach(lines, i, line)
    {
        json_auto_t *parsed =
            json_is_string(line) ? json_loads(json_string_value(line), 0, NULL) : NULL;
        if (parsed || json_is_object(line))
            render_audit_line(o, parsed ? parsed : line);
    }
    const json_t *unread = json_object_get(answer, "unread");
    if (json_array_size(lines) == 0)
        output_format(o, json_array_size(unread) == 0
                             ? "The audit has nothing about this person.\n"
                             : "What was read of the audit has nothing about this person.\n");
    json_array_foreach(unread, i, line)
    {
        output_format(o, "Not read, since it is not compressed by gzip: ");
        output_text(o, json_string_value(line));
        output_format(o, "\n");
    }
    return EXIT_FINE;
}

/* Where there is no room for a table: nothing is cut, a value stands below its key. */
static void print_keys(const struct table *t, struct output *o)
{
    for (size_t i = 0; i + 2 < t->n_cells; i += 3) {
        output_colour(o, COLOUR_BOLD, "%s", t->cells[i].text);
        output_colour(o, COLOUR_DIM, "  %s\n", t->cells[i + 2].text);
        if (*t->cells[i + 1].text)
            output_sentence(o, 4, t->cells[i + 1].text);
    }
}

int render_config(struct output *o, const json_t *answer)
{
    static const char *const heads[] = {"KEY", "VALUE", "FROM"};
    CLEANUP(table_done) struct table t = {.n_columns = 3, .heads = heads};
    size_t i;
    json_t *k;

    json_array_foreach(json_object_get(answer, "keys"), i, k)
    {
        const char *value = member_text(k, "value"), *file = member_text(k, "file");
        const char *name = member_text(k, "label");
        const char *section = member_text(k, "section"), *key = member_text(k, "name");
        bool otherwise = member_true(k, "default");
        if (!section || !key)
            continue;
        if (name)
            table_format(&t, COLOUR_NONE, "[%s \"%s\"] %s", section, name, key);
        else
            table_format(&t, COLOUR_NONE, "[%s] %s", section, key);
        table_add(&t, otherwise ? COLOUR_DIM : COLOUR_NONE, value ? value : "");
        if (file && !otherwise)
            table_format(&t, COLOUR_DIM, "%s:%lld", file, member_number(k, "line"));
        else
            table_add(&t, COLOUR_DIM, value ? "default" : "not set");
    }
    if (o->width == 0 || t.failed || table_width(&t) <= o->width)
        table_print(&t, o, 0);
    else
        print_keys(&t, o);
    return EXIT_FINE;
}
