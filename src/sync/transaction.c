/*
 * The one open transaction of the engine. Everybody writes into it; a turn commits it, at once
 * when something waits to be durable (an intent before its request, an outcome before the next
 * step), else when it has been open for a while. So thousands of entries or calls a second
 * share few commits.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "sync/internal.h"

void engine_state_failed(struct engine *n, const struct error *e)
{
    if (state_in_transaction(n->state)) /* half a step is none */
        state_rollback(n->state);
    if (n->state_failed)
        return;
    n->state_failed = true;
    snprintf(n->state_error, sizeof n->state_error, "%s", e->message);
    log_event(
        LOG_ERR, MSG_STATE_FAILED,
        "The state file cannot be written: %s. Nothing more is sent to the tenant until it can",
        e->message);
    engine_status_changed(n);
}

int engine_write(struct engine *n, struct error *e)
{
    if (n->state_failed)
        return error_set(e, -EIO, "the state file failed earlier: %s", n->state_error);
    if (state_in_transaction(n->state))
        return 0;
    int r = state_begin(n->state, e);
    if (r < 0) {
        engine_state_failed(n, e);
        return r;
    }
    n->transaction_since_usec = clock_monotonic_usec();
    if (!n->in_turn)
        engine_wake(n);
    return 0;
}

int engine_commit(struct engine *n, struct error *e)
{
    n->commit_wanted = false;
    n->outcome_since_usec = 0;
    if (!state_in_transaction(n->state))
        return 0;
    int r = state_commit(n->state, e);
    if (r < 0) {
        engine_state_failed(n, e);
        return r;
    }
    state_checkpoint_soon(n->state);
    engine_export_soon(n);
    return 0;
}

void engine_act(struct engine *n, const struct engine_act *act)
{
    n->act = act;
}

/* What follows from a request by itself, such as the end of an alarm, is nobody's act. */
static bool is_asked_for(const char *event)
{
    return strcmp(event, "alarm") != 0 && strcmp(event, "alarm-over") != 0;
}

int engine_note_request(struct engine *n, const char *what, const char *entry_id,
                        const char *sentence, struct error *e)
{
    struct audit_row row = {
        .event = "request", .entry_id = entry_id, .code = what, .sentence = sentence};
    int r = engine_audit(n, &row, e);
    n->commit_wanted = true;
    engine_wake(n);
    return r;
}

int engine_audit(struct engine *n, const struct audit_row *row, struct error *e)
{
    if (n->options.plan_only)
        return 0;
    struct audit_row r = *row;
    r.run = r.run ? r.run : n->run;
    r.fingerprint = r.fingerprint ? r.fingerprint : n->options.fingerprint;
    if (n->act && is_asked_for(r.event)) {
        r.actor = n->act->actor;
        r.plan = n->act->plan;
        r.reason = n->act->reason;
    }
    int rc = engine_write(n, e);
    return rc < 0 ? rc : audit_record(n->state, &r, e);
}

int engine_record(struct engine *n, const struct audit_row *row, struct error *e)
{
    int r = engine_audit(n, row, e);
    engine_wake(n); /* what waited for the commit goes on */
    return r < 0 ? r : engine_commit(n, e);
}

int engine_remember(struct engine *n, const char *name, const char *value, struct error *e)
{
    int r = engine_write(n, e);
    if (r == 0)
        r = state_meta_set(n->state, name, value, e);
    engine_wake(n);
    return r < 0 ? r : engine_commit(n, e);
}

static int on_export(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct engine *n = userdata;
    struct error e = {0};
    if (state_in_transaction(
            n->state)) { /* its turn will come: rows of an open transaction stay */
        engine_export_soon(n);
        return 0;
    }
    engine_audit_written(n, audit_export_run(n->audit, &e) >= 0, e.message);
    return 0;
}

/* What is not on record is not done: no intent is written while the file cannot be. */
void engine_audit_written(struct engine *n, bool fine, const char *sentence)
{
    bool was_fine = !n->audit_failed;
    n->audit_failed = !fine;
    if (!fine) {
        snprintf(n->audit_error, sizeof n->audit_error, "%s", sentence);
        engine_export_soon(n);
    }
    if (fine == was_fine)
        return;
    if (fine) {
        log_notice("The audit file can be written again");
        alarm_over(n, REASON_AUDIT_FAILED);
    } else {
        log_error("The audit file cannot be written: %s. Nothing more is sent to the tenant until "
                  "it can",
                  n->audit_error);
        alarm_set(n, REASON_AUDIT_FAILED, REASON_AUDIT_FAILED, n->audit_error);
    }
    engine_status_changed(n);
    engine_wake(n);
}

/* A few milliseconds later, so that one write serves many rows; a second later while the file
 * cannot be written. */
void engine_export_soon(struct engine *n)
{
    if (!n->audit)
        return;
    uint64_t at = clock_monotonic_usec() + (n->audit_failed ? USEC_PER_SEC : 20 * USEC_PER_MSEC);
    int enabled = SD_EVENT_OFF;
    if (n->export_timer && sd_event_source_get_enabled(n->export_timer, &enabled) >= 0 &&
        enabled != SD_EVENT_OFF)
        return;
    int r = n->export_timer ? sd_event_source_set_time(n->export_timer, at)
                            : sd_event_add_time(n->event, &n->export_timer, CLOCK_MONOTONIC, at,
                                                USEC_PER_MSEC, on_export, n);
    if (r >= 0)
        r = sd_event_source_set_enabled(n->export_timer, SD_EVENT_ONESHOT);
    if (r < 0)
        log_error("Cannot arm the timer of the audit file: error %d", r);
}
