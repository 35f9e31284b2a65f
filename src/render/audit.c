/* What `rosterctl audit` answers, as text: the verdict on files, and who had something. */
#include "config.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "render/output.h"
#include "render/render.h"

static void count(struct output *o, const json_t *answer, const char *name, const char *one,
                  const char *many)
{
    long long n = member_number(answer, name);

    if (n > 0)
        output_format(o, "%lld %s\n", n, n == 1 ? one : many);
}

/* What the checkpoint that was kept elsewhere says, unless it is told among the findings. */
static void render_kept(struct output *o, const json_t *v)
{
    const json_t *kept = json_object_get(v, "kept");
    long long line = member_number(kept, "line");

    if (kept && member_true(kept, "fits"))
        output_format(
            o,
            "the checkpoint that was kept fits: up to line %lld these are the lines that were signed then\n",
            line);
    else if (kept && line < member_number(v, "first_seq"))
        output_format(
            o,
            "the checkpoint that was kept is of line %lld, which is before these files: it says nothing of them\n",
            line);
}

/* What is proved, and what is not. */
static void render_proved(struct output *o, const json_t *v)
{
    long long n = member_number(v, "checkpoints");

    if (n > 0) {
        output_format(o, "%lld checkpoint%s, the last one in line %lld", n,
                      text_plural((uint64_t)n), member_number(v, "last_checkpoint"));
        if (member_text(v, "last_checkpoint_time")) {
            output_format(o, " (");
            output_text(o, member_text(v, "last_checkpoint_time"));
            output_format(o, ")");
        }
        output_format(o, ", signed by\n  ");
        output_text(o, member_text(v, "key"));
        output_format(o, "\n");
    } else {
        output_format(o, "no checkpoint: the lines are chained, not signed\n");
    }
    if (n > 0 && !member_true(v, "key_given"))
        output_format(o, "  compare that key with the one that you know, or give it: --key\n");
    if (n > 0)
        count(o, v, "unsigned", "line after the last checkpoint is chained, unsigned",
              "lines after the last checkpoint are chained, unsigned");
    render_kept(o, v);
    if (member_number(v, "first_seq") > 1)
        output_format(o, "lines before %lld are not in these files\n",
                      member_number(v, "first_seq"));
    count(o, v, "old_form", "line from before version 1: verified by the rule in force then",
          "lines from before version 1: verified by the rule in force then");
    count(o, v, "erased", "line whose personal data was erased by a recorded act",
          "lines whose personal data was erased by a recorded act");
    count(
        o, v, "erased_unsigned",
        "of these by an act that no checkpoint covers yet: nobody has signed that it was rosterd's",
        "of these by acts that no checkpoint covers yet: nobody has signed that they were rosterd's");
    count(
        o, v, "unknown",
        "outcome whose intent is in none of these files: whom and what it is about is unknown",
        "outcomes whose intent is in none of these files: whom and what they are about is unknown");
    count(
        o, v, "carriage_returns",
        "file with CR LF at the ends of lines: a mail gateway or an editor added that; the lines are "
        "what they were",
        "files with CR LF at the ends of lines: a mail gateway or an editor added that; the lines are "
        "what they were");
    count(
        o, v, "byte_order_marks",
        "file with a byte order mark in front: an editor added that; the lines are what they were",
        "files with a byte order mark in front: an editor added that; the lines are what they were");
}

static void render_findings(struct output *o, const json_t *findings)
{
    static const char *const heads[] = {"FILE", "LINE", "WHAT WAS FOUND"};
    CLEANUP(table_done) struct table t = {.n_columns = 3, .heads = heads, .right = 1U << 1};
    size_t i;
    json_t *f;

    json_array_foreach (findings, i, f) {
        table_add(&t, COLOUR_NONE, member_text(f, "file"));
        if (member_number(f, "line") > 0)
            table_format(&t, COLOUR_NONE, "%lld", member_number(f, "line"));
        else
            table_add(&t, COLOUR_NONE, "");
        table_add(&t, COLOUR_RED, member_text(f, "sentence"));
    }
    if (t.n_cells > 0 || t.failed)
        table_print(&t, o, 0);
}

