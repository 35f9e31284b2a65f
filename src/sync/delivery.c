/*
 * Takes operations from the queue and carries them out, many at once: the intent is committed,
 * then the request leaves, then the outcome is committed with what it changes. What each kind
 * sends is in the execute-*.c files; what the tenant's other answers mean, in outcome.c.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "sync/apply.h"
#include "sync/internal.h"

static struct execution *execution_free(struct execution *x)
{
    struct engine *n = x->engine;
    for (struct execution **p = &n->executions; *p; p = &(*p)->next)
        if (*p == x) {
            *p = x->next;
            n->n_executions--;
            break;
        }
    books_close_intent(n->books, &x->intent);
    if (x->call)
        n->options.tenant_ops->call_free(x->call);
    operation_free(x->operation);
    link_done(&x->link);
    user_free(x->wanted);
    user_free(x->known);
    user_free(x->granted);
    user_free(x->quirks);
    user_free(x->current);
    free(x->details);
    secret_free(x->password);
    free(x);
    return NULL;
}

struct tenant_call **execution_next_call(struct execution *x)
{
    if (x->call)
        x->call = x->engine->options.tenant_ops->call_free(x->call);
    if (x->intent.hurries)
        books_wake(x->engine->books, WORK_DUE); /* see executor_hurry() */
    return &x->call;
}

void executor_cancel_all(struct engine *n)
{
    while (n->executions)
        execution_free(n->executions);
}

void execution_broken(struct execution *x, const struct error *e)
{
    struct engine *n = x->engine;
    books_failed(n->books, e);
    execution_free(x);
}

/* What the rules want now, and what is known, at the moment the operation starts. */
static int execution_load(struct execution *x, struct error *e)
{
    struct engine *n = x->engine;
    const char *id = x->operation->entry_id;
    struct person p = {0};
    int r = person_load(n->state, id, &p, e);
    if (r == 0 && p.wanted)
        r = user_from_json(&x->wanted, p.wanted, e);
    person_done(&p);
    if (r >= 0)
        r = link_load(n->state, id, &x->link, e);
    if (r < 0)
        return r;
    x->has_link = r == 0;
    if (x->has_link && x->link.known)
        r = user_from_json(&x->known, x->link.known, e);
    if (r >= 0 && x->has_link && x->link.granted)
        r = user_from_json(&x->granted, x->link.granted, e);
    if (r >= 0 && x->has_link && x->link.quirks)
        r = user_from_json(&x->quirks, x->link.quirks, e);
    else if (r >= 0 && !(x->quirks = user_new()))
        r = error_out_of_memory(e);
    return r < 0 ? r : 0;
}

static void execution_prepare_merge(struct execution *x)
{
    x->merge = (struct planner_input){
        .wanted = x->wanted,
        .granted = x->granted,
        .names_role = rules_names_role,
        .names_skill = rules_names_skill,
        .userdata = x->engine->rules,
    };
}

/* A team, role or skill that the tenant is known not to have: no call is made for it again and
 * again. */
static const char *known_missing(const struct engine *n, const struct operation *o, char *cause,
                                 size_t size)
{
    /* An adoption sends nothing: its changes are what follows. */
    for (size_t i = 0; i < o->n_changes && o->kind != OPERATION_ADOPT; i++) {
        const struct change *c = &o->changes[i];
        if (!c->to)
            continue;
        if (text_equal(c->field, "team")) {
            snprintf(cause, size, "team:%s", c->to);
            if (!health_may_have_team(n->health, c->to))
                return REASON_TEAM_MISSING;
        } else {
            snprintf(cause, size, "%s", c->field);
        }
        if (health_knows_missing(n->health, cause))
            return !strncmp(cause, "role:", 5)    ? REASON_ROLE_MISSING
                   : !strncmp(cause, "skill:", 6) ? REASON_SKILL_MISSING
                                                  : REASON_TEAM_MISSING;
    }
    return NULL;
}

