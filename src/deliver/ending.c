/*
 * How an operation in flight ends: done, held, back to the queue, dropped, planned anew. The
 * end is written together with all that it changes; afterwards the execution is gone.
 */
#include "config.h"

#include <stdio.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "deliver/delivery-internal.h"
#include "deliver/drift.h"

/* What another attempt waited for is not the first one's delay. */
static uint64_t lag_of(const struct operation *o)
{
    uint64_t now = clock_steady_usec();
    return o->attempts == 1 && o->due_usec && now >= o->due_usec ? now - o->due_usec + 1 : 0;
}

int execution_record_intent(struct execution *x, struct error *e)
{
    const struct operation *o = x->operation;
    struct audit_row row = {.event = "intent",
                            .operation = o,
                            .code = o->revokes ? REASON_REVOKED : NULL,
                            .attempts = o->attempts,
                            .lag_usec = lag_of(o)};
    if (x->is_recorded)
        return 0;
    x->is_recorded = true;
    int r = run_join(x->delivery->books, o->attempts > 1 ? "retry" : "operations due", e);
    return r < 0 ? r : books_audit(x->delivery->books, &row, e);
}

static int audit_outcome(struct execution *x, const char *event, const struct tenant_answer *a,
                         const char *code, const char *sentence, struct error *e)
{
    struct audit_row row = {
        .event = event,
        .operation = x->operation,
        .code = code,
        .sentence = sentence,
        .attempts = x->operation->attempts,
        .details = x->learnt.details,
    };
    int r = text_equal(event, "outcome") ? execution_record_intent(x, e) : 0;
    if (r < 0)
        return r;
    if (a) {
        row.status = a->status;
        row.answer = tenant_answer_class_name(a->class);
        /* What was done is in the changes; the body says more than that only when it was not.
         */
        row.answer_text = a->hint[0] && a->class != TENANT_DONE ? a->hint : NULL;
        row.duration_usec = a->duration_usec;
    }
    return books_audit(x->delivery->books, &row, e);
}

/* Whoever waits for a seat is looked at again when somebody leaves one, or did not take it. */
static bool may_leave_seat(const struct execution *x)
{
    enum operation_kind k = x->operation->kind;
    return k == OPERATION_DISABLE || k == OPERATION_DELETE ||
           ((k == OPERATION_CREATE || k == OPERATION_ENABLE) &&
            (!x->has_link || x->link.status != LINK_ACTIVE));
}

static void end(struct execution *x)
{
    struct delivery *d = x->delivery;
    if (d->options->sync->max_users && may_leave_seat(x))
        books_note(d->books, WORK_GUARD);
    execution_free(x);
    books_outcome(d->books);
}

static int note_spent(struct delivery *d, const struct operation *o, struct error *e)
{
    books_note_steady_soon(d->books);
    return budget_note(d->state, o->budget, clock_steady_usec(), e);
}

/* Whether it was done will never be known once it is not settled any more: it counts as done. */
static bool may_have_been_done(const struct operation *o)
{
    return operation_is_unclear(o) && o->kind != OPERATION_ADOPT && !o->approved;
}

/* The user was made as the rules wanted it at the start, nothing came in between, and nothing
 * waits: to look at the person again would find nothing. */
static bool is_settled(const struct execution *x, struct error *e)
{
    const struct operation *o = x->operation;
    /* What came since stands there for an evaluation, or for a revocation beside. */
    bool alone = o->is_next && !o->has_others && !x->intent.hurries;
    return x->learnt.as_wanted && !x->intent.moved && !x->learnt.is_unclear &&
           x->link.status == LINK_ACTIVE &&
           (alone || !queue_has(x->delivery->state, o->entry_id, e));
}

/* It was done: whoever waits under the same cause need not wait any longer. */
static int free_alike(struct execution *x, struct error *e)
{
    struct delivery *d = x->delivery;
    const struct operation *o = x->operation;
    bool any = false;
    if (!o->cause || !queue_reason_is_shared(o->reason))
        return 0;
    int r = queue_release(d->state, o->cause, clock_steady_usec(), &any, e);
    if (any)
        books_note(d->books, WORK_GUARD);
    return r;
}

