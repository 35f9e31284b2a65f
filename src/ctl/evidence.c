/*
 * The report that an operator hands over. The page is one file without anything from elsewhere:
 * no script, no font, no picture; every text from outside is escaped at one place. Times are
 * UTC.
 */
#include "config.h"

#include "ctl/evidence.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "render/output.h"
#include "render/render.h"

#define CHART_HEIGHT 120
#define CHART_DAYS   400

const struct evidence_list evidence_lists[] = {
    {"joiners", "Joiners", "Users who were created, taken over or enabled again."},
    {"leavers", "Leavers", "Users who were disabled or deleted."},
    {"roles", "Roles given and taken", "Every change of a role; + is given, - is taken away."},
    {"movers", "Movers", "Other changes: team, skills, names, login."},
    {"approvals", "Approvals", "What a person released, under which plan and for which reason."},
    {"waiting", "Waiting and left out",
     "Changes that wait, and people of the directory who get no user, with the reason."},
    {"configuration", "Configuration",
     "Starts, configurations that came into force, pauses, and who did it."},
    {"drift", "Drift", "What the contact center held that rosterd did not write."},
    {"alarms", "Alarms and repairs", "What needed a person's eye."},
    {"erasures", "Erasures", "Removals of a person's data from the audit."},
    {NULL, NULL, NULL},
};

static const char *const columns[] = {"Line", "Time",  "What",   "Person",
                                      "Changes", "Code", "By", "Plan, reason, sentence"};

static void add_changes(struct buffer *b, const json_t *view)
{
    json_t *c;
    size_t i;

    json_array_foreach(json_object_get(view, "changes"), i, c)
    {
        const char *from = member_text(c, "from"), *to = member_text(c, "to");
        const char *field = member_text(c, "field");

        buffer_format(b, "%s%s %s", i ? "; " : "", !from ? "+" : !to ? "-" : "~",
                      field ? field : "");
        if (from && to)
            buffer_format(b, " %s -> %s", from, to);
        else if (from || to)
            buffer_format(b, " %s", from ? from : to);
    }
}

static void add_actor(struct buffer *b, const json_t *view)
{
    const json_t *a = json_object_get(view, "actor");
    const char *name = member_text(a, "login") ? member_text(a, "login") : member_text(a, "name");

    if (name)
        buffer_add_text(b, name);
    else if (a)
        buffer_format(b, "user id %lld", member_number(a, "uid"));
}

static void add_words(struct buffer *b, const json_t *view)
{
    static const char *const names[] = {"reason", "why", "sentence", "answer_text"};
    const char *plan = member_text(view, "plan");

    if (plan)
        buffer_format(b, "plan %.12s", plan);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (member_text(view, names[i]))
            buffer_format(b, "%s%s", b->size ? "; " : "", member_text(view, names[i]));
}

/* One cell's text. */
static void add_cell(struct buffer *b, const json_t *view, size_t column)
{
    const json_t *p = json_object_get(view, "person");
    const char *what = member_text(view, "event"), *kind = member_text(view, "operation");
    const char *login = member_text(p, "login"), *dn = member_text(p, "dn");

    buffer_clear(b);
    switch (column) {
    case 0: buffer_format(b, "%lld", member_number(view, "seq")); break;
    case 1: buffer_format(b, "%.19s", member_text(view, "time") ? member_text(view, "time") : ""); break;
    case 2: buffer_format(b, "%s%s%s", what ? what : "", kind ? " " : "", kind ? kind : ""); break;
    case 3:
        if (json_is_true(json_object_get(view, "erased")))
            buffer_add_text(b, "(erased)");
        else
            buffer_format(b, "%s%s%s%s", login ? login : "", dn ? " (" : "", dn ? dn : "",
                          dn ? ")" : "");
        break;
    case 4: add_changes(b, view); break;
    case 5: buffer_add_text(b, member_text(view, "code") ? member_text(view, "code") : ""); break;
    case 6: add_actor(b, view); break;
    default: add_words(b, view); break;
    }
}

static size_t size_of(const struct audit_report *r, const char *list)
{
    return (size_t)json_integer_value(json_object_get(r->totals, list));
}

void evidence_text(struct output *o, const struct audit_report *r)
{
    const struct audit_verify_result *v = &r->verdict;

    output_colour(o, v->n_findings ? COLOUR_RED : COLOUR_GREEN, "%s",
                  v->n_findings ? "The audit was tampered with or is damaged" : "The audit is whole");
    output_format(o, ": %llu line%s, %llu checkpoint%s; %llu line%s after the last one %s unsigned\n",
                  (unsigned long long)v->n_lines, text_plural(v->n_lines),
                  (unsigned long long)v->n_checkpoints, text_plural(v->n_checkpoints),
                  (unsigned long long)v->n_unsigned, text_plural(v->n_unsigned),
                  v->n_unsigned == 1 ? "is" : "are");
    for (size_t i = 0; i < v->n_findings; i++)
        output_sentence(o, 2, v->findings[i].sentence);
    for (const struct evidence_list *l = evidence_lists; l->name; l++)
        output_format(o, "  %-24s %zu\n", l->title, size_of(r, l->name));
    for (const struct evidence_list *l = evidence_lists; l->name; l++) {
        const json_t *rows = json_object_get(r->lists, l->name);
        json_t *view;
        size_t i;

        if (json_array_size(rows) == 0)
            continue;
        output_colour(o, COLOUR_BOLD, "\n%s\n", l->title);
        json_array_foreach((json_t *)(uintptr_t)rows, i, view)
        {
            render_audit_line(o, view);
            (void)output_flush(o);
        }
    }
}

