/*
 * What starts next: which of the operations that are due may, the intent on record, and, once
 * that is durable, the request. How it is carried out is in machine.c; what the tenant's
 * other answers mean, in outcome.c.
 */
#include "config.h"

#include "deliver/delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "contact/missing.h"
#include "deliver/machine.h"
#include "judge/guard.h"

int delivery_new(struct delivery **ret, const struct delivery_options *o, struct error *e)
{
    struct delivery *d = calloc(1, sizeof(*d));
    if (!d)
        return error_out_of_memory(e);
    *d = (struct delivery){.books = o->books,
                           .gate = o->gate,
                           .health = o->health,
                           .contact = o->contact,
                           .rules = o->rules,
                           .passwords = o->passwords,
                           .sweep = o->sweep,
                           .state = books_state(o->books),
                           .options = books_options(o->books)};
    *ret = d;
    return 0;
}

struct delivery *delivery_free(struct delivery *d)
{
    if (!d)
        return NULL;
    while (d->executions)
        execution_free(d->executions);
    vain_done(&d->our_id_errors);
    slowed_done(&d->slowed);
    free(d);
    return NULL;
}

/* A team, role or skill that the tenant is known not to have: no call is made for it again and
 * again. */
static const char *known_missing(const struct delivery *d, const struct operation *o, char *cause,
                                 size_t size)
{
    /* An adoption sends nothing: its changes are what follows. */
    for (size_t i = 0; i < o->n_changes && o->kind != OPERATION_ADOPT; i++) {
        const struct change *c = &o->changes[i];
        if (!c->to)
            continue;
        if (text_equal(c->field, "team")) {
            snprintf(cause, size, "team:%s", c->to);
            if (!health_may_have_team(d->health, c->to))
                return REASON_TEAM_MISSING;
        } else {
            snprintf(cause, size, "%s", c->field);
        }
        if (missing_has(health_missing(d->health), cause))
            return !strncmp(cause, "role:", 5)    ? REASON_ROLE_MISSING
                   : !strncmp(cause, "skill:", 6) ? REASON_SKILL_MISSING
                                                  : REASON_TEAM_MISSING;
    }
    return NULL;
}

/* What the tenant did not have a while ago it may have now. Teams are asked for; roles and
 * skills can't be listed, so the first operation that needs one tries. */
static void doubt_missing(struct delivery *d, const char *reason)
{
    if (text_equal(reason, REASON_TEAM_MISSING))
        health_doubt_teams(d->health);
}

/* What it was held for ends when the user is otherwise at the tenant, which each attempt reads
 * first. */
static bool only_looks(const struct operation *o)
{
    static const char *const reasons[] = {REASON_ON_SHIFT, REASON_CONFLICT, REASON_USER_GONE,
                                          REASON_ROLE_CONFLICT};
    if (o->revokes)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (text_equal(o->reason, reasons[i]))
            return true;
    return false;
}

static int begin_execution(struct delivery *d, struct operation *taken, struct error *e)
{
    struct execution *x = execution_new(d, taken, kind_steps_of(taken->kind));
    if (!x)
        return error_out_of_memory(e);

    char cause[512], sentence[768];
    bool unclear = operation_is_unclear(taken); /* read first, whatever else is known */
    const char *reason = unclear ? NULL : known_missing(d, taken, cause, sizeof(cause));
    if (reason) {
        doubt_missing(d, reason);
        reference_sentence(cause, sentence, sizeof(sentence));
        execution_hold_long(x, NULL, reason, cause, sentence);
        return 0;
    }
    struct lockout lockout;
    int r = unclear ? 0 : lockout_look(d->books, taken, NULL, &lockout, e);
    if (r > 0) {
        lockout_alarm(d->books, &lockout);
        execution_hold_long(x, NULL, REASON_LOCKOUT, lockout.cause, lockout.sentence);
        return 0;
    }
    if (r == 0)
        r = execution_load(x, e);
    if (r == 0) {
        /* Once an attempt has written, what the tenant shows may be of that one. */
        taken->looks =
            x->kind->looks && !unclear && !taken->revokes && (taken->attempts == 0 || taken->looks);
        taken->attempts++;
        taken->state = OPERATION_STARTED;
        r = queue_start(d->state, taken->number, taken->looks, e);
    }
    if (r == 0 && !only_looks(taken) && !taken->looks)
        r = execution_record_intent(x, e);
    if (r < 0)
        execution_free(x);
    else if (!d->to_start)
        d->to_start = x;
    return r;
}

/* How many creates may begin: each of them will have a password to hand on, and none is made
 * whose password would have to wait for a free runner. */
static size_t creates_room(const struct delivery *d)
{
    size_t n_creates = 0, room = command_room(books_commands(d->books));
    if (!passwords_are_handed_on(d->passwords))
        return SIZE_MAX;
    for (const struct execution *x = d->executions; x; x = x->next)
        n_creates += x->operation->kind == OPERATION_CREATE;
    return room > n_creates ? room - n_creates : 0;
}

