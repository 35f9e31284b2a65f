/* What happened over a time, for people who review it. */
#pragma once
#include <jansson.h>
#include <stdint.h>

#include "audit/audit.h"

enum audit_list {
    LIST_JOINERS = 0,
    LIST_LEAVERS,
    LIST_PRIVILEGED, /* changes of privileged roles, also at a create: those lines are in two
                        lists */
    LIST_ROLES,      /* of all other roles */
    LIST_MOVERS,
    LIST_APPROVALS,
    LIST_WAITING,
    LIST_CONFIGURATION,
    LIST_DRIFT,
    LIST_COMPARISONS,
    LIST_ALARMS,
    LIST_ERASURES,
    AUDIT_LISTS,
};
enum audit_haste {
    HASTE_JOINERS = 0,
    HASTE_MOVERS,
    HASTE_LEAVERS,
    HASTE_REVOCATIONS,
    AUDIT_HASTES,
};
/* How long it took until the first request, of those that needed no approval. */
struct audit_delays {
    uint32_t *ms; /* ascending, once the report is made */
    size_t n, capacity;
    uint64_t n_approved;
};
/* The smallest that so many of a thousand do not exceed; 0 when there is none. */
uint32_t audit_delay(const struct audit_delays *d, unsigned per_mille);

struct audit_report {
    struct audit_verify_result verdict;
    uint64_t totals[AUDIT_LISTS];
    json_t *days; /* "2026-11-28": {"joiners", "leavers", "others": how many} */
    struct audit_delays delays[AUDIT_HASTES];
    json_t *comparison;    /* the view of the last one; NULL: none */
    bool privileged_known; /* a configuration that names the privileged roles is in the files */
};
/* A line of a list, in the order of the files. approval: {"seq", "by"} of what a person approved,
 * or NULL. 0 or -errno. */
typedef int (*audit_report_fn)(enum audit_list list, const json_t *view, const json_t *approval,
                               void *userdata);
/* One pass over the files; its memory grows with the days and four bytes an operation. */
int audit_report(struct audit_report *r, const char *const *files, size_t n_files,
                 const struct audit_filter *filter /* since, until */,
                 const struct audit_verify_options *trusted /* or NULL */, audit_report_fn fn,
                 void *userdata, struct error *e);
void audit_report_done(struct audit_report *r);
