/*
 * Disable, enable and delete. Nobody is disabled in the middle of a shift, up to a limit.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "deliver/machine.h"

#define SHIFT_LOOK_USEC (60 * USEC_PER_SEC)

/* -- what is known afterwards -- */

/* An attempt of ours may have done it whose answer was lost or told of a failure (a 502 of what
 * stands before the tenant), or that an older state forgot; but not what was seen as somebody's
 * doing before. */
static bool may_be_ours(const struct execution *x)
{
    const char *drift = x->link.drift;
    if (drift && strncmp(drift, LINK_DRIFT_DISABLED, strlen(LINK_DRIFT_DISABLED)) == 0)
        return false;
    return x->basis.was_unclear || (x->operation->attempts > 1 && !x->operation->looks) ||
           books_are_distrusted(x->delivery->books);
}

/* Ours is whom we disabled; whom somebody else had disabled stays so, whatever the directory
 * says later. */
int leave_learn(struct execution *x, const struct tenant_answer *a, const struct user *shown,
                struct error *e)
{
    enum operation_kind kind = x->operation->kind;
    bool ours = x->sending.wrote || may_be_ours(x);
    bool dormant = x->operation->budget == BUDGET_DORMANT;
    struct link *l = &x->link;
    (void)shown;
    l->status = kind == OPERATION_ENABLE                                   ? LINK_ACTIVE
                : kind == OPERATION_DELETE || a->class == TENANT_NOT_FOUND ? LINK_DELETED
                                                                           : LINK_DISABLED;
    if (l->status == LINK_DELETED && l->gone == LINK_GONE_OR_RENAMED)
        l->gone = LINK_THERE; /* a person has decided: there is nothing to be missed */
    bool disabled = l->status == LINK_DISABLED;
    l->dormant_usec = disabled && dormant && ours ? clock_now_usec() : 0;
    l->disabled_by_us = disabled && ours && !dormant; /* a person enables who was dormant */
    l->disabled_usec = disabled ? clock_steady_usec() : 0;
    if (l->status == LINK_ACTIVE)
        l->enabled_usec = clock_date_usec();
    if (!x->basis.known)
        return 0;
    CLEANUP(user_freep) struct user *known = user_copy(x->basis.known);
    if (!known)
        return error_out_of_memory(e);
    known->disabled = l->status != LINK_ACTIVE;
    return execution_set_known(x, known, e);
}

/* -- decide -- */

enum next_step leave_decide(struct execution *x, const struct tenant_answer *a)
{
    if (execution_is_stranger(x, a))
        return NEXT_NOTHING;
    bool disables = x->operation->kind == OPERATION_DISABLE;
    return a->user->disabled == disables ? NEXT_CONCLUDE : NEXT_WRITE;
}

/* Renamed there before its id was learnt, the user would stay enabled. */
static bool is_to_be_sought(const struct execution *x)
{
    const struct operation *o = x->operation;
    return o->kind == OPERATION_DISABLE && o->budget != BUDGET_DORMANT && !x->basis.made_before &&
           x->basis.known && x->link.gone == LINK_THERE;
}

/* Found under another login it is disabled there; not found, it is gone by the next attempt. */
static void seek(struct execution *x, const struct tenant_answer *a)
{
    sweep_seek(x->delivery->sweep, x->operation->entry_id);
    execution_hold(
        x, a, REASON_USER_GONE, "users:sought",
        "the tenant has no user with that login any more, and its id was never learnt: it is "
        "looked for by the mail among the users that nobody claims",
        execution_next_wait(x));
}

/* Nobody was found by the mail either, and it may be there all the same: not over before a
 * person says so. */
static bool is_to_be_decided(const struct execution *x)
{
    const struct operation *o = x->operation;
    bool decided = o->approved && text_equal(o->approved_for, REASON_USER_GONE);
    return o->kind == OPERATION_DISABLE && x->link.gone == LINK_GONE_OR_RENAMED && !decided &&
           !x->basis.made_before && !x->proof.knows_ours;
}