/* Somebody is enabled, and has a privileged role, since this was done. */
static int makes_holder(const struct execution *x, bool *ret, struct error *e)
{
    const struct sync_options *options = x->delivery->options->sync;
    const struct operation *o = x->operation;
    CLEANUP(user_freep) struct user *known = NULL;
    bool appears = o->kind == OPERATION_ENABLE || o->kind == OPERATION_ADOPT;
    *ret = false;
    if (!options->n_privileged_roles || x->link.status != LINK_ACTIVE)
        return 0;
    for (size_t i = 0; i < o->n_changes && !*ret; i++) {
        const struct change *c = &o->changes[i];
        *ret = c->kind == CHANGE_ROLE && c->to && options_role_is_privileged(options, c->name);
    }
    int r = appears ? user_from_json_if_any(&known, x->link.known, e) : 0;
    *ret = *ret || (r == 0 && known && planner_privileged_role(known, options));
    return r < 0 ? r : 0;
}

/* The last one who had a role is not the last any more: a revocation has waited long enough. */
static int free_locked(struct execution *x, struct error *e)
{
    struct delivery *d = x->delivery;
    bool holder, any = false;
    int r = makes_holder(x, &holder, e);
    if (r == 0 && holder)
        r = queue_release_locked(d->state, clock_steady_usec(), &any, e);
    if (any)
        books_note(d->books, WORK_GUARD | WORK_REVOCATIONS);
    return r;
}

void execution_broken(struct execution *x, const struct error *e)
{
    struct delivery *d = x->delivery;
    books_failed(d->books, e);
    execution_free(x);
}

bool execution_intend(struct execution *x)
{
    struct error e = {0};
    if (x->is_recorded)
        return true;
    int r = execution_record_intent(x, &e);
    if (r == 0 && x->operation->looks)
        r = queue_looks(x->delivery->state, x->operation->number, false, &e);
    if (r == 0)
        r = books_commit(x->delivery->books, &e);
    if (r < 0)
        execution_broken(x, &e);
    return r == 0;
}

bool execution_raced(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    if (!x->is_recorded || !x->operation->looks || x->sending.wrote)
        return true;
    int r = audit_outcome(x, "outcome", a, "not-done", "somebody changed the user meanwhile", &e);
    if (r == 0)
        r = queue_looks(x->delivery->state, x->operation->number, true, &e);
    if (r == 0)
        r = books_commit(x->delivery->books, &e);
    x->is_recorded = false;
    if (r < 0)
        execution_broken(x, &e);
    return r == 0;
}

/* Of a user who was made and then renamed by somebody: on record behind the outcome. */
static int follow_rename(struct execution *x, struct error *e)
{
    struct delivery *d = x->delivery;
    bool taken = false; /* since that was asked */
    if (!x->learnt.renamed)
        return 0;
    int r = drift_follow_rename(d->books, &x->link, x->learnt.renamed, &taken, e);
    return r == 0 && taken ? link_store(d->state, &x->link, e) : r;
}

/* Done: the operation leaves the queue, and the person is looked at again, for the next step if
 * any. */
void execution_finish(struct execution *x, const struct tenant_answer *a, enum person_bucket bucket)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    const struct operation *o = x->operation;
    int r = queue_remove(d->state, o->number, &e);
    if (r == 0)
        r = free_alike(x, &e);
    if (r == 0)
        r = free_locked(x, &e);
    if (r == 0 && !o->approved && o->kind != OPERATION_ADOPT)
        r = note_spent(d, o, &e);
    if (r == 0)
        r = audit_outcome(x, "outcome", a, "done", NULL, &e);
    if (r == 0)
        r = follow_rename(x, &e);
    if (r == 0 && !is_settled(x, &e))
        r = person_mark_dirty(d->state, o->entry_id, &e);
    if (r == 0)
        r = person_touch(d->state, o->entry_id, books_run(d->books), bucket, &e);
    if (r < 0) {
        execution_broken(x, &e);
        return;
    }
    d->n_done++;
    /* The log has it from the audit, once it is committed. */
    log_debug("%s of %s is done (%s)", operation_kind_name(o->kind), o->login, o->dn);
    health_fine(d->health);
    slowed_answered(&d->slowed, d->books, o->entry_id, true);
    end(x);
}