/* What the tenant did not have a while ago it may have now. Teams are asked for; roles and
 * skills can't be listed, so the first operation that needs one tries. */
static void doubt_missing(struct engine *n, const char *reason)
{
    if (text_equal(reason, REASON_TEAM_MISSING))
        health_doubt_teams(n->health);
}

/* What another attempt waited for is not the first one's delay. */
static uint64_t lag_of(const struct operation *o)
{
    uint64_t now = clock_steady_usec();
    return o->attempts == 1 && o->due_usec && now >= o->due_usec ? now - o->due_usec + 1 : 0;
}

static int begin_execution(struct engine *n, struct operation *taken, struct error *e)
{
    struct execution *x = calloc(1, sizeof *x);
    if (!x) {
        operation_free(taken);
        return error_out_of_memory(e);
    }
    x->engine = n;
    x->operation = taken;
    x->next = n->executions;
    n->executions = x;
    n->n_executions++;
    x->intent.entry_id = taken->entry_id;
    books_open_intent(n->books, &x->intent);

    char cause[512], sentence[768];
    const char *reason = known_missing(n, taken, cause, sizeof cause);
    if (reason) {
        doubt_missing(n, reason);
        reference_sentence(cause, sentence, sizeof sentence);
        execution_hold(x, NULL, reason, cause, sentence, n->options.sync->hold_retry_usec);
        return 0;
    }
    struct lockout lockout;
    int r = operation_is_unclear(taken) ? 0 : lockout_look(n->books, taken, &lockout, e);
    if (r > 0) {
        lockout_alarm(n->books, &lockout);
        execution_hold(x, NULL, REASON_LOCKOUT, lockout.cause, lockout.sentence,
                       n->options.sync->hold_retry_usec);
        return 0;
    }
    if (r == 0)
        r = execution_load(x, e);
    if (r == 0) {
        execution_prepare_merge(x);
        x->settling = taken->kind != OPERATION_ADOPT && operation_is_unclear(taken);
        taken->attempts++;
        taken->state = OPERATION_STARTED;
        r = queue_start(n->state, taken->number, taken->attempts, e);
    }
    struct audit_row row = {.event = "intent",
                            .operation = taken,
                            .code = taken->revokes ? REASON_REVOKED : NULL,
                            .attempts = taken->attempts,
                            .lag_usec = lag_of(taken)};
    if (r == 0)
        r = books_audit(n->books, &row, e);
    if (r < 0)
        execution_free(x);
    else
        x->waits_for_commit = true;
    return r;
}

/* How many creates may begin: each of them will have a password to hand on, and none is made
 * whose password would have to wait for a free runner. */
static size_t creates_room(const struct engine *n)
{
    size_t n_creates = 0, room = command_room(n->commands);
    if (!password_is_handed_on(n))
        return SIZE_MAX;
    for (const struct execution *x = n->executions; x; x = x->next)
        n_creates += x->operation->kind == OPERATION_CREATE;
    return room > n_creates ? room - n_creates : 0;
}

/* What may not start is parked by the next look of the guard. */
static int begin_due(struct engine *n, struct operation_list *due, size_t *ret_n,
                     struct error *e)
{
    int r = due->n_items ? run_join(n->books, "operations due", e) : 0;
    for (size_t i = 0; i < due->n_items && r == 0; i++) {
        bool may = false;
        if (due->items[i]->kind == OPERATION_CREATE && !creates_room(n))
            continue;
        r = gate_may_start(n->gate, due->items[i], &may, e);
        if (r == 0 && may) {
            r = begin_execution(n, TAKE(due->items[i]), e);
            ++*ret_n;
        } else if (r == 0) {
            books_wake(n->books, due->items[i]->revokes ? WORK_GUARD | WORK_REVOCATIONS
                                                        : WORK_GUARD);
        }
    }
    return r;
}

