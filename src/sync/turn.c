/*
 * The turns: what stands in turn() is all that the engine does, in its order. A turn evaluates
 * some people, applies the guard when none is left, writes the intents of what may start,
 * commits that together with the outcomes of the last turn, and only then sends. Between turns
 * it waits for what is due next.
 */
#include "config.h"

#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "state/queue.h"
#include "state/steady.h"
#include "sync/engine-internal.h"

#define GATHER_USEC (4 * USEC_PER_MSEC)
/* How long a transaction is open at most: its pages are written once, however often they change
 * in it. What a read has shown so far is good for nothing but the end of that read. */
#define COMMIT_USEC      (30 * USEC_PER_MSEC)
#define COMMIT_READ_USEC (200 * USEC_PER_MSEC)
/* How far the clocks came is noted when it was so long ago, though nothing else is written. */
#define OLD_NOTE_USEC (3600 * USEC_PER_SEC)

void turn_wake(void *userdata)
{
    struct engine *n = userdata;
    if (n->turn_source)
        sd_event_source_set_enabled(n->turn_source, SD_EVENT_ONESHOT);
}

/* With many calls in flight, outcomes and the next intents wait a moment for each other, so
 * that they share a commit. What is lost with them in a crash is settled by reading, as any
 * intent is. */
static bool gather_outcomes(const struct engine *n, bool more)
{
    uint64_t since = books_outcome_since_usec(n->books);
    return !more && delivery_has_many(n->delivery) && since &&
           clock_monotonic_usec() - since < GATHER_USEC;
}

/* The guard does, since it looked in this turn: what may not start after all is parked by that. */
static bool looks_again(const struct engine *n)
{
    return books_have(n->books, WORK_GUARD) && judge_may(n->judge) &&
           !reading_is_under_way(n->reading);
}

static bool nothing_under_way(const struct engine *n, bool more, size_t n_picked)
{
    return !more && !n_picked && !delivery_in_flight(n->delivery) &&
           !passwords_are_busy(n->passwords) && !reading_is_under_way(n->reading) &&
           reading_has_ended(n->reading) && !contact_is_looking(n->contact) &&
           (!n->options.tenant || (contact_is_known(n->contact) && !health_is_asking(n->health)) ||
            health_state(n->health) != ENGINE_TENANT_OK);
}

/* Nobody waits for what is written now. */
static bool only_reads(const struct engine *n)
{
    return reading_is_under_way(n->reading) && !delivery_in_flight(n->delivery) && !n->stopping;
}

/* When the open transaction is to be committed at the latest; 0: there is none. */
static uint64_t commit_usec(const struct engine *n)
{
    uint64_t since = books_open_since_usec(n->books);
    return since ? since + (only_reads(n) ? COMMIT_READ_USEC : COMMIT_USEC) : 0;
}

bool turn_may_send(const struct engine *n)
{
    return gate_is_open(n->gate) && health_state(n->health) == ENGINE_TENANT_OK &&
           contact_is_known(n->contact);
}

/* Whether users may be taken away, which revocations do not ask. */
static bool lets_remove(const struct engine *n)
{
    return gate_lets_remove(n->gate) && reading_is_in_step(n->reading);
}

/* With the tenant away or writing paused, what is READY waits, and so do removals while the
 * state file is being checked or the directory is away: the run is not over, the work is. */
static int end_run(struct engine *n, char **ret_ledger, struct error *e)
{
    bool may = turn_may_send(n) && lets_remove(n) && !delivery_is_slowed(n->delivery);
    bool blocked = !may && !n->options.plan_only;
    return books_run(n->books) && !blocked && !n->stopping ? run_close(n->books, ret_ledger, e) : 0;
}

static void settle_idle(struct engine *n, const char *ledger)
{
    if (ledger)
        run_closed(n->books, ledger);
    if (books_take(n->books, WORK_RUN) && n->idle.fn)
        n->idle.fn(n->idle.userdata);
}

