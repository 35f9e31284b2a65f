/*
 * After each verification of all users: does what the tenant was just seen to hold, and what the
 * state remembers of it, follow from the lines of the audit? A thread reads the audit's files; the
 * loop then compares the links, some at a time, and writes a line with the result. Whoever differs
 * from the tenant has a drift line already; whoever holds what no line gave gets one.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/holdings.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "base/worker.h"
#include "daemon/daemon.h"
#include "model/user.h"
#include "state/link.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/trail.h"

#define AT_ONCE    200 /* links, before the loop goes on */
#define TOLD_MAX   50  /* people with a line of their own */
#define TRIES      3   /* to read files that are rotated meanwhile */
#define LATER_USEC (100 * USEC_PER_MSEC)

struct reconciliation {
    struct daemon *daemon;
    sd_event_source *next;
    struct worker *worker;
    int64_t exported; /* the last line that the files had when it began */
    unsigned n_tried;
    struct string_list files;
    struct holdings *holdings;
    char *entry_id; /* the last one that was compared */
    size_t n_compared, n_drift, n_unrecorded, n_untold;
    int r;
    struct error e;
};

static void reconciliation_free(struct reconciliation *x)
{
    x->daemon->reconciliation = NULL;
    link_watch_end(x->daemon->state);
    worker_free(x->worker);
    sd_event_source_disable_unref(x->next);
    string_list_done(&x->files);
    holdings_free(x->holdings);
    free(x->entry_id);
    free(x);
}

static void give_up(struct reconciliation *x, const struct error *e)
{
    log_warning("The users were not compared with the audit: %s", e->message);
    reconciliation_free(x);
}

/* On the thread. */
static void work(void *userdata)
{
    struct reconciliation *x = userdata;
    x->r =
        holdings_read(&x->holdings, (const char *const *)x->files.items, x->files.n_items, &x->e);
}

static int record_unrecorded(struct reconciliation *x, const struct link *l,
                             const struct string_list *fields, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    x->n_unrecorded++;
    if (x->n_unrecorded > TOLD_MAX)
        return 0;
    buffer_add_text(&b, "no line of the audit gave what the user holds: ");
    for (size_t i = 0; i < fields->n_items; i++)
        buffer_format(&b, "%s%s", i ? ", " : "", fields->items[i]);
    if (b.failed)
        return error_out_of_memory(e);
    log_warning("User %s: %s", l->login, b.data);
    return engine_record(x->daemon->engine,
                         &(struct audit_row){.event = "drift",
                                             .entry_id = l->entry_id,
                                             .login = l->login,
                                             .code = "unrecorded",
                                             .sentence = b.data},
                         e);
}

/* What was written since the files began to be read is compared another time. */
static bool is_settled(const struct reconciliation *x, const struct link *l)
{
    struct error ignored = {0};
    return l->known && l->status != LINK_DELETED && l->confirmed_usec &&
           !link_watch_has(x->daemon->state, l->entry_id) &&
           !queue_has(x->daemon->state, l->entry_id, &ignored);
}

static int compare(struct reconciliation *x, const struct link *l, struct error *e)
{
    CLEANUP(user_freep) struct user *known = NULL, *quirks = NULL, *wanted = NULL;
    struct string_list fields = {0};
    struct person p = {0};
    if (!is_settled(x, l))
        return 0;
    int r = user_from_json(&known, l->known, e);
    if (r == 0)
        r = user_from_json_if_any(&quirks, l->quirks, e);
    if (r == 0)
        r = person_load(x->daemon->state, l->entry_id, &p, e);
    if (r == 0)
        r = user_from_json_if_any(&wanted, p.wanted, e);
    if (r >= 0)
        r = holdings_compare(x->holdings, l->entry_id, known, quirks, wanted, &fields, e);
    person_done(&p);
    x->n_untold += r == HOLDINGS_NONE;
    x->n_compared += r == 0;
    x->n_drift += r == 0 && l->drift;
    if (r == 0 && fields.n_items)
        r = record_unrecorded(x, l, &fields, e);
    string_list_done(&fields);
    return r < 0 ? r : 0;
}

