/*
 * The engine's life: its owners are made and wired, started, given another configuration,
 * stopped. What they do stands in turn.c.
 */
#include "config.h"

#include "sync/engine.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "mapping/ruleset.h"
#include "state/person.h"
#include "state/state.h"
#include "sync/engine-internal.h"

#define ALARMS_AFTER_START_USEC (60 * USEC_PER_SEC) /* what is over by then is not told */

/* A create may wait for a free runner of password_command, and the end for the last command. */
static void on_room(void *userdata)
{
    struct engine *n = userdata;
    if (n->stopping || passwords_are_handed_on(n->passwords))
        turn_wake(n);
}

static void on_answered(void *userdata)
{
    struct engine *n = userdata;
    contact_tenant_answers(n->contact);
}

static void on_status_changed(void *userdata)
{
    struct engine *n = userdata;
    if (n->status.fn)
        n->status.fn(n->status.userdata);
}

static void on_audit_written(struct audit_export *audit, void *userdata)
{
    struct engine *n = userdata;
    alarm_tell_checkpoint(n->books, audit);
}

/* Calls go down this list; what is to be told upwards wakes a turn. */
static int open_deciding(struct engine *n, struct error *e)
{
    int r = health_new(&n->health, n->books, on_answered, n, e);
    if (r == 0)
        r = contact_new(&n->contact, n->books, n->health, e);
    if (r == 0)
        r = gate_new(&n->gate, n->books, e);
    if (r == 0) /* it may find that everybody is to be looked at */
        r = rules_new(&n->rules, n->books, e);
    if (r == 0)
        r = reading_new(&n->reading, n->books, n->rules, e);
    return r < 0 ? r : judge_new(&n->judge, n->books, n->rules, n->reading, n->contact, e);
}

static int open_sending(struct engine *n, struct error *e)
{
    int r = sweep_new(&n->sweep, n->books, n->health, n->rules, e);
    if (r == 0)
        r = passwords_new(&n->passwords, n->books, e);
    struct delivery_options o = {.books = n->books,
                                 .gate = n->gate,
                                 .health = n->health,
                                 .contact = n->contact,
                                 .rules = n->rules,
                                 .passwords = n->passwords,
                                 .sweep = n->sweep};
    return r < 0 ? r : delivery_new(&n->delivery, &o, e);
}

int engine_new(struct engine **ret, struct sd_event *event, struct state *state,
               struct audit_export *audit, const struct engine_options *options, struct error *e)
{
    struct engine *n = calloc(1, sizeof(*n));
    if (!n)
        return error_out_of_memory(e);
    n->options = *options;
    int r = turn_start(n, event, e);
    if (r == 0)
        r = commands_new(&n->commands, event, on_room, n, e);
    struct books_options o = {.event = event,
                              .state = state,
                              .audit = audit,
                              .commands = n->commands,
                              .options = &n->options,
                              .wake = turn_wake,
                              .status_changed = on_status_changed,
                              .audit_written = on_audit_written,
                              .userdata = n};
    if (r == 0)
        r = books_new(&n->books, &o, e);
    if (r == 0)
        r = open_deciding(n, e);
    if (r == 0)
        r = open_sending(n, e);
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
    n->passwords = passwords_free(n->passwords);
    n->sweep = sweep_free(n->sweep);
    n->judge = judge_free(n->judge);
    n->reading = reading_free(n->reading);
    n->rules = rules_free(n->rules);
    n->gate = gate_free(n->gate);
    n->contact = contact_free(n->contact);
    n->health = health_free(n->health);
    n->books = books_free(n->books);
    n->commands = commands_free(n->commands);
    n->turn_source = sd_event_source_disable_unref(n->turn_source);
    n->timer = sd_event_source_disable_unref(n->timer);
    free(n);
    return NULL;
}

int engine_start(struct engine *n, struct error *e)
{
    char since[CLOCK_TEXT_SIZE];
    sweep_schedule(n->sweep);
    if (gate_is_paused(n->gate) && !n->options.plan_only)
        log_warning("Writing to the tenant is paused since %s: `rosterctl resume` goes on",
                    alarm_paused_since(gate_paused_usec(n->gate), since));
    books_note(n->books, WORK_ALARMS | WORK_REVOCATIONS);
    /* Nobody may have been told of what stood before, and the directory may be away for long.
     */
    books_alarms_at(n->books, clock_steady_usec() + ALARMS_AFTER_START_USEC);
    int r = n->options.plan_only ? 0 : alarm_store_told(n->books, e);
    if (r == 0)
        r = contact_check_tenant(n->contact, e);
    if (r < 0)
        return r;
    r = n->options.plan_only ? 0 : delivery_settle_crash(n->delivery, e);
    if (r < 0)
        return r;
    uint64_t run = 0;
    r = n->options.plan_only ? 0 : run_unended(books_state(n->books), &run, e); /* it goes on */
    books_set_run(n->books, run);
    if (r == 0)
        r = judge_start(n->judge, e);
    if (r == 0)
        r = gate_configure(n->gate, e);
    if (r == 0)
        r = configuration_take(n, false, e);
    if (r == 0)
        r = gate_start_approvals(n->gate, e);
    if (r == 0)
        r = configuration_note_life(n, "start", e);
    if (r == 0 && n->options.tenant)
        health_ask(n->health);
    books_wake(n->books, WORK_DUE);
    return r;
}

