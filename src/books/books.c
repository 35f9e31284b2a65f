/*
 * The one open transaction of the engine. Everybody writes into it; a turn commits it, at once
 * when something waits to be durable (an intent before its request, an outcome before the next
 * step), else when it has been open for a while. So thousands of entries or calls a second
 * share few commits.
 */
#include "config.h"

#include "books/books.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/text.h"
#include "base/timer.h"
#include "books/engine-types.h"
#include "books/lag.h"
#include "books/ledger.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"
#include "state/steady.h"

#define EXPORT_LATEST_USEC USEC_PER_SEC

struct books {
    struct books_options o;
    sd_event_source *export_timer;
    uint64_t export_since_usec;   /* it found a transaction open then; monotonic; 0: it did not */
    const struct engine_act *act; /* who asks, while a request is handled; NULL */
    struct steady steady;         /* all that waits is measured on it */
    unsigned work, epoch;
    bool in_turn, failed;
    bool are_distrusted, were_distrusted;
    const char *epoch_why;
    uint64_t transaction_since_usec;
    uint64_t outcome_since_usec; /* the first outcome that waits for a commit came then; 0: none */
    uint64_t alarms_due_usec, alarms_rest_usec;
    uint64_t run;
    struct ledger ledger;
    struct lag lag;
    LIST_HEAD(, intent) intents;    /* that are open */
    struct string_list revocations; /* that are to be judged at once */
    char why_failed[sizeof(((struct error *)0)->message)];
    char audit_error[sizeof(((struct error *)0)->message)]; /* "": its file can be written */
};

static int begin(void *userdata, struct error *e)
{
    struct books *b = userdata;
    if (b->failed)
        return error_set(e, -EIO, "the state file failed earlier: %s", b->why_failed);
    int r = state_begin(b->o.state, e);
    if (r < 0) {
        books_failed(b, e);
        return r;
    }
    b->transaction_since_usec = clock_monotonic_usec();
    if (!b->in_turn)
        books_wake(b, WORK_DUE);
    return 0;
}

int books_new(struct books **ret, const struct books_options *o, struct error *e)
{
    struct books *b = calloc(1, sizeof(*b));
    if (!b)
        return error_out_of_memory(e);
    *b = (struct books){.o = *o, .work = WORK_GUARD | WORK_RUN};
    int r = steady_start(o->state, &b->steady, e);
    if (r < 0) {
        free(b);
        return r;
    }
    b->are_distrusted = state_meta_number(o->state, "distrusted", 0) != 0;
    b->were_distrusted = b->are_distrusted || state_meta_number(o->state, META_RESTORED, 0) != 0;
    state_begin_by(o->state, begin, b);
    *ret = b;
    return 0;
}

struct books *books_free(struct books *b)
{
    struct error e = {0};
    if (!b)
        return NULL;
    if (!b->failed && books_commit(b, &e) < 0)
        log_error("The last changes of state are lost: %s", e.message);
    state_begin_no_more(b->o.state, b);
    sd_event_source_disable_unref(b->export_timer);
    json_decref(b->ledger.totals);
    string_list_done(&b->revocations);
    free(b);
    return NULL;
}

struct state *books_state(const struct books *b)
{
    return b->o.state;
}

struct commands *books_commands(const struct books *b)
{
    return b->o.commands;
}

const struct engine_options *books_options(const struct books *b)
{
    return b->o.options;
}

const struct steady *books_steady(const struct books *b)
{
    return &b->steady;
}

int books_note_steady(struct books *b, struct error *e)
{
    return steady_note(b->o.state, &b->steady, e);
}

void books_note_steady_soon(struct books *b)
{
    b->steady.noted_usec = 0;
}

/* What is due later is written as a time of the steady clock, which goes on from its last note
 * after a boot whose clock nobody vouches for: so the note is never much older than what was
 * written. */
static int note_time(struct books *b, struct error *e)
{
    bool old = steady_note_age_usec(&b->steady) >= USEC_PER_SEC;
    return old && state_has_changed(b->o.state) ? books_note_steady(b, e) : 0;
}

int books_look_at_clock(struct books *b, struct error *e)
{
    int64_t before = steady_doubt_usec(&b->steady);
    uint64_t date = clock_date_usec();
    bool came = steady_look(&b->steady), back = clock_date_usec() + USEC_PER_SEC < date;
    if (before != steady_doubt_usec(&b->steady)) {
        b->work |= WORK_ALARMS;
        books_note_steady_soon(b); /* since when it is doubted outlives this process */
    }
    if (!came || b->o.options->plan_only)
        return 0;
    b->work |= WORK_COMMIT;
    bool gap = b->steady.gap_usec;
    int r = gap ? steady_move(b->o.state, b->steady.boot_usec, b->steady.gap_usec, e) : 0;
    if (r == 0 && (gap || back)) /* when they may go, and who has ended, is another now */
        r = person_mark_all_dirty(b->o.state, e);
    return r < 0 ? r : books_note_steady(b, e);
}

