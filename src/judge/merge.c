/*
 * A plan meets the queue: what is planned anew and was there before keeps its place, its
 * attempts, its approval, and its hold when that is not the planner's to decide.
 */
#include "config.h"

#include <stdlib.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "judge/gate.h"
#include "judge/guard.h"
#include "judge/judge-internal.h"

static bool reason_is_planners(const char *reason)
{
    static const char *const reasons[] = {
        REASON_LOGIN_SHARED,  REASON_CONFLICT,
        REASON_SAME_MAIL,     REASON_RENAME_POLICY,
        REASON_GROUP_MISSING, REASON_ADOPTION,
        REASON_ENTRY_INVALID, REASON_ATTRIBUTE_VANISHED,
        REASON_RELINK,        REASON_STATE_RESTORED,
        REASON_NAME_SHARED,   REASON_ROLES_FIRST,
        REASON_OTHER_TENANT,  REASON_LOCKOUT,
        REASON_USER_GONE,     REASON_ROLE_CONFLICT,
        REASON_DORMANT,
    };
    for (size_t i = 0; reason && i < ARRAY_SIZE(reasons); i++)
        if (text_equal(reason, reasons[i]))
            return true;
    return false;
}

static int move_text(char **to, char **from)
{
    free(*to);
    *to = TAKE(*from);
    return 0;
}

/* The planner's own holds have no time; those that the tenant's answer led to are tried again
 * at one, also where the reason is the same. */
static bool hold_is_planners(const struct operation *o)
{
    return reason_is_planners(o->reason) && (o->state == OPERATION_PARKED || !o->not_before_usec ||
                                             text_equal(o->reason, REASON_LOCKOUT));
}

/* Whoever approved it saw one reason why it waits. Another one that came since, or another budget
 * (of privileged roles, say, by another configuration), was never shown to anybody. */
static void carry_approval(struct operation *fresh, struct operation *old)
{
    if (!old->approved || fresh->budget != old->budget ||
        (fresh->state == OPERATION_PARKED && !text_equal(fresh->reason, old->approved_for)))
        return;
    fresh->approved = true;
    fresh->approved_until_usec = old->approved_until_usec;
    fresh->approved_for = TAKE(old->approved_for);
}

/* An operation that was there before and means the same keeps its place, its attempts, its
 * approval, and its hold when that is not the planner's to decide. */
static void carry_over(struct operation *fresh, struct operation *old)
{
    carry_approval(fresh, old);
    fresh->number = old->number;
    fresh->attempts = old->attempts;
    fresh->run = old->run;
    fresh->shift_usec = old->shift_usec;
    if (fresh->state == OPERATION_PARKED && fresh->approved) {
        fresh->state = OPERATION_READY;
        free(TAKE(fresh->reason));
        free(TAKE(fresh->cause));
        free(TAKE(fresh->sentence));
    }
    if (text_equal(fresh->reason, old->reason)) {
        fresh->since_usec = old->since_usec;
    } else if (fresh->state == OPERATION_READY && !hold_is_planners(old)) {
        fresh->state = old->state;
        fresh->since_usec = old->since_usec;
        if (old->state != OPERATION_READY)
            fresh->not_before_usec = old->not_before_usec;
        move_text(&fresh->reason, &old->reason);
        move_text(&fresh->cause, &old->cause);
        move_text(&fresh->sentence, &old->sentence);
    }
}

/* Its place in the queue is that of the day when it was first due; another grace time moves it
 * forward at most. */
static void give_place(struct operation *fresh, const struct operation *old)
{
    uint64_t now = clock_steady_usec();
    fresh->due_usec = fresh->not_before_usec > now ? fresh->not_before_usec : now;
    if (old && old->due_usec < fresh->due_usec)
        fresh->due_usec = old->due_usec;
}

/* In the plan already; it is asked again when the operation would start. Whoever was released in
 * this very moment is held since after it: else it would be released, and held, without end. */
static int hold_lockout(struct books *b, struct operation *fresh, const struct operation *old,
                        struct error *e)
{
    struct lockout l;
    int r = lockout_look(b, fresh, NULL, &l, e);
    if (r <= 0)
        return r;
    uint64_t now = clock_steady_usec();
    lockout_alarm(b, &l);
    bool released = old && old->state == OPERATION_READY && !old->since_usec;
    fresh->state = OPERATION_HELD;
    fresh->since_usec = now + released;
    if (fresh->not_before_usec < now + books_options(b)->sync->hold_retry_usec)
        fresh->not_before_usec = now + books_options(b)->sync->hold_retry_usec;
    return operation_say(fresh, REASON_LOCKOUT, l.cause, l.sentence) < 0 ? error_out_of_memory(e)
                                                                         : 0;
}

