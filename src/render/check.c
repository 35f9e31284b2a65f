/* What `rosterctl check` found, and the commands by which a person tries the same. */
#include "config.h"

#include <string.h>

#include "base/memory.h"
#include "render/output.h"
#include "render/render.h"

static void render_rules(struct output *o, const json_t *rules)
{
    static const char *const heads[] = {"RULE", "PEOPLE", "TEAM TAKEN", "NOTE"};
    CLEANUP(table_done) struct table t = {.n_columns = 4, .heads = heads, .right = 0x06};
    size_t i;
    json_t *r;

    if (json_array_size(rules) == 0)
        return;
    json_array_foreach (rules, i, r) {
        CLEANUP(buffer_done) struct buffer note = {0};
        if (member_text(r, "note"))
            buffer_format(&note, "! %s", member_text(r, "note"));
        table_add(&t, COLOUR_NONE, member_text(r, "rule"));
        table_format(&t, COLOUR_NONE, "%lld", member_number(r, "people"));
        if (json_is_integer(json_object_get(r, "team_taken")))
            table_format(&t, COLOUR_NONE, "%lld", member_number(r, "team_taken"));
        else
            table_add(&t, COLOUR_NONE, "-");
        t.failed |= note.failed;
        table_add(&t, COLOUR_YELLOW, note.data);
    }
    output_format(o, "\n");
    table_print(&t, o, 0);
    output_format(o, "\n");
}

int render_check(struct output *o, const json_t *answer)
{
    size_t i;
    json_t *item;
    unsigned warnings = 0, errors = 0;

    json_array_foreach (json_object_get(answer, "items"), i, item) {
        const char *level = member_text(item, "level");
        bool error = level && strcmp(level, "error") == 0;
        bool ok = level && strcmp(level, "ok") == 0;
        errors += error;
        warnings += !error && !ok;
        output_colour(o,
                      error ? COLOUR_RED
                      : ok  ? COLOUR_GREEN
                            : COLOUR_YELLOW,
                      "%-8s",
                      error ? "error"
                      : ok  ? "ok"
                            : "warning");
        output_text_colour(o, COLOUR_BOLD, member_text(item, "subject"));
        output_format(o, "\n");
        const char *sentence = member_sentence(item, member_text(item, "subject"));
        if (sentence)
            output_sentence(o, 8, sentence);
    }
    render_rules(o, json_object_get(answer, "rules"));
    output_format(o, "%u error%s, %u warning%s\n", errors, errors == 1 ? "" : "s", warnings,
                  warnings == 1 ? "" : "s");
    return errors > 0 ? EXIT_FOUND : EXIT_FINE;
}

/* As a script: whoever wants one of them takes its line. */
int render_check_commands(struct output *o, const json_t *answer)
{
    const char *program = NULL;
    size_t i;
    json_t *row;

    o->verbatim = true;
    output_format(o, "# What rosterctl check asks, for a shell. Nothing of it writes.\n");
    json_array_foreach (json_object_get(answer, "commands"), i, row) {
        const char *own = member_text(row, "program");
        if (own && (!program || strcmp(own, program) != 0))
            output_format(o, "\n# %s\n",
                          strcmp(own, "curl") == 0
                              ? "The tenant; the first one gets a token for the others"
                              : "The directory");
        program = own;
        output_format(o, "# ");
        output_text(o, member_text(row, "what"));
        output_format(o, "\n");
        output_text(o, member_text(row, "command"));
        output_format(o, "\n");
    }
    if (program && strcmp(program, "curl") == 0)
        output_format(o, "rm -f \"$token\"\n");
    CLEANUP(output_done) struct output unseen = {.now_usec = o->now_usec};
    return render_check(&unseen, answer); /* for the exit code */
}
