/*
 * A plan as a difference: what is added is green, what goes is red, what changes is yellow, and
 * behind every value stands the rule and line that gave it.
 */
#include "config.h"

#include <stdio.h>
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
        output_end(o, 6);
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
        output_format(o, ", %lld attempt%s", member_number(operation, "attempts"),
                      member_number(operation, "attempts") == 1 ? "" : "s");
    if (not_before && strcmp(state, "held") == 0)
        output_format(o, ", again %s", output_age(o, not_before, age, sizeof(age)));
    if (member_true(operation, "approved"))
        output_format(o, ", approved");
    output_end(o, 6);
    if (sentence && (!said || strcmp(said, sentence) != 0))
        output_sentence(o, 6, sentence);
}

static void render_operation_after(struct output *o, const json_t *operation, const char *said)
{
    struct mark m = mark_of(member_text(operation, "kind"));

    output_colour(o, m.colour, "  %c ", m.sign);
    output_text_colour(o, m.colour, m.kind);
    output_format(o, "  ");
    render_person(o, json_object_get(operation, "person"));
    output_end(o, 6);
    render_values(o, json_object_get(operation, "changes"), 4, false);
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
        output_end(o, 4);
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
    const char *said = NULL;
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
        output_end(o, 6);
        const char *sentence =
            member_sentence(row, member_text(json_object_get(row, "person"), "dn"));
        if (sentence && (!said || strcmp(said, sentence) != 0))
            output_sentence(o, 6, sentence);
        said = sentence;
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

/* "Support ES -> Support UK 27, and 3 more". */
static void render_group_summary(struct output *o, const json_t *group)
{
    enum {
        SHOWN = 3
    };
    const json_t *summary = json_object_get(group, "summary");
    CLEANUP(buffer_done) struct buffer text = {0};
    const char *kind = member_text(group, "what");
    size_t i;
    json_t *row;
    if (kind && strcmp(kind, "adopt") == 0 && json_array_size(summary) > 0)
        buffer_add_text(&text, "then: ");
    json_array_foreach(summary, i, row)
    {
        const char *what = member_text(row, "text");
        if (i >= SHOWN || !what)
            break;
        buffer_add_text(&text, i ? ", " : "");
        buffer_add_text(&text, what);
        if (member_number(row, "count") != member_number(group, "count"))
            buffer_format(&text, " %lld", member_number(row, "count"));
    }
    size_t n = json_array_size(summary);
    long long more = member_number(group, "summary_more") + (long long)(n > SHOWN ? n - SHOWN : 0);
    if (more > 0)
        buffer_format(&text, ", and %lld more", more);
    if (text.data && *text.data)
        output_sentence(o, 9, text.data);
}

static void render_group(struct output *o, const json_t *group)
{
    char head[160];
    const char *letter = member_text(group, "letter"), *what = member_text(group, "what");
    const char *sentence = member_text(group, "sentence");
    struct mark m = mark_of(what);

    output_colour(o, COLOUR_BOLD, "  %-3s", letter ? letter : "");
    (void)snprintf(head, sizeof(head), "%-12s", what ? what : "");
    output_text_colour(o, m.colour, head);
    output_format(o, "%6lld", member_number(group, "count"));
    if (sentence) {
        output_format(o, "  ");
        output_text(o, sentence);
    }
    output_end(o, 25);
    render_group_summary(o, group);
}

static const char *short_hash(const json_t *answer, char buffer[static 9])
{
    const char *hash = member_text(answer, "hash");
    (void)snprintf(buffer, 9, "%.8s", hash ? hash : "");
    return hash ? buffer : NULL;
}

static size_t count_state(const json_t *groups, const char *state)
{
    size_t i, n = 0;
    json_t *group;
    json_array_foreach(groups, i, group)
    {
        if (is_state(group, state))
            n += (size_t)member_number(group, "count");
    }
    return n;
}

static size_t render_groups(struct output *o, const json_t *groups, const char *state,
                            const char *head)
{
    size_t i, n = count_state(groups, state);
    json_t *group;

    if (n == 0)
        return 0;
    output_colour(o, COLOUR_BOLD, "%s: %zu %s\n", head, n, n == 1 ? "change" : "changes");
    json_array_foreach(groups, i, group)
    {
        if (is_state(group, state))
            render_group(o, group);
    }
    return n;
}

/* What releases what waits, all or some. A candidate's hash stands for nothing that the daemon
 * knows. */
static void render_release(struct output *o, const json_t *answer)
{
    const json_t *groups = json_object_get(answer, "groups");
    char space[9];
    const char *hash = short_hash(answer, space), *letter = NULL;
    size_t i, n_letters = 0;
    json_t *group;

    if (!hash)
        return;
    json_array_foreach(groups, i, group)
    {
        n_letters += member_text(group, "letter") != NULL;
        letter = letter ? letter : member_text(group, "letter");
    }
    output_format(o, "Plan ");
    output_text(o, member_text(answer, "hash"));
    output_format(o, "\nWhat waits is released by:\n");
    output_colour(o, COLOUR_BOLD, "  rosterctl approve %s", hash);
    output_format(o, "%s\n", n_letters > 1 ? "      all of it" : "");
    if (n_letters > 1) {
        output_colour(o, COLOUR_BOLD, "  rosterctl approve %s %s", hash, letter);
        output_format(o, "    these groups alone\n");
    }
    if (letter) {
        output_colour(o, COLOUR_BOLD, "  rosterctl plan %s", letter);
        output_format(o, "                look closer\n");
    }
}

static void render_people(struct output *o, const json_t *operations)
{
    render_state(o, operations, "parked", "Waits for approval", true);
    render_state(o, operations, "held", "Held", true);
    render_state(o, operations, "started", "Under way", true);
    render_state(o, operations, "ready", "Will be done", true);
}

/* People are told one by one while a screen or two holds them. */
#define FEW 25

static void render_changes(struct output *o, const json_t *answer, enum render_plan how)
{
    const json_t *operations = json_object_get(answer, "operations");
    const json_t *groups = json_object_get(answer, "groups");
    const json_t *skipped = json_object_get(answer, "skipped");
    bool few = json_array_size(operations) + json_array_size(skipped) <= FEW;
    bool people = how == RENDER_PLAN_WHOLE || (how == RENDER_PLAN_SHORT && few);

    if (render_groups(o, groups, "parked", "Waits for you"))
        output_format(o, "\n");
    if (people) {
        render_people(o, operations);
        render_skipped(o, skipped);
        return;
    }
    size_t n = render_groups(o, groups, "held", "Held");
    n += render_groups(o, groups, "started", "Under way");
    n += render_groups(o, groups, "ready", "Will be done");
    if (n > 0)
        output_format(o, "\n");
}

/* Of another configuration: what it changes against the one in force. */
static void render_differences(struct output *o, const json_t *d)
{
    long long n = member_number(d, "people");

    if (!json_is_object(d))
        return;
    output_colour(o, COLOUR_BOLD, "\nAgainst the configuration in force\n");
    if (n == 0) {
        output_format(o, "  nobody would be changed by this one\n");
    } else {
        output_format(o, "  %lld %s would be changed by this one: ", n, n == 1 ? "person" : "people");
        render_counts(o, json_object_get(d, "operations"));
        output_format(o, "\n");
    }
    if (json_object_size(json_object_get(d, "fields")) > 0) {
        output_format(o, "  values: ");
        render_counts(o, json_object_get(d, "fields"));
        output_format(o, "\n");
    }
    if (json_object_size(json_object_get(d, "dropped")) > 0) {
        output_format(o, "  planned now, and not by this one: ");
        render_counts(o, json_object_get(d, "dropped"));
        output_format(o, "\n");
    }
}

int render_plan(struct output *o, const json_t *answer, enum render_plan how)
{
    const json_t *operations = json_object_get(answer, "operations");

    if (how == RENDER_PLAN_CHOSEN) {
        render_people(o, operations);
        if (json_array_size(operations) == 0)
            output_format(o, "Nobody in the plan is chosen by this.\n");
        return json_array_size(operations) > 0 ? EXIT_FOUND : EXIT_FINE;
    }
    int result = render_problems(o, json_object_get(answer, "problems"));
    if (result != EXIT_FINE)
        return result; /* there is no plan of a configuration that has errors */
    render_adoption(o, json_object_get(answer, "adoption"));
    if (member_true(answer, "observing"))
        output_sentence(o, 0,
                        "rosterd observes: nothing of this is written until `rosterctl start`, or "
                        "until the whole plan is approved.");
    render_needs(o, json_object_get(answer, "needs"));
    render_changes(o, answer, how);
    size_t n_skipped = json_array_size(json_object_get(answer, "skipped"));
    if (json_object_size(json_object_get(answer, "summary")) > 0)
        render_counts(o, json_object_get(answer, "summary"));
    else
        output_format(o, "Nothing to do");
    if (n_skipped > 0)
        output_format(o, "; %zu %s skipped", n_skipped, n_skipped == 1 ? "person" : "people");
    output_format(o, "\n");
    render_differences(o, json_object_get(answer, "differences"));
    if (how == RENDER_PLAN_SHORT && json_array_size(operations) + n_skipped > FEW)
        output_format(o, "rosterctl plan --all shows everybody; --kind, --rule and --person choose.\n");
    if (render_state(o, operations, "parked", "", false) > 0 ||
        member_true(answer, "observing") || json_is_object(json_object_get(answer, "adoption")))
        render_release(o, answer);
    return json_array_size(operations) > 0 ? EXIT_FOUND : EXIT_FINE;
}

int render_approve(struct output *o, const json_t *answer)
{
    long long n = member_number(answer, "approved"), left = member_number(answer, "left");

    output_format(o, "%lld operation%s approved, until ", n, n == 1 ? "" : "s");
    output_time(o, member_text(answer, "valid_until"));
    output_format(o, "\n");
    if (member_text(answer, "groups")) {
        output_format(o, "Groups: ");
        output_text(o, member_text(answer, "groups"));
        output_format(o, "\n");
    }
    if (left > 0)
        output_format(o, "%lld %s still for you: rosterctl plan\n", left,
                      left == 1 ? "waits" : "wait");
    return EXIT_FINE;
}
