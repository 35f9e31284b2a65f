/*
 * A plan as text, for `rosterd --dry-run`: by kind, with counts, each field's old and new
 * value, and the reason. It shows what report_plan() says and knows nothing else. Texts come
 * from a directory, so control characters are made visible.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "model/operation.h"

#define RED    "31"
#define GREEN  "32"
#define YELLOW "33"
#define BOLD   "1"
#define DIM    "2"

struct page {
    struct buffer text;
    bool colour;
};

/* clang-format off */
static const struct {
    const char *kind, *head, *sign, *colour;
} kinds[] = {
    {"create",  "Create",              "+", GREEN},
    {"adopt",   "Adopt",               "=", GREEN},
    {"update",  "Change team, skills", "~", YELLOW},
    {"profile", "Change profile",      "~", YELLOW},
    {"rename",  "Rename",              "~", YELLOW},
    {"disable", "Disable",             "-", RED},
    {"enable",  "Enable",              "+", GREEN},
    {"delete",  "Delete",              "-", RED},
};
/* clang-format on */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* A text from outside; colour NULL: plain. */
static void add(struct page *p, const char *colour, const char *text)
{
    char shown[2048];
    if (!text)
        return;
    text_printable(shown, sizeof shown, text, strlen(text));
    if (p->colour && colour)
        buffer_format(&p->text, "\033[%sm%s\033[0m", colour, shown);
    else
        buffer_add_text(&p->text, shown);
}

static void add_source(struct page *p, const json_t *change)
{
    const char *rule = text_of(change, "rule"), *file = text_of(change, "file");
    CLEANUP(buffer_done) struct buffer b = {0};
    if (!rule)
        return;
    buffer_format(&b, "  (%s", rule);
    if (file)
        buffer_format(&b, ", %s:%lld", file,
                      (long long)json_integer_value(json_object_get(change, "line")));
    buffer_add_text(&b, ")");
    add(p, DIM, b.failed ? "" : b.data);
}

static void add_change(struct page *p, const json_t *change)
{
    const char *from = text_of(change, "from"), *to = text_of(change, "to");
    buffer_add_text(&p->text, "      ");
    add(p, NULL, text_of(change, "field"));
    buffer_add_text(&p->text, ": ");
    if (from)
        add(p, RED, *from ? from : "\"\"");
    if (from || !to)
        buffer_add_text(&p->text, " -> ");
    add(p, to ? GREEN : RED, to ? (*to ? to : "\"\"") : "(removed)");
    add_source(p, change);
    buffer_add_text(&p->text, "\n");
}

static void add_line(struct page *p, const char *head, const char *text)
{
    if (!text)
        return;
    buffer_format(&p->text, "      %s", head);
    add(p, NULL, text);
    buffer_add_text(&p->text, "\n");
}

static void add_operation(struct page *p, const json_t *o, const char *sign, const char *colour)
{
    const json_t *person = json_object_get(o, "person");
    const char *state = text_of(o, "state"), *sentence = text_of(o, "sentence");
    size_t i;
    json_t *change;
    buffer_add_text(&p->text, "  ");
    add(p, colour, sign);
    buffer_add_text(&p->text, " ");
    add(p, BOLD, text_of(person, "login"));
    buffer_add_text(&p->text, "  ");
    add(p, DIM, text_of(person, "dn"));
    if (state && strcmp(state, "ready") != 0) {
        buffer_add_text(&p->text, "  ");
        add(p, YELLOW, state);
    }
    buffer_add_text(&p->text, "\n");
    json_array_foreach(json_object_get(o, "changes"), i, change) add_change(p, change);
    add_line(p, "why: ", text_of(o, "why"));
    const char *reason = text_of(o, "reason");
    if (reason && !text_equal(sentence, text_of(o, "why")))
        add_line(p, "waits: ", sentence ? sentence : reason_code_text(reason));
}

static size_t add_kind(struct page *p, const json_t *operations, size_t kind)
{
    size_t i, n = 0, n_waiting = 0;
    json_t *o;
    json_array_foreach(operations, i, o) if (text_equal(text_of(o, "kind"), kinds[kind].kind))
    {
        n++;
        n_waiting += !text_equal(text_of(o, "state"), "ready");
    }
    if (!n)
        return 0;
    add(p, BOLD, kinds[kind].head);
    buffer_format(&p->text, " (%zu", n);
    if (n_waiting)
        buffer_format(&p->text, ", %zu of them not yet", n_waiting);
    buffer_add_text(&p->text, ")\n");
    json_array_foreach(operations, i, o) if (text_equal(text_of(o, "kind"), kinds[kind].kind))
        add_operation(p, o, kinds[kind].sign, kinds[kind].colour);
    buffer_add_text(&p->text, "\n");
    return n;
}

static void add_adoption(struct page *p, const json_t *adoption)
{
    size_t i;
    json_t *row;
    if (!json_is_object(adoption))
        return;
    add(p, BOLD, "First contact with the tenant");
    buffer_format(&p->text, "\n  %zu of its users have a person's login, %zu are nobody's\n",
                  json_array_size(json_object_get(adoption, "exact")),
                  json_array_size(json_object_get(adoption, "unclaimed")));
    static const char *const lists[][2] = {{"differs_in_case", "differs in case: "},
                                           {"same_mail", "same mail: "}};
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
        json_array_foreach(json_object_get(adoption, lists[l][0]), i, row)
        {
            buffer_format(&p->text, "  %s", lists[l][1]);
            add(p, NULL, text_of(row, "login"));
            buffer_add_text(&p->text, " would be ");
            add(p, NULL, text_of(row, "wanted"));
            buffer_add_text(&p->text, "  ");
            add(p, DIM, text_of(row, "dn"));
            buffer_add_text(&p->text, "\n");
        }
    buffer_add_text(&p->text, "\n");
}

static void add_skipped(struct page *p, const json_t *skipped)
{
    size_t i;
    json_t *row;
    if (json_array_size(skipped) == 0)
        return;
    add(p, BOLD, "No user");
    buffer_format(&p->text, " (%zu)\n", json_array_size(skipped));
    json_array_foreach(skipped, i, row)
    {
        buffer_add_text(&p->text, "    ");
        add(p, NULL, text_of(json_object_get(row, "person"), "dn"));
        buffer_add_text(&p->text, "\n");
        add_line(p, "why: ",
                 text_of(row, "sentence") ? text_of(row, "sentence") : text_of(row, "code"));
    }
    buffer_add_text(&p->text, "\n");
}

char *report_plan_text(const json_t *plan, bool colour)
{
    struct page p = {.colour = colour};
    const json_t *operations = json_object_get(plan, "operations");
    CLEANUP(buffer_done) struct buffer summary = {0};
    add_adoption(&p, json_object_get(plan, "adoption"));
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        size_t n = add_kind(&p, operations, k);
        if (n)
            buffer_format(&summary, "%s%zu to %s", summary.size ? ", " : "", n, kinds[k].kind);
    }
    add_skipped(&p, json_object_get(plan, "skipped"));
    size_t n_skipped = json_array_size(json_object_get(plan, "skipped"));
    buffer_format(&p.text, "%s", summary.size ? summary.data : "Nothing to do");
    if (n_skipped)
        buffer_format(&p.text, "; %zu without a user", n_skipped);
    buffer_add_text(&p.text, ".\n");
    return buffer_take(&p.text);
}
