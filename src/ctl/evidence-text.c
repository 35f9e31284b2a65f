/* The report as text: the verdict, the counts, how long it took, and a table for each list. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/evidence.h"
#include "model/operation.h"
#include "render/render.h"

static const char *const row_heads[] = {"LINE", "TIME (UTC)", "WHAT", "PERSON", "TOLD"};
static const char *const heads_of_no_person[] = {"LINE", "TIME (UTC)", "WHAT", "TOLD"};

/* Many narrow columns are not read on a terminal: what a line says besides stands in one. */
static const struct {
    enum evidence_column column;
    const char *before;
} told[] = {{COLUMN_CHANGES, ""},   {COLUMN_CODE, ""},           {COLUMN_BY, "by "},
            {COLUMN_PLAN, "plan "}, {COLUMN_REASON, "reason: "}, {COLUMN_WORDS, ""}};

static void add_told(struct buffer *b, const char *before, const char *text)
{
    bool approved = strncmp(text, "approved by", 11) == 0;

    if (!*text)
        return;
    buffer_format(b, "%s%s", b->size ? "; " : "", approved ? "" : before);
    for (; *text; text++) /* one change a line elsewhere */
        buffer_add_text(b, *text == '\n' ? ", " : (char[]){*text, '\0'});
}

void evidence_text_row(struct evidence *v, enum audit_list list, const json_t *view,
                       const json_t *approval)
{
    CLEANUP(buffer_done) struct buffer all = {0};
    struct table *t = &v->tables[list];

    for (enum evidence_column k = COLUMN_LINE; k <= COLUMN_PERSON; k++) {
        if (!(evidence_lists[list].columns & 1U << k))
            continue;
        evidence_cell(&v->cell, view, approval, k);
        table_add(t,
                  k == COLUMN_LINE     ? COLOUR_DIM
                  : k == COLUMN_PERSON ? COLOUR_BOLD
                                       : COLOUR_NONE,
                  v->cell.data);
    }
    for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
        if (!(evidence_lists[list].columns & 1U << told[i].column))
            continue;
        evidence_cell(&v->cell, view, approval, told[i].column);
        add_told(&all, told[i].before, v->cell.data ? v->cell.data : "");
    }
    t->failed |= all.failed;
    table_add(t, COLOUR_NONE, all.data);
}

static void text_verdict(struct output *o, const struct evidence *v)
{
    const struct audit_verify_result *p = &v->report.verdict;
    CLEANUP(buffer_done) struct buffer more = {0};

    if (p->n_lines == 0 && p->n_findings == 0) {
        output_colour(o, COLOUR_YELLOW, "There is no line in these files");
        output_format(o, ", so nothing is proved\n");
        return;
    }
    output_colour(o,
                  p->n_findings      ? COLOUR_RED
                  : p->n_checkpoints ? COLOUR_GREEN
                                     : COLOUR_YELLOW,
                  "%s",
                  p->n_findings      ? "The audit was tampered with or is damaged"
                  : p->n_checkpoints ? "The audit is whole"
                                     : "The lines fit together, but none is signed");
    output_format(o,
                  ": %llu line%s, %llu checkpoint%s; %llu line%s after the last one %s unsigned\n",
                  (unsigned long long)p->n_lines, text_plural(p->n_lines),
                  (unsigned long long)p->n_checkpoints, text_plural(p->n_checkpoints),
                  (unsigned long long)p->n_unsigned, text_plural(p->n_unsigned),
                  p->n_unsigned == 1 ? "is" : "are");
    evidence_coverage(&more, v);
    if (v->trusted.note && !p->n_findings)
        buffer_add_text(&more, " ");
    evidence_kept(&more, v);
    output_sentence(o, 0, more.failed ? "" : more.data);
    if (p->n_unknown)
        output_format(
            o,
            "%llu outcome%s whose intent is in none of these files: whom they concern is not known\n",
            (unsigned long long)p->n_unknown, text_plural(p->n_unknown));
    for (size_t i = 0; i < p->n_findings; i++)
        output_sentence(o, 2, p->findings[i].sentence);
    if (p->n_more)
        output_format(o, "  and %llu more\n", (unsigned long long)p->n_more);
}