/* Where the tenant keeps the id that we gave the user with its create, that finds it under
 * whatever login and mail. */
static void on_ours(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    const char *login = a->class == TENANT_DONE && a->user ? user_get(a->user, USER_LOGIN) : NULL;
    struct error e = {0};
    x->proof.knows_ours = true;
    if (login && a->id && execution_learn_id(x, a->id, &e) < 0)
        execution_broken(x, &e);
    else if (login && !text_equal_fold(login, x->link.login))
        execution_renamed(x, a, login);
    else if (a->class == TENANT_NOT_FOUND)
        machine_written(a, x);
    else
        execution_fail(x, a);
}

static bool asks_ours(struct execution *x)
{
    const struct parts *parts = delivery_parts(x->delivery);
    if (!parts->takes_our_id || !parts->keeps_our_id || x->proof.knows_ours ||
        !text_equal(x->link.origin, "create"))
        return false;
    execution_read_our_id(x, on_ours);
    return true;
}

/* Who leaves needs no user: there is nothing left to disable. Whoever is only dormant does, and
 * is held, or made anew within the budget for that, as with any other call. */
enum next_step leave_absent(struct execution *x, const struct tenant_answer *a)
{
    const struct operation *o = x->operation;
    if (is_to_be_sought(x)) {
        seek(x, a);
        return NEXT_NOTHING;
    }
    if (is_to_be_decided(x) && asks_ours(x))
        return NEXT_NOTHING;
    if (is_to_be_decided(x)) {
        execution_hold_long(x, a, REASON_USER_GONE, "users:sought",
                            "the tenant has no user with that login any more, and nothing tells "
                            "whether it has another one there now");
        return NEXT_NOTHING;
    }
    return o->kind == OPERATION_ENABLE || o->budget == BUDGET_DORMANT ? NEXT_FAIL : NEXT_CONCLUDE;
}

/* Somebody logged in since that was looked at: nothing is to be disabled. By the same clock as
 * the plan, else that would plan it again at once. */
static bool is_used(struct execution *x, const struct tenant_answer *a)
{
    const struct sync_options *o = x->delivery->options->sync;
    uint64_t dates = clock_date_usec(), used = a->logged_in ? dates : a->user->last_login_usec;
    struct error e = {0};
    if (used > x->link.last_login_usec)
        x->link.last_login_usec = used;
    if (x->operation->budget != BUDGET_DORMANT ||
        link_used_usec(&x->link) + o->dormant_after_usec <= dates)
        return false;
    int r = link_store(x->delivery->state, &x->link, &e);
    if (r < 0)
        execution_broken(x, &e);
    else
        execution_replan(x, a, "dropped", "somebody has logged in as this user");
    return true;
}

/* For the one who asks later why, and how long, a leaver went on working. */
static int note_shift_over(struct execution *x, bool still, struct error *e)
{
    struct books *b = x->delivery->books;
    const struct operation *o = x->operation;
    char sentence[200];
    if (!text_equal(o->reason, REASON_ON_SHIFT))
        return 0;
    snprintf(sentence, sizeof(sentence), "the user %s; checked %u times",
             still ? "is still logged in, [lifecycle] logged_in_wait is over"
                   : "is not logged in any more",
             o->attempts);
    struct audit_row row = {
        .event = "release", .operation = o, .code = REASON_ON_SHIFT, .sentence = sentence};
    int r = run_join(b, "retry", e);
    return r < 0 ? r : books_audit(b, &row, e);
}

static void hold_on_shift(struct execution *x, const struct tenant_answer *a, uint64_t left_usec)
{
    char cause[400];
    uint64_t look = x->delivery->options->sync->hold_retry_usec;
    look = look < SHIFT_LOOK_USEC ? look : SHIFT_LOOK_USEC;
    snprintf(cause, sizeof(cause), "shift:%s", x->operation->login);
    execution_hold(
        x, a, REASON_ON_SHIFT, cause,
        "the user is logged in: disabled after the log-out, or when [lifecycle] logged_in_wait "
        "is over",
        left_usec < look ? left_usec : look);
}

