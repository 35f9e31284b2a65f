/*
 * How the daemon, the directory and the tenant are, in one answer. Health is the judgement of
 * the whole: failed when rosterd itself cannot go on or account for what it does, degraded when
 * something around it keeps it from its work, else ok.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "mapping/ruleset.h"
#include "state/link.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/trail.h"

struct status {
    struct daemon *d;
    struct engine_status engine;
    struct directory_status directory;
    struct queue_counts queue;
    struct error audit; /* message empty: it is written */
    json_t *alarms;
    struct error *e;
};

static json_t *directory_of(struct status *s)
{
    const struct directory_status *d = &s->directory;
    struct mirror_counts c = {0};
    if (mirror_counts(s->d->state, &c, s->e) < 0)
        return NULL;
    bool chosen = d->feed != DIRECTORY_FEED_AUTO;
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "state",
        directory_state_name(d->state), "uri", report_text(d->uri), "product",
        report_text(d->product), "feed",
        report_text(chosen ? directory_feed_name(d->feed) : NULL), "feed_reason",
        report_text(d->feed_reason), "error", report_text(d->error), "since",
        report_steady(d->since_usec), "next_attempt", report_steady(d->next_attempt_usec),
        "last_change", report_time(d->last_change_usec), "last_full_read",
        report_time(d->last_full_read_usec), "people", (json_int_t)c.people, "groups",
        (json_int_t)c.groups, "gone", (json_int_t)c.gone, "members_unresolved",
        (json_int_t)c.members_unresolved, "reconnects", (json_int_t)d->n_reconnects,
        "certificate_expires", report_time(d->certificate_expires_usec));
}

static const char *tenant_state_name(const struct status *s,
                                     const struct tenant_client_status *c)
{
    double max_rate = s->d->settings->tenant.max_rate;
    bool slowed = c->rate_now > 0 && (max_rate <= 0 || c->rate_now < 0.99 * max_rate);
    switch (s->engine.tenant) {
    case ENGINE_TENANT_OK: return slowed ? "throttled" : "ok";
    case ENGINE_TENANT_AWAY: return "away";
    case ENGINE_TENANT_REFUSED: return "refused";
    case ENGINE_TENANT_NO_SECRET: return "no-secret";
    case ENGINE_TENANT_UNKNOWN: return "unknown";
    }
    return "unknown";
}

static json_t *rate_of(double rate)
{
    return rate > 0 ? json_real(rate) : json_null();
}

/* Since the start, by class; those that there were. */
static json_t *answers_of(const struct tenant_client_status *c)
{
    json_t *answers = json_object();
    for (int i = TENANT_DONE; i < TENANT_N_CLASSES; i++)
        if (c->n_answers[i])
            json_object_set_new(answers, tenant_answer_class_name((enum tenant_answer_class)i),
                                json_integer((json_int_t)c->n_answers[i]));
    return answers;
}

/* As Prometheus counts: each bucket holds those before it too; null is above all bounds. */
static json_t *lag_of(const struct lag *l)
{
    json_t *buckets = json_array();
    uint64_t n = 0;
    for (size_t i = 0; i <= LAG_BOUNDS; i++) {
        n += l->counts[i];
        json_array_append_new(
            buckets, json_pack("{s:o, s:I}", "seconds",
                               i < LAG_BOUNDS ? json_real((double)lag_bounds_usec[i] / 1e6)
                                              : json_null(),
                               "count", (json_int_t)n));
    }
    return json_pack("{s:I, s:f, s:o}", "count", (json_int_t)n, "sum_seconds",
                     (double)l->sum_usec / 1e6, "buckets", buckets);
}

