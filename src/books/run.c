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
#include "books/ledger.h"
#include "model/json.h"
#include "state/person.h"
#include "state/state.h"

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

/* As many people as take a few ms: 100,000 of them would hold the loop for 0.1 s. */
#define PEOPLE_A_TURN 4096
/* When changes come faster than a long run can be counted, it is not begun anew with each. */
#define REST_USEC USEC_PER_SEC

/* What a turn has written before it counts may disturb the first attempt. */
static void begin_anew(struct ledger *l)
{
    json_decref(TAKE(l->totals));
    l->after = 0;
    if (++l->n_disturbed < 2)
        return;
    l->n_disturbed = 0;
    l->rests_usec = clock_steady_usec() + REST_USEC;
}

uint64_t run_rests_usec(struct books *b)
{
    uint64_t until = books_ledger(b)->rests_usec;
    return books_run(b) && until > clock_steady_usec() ? until : 0;
}

static int count_some(struct books *b, struct ledger *l, struct error *e)
{
    size_t slice = books_options(b)->slice;
    if (l->totals && l->n_changes != state_n_changes(books_state(b)))
        begin_anew(l);
    if (run_rests_usec(b))
        return RUN_RESTS;
    if (!l->totals)
        *l = (struct ledger){.totals = json_object(),
                             .now_usec = clock_steady_usec(),
                             .n_disturbed = l->n_disturbed};
    int r = person_ledger(books_state(b), books_run(b), l->now_usec, slice ? slice : PEOPLE_A_TURN,
                          &l->after, add_to_ledger, l, e);
    l->n_changes = state_n_changes(books_state(b));
    return r < 0 ? r : l->after ? RUN_MORE : 0;
}

static int count(struct books *b, char **ret, struct error *e)
{
    struct ledger *l = books_ledger(b);
    int r = count_some(b, l, e);
    if (r == RUN_MORE || r == RUN_RESTS)
        return r;
    json_object_set_new(l->totals, "seen", json_integer((json_int_t)l->seen));
    *ret = r == 0 ? json_to_text(l->totals, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(TAKE(l->totals));
    l->n_disturbed = 0;
    return r == 0 && !*ret ? error_out_of_memory(e) : r;
}

int run_close(struct books *b, char **ret_ledger, struct error *e)
{
    CLEANUP(freep) char *text = NULL;
    int r = count(b, &text, e);
    if (r > 0)
        return r;
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