void engine_stop(struct engine *n, void (*stopped)(void *userdata), void *userdata)
{
    n->stopping = STOPPING;
    books_begin_epoch(n->books, "rosterd stops");
    commands_hurry(n->commands);
    n->stopped = (struct listener){stopped, userdata};
    health_close(n->health);
    contact_cancel(n->contact);
    sweep_close(n->sweep);
    passwords_close(n->passwords);
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

int engine_reload(struct engine *n, const struct engine_options *options, struct error *e)
{
    struct engine_options before = n->options;
    bool reads_more = false;
    n->options = *options;
    n->options.tenant_ops = before.tenant_ops;
    n->options.tenant = before.tenant;
    int r = rules_renew(n->rules, &reads_more, e);
    bool renewed = r == 0;
    if (r == 0)
        r = configuration_load(n, e);
    if (r == 0)
        r = gate_configure(n->gate, e);
    if (r == 0) /* whoever loaded it is told so, and bound by it */
        r = books_commit(n->books, e);
    if (r < 0) { /* nothing of the new one may be kept: its owner frees it */
        if (renewed) {
            books_failed(n->books, e); /* nor in the state */
            rules_take_back(n->rules);
        }
        n->options = before;
        return r;
    }
    /* An attribute that was not read yet is not one that nobody has: the directory reads again
     * first. */
    if (reads_more)
        reading_reads_more(n->reading);
    if (n->options.sync->verify_interval_usec != before.sync->verify_interval_usec)
        sweep_schedule(n->sweep);
    rules_settle(n->rules);
    books_begin_epoch(n->books, "the configuration was loaded again");
    books_note(n->books, WORK_GUARD);
    books_wake(n->books, WORK_COMMIT);
    return 0;
}

void engine_on_idle(struct engine *n, void (*fn)(void *userdata), void *userdata)
{
    n->idle = (struct listener){fn, userdata};
}

void engine_on_approved(struct engine *n, void (*fn)(void *userdata), void *userdata)
{
    gate_on_released(n->gate, fn, userdata);
}

void engine_on_directory_change(struct engine *n, void (*fn)(void *userdata), void *userdata)
{
    reading_on_change(n->reading, fn, userdata);
}

void engine_on_sleep(struct engine *n, void (*fn)(void *userdata), void *userdata)
{
    reading_on_sleep(n->reading, fn, userdata);
}

void engine_on_status_change(struct engine *n, void (*fn)(void *userdata), void *userdata)
{
    n->status = (struct listener){fn, userdata};
}

bool engine_take_verified(struct engine *n)
{
    return sweep_take_whole(n->sweep);
}

void engine_directory_away(struct engine *n, bool away, const char *sentence)
{
    if (away)
        alarm_set(n->books, "directory", REASON_DIRECTORY_AWAY,
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

void engine_state_is_proven(struct engine *n)
{
    books_wake(n->books, WORK_DUE);
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
        .tenant_next_usec =
            health_state(n->health) == ENGINE_TENANT_OK ? 0 : health_probe_usec(n->health),
        .adoption_open = contact_adoption_open(n->contact),
        .adoption_reported = contact_adoption_reported(n->contact) || !n->options.tenant,
        .paused = gate_is_paused(n->gate),
        .observing = gate_observes(n->gate),
        .state_unproven = !gate_lets_remove(n->gate),
        .directory_unheard = !reading_is_in_step(n->reading),
        .state_failed = books_have_failed(n->books),
        .state_error = books_have_failed(n->books) ? books_error(n->books) : NULL,
        .audit_error = books_audit_error(n->books),
        .commands = command_any(n->commands),
        .run = books_run(n->books),
        .in_flight = delivery_in_flight(n->delivery),
        .n_done = delivery_n_done(n->delivery),
        .lag = *books_lag(n->books),
        .reading = reading_is_under_way(n->reading),
        .budget_window_usec = n->options.sync->budget_window_usec,
    };
}

int engine_explain(struct engine *n, const char *entry_id, struct verdict *ret, struct error *e)
{
    return judge_explain(n->judge, entry_id, ret, e);
}