static int finish(struct reconciliation *x, struct error *e)
{
    char sentence[400], details[200];
    bool fine = !x->n_drift && !x->n_unrecorded;
    snprintf(sentence, sizeof(sentence),
             "%zu user%s compared with what the audit says: %zu changed by others at the contact "
             "center, %zu hold what no line gave, and of %zu the audit does not tell enough",
             x->n_compared, x->n_compared == 1 ? " was" : "s were", x->n_drift, x->n_unrecorded,
             x->n_untold);
    snprintf(
        details, sizeof(details),
        "{\"compared\":%zu,\"drift\":%zu,\"unrecorded\":%zu,\"untold\":%zu,\"erased_lines\":%llu}",
        x->n_compared, x->n_drift, x->n_unrecorded, x->n_untold,
        (unsigned long long)holdings_n_erased(x->holdings));
    log_info("Reconciliation: %s", sentence);
    return engine_record(x->daemon->engine,
                         &(struct audit_row){.event = "reconcile",
                                             .code = fine ? "fine" : "differs",
                                             .sentence = sentence,
                                             .details = details},
                         e);
}

/* 1: there are more of them. */
static int compare_some(struct reconciliation *x, struct error *e)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        CLEANUP(link_done) struct link l = {0};
        int r = link_after(x->daemon->state, x->entry_id, &l, e);
        if (r == 0)
            r = compare(x, &l, e);
        else if (r > 0)
            return 0;
        if (r < 0)
            return r;
        free(x->entry_id);
        x->entry_id = TAKE(l.entry_id);
    }
    return 1;
}

static int on_next(sd_event_source *source, void *userdata)
{
    struct reconciliation *x = userdata;
    int r = compare_some(x, &x->e);
    if (r > 0 && sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) >= 0)
        return 0;
    if (r == 0)
        r = finish(x, &x->e);
    if (r < 0)
        give_up(x, &x->e);
    else
        reconciliation_free(x);
    return 0;
}

static int begin(struct reconciliation *x, struct error *e);
static int begin_later(struct reconciliation *x);

static int on_later(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct reconciliation *x = userdata;
    (void)source;
    (void)usec;
    x->next = sd_event_source_unref(x->next);
    int r = state_in_transaction(x->daemon->state) ? begin_later(x) : begin(x, &x->e);
    if (r < 0)
        give_up(x, &x->e);
    return 0;
}

/* Not while a transaction is open: its lines would be missed again. */
static int begin_later(struct reconciliation *x)
{
    int r = timer_in(x->daemon->event, &x->next, LATER_USEC, on_later, x);
    return r < 0 ? error_set(&x->e, r, "%s", strerror(-r)) : 0;
}

/* A file that was closed between the listing and the reading has another name by then: its lines
 * were not read. */
static int compare_or_begin_anew(struct reconciliation *x)
{
    if (holdings_last_seq(x->holdings) >= x->exported) {
        int r = sd_event_add_defer(x->daemon->event, &x->next, on_next, x);
        if (r >= 0)
            r = sd_event_source_set_priority(x->next, SD_EVENT_PRIORITY_IDLE);
        return r < 0 ? error_set(&x->e, r, "%s", strerror(-r)) : 0;
    }
    x->holdings = holdings_free(x->holdings);
    x->worker = worker_free(x->worker);
    if (++x->n_tried < TRIES)
        return state_in_transaction(x->daemon->state) ? begin_later(x) : begin(x, &x->e);
    return error_set(&x->e, -EAGAIN,
                     "its files end before line %lld, which was written: is one of them missing?",
                     (long long)x->exported);
}

static void on_read(void *userdata)
{
    struct reconciliation *x = userdata;
    int r = x->r;
    if (r == 0)
        r = compare_or_begin_anew(x);
    if (r < 0)
        give_up(x, &x->e);
}

static int begin(struct reconciliation *x, struct error *e)
{
    struct string_list unread = {0};
    struct daemon *d = x->daemon;
    link_watch_begin(d->state);
    int r = audit_export_run(d->audit, e); /* what is told is in the files */
    x->exported = trail_exported_get(d->state);
    string_list_done(&x->files);
    if (r == 0)
        r = history_files(d, false, &x->files, &unread, e);
    string_list_done(&unread);
    return r < 0 ? r : worker_start(&x->worker, d->event, work, on_read, x, e);
}

void reconcile_if_due(struct daemon *d)
{
    struct error e = {0};
    if (!d->audit || d->reconciliation || d->erasure || state_in_transaction(d->state) ||
        !engine_take_verified(d->engine))
        return;
    struct reconciliation *x = calloc(1, sizeof(*x));
    if (!x)
        return;
    x->daemon = d;
    d->reconciliation = x;
    if (begin(x, &e) < 0)
        give_up(x, &e);
}

void reconcile_cancel(struct daemon *d)
{
    if (d->reconciliation)
        reconciliation_free(d->reconciliation);
}
