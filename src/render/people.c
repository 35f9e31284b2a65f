/* One person: why there is a user or why not, and what was done; and the configuration in
 * effect. */
#include "config.h"

#include <string.h>

#include "base/memory.h"
#include "render/operation.h"
#include "render/output.h"
#include "render/render.h"

/* A plain value, or {value, rule, file, line}; new. */
static json_t *boxed(const json_t *value)
{
    json_t *v = (json_t *)(uintptr_t)value;

    return json_is_object(v) ? json_incref(v) : v ? json_pack("{s:O}", "value", v) : NULL;
}

static void add_field(struct table *t, const char *name, const json_t *wanted, const json_t *known)
{
    char wanted_space[64], known_space[64];
    json_auto_t *want_box = boxed(wanted), *have_box = boxed(known);
    const char *want = member_any(want_box, "value", wanted_space, sizeof(wanted_space));
    const char *have = member_any(have_box, "value", known_space, sizeof(known_space));
    CLEANUP(buffer_done) struct buffer both = {0};

    if (!want && !have)
        return;
    table_add(t, COLOUR_NONE, name);
    if (want && have && strcmp(want, have) == 0) {
        table_add(t, COLOUR_NONE, want);
    } else if (want && have) {
        buffer_format(&both, "%s -> %s", *have ? have : "\"\"", *want ? want : "\"\"");
        t->failed |= both.failed;
        table_add(t, COLOUR_YELLOW, both.data);
    } else {
        const char *value = want ? want : have;
        table_add(t, want ? COLOUR_GREEN : COLOUR_DIM, *value ? value : "\"\"");
    }
    if (want)
        table_source(t, want_box);
    else
        table_add(t, COLOUR_DIM, "at the tenant");
}

/* Roles and skills: an array of objects with name, or an object by name. */
static void add_member(struct table *t, const char *kind, const char *name, const json_t *value)
{
    char space[32];
    json_auto_t *box = boxed(value);
    const char *level = member_any(box, "value", space, sizeof(space));

    if (!level)
        level = member_any(box, "level", space, sizeof(space));
    bool leveled = level && !json_is_boolean(value) && !json_is_string(value);
    table_add(t, COLOUR_NONE, kind);
    CLEANUP(buffer_done) struct buffer text = {0};
    buffer_format(&text, "%s%s%s", name ? name : "", leveled ? ": " : "", leveled ? level : "");
    t->failed |= text.failed;
    table_add(t, COLOUR_NONE, text.data);
    table_source(t, box);
}

static void add_members(struct table *t, const char *kind, const json_t *set)
{
    const char *name;
    json_t *value;
    size_t i;

    json_array_foreach (set, i, value)
        add_member(t, kind,
                   json_is_string(value) ? json_string_value(value) : member_text(value, "name"),
                   value);
    json_object_foreach ((json_t *)(uintptr_t)set, name, value)
        add_member(t, kind, name, value);
}

static void render_user(struct output *o, const json_t *wanted, const json_t *known)
{
    static const char *const fields[] = {"login_id",  "first_name", "last_name",
                                         "email",     "work_phone", "mobile_phone",
                                         "extension", "team",       "disabled"};
    const json_t *shown = json_is_object(wanted) ? wanted : known;
    CLEANUP(table_done) struct table t = {.n_columns = 3};

    if (!json_is_object(shown))
        return;
    output_colour(o, COLOUR_BOLD,
                  json_is_object(wanted) ? "  User as wanted\n" : "  User at the tenant\n");
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        add_field(&t, fields[i], json_object_get(wanted, fields[i]),
                  json_object_get(known, fields[i]));
    add_members(&t, "role", json_object_get(shown, "roles"));
    add_members(&t, "skill", json_object_get(shown, "skills"));
    if (t.n_cells > 0 || t.failed)
        table_print(&t, o, 4);
}

