/*
 * What happened over a time, counted and sorted into lists for people who review it, in one pass
 * over the files. What becomes of a line of a list is the caller's business.
 */
#include "config.h"

#include "audit/report.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/approvals.h"
#include "audit/line.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/json.h"
#include "model/operation.h"

struct reporter {
    struct audit_report *report;
    const struct audit_filter *filter;
    audit_report_fn fn;
    void *userdata;
    struct approvals *approvals;
    struct string_list privileged;
    bool no_memory;
};

static void reporter_done(struct reporter *k)
{
    approvals_free(k->approvals);
    string_list_done(&k->privileged);
}

static const char *const joining[] = {"create", "adopt", "enable", NULL};
static const char *const leaving[] = {"disable", "delete", NULL};

static bool is_among(const char *text, const char *const *texts)
{
    while (*texts && strcmp(text, *texts) != 0)
        texts++;
    return *texts;
}

/* Does it change a role, a privileged one? */
static void look_at_roles(const struct reporter *k, const json_t *view, bool *ret_any,
                          bool *ret_privileged)
{
    json_t *change;
    size_t i;

    *ret_any = *ret_privileged = false;
    json_array_foreach (json_object_get(view, "changes"), i, change) {
        const char *field = json_text_of(change, "field");

        const char *role;

        if (!field || change_kind_of(field, &role) != CHANGE_ROLE)
            continue;
        *ret_any = true;
        for (size_t n = 0; n < k->privileged.n_items; n++)
            if (text_equal_fold(role, k->privileged.items[n]))
                *ret_privileged = true;
    }
}

/* The configuration names what is privileged: a section, a key and a value on three lines. */
static int learn_privileged(struct reporter *k, const json_t *view)
{
    static const char key[] = "guard\nprivileged_roles\n";
    const json_t *details = json_object_get(view, "details");
    const char *facts = json_text_of(details, "facts"), *at = facts, *end;

    if (!facts)
        return 0;
    k->report->privileged_known = true;
    string_list_done(&k->privileged);
    while ((at = strstr(at, key)) && at > facts && at[-1] != '\n')
        at++;
    if (!at)
        return 0;
    at += sizeof(key) - 1;
    end = at + strcspn(at, "\n");
    while (at < end) {
        size_t n = strcspn(at, ",\n"), size = n;

        while (size && *at == ' ')
            at++, size--, n--;
        while (size && at[size - 1] == ' ')
            size--;
        if (size && string_list_add_n(&k->privileged, at, size) < 0)
            return -ENOMEM;
        at += n + 1;
    }
    return 0;
}

/* The list of what was done; -1: none. */
static int list_of_outcome(const json_t *view, bool roles, bool privileged)
{
    const char *kind = json_text_of(view, "operation");

    if (kind && is_among(kind, joining))
        return LIST_JOINERS;
    if (kind && is_among(kind, leaving))
        return LIST_LEAVERS;
    if (privileged)
        return -1; /* it is listed among those */
    return roles ? LIST_ROLES : LIST_MOVERS;
}

static int list_of(const char *event)
{
    static const struct {
        const char *event;
        enum audit_list list;
    } lists[] = {{"approve", LIST_APPROVALS},     {"configuration", LIST_CONFIGURATION},
                 {"start", LIST_CONFIGURATION},   {"drift", LIST_DRIFT},
                 {"reconcile", LIST_COMPARISONS}, {"erase-begin", LIST_ERASURES},
                 {"erase-end", LIST_ERASURES},    {"alarm", LIST_ALARMS},
                 {"repair", LIST_ALARMS},         {"skip", LIST_WAITING},
                 {"hold", LIST_WAITING},          {"park", LIST_WAITING}};

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        if (strcmp(event, lists[i].event) == 0)
            return lists[i].list;
    return -1;
}

/* Does it begin with a day? A line that nobody of ours wrote may have anything there. */
static bool has_day(const char *time)
{
    static const char form[] = "dddd-dd-dd";

    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'd' ? time[i] < '0' || time[i] > '9' : time[i] != form[i])
            return false;
    return true;
}

