/*
 * Disable, enable and delete. Nobody is disabled in the middle of a shift, up to a limit.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "deliver/delivery-internal.h"

#define SHIFT_LOOK_USEC (60 * USEC_PER_SEC)

/* LINK_DISABLED: ours is whom we disabled; whom somebody else had disabled stays so, whatever the
 * directory says later. */
static void conclude_as(struct execution *x, const struct tenant_answer *a,
                        enum link_status status, bool ours)
{
    struct error e = {0};
    x->link.status = status;
    bool dormant = x->operation->budget == BUDGET_DORMANT;
    x->link.dormant_usec = status == LINK_DISABLED && dormant && ours ? clock_now_usec() : 0;
    if (status == LINK_ACTIVE)
        x->link.enabled_usec = clock_now_usec();
    if (status == LINK_DISABLED) {
        x->link.disabled_by_us = ours && !dormant; /* a person enables who was dormant */
        x->link.disabled_usec = clock_steady_usec();
    } else {
        x->link.disabled_by_us = false;
        x->link.disabled_usec = 0;
    }
    int r = books_write(x->delivery->books, &e);
    if (r == 0 && x->known) {
        x->known->disabled = status != LINK_ACTIVE;
        r = execution_set_known(x, x->known, &e);
    }
    if (r == 0)
        r = link_store(x->delivery->state, &x->link, &e);
    if (r < 0)
        execution_broken(x, &e);
    else
        execution_finish(x, a, status == LINK_ACTIVE ? BUCKET_UPDATED : BUCKET_LEAVING);
}

static void conclude(struct execution *x, const struct tenant_answer *a,
                     enum link_status status)
{
    conclude_as(x, a, status, true);
}

/* An attempt of ours may have done it whose answer was lost or told of a failure (a 502 of what
 * stands before the tenant), or that an older state forgot; but not what was seen as somebody's
 * doing before. */
static bool may_be_ours(const struct execution *x, bool settling)
{
    const char *drift = x->link.drift;
    if (drift && strncmp(drift, LINK_DRIFT_DISABLED, strlen(LINK_DRIFT_DISABLED)) == 0)
        return false;
    return settling || x->operation->attempts > 1 || books_are_distrusted(x->delivery->books);
}

/* Who leaves needs no user: there is nothing left to disable. Whoever is only dormant does, and is
 * held, or made anew within the budget for that, as with any other call. */
static bool needs_no_user(const struct execution *x)
{
    return x->operation->budget != BUDGET_DORMANT;
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
    free(x->details);
    x->details = buffer_take(&b);
}

static void on_disabled(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (execution_look_by_id(x, a, on_disabled))
        return;
    if (x->operation->revokes && (a->class == TENANT_DONE || a->class == TENANT_NOT_FOUND)) {
        x->settling = false;
        note_revocation(x, a);
    }
    if (a->class == TENANT_DONE)
        conclude(x, a, LINK_DISABLED);
    else if (a->class == TENANT_NOT_FOUND && needs_no_user(x))
        conclude(x, a, LINK_DELETED);
    else
        execution_fail(x, a);
}

static void on_enabled(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (execution_look_by_id(x, a, on_enabled))
        return;
    if (a->class == TENANT_DONE)
        conclude(x, a, LINK_ACTIVE);
    else
        execution_fail(x, a);
}

static void put_disabled(struct execution *x, bool disabled)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (!execution_intend(x))
        return;
    int r = d->options->tenant_ops->user_put(d->options->tenant, execution_next_call(x),
                                             x->operation->login, NULL, &disabled, NULL,
                                             disabled ? on_disabled : on_enabled, x, &e);
    if (r < 0)
        execution_broken(x, &e);
    else if (x->operation->revokes)
        d->options->tenant_ops->call_hurry(x->call);
}

/* Somebody logged in since that was looked at: nothing is to be disabled. By the same clock as the
 * plan, else that would plan it again at once. */
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
    int r = books_write(x->delivery->books, &e);
    if (r == 0)
        r = link_store(x->delivery->state, &x->link, &e);
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
    snprintf(sentence, sizeof(sentence), "the user %s, and was looked at %u times",
             still ? "is still logged in, [lifecycle] logged_in_wait is over"
                   : "is not logged in any more",
             o->attempts);
    struct audit_row row = {
        .event = "release", .operation = o, .code = REASON_ON_SHIFT, .sentence = sentence};
    int r = run_join(b, "retry", e);
    return r < 0 ? r : books_audit(b, &row, e);
}