bool leave_hold_back(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    if (is_used(x, a))
        return true;
    /* The beginning is kept, so that neither a death nor an answer that fails in between makes
     * the wait longer. */
    uint64_t now = clock_steady_usec();
    if (!x->operation->shift_usec)
        x->operation->shift_usec = now;
    uint64_t limit = x->operation->shift_usec + x->delivery->options->sync->logged_in_wait_usec;
    if (a->logged_in && now < limit) {
        hold_on_shift(x, a, limit - now);
        return true;
    }
    if (note_shift_over(x, a->logged_in, &e) == 0)
        return false;
    execution_broken(x, &e);
    return true;
}

/* -- write -- */

static const struct part *part_to_revoke(const struct execution *x)
{
    return part_by_id(delivery_parts(x->delivery), PART_DISABLED);
}

/* There is no time to ask whose the login is: by the id, so that it is nobody else. */
static bool revokes_by_id(const struct execution *x)
{
    return x->operation->revokes && x->link.remote_id && !x->proof.proved && part_to_revoke(x);
}

int leave_write(struct execution *x, struct error *e)
{
    const struct user user = {.disabled = x->operation->kind == OPERATION_DISABLE};
    struct tenant_write w = {.part = revokes_by_id(x) ? part_to_revoke(x) : execution_part(x),
                             .set = PART_DISABLED,
                             .user = &user};
    return machine_send(x, &w, e);
}

int delete_write(struct execution *x, struct error *e)
{
    const struct engine_options *o = x->delivery->options;
    struct tenant_ref ref = {.login = x->operation->login, .id = x->link.remote_id};
    return o->tenant_ops->remove(o->tenant, execution_next_call(x), ref, machine_written, x, e);
}

/* On record: how long it took from what the directory said to the request that was answered. */
static void note_revocation(struct execution *x, const struct tenant_answer *a)
{
    struct delivery *d = x->delivery;
    uint64_t now = clock_steady_usec(), sent = now - a->duration_usec;
    uint64_t took = sent > x->operation->due_usec ? sent - x->operation->due_usec : 0;
    CLEANUP(buffer_done) struct buffer b = {0};
    struct engine_revocation *past =
        &d->past_revocations[d->n_past_revocations++ % ENGINE_PAST_REVOCATIONS];
    *past = (struct engine_revocation){.at_usec = clock_now_usec(), .took_usec = took};
    snprintf(past->login, sizeof(past->login), "%s", x->operation->login);
    buffer_format(&b, "{\"revoked_after_usec\":%llu}", (unsigned long long)took);
    execution_note(x, buffer_take(&b));
}

enum next_step leave_written(struct execution *x, const struct tenant_answer *a)
{
    bool done = a->class == TENANT_DONE, absent = a->class == TENANT_NOT_FOUND;
    bool ignored = done && a->user && !a->user->disabled;
    /* A tenant that does not take it, or takes it and does nothing, is asked by the login, once
     * that is known to be the user's. */
    if (revokes_by_id(x) &&
        (ignored || absent || a->class == TENANT_REFUSED || a->class == TENANT_UNSUPPORTED)) {
        execution_prove(x, machine_write);
        return NEXT_NOTHING;
    }
    if (execution_look_by_id(x, a, machine_written))
        return NEXT_NOTHING;
    bool over = absent && !is_to_be_sought(x) && !is_to_be_decided(x);
    if (x->operation->revokes && (done || over)) {
        execution_set_unclear(x, false);
        note_revocation(x, a);
    }
    return done ? NEXT_CONCLUDE : absent ? leave_absent(x, a) : NEXT_FAIL;
}