static bool is_outage(const char *reason)
{
    static const char *const outages[] = {REASON_UNCLEAR, REASON_TENANT_AWAY, REASON_THROTTLED,
                                          REASON_LOCKOUT};
    for (size_t i = 0; i < ARRAY_SIZE(outages); i++)
        if (text_equal(reason, outages[i]))
            return true;
    return false;
}

/* The write that was begun was none: its request certainly did not leave, or lost a race, so that
 * what the tenant shows next is not of this attempt. */
static int note_unsent(const struct execution *x, const struct tenant_answer *a, struct error *e)
{
    bool left = a && !a->concerns_all && (a->class != TENANT_AWAY || a->status);
    bool written = x->sending.wrote && (left || !a || x->sending.wrote_before);
    if (written || !x->is_recorded || !x->operation->looks)
        return 0;
    return queue_looks(x->delivery->state, x->operation->number, true, e);
}

#define REVOKED_SIZE 600

/* Access that should have ended: told at once, a cause of its own, so that it waits for nobody
 * else's attempt, and tried again as soon as an outage would be. */
static uint64_t hold_revocation(const struct execution *x, const char *sentence, uint64_t wait_usec,
                                char ret_cause[static REVOKED_SIZE])
{
    char name[REVOKED_SIZE + 8], text[1400];
    uint64_t soon = execution_next_wait(x);
    snprintf(ret_cause, REVOKED_SIZE, "revoked:%s", x->operation->login);
    snprintf(name, sizeof(name), "hold:%s", ret_cause);
    snprintf(text, sizeof(text), "the access of %s should have ended, and has not: %s",
             x->operation->login, sentence);
    alarm_set(x->delivery->books, name, REASON_REVOKED, text);
    return wait_usec && wait_usec < soon ? wait_usec : soon;
}

/* Waits, for a reason that a person can read; wait_usec 0: until something it depends on
 * changes. */
void execution_hold(struct execution *x, const struct tenant_answer *a, const char *reason,
                    const char *cause, const char *sentence, uint64_t wait_usec)
{
    struct delivery *d = x->delivery;
    struct operation *o = x->operation;
    struct error e = {0};
    char revoked[REVOKED_SIZE];
    uint64_t now = clock_steady_usec();
    bool outage = is_outage(reason);
    /* It could not be read: still unclear, whatever kept us from it. */
    if (x->learnt.is_unclear) {
        reason = REASON_UNCLEAR;
        cause = "unclear";
    }
    if (o->revokes && !outage) {
        wait_usec = hold_revocation(x, sentence, wait_usec, revoked);
        cause = revoked;
    }
    bool again = text_equal(o->reason, reason);
    bool quiet = again && !x->is_recorded; /* nothing was tried, and nothing new is known */
    bool lost = may_have_been_done(o) && !text_equal(reason, REASON_UNCLEAR);
    o->state = OPERATION_HELD;
    o->not_before_usec = wait_usec ? now + wait_usec : 0;
    if (!again || !o->since_usec)
        o->since_usec = now;
    int r = operation_say(o, reason, cause, sentence);
    bool ended = !operation_is_unclear(o) && execution_end_approval(x);
    if (r < 0)
        error_out_of_memory(&e);
    if (r == 0 && lost)
        r = note_spent(d, o, &e);
    if (r == 0)
        r = queue_store(d->state, o, &e);
    if (r == 0)
        r = note_unsent(x, a, &e);
    if (r == 0 && !quiet)
        r = run_join(d->books, "operations due", &e);
    if (r == 0 && !quiet)
        r = audit_outcome(x, a ? "outcome" : "hold", a, reason, sentence, &e);
    if (r == 0 && (!quiet || ended || x->intent.moved)) /* something else may be wanted by now */
        r = person_mark_dirty(d->state, o->entry_id, &e);
    if (r == 0)
        r = person_touch(d->state, o->entry_id, books_run(d->books), BUCKET_PENDING, &e);
    if (r < 0) {
        execution_broken(x, &e);
        return;
    }
    if (!again)
        log_event(LOG_WARNING, MSG_HELD, "%s of %s waits: %s (%s)", operation_kind_name(o->kind),
                  o->login, sentence, o->dn);
    end(x);
}