/* Of a user, what does not hold is told on demand: it is no part of the answer. */
static void render_steps(struct output *o, const json_t *steps, const char *dn, bool all)
{
    size_t i, n_hidden = 0;
    json_t *s;

    if (json_array_size(steps) == 0)
        return;
    output_colour(o, COLOUR_BOLD, "  Rules\n");
    json_array_foreach (steps, i, s) {
        bool matched = member_true(s, "matched");
        n_hidden += !matched && !all;
        if (!matched && !all)
            continue;
        output_colour(o, matched ? COLOUR_GREEN : COLOUR_DIM, matched ? "    yes" : "    no ");
        render_source(o, s);
        output_format(o, "\n");
        output_sentence(o, 9, member_sentence(s, dn));
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
    json_object_foreach ((json_t *)(uintptr_t)attributes, name, values) {
        json_array_foreach (values, i, value) {
            output_format(o, "    ");
            output_text(o, name);
            output_format(o, ": ");
            output_text(o, json_string_value(value));
            output_format(o, "\n");
        }
    }
}

/* "User" is the one at the tenant; this is about the entry. */
static const char *words_of_verdict(const char *verdict)
{
    static const struct {
        const char *verdict, *words;
    } rows[] = {{"user", "is to have a user"},
                {"skip", "is to have no user"},
                {"invalid", "the entry cannot be used"}};
    for (size_t i = 0; verdict && i < ARRAY_SIZE(rows); i++)
        if (strcmp(verdict, rows[i].verdict) == 0)
            return rows[i].words;
    return verdict;
}

static void render_one(struct output *o, const json_t *p, bool all)
{
    const char *verdict = member_text(p, "verdict");
    bool user = verdict && strcmp(verdict, "user") == 0;
    const char *dn = member_text(json_object_get(p, "person"), "dn");
    size_t i;
    json_t *operation;

    render_person(o, json_object_get(p, "person"));
    output_format(o, "\n  ");
    if (!json_is_true(json_object_get(p, "in_directory")))
        output_colour(o, COLOUR_YELLOW, "not in the directory");
    else
        output_text_colour(o, user ? COLOUR_GREEN : COLOUR_YELLOW, words_of_verdict(verdict));
    if (member_text(p, "code")) {
        output_format(o, ", ");
        output_text(o, member_text(p, "code"));
    }
    output_format(o, "\n");
    if (member_text(p, "gone_why"))
        output_sentence(o, 2, member_text(p, "gone_why"));
    if (member_text(p, "sentence"))
        output_sentence(o, 2, member_sentence(p, dn));
    render_user(o, json_object_get(p, "wanted"), json_object_get(p, "known"));
    render_link(o, json_object_get(p, "link"));
    if (json_array_size(json_object_get(p, "operations")) > 0)
        output_colour(o, COLOUR_BOLD, "  To be done\n");
    json_array_foreach (json_object_get(p, "operations"), i, operation)
        render_operation(o, operation, NULL);
    render_steps(o, json_object_get(p, "steps"), dn, all || !user);
    render_attributes(o, json_object_get(p, "attributes"));
}

static void render_explained(struct output *o, const json_t *answer, bool all)
{
    size_t i;
    json_t *p;

    json_array_foreach (json_object_get(answer, "people"), i, p) {
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
    if (member_true(line, "intent_missing"))
        output_format(o, "(its intent, of operation %lld, is in none of these files)",
                      member_number(line, "number"));
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
    output_end(o, 6);
    render_values(o, json_object_get(line, "changes"), 6, true);
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

    json_array_foreach (lines, i, line) {
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
    json_array_foreach (unread, i, line) {
        output_colour(o, COLOUR_YELLOW, "Not read, or not whole: ");
        output_text(o, json_string_value(line));
        output_end(o, 2);
    }
    if (json_array_size(unread) > 0)
        output_sentence(
            o, 0,
            "Files that are not compressed by gzip are not read; `rosterctl audit verify` says what "
            "is wrong with the others.");
    return json_array_size(unread) > 0 ? EXIT_FOUND : EXIT_FINE;
}

int render_config(struct output *o, const json_t *answer)
{
    static const char *const heads[] = {"KEY", "VALUE", "FROM"};
    CLEANUP(table_done) struct table t = {.n_columns = 3, .heads = heads};
    size_t i;
    json_t *k;

    json_array_foreach (json_object_get(answer, "keys"), i, k) {
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
    table_print(&t, o, 0);
    return EXIT_FINE;
}