/* They go with the whole plan. */
static void drop_ahead(struct engine *n)
{
    CLEANUP(string_list_done) struct string_list marked, of_round;
    judge_take_ahead(n->judge, &marked, &of_round);
}

static int release_due(struct engine *n, uint64_t now, bool *more, struct error *e)
{
    size_t n_released = 0, slice = gate_slice(n->options.slice);
    bool any = false;
    int r = queue_any_held_due(books_state(n->books), now, &any, e);
    if (r < 0 || !any)
        return r;
    r = queue_release_due(books_state(n->books), now, slice, &n_released, e);
    *more |= n_released == slice;
    return r < 0 || *more
               ? r
               : queue_release_shared(books_state(n->books), now,
                                      now + n->options.sync->hold_retry_usec, &n_released, e);
}

/* The guard looks when nobody is dirty any more, so that it sees the whole plan; *more also when
 * it has more to move. */
static int guard_and_pick(struct engine *n, bool *more, size_t *ret_picked, struct error *e)
{
    size_t n_picked = 0;
    n->looked_usec = clock_steady_usec();
    int r = release_due(n, n->looked_usec, more, e);
    if (r == 0)
        r = gate_expire_approvals(n->gate, e);
    if (r < 0 || *more || !judge_may(n->judge))
        return r;
    drop_ahead(n);
    if (books_have(n->books, WORK_GUARD)) {
        books_note(n->books, WORK_ALARMS);
        r = gate_apply(n->gate, e);
        *more = r == GATE_MORE;
        if (*more)
            return 0;
        if (r == 0 && sweep_has_read_anew(n->sweep))
            r = distrust_check(n->books, e);
        books_take(n->books, WORK_GUARD);
        if (r == 0)
            r = reading_evaluated(n->reading, e);
        if (r == 0)
            contact_evaluated(n->contact);
    }
    if (r == 0 && turn_may_send(n) && !n->stopping && !gather_outcomes(n, false))
        r = delivery_pick(n->delivery, lets_remove(n), &n_picked, e);
    *ret_picked += n_picked;
    /* What waits may be of the users of the tenant before. */
    bool passwords = turn_may_send(n) && !contact_other_tenant(n->contact);
    if (r == 0)
        r = passwords_turn(n->passwords, passwords, e);
    return r;
}

#define JUDGED_A_TURN 256 /* takes some ten milliseconds */

/* Those that would start now, by the rules of now: what was planned by those of before, and has
 * come back within the budget or from a hold, is not sent while its person is still to be looked
 * at. *ret_more: of so many none was left that there is no time for the next ones. */
static int judge_next_revocations(struct engine *n, bool *ret_more, struct error *e)
{
    struct state *s = books_state(n->books);
    bool dropped = true;
    size_t n_judged = 0;
    int r = 0;
    while (r >= 0 && dropped && n_judged < JUDGED_A_TURN) {
        CLEANUP(operation_list_done) struct operation_list next = {0};
        dropped = false;
        r = queue_next(s, QUEUE_REVOCATIONS, clock_steady_usec(), n->options.max_concurrent, &next,
                       e);
        for (size_t i = 0; i < next.n_items && r >= 0; i++) {
            r = judge_revocation(n->judge, next.items[i]->entry_id, e);
            if (r == 0)
                r = queue_revokes(s, next.items[i]->entry_id, e);
            dropped |= r == 0;
        }
        n_judged += next.n_items;
    }
    *ret_more = dropped;
    return r < 0 ? r : 0;
}

