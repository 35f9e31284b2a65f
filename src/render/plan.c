/*
 * A plan as a difference: what is added is green, what goes is red, what changes is yellow, and
 * behind every value stands the rule and line that gave it.
 */
#include "config.h"

#include <string.h>

#include "base/memory.h"
#include "render/output.h"
#include "render/render.h"

struct mark {
    const char *kind;
    char sign;
    enum colour colour;
};
static const struct mark marks[] = {
    {"create", '+', COLOUR_GREEN},  {"adopt", '=', COLOUR_CYAN},
    {"update", '~', COLOUR_YELLOW}, {"profile", '~', COLOUR_YELLOW},
    {"rename", '~', COLOUR_YELLOW}, {"disable", '-', COLOUR_RED},
    {"enable", '+', COLOUR_GREEN},  {"delete", '-', COLOUR_RED},
};

static struct mark mark_of(const char *kind)
{
    for (size_t i = 0; kind && i < ARRAY_SIZE(marks); i++)
        if (strcmp(marks[i].kind, kind) == 0)
            return marks[i];
    return (struct mark){kind ? kind : "?", '?', COLOUR_NONE};
}

static void render_change(struct output *o, const json_t *change)
{
    char from_space[32], to_space[32];
    const char *from = member_any(change, "from", from_space, sizeof(from_space));
    const char *to = member_any(change, "to", to_space, sizeof(to_space));
    enum colour colour = from && to ? COLOUR_YELLOW : to ? COLOUR_GREEN : COLOUR_RED;

    output_colour(o, colour, "    %c ", from && to ? '~' : to ? '+' : '-');
    output_text(o, member_text(change, "field"));
    if (from) {
        output_format(o, "  ");
        output_text_colour(o, COLOUR_RED, *from ? from : "\"\"");
    }
    if (from && to)
        output_format(o, " ->");
    if (to) {
        output_format(o, from ? " " : "  ");
        output_text_colour(o, COLOUR_GREEN, *to ? to : "\"\"");
    }
    render_source(o, change);
    output_format(o, "\n");
}

/* Why it waits, if it does. What was `said` of the operation before is not said again. */
static void render_wait(struct output *o, const json_t *operation, const char *said)
{
    const char *state = member_text(operation, "state");
    const char *sentence = member_text(operation, "sentence");
    const char *not_before = member_text(operation, "not_before");
    char age[80];

    if (!state)
        return;
    if (strcmp(state, "ready") == 0) {
        if (!not_before || strncmp(output_age(o, not_before, age, sizeof(age)), "in ", 3) != 0)
            return;
        output_format(o, "      due ");
        output_time(o, not_before);
        output_format(o, "\n");
        return;
    }
    output_format(o, "      ");
    output_text_colour(o, COLOUR_YELLOW, state);
    if (member_text(operation, "reason")) {
        output_format(o, ", ");
        output_text(o, member_text(operation, "reason"));
    }
    if (member_text(operation, "since"))
        output_format(o, ", since %s",
                      output_age(o, member_text(operation, "since"), age, sizeof(age)));
    if (member_number(operation, "attempts") > 0)
        output_format(o, ", %lld attempts", member_number(operation, "attempts"));
    if (not_before && strcmp(state, "held") == 0)
        output_format(o, ", again %s", output_age(o, not_before, age, sizeof(age)));
    if (member_true(operation, "approved"))
        output_format(o, ", approved");
    output_format(o, "\n");
    if (sentence && (!said || strcmp(said, sentence) != 0))
        output_sentence(o, 6, sentence);
}

static void render_operation_after(struct output *o, const json_t *operation, const char *said)
{
    struct mark m = mark_of(member_text(operation, "kind"));
    const json_t *changes = json_object_get(operation, "changes");
    size_t i;
    json_t *change;

    output_colour(o, m.colour, "  %c ", m.sign);
    output_text_colour(o, m.colour, m.kind);
    output_format(o, "  ");
    render_person(o, json_object_get(operation, "person"));
    output_format(o, "\n");
    json_array_foreach(changes, i, change) render_change(o, change);
    if (member_text(operation, "why"))
        output_sentence(o, 6, member_text(operation, "why"));
    render_wait(o, operation, said);
}

void render_operation(struct output *o, const json_t *operation)
{
    render_operation_after(o, operation, NULL);
}

static int render_problems(struct output *o, const json_t *problems)
{
    int result = EXIT_FINE;
    size_t i;
    json_t *p;

    json_array_foreach(problems, i, p)
    {
        const char *level = member_text(p, "level");
        bool error = level && strcmp(level, "error") == 0;
        if (error)
            result = EXIT_FAILED;
        const char *file = member_text(p, "file");
        if (file && *file) {
            output_text(o, file);
            if (member_number(p, "line") > 0)
                output_format(o, ":%lld", member_number(p, "line"));
            if (member_number(p, "column") > 0)
                output_format(o, ":%lld", member_number(p, "column"));
            output_format(o, ": ");
        }
        output_colour(o, error ? COLOUR_RED : COLOUR_YELLOW, error ? "error" : "warning");
        output_format(o, ": ");
        output_text(o, member_text(p, "sentence"));
        output_format(o, "\n");
    }
    return result;
}

