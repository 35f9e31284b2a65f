/*
 * The report as one page: nothing on it is loaded or run, it prints, it reads in order without its
 * style, and each table can be reached by the keyboard. Whatever comes from a line is escaped.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ctl/evidence.h"
#include "model/operation.h"
#include "render/output.h"
#include "render/render.h"

/* Text between tags or in quotes. */
static void html_escape(struct buffer *b, const char *text)
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

/* It may be broken behind a comma, better than anywhere. */
static void escape_dn(struct buffer *b, const char *text)
{
    for (const char *comma; (comma = strchr(text, ',')); text = comma + 1) {
        CLEANUP(freep) char *part = strndup(text, (size_t)(comma + 1 - text));

        b->failed |= !part;
        html_escape(b, part);
        buffer_add_text(b, "<wbr>");
    }
    html_escape(b, text);
}

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--good:#1a7f37;"
    "--bad:#b3261e;--page:#fff;--box:#f6f8fa;--link:#0550ae;--in:#0969da;--out:#bc4c00;--other:#6e7781}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#3d444d;"
    "--good:#4ac26b;--bad:#ff8a80;--page:#0d1117;--box:#161b22;--link:#79c0ff;--in:#58a6ff;"
    "--out:#f0883e;--other:#8b949e}}"
    "*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);"
    "background:var(--page);max-width:76rem;margin:0 auto;padding:1.5rem;overflow-wrap:break-word}"
    "a{color:var(--link)}:focus-visible{outline:3px solid var(--link);outline-offset:2px}"
    ".skip{position:absolute;left:-99rem}.skip:focus{left:1rem;background:var(--page);padding:.5rem}"
    "h1{font-size:1.6rem;margin:0 0 .3rem}h2{font-size:1.25rem;margin:2.5rem 0 .3rem}"
    "p{max-width:48rem;margin:.4rem 0}.soft{color:var(--soft)}code{overflow-wrap:anywhere}"
    ".verdict{border-left:.5rem solid var(--good);background:var(--box);padding:.8rem 1rem;margin:1rem 0}"
    ".verdict.bad{border-color:var(--bad)}.verdict strong{font-size:1.15rem;color:var(--good)}"
    ".verdict.bad strong{color:var(--bad)}"
    ".cards{list-style:none;display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));"
    "gap:.6rem;padding:0;margin:1rem 0}"
    ".cards a{display:block;height:100%;padding:.6rem .8rem;background:var(--box);"
    "border:1px solid var(--line);border-radius:.4rem;text-decoration:none;color:var(--ink);overflow-wrap:anywhere}"
    ".cards b{display:block;font-size:1.4rem;font-variant-numeric:tabular-nums}"
    ".wide{overflow-x:auto}.wide table{min-width:54rem}.wide table.short{min-width:0}"
    "table{border-collapse:collapse;width:100%;font-size:.875rem}"
    "caption{text-align:left;color:var(--soft);padding:.2rem 0}"
    "th,td{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;"
    "border-bottom:1px solid var(--line)}th{overflow-wrap:normal}td{overflow-wrap:anywhere}"
    ".short{width:auto}.n,.l{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".l{padding-right:1rem;font-weight:400}thead .l{font-weight:600}.t{white-space:nowrap;font-variant-numeric:tabular-nums}"
    ".x{min-width:11rem;white-space:pre-line}.w{min-width:7.5rem}.s{white-space:nowrap}"
    "dt{font-weight:600;margin-top:.8rem}dd{margin:0;max-width:48rem}"
    "svg{display:block;width:100%;min-width:36rem;height:auto;margin:.5rem 0}svg text{fill:var(--soft);font-size:12px}"
    ".in{fill:var(--in);color:var(--in)}.out{fill:var(--out);color:var(--out)}"
    ".other{fill:var(--other);color:var(--other)}.axis{stroke:var(--line)}"
    ".key span{margin-right:1.2rem;white-space:nowrap}"
    "@media(max-width:40rem){body{padding:1rem}.cards{grid-template-columns:repeat(2,minmax(0,1fr))}}"
    "@media print{body{max-width:none;padding:0;font-size:10pt}.wide{overflow:visible}"
    ".wide table,svg,.x{min-width:0}.t,.w{min-width:4.2rem}.t,.s{white-space:normal}td,th{padding-right:.4rem}table{font-size:8pt}thead{display:table-header-group}"
    "tr,dt,figure,.verdict{break-inside:avoid}h2{break-after:avoid}.skip{display:none}"
    ".cards{grid-template-columns:repeat(4,1fr)}a{color:inherit}.verdict,.cards a,svg{"
    "print-color-adjust:exact;-webkit-print-color-adjust:exact}@page{margin:15mm}}";