/* Neither a read nor the evaluation of others holds them up. */
static int start_revocations(struct engine *n, size_t *ret_picked, struct error *e)
{
    bool planned = books_have(n->books, WORK_REVOCATIONS), more = false;
    if (planned && gate_is_approving(n->gate))
        return 0;
    int r = planned ? gate_apply_to_revocations(n->gate, e) : 0;
    if (r == GATE_MORE) {
        books_wake(n->books, WORK_REVOCATIONS);
        return 0;
    }
    books_take(n->books, WORK_REVOCATIONS);
    if (r < 0 || !turn_may_send(n) || n->stopping)
        return r;
    r = judge_next_revocations(n, &more, e);
    if (r == 0 && more)
        books_wake(n->books, WORK_REVOCATIONS);
    else if (r == 0)
        r = delivery_pick_revocations(n->delivery, ret_picked, e);
    return r;
}

static int pick_ahead(struct engine *n, size_t *ret_picked, struct error *e)
{
    CLEANUP(string_list_done) struct string_list marked, of_round;
    judge_take_ahead(n->judge, &marked, &of_round);
    int r = delivery_pick_ahead(n->delivery, &marked, DELIVERY_MARKED, ret_picked, e);
    return r < 0 ? r
                 : delivery_pick_ahead(n->delivery, &of_round, DELIVERY_OF_ROUND, ret_picked, e);
}

static void look_at_alarms(struct engine *n, bool settled)
{
    uint64_t at = books_alarms_due_usec(n->books);
    uint64_t now = clock_steady_usec(), rest = books_alarms_rest_usec(n->books);
    bool due = at && at <= now, asked = books_have(n->books, WORK_ALARMS);
    if (n->options.plan_only || (!due && !(settled && asked)))
        return;
    if (!due && now < rest) {
        books_alarms_at(n->books, rest);
        return;
    }
    struct alarm_facts facts = {.settled = settled && turn_may_send(n),
                                .adoption_open = contact_adoption_open(n->contact),
                                .paused = gate_is_paused(n->gate),
                                .paused_usec = gate_paused_usec(n->gate)};
    alarm_check(n->books, &facts);
    if (asked && !settled) /* what is over is not told before */
        books_note(n->books, WORK_ALARMS);
}

/* *ret_more: the guard is to wait. */
static int release_approved(struct engine *n, bool *ret_more, struct error *e)
{
    int r = gate_release_approved(n->gate, engine_accept, n, e);
    *ret_more = r == GATE_MORE;
    return r < 0 ? r : 0;
}

/* The same for what a person wants to be tried again. */
static int retry_some(struct engine *n, bool *more, struct error *e)
{
    const struct engine_retry *retry;
    int r = gate_retry_some(n->gate, &retry, e);
    *more |= retry != NULL;
    if (retry && retry->over)
        operator_ask_anew(n, retry->cause);
    return r;
}

/* And for what comes back since a cause has ended. */
static int release_some(struct engine *n, bool *more, struct error *e)
{
    size_t n_released = 0;
    int r = queue_release_some(books_state(n->books), gate_slice(n->options.slice), &n_released, e);
    if (n_released)
        books_note(n->books, WORK_GUARD);
    *more |= r == 0;
    return r < 0 ? r : 0;
}