bool books_have_failed(const struct books *b)
{
    return b->failed;
}

const char *books_error(const struct books *b)
{
    return b->why_failed;
}

void books_status_changed(struct books *b)
{
    b->o.status_changed(b->o.userdata);
}

void books_failed(struct books *b, const struct error *e)
{
    if (state_in_transaction(b->o.state)) /* half a step is none */
        state_rollback(b->o.state);
    if (b->failed)
        return;
    b->failed = true;
    snprintf(b->why_failed, sizeof(b->why_failed), "%s", e->message);
    log_event(
        LOG_ERR, MSG_STATE_FAILED,
        "The state file cannot be written: %s. Nothing more is sent to the tenant until it can",
        e->message);
    books_status_changed(b);
    books_begin_epoch(b, "the state file cannot be written"); /* wakes: an end may wait */
}

uint64_t books_open_since_usec(const struct books *b)
{
    return state_in_transaction(b->o.state) ? b->transaction_since_usec : 0;
}

static void export_soon(struct books *b);

int books_commit(struct books *b, struct error *e)
{
    b->work &= ~(unsigned)WORK_COMMIT;
    if (b->outcome_since_usec && !b->in_turn)
        books_wake(b, WORK_DUE); /* free slots wait for that commit, and nothing else wakes them */
    b->outcome_since_usec = 0;
    if (!state_in_transaction(b->o.state))
        return 0;
    int r = note_time(b, e);
    if (r == 0)
        r = state_commit(b->o.state, e);
    if (r < 0) {
        books_failed(b, e);
        return r;
    }
    alarm_forget_remembered(b->o.state);
    state_checkpoint_soon(b->o.state);
    export_soon(b);
    return 0;
}

void books_act(struct books *b, const struct engine_act *act)
{
    b->act = act;
}

const struct engine_act *books_asked_by(const struct books *b)
{
    return b->act;
}

/* What follows from a request by itself, such as the end of an alarm, is nobody's act. */
static bool is_asked_for(const char *event)
{
    return strcmp(event, "alarm") != 0 && strcmp(event, "alarm-over") != 0;
}

int books_audit(struct books *b, const struct audit_row *row, struct error *e)
{
    if (b->o.options->plan_only)
        return 0;
    struct audit_row r = *row;
    r.run = r.run ? r.run : b->run;
    r.fingerprint = r.fingerprint ? r.fingerprint : b->o.options->fingerprint;
    if (b->act && is_asked_for(r.event)) {
        r.actor = b->act->actor;
        r.plan = b->act->plan;
        r.reason = b->act->reason;
    }
    int rc = audit_record(b->o.state, &r, e);
    if (rc == 0 && r.lag_usec)
        lag_count(&b->lag, r.lag_usec);
    return rc;
}

const struct lag *books_lag(const struct books *b)
{
    return &b->lag;
}

int books_note_request(struct books *b, const char *what, const char *entry_id,
                       const char *sentence, struct error *e)
{
    struct audit_row row = {
        .event = "request", .entry_id = entry_id, .code = what, .sentence = sentence};
    int r = books_audit(b, &row, e);
    books_wake(b, WORK_COMMIT);
    return r;
}

void books_note(struct books *b, unsigned work)
{
    b->work |= work;
}

void books_wake(struct books *b, unsigned work)
{
    b->work |= work;
    b->o.wake(b->o.userdata);
}

bool books_have(const struct books *b, unsigned work)
{
    return b->work & work;
}

bool books_take(struct books *b, unsigned work)
{
    bool some = b->work & work;
    b->work &= ~work;
    return some;
}

void books_outcome(struct books *b)
{
    if (!b->outcome_since_usec)
        b->outcome_since_usec = clock_monotonic_usec();
    books_wake(b, WORK_COMMIT | WORK_ALARMS);
}

uint64_t books_outcome_since_usec(const struct books *b)
{
    return b->outcome_since_usec;
}

void books_turn(struct books *b, bool under_way)
{
    b->in_turn = under_way;
}

void books_alarms_at(struct books *b, uint64_t usec)
{
    if (usec && (!b->alarms_due_usec || usec < b->alarms_due_usec))
        b->alarms_due_usec = usec;
}

void books_alarms_rest_until(struct books *b, uint64_t usec)
{
    b->alarms_rest_usec = usec;
}

uint64_t books_alarms_rest_usec(const struct books *b)
{
    return b->alarms_rest_usec;
}

uint64_t books_alarms_due_usec(const struct books *b)
{
    return b->alarms_due_usec;
}

void books_forget_alarms_due(struct books *b)
{
    b->alarms_due_usec = 0;
}

int books_note_revocation(struct books *b, const char *entry_id, struct error *e)
{
    books_wake(b, WORK_DUE);
    return string_list_add_once(&b->revocations, entry_id) < 0 ? error_out_of_memory(e) : 0;
}

