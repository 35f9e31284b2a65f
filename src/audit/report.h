/* What happened over a time, for people who review it. */
#pragma once
#include <jansson.h>
#include <stdint.h>

#include "audit/audit.h"

#define AUDIT_REPORT_ROWS 20000 /* of one list */

struct audit_report {
    struct audit_verify_result verdict;
    json_t *totals; /* list: how many */
    json_t *days;   /* "2026-11-28": {list: how many} */
    json_t *lists;  /* list: [views of lines] */
    uint64_t n_lines, n_left_out;
};
int audit_report(struct audit_report *r, const char *const *files, size_t n_files,
                 const struct audit_filter *filter, struct error *e);
void audit_report_done(struct audit_report *r);