/* Text between tags or in quotes. */
static void escape(struct buffer *b, const char *text)
{
    for (; text && *text; text++)
        switch (*text) {
        case '&': buffer_add_text(b, "&amp;"); break;
        case '<': buffer_add_text(b, "&lt;"); break;
        case '>': buffer_add_text(b, "&gt;"); break;
        case '"': buffer_add_text(b, "&quot;"); break;
        case '\'': buffer_add_text(b, "&#39;"); break;
        default: buffer_add(b, text, 1);
        }
}

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--good:#1a7f37;"
    "--bad:#b3261e;--bar:#0969da;--page:#fff}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#3d444d;"
    "--good:#4ac26b;--bad:#ff8a80;--bar:#58a6ff;--page:#0d1117}}"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);"
    "max-width:75rem;margin:0 auto;padding:1.5rem}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}p{max-width:45rem}"
    ".soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.85rem}"
    "th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid "
    "var(--line);overflow-wrap:anywhere}th{position:sticky;top:0;background:var(--page)}"
    "td:first-child,td:nth-child(2){white-space:nowrap;font-variant-numeric:tabular-nums}"
    "svg rect{fill:var(--bar)}svg text{fill:var(--soft);font-size:11px}"
    "@media print{body{max-width:none;padding:0}.wide{overflow:visible}th{position:static}"
    "thead{display:table-header-group}tr{break-inside:avoid}}";

static void html_verdict(struct buffer *b, const struct audit_verify_result *v)
{
    buffer_format(b, "<h2>The evidence</h2>\n<p class=\"%s\"><strong>%s</strong></p>\n",
                  v->n_findings ? "bad" : "good",
                  v->n_findings ? "The audit was tampered with, or is damaged."
                                : "The audit is whole: no line was altered, removed, inserted or moved.");
    buffer_format(b,
                  "<p>%llu line%s, number %llu to %llu. %llu checkpoint%s signed; %llu line%s "
                  "after the last one chained, not signed. %llu line%s with personal data that "
                  "was erased by a recorded act. Last hash <code>%s</code>.</p>\n",
                  (unsigned long long)v->n_lines, text_plural(v->n_lines),
                  (unsigned long long)v->first_seq, (unsigned long long)v->last_seq,
                  (unsigned long long)v->n_checkpoints, text_plural(v->n_checkpoints),
                  (unsigned long long)v->n_unsigned, text_plural(v->n_unsigned),
                  (unsigned long long)v->n_erased, text_plural(v->n_erased), v->last_hash);
    if (v->key[0]) {
        buffer_add_text(b, "<p>Signed by <code>");
        escape(b, v->key);
        buffer_add_text(b, "</code>. Compare this key with the one that you know.</p>\n");
    }
    if (v->n_findings) {
        buffer_add_text(b, "<ul>\n");
        for (size_t i = 0; i < v->n_findings; i++) {
            buffer_add_text(b, "<li class=\"bad\">");
            escape(b, v->findings[i].file);
            buffer_format(b, ":%u: ", v->findings[i].line);
            escape(b, v->findings[i].sentence);
            buffer_add_text(b, "</li>\n");
        }
        buffer_add_text(b, "</ul>\n");
    }
}

static json_int_t sum_of(const json_t *day)
{
    static const char *const names[] = {"joiners", "leavers", "roles", "movers"};
    json_int_t sum = 0;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        sum += json_integer_value(json_object_get(day, names[i]));
    return sum;
}

/* A bar for each day on which something was done; the table behind it says the same. */
static void html_chart(struct buffer *b, const json_t *days)
{
    size_t n = json_object_size(days), at = 0;
    json_int_t most = 1;
    const char *day;
    json_t *counts;

    if (n == 0 || n > CHART_DAYS)
        return;
    json_object_foreach((json_t *)(uintptr_t)days, day, counts) if (sum_of(counts) > most) most =
        sum_of(counts);
    buffer_format(b,
                  "<svg role=\"img\" aria-label=\"Users changed a day, at most %lld\" "
                  "viewBox=\"0 0 %zu %d\" width=\"100%%\" style=\"max-width:%zupx\">\n",
                  (long long)most, n * 14 + 60, CHART_HEIGHT + 24, n * 28 + 120);
    json_object_foreach((json_t *)(uintptr_t)days, day, counts)
    {
        json_int_t height = sum_of(counts) * CHART_HEIGHT / most;

        buffer_format(b, "<rect x=\"%zu\" y=\"%lld\" width=\"10\" height=\"%lld\"><title>", at * 14,
                      (long long)(CHART_HEIGHT - height), (long long)height);
        escape(b, day);
        buffer_format(b, ": %lld</title></rect>\n", (long long)sum_of(counts));
        if (at == 0 || at + 1 == n) {
            buffer_format(b, "<text x=\"%zu\" y=\"%d\">", at ? at * 14 : 0, CHART_HEIGHT + 16);
            escape(b, day);
            buffer_add_text(b, "</text>\n");
        }
        at++;
    }
    buffer_add_text(b, "</svg>\n");
}