/* Revocations have room of their own: they do not wait for what a slow tenant keeps. */
int executor_pick_revocations(struct engine *n, size_t *ret_n, struct error *e)
{
    struct operation_list due = {0};
    size_t most = (size_t)n->options.max_concurrent * 2;
    if (n->n_executions >= most)
        return 0;
    int r = queue_next(n->state, QUEUE_REVOCATIONS, clock_steady_usec(), most - n->n_executions,
                       &due, e);
    if (r == 0)
        r = begin_due(n, &due, ret_n, e);
    operation_list_done(&due);
    return r;
}

/* The person's next operation, when it is one that makes or changes a user, waits for nothing,
 * and all that is due of its kind so far fits into the budget. NULL: it waits for the others. */
static struct operation *next_ahead(struct operation_list *queue, const struct guard_verdict *v)
{
    uint64_t now = clock_steady_usec();
    struct operation *o = queue->n_items ? queue->items[0] : NULL;
    for (size_t i = 0; i < queue->n_items; i++)
        if (queue->items[i]->state == OPERATION_STARTED || queue->items[i]->kind == OPERATION_RENAME)
            return NULL;
    bool makes = o && (o->kind == OPERATION_CREATE || o->kind == OPERATION_UPDATE ||
                       o->kind == OPERATION_PROFILE);
    if (!makes || o->state != OPERATION_READY || o->not_before_usec > now ||
        operation_is_unclear(o) || v->tripped[o->budget])
        return NULL;
    return TAKE(queue->items[0]);
}

/* Whose own entry or groups changed while everybody is looked at again, for a new configuration
 * say: neither is delayed by the others, nor can anybody be harmed by it, since nothing is taken
 * away and the budgets count. What does not go now goes with the whole plan. */
int executor_pick_ahead(struct engine *n, const struct string_list *ids, size_t *ret_n,
                        struct error *e)
{
    struct operation_list due = {0};
    struct guard_input in;
    struct guard_verdict v;
    if (!ids->n_items)
        return 0;
    int r = gate_budgets(n->gate, &in, &v, e);
    for (size_t i = 0; i < ids->n_items && r == 0; i++) {
        struct operation_list queue = {0};
        struct operation *o = NULL;
        if (n->n_executions + due.n_items >= n->options.max_concurrent)
            break;
        r = queue_of_person(n->state, ids->items[i], &queue, e);
        if (r == 0)
            o = next_ahead(&queue, &v);
        if (o && operation_list_add(&due, o) < 0)
            r = error_out_of_memory(e);
        operation_list_done(&queue);
    }
    if (r == 0)
        r = begin_due(n, &due, ret_n, e);
    operation_list_done(&due);
    return r;
}

int executor_pick(struct engine *n, size_t *ret_n, struct error *e)
{
    *ret_n = 0;
    int r = executor_pick_revocations(n, ret_n, e);
    if (r < 0 || n->n_executions >= n->options.max_concurrent)
        return r;
    health_forget_old_missing(n->health);
    size_t room = n->options.max_concurrent - n->n_executions;
    struct operation_list due = {0};
    r = queue_next(n->state, QUEUE_DUE, clock_steady_usec(), room, &due, e);
    if (r == 0 && due.n_items < room)
        r = queue_next(n->state, QUEUE_NEWCOMERS, clock_steady_usec(), room - due.n_items, &due,
                       e);
    if (r == 0)
        r = begin_due(n, &due, ret_n, e);
    operation_list_done(&due);
    return r;
}

static void execution_start(struct execution *x)
{
    switch (x->operation->kind) {
    case OPERATION_CREATE: execute_create(x); break;
    case OPERATION_ADOPT: execute_adopt(x); break;
    case OPERATION_UPDATE: execute_update(x); break;
    case OPERATION_PROFILE: execute_profile(x); break;
    case OPERATION_RENAME: execute_rename(x); break;
    case OPERATION_DISABLE: execute_disable(x); break;
    case OPERATION_ENABLE: execute_enable(x); break;
    case OPERATION_DELETE: execute_delete(x); break;
    }
}