static void count_day(struct audit_report *r, enum audit_list list, const json_t *view)
{
    const char *time = json_text_of(view, "time");
    const char *what = list == LIST_JOINERS   ? "joiners"
                       : list == LIST_LEAVERS ? "leavers"
                                              : "others";
    char day[11] = "";
    json_t *counts;

    if (!time || !has_day(time))
        return;
    memcpy(day, time, 10);
    counts = json_object_get(r->days, day);
    if (!counts) {
        counts = json_object();
        json_object_set_new(r->days, day, counts);
    }
    json_object_set_new(counts, what,
                        json_integer(json_integer_value(json_object_get(counts, what)) + 1));
}

static int emit(struct reporter *k, enum audit_list list, const json_t *view)
{
    k->report->totals[list]++;
    return k->fn(list, view, approvals_of(k->approvals, view), k->userdata);
}

static int take_outcome(struct reporter *k, const json_t *view)
{
    bool roles, privileged;
    int list, r = 0;

    if (!json_text_is(view, "code", "done"))
        return 0;
    look_at_roles(k, view, &roles, &privileged);
    list = list_of_outcome(view, roles, privileged);
    count_day(k->report, list >= 0 ? (enum audit_list)list : LIST_ROLES, view);
    if (list >= 0)
        r = emit(k, (enum audit_list)list, view);
    if (r == 0 && privileged)
        r = emit(k, LIST_PRIVILEGED, view);
    approvals_over(k->approvals, view);
    return r;
}

static enum audit_haste haste_of(const struct line_chain *l)
{
    char kind[24], code[24];

    line_word(l, ",\"op\":\"", kind, sizeof(kind));
    line_word(l, ",\"code\":\"", code, sizeof(code));
    if (strcmp(code, REASON_REVOKED) == 0)
        return HASTE_REVOCATIONS;
    if (is_among(kind, joining))
        return HASTE_JOINERS;
    return is_among(kind, leaving) ? HASTE_LEAVERS : HASTE_MOVERS;
}

/* How long it took is in front of what is personal, so that most intents need no parsing. */
static int take_intent(struct reporter *k, const struct line_chain *l, const char *line)
{
    struct audit_delays *d = &k->report->delays[haste_of(l)];
    char lag[24];
    bool says_what;
    uint64_t ms;

    line_word(l, ",\"lag\":", lag, sizeof(lag));
    if (!lag[0] || text_parse_unsigned(lag, UINT64_MAX, &ms) < 0)
        return 0;
    if (approvals_of_number(k->approvals, line_number(line, &says_what))) {
        d->n_approved++;
        return 0;
    }
    if (memory_grow(&d->ms, &d->capacity, d->n + 1, sizeof(*d->ms)) < 0)
        return -ENOMEM;
    d->ms[d->n++] = ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
    return 0;
}

static bool is_meant(const struct audit_filter *f, const char *time)
{
    return time && (!f->since || strcmp(time, f->since) >= 0) &&
           (!f->until || strcmp(time, f->until) < 0);
}

/* What came before the time that is asked for is read as well: a configuration, an approval. */
static enum audit_want wants(const struct line_chain *l, const char *line, void *userdata)
{
    struct reporter *k = userdata;
    bool meant = is_meant(k->filter, l->time);
    char event[24], code[24];
    int list;

    if (l->version == LINE_OLD)
        return AUDIT_READ;
    line_word(l, ",\"ev\":\"", event, sizeof(event));
    line_word(l, ",\"code\":\"", code, sizeof(code));
    list = list_of(event);
    if (strcmp(event, "outcome") == 0)
        return meant && strcmp(code, "done") == 0 ? AUDIT_READ : AUDIT_NOTE;
    if (list == LIST_APPROVALS || list == LIST_CONFIGURATION || strcmp(event, "repair") == 0)
        return AUDIT_READ;
    if (meant && strcmp(event, "intent") == 0 && take_intent(k, l, line) < 0)
        k->no_memory = true;
    return strcmp(event, "intent") == 0 ? AUDIT_NOTE
           : meant && list >= 0         ? AUDIT_READ
                                        : AUDIT_PASS_OVER;
}