static int turn(struct engine *n, struct error *e)
{
    bool more = false, ahead = false, approving = false, revoking = false;
    size_t n_picked = 0;
    int r = books_look_at_clock(n->books, e);
    reading_look_for_sleep(n->reading);
    if (r == 0)
        r = release_approved(n, &approving, e);
    delivery_withdraw(n->delivery); /* and is judged anew below */
    if (r == 0 && !n->stopping)
        r = retry_some(n, &approving, e);
    if (r == 0 && !n->stopping)
        r = release_some(n, &approving, e);
    if (r == 0 && !n->stopping)
        r = judge_revocations(n->judge, &revoking, e);
    if (r == 0 && !n->stopping)
        r = judge_some(n->judge, gate_has_seen_plan(n->gate), &more, &ahead, e);
    delivery_hurry(n->delivery);
    more |= approving || revoking;
    if (r == 0 && !revoking && /* else one would go that is to be judged anew */
        (books_have(n->books, WORK_REVOCATIONS) || more || gate_is_moving(n->gate) ||
         reading_is_under_way(n->reading)))
        r = start_revocations(n, &n_picked, e);
    if (r == 0 && ahead && !revoking && turn_may_send(n))
        r = pick_ahead(n, &n_picked, e);
    if (r == 0 && !reading_is_under_way(n->reading))
        r = guard_and_pick(n, &more, &n_picked, e);
    if (r < 0)
        return r;
    contact_look(n->contact);
    more |= looks_again(n);
    bool settled = nothing_under_way(n, more, n_picked);
    look_at_alarms(n, settled);
    if (books_have_failed(n->books))
        return error_set(e, -EIO, "%s", books_error(n->books));
    if (!n_picked && gather_outcomes(n, more)) /* what was picked leaves by what is in force now */
        return 0;
    CLEANUP(freep) char *ledger = NULL;
    if (settled)
        r = end_run(n, &ledger, e);
    bool idle = !more && !only_reads(n), counting = r == RUN_MORE, rests = r == RUN_RESTS;
    if (r < 0)
        return r;
    if (books_have(n->books, WORK_COMMIT) || n_picked || idle ||
        commit_usec(n) <= clock_monotonic_usec())
        r = books_commit(n->books, e);
    if (r < 0)
        return r;
    delivery_start_committed(n->delivery);
    passwords_start_committed(n->passwords);
    gate_tell_released(n->gate);
    gate_tell_retried(n->gate);
    if (more || counting)
        books_wake(n->books, WORK_DUE);
    else if (settled && !rests)
        settle_idle(n, ledger);
    return 0;
}

static void sooner(uint64_t *at, uint64_t candidate)
{
    if (candidate && (!*at || candidate < *at))
        *at = candidate;
}

static uint64_t wait_until(uint64_t at, uint64_t now)
{
    return at > now ? at - now : 0;
}

/* Nothing is begun any more while it stops, so that what falls due then would be due in each
 * turn: answers wake it. */