static json_t *tenant_of(struct status *s)
{
    const struct settings *settings = s->d->settings;
    struct tenant_client_status c = {0};
    if (s->d->tenant)
        tenant_client_status(s->d->tenant, &c);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o}", "state",
                     tenant_state_name(s, &c), "url", report_text(settings->tenant.url),
                     "error", report_text(s->engine.tenant_error), "since",
                     report_steady(s->engine.tenant_since_usec), "next_attempt",
                     report_steady(s->engine.tenant_next_usec), "in_flight",
                     (json_int_t)c.in_flight, "rate", rate_of(c.rate_now), "max_rate",
                     rate_of(settings->tenant.max_rate), "users_linked",
                     (json_int_t)link_count(s->d->state, LINK_ACTIVE), "users_disabled",
                     (json_int_t)link_count(s->d->state, LINK_DISABLED), "requests",
                     (json_int_t)c.n_requests, "requests_throttled", (json_int_t)c.n_throttled,
                     "answers", answers_of(&c), "certificate_expires",
                     report_time(c.certificate_expires_usec));
}

static json_t *run_of(struct status *s)
{
    CLEANUP(freep) char *totals = NULL;
    CLEANUP(freep) char *trigger = NULL;
    uint64_t run = 0, started = 0, ended = 0;
    json_t *last = json_null();
    int r = run_last(s->d->state, &run, &started, &ended, &trigger, &totals, s->e);
    if (r < 0)
        return NULL;
    if (r == 0)
        last = json_pack("{s:I, s:s, s:o, s:o, s:o}", "id", (json_int_t)run, "trigger",
                         trigger ? trigger : "", "started", report_time(started), "ended",
                         report_time(ended), "totals", report_json(totals));
    return json_pack("{s:o, s:o}", "current",
                     s->engine.run ? json_integer((json_int_t)s->engine.run) : json_null(),
                     "last", last);
}

static size_t queue_sum(const struct queue_counts *c, enum operation_state state)
{
    size_t n = 0;
    for (int k = 0; k < OPERATION_N_KINDS; k++)
        n += c->n[k][state];
    return n;
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
    size_t waiting = 0, ready = queue_sum(&s->queue, OPERATION_READY);
    if (queue_count_waiting(s->d->state, clock_steady_usec(), &waiting, s->e) < 0)
        return NULL;
    size_t lanes[4];
    if (queue_count_lanes(s->d->state, lanes, s->e) < 0)
        return NULL;
    json_t *by_lane = json_pack("{s:I, s:I, s:I}", "revocations",
                                (json_int_t)lanes[QUEUE_REVOCATIONS], "due",
                                (json_int_t)lanes[QUEUE_DUE], "newcomers",
                                (json_int_t)lanes[QUEUE_NEWCOMERS]);
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "by_lane", by_lane, "ready",
                     (json_int_t)(ready > waiting ? ready - waiting : 0), "parked",
                     (json_int_t)queue_sum(&s->queue, OPERATION_PARKED), "held",
                     (json_int_t)queue_sum(&s->queue, OPERATION_HELD), "started",
                     (json_int_t)queue_sum(&s->queue, OPERATION_STARTED), "waiting",
                     (json_int_t)waiting, "by_kind", queue_by_kind(&s->queue));
}

static json_t *progress_json(const struct status *s)
{
    struct progress_now p;
    if (!progress_of(s->d, &p))
        return json_null();
    return json_pack("{s:I, s:I, s:f, s:o}", "done", (json_int_t)p.done, "total",
                     (json_int_t)p.total, "rate", p.rate, "left_seconds",
                     p.left_usec ? json_integer((json_int_t)(p.left_usec / USEC_PER_SEC))
                                 : json_null());
}

/* What comes next by itself, and when. */
static json_t *next_of(const struct status *s)
{
    CLEANUP(operation_freep) struct operation *o = NULL;
    int r = queue_next_due(s->d->state, clock_steady_usec(), &o, s->e);
    if (r != 0)
        return r < 0 ? NULL : json_null();
    return json_pack("{s:o, s:s, s:s, s:o, s:o}", "at", report_steady(o->not_before_usec), "kind",
                     operation_kind_name(o->kind), "state", operation_state_name(o->state),
                     "login", report_text(o->login), "why", report_text(o->why));
}