static int take_line(const char *line, const json_t *view, void *userdata)
{
    struct reporter *k = userdata;
    const char *event = json_text_of(view, "event");
    int list = list_of(event ? event : ""), r = k->no_memory ? -ENOMEM : 0;

    (void)line;
    if (r == 0)
        r = approvals_take(k->approvals, view);
    if (r == 0 && list == LIST_CONFIGURATION)
        r = learn_privileged(k, view);
    if (r < 0 || !is_meant(k->filter, json_text_of(view, "time")))
        return r;
    if (json_text_is(view, "event", "outcome"))
        return take_outcome(k, view);
    if (list == LIST_COMPARISONS) {
        json_decref(k->report->comparison);
        k->report->comparison = json_incref((json_t *)(uintptr_t)view);
    }
    return list >= 0 ? emit(k, (enum audit_list)list, view) : 0;
}

static int compare_ms(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

uint32_t audit_delay(const struct audit_delays *d, unsigned per_mille)
{
    size_t rank = (d->n * per_mille + 999) / 1000;

    return d->n ? d->ms[rank ? rank - 1 : 0] : 0;
}

/* Verifying takes no less time than reading, so both are done at once. */
struct verification {
    const char *const *files;
    size_t n_files;
    const struct audit_verify_options *trusted;
    struct audit_verify_result *verdict;
    pthread_t thread;
    bool running;
    int r;
    struct error e;
};

static void *verify_files(void *userdata)
{
    struct verification *c = userdata;

    c->r = audit_verify(c->files, c->n_files, c->trusted, c->verdict, &c->e);
    return NULL;
}

static int start_check(struct verification *c, struct error *e)
{
    int r = pthread_create(&c->thread, NULL, verify_files, c);

    c->running = r == 0;
    return r ? error_set(e, -r, "the files cannot be verified: %s", strerror(r)) : 0;
}

/* r: how the reading went. */
static int end_check(struct verification *c, int r, struct error *e)
{
    if (c->running)
        (void)pthread_join(c->thread, NULL);
    if (r == 0 && c->r < 0) {
        *e = c->e;
        return c->r;
    }
    return r;
}

int audit_report(struct audit_report *r, const char *const *files, size_t n_files,
                 const struct audit_filter *filter, const struct audit_verify_options *trusted,
                 audit_report_fn fn, void *userdata, struct error *e)
{
    CLEANUP(reporter_done)
    struct reporter k = {.report = r,
                         .filter = filter,
                         .fn = fn,
                         .userdata = userdata,
                         .approvals = approvals_new()};
    struct audit_filter all = {.wants = wants, .brief = filter->brief};
    struct verification check = {
        .files = files, .n_files = n_files, .trusted = trusted, .verdict = &r->verdict};
    int n;

    r->days = json_object();
    if (!r->days || !k.approvals)
        return error_out_of_memory(e);
    n = start_check(&check, e);
    if (n == 0)
        n = audit_each(files, n_files, &all, take_line, &k, e);
    n = k.no_memory ? -ENOMEM : n;
    n = end_check(&check, n, e);
    for (size_t i = 0; i < AUDIT_HASTES; i++)
        if (r->delays[i].n)
            qsort(r->delays[i].ms, r->delays[i].n, sizeof(*r->delays[i].ms), compare_ms);
    return n == -ENOMEM ? error_out_of_memory(e) : n;
}

void audit_report_done(struct audit_report *r)
{
    json_decref(r->days);
    json_decref(r->comparison);
    for (size_t i = 0; i < AUDIT_HASTES; i++)
        free(r->delays[i].ms);
    audit_verify_result_done(&r->verdict);
    *r = (struct audit_report){0};
}
