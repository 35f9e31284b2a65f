/*
 * An audit report as text, as one page of HTML, and as CSV: evidence-cells.c says what a line is in
 * words, evidence.c gathers the rows, evidence-html.c makes the page, evidence-text.c the text.
 */
#pragma once
#include <stdio.h>

#include "audit/report.h"
#include "base/buffer.h"
#include "render/output.h"

#define EVIDENCE_ROWS 2000 /* of one list on the page; CSV files have all */

enum evidence_column {
    COLUMN_LINE = 0,
    COLUMN_TIME,
    COLUMN_WHAT,
    COLUMN_PERSON,
    COLUMN_CHANGES,
    COLUMN_CODE,
    COLUMN_BY,
    COLUMN_PLAN,
    COLUMN_REASON,
    COLUMN_WORDS,
    EVIDENCE_COLUMNS,
};
struct evidence_list {
    const char *name, *title, *explained;
    unsigned columns; /* bits */
};
extern const struct evidence_list evidence_lists[AUDIT_LISTS];
extern const char *const evidence_column_names[EVIDENCE_COLUMNS];
extern const char *const evidence_haste_names[AUDIT_HASTES];
/* One cell's text, in place of what is in the buffer. */
void evidence_time(struct buffer *b, const json_t *view);
void evidence_cell(struct buffer *b, const json_t *view, const json_t *approval,
                   enum evidence_column column);
/* "1.2 s", "3 min", "2 h"; what is shown of a delay. */
void evidence_duration(struct buffer *b, uint32_t ms);

/* What a code says, for people. */
const char *evidence_meaning(const char *code);

enum evidence_form {
    EVIDENCE_TEXT = 0,
    EVIDENCE_HTML,
    EVIDENCE_JSON,
    EVIDENCE_NONE, /* CSV alone */
};
struct evidence {
    enum evidence_form form;
    const char *csv;                     /* the folder; NULL: none is written */
    const char *since, *until;           /* what was asked for; NULL: all */
    struct audit_verify_options trusted; /* a key, a checkpoint that was kept; or none */
    struct audit_report report;
    struct buffer rows[AUDIT_LISTS], cell;
    struct table tables[AUDIT_LISTS]; /* of EVIDENCE_TEXT */
    uint64_t n_rows[AUDIT_LISTS];
    FILE *files[AUDIT_LISTS];
    json_t *codes; /* those that stand in the rows */
    json_t *lists; /* of EVIDENCE_JSON: views by list */
};
void evidence_done(struct evidence *v);
int evidence_gather(struct evidence *v, const char *const *files, size_t n_files, struct error *e);
/* Which time the lines of the files are of, and what of the time that was asked for they are not
 * of. */
void evidence_coverage(struct buffer *b, const struct evidence *v);
/* What a checkpoint that was kept says, if one was given and nothing was found; else nothing. */
void evidence_kept(struct buffer *b, const struct evidence *v);
void evidence_text(struct output *o, struct evidence *v);
json_t *evidence_json(const struct evidence *v, json_t *verdict_taken);
void evidence_html(struct buffer *b, const struct evidence *v);

/* One row more of a table of the text. */
void evidence_text_row(struct evidence *v, enum audit_list list, const json_t *view,
                       const json_t *approval);

/* One row of a table on the page. */
void html_chart(struct buffer *b, const json_t *days);
void html_row(struct buffer *b, const struct evidence_list *l, const json_t *view,
              const json_t *approval, struct buffer *room);