uint64_t turn_due_usec(const struct engine *n, uint64_t now)
{
    struct error e = {0};
    uint64_t at = 0, queue = 0;
    if (n->stopping)
        return 0;
    /* What was due at the last look and could not start (tenant away, paused) is woken by what
     * ends that; a read's end brings a turn of its own. */
    if (reading_is_under_way(n->reading) ||
        queue_next_time(books_state(n->books), n->looked_usec, &queue, &e) < 0)
        queue = 0;
    sooner(&at, queue);
    uint64_t date = judge_due_usec(n->judge); /* on the clock of dates */
    if (date)
        sooner(&at, now + wait_until(date, clock_date_usec()));
    /* While the tenant is being asked, its answer is what comes next. */
    sooner(&at, health_is_asking(n->health) ? 0 : health_probe_usec(n->health));
    sooner(&at, sweep_due_usec(n->sweep));
    sooner(&at, delivery_slowed_usec(n->delivery));
    sooner(&at, passwords_due_usec(n->passwords));
    sooner(&at, books_alarms_due_usec(n->books));
    sooner(&at, run_rests_usec(n->books));
    uint64_t end = reading_is_under_way(n->reading) ? 0 : gate_approval_end_usec(n->gate);
    sooner(&at, end);
    return at;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void arm_timer(struct engine *n)
{
    uint64_t now = clock_steady_usec(), at = turn_due_usec(n, now);
    bool gathers = books_outcome_since_usec(n->books);
    n->due_usec = at;
    if (gathers)
        at = now; /* gather_outcomes() */
    /* Each minute, since the wall clock tells nobody that it was set. */
    uint64_t wait = gathers ? GATHER_USEC : at > now ? at - now : USEC_PER_MSEC;
    if (!at || wait > 60 * USEC_PER_SEC)
        wait = 60 * USEC_PER_SEC;
    uint64_t due = clock_monotonic_usec() + wait;
    if (!gathers)
        sooner(&due, commit_usec(n));
    int r = n->timer
                ? sd_event_source_set_time(n->timer, due)
                : timer_at(sd_event_source_get_event(n->turn_source), &n->timer, due, on_timer, n);
    if (r >= 0)
        r = sd_event_source_set_enabled(n->timer, SD_EVENT_ONESHOT);
    if (r < 0)
        log_error("Cannot arm the engine's timer: error %d", r);
}

/* Where nothing happens nothing is written; what waits would have waited all that time for
 * nothing when the power fails and nobody keeps the clock right. */
static void note_time(struct engine *n)
{
    struct error e = {0};
    if (n->options.plan_only || books_have_failed(n->books) ||
        steady_note_age_usec(books_steady(n->books)) < OLD_NOTE_USEC)
        return;
    books_turn(n->books, true); /* so that it needs none */
    if (books_note_steady(n->books, &e) < 0 || books_commit(n->books, &e) < 0)
        books_failed(n->books, &e);
    books_turn(n->books, false);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct engine *n = userdata;
    uint64_t now = clock_steady_usec();
    bool due = n->due_usec && n->due_usec <= now; /* or half-way: see arm_timer() */
    if (!books_outcome_since_usec(n->books) && !books_open_since_usec(n->books) && !due &&
        !steady_is_open(books_steady(n->books))) {
        note_time(n);
        arm_timer(n);
        return 0;
    }
    uint64_t probe = health_probe_usec(n->health);
    if (n->options.tenant && probe && probe <= now)
        health_ask(n->health);
    uint64_t sweep = sweep_due_usec(n->sweep);
    if (sweep && sweep <= now) {
        struct error e = {0};
        if (sweep_start(n->sweep, turn_may_send(n)) && contact_ask_again(n->contact, &e) < 0)
            books_failed(n->books, &e);
    }
    books_wake(n->books, WORK_DUE);
    return 0;
}

/* What is in flight is over, or its outcome can't be written: it is settled after the next start.
 * Whoever is being told of something is told. */
static bool has_stopped(const struct engine *n)
{
    return n->stopping && n->stopped.fn && !command_any(n->commands) &&
           (books_have_failed(n->books) || !delivery_in_flight(n->delivery));
}

static void end(struct engine *n)
{
    struct listener stopped = n->stopped;
    struct error e = {0};
    if (!books_have_failed(n->books) && n->stopping != STOP_NOTED) {
        n->stopping = STOP_NOTED;
        if (configuration_note_life(n, "stop", &e) < 0)
            books_failed(n->books, &e);
        else
            books_export(n->books);
        if (!has_stopped(n)) /* somebody is told of that, or of the last checkpoint */
            return;
    }
    n->stopped = (struct listener){0};
    stopped.fn(stopped.userdata);
}

static int on_turn(sd_event_source *source, void *userdata)
{
    (void)source;
    struct engine *n = userdata;
    struct error e = {0};
    if (!books_have_failed(n->books)) {
        books_turn(n->books, true);
        n->n_turns++;
        int r = turn(n, &e);
        books_turn(n->books, false);
        if (r < 0)
            books_failed(n->books, &e);
    }
    if (has_stopped(n))
        end(n);
    else if (!books_have_failed(n->books))
        arm_timer(n);
    return 0;
}

int turn_start(struct engine *n, sd_event *event, struct error *e)
{
    int r = sd_event_add_defer(event, &n->turn_source, on_turn, n);
    if (r >= 0) /* after what brings data in, so that a turn sees all of it */
        r = sd_event_source_set_priority(n->turn_source, SD_EVENT_PRIORITY_NORMAL + 10);
    if (r >= 0)
        r = sd_event_source_set_enabled(n->turn_source, SD_EVENT_OFF);
    return r < 0 ? error_set(e, r, "cannot add the engine to the event loop") : 0;
}