/* What is under way for a person who is revoked is to end soon. */
void executor_hurry(struct engine *n)
{
    for (struct execution *x = n->executions; x; x = x->next)
        if (x->intent.hurries && x->call)
            n->options.tenant_ops->call_hurry(x->call);
}

/* The intents are durable now: the requests may leave. A start may end its execution, so the
 * list is looked through anew each time. */
void executor_start_committed(struct engine *n)
{
    for (;;) {
        struct execution *x = n->executions;
        while (x && !x->waits_for_commit)
            x = x->next;
        if (!x || books_have_failed(n->books))
            return;
        x->waits_for_commit = false;
        execution_start(x);
    }
}

/* Intents without outcome: the next attempt reads the tenant before it writes. */
void executor_settle_crash(struct engine *n, struct error *e)
{
    struct operation_list started = {0};
    int r = queue_started(n->state, &started, e);
    if (r == 0 && started.n_items)
        log_notice(
            "%zu operations were under way when rosterd ended: each is settled by reading the tenant",
            started.n_items);
    if (r == 0)
        r = books_write(n->books, e);
    for (size_t i = 0; i < started.n_items && r == 0; i++) {
        struct operation *o = started.items[i];
        o->state = OPERATION_READY;
        o->not_before_usec = 0;
        if (operation_say(o, REASON_UNCLEAR, o->cause, o->sentence) < 0)
            r = error_out_of_memory(e);
        if (r == 0)
            r = queue_store(n->state, o, e);
        struct audit_row row = {.event = "release",
                                .operation = o,
                                .code = REASON_UNCLEAR,
                                .sentence =
                                    "rosterd ended before the answer came: settled by reading"};
        if (r == 0)
            r = books_audit(n->books, &row, e);
        if (r == 0) /* the plan may have changed meanwhile */
            r = person_mark_dirty(n->state, o->entry_id, e);
    }
    operation_list_done(&started);
    if (r < 0)
        books_failed(n->books, e);
}

int execution_set_known(struct execution *x, const struct user *known, struct error *e)
{
    free(x->link.known);
    x->link.known = user_to_json(known, false);
    return x->link.known ? 0 : error_out_of_memory(e);
}

int execution_set_quirks(struct execution *x, const struct user *quirks, struct error *e)
{
    bool any = quirks->n_roles || quirks->n_skills;
    for (int f = 0; f < USER_N_FIELDS; f++)
        any = any || user_get(quirks, (enum user_field)f);
    free(x->link.quirks);
    x->link.quirks = any ? user_to_json(quirks, false) : NULL;
    return any && !x->link.quirks ? error_out_of_memory(e) : 0;
}

/* What rosterd gave and so may take back: with the user all that was wanted, later what the
 * operations give, less what they take. */
static int note_granted(struct execution *x, struct error *e)
{
    static const struct user nobody;
    const struct operation *o = x->operation;
    bool whole = o->kind == OPERATION_CREATE || o->kind == OPERATION_ADOPT;
    const struct user *before = x->granted ? x->granted : &nobody;
    CLEANUP(user_freep) struct user *given = user_new();
    int r = given ? 0 : -ENOMEM;
    if (r == 0 && whole) {
        for (size_t i = 0; i < x->wanted->n_roles && r == 0; i++)
            r = user_add_role(given, x->wanted->roles[i].name, NULL);
        for (size_t i = 0; i < x->wanted->n_skills && r == 0; i++)
            r = user_add_skill(given, x->wanted->skills[i].name, x->wanted->skills[i].level, NULL);
    } else if (r == 0) {
        r = apply_roles(o, before, given);
        if (r == 0)
            r = apply_skills(o, before, given);
    }
    free(x->link.granted);
    x->link.granted = r == 0 ? user_to_json(given, false) : NULL;
    return x->link.granted ? 0 : error_out_of_memory(e);
}