void execution_hold_long(struct execution *x, const struct tenant_answer *a, const char *reason,
                         const char *cause, const char *sentence)
{
    execution_hold(x, a, reason, cause, sentence, x->delivery->options->sync->hold_retry_usec);
}

void execution_hold_login(struct execution *x, const struct tenant_answer *a, const char *login,
                          const char *sentence)
{
    char cause[400];
    snprintf(cause, sizeof(cause), "login:%s", login);
    execution_hold_long(x, a, REASON_CONFLICT, cause, sentence);
}

/* On record, the person is looked at again, and x is gone. r: what came of it so far. */
static void end_otherwise(struct execution *x, int r, const struct tenant_answer *a,
                          const char *code, const char *sentence, struct error *e)
{
    if (r == 0)
        r = audit_outcome(x, "outcome", a, code, sentence, e);
    if (r == 0)
        r = person_mark_dirty(x->delivery->state, x->operation->entry_id, e);
    if (r < 0)
        execution_broken(x, e);
    else
        end(x);
}

void execution_replan(struct execution *x, const struct tenant_answer *a, const char *code,
                      const char *sentence)
{
    struct delivery *d = x->delivery;
    const struct operation *o = x->operation;
    struct error e = {0};
    int r = queue_remove(d->state, o->number, &e);
    if (r == 0 && may_have_been_done(o))
        r = note_spent(d, o, &e);
    end_otherwise(x, r, a, code, sentence, &e);
}

/* It has become pointless (the user to adopt is not there): the person is looked at again. */
void execution_drop(struct execution *x, const char *sentence)
{
    execution_replan(x, NULL, "dropped", sentence);
}

/* Back in the queue already. What was only looked at, without an intent, needs no line. What an
 * earlier attempt has done is as little known as before. */
void execution_withdrawn(struct execution *x, const char *sentence)
{
    const char *code = operation_is_unclear(x->operation) ? REASON_UNCLEAR : "withdrawn";
    struct error e = {0};
    int r = x->is_recorded ? audit_outcome(x, "outcome", NULL, code, sentence, &e) : 0;
    if (r < 0)
        execution_broken(x, &e);
    else
        end(x);
}

static int make_ready(struct execution *x, const char *reason, const char *cause,
                      const char *sentence, struct error *e)
{
    struct operation *o = x->operation;
    o->state = OPERATION_READY;
    o->not_before_usec = 0;
    if (operation_say(o, reason, cause, sentence) < 0)
        return error_out_of_memory(e);
    if (!operation_is_unclear(o))
        execution_end_approval(x);
    return queue_store(x->delivery->state, o, e);
}

void execution_undone(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    int r = make_ready(x, NULL, NULL, NULL, &e);
    books_note(x->delivery->books, WORK_GUARD);
    end_otherwise(x, r, a, "not-done",
                  x->learnt.details ? "read: the earlier attempt did only a part of it"
                                    : "read: the earlier attempt did not do it",
                  &e);
}

/* Back to the queue as if it had not been tried: the tenant as a whole does not take calls now.
 */
void execution_return(struct execution *x, const struct tenant_answer *a)
{
    const struct health *h = x->delivery->health;
    const struct operation *o = x->operation;
    /* What an attempt that got no answer has done is as little known as before. */
    const char *code = x->learnt.is_unclear                         ? REASON_UNCLEAR
                       : health_state(h) == ENGINE_TENANT_REFUSED   ? REASON_NOT_AUTHORISED
                       : health_state(h) == ENGINE_TENANT_NO_SECRET ? REASON_NO_SECRET
                                                                    : REASON_TENANT_AWAY;
    struct error e = {0};
    /* One that was tried for all who were refused alike is still the one for them. */
    const char *reason = queue_reason_is_shared(o->reason) ? o->reason : NULL;
    int r = x->learnt.is_unclear ? make_ready(x, REASON_UNCLEAR, "unclear", o->sentence, &e)
                                 : make_ready(x, reason, o->cause, o->sentence, &e);
    if (r == 0)
        r = note_unsent(x, a, &e);
    end_otherwise(x, r, a, code, health_error(h), &e);
}