static json_t *budgets_of(const struct status *s)
{
    json_auto_t *budgets = json_array();
    struct guard_input input;
    struct guard_verdict guard;
    if (engine_budgets(s->d->engine, &input, &guard, s->e) < 0)
        return NULL;
    for (unsigned k = 1; k < BUDGET_N_KINDS; k++) {
        size_t limit = guard.limit[k];
        json_t *row = json_pack(
            "{s:s, s:o, s:I, s:I, s:I, s:b}", "kind", budget_kind_name((enum budget_kind)k), "limit",
            limit == SIZE_MAX ? json_null() : json_integer((json_int_t)limit), "spent",
            (json_int_t)input.spent[k], "let_through",
            (json_int_t)input.let_through[k], "pending",
            (json_int_t)input.pending[k], "tripped",
            guard.tripped[k]);
        if (json_array_append_new(budgets, row) < 0)
            return NULL;
    }
    return json_incref(budgets);
}

static json_t *seats_of(const struct status *s)
{
    struct engine_seats seats;
    if (engine_seats(s->d->engine, &seats, s->e) < 0)
        return NULL;
    return json_pack("{s:I, s:o, s:I}", "used", (json_int_t)seats.used, "max",
                     seats.max ? json_integer((json_int_t)seats.max) : json_null(), "waiting",
                     (json_int_t)seats.waiting);
}

/* Those since the start, the newest first. */
static json_t *revocations_of(const struct status *s)
{
    json_auto_t *revocations = json_array();
    struct engine_revocation past;
    for (size_t i = 0; engine_past_revocation(s->d->engine, i, &past); i++) {
        json_t *row =
            json_pack("{s:o, s:o, s:I}", "login", report_text(past.login), "at",
                      report_time(past.at_usec), "took_usec", (json_int_t)past.took_usec);
        if (json_array_append_new(revocations, row) < 0)
            return NULL;
    }
    return json_incref(revocations);
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
    json_array_foreach(s->alarms, i, alarm)
    {
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
    bool needed = s->engine.adoption_open && s->engine.adoption_reported &&
                  has_alarm(s, REASON_ADOPTION);
    if (needed && engine_plan_hash(s->d->engine, hash, &n_parked, s->e) < 0)
        return NULL;
    return json_pack("{s:b, s:o}", "needed", needed, "hash", report_text(needed ? hash : NULL));
}

/* Rows that wait are tried now, so that the answer is about now. In an open transaction they
 * are not final and stay where they are. */
static json_t *audit_of(struct status *s)
{
    struct trail_head head = {0};
    if (trail_head(s->d->state, &head, s->e) < 0)
        return NULL;
    if (s->d->audit && !state_in_transaction(s->d->state))
        if (audit_export_run(s->d->audit, &s->audit) >= 0)
            s->audit.message[0] = '\0';
    if (s->engine.audit_error)
        error_set(&s->audit, 0, "%s", s->engine.audit_error);
    const char *error = s->audit.message[0] ? s->audit.message : NULL;
    return json_pack("{s:o, s:I, s:o}", "file", report_text(s->d->settings->audit_file),
                     "last_seq", (json_int_t)head.seq, "error", report_text(error));
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
    json_auto_t *rows = json_array();
    size_t n;
    const struct ruleset *rules = engine_ruleset(s->d->engine);
    const struct ruleset_group *groups = ruleset_groups(rules, &n);
    if (s->engine.state_failed) /* it cannot be written, but there is an answer */
        n = 0;
    if (n && report_bind_groups(s->d->state, rules, &bound, s->e) < 0)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        const struct bound_group *b = &bound.items[i];
        json_t *row =
            json_pack("{s:o, s:o, s:s, s:I, s:o, s:o, s:i}", "dn", report_text(groups[i].dn),
                      "dn_now", report_text(b->dn), "state", bound_state_name(b->state),
                      "members", (json_int_t)b->n_members, "rule", report_text(groups[i].rule),
                      "file", report_text(groups[i].file), "line", (int)groups[i].line);
        if (json_array_append_new(rows, row) < 0)
            return NULL;
    }
    return json_incref(rows);
}