static void on_leaver_read(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct error e = {0};
    if (execution_look_by_id(x, a, on_leaver_read))
        return;
    bool settling = x->settling;
    x->settling = x->settling && a->class != TENANT_DONE && a->class != TENANT_NOT_FOUND;
    if (a->class == TENANT_NOT_FOUND && needs_no_user(x)) {
        conclude(x, a, LINK_DELETED);
        return;
    }
    if (a->class != TENANT_DONE || !a->user) {
        execution_fail(x, a);
        return;
    }
    if (execution_is_stranger(x, a))
        return;
    if (a->user->disabled) {
        conclude_as(x, a, LINK_DISABLED, may_be_ours(x, settling));
        return;
    }
    if (settling) {
        execution_undone(x, a);
        return;
    }
    if (is_used(x, a))
        return;
    /* The beginning is kept, so that neither a death nor an answer that fails in between makes
     * the wait longer. */
    uint64_t now = clock_steady_usec();
    if (!x->operation->shift_usec)
        x->operation->shift_usec = now;
    uint64_t limit =
        x->operation->shift_usec + x->delivery->options->sync->logged_in_wait_usec;
    if (a->logged_in && now < limit) {
        char cause[400];
        uint64_t look = x->delivery->options->sync->hold_retry_usec;
        look = look < SHIFT_LOOK_USEC ? look : SHIFT_LOOK_USEC;
        uint64_t wait = limit - now < look ? limit - now : look;
        snprintf(cause, sizeof(cause), "shift:%s", x->operation->login);
        execution_hold(
            x, a, REASON_ON_SHIFT, cause,
            "the user is logged in: disabled after the log-out, or when [lifecycle] logged_in_wait "
            "is over",
            wait);
        return;
    }
    if (note_shift_over(x, a->logged_in, &e) < 0)
        execution_broken(x, &e);
    else
        put_disabled(x, true);
}

static void read_user(struct execution *x, tenant_done_fn done)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (d->options->tenant_ops->user_get(d->options->tenant, execution_next_call(x),
                                         x->operation->login, done, x, &e) < 0)
        execution_broken(x, &e);
    else if (x->operation->revokes)
        d->options->tenant_ops->call_hurry(x->call);
}

static void read_leaver(struct execution *x)
{
    read_user(x, on_leaver_read);
}

static void revoke_by_login(struct execution *x)
{
    put_disabled(x, true);
}

/* A tenant that does not take it, or takes it and does nothing, is asked by the login, once that is
 * known to be the user's. */
static void on_revoked(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    bool ignored = a->class == TENANT_DONE && a->user && !a->user->disabled;
    if (ignored || a->class == TENANT_NOT_FOUND || a->class == TENANT_REFUSED ||
        a->class == TENANT_UNSUPPORTED)
        execution_prove(x, revoke_by_login);
    else
        on_disabled(a, x);
}

/* There is no time to ask: by the id, so that it is nobody else whatever its login is by now. */
static void revoke_at_once(struct execution *x)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (!x->link.remote_id)
        put_disabled(x, true);
    else if (!execution_intend(x))
        return;
    else if (d->options->tenant_ops->set_active(d->options->tenant, execution_next_call(x),
                                                x->link.remote_id, false, on_revoked, x,
                                                &e) < 0)
        execution_broken(x, &e);
    else
        d->options->tenant_ops->call_hurry(x->call);
}

void execute_disable(struct execution *x)
{
    if (!x->has_link)
        execution_drop(x, "no longer linked");
    else if (x->operation->revokes && !x->settling)
        revoke_at_once(x);
    else if (x->link.remote_id)
        execution_prove(x, read_leaver);
    else
        read_leaver(x);
}

static void on_enable_settled(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (execution_look_by_id(x, a, on_enable_settled))
        return;
    if (a->class != TENANT_DONE || !a->user) {
        x->settling = a->class != TENANT_NOT_FOUND;
        execution_fail(x, a);
        return;
    }
    x->settling = false;
    if (a->user->disabled)
        execution_undone(x, a);
    else
        conclude(x, a, LINK_ACTIVE);
}

static void enable(struct execution *x)
{
    if (x->settling)
        read_user(x, on_enable_settled);
    else
        put_disabled(x, false);
}

void execute_enable(struct execution *x)
{
    if (!x->has_link || !x->wanted)
        execution_drop(x, "no longer wanted");
    else
        execution_prove(x, enable);
}

static void on_deleted(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (execution_look_by_id(x, a, on_deleted))
        return;
    if (a->class == TENANT_DONE || a->class == TENANT_NOT_FOUND)
        conclude(x, a, LINK_DELETED);
    else
        execution_fail(x, a);
}

static void on_delete_settled(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (execution_look_by_id(x, a, on_delete_settled))
        return;
    x->settling = a->class != TENANT_NOT_FOUND && a->class != TENANT_DONE;
    if (a->class == TENANT_NOT_FOUND)
        conclude(x, a, LINK_DELETED);
    else if (a->class == TENANT_DONE)
        execution_undone(x, a);
    else
        execution_fail(x, a);
}

static void delete_user(struct execution *x)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (x->settling)
        read_user(x, on_delete_settled);
    else if (!execution_intend(x))
        return;
    else if (d->options->tenant_ops->user_delete(d->options->tenant, execution_next_call(x),
                                                 x->operation->login, on_deleted, x, &e) < 0)
        execution_broken(x, &e);
}

void execute_delete(struct execution *x)
{
    if (!x->has_link)
        execution_drop(x, "no longer linked");
    else
        execution_prove(x, delete_user);
}