void html_row(struct buffer *b, const struct evidence_list *l, const json_t *view,
              const json_t *approval, struct buffer *room)
{
    static const char *const classes[EVIDENCE_COLUMNS] = {
        [COLUMN_LINE] = " class=\"l\"",   [COLUMN_TIME] = " class=\"t\"",
        [COLUMN_PERSON] = " class=\"x\"", [COLUMN_CHANGES] = " class=\"x\"",
        [COLUMN_WORDS] = " class=\"x\"",  [COLUMN_CODE] = " class=\"s\"",
        [COLUMN_WHAT] = " class=\"w\"",   [COLUMN_BY] = " class=\"w\"",
        [COLUMN_REASON] = " class=\"w\"", [COLUMN_PLAN] = " class=\"s\"",
    };

    buffer_add_text(b, "<tr>");
    for (size_t k = 0; k < EVIDENCE_COLUMNS; k++) {
        bool link = k == COLUMN_CODE && member_text(view, "code");

        if (!(l->columns & 1U << k))
            continue;
        evidence_cell(room, view, approval, (enum evidence_column)k);
        buffer_format(b, k == COLUMN_LINE ? "<th scope=\"row\"%s>" : "<td%s>",
                      classes[k] ? classes[k] : "");
        if (link) {
            buffer_add_text(b, "<a href=\"#code-");
            html_escape(b, room->data);
            buffer_add_text(b, "\">");
        }
        if (k == COLUMN_PERSON)
            escape_dn(b, room->data);
        else
            html_escape(b, room->data);
        buffer_add_text(b, link ? "</a></td>" : k == COLUMN_LINE ? "</th>" : "</td>");
    }
    buffer_add_text(b, "</tr>\n");
}

static void add_findings(struct buffer *b, const struct audit_verify_result *v)
{
    if (!v->n_findings)
        return;
    buffer_add_text(b, "<ul>\n");
    for (size_t i = 0; i < v->n_findings; i++) {
        buffer_add_text(b, "<li>");
        html_escape(b, v->findings[i].file);
        if (v->findings[i].line)
            buffer_format(b, ", line %u", v->findings[i].line);
        buffer_add_text(b, ": ");
        html_escape(b, v->findings[i].sentence);
        buffer_add_text(b, "</li>\n");
    }
    if (v->n_more)
        buffer_format(b, "<li>and %llu more</li>\n", (unsigned long long)v->n_more);
    buffer_add_text(b, "</ul>\n");
}

static void add_count(struct buffer *b, uint64_t n, const char *one, const char *many)
{
    buffer_format(b, "%llu %s", (unsigned long long)n, n == 1 ? one : many);
}

static void add_comparison(struct buffer *b, const json_t *comparison)
{
    CLEANUP(buffer_done) struct buffer time = {0}, sentence = {0};

    if (!comparison)
        return;
    evidence_time(&time, comparison);
    output_add_printable(&sentence, member_text(comparison, "sentence"));
    buffer_format(b, "<p>Last comparison with the contact center (line %lld, ",
                  member_number(comparison, "seq"));
    html_escape(b, time.data);
    buffer_add_text(b, "): ");
    html_escape(b, sentence.data);
    buffer_add_text(b, "</p>\n");
}