int execution_store_link(struct execution *x, struct error *e)
{
    struct engine *n = x->engine;
    if (x->wanted && note_granted(x, e) < 0)
        return -ENOMEM;
    if (!x->link.entry_id)
        x->link.entry_id = strdup(x->operation->entry_id);
    free(x->link.login_key);
    x->link.login_key = text_fold(x->link.login, strlen(x->link.login));
    if (!x->link.entry_id || !x->link.login_key)
        return error_out_of_memory(e);
    uint64_t now = clock_now_usec(); /* for people */
    x->link.confirmed_usec = x->unread ? 0 : now;
    if (!x->link.created_usec)
        x->link.created_usec = now;
    x->has_link = true;
    return link_store(n->state, &x->link, e);
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
        .details = x->details,
    };
    if (a) {
        row.status = a->status;
        row.answer = tenant_answer_class_name(a->class);
        /* What was done is in the changes; the body says more than that only when it was not.
         */
        row.answer_text = a->hint[0] && a->class != TENANT_DONE ? a->hint : NULL;
        row.duration_usec = a->duration_usec;
    }
    return books_audit(x->engine->books, &row, e);
}

static void end_execution(struct execution *x)
{
    struct engine *n = x->engine;
    execution_free(x);
    books_outcome(n->books);
}

static int note_spent(struct engine *n, const struct operation *o, struct error *e)
{
    int r = budget_note(n->state, o->budget, clock_steady_usec(), e);
    return r < 0 ? r : books_note_steady(n->books, e);
}

/* The user was made as the rules wanted it at the start, nothing came in between, and nothing
 * waits: to look at the person again would find nothing. */
static bool is_settled(const struct execution *x, struct error *e)
{
    return x->as_wanted && !x->intent.moved && !x->settling && x->link.status == LINK_ACTIVE &&
           !queue_has(x->engine->state, x->operation->entry_id, e);
}

/* Done: the operation leaves the queue, and the person is looked at again, for the next step if
 * any. */
void execution_finish(struct execution *x, const struct tenant_answer *a,
                      enum person_bucket bucket)
{
    struct engine *n = x->engine;
    struct error e = {0};
    const struct operation *o = x->operation;
    int r = books_write(n->books, &e);
    if (r == 0)
        r = queue_remove(n->state, o->number, &e);
    if (r == 0)
        r = refusal_freed(x, &e);
    if (r == 0 && !o->approved && o->kind != OPERATION_ADOPT)
        r = note_spent(n, o, &e);
    if (r == 0)
        r = audit_outcome(x, "outcome", a, "done", NULL, &e);
    if (r == 0 && !is_settled(x, &e))
        r = person_mark_dirty(n->state, o->entry_id, &e);
    if (r == 0)
        r = person_touch(n->state, o->entry_id, books_run(n->books), bucket, &e);
    if (r < 0) {
        execution_broken(x, &e);
        return;
    }
    n->n_done++;
    /* The log has it from the audit, once it is committed. */
    log_debug("%s of %s is done (%s)", operation_kind_name(o->kind), o->login, o->dn);
    health_user_fine(n->health);
    end_execution(x);
}

/* Waits, for a reason that a person can read; wait_usec 0: until something it depends on
 * changes. */
