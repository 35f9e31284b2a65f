/* What became of the cases of `rosterctl test`: one line for each, and of those that failed
 * what is different and which rule it came from. */
#include "config.h"

#include <string.h>

#include "render/output.h"
#include "render/render.h"

static void render_difference(struct output *o, const json_t *d)
{
    const char *expected = member_text(d, "expected"), *got = member_text(d, "got");

    output_format(o, "    %s ", !expected ? "+" : !got ? "-" : "~");
    output_text(o, member_text(d, "field"));
    output_format(o, ": ");
    if (expected) {
        output_format(o, "expected ");
        output_text_colour(o, COLOUR_RED, *expected ? expected : "nothing");
    }
    if (got) {
        output_format(o, expected ? ", got " : "not expected: ");
        output_text_colour(o, COLOUR_GREEN, *got ? got : "nothing");
    } else {
        output_format(o, ", got nothing");
    }
    render_source(o, d);
    output_format(o, "\n");
}

static void render_steps(struct output *o, const json_t *steps)
{
    size_t i;
    json_t *s;

    json_array_foreach (steps, i, s) {
        output_format(o, "    %s", member_true(s, "matched") ? "yes" : "no ");
        render_source(o, s);
        output_format(o, "\n");
        output_sentence(o, 9, member_text(s, "sentence"));
    }
}

static int render(struct output *o, const json_t *answer, bool whole)
{
    long long failed = member_number(answer, "failed"), passed = member_number(answer, "passed");
    size_t i, k;
    json_t *row, *d;

    json_array_foreach (json_object_get(answer, "cases"), i, row) {
        bool fine = member_true(row, "passed");
        output_colour(o, fine ? COLOUR_GREEN : COLOUR_RED, fine ? "ok    " : "FAIL  ");
        output_text(o, member_text(row, "file"));
        output_format(o, "\n");
        json_array_foreach (json_object_get(row, "differences"), k, d)
            render_difference(o, d);
        if (!fine && member_text(row, "sentence"))
            output_sentence(o, 4, member_text(row, "sentence"));
        if (whole)
            render_steps(o, json_object_get(row, "steps"));
    }
    output_format(o, "%lld case%s, %lld failed\n", passed + failed, passed + failed == 1 ? "" : "s",
                  failed);
    if (failed > 0 && !whole)
        output_format(o, "--all shows what each rule tested.\n");
    return failed > 0 ? EXIT_FOUND : EXIT_FINE;
}

int render_test(struct output *o, const json_t *answer)
{
    return render(o, answer, false);
}

int render_test_whole(struct output *o, const json_t *answer)
{
    return render(o, answer, true);
}