/* What may not start is parked by the next look of the guard. */
static int begin_due(struct delivery *d, struct operation_list *due, size_t *ret_n, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < due->n_items && r == 0; i++) {
        bool may = false;
        if (due->items[i]->kind == OPERATION_CREATE && !creates_room(d))
            continue;
        r = gate_may_start(d->gate, due->items[i], &may, e);
        if (r == 0 && may) {
            r = begin_execution(d, TAKE(due->items[i]), e);
            ++*ret_n;
        } else if (r == 0) {
            books_wake(d->books,
                       due->items[i]->revokes ? WORK_GUARD | WORK_REVOCATIONS : WORK_GUARD);
        }
    }
    return r;
}

/* How many may be under way. Their intents are durable ahead of the free slot, so that no slot
 * waits for a commit; the tenant's client sends as many at once as it may. */
static size_t most_under_way(const struct delivery *d)
{
    size_t (*ahead)(void *) = d->options->tenant_ops->ahead;
    return d->options->max_concurrent + (ahead ? ahead(d->options->tenant) : 0);
}

static size_t n_revocations(const struct delivery *d)
{
    size_t n = 0;
    for (const struct execution *x = d->executions; x; x = x->next)
        n += x->operation->revokes;
    return n;
}

/* Revocations have room of their own: they do not wait for what a slow tenant keeps, nor for what
 * was begun ahead at another pace. */
int delivery_pick_revocations(struct delivery *d, size_t *ret_n, struct error *e)
{
    struct operation_list due = {0};
    size_t most = d->options->max_concurrent, n = n_revocations(d);
    if (n >= most)
        return 0;
    int r = queue_next(d->state, QUEUE_REVOCATIONS, clock_steady_usec(), most - n, &due, e);
    if (r == 0)
        r = begin_due(d, &due, ret_n, e);
    operation_list_done(&due);
    return r;
}

/* In the round, when people are looked at for what concerns everybody, only a change of a user may
 * go ahead, and only where no budget counts: newcomers could want one login, and what a budget is
 * to hold the guard sees as a whole. */
static bool may_go_ahead(const struct operation *o, enum delivery_ahead of,
                         const struct guard_verdict *v)
{
    bool changes = o->kind == OPERATION_UPDATE || o->kind == OPERATION_PROFILE;
    if (of == DELIVERY_OF_ROUND)
        return changes && v->limit[o->budget] == SIZE_MAX;
    return (changes || o->kind == OPERATION_CREATE) && !v->tripped[o->budget];
}

/* The person's next operation, when it is one that makes or changes a user, waits for nothing,
 * and all that is due of its kind so far fits into the budget. NULL: it waits for the others.
 */
static struct operation *next_ahead(struct operation_list *queue, enum delivery_ahead of,
                                    const struct guard_verdict *v)
{
    uint64_t now = clock_steady_usec();
    struct operation *o = queue->n_items ? queue->items[0] : NULL;
    for (size_t i = 0; i < queue->n_items; i++)
        if (queue->items[i]->state == OPERATION_STARTED ||
            queue->items[i]->kind == OPERATION_RENAME)
            return NULL;
    if (!o || !may_go_ahead(o, of, v) || o->state != OPERATION_READY || o->not_before_usec > now ||
        operation_is_unclear(o))
        return NULL;
    return TAKE(queue->items[0]);
}

/* Whose own entry or groups changed while everybody is looked at again, for a new configuration
 * say, and who was looked at already: neither is delayed by the others, nor can anybody be harmed
 * by it, since no user is taken away and the budgets count. What does not go now goes with the
 * whole plan. */
int delivery_pick_ahead(struct delivery *d, const struct string_list *ids, enum delivery_ahead of,
                        size_t *ret_n, struct error *e)
{
    struct operation_list due = {0};
    struct guard_input in;
    struct guard_verdict v;
    if (!ids->n_items || d->slowed.is_slow)
        return 0;
    int r = gate_budgets(d->gate, &in, &v, e);
    for (size_t i = 0; i < ids->n_items && r == 0; i++) {
        struct operation_list queue = {0};
        struct operation *o = NULL;
        if (d->n_executions + due.n_items >= d->options->max_concurrent)
            break;
        r = queue_of_person(d->state, ids->items[i], &queue, e);
        if (r == 0)
            o = next_ahead(&queue, of, &v);
        if (o && operation_list_add(&due, o) < 0)
            r = error_out_of_memory(e);
        operation_list_done(&queue);
    }
    if (r == 0)
        r = begin_due(d, &due, ret_n, e);
    operation_list_done(&due);
    return r;
}

bool delivery_is_slowed(const struct delivery *d)
{
    return d->slowed.is_slow;
}

uint64_t delivery_slowed_usec(const struct delivery *d)
{
    return slowed_due_usec(&d->slowed);
}

/* First of this kind, then of the other, as long as there is room. */
static int next_due(struct delivery *d, bool lets_remove, size_t room, struct operation_list *ret,
                    struct error *e)
{
    enum queue_lane due = lets_remove ? QUEUE_DUE : QUEUE_DUE_KEEPING;
    bool newcomer = d->slowed.is_slow && d->newcomer_next;
    uint64_t now = clock_steady_usec();
    d->newcomer_next = !newcomer;
    int r = queue_next(d->state, newcomer ? QUEUE_NEWCOMERS : due, now, room, ret, e);
    if (r == 0 && ret->n_items < room)
        r = queue_next(d->state, newcomer ? due : QUEUE_NEWCOMERS, now, room - ret->n_items, ret,
                       e);
    return r;
}

