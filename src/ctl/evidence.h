/* An audit report as text, as one page of HTML, and as CSV. */
#pragma once
#include "audit/report.h"

struct buffer;
struct output;

/* The lists in the order of the report; a NULL name ends them. */
struct evidence_list {
    const char *name, *title, *explained;
};
extern const struct evidence_list evidence_lists[];

void evidence_text(struct output *o, const struct audit_report *r);
void evidence_html(struct buffer *b, const struct audit_report *r, const char *since,
                 const char *until);
/* One list. A cell that a spreadsheet would take for a formula begins with a quote. */
void evidence_csv(struct buffer *b, const json_t *rows);