static void add_verdict(struct buffer *b, const struct evidence *e)
{
    const struct audit_verify_result *v = &e->report.verdict;

    buffer_add_text(b, "<h2>The evidence</h2>\n");
    if (v->n_lines == 0 && v->n_findings == 0) {
        buffer_add_text(
            b,
            "<div class=\"verdict bad\">\n<p><strong>There is no line in these files, so nothing is "
            "proved.</strong></p>\n</div>\n");
        return;
    }
    buffer_format(b, "<div class=\"verdict%s\">\n<p><strong>%s</strong></p>\n",
                  v->n_findings || !v->n_checkpoints ? " bad" : "",
                  v->n_findings ? "The audit was tampered with, or is damaged."
                  : v->n_checkpoints
                      ? "The audit is whole: no line was altered, removed, inserted or moved."
                      : "The lines fit together, but none is signed: whoever could write these "
                        "files could have written all of them anew.");
    add_findings(b, v);
    buffer_add_text(b, "<p>");
    add_count(b, v->n_lines, "line", "lines");
    buffer_format(b, ", numbers %llu to %llu. ", (unsigned long long)v->first_seq,
                  (unsigned long long)v->last_seq);
    if (v->n_checkpoints) {
        buffer_format(b, "Signed up to line %lld", (long long)v->last_checkpoint);
        if (v->n_unsigned) {
            buffer_add_text(b, "; ");
            add_count(b, v->n_unsigned, "line after it is", "lines after it are");
            buffer_add_text(b, " chained, not signed");
        }
        buffer_add_text(b, ". ");
    } else
        buffer_add_text(b, "They are chained alone. ");
    if (v->n_erased) {
        buffer_add_text(b, "Of ");
        add_count(b, v->n_erased, "line", "lines");
        buffer_add_text(b, " the personal data was erased by a recorded act. ");
    }
    evidence_coverage(b, e);
    buffer_add_text(b, " ");
    evidence_kept(b, e);
    if (v->n_unknown) {
        buffer_add_text(b, " ");
        add_count(b, v->n_unknown, "outcome is", "outcomes are");
        buffer_add_text(
            b, " of an intent in a file that was not given: whom they concern is not known. ");
    }
    buffer_format(b, "</p>\n<p class=\"soft\">Last hash <code>%s</code>.", v->last_hash);
    if (v->key[0]) {
        buffer_add_text(b, " Signed by <code>");
        html_escape(b, v->key);
        buffer_add_text(b, e->trusted.key
                               ? "</code>; verified with the key that was given."
                               : "</code>; compare this key with the one that you know.");
    }
    buffer_add_text(b, "</p>\n</div>\n");
}

static void add_cards(struct buffer *b, const struct evidence *e)
{
    buffer_add_text(b, "<nav aria-label=\"Lists of this report\"><ul class=\"cards\">\n");
    for (size_t i = 0; i < AUDIT_LISTS; i++)
        buffer_format(b, "<li><a href=\"#%s\"><b>%llu</b> %s</a></li>\n", evidence_lists[i].name,
                      (unsigned long long)e->report.totals[i], evidence_lists[i].title);
    buffer_add_text(b, "</ul></nav>\n");
}

static void add_delays(struct buffer *b, const struct evidence *e)
{
    uint64_t n_approved = 0;

    buffer_add_text(
        b, "<h2 id=\"delays\">How long it took</h2>\n<p>From the moment when rosterd had judged "
           "what the directory says, or a time of grace was over, to the first request at the "
           "contact center.</p>\n"
           "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"How long it took\">"
           "<table class=\"short\" aria-labelledby=\"delays\"><thead><tr><th scope=\"col\">Who</th>"
           "<th scope=\"col\" class=\"n\">Changes</th><th scope=\"col\" class=\"n\">Median</th>"
           "<th scope=\"col\" class=\"n\">99 of 100 within</th>"
           "<th scope=\"col\" class=\"n\">Worst</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < AUDIT_HASTES; i++) {
        const struct audit_delays *d = &e->report.delays[i];

        n_approved += d->n_approved;
        buffer_format(b, "<tr><th scope=\"row\">%s</th><td class=\"n\">%zu</td>",
                      evidence_haste_names[i], d->n);
        for (size_t k = 0; k < 3; k++) {
            buffer_add_text(b, "<td class=\"n\">");
            if (d->n)
                evidence_duration(b, audit_delay(d, (const unsigned[]){500, 990, 1000}[k]));
            buffer_add_text(b, d->n ? "</td>" : "-</td>");
        }
        buffer_add_text(b, "</tr>\n");
    }
    buffer_add_text(b, "</tbody></table></div>\n");
    if (n_approved) {
        buffer_add_text(b, "<p class=\"soft\">");
        add_count(b, n_approved, "change", "changes");
        buffer_add_text(b, " waited for a person's approval and are not among them.</p>\n");
    }
}