static int audit_wait(struct books *b, const struct operation *o, struct error *e)
{
    struct audit_row row = {
        .event = o->state == OPERATION_PARKED ? "park" : "hold",
        .operation = o,
        .code = o->reason,
        .sentence = o->sentence,
    };
    return books_audit(b, &row, e);
}

/* What was planned to be parked, and is approved, waits as anything else does for what it was held
 * for since, and goes no more than anything else that would lock somebody out. */
static int take_over(struct books *b, struct operation *fresh, struct operation *old, bool *news,
                     struct error *e)
{
    bool parked = fresh->state == OPERATION_PARKED,
         before = text_equal(old->reason, REASON_LOCKOUT);
    carry_over(fresh, old);
    if (!parked || fresh->state == OPERATION_PARKED)
        return 0;
    *news = false;
    int r = fresh->state == OPERATION_READY ? hold_lockout(b, fresh, old, e) : 0;
    if (r < 0 || !text_equal(fresh->reason, REASON_LOCKOUT))
        return r;
    *news = !before;
    if (before)
        fresh->since_usec = old->since_usec;
    return 0;
}

/* Somebody else's user was found under the login by an operation that this revocation replaces, or
 * stands beside: it is looked at first who has it. */
static int doubt_login(const struct dossier *s, struct operation *fresh)
{
    const struct operation *found = NULL;
    if (!fresh->revokes || fresh->state != OPERATION_READY || fresh->reason)
        return 0;
    for (size_t i = 0; i < s->queue.n_items && !found; i++) {
        const struct operation *o = s->queue.items[i];
        if (text_equal(o->reason, REASON_CONFLICT) && (o->not_before_usec || o->revokes))
            found = o;
    }
    return found ? operation_say(fresh, found->reason, found->cause, found->sentence) : 0;
}

/* Replaces the person's operations by the planned ones, keeping those that stay the same. */
int merge_queue(struct books *b, struct dossier *s, struct operation_list *planned, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < planned->n_items && r == 0; i++) {
        struct operation *fresh = planned->items[i];
        struct operation *old = NULL;
        fresh->budget = guard_budget_of(fresh, books_options(b)->sync);
        for (size_t j = 0; j < s->queue.n_items && !old; j++)
            if (s->queue.items[j] && operation_equal(s->queue.items[j], fresh))
                old = s->queue.items[j];
        give_place(fresh, old);
        r = fresh->state == OPERATION_READY ? hold_lockout(b, fresh, old, e) : 0;
        if (r < 0)
            return r;
        bool is_news = fresh->state != OPERATION_READY &&
                       !(old && text_equal(old->reason, fresh->reason) &&
                         (old->state == fresh->state || old->state == OPERATION_READY));
        if (old && fresh->state != OPERATION_READY && !text_equal(old->cause, fresh->cause))
            books_note(b, WORK_ALARMS); /* one is over, and one is to come */
        if (old) {
            r = take_over(b, fresh, old, &is_news, e);
            if (r < 0)
                return r;
            old->number = 0; /* it is not to be removed */
        } else {
            fresh->run = books_run(b);
        }
        if (doubt_login(s, fresh) < 0)
            return error_out_of_memory(e);
        if (!old || old->state != fresh->state || old->budget != fresh->budget) {
            books_note(b, fresh->revokes ? WORK_GUARD | WORK_REVOCATIONS : WORK_GUARD);
        }
        r = queue_store(books_state(b), fresh, e);
        bool waits = fresh->state == OPERATION_HELD || fresh->state == OPERATION_PARKED;
        if (r == 0 && is_news && waits && reason_is_planners(fresh->reason))
            r = audit_wait(b, fresh, e);
    }
    for (size_t j = 0; j < s->queue.n_items && r == 0; j++)
        if (s->queue.items[j]->number) {
            books_note(b, WORK_GUARD);
            r = queue_remove(books_state(b), s->queue.items[j]->number, e);
        }
    return r;
}

int merge_beside(struct books *b, const struct dossier *s, struct operation *o, struct error *e)
{
    if (doubt_login(s, o) < 0)
        return error_out_of_memory(e);
    o->budget = guard_budget_of(o, books_options(b)->sync);
    o->run = books_run(b);
    give_place(o, NULL);
    books_note(b, WORK_GUARD | WORK_REVOCATIONS);
    return queue_store(books_state(b), o, e);
}
