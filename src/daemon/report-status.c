/*
 * How the daemon, the directory and the tenant are, in one answer: what was noted, and what the
 * tables say. Health is the judgement of
 * the whole: failed when rosterd itself cannot go on or account for what it does, degraded when
 * something around it keeps it from its work, else ok.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "daemon/reader.h"
#include "daemon/report.h"
#include "daemon/status.h"
#include "state/link.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/trail.h"

static json_t *entries_of(struct status *s)
{
    struct mirror_counts c = {0};
    if (mirror_counts(s->state, &c, s->e) < 0)
        return NULL;
    return json_pack("{s:I, s:I, s:I, s:I}", "people", (json_int_t)c.people, "groups",
                     (json_int_t)c.groups, "gone", (json_int_t)c.gone, "members_unresolved",
                     (json_int_t)c.members_unresolved);
}

static json_t *users_of(struct status *s)
{
    return json_pack("{s:I, s:I}", "users_linked", (json_int_t)link_count(s->state, LINK_ACTIVE),
                     "users_disabled", (json_int_t)link_count(s->state, LINK_DISABLED));
}

static json_t *run_of(struct status *s)
{
    CLEANUP(freep) char *totals = NULL;
    CLEANUP(freep) char *trigger = NULL;
    uint64_t run = 0, started = 0, ended = 0, run_now = s->view->status.run;
    json_t *last = json_null();
    int r = run_last(s->state, &run, &started, &ended, &trigger, &totals, s->e);
    if (r < 0)
        return NULL;
    if (r == 0)
        last = json_pack("{s:I, s:s, s:o, s:o, s:o}", "id", (json_int_t)run, "trigger",
                         trigger ? trigger : "", "started", report_time(started), "ended",
                         report_time(ended), "totals", report_json(totals));
    return json_pack("{s:o, s:o}", "current",
                     run_now ? json_integer((json_int_t)run_now) : json_null(), "last", last);
}

static json_t *queue_by_kind(const struct queue_counts *c)
{
    json_auto_t *by_kind = json_object();
    for (int k = OPERATION_CREATE; k < OPERATION_N_KINDS; k++) {
        json_t *row = json_pack(
            "{s:I, s:I, s:I, s:I}", "ready", (json_int_t)c->n[k][OPERATION_READY], "parked",
            (json_int_t)c->n[k][OPERATION_PARKED], "held", (json_int_t)c->n[k][OPERATION_HELD],
            "started", (json_int_t)c->n[k][OPERATION_STARTED]);
        if (json_object_set_new(by_kind, operation_kind_name((enum operation_kind)k), row) < 0)
            return NULL;
    }
    return json_incref(by_kind);
}

/* What waits for its time is counted apart from what is ready. */
static json_t *queue_of(struct status *s)
{
    size_t waiting = 0, ready = queue_count_of(&s->queue, OPERATION_READY);
    if (queue_count_waiting(s->state, clock_steady_usec(), &waiting, s->e) < 0)
        return NULL;
    size_t lanes[4];
    if (queue_count_lanes(s->state, lanes, s->e) < 0)
        return NULL;
    json_t *by_lane =
        json_pack("{s:I, s:I, s:I}", "revocations", (json_int_t)lanes[QUEUE_REVOCATIONS], "due",
                  (json_int_t)lanes[QUEUE_DUE], "newcomers", (json_int_t)lanes[QUEUE_NEWCOMERS]);
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "by_lane", by_lane, "ready",
                     (json_int_t)(ready > waiting ? ready - waiting : 0), "parked",
                     (json_int_t)queue_count_of(&s->queue, OPERATION_PARKED), "held",
                     (json_int_t)queue_count_of(&s->queue, OPERATION_HELD), "started",
                     (json_int_t)queue_count_of(&s->queue, OPERATION_STARTED), "waiting",
                     (json_int_t)waiting, "by_kind", queue_by_kind(&s->queue));
}

/* What comes next by itself, and when. */
static json_t *next_of(const struct status *s)
{
    CLEANUP(operation_freep) struct operation *o = NULL;
    int r = queue_next_due(s->state, clock_steady_usec(), &o, s->e);
    if (r != 0)
        return r < 0 ? NULL : json_null();
    return json_pack("{s:o, s:s, s:s, s:o, s:o}", "at", report_steady(o->not_before_usec), "kind",
                     operation_kind_name(o->kind), "state", operation_state_name(o->state), "login",
                     report_text(o->login), "why", report_text(o->why));
}