static void add_list(struct buffer *b, const struct evidence *e, enum audit_list list)
{
    const struct evidence_list *l = &evidence_lists[list];

    buffer_format(
        b,
        "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s <span class=\"soft\">%llu</span>"
        "</h2>\n<p>%s</p>\n",
        l->name, l->name, l->title, (unsigned long long)e->report.totals[list], l->explained);
    if (list == LIST_PRIVILEGED && !e->report.privileged_known)
        buffer_add_text(b,
                        "<p>These files hold no configuration, so it is not known which roles are "
                        "privileged; all are among the other roles.</p>\n");
    if (e->n_rows[list] == 0) {
        buffer_add_text(b, "<p class=\"soft\">None.</p>\n</section>\n");
        return;
    }
    buffer_format(b,
                  "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"%s\">"
                  "<table aria-labelledby=\"%s\">\n<thead><tr>",
                  l->title, l->name);
    for (size_t k = 0; k < EVIDENCE_COLUMNS; k++)
        if (l->columns & 1U << k)
            buffer_format(b, "<th scope=\"col\"%s>%s</th>", k == COLUMN_LINE ? " class=\"l\"" : "",
                          evidence_column_names[k]);
    buffer_add_text(b, "</tr></thead>\n<tbody>\n");
    buffer_add(b, e->rows[list].data, e->rows[list].size);
    buffer_add_text(b, "</tbody></table></div>\n");
    if (e->n_rows[list] > EVIDENCE_ROWS)
        buffer_format(
            b,
            e->csv
                ? "<p>The first %d are shown here; the CSV file %s.csv has all.</p>\n"
                : "<p>The first %d are shown here; <code>--csv</code> writes all, into %s.csv.</p>\n",
            EVIDENCE_ROWS, l->name);
    buffer_add_text(b, "</section>\n");
}

static void add_codes(struct buffer *b, const json_t *codes)
{
    const char *code;
    json_t *value;

    if (json_object_size(codes) == 0)
        return;
    buffer_add_text(
        b,
        "<section aria-labelledby=\"codes\">\n<h2 id=\"codes\">What the codes mean</h2>\n<dl>\n");
    json_object_foreach ((json_t *)(uintptr_t)codes, code, value) {
        CLEANUP(freep) char *shown = output_printable(code);
        const char *meaning = evidence_meaning(code); /* itself, where it is not known */

        b->failed |= !shown;
        buffer_add_text(b, "<dt id=\"code-");
        html_escape(b, shown);
        buffer_add_text(b, "\">");
        html_escape(b, shown);
        buffer_add_text(b, "</dt><dd>");
        html_escape(b, meaning == code ? shown : meaning);
        buffer_add_text(b, ".");
        if (reason_code_remedy(code)) {
            buffer_add_text(b, " <span class=\"soft\">What helps: ");
            html_escape(b, reason_code_remedy(code));
            buffer_add_text(b, "</span>");
        }
        buffer_add_text(b, "</dd>\n");
    }
    buffer_add_text(b, "</dl>\n</section>\n");
}

void evidence_html(struct buffer *b, const struct evidence *e)
{
    buffer_add_text(
        b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
           "style-src 'unsafe-inline'\">\n<title>Audit report of rosterd</title>\n<style>");
    buffer_add_text(b, style);
    buffer_add_text(b,
                    "</style></head>\n<body>\n<a class=\"skip\" href=\"#main\">To the report</a>\n"
                    "<main id=\"main\">\n<h1>Audit report of rosterd</h1>\n<p>From ");
    html_escape(b, e->since ? e->since : "the beginning of the files");
    buffer_add_text(b, " to ");
    html_escape(b, e->until ? e->until : "their end");
    buffer_add_text(b, ". Times are UTC. Numbers of lines are those of the audit files, where each "
                       "line can be looked up and proved.</p>\n");
    add_verdict(b, e);
    add_comparison(b, e->report.comparison);
    buffer_add_text(b, "<h2>What happened</h2>\n");
    add_cards(b, e);
    html_chart(b, e->report.days);
    add_delays(b, e);
    for (size_t i = 0; i < AUDIT_LISTS; i++)
        add_list(b, e, (enum audit_list)i);
    add_codes(b, e->codes);
    buffer_add_text(b, "</main>\n</body></html>\n");
}