static const char *health_of(const struct status *s)
{
    enum directory_state d = s->directory.state;
    enum engine_tenant_state t = s->engine.tenant;
    if (s->engine.state_failed || s->audit.message[0])
        return "failed";
    if (d == DIRECTORY_AWAY || d == DIRECTORY_REFUSED || t == ENGINE_TENANT_AWAY ||
        t == ENGINE_TENANT_REFUSED || t == ENGINE_TENANT_NO_SECRET ||
        json_array_size(s->alarms) > 0)
        return "degraded";
    return "ok";
}

/* Is what stands in the files what is in force? */
static json_t *files_of(const struct daemon *d)
{
    CLEANUP(settings_freep) struct settings *found = NULL;
    CLEANUP(problem_list_done) struct problem_list problems = {0};
    struct error e = {0};
    char sentence[4600] = "";
    const char *state = "in-force";
    int r = settings_load(&found, d->config_file, &problems, &e);
    if (r < 0) {
        state = "broken";
        snprintf(sentence, sizeof(sentence), "a restart would fail: %s", e.message);
        for (size_t i = problems.n_items; i-- > 0;)
            if (problems.items[i].level == LEVEL_ERROR)
                snprintf(sentence, sizeof(sentence), "a restart would fail: %s:%u: %s",
                         problems.items[i].file, problems.items[i].line,
                         problems.items[i].sentence);
    } else if (!text_equal(found->fingerprint, d->settings->fingerprint)) {
        state = "changed";
        snprintf(sentence, sizeof(sentence),
                 "what stands in the files is not in force: `rosterctl plan --config %s` shows "
                 "what it would do, `rosterctl reload` loads it or says what takes a restart",
                 d->config_file);
    }
    return json_pack("{s:s, s:o}", "state", state, "sentence",
                     report_text(*sentence ? sentence : NULL));
}

static json_t *daemon_of(const struct status *s)
{
    const struct daemon *d = s->d;
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:s, s:b, s:b, s:o}", "version", PACKAGE_VERSION, "pid",
                     (int)getpid(), "started", report_time(d->started_usec), "config_file",
                     report_text(d->config_file), "fingerprint",
                     report_text(d->settings->fingerprint), "health", health_of(s), "paused",
                     s->engine.paused, "observing", s->engine.observing, "config_files", files_of(d));
}

json_t *report_status(struct daemon *d, struct error *e)
{
    json_auto_t *alarms = json_array();
    struct status s = {.d = d, .alarms = alarms, .e = e};
    engine_status(d->engine, &s.engine);
    if (d->directory)
        directory_status(d->directory, &s.directory);
    e->message[0] = '\0';
    int r = queue_counts(d->state, &s.queue, e);
    if (r == 0)
        r = alarm_each(d->state, add_alarm, &s, e);
    if (r < 0)
        return NULL;
    json_auto_t *parts = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:O, s:o, s:{s:o, s:o}, s:{s:I, s:o}}",
        "look", look_progress(d), "lag", lag_of(&s.engine.lag), "progress", progress_json(&s), "next", next_of(&s), "directory",
        directory_of(&s), "tenant", tenant_of(&s), "run", run_of(&s), "queue", queue_of(&s),
        "budgets", budgets_of(&s), "seats", seats_of(&s), "revocations", revocations_of(&s), "adoption", adoption_of(&s), "alarms", alarms, "audit",
        audit_of(&s), "state", "file", report_text(d->settings->state_file), "error",
        report_text(s.engine.state_error), "mapping", "dirty",
        (json_int_t)person_count_dirty(d->state), "groups", groups_of(&s));
    json_auto_t *answer = daemon_of(&s);
    if (!parts || !answer || json_object_update(answer, parts) < 0) {
        if (!e->message[0])
            error_out_of_memory(e);
        return NULL;
    }
    return json_incref(answer);
}
