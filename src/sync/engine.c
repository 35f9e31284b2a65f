/*
 * The engine's life and its turns. What a turn does stands in engine_turn(); the parts are in
 * the other files of this folder. Nothing here waits.
 */
#include "config.h"

#include "sync/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "sync/engine-internal.h"

#define GATHER_USEC (4 * USEC_PER_MSEC)

/* The next one is compared with it. */
static int keep_configuration(struct engine *n, struct error *e)
{
    return n->options.plan_only || !n->options.configuration_facts
               ? 0
               : state_meta_set(n->state, "configuration-facts", n->options.configuration_facts, e);
}

/* Who loaded the configuration in force; nobody is known for one that a start found. */
static int keep_loader(struct engine *n, struct error *e)
{
    char person[AUDIT_PERSON_SIZE];
    const struct engine_act *act = books_asked_by(n->books);
    if (act && act->actor)
        audit_actor_person(act->actor, person);
    return state_meta_set(n->state, "configuration-by", act && act->actor ? person : NULL, e);
}

/* When rosterd ran, and when it did not and so did nothing to anybody. */
static int note_life(struct engine *n, const char *event, struct error *e)
{
    bool start = strcmp(event, "start") == 0;
    struct audit_row row = {.event = event,
                            .sentence = "rosterd " PACKAGE_VERSION,
                            .details = start ? n->options.configuration : NULL};
    int r = books_audit(n->books, &row, e);
    if (r == 0 && start)
        r = keep_configuration(n, e);
    if (r == 0 && !n->options.plan_only)
        r = books_note_steady(n->books, e);
    return r < 0 ? r : books_commit(n->books, e);
}

static int engine_turn(sd_event_source *source, void *userdata);

/* A turn soon. */
static void wake(void *userdata)
{
    struct engine *n = userdata;
    if (n->turn_source)
        sd_event_source_set_enabled(n->turn_source, SD_EVENT_ONESHOT);
}

