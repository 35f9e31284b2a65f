/*
 * An operation as a difference: what is added is green, what goes is red, what changes is yellow,
 * and behind every value stands the rule and line that gave it.
 */
#include "config.h"

#include "render/operation.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "render/render.h"

struct mark {
    const char *kind;
    char sign;
    enum colour colour;
};
static const struct mark marks[] = {
    {"create", '+', COLOUR_GREEN},   {"adopt", '=', COLOUR_CYAN},    {"update", '~', COLOUR_YELLOW},
    {"profile", '~', COLOUR_YELLOW}, {"rename", '~', COLOUR_YELLOW}, {"disable", '-', COLOUR_RED},
    {"enable", '+', COLOUR_GREEN},   {"delete", '-', COLOUR_RED},
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
    const char *why = member_text(operation, "why"); /* stands above already */
    if (sentence && (!said || strcmp(said, sentence) != 0) && (!why || strcmp(why, sentence) != 0))
        output_sentence(o, 6, sentence);
}

enum colour operation_colour(const char *kind)
{
    return mark_of(kind).colour;
}

void render_operation(struct output *o, const json_t *operation, const char *said)
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