static void render_near_matches(struct output *o, const json_t *list, const char *head)
{
    size_t i;
    json_t *row;

    if (json_array_size(list) == 0)
        return;
    output_format(o, "  %s\n", head);
    json_array_foreach(list, i, row)
    {
        output_format(o, "    ");
        output_text_colour(o, COLOUR_BOLD, member_text(row, "login"));
        output_format(o, "  would be ");
        output_text(o, member_text(row, "wanted"));
        if (member_text(row, "mail")) {
            output_format(o, ", mail ");
            output_text(o, member_text(row, "mail"));
        }
        output_format(o, "  ");
        output_text_colour(o, COLOUR_DIM, member_text(row, "dn"));
        output_format(o, "\n");
    }
}

static void render_adoption(struct output *o, const json_t *adoption)
{
    const json_t *exact = json_object_get(adoption, "exact");
    const json_t *unclaimed = json_object_get(adoption, "unclaimed");
    size_t n_exact = json_array_size(exact), n_unclaimed = json_array_size(unclaimed);

    if (!json_is_object(adoption))
        return;
    output_colour(o, COLOUR_BOLD, "First contact with the tenant\n");
    output_format(
        o,
        "  %zu of its users %s adopted once this plan is approved.\n", n_exact,
        n_exact == 1 ? "has the login of a person and is" : "have the login of a person and are");
    if (n_unclaimed > 0)
        output_format(o, "  %zu of its users %s never touched.\n", n_unclaimed,
                      n_unclaimed == 1 ? "belongs to nobody in the directory and is"
                                       : "belong to nobody in the directory and are");
    render_near_matches(o, json_object_get(adoption, "differs_in_case"),
                        "Logins that differ in case alone:");
    render_near_matches(o, json_object_get(adoption, "same_mail"),
                        "Users with the mail address of a person, but another login:");
    output_format(o, "\n");
}

static void render_skipped(struct output *o, const json_t *skipped)
{
    size_t i;
    json_t *row;

    if (json_array_size(skipped) == 0)
        return;
    output_colour(o, COLOUR_BOLD, "Skipped\n");
    json_array_foreach(skipped, i, row)
    {
        output_format(o, "    ");
        render_person(o, json_object_get(row, "person"));
        output_format(o, "  ");
        output_text_colour(o, COLOUR_DIM, member_text(row, "code"));
        output_format(o, "\n");
        if (member_text(row, "sentence"))
            output_sentence(o, 6, member_text(row, "sentence"));
    }
    output_format(o, "\n");
}

static bool is_state(const json_t *operation, const char *state)
{
    const char *s = member_text(operation, "state");

    return s && strcmp(s, state) == 0;
}

static size_t render_state(struct output *o, const json_t *operations, const char *state,
                           const char *head, bool show)
{
    const char *said = NULL;
    size_t i, n = 0;
    json_t *operation;

    json_array_foreach(operations, i, operation)
    {
        if (!is_state(operation, state))
            continue;
        if (show && n == 0)
            output_colour(o, COLOUR_BOLD, "%s\n", head);
        n++;
        if (show)
            render_operation_after(o, operation, said);
        said = member_text(operation, "sentence");
    }
    if (show && n > 0)
        output_format(o, "\n");
    return n;
}

/* What releases what waits. A candidate's hash stands for nothing that the daemon knows. */
static void render_release(struct output *o, const json_t *answer)
{
    if (!member_text(answer, "hash"))
        return;
    output_format(o, "What waits is released by:  ");
    output_colour(o, COLOUR_BOLD, "rosterctl approve ");
    output_text_colour(o, COLOUR_BOLD, member_text(answer, "hash"));
    output_format(o, "\n");
}

int render_plan(struct output *o, const json_t *answer, enum render_plan how)
{
    const json_t *operations = json_object_get(answer, "operations");
    bool show = how != RENDER_PLAN_SUMMARY;

    int result = render_problems(o, json_object_get(answer, "problems"));
    if (result != EXIT_FINE)
        return result; /* there is no plan of a configuration that has errors */
    render_adoption(o, json_object_get(answer, "adoption"));
    size_t parked = render_state(o, operations, "parked", "Waits for approval", show);
    render_state(o, operations, "held", "Held", show);
    render_state(o, operations, "started", "Under way", show);
    render_state(o, operations, "ready", "Will be done", show);
    if (show)
        render_skipped(o, json_object_get(answer, "skipped"));
    size_t n_skipped = json_array_size(json_object_get(answer, "skipped"));
    if (json_object_size(json_object_get(answer, "summary")) > 0)
        render_counts(o, json_object_get(answer, "summary"));
    else
        output_format(o, "Nothing to do");
    if (n_skipped > 0)
        output_format(o, "; %zu %s skipped", n_skipped, n_skipped == 1 ? "person" : "people");
    output_format(o, "\n");
    if (parked > 0 || json_is_object(json_object_get(answer, "adoption")))
        render_release(o, answer);
    return json_array_size(operations) > 0 ? EXIT_FOUND : EXIT_FINE;
}

int render_approve(struct output *o, const json_t *answer)
{
    long long n = member_number(answer, "approved");

    output_format(o, "%lld operation%s approved, until ", n, n == 1 ? "" : "s");
    output_time(o, member_text(answer, "valid_until"));
    output_format(o, "\n");
    return EXIT_FINE;
}
