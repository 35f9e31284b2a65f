/* A plan: its groups, its people, what it comes to, and what releases what waits. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "render/operation.h"
#include "render/output.h"
#include "render/render.h"

static int render_problems(struct output *o, const json_t *problems)
{
    int result = EXIT_FINE;
    size_t i;
    json_t *p;

    json_array_foreach (problems, i, p) {
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
    json_array_foreach (list, i, row) {
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
    output_format(o, "  %zu of its users %s adopted once this plan is approved.\n", n_exact,
                  n_exact == 1 ? "has the login of a person and is"
                               : "have the login of a person and are");
    if (n_unclaimed > 0)
        output_format(o, "  %zu of its users %s never touched.\n", n_unclaimed,
                      n_unclaimed == 1 ? "has the login of nobody who is to be a user, and is"
                                       : "have the logins of nobody who is to be a user, and are");
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
    json_array_foreach (skipped, i, row) {
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

    json_array_foreach (operations, i, operation) {
        if (!is_state(operation, state))
            continue;
        if (show && n == 0)
            output_colour(o, COLOUR_BOLD, "%s\n", head);
        n++;
        if (show)
            render_operation(o, operation, said);
        said = member_text(operation, "sentence");
    }
    if (show && n > 0)
        output_format(o, "\n");
    return n;
}

/* "Support ES -> Support UK 27, and 3 more". */
static void render_group_summary(struct output *o, const json_t *group)
{
    enum { SHOWN = 3 };
    const json_t *summary = json_object_get(group, "summary");
    CLEANUP(buffer_done) struct buffer text = {0};
    const char *kind = member_text(group, "what");
    size_t i;
    json_t *row;
    if (kind && strcmp(kind, "adopt") == 0 && json_array_size(summary) > 0)
        buffer_add_text(&text, "then: ");
    json_array_foreach (summary, i, row) {
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

    output_colour(o, COLOUR_BOLD, "  %-3s", letter ? letter : "");
    (void)snprintf(head, sizeof(head), "%-12s", what ? what : "");
    output_text_colour(o, operation_colour(what), head);
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
    json_array_foreach (groups, i, group) {
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
    json_array_foreach (groups, i, group) {
        if (is_state(group, state))
            render_group(o, group);
    }
    return n;
}

/* A command and what it does. */
static void render_command(struct output *o, const char *command, const char *what)
{
    output_colour(o, COLOUR_BOLD, "  %-30s", command);
    output_text(o, what);
    output_end(o, 32);
}

/* What releases what waits, all or some, and what begins. A candidate's hash stands for nothing
 * that the daemon knows. */
static void render_release(struct output *o, const json_t *answer)
{
    const json_t *groups = json_object_get(answer, "groups");
    bool observing = member_true(answer, "observing");
    char space[9], command[64];
    const char *hash = short_hash(answer, space), *letter = NULL;
    size_t i, n_letters = 0;
    json_t *group;

    if (!hash)
        return;
    json_array_foreach (groups, i, group) {
        n_letters += member_text(group, "letter") != NULL;
        letter = letter ? letter : member_text(group, "letter");
    }
    output_format(o, "Plan ");
    output_text(o, member_text(answer, "hash"));
    output_format(o, observing ? "\nWhat you can do:\n" : "\nWhat waits is released by:\n");
    if (observing)
        render_command(o, "rosterctl start",
                       letter ? "start writing; what has a letter goes on waiting"
                              : "start writing");
    (void)snprintf(command, sizeof(command), "rosterctl approve %s", hash);
    render_command(o, command, observing ? "start writing, all of this plan" : "all of it");
    if (n_letters > 1 || (observing && letter)) {
        (void)snprintf(command, sizeof(command), "rosterctl approve %s %s", hash, letter);
        render_command(o, command,
                       observing ? "release only these, without starting" : "these groups alone");
    }
    if (letter) {
        (void)snprintf(command, sizeof(command), "rosterctl plan %s", letter);
        render_command(o, command, "look closer");
    }
}

/* Of another configuration, or of a dry run: nothing of it happens, or can be approved. */
static bool is_look(const json_t *answer)
{
    return !member_text(answer, "hash");
}

/* What is ready goes by itself, unless it is only observed. */
static const char *ready_head(const json_t *answer)
{
    return member_true(answer, "observing") || is_look(answer) ? "Would be done" : "Will be done";
}

static void render_people(struct output *o, const json_t *answer)
{
    const json_t *operations = json_object_get(answer, "operations");

    render_state(o, operations, "parked",
                 is_look(answer) ? "Would wait for approval" : "Waits for approval", true);
    render_state(o, operations, "held", "Held", true);
    render_state(o, operations, "started", "Under way", true);
    render_state(o, operations, "ready", ready_head(answer), true);
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

    if (render_groups(o, groups, "parked",
                      is_look(answer) ? "Would wait for you" : "Waits for you"))
        output_format(o, "\n");
    if (people) {
        render_people(o, answer);
        render_skipped(o, skipped);
        return;
    }
    size_t n = render_groups(o, groups, "held", "Held");
    n += render_groups(o, groups, "started", "Under way");
    n += render_groups(o, groups, "ready", ready_head(answer));
    if (n > 0)
        output_format(o, "\n");
}

/* "3 to create, 1 profile to change". */
static void render_totals(struct output *o, const json_t *counts)
{
    const char *kind;
    json_t *value;
    bool any = false;

    json_object_foreach ((json_t *)(uintptr_t)counts, kind, value) {
        long long n = json_integer_value(value);
        if (n == 0)
            continue;
        output_format(o, "%s%lld ", any ? ", " : "", n);
        if (strcmp(kind, "profile") == 0) {
            output_format(o, "%s to change", n == 1 ? "profile" : "profiles");
        } else {
            output_format(o, "to ");
            output_text(o, kind);
        }
        any = true;
    }
    if (!any)
        output_format(o, "nothing");
}

/* "team of 3, skill:Billing of 1". */
static void render_fields(struct output *o, const json_t *counts)
{
    const char *field;
    json_t *value;
    bool any = false;

    json_object_foreach ((json_t *)(uintptr_t)counts, field, value) {
        output_format(o, any ? ", " : "");
        output_text(o, field);
        output_format(o, " of %lld", (long long)json_integer_value(value));
        any = true;
    }
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
        output_format(o, "  %lld %s would be changed by this one: ", n,
                      n == 1 ? "person" : "people");
        render_totals(o, json_object_get(d, "operations"));
        output_format(o, "\n");
    }
    if (json_object_size(json_object_get(d, "fields")) > 0) {
        output_format(o, "  values: ");
        render_fields(o, json_object_get(d, "fields"));
        output_format(o, "\n");
    }
    if (json_object_size(json_object_get(d, "dropped")) > 0) {
        output_format(o, "  planned now, and not by this one: ");
        render_totals(o, json_object_get(d, "dropped"));
        output_format(o, "\n");
    }
}

int render_plan(struct output *o, const json_t *answer, enum render_plan how)
{
    const json_t *operations = json_object_get(answer, "operations");

    if (how == RENDER_PLAN_CHOSEN) {
        render_people(o, answer);
        if (json_array_size(operations) == 0)
            output_format(o, "Nobody in the plan matches.\n");
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
        render_totals(o, json_object_get(answer, "summary"));
    else
        output_format(o, "Nothing to do");
    if (n_skipped > 0)
        output_format(o, "; %zu %s skipped", n_skipped, n_skipped == 1 ? "person" : "people");
    output_format(o, "\n");
    render_differences(o, json_object_get(answer, "differences"));
    if (how == RENDER_PLAN_SHORT && json_array_size(operations) + n_skipped > FEW)
        output_format(
            o, "rosterctl plan --all shows everybody; --kind, --rule and --person choose.\n");
    if (render_state(o, operations, "parked", "", false) > 0 || member_true(answer, "observing") ||
        json_is_object(json_object_get(answer, "adoption")))
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