struct string_list books_take_revocations(struct books *b)
{
    struct string_list taken = b->revocations;
    b->revocations = (struct string_list){0};
    return taken;
}

unsigned books_epoch(const struct books *b)
{
    return b->epoch;
}

const char *books_epoch_why(const struct books *b)
{
    return b->epoch_why;
}

void books_begin_epoch(struct books *b, const char *why)
{
    b->epoch++;
    b->epoch_why = why;
    books_wake(b, WORK_DUE); /* the turn takes back what waits */
}

void books_open_intent(struct books *b, struct intent *i)
{
    LIST_INSERT_HEAD(&b->intents, i, link);
}

void books_close_intent(struct intent *i)
{
    if (i->link.le_prev) /* it is open */
        LIST_REMOVE(i, link);
    i->link.le_prev = NULL;
}

void books_note_moved(struct books *b, const char *entry_id)
{
    struct intent *i;
    LIST_FOREACH (i, &b->intents, link)
        i->moved |= text_equal(i->entry_id, entry_id);
}

void books_hurry(struct books *b, const char *entry_id)
{
    struct intent *i;
    LIST_FOREACH (i, &b->intents, link)
        i->hurries |= text_equal(i->entry_id, entry_id);
}

bool books_are_distrusted(const struct books *b)
{
    return b->are_distrusted;
}

bool books_were_distrusted(const struct books *b)
{
    return b->were_distrusted;
}

int books_distrust(struct books *b, bool are, struct error *e)
{
    b->are_distrusted = are;
    b->were_distrusted = true;
    int r = state_meta_set(b->o.state, META_RESTORED, "1", e);
    return r < 0 ? r : state_meta_set(b->o.state, "distrusted", are ? "1" : NULL, e);
}

uint64_t books_run(const struct books *b)
{
    return b->run;
}

struct ledger *books_ledger(struct books *b)
{
    return &b->ledger;
}

void books_set_run(struct books *b, uint64_t run)
{
    b->run = run;
}

/* Rows of an open transaction stay, and its turn will come; but while the directory is read the
 * next one opens as soon as one ends, and what is in the state already is not to wait for that. */
static int on_export(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct books *b = userdata;
    struct error e = {0};
    uint64_t now = clock_monotonic_usec();
    bool open = state_in_transaction(b->o.state);
    if (open && (!b->export_since_usec || now - b->export_since_usec < EXPORT_LATEST_USEC)) {
        b->export_since_usec = b->export_since_usec ? b->export_since_usec : now;
        export_soon(b);
        return 0;
    }
    b->export_since_usec = 0;
    if (!open || books_commit(b, &e) == 0)
        books_export(b);
    return 0;
}

void books_export(struct books *b)
{
    struct error e = {0};
    if (!b->o.audit)
        return;
    books_audit_written(b, audit_export_run(b->o.audit, &e) >= 0, e.message);
    b->o.audit_written(b->o.audit, b->o.userdata);
}

const char *books_audit_error(const struct books *b)
{
    return b->audit_error[0] ? b->audit_error : NULL;
}

/* What is not on record is not done: no intent is written while the file cannot be. */
void books_audit_written(struct books *b, bool fine, const char *sentence)
{
    bool was_fine = !b->audit_error[0];
    snprintf(b->audit_error, sizeof(b->audit_error), "%s", fine ? "" : sentence);
    if (!fine)
        export_soon(b);
    if (fine == was_fine)
        return;
    if (fine)
        log_notice("The audit file can be written again");
    else
        log_error(
            "The audit file cannot be written: %s. Nothing more is sent to the tenant until it can",
            sentence);
    if (!fine)
        books_begin_epoch(b, "the audit file cannot be written");
    books_alarms_at(b, clock_steady_usec()); /* alarm_check() says so */
    books_status_changed(b);
    books_wake(b, WORK_DUE);
}

/* A few milliseconds later, so that one write serves many rows; a second later while the file
 * cannot be written. */
static void export_soon(struct books *b)
{
    if (!b->o.audit)
        return;
    uint64_t at = clock_monotonic_usec() + (b->audit_error[0] ? USEC_PER_SEC : 20 * USEC_PER_MSEC);
    int enabled = SD_EVENT_OFF;
    if (b->export_timer && sd_event_source_get_enabled(b->export_timer, &enabled) >= 0 &&
        enabled != SD_EVENT_OFF)
        return;
    int r = b->export_timer ? sd_event_source_set_time(b->export_timer, at)
                            : timer_at(b->o.event, &b->export_timer, at, on_export, b);
    if (r >= 0)
        r = sd_event_source_set_enabled(b->export_timer, SD_EVENT_ONESHOT);
    if (r < 0)
        log_error("Cannot arm the timer of the audit file: error %d", r);
}
