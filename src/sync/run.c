/*
 * A run: one pass from changes to what became of them, with an id that stands on every log line
 * and audit row, and a ledger that adds up. While one is under way everything that comes joins
 * it.
 */
#include "config.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "sync/internal.h"

int engine_begin_run(struct engine *n, const char *trigger, struct error *e)
{
    n->idle = false;
    if (n->run)
        return 0;
    int r = engine_write(n, e);
    if (r == 0)
        r = run_begin(n->state, trigger, clock_now_usec(), &n->run, e);
    if (r < 0)
        return r;
    if (!n->options.quiet)
        log_set_run(n->run);
    struct audit_row row = {.event = "run-begin", .sentence = trigger};
    return engine_audit(n, &row, e);
}

struct ledger {
    json_t *totals;
    size_t seen;
};

static void add_to_ledger(enum person_bucket b, const char *code, size_t count, void *userdata)
{
    struct ledger *l = userdata;
    const char *name = person_bucket_name(b);
    bool by_reason = b == BUCKET_SKIPPED || b == BUCKET_HELD || b == BUCKET_FAILED;
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

int engine_end_run(struct engine *n, struct error *e)
{
    struct ledger l = {.totals = json_object()};
    int r = engine_write(n, e);
    if (r == 0)
        r = person_ledger(n->state, n->run, clock_now_usec(), add_to_ledger, &l, e);
    json_object_set_new(l.totals, "seen", json_integer((json_int_t)l.seen));
    CLEANUP(freep) char *text = json_dumps(l.totals, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(l.totals);
    if (r == 0 && !text)
        r = error_out_of_memory(e);
    if (r == 0)
        r = run_end(n->state, n->run, clock_now_usec(), text, e);
    struct audit_row row = {.event = "run-end", .details = text};
    if (r == 0)
        r = engine_audit(n, &row, e);
    if (r == 0)
        r = engine_commit(n, e);
    if (r < 0)
        return r;
    if (!n->options.quiet) {
        log_event(LOG_INFO, MSG_RUN_ENDED, "Run %" PRIu64 " is over: %s", n->run,
                  text ? text : "");
        log_set_run(0);
    }
    n->run = 0;
    return 0;
}