static void text_counts(struct output *o, const struct evidence *v)
{
    CLEANUP(table_done) struct table t = {.n_columns = 2, .right = 1U << 1};

    for (size_t i = 0; i < AUDIT_LISTS; i++) {
        table_add(&t, COLOUR_NONE, evidence_lists[i].title);
        table_format(&t, COLOUR_NONE, "%llu", (unsigned long long)v->report.totals[i]);
    }
    table_print(&t, o, 2);
}

static void text_delays(struct output *o, const struct evidence *v)
{
    static const char *const heads[] = {"",          "CHANGES", "MEDIAN",
                                        "99 OF 100", "WORST",   "AFTER AN APPROVAL"};
    CLEANUP(table_done) struct table t = {.n_columns = 6, .heads = heads, .right = 0x3e};

    output_colour(o, COLOUR_BOLD, "\nHow long it took, of what needed no approval\n");
    for (size_t i = 0; i < AUDIT_HASTES; i++) {
        const struct audit_delays *d = &v->report.delays[i];

        table_add(&t, COLOUR_NONE, evidence_haste_names[i]);
        table_format(&t, COLOUR_NONE, "%zu", d->n);
        for (size_t k = 0; k < 3; k++) {
            CLEANUP(buffer_done) struct buffer b = {0};

            if (d->n)
                evidence_duration(&b, audit_delay(d, (const unsigned[]){500, 990, 1000}[k]));
            t.failed |= b.failed;
            table_add(&t, COLOUR_NONE, d->n ? b.data : "-");
        }
        table_format(&t, COLOUR_NONE, "%llu", (unsigned long long)d->n_approved);
    }
    table_print(&t, o, 2);
}

static void text_codes(struct output *o, const json_t *codes)
{
    static const char *const heads[] = {"CODE", "MEANING", "WHAT HELPS"};
    CLEANUP(table_done) struct table t = {.n_columns = 3, .heads = heads};
    const char *code;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)codes, code, value) {
        table_add(&t, COLOUR_NONE, code);
        table_add(&t, COLOUR_NONE, evidence_meaning(code));
        table_add(&t, COLOUR_NONE, reason_code_remedy(code));
    }
    if (t.n_cells == 0)
        return;
    output_colour(o, COLOUR_BOLD, "\nWhat the codes mean\n");
    table_print(&t, o, 0);
}

static void text_list(struct output *o, struct evidence *v, enum audit_list list)
{
    struct table *t = &v->tables[list];

    if (t->n_cells == 0)
        return;
    output_colour(o, COLOUR_BOLD, "\n%s\n", evidence_lists[list].title);
    bool people = evidence_lists[list].columns & 1U << COLUMN_PERSON;
    t->n_columns = people ? ARRAY_SIZE(row_heads) : ARRAY_SIZE(heads_of_no_person);
    t->heads = people ? row_heads : heads_of_no_person;
    t->right = 1U << 0;
    table_print(t, o, 0);
    if (v->n_rows[list] > EVIDENCE_ROWS)
        output_format(o, "and %llu more: --csv has them all\n",
                      (unsigned long long)(v->n_rows[list] - EVIDENCE_ROWS));
    (void)output_flush(o);
}

void evidence_text(struct output *o, struct evidence *v)
{
    text_verdict(o, v);
    if (v->report.comparison) {
        output_format(o, "Last comparison with the contact center, line %lld:\n",
                      member_number(v->report.comparison, "seq"));
        output_sentence(o, 2, member_text(v->report.comparison, "sentence"));
    }
    text_counts(o, v);
    text_delays(o, v);
    for (size_t i = 0; i < AUDIT_LISTS; i++)
        text_list(o, v, (enum audit_list)i);
    text_codes(o, v->codes);
}