void execution_hold(struct execution *x, const struct tenant_answer *a, const char *reason,
                    const char *cause, const char *sentence, uint64_t wait_usec)
{
    struct engine *n = x->engine;
    struct operation *o = x->operation;
    struct error e = {0};
    uint64_t now = clock_steady_usec();
    if (x->settling) { /* it could not be read: still unclear, whatever kept us from it */
        reason = REASON_UNCLEAR;
        cause = "unclear";
    }
    bool again = text_equal(o->reason, reason);
    o->state = OPERATION_HELD;
    o->not_before_usec = wait_usec ? now + wait_usec : 0;
    if (!again || !o->since_usec)
        o->since_usec = now;
    int r = operation_say(o, reason, cause, sentence);
    if (r < 0)
        error_out_of_memory(&e);
    if (r == 0)
        r = books_write(n->books, &e);
    if (r == 0)
        r = queue_store(n->state, o, &e);
    if (r == 0 && (a || !again)) /* where nothing was asked, nothing new is known */
        r = audit_outcome(x, a ? "outcome" : "hold", a, reason, sentence, &e);
    if (r == 0) /* what is wanted may have changed while it was in flight */
        r = person_mark_dirty(n->state, o->entry_id, &e);
    if (r == 0)
        r = person_touch(n->state, o->entry_id, books_run(n->books), BUCKET_PENDING, &e);
    if (r < 0) {
        execution_broken(x, &e);
        return;
    }
    if (!again)
        log_event(LOG_WARNING, MSG_HELD, "%s of %s waits: %s (%s)",
                  operation_kind_name(o->kind), o->login, sentence, o->dn);
    end_execution(x);
}

void execution_replan(struct execution *x, const struct tenant_answer *a, const char *code,
                      const char *sentence)
{
    struct engine *n = x->engine;
    struct error e = {0};
    int r = books_write(n->books, &e);
    if (r == 0)
        r = queue_remove(n->state, x->operation->number, &e);
    if (r == 0)
        r = audit_outcome(x, "outcome", a, code, sentence, &e);
    if (r == 0)
        r = person_mark_dirty(n->state, x->operation->entry_id, &e);
    if (r < 0)
        execution_broken(x, &e);
    else
        end_execution(x);
}

/* It has become pointless (the user to adopt is not there): the person is looked at again. */
void execution_drop(struct execution *x, const char *sentence)
{
    execution_replan(x, NULL, "dropped", sentence);
}

void execution_undone(struct execution *x, const struct tenant_answer *a)
{
    struct engine *n = x->engine;
    struct operation *o = x->operation;
    struct error e = {0};
    o->state = OPERATION_READY;
    o->not_before_usec = 0;
    int r = books_write(n->books, &e);
    if (r == 0 && operation_say(o, NULL, NULL, NULL) < 0)
        r = error_out_of_memory(&e);
    if (r == 0)
        r = queue_store(n->state, o, &e);
    if (r == 0)
        r = audit_outcome(x, "outcome", a, "not-done",
                          "read: the earlier attempt did not do it", &e);
    if (r == 0)
        r = person_mark_dirty(n->state, o->entry_id, &e);
    if (r < 0) {
        execution_broken(x, &e);
        return;
    }
    books_note(n->books, WORK_GUARD);
    end_execution(x);
}

/* Back to the queue as if it had not been tried: the tenant as a whole does not take calls now.
 */
void execution_return(struct execution *x, const struct tenant_answer *a)
{
    struct engine *n = x->engine;
    struct operation *o = x->operation;
    struct error e = {0};
    o->state = OPERATION_READY;
    o->not_before_usec = 0;
    int r = books_write(n->books, &e);
    /* One that was tried for all who were refused alike is still the one for them. */
    bool for_all = !x->settling && queue_reason_is_shared(o->reason);
    if (r == 0 && !for_all && operation_say(o, x->settling ? REASON_UNCLEAR : NULL, o->cause, o->sentence) < 0)
        r = error_out_of_memory(&e);
    if (r == 0)
        r = queue_store(n->state, o, &e);
    if (r == 0)
        r = audit_outcome(x, "outcome", a,
                          health_state(n->health) == ENGINE_TENANT_REFUSED     ? REASON_NOT_AUTHORISED
                          : health_state(n->health) == ENGINE_TENANT_NO_SECRET ? REASON_NO_SECRET
                                                                       : REASON_TENANT_AWAY,
                          health_error(n->health), &e);
    if (r == 0)
        r = person_mark_dirty(n->state, o->entry_id, &e);
    if (r < 0)
        execution_broken(x, &e);
    else
        end_execution(x);
}