static json_t *budgets_of(const struct status *s)
{
    json_auto_t *budgets = json_array();
    struct guard_input input;
    struct guard_verdict guard;
    if (engine_view_budgets(s->view, s->state, &input, &guard, s->e) < 0)
        return NULL;
    for (unsigned k = 1; k < BUDGET_N_KINDS; k++) {
        size_t limit = guard.limit[k];
        json_t *row = json_pack(
            "{s:s, s:o, s:I, s:I, s:I, s:b}", "kind", budget_kind_name((enum budget_kind)k),
            "limit", limit == SIZE_MAX ? json_null() : json_integer((json_int_t)limit), "spent",
            (json_int_t)input.spent[k], "let_through", (json_int_t)input.let_through[k], "pending",
            (json_int_t)input.pending[k], "tripped", guard.tripped[k]);
        if (json_array_append_new(budgets, row) < 0)
            return NULL;
    }
    return json_incref(budgets);
}

static json_t *seats_of(const struct status *s)
{
    struct engine_seats seats;
    if (engine_view_seats(s->view, s->state, &seats, s->e) < 0)
        return NULL;
    return json_pack("{s:I, s:o, s:I}", "used", (json_int_t)seats.used, "max",
                     seats.max ? json_integer((json_int_t)seats.max) : json_null(), "waiting",
                     (json_int_t)seats.waiting);
}

static int add_alarm(const struct alarm *a, void *userdata)
{
    struct status *s = userdata;
    json_t *row = json_pack("{s:o, s:o, s:o, s:o}", "cause", report_text(a->cause), "code",
                            report_text(a->code), "sentence", report_text(a->sentence), "since",
                            report_steady(a->since_usec));
    return report_add(s->alarms, row, s->e);
}

static bool has_alarm(const struct status *s, const char *code)
{
    size_t i;
    json_t *alarm;
    json_array_foreach (s->alarms, i, alarm) {
        const char *other = json_string_value(json_object_get(alarm, "code"));
        if (other && text_equal(other, code))
            return true;
    }
    return false;
}

/* The alarm is raised when everybody was looked at and the tenant's users are known, so that
 * nobody approves half a plan. It is hashed only then: at first contact it is long. */
static json_t *adoption_of(struct status *s)
{
    char hash[65];
    size_t n_parked = 0;
    const struct engine_status *engine = &s->view->status;
    bool needed =
        engine->adoption_open && engine->adoption_reported && has_alarm(s, REASON_ADOPTION);
    if (needed && engine_view_plan_hash(s->view, s->state, hash, &n_parked, s->e) < 0)
        return NULL;
    return json_pack("{s:b, s:o}", "needed", needed, "hash", report_text(needed ? hash : NULL));
}

static json_t *last_line_of(struct status *s)
{
    struct trail_head head = {0};
    if (trail_head(s->state, &head, s->e) < 0)
        return NULL;
    return json_pack("{s:I}", "last_seq", (json_int_t)head.seq);
}

static const char *bound_state_name(enum bound_state state)
{
    switch (state) {
    case BOUND_PRESENT: return "present";
    case BOUND_RENAMED: return "renamed";
    case BOUND_GONE: return "deleted";
    case BOUND_NEVER_SEEN: return "missing";
    }
    return "unknown";
}

static json_t *groups_of(struct status *s)
{
    CLEANUP(bound_groups_done) struct bound_groups bound = {0};
    json_auto_t *rows = json_deep_copy(s->groups);
    if (mirror_look_at_groups(s->state, (const char *const *)s->group_keys.items,
                              s->group_keys.n_items, &bound, s->e) < 0)
        return NULL;
    for (size_t i = 0; i < bound.n_items; i++) {
        const struct bound_group *b = &bound.items[i];
        json_auto_t *now =
            json_pack("{s:o, s:s, s:I}", "dn_now", report_text(b->dn), "state",
                      bound_state_name(b->state), "members", (json_int_t)b->n_members);
        if (!now || json_object_update(json_array_get(rows, i), now) < 0)
            return NULL;
    }
    return json_incref(rows);
}