int render_audit_verify(struct output *o, const json_t *v)
{
    bool whole = member_true(v, "whole");
    long long n = member_number(v, "lines"), more = member_number(v, "more_findings");
    long long before = member_number(v, "lines_before");

    if (whole && n == 0) {
        output_colour(o, COLOUR_YELLOW, "empty");
        output_format(o, ": there is no line in these files, so nothing is proved\n");
        return EXIT_FINE;
    }
    if (whole) {
        output_colour(o, COLOUR_GREEN, "whole");
        output_format(o, ": %lld line%s, %lld to %lld, ", n, text_plural((uint64_t)n),
                      member_number(v, "first_seq"), member_number(v, "last_seq"));
        output_text(o, member_text(v, "first_time"));
        output_format(o, " to ");
        output_text(o, member_text(v, "last_time"));
        output_format(o, "\nlast hash ");
        output_text(o, member_text(v, "last_hash"));
        output_format(o, "\n");
    } else {
        output_colour(o, COLOUR_RED, "broken");
        output_format(o, ": %lld line%s before the first finding %s whole\n", before,
                      text_plural((uint64_t)before), before == 1 ? "is" : "are");
        render_findings(o, json_object_get(v, "findings"));
        if (more > 0)
            output_format(o, "and %lld more\n", more);
    }
    render_proved(o, v);
    return whole ? EXIT_FINE : EXIT_FOUND;
}

static const char *lines_of(const json_t *holder, char *room, size_t size)
{
    static const char *const names[] = {"approval", "intent", "outcome"};
    size_t n = 0;

    room[0] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(names) && n < size; i++)
        if (member_number(holder, names[i]) > 0)
            n += (size_t)snprintf(room + n, size - n, "%s%lld", n ? ", " : "",
                                  member_number(holder, names[i]));
    return room;
}

static void add_word(struct buffer *b, const char *before, const char *word)
{
    if (word)
        buffer_format(b, "%s%s%s", b->size ? "; " : "", before, word);
}

static void add_holder(struct table *t, const json_t *h)
{
    CLEANUP(buffer_done) struct buffer why = {0};
    const char *login = member_text(h, "login"), *since = member_text(h, "since");
    char room[100];

    add_word(&why, "level ", member_text(h, "value"));
    add_word(&why, "",
             member_true(h, "found") ? "found at the contact center, not given by rosterd"
                                     : member_text(h, "rule"));
    add_word(&why, "approved by ", member_text(h, "approved_by"));
    add_word(&why, "", member_true(h, "disabled") ? "the user is disabled" : NULL);
    t->failed |= why.failed;
    table_add(t, COLOUR_BOLD,
              login                  ? login
              : member_text(h, "dn") ? member_text(h, "dn")
                                     : member_text(h, "id"));
    table_format(t, COLOUR_NONE, "%.10s %.5s", since ? since : "",
                 since && strlen(since) > 11 ? since + 11 : "");
    table_add(t, member_true(h, "disabled") ? COLOUR_YELLOW : COLOUR_NONE, why.data);
    table_add(t, COLOUR_DIM, lines_of(h, room, sizeof(room)));
}

void render_audit_who(struct output *o, const json_t *answer, size_t n_people)
{
    const char *what = member_text(answer, "what"), *at = member_text(answer, "at");

    output_format(o, "The ");
    output_text(o, what);
    output_format(o, " ");
    output_text_colour(o, COLOUR_BOLD, member_text(answer, "name"));
    output_format(o, ", ");
    output_text(o, at ? at : "now");
    output_format(o, ": %zu %s\n", n_people, n_people == 1 ? "person" : "people");
}

void render_audit_people(struct output *o, const json_t *people, bool first)
{
    static const char *const heads[] = {"LOGIN", "SINCE (UTC)", "WHY", "LINES"};
    CLEANUP(table_done)
    struct table t = {.n_columns = ARRAY_SIZE(heads), .heads = first ? heads : NULL};
    size_t i;
    json_t *h;

    json_array_foreach ((json_t *)(uintptr_t)people, i, h)
        add_holder(&t, h);
    table_print(&t, o, 0);
}

void render_audit_who_else(struct output *o, const json_t *answer)
{
    const json_t *doubts = json_object_get(answer, "doubts");
    long long n_erased = member_number(answer, "erased");

    if (n_erased > 0)
        output_format(
            o, "%lld line%s told of people whose data was erased: there may have been more\n",
            n_erased, text_plural((uint64_t)n_erased));
    count(o, doubts, "unknown",
          "outcome whose intent is in none of these files: there may have been more",
          "outcomes whose intent is in none of these files: there may have been more");
}