static void html_table(struct buffer *b, const struct evidence_list *l, const json_t *rows)
{
    CLEANUP(buffer_done) struct buffer cell = {0};
    json_t *view;
    size_t i;

    buffer_format(b,
                  "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table>\n"
                  "<thead><tr>",
                  l->title);
    for (size_t k = 0; k < ARRAY_SIZE(columns); k++)
        buffer_format(b, "<th scope=\"col\">%s</th>", columns[k]);
    buffer_add_text(b, "</tr></thead>\n<tbody>\n");
    json_array_foreach((json_t *)(uintptr_t)rows, i, view)
    {
        buffer_add_text(b, "<tr>");
        for (size_t k = 0; k < ARRAY_SIZE(columns); k++) {
            add_cell(&cell, view, k);
            buffer_add_text(b, "<td>");
            escape(b, cell.data);
            buffer_add_text(b, "</td>");
        }
        buffer_add_text(b, "</tr>\n");
    }
    buffer_add_text(b, "</tbody></table></div>\n");
}

void evidence_html(struct buffer *b, const struct audit_report *r, const char *since,
                 const char *until)
{
    buffer_format(b,
                  "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                  "style-src 'unsafe-inline'\">\n<title>Audit report of rosterd</title>\n"
                  "<style>");
    buffer_add_text(b, style);
    buffer_add_text(b, "</style></head>\n<body>\n<main>\n<h1>Audit report of rosterd</h1>\n<p>From ");
    escape(b, since ? since : "the beginning");
    buffer_add_text(b, " to ");
    escape(b, until ? until : "the end");
    buffer_format(b, ". Times are UTC. The numbers of lines are those of the audit files.</p>\n");
    html_verdict(b, &r->verdict);
    buffer_add_text(b, "<h2>What happened</h2>\n");
    html_chart(b, r->days);
    buffer_add_text(b, "<ul>\n");
    for (const struct evidence_list *l = evidence_lists; l->name; l++)
        buffer_format(b, "<li><a href=\"#%s\">%s</a>: %zu</li>\n", l->name, l->title,
                      size_of(r, l->name));
    buffer_add_text(b, "</ul>\n");
    for (const struct evidence_list *l = evidence_lists; l->name; l++) {
        const json_t *rows = json_object_get(r->lists, l->name);

        buffer_format(b, "<h2 id=\"%s\">%s <span class=\"soft\">%zu</span></h2>\n<p>%s</p>\n",
                      l->name, l->title, size_of(r, l->name), l->explained);
        if (json_array_size(rows) > 0)
            html_table(b, l, rows);
        else
            buffer_add_text(b, "<p class=\"soft\">None.</p>\n");
    }
    if (r->n_left_out)
        buffer_format(b, "<p class=\"soft\">%llu more rows are left out here; the CSV files and "
                         "<code>rosterctl audit show</code> have them by shorter times.</p>\n",
                      (unsigned long long)r->n_left_out);
    buffer_add_text(b, "</main>\n</body></html>\n");
}

static void csv_cell(struct buffer *b, const char *text)
{
    buffer_add_text(b, "\"");
    /* Inert: a spreadsheet takes these for the beginning of a formula. */
    if (text && *text && strchr("=+-@\t\r", *text))
        buffer_add_text(b, "'");
    for (; text && *text; text++)
        buffer_add_text(b, *text == '"' ? "\"\"" : (const char[]){*text, '\0'});
    buffer_add_text(b, "\"");
}

void evidence_csv(struct buffer *b, const json_t *rows)
{
    CLEANUP(buffer_done) struct buffer cell = {0};
    json_t *view;
    size_t i;

    buffer_add_text(b, "\xef\xbb\xbf"); /* or spreadsheets take the text for another encoding */
    for (size_t k = 0; k < ARRAY_SIZE(columns); k++)
        buffer_format(b, "%s\"%s\"", k ? "," : "", columns[k]);
    buffer_add_text(b, "\r\n");
    json_array_foreach((json_t *)(uintptr_t)rows, i, view)
    {
        for (size_t k = 0; k < ARRAY_SIZE(columns); k++) {
            add_cell(&cell, view, k);
            buffer_add_text(b, k ? "," : "");
            csv_cell(b, cell.data);
        }
        buffer_add_text(b, "\r\n");
    }
}