static void status_changed(void *userdata)
{
    struct engine *n = userdata;
    if (n->status_fn)
        n->status_fn(n->status_userdata);
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

static bool nothing_under_way(const struct engine *n, bool more, size_t n_picked)
{
    return !more && !n_picked && !delivery_in_flight(n->delivery) && !passwords_are_busy(n->passwords) && !reading_is_under_way(n->reading) &&
           reading_has_ended(n->reading) &&
           (!n->options.tenant || (contact_is_known(n->contact) && !health_is_asking(n->health)) ||
            health_state(n->health) != ENGINE_TENANT_OK);
}

static int settle_idle(struct engine *n, struct error *e)
{
    /* With the tenant away or writing paused, what is READY waits: the run is not over, the
     * work is. */
    bool blocked = !gate_is_open(n->gate) && !n->options.plan_only;
    if (books_run(n->books) && !blocked && !n->stopping) {
        int r = run_close(n->books, e);
        if (r < 0)
            return r;
    }
    if (books_take(n->books, WORK_RUN) && n->idle_fn)
        n->idle_fn(n->idle_userdata);
    return 0;
}

/* They go with the whole plan. */
static void drop_ahead(struct engine *n)
{
    struct string_list ids = judge_take_ahead(n->judge);
    string_list_done(&ids);
}

/* The guard looks when nobody is dirty any more, so that it sees the whole plan. */
static int guard_and_pick(struct engine *n, bool more, size_t *ret_picked, struct error *e)
{
    int r = 0;
    size_t n_released = 0, n_picked = 0;
    uint64_t now = clock_steady_usec();
    n->looked_usec = now;
    r = queue_release_due(n->state, now, &n_released, e);
    if (r == 0)
        r = queue_release_shared(n->state, now, now + n->options.sync->hold_retry_usec,
                                 &n_released, e);
    if (r == 0 && n_released)
        r = run_join(n->books, "retry", e);
    if (r == 0)
        r = gate_expire_approvals(n->gate, e);
    if (r < 0 || more || !judge_may(n->judge))
        return r;
    drop_ahead(n);
    if (books_have(n->books, WORK_GUARD)) {
        books_note(n->books, WORK_ALARMS);
        r = gate_apply(n->gate, e);
        if (r == 0 && sweep_has_read_anew(n->sweep))
            r = distrust_check(n->books, e);
        books_take(n->books, WORK_GUARD);
        if (r == 0)
            contact_evaluated(n->contact);
    }
    if (r == 0 && gate_is_open(n->gate) && !n->stopping && !gather_outcomes(n, more))
        r = delivery_pick(n->delivery, &n_picked, e);
    *ret_picked += n_picked;
    if (r == 0)
        r = passwords_turn(n->passwords, e);
    return r;
}

/* Neither a read nor the evaluation of others holds them up. */
static int start_revocations(struct engine *n, size_t *ret_picked, struct error *e)
{
    bool planned = books_have(n->books, WORK_REVOCATIONS);
    int r = planned ? books_write(n->books, e) : 0;
    if (r == 0 && planned)
        r = gate_apply_to_revocations(n->gate, e);
    books_take(n->books, WORK_REVOCATIONS);
    if (r == 0 && gate_is_open(n->gate) && !n->stopping)
        r = delivery_pick_revocations(n->delivery, ret_picked, e);
    return r;
}

static int pick_ahead(struct engine *n, size_t *ret_picked, struct error *e)
{
    struct string_list ids = judge_take_ahead(n->judge);
    int r = delivery_pick_ahead(n->delivery, &ids, ret_picked, e);
    string_list_done(&ids);
    return r;
}

static void look_at_alarms(struct engine *n, bool settled)
{
    uint64_t at = books_alarms_due_usec(n->books);
    bool due = at && at <= clock_steady_usec();
    if (n->options.plan_only || (!due && !(settled && books_have(n->books, WORK_ALARMS))))
        return;
    struct alarm_facts facts = {.settled = settled && gate_is_open(n->gate),
                                .adoption_open = contact_adoption_open(n->contact),
                                .paused = gate_is_paused(n->gate),
                                .paused_usec = gate_paused_usec(n->gate)};
    alarm_check(n->books, &facts);
}

static int turn(struct engine *n, struct error *e)
{
    bool more = false, ahead = false;
    size_t n_picked = 0;
    int r = books_look_at_clock(n->books, e);
    if (r == 0 && !n->stopping)
        r = judge_revocations(n->judge, e);
    if (r == 0 && !n->stopping)
        r = judge_some(n->judge, gate_has_seen_plan(n->gate), &more, &ahead, e);
    delivery_hurry(n->delivery);
    if (r == 0 && (books_have(n->books, WORK_REVOCATIONS) || reading_is_under_way(n->reading) || more))
        r = start_revocations(n, &n_picked, e);
    if (r == 0 && ahead && gate_is_open(n->gate))
        r = pick_ahead(n, &n_picked, e);
    if (r == 0 && !reading_is_under_way(n->reading))
        r = books_write(n->books, e);
    if (r == 0 && !reading_is_under_way(n->reading))
        r = guard_and_pick(n, more, &n_picked, e);
    if (r < 0)
        return r;
    bool settled = nothing_under_way(n, more, n_picked);
    look_at_alarms(n, settled);
    if (books_have_failed(n->books))
        return error_set(e, -EIO, "%s", books_error(n->books));
    if (gather_outcomes(n, more))
        return 0;
    if (books_have(n->books, WORK_COMMIT) || n_picked || books_are_old(n->books) || !more)
        r = books_commit(n->books, e);
    if (r < 0)
        return r;
    delivery_start_committed(n->delivery);
    passwords_start_committed(n->passwords);
    if (more)
        books_wake(n->books, WORK_DUE);
    else if (settled)
        r = settle_idle(n, e);
    return r;
}

static int engine_turn(sd_event_source *source, void *userdata)
{
    (void)source;
    struct engine *n = userdata;
    struct error e = {0};
    if (books_have_failed(n->books))
        return 0;
    books_turn(n->books, true);
    n->n_turns++;
    int r = turn(n, &e);
    books_turn(n->books, false);
    if (r < 0) {
        books_failed(n->books, &e);
        return 0;
    }
    if (n->stopping && !delivery_in_flight(n->delivery) && n->stopped_fn) {
        void (*stopped)(void *) = n->stopped_fn;
        if (note_life(n, "stop", &e) < 0)
            books_failed(n->books, &e);
        n->stopped_fn = NULL;
        stopped(n->stopped_userdata);
        return 0;
    }
    engine_arm_timer(n);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct engine *n = userdata;
    uint64_t now = clock_steady_usec();
    bool due = n->due_usec && n->due_usec <= now; /* or half-way: see engine_arm_timer() */
    if (!books_outcome_since_usec(n->books) && !due && !books_doubt_clock(n->books)) {
        engine_arm_timer(n);
        return 0;
    }
    if (n->options.tenant && health_state(n->health) != ENGINE_TENANT_OK && health_probe_usec(n->health) <= now)
        health_ask(n->health);
    uint64_t sweep = sweep_due_usec(n->sweep);
    if (sweep && sweep <= now)
        sweep_start(n->sweep);
    books_wake(n->books, WORK_DUE);
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

void engine_arm_timer(struct engine *n)
{
    struct error e = {0};
    uint64_t at = 0, queue = 0, now = clock_steady_usec();
    bool gathers = books_outcome_since_usec(n->books);
    /* What was due at the last look and could not start (tenant away, paused) is woken by what
     * ends that; a read's end brings a turn of its own. */
    if (reading_is_under_way(n->reading) || queue_next_time(n->state, n->looked_usec, &queue, &e) < 0)
        queue = 0;
    sooner(&at, queue);
    uint64_t date = judge_due_usec(n->judge); /* on the clock of dates */
    if (date)
        sooner(&at, now + wait_until(date, clock_date_usec()));
    /* While the tenant is being asked, its answer is what comes next. */
    sooner(&at, health_state(n->health) != ENGINE_TENANT_OK && !health_is_asking(n->health) ? health_probe_usec(n->health)
                                                                        : 0);
    sooner(&at, sweep_due_usec(n->sweep));
    sooner(&at, passwords_due_usec(n->passwords));
    sooner(&at, books_alarms_due_usec(n->books));
    uint64_t end = reading_is_under_way(n->reading) ? 0 : gate_approval_end_usec(n->gate);
    if (end)
        sooner(&at, end);
    n->due_usec = at;
    if (gathers)
        at = now; /* gather_outcomes() */
    /* Each minute, since the wall clock tells nobody that it was set. */
    uint64_t wait = gathers ? GATHER_USEC : at && at <= now ? USEC_PER_MSEC : at - now;
    if (!at || wait > 60 * USEC_PER_SEC)
        wait = 60 * USEC_PER_SEC;
    uint64_t due = clock_monotonic_usec() + wait;
    int r = n->timer ? sd_event_source_set_time(n->timer, due)
                     : sd_event_add_time(n->event, &n->timer, CLOCK_MONOTONIC, due,
                                         USEC_PER_MSEC, on_timer, n);
    if (r >= 0)
        r = sd_event_source_set_enabled(n->timer, SD_EVENT_ONESHOT);
    if (r < 0)
        log_error("Cannot arm the engine's timer: error %d", r);
}

/* A create may wait for a free runner of password_command. */
static void on_room(void *userdata)
{
    struct engine *n = userdata;
    if (passwords_are_handed_on(n->passwords))
        wake(n);
}

static void on_answered(void *userdata)
{
    struct engine *n = userdata;
    contact_tenant_answers(n->contact);
}

static int open_owners(struct engine *n, struct audit_export *audit, struct error *e)
{
    int r = commands_new(&n->commands, n->event, on_room, n, e);
    struct books_options o = {.event = n->event,
                              .state = n->state,
                              .audit = audit,
                              .commands = n->commands,
                              .options = &n->options,
                              .wake = wake,
                              .status_changed = status_changed,
                              .userdata = n};
    if (r == 0)
        r = books_new(&n->books, &o, e);
    if (r == 0)
        r = health_new(&n->health, n->books, on_answered, n, e);
    if (r == 0)
        r = contact_new(&n->contact, n->books, n->health, e);
    return r < 0 ? r : gate_new(&n->gate, n->books, n->health, n->contact, e);
}

int engine_new(struct engine **ret, struct sd_event *event, struct state *state,
               struct audit_export *audit, const struct engine_options *options,
               struct error *e)
{
    struct engine *n = calloc(1, sizeof *n);
    if (!n)
        return error_out_of_memory(e);
    n->event = sd_event_ref(event);
    n->state = state;
    n->options = *options;
    int r = open_owners(n, audit, e);
    if (r == 0) {
        r = sd_event_add_defer(event, &n->turn_source, engine_turn, n);
        if (r >= 0) /* after what brings data in, so that a turn sees all of it */
            r = sd_event_source_set_priority(n->turn_source, SD_EVENT_PRIORITY_NORMAL + 10);
        if (r >= 0)
            r = sd_event_source_set_enabled(n->turn_source, SD_EVENT_OFF);
        if (r < 0)
            error_set(e, r, "cannot add the engine to the event loop");
    }
    if (r >= 0) /* it may find that everybody is to be looked at */
        r = rules_new(&n->rules, n->books, e);
    if (r >= 0)
        r = reading_new(&n->reading, n->books, n->rules, e);
    if (r >= 0)
        r = judge_new(&n->judge, n->books, n->rules, n->reading, n->contact, e);
    if (r >= 0)
        r = sweep_new(&n->sweep, n->books, n->health, n->gate, n->rules, e);
    if (r >= 0)
        r = passwords_new(&n->passwords, n->books, n->gate, e);
    struct delivery_options delivery = {.books = n->books,
                                        .gate = n->gate,
                                        .health = n->health,
                                        .contact = n->contact,
                                        .rules = n->rules,
                                        .passwords = n->passwords};
    if (r >= 0)
        r = delivery_new(&n->delivery, &delivery, e);
    if (r < 0) {
        engine_free(n);
        return r;
    }
    *ret = n;
    return 0;
}

struct engine *engine_free(struct engine *n)
{
    if (!n)
        return NULL;
    n->delivery = delivery_free(n->delivery);
    n->sweep = sweep_free(n->sweep);
    n->contact = contact_free(n->contact);
    n->health = health_free(n->health);
    n->passwords = passwords_free(n->passwords);
    n->gate = gate_free(n->gate);
    n->judge = judge_free(n->judge);
    n->reading = reading_free(n->reading);
    n->rules = rules_free(n->rules);
    n->books = books_free(n->books);
    n->commands = commands_free(n->commands);
    n->turn_source = sd_event_source_disable_unref(n->turn_source);
    n->timer = sd_event_source_disable_unref(n->timer);
    n->event = sd_event_unref(n->event);
    free(n);
    return NULL;
}

/* Another configuration than the one that the plan was made with, also after a restart:
 * lifecycle and budgets are not part of the mapping's fingerprint, so everybody is looked at
 * again if it decides otherwise, and whoever the tenant refused is tried again. */
static int take_configuration(struct engine *n, bool reloaded, struct error *e)
{
    CLEANUP(freep) char *before = NULL;
    CLEANUP(freep) char *decided = NULL;
    size_t n_released = 0;
    if (!n->options.fingerprint)
        return 0;
    int r = books_write(n->books, e);
    if (r == 0)
        r = state_meta_get(n->state, "configuration", &before, e);
    if (r >= 0)
        r = state_meta_get(n->state, "decisions", &decided, e);
    if (r < 0)
        return r;
    bool same = text_equal(before, n->options.fingerprint);
    bool decides_same = n->options.decisions && text_equal(decided, n->options.decisions);
    if (!reloaded && same && (decides_same || !n->options.decisions))
        return 0;
    if (n->options.decisions ? !decides_same : !same)
        gate_budgets_are_new(n->gate);
    r = decides_same ? 0 : person_mark_all_dirty(n->state, e);
    if (r == 0)
        r = queue_release(n->state, NULL, REASON_REFUSED, clock_steady_usec(), &n_released, e);
    if (r == 0)
        r = state_meta_set(n->state, "configuration", n->options.fingerprint, e);
    if (r == 0)
        r = state_meta_set(n->state, "decisions", n->options.decisions, e);
    if (r == 0 && !same) /* loading the same again is no authorship */
        r = keep_loader(n, e);
    return r;
}

int engine_start(struct engine *n, struct error *e)
{
    char since[CLOCK_TEXT_SIZE];
    sweep_schedule(n->sweep);
    if (gate_is_paused(n->gate) && !n->options.plan_only)
        log_warning("Writing to the tenant is paused since %s: `rosterctl resume` goes on",
                    alarm_paused_since(gate_paused_usec(n->gate), since));
    books_note(n->books, WORK_ALARMS | WORK_REVOCATIONS);
    int r = contact_check_tenant(n->contact, e);
    if (r < 0)
        return r;
    r = n->options.plan_only ? 0 : delivery_settle_crash(n->delivery, e);
    if (r < 0)
        return r;
    uint64_t run = 0;
    r = n->options.plan_only ? 0 : run_unended(n->state, &run, e); /* it goes on */
    books_set_run(n->books, run);
    if (r == 0)
        r = judge_start(n->judge, e);
    if (r == 0)
        r = gate_configure(n->gate, e);
    if (r == 0)
        r = take_configuration(n, false, e);
    if (r == 0)
        r = gate_start_approvals(n->gate, e);
    if (r == 0)
        r = note_life(n, "start", e);
    if (r == 0 && n->options.tenant)
        health_ask(n->health);
    books_wake(n->books, WORK_DUE);
    return r;
}

void engine_stop(struct engine *n, void (*stopped)(void *userdata), void *userdata)
{
    n->stopping = true;
    n->stopped_fn = stopped;
    n->stopped_userdata = userdata;
    health_close(n->health);
    contact_cancel(n->contact);
    sweep_close(n->sweep);
    passwords_close(n->passwords);
    if (books_have_failed(n->books)) {
        n->stopped_fn = NULL;
        stopped(userdata);
        return;
    }
    books_wake(n->books, WORK_DUE);
}

const struct ruleset *engine_ruleset(const struct engine *n)
{
    return rules_ruleset(n->rules);
}

const char *engine_group_sighting(const struct engine *n, const char *dn)
{
    return rules_sighting(n->rules, dn);
}

struct reading *engine_reading(const struct engine *n)
{
    return n->reading;
}

const struct schema *engine_schema(const struct engine *n)
{
    return rules_schema(n->rules);
}

/* What is written for a new configuration; in the turn's transaction. */
static int write_configuration(struct engine *n, struct error *e)
{
    struct audit_row row = {.event = "configuration",
                            .sentence = "the configuration was loaded",
                            .details = n->options.configuration};
    int r = books_write(n->books, e);
    if (r == 0)
        r = take_configuration(n, true, e);
    if (r == 0)
        r = books_audit(n->books, &row, e);
    return r < 0 ? r : keep_configuration(n, e);
}

int engine_reload(struct engine *n, const struct engine_options *options, struct error *e)
{
    struct engine_options before = n->options;
    struct ruleset *rules = NULL;
    bool reads_more = false;
    n->options = *options;
    n->options.tenant_ops = before.tenant_ops;
    n->options.tenant = before.tenant;
    int r = rules_renew(n->rules, &rules, &reads_more, e);
    bool renewed = r == 0;
    if (r == 0)
        r = write_configuration(n, e);
    if (r == 0)
        r = gate_configure(n->gate, e);
    if (r < 0) { /* nothing of the new one may be kept: its owner frees it */
        if (renewed)
            rules_take_back(n->rules, rules);
        n->options = before;
        return r;
    }
    /* An attribute that was not read yet is not one that nobody has: the directory reads again
     * first. */
    if (reads_more)
        reading_reads_more(n->reading);
    if (n->options.sync->verify_interval_usec != before.sync->verify_interval_usec)
        sweep_schedule(n->sweep);
    ruleset_free(rules);
    books_note(n->books, WORK_GUARD);
    books_wake(n->books, WORK_COMMIT);
    return 0;
}

void engine_on_idle(struct engine *n, void (*fn)(void *userdata), void *userdata)
{
    n->idle_fn = fn;
    n->idle_userdata = userdata;
}

void engine_on_directory_change(struct engine *n, void (*fn)(void *userdata), void *userdata)
{
    reading_on_change(n->reading, fn, userdata);
}

void engine_on_status_change(struct engine *n, void (*fn)(void *userdata), void *userdata)
{
    n->status_fn = fn;
    n->status_userdata = userdata;
}

void engine_directory_away(struct engine *n, bool away, const char *sentence)
{
    if (away)
        alarm_set(n->books, "directory", "directory-away",
                  sentence ? sentence : "the directory cannot be read");
    else
        alarm_over(n->books, "directory");
}

bool engine_past_revocation(const struct engine *n, size_t i, struct engine_revocation *ret)
{
    return delivery_past_revocation(n->delivery, i, ret);
}

bool engine_is_idle(const struct engine *n)
{
    return !books_have(n->books, WORK_RUN);
}

void engine_use_mirror_as_is(struct engine *n)
{
    reading_use_mirror_as_is(n->reading);
}

void engine_audit_written(struct engine *n, bool fine, const char *sentence)
{
    books_audit_written(n->books, fine, sentence);
}

void engine_tell(struct engine *n, bool stands, const char *code, const char *sentence,
                 uint64_t since_usec)
{
    alarm_tell(n->books, stands, code, sentence, since_usec);
}

void engine_status(const struct engine *n, struct engine_status *ret)
{
    *ret = (struct engine_status){
        .tenant = health_was_asked(n->health) ? health_state(n->health) : ENGINE_TENANT_UNKNOWN,
        .tenant_error = health_error(n->health)[0] ? health_error(n->health) : NULL,
        .tenant_since_usec = health_since_usec(n->health),
        .tenant_next_usec = health_probe_usec(n->health),
        .adoption_open = contact_adoption_open(n->contact),
        .adoption_reported = contact_adoption_reported(n->contact) || !n->options.tenant,
        .paused = gate_is_paused(n->gate),
        .observing = gate_observes(n->gate),
        .state_failed = books_have_failed(n->books),
        .state_error = books_have_failed(n->books) ? books_error(n->books) : NULL,
        .audit_error = books_audit_error(n->books),
        .commands = command_any(n->commands),
        .run = books_run(n->books),
        .in_flight = delivery_in_flight(n->delivery),
        .n_done = delivery_n_done(n->delivery),
        .reading = reading_is_under_way(n->reading),
        .budget_window_usec = n->options.sync->budget_window_usec,
    };
}

int engine_explain(struct engine *n, const char *entry_id, struct verdict *ret, struct error *e)
{
    return judge_explain(n->judge, entry_id, ret, e);
}
