/*
 * A run: one pass from changes to what became of them, with an id that stands on every log line
 * and audit row, and a ledger that adds up. While one is under way everything that comes joins
 * it.
 */
#include "config.h"

#include <inttypes.h>
#include <jansson.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "state/person.h"

int run_join(struct books *b, const char *trigger, struct error *e)
{
    uint64_t run = 0;
    books_note(b, WORK_RUN);
    if (books_run(b))
        return 0;
    int r = run_begin(books_state(b), trigger, clock_now_usec(), &run, e);
    if (r < 0)
        return r;
    books_set_run(b, run);
    if (!books_options(b)->quiet)
        log_set_run(run);
    struct audit_row row = {.event = "run-begin", .sentence = trigger};
    return books_audit(b, &row, e);
}

struct ledger {
    json_t *totals;
    size_t seen;
};

static void add_to_ledger(enum person_bucket bucket, const char *code, size_t count, void *userdata)
{
    struct ledger *l = userdata;
    const char *name = person_bucket_name(bucket);
    bool by_reason = bucket == BUCKET_SKIPPED || bucket == BUCKET_HELD || bucket == BUCKET_FAILED;
    l->seen += count;
    if (!by_reason) {
        json_int_t before = json_integer_value(json_object_get(l->totals, name));
        json_object_set_new(l->totals, name, json_integer(before + (json_int_t)count));
        return;
    }
    json_t *reasons = json_object_get(l->totals, name);
    if (!reasons) {
        reasons = json_object();
        json_object_set_new(l->totals, name, reasons);
    }
    const char *reason = code ? code : "unknown";
    json_int_t before = json_integer_value(json_object_get(reasons, reason));
    json_object_set_new(reasons, reason, json_integer(before + (json_int_t)count));
}

int run_close(struct books *b, char **ret_ledger, struct error *e)
{
    struct ledger l = {.totals = json_object()};
    int r = person_ledger(books_state(b), books_run(b), clock_steady_usec(), add_to_ledger, &l, e);
    json_object_set_new(l.totals, "seen", json_integer((json_int_t)l.seen));
    CLEANUP(freep) char *text = json_dumps(l.totals, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(l.totals);
    if (r == 0 && !text)
        r = error_out_of_memory(e);
    if (r == 0)
        r = run_end(books_state(b), books_run(b), clock_now_usec(), text, e);
    struct audit_row row = {.event = "run-end", .details = text};
    if (r == 0)
        r = books_audit(b, &row, e);
    if (r < 0)
        return r;
    *ret_ledger = TAKE(text);
    return 0;
}

void run_closed(struct books *b, const char *ledger)
{
    if (!books_options(b)->quiet) {
        log_event(LOG_INFO, MSG_RUN_ENDED, "Run %" PRIu64 " is over: %s", books_run(b), ledger);
        log_set_run(0);
    }
    books_set_run(b, 0);
}