static const char *health_of(const struct status *s)
{
    enum directory_state d = s->directory_state;
    enum engine_tenant_state t = s->view->status.tenant;
    if (s->view->status.state_failed || s->audit.message[0])
        return "failed";
    if (d == DIRECTORY_AWAY || d == DIRECTORY_REFUSED || t == ENGINE_TENANT_AWAY ||
        t == ENGINE_TENANT_REFUSED || t == ENGINE_TENANT_NO_SECRET ||
        json_array_size(s->alarms) > 0)
        return "degraded";
    return "ok";
}

/* Is what stands in the files what is in force? */
static json_t *files_of(const struct status *s)
{
    CLEANUP(settings_freep) struct settings *found = NULL;
    CLEANUP(problem_list_done) struct problem_list problems = {0};
    struct error e = {0};
    char sentence[4600] = "";
    const char *state = "in-force";
    int r = settings_load(&found, s->config_file, &problems, &e);
    if (r < 0) {
        state = "broken";
        snprintf(sentence, sizeof(sentence), "a restart would fail: %s", e.message);
        for (size_t i = problems.n_items; i-- > 0;)
            if (problems.items[i].level != PROBLEM_WARNING)
                snprintf(sentence, sizeof(sentence), "a restart would fail: %s:%u: %s",
                         problems.items[i].file, problems.items[i].line,
                         problems.items[i].sentence);
    } else if (!text_equal(found->fingerprint, s->fingerprint)) {
        state = "changed";
        snprintf(
            sentence, sizeof(sentence),
            "the configuration files are not what is in force%s: `rosterctl plan --config %s` shows "
            "what it would do, %s",
            s->reload_waits ? " yet" : "", s->config_file,
            s->reload_waits ? "and it is loaded as soon as the state file can be written"
                            : "`rosterctl reload` loads it or says what takes a restart");
    }
    return json_pack("{s:s, s:o}", "state", state, "sentence",
                     report_text(*sentence ? sentence : NULL));
}

/* Adds to a copy of what is in memory what the tables say. NULL: one of them is. */
static json_t *whole(const json_t *memory, json_t *tables_taken)
{
    json_auto_t *tables = tables_taken;
    json_auto_t *both = tables ? json_copy((json_t *)memory) : NULL;
    return both && json_object_update(both, tables) == 0 ? json_incref(both) : NULL;
}

static json_t *collect(struct status *s)
{
    json_auto_t *answer = whole(
        s->daemon, json_pack("{s:s, s:o}", "health", health_of(s), "config_files", files_of(s)));
    json_auto_t *tables = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:O, s:o, s:{s:I, s:o}}", "next", next_of(s),
        "directory", whole(s->directory, entries_of(s)), "tenant", whole(s->tenant, users_of(s)),
        "run", run_of(s), "queue", queue_of(s), "budgets", budgets_of(s), "seats", seats_of(s),
        "adoption", adoption_of(s), "alarms", s->alarms, "audit",
        whole(json_object_get(s->parts, "audit"), last_line_of(s)), "mapping", "dirty",
        (json_int_t)person_count_dirty(s->state), "groups", groups_of(s));
    if (!answer || !tables || json_object_update(answer, s->parts) < 0 ||
        json_object_update(answer, tables) < 0)
        return NULL;
    return json_incref(answer);
}

static json_t *answer(const void *noted, struct state *state, struct error *e)
{
    json_auto_t *alarms = json_array();
    struct status s = *(const struct status *)noted;
    s.state = state;
    s.alarms = alarms;
    s.e = e;
    e->message[0] = '\0';
    int r = queue_counts(state, &s.queue, e);
    if (r == 0)
        r = alarm_each(state, add_alarm, &s, e);
    json_t *all = r < 0 ? NULL : collect(&s);
    if (!all && !e->message[0])
        error_out_of_memory(e);
    return all;
}

const struct question question_status = {
    .note = status_note, .answer = answer, .forget = status_forget};

static json_t *answer_metrics(const void *noted, struct state *state, struct error *e)
{
    const struct status *s = noted;
    json_auto_t *status = answer(noted, state, e);
    json_auto_t *holds = status ? report_holds(s->view, state, e) : NULL;
    return holds ? json_pack("{s:O, s:O}", "status", status, "holds", holds) : NULL;
}

const struct question question_metrics = {
    .note = status_note, .answer = answer_metrics, .forget = status_forget};