/* One who was not tried yet, of this kind or of the other. */
static int next_fresh(struct delivery *d, bool lets_remove, struct operation_list *ret,
                      struct error *e)
{
    enum queue_lane lanes[] = {QUEUE_NEWCOMERS, lets_remove ? QUEUE_DUE : QUEUE_DUE_KEEPING};
    uint64_t now = clock_steady_usec();
    unsigned first = d->newcomer_next ? 0 : 1;
    int r = 0;
    d->newcomer_next = first == 1;
    for (unsigned i = 0; i < 2 && r == 0 && !ret->n_items; i++)
        r = queue_next_untried(d->state, lanes[(first + i) % 2], now, ret, e);
    if (r == 0 && ret->n_items)
        slowed_tries(&d->slowed);
    return r;
}

#define PICK_MOST 128 /* in one turn: it takes some milliseconds */

int delivery_pick(struct delivery *d, bool lets_remove, size_t *ret_n, struct error *e)
{
    bool any = false;
    *ret_n = 0;
    int r = queue_any_ready(d->state, &any, e);
    if (r == 0 && any)
        r = delivery_pick_revocations(d, ret_n, e);
    size_t most = most_under_way(d);
    bool again = slowed_lets(&d->slowed, d->n_executions - n_revocations(d));
    if (r < 0 || !any || d->n_executions >= most || !(again || slowed_lets_fresh(&d->slowed)))
        return r;
    missing_forget_old(health_missing(d->health), d->options->sync->hold_retry_usec);
    size_t room = most - d->n_executions;
    /* Few at first, so that the first leaves soon. With many under way nobody waits for a slot,
     * and what starts in one commit shares its pages. */
    size_t at_once = delivery_has_many(d) ? PICK_MOST : d->options->max_concurrent;
    room = d->slowed.is_slow ? 1 : room < at_once ? room : at_once;
    struct operation_list due = {0};
    r = again ? next_due(d, lets_remove, room, &due, e) : next_fresh(d, lets_remove, &due, e);
    if (r == 0)
        r = begin_due(d, &due, ret_n, e);
    operation_list_done(&due);
    return r;
}

void delivery_withdraw(struct delivery *d)
{
    for (struct execution *x = d->executions, *next; x; x = next) {
        next = x->next;
        if (x->sending.call && !x->sending.left)
            execution_stays(x);
    }
}

void delivery_hurry(struct delivery *d)
{
    for (struct execution *x = d->executions; x; x = x->next)
        if (x->intent.hurries && x->sending.call)
            d->options->tenant_ops->call_hurry(x->sending.call);
}

/* A start may end its execution. */
void delivery_start_committed(struct delivery *d)
{
    while (d->to_start && !books_have_failed(d->books)) {
        struct execution *x = d->to_start;
        d->to_start = x->next;
        machine_start(x);
    }
}

static int settle(struct delivery *d, struct operation *o, struct error *e)
{
    o->state = OPERATION_READY;
    o->not_before_usec = 0;
    if (o->looks) { /* as if it had not begun */
        o->attempts--;
        int r = queue_store(d->state, o, e);
        return r < 0 ? r : person_mark_dirty(d->state, o->entry_id, e);
    }
    if (operation_say(o, REASON_UNCLEAR, "unclear", o->sentence) < 0)
        return error_out_of_memory(e);
    int r = queue_store(d->state, o, e);
    struct audit_row row = {.event = "release",
                            .operation = o,
                            .code = REASON_UNCLEAR,
                            .sentence = "rosterd ended before the answer came: settled by reading"};
    if (r == 0)
        r = books_audit(d->books, &row, e);
    /* The plan may have changed meanwhile. */
    return r < 0 ? r : person_mark_dirty(d->state, o->entry_id, e);
}

int delivery_settle_crash(struct delivery *d, struct error *e)
{
    struct operation_list started = {0};
    int r = queue_started(d->state, &started, e);
    if (r == 0 && started.n_items)
        log_notice(
            "%zu operation%s under way when rosterd ended: each is settled by reading the tenant",
            started.n_items, started.n_items == 1 ? " was" : "s were");
    for (size_t i = 0; i < started.n_items && r == 0; i++)
        r = settle(d, started.items[i], e);
    operation_list_done(&started);
    if (r < 0)
        books_failed(d->books, e);
    return r;
}

size_t delivery_in_flight(const struct delivery *d)
{
    return d->n_executions;
}

uint64_t delivery_n_done(const struct delivery *d)
{
    return d->n_done;
}

bool delivery_past_revocation(const struct delivery *d, size_t i, struct engine_revocation *ret)
{
    if (i >= d->n_past_revocations || i >= ENGINE_PAST_REVOCATIONS)
        return false;
    *ret = d->past_revocations[(d->n_past_revocations - 1 - i) % ENGINE_PAST_REVOCATIONS];
    return true;
}
