/*
 * What of the status is in memory only: noted by the loop, so that a thread goes on with it.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "daemon/report.h"
#include "daemon/status.h"
#include "mapping/ruleset.h"

static json_t *directory_of(struct daemon *d, enum directory_state *ret_state)
{
    struct directory_status s = {0};
    if (d->directory)
        directory_status(d->directory, &s);
    *ret_state = s.state;
    bool chosen = s.feed != DIRECTORY_FEED_AUTO;
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "state",
        directory_state_name(s.state), "uri", report_text(s.uri), "product", report_text(s.product),
        "feed", report_text(chosen ? directory_feed_name(s.feed) : NULL), "feed_reason",
        report_text(s.feed_reason), "error", report_text(s.error), "since",
        report_steady(s.since_usec), "next_attempt", report_steady(s.next_attempt_usec),
        "last_change", report_time(s.last_change_usec), "last_full_read",
        report_time(s.last_full_read_usec), "reconnects", (json_int_t)s.n_reconnects,
        "certificate_expires", report_time(s.certificate_expires_usec));
}

static const char *tenant_state_name(enum engine_tenant_state state, double max_rate,
                                     const struct tenant_client_status *c)
{
    bool slowed = c->rate_now > 0 && (max_rate <= 0 || c->rate_now < 0.99 * max_rate);
    switch (state) {
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
            buckets,
            json_pack("{s:o, s:I}", "seconds",
                      i < LAG_BOUNDS ? json_real((double)lag_bounds_usec[i] / 1e6) : json_null(),
                      "count", (json_int_t)n));
    }
    return json_pack("{s:I, s:f, s:o}", "count", (json_int_t)n, "sum_seconds",
                     (double)l->sum_usec / 1e6, "buckets", buckets);
}

static json_t *tenant_of(struct daemon *d, const struct engine_status *engine)
{
    const struct tenant_options *o = &d->settings->tenant;
    struct tenant_client_status c = {0};
    if (d->tenant)
        tenant_client_status(d->tenant, &c);
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:I, s:I, s:o, s:o}", "state",
        tenant_state_name(engine->tenant, o->max_rate, &c), "url", report_text(o->url), "error",
        report_text(engine->tenant_error), "since", report_steady(engine->tenant_since_usec),
        "next_attempt", report_steady(engine->tenant_next_usec), "in_flight",
        (json_int_t)c.in_flight, "rate", rate_of(c.rate_now), "max_rate", rate_of(o->max_rate),
        "requests", (json_int_t)c.n_requests, "requests_throttled", (json_int_t)c.n_throttled,
        "answers", answers_of(&c), "certificate_expires", report_time(c.certificate_expires_usec));
}

static json_t *progress_json(const struct daemon *d)
{
    struct progress_now p;
    if (!progress_of(d, &p))
        return json_null();
    return json_pack("{s:I, s:I, s:f, s:o}", "done", (json_int_t)p.done, "total",
                     (json_int_t)p.total, "rate", p.rate, "left_seconds",
                     p.left_usec ? json_integer((json_int_t)(p.left_usec / USEC_PER_SEC))
                                 : json_null());
}

/* Those since the start, the newest first. */
static json_t *revocations_of(const struct engine *n)
{
    json_auto_t *revocations = json_array();
    struct engine_revocation past;
    for (size_t i = 0; engine_past_revocation(n, i, &past); i++) {
        json_t *row = json_pack("{s:o, s:o, s:I}", "login", report_text(past.login), "at",
                                report_time(past.at_usec), "took_usec", (json_int_t)past.took_usec);
        if (json_array_append_new(revocations, row) < 0)
            return NULL;
    }
    return json_incref(revocations);
}

/* Rows that wait are tried now, so that the answer is about now. In an open transaction they
 * are not final and stay where they are. */
static void try_audit(struct daemon *d, const struct engine_status *engine, struct error *ret)
{
    if (d->audit && !state_in_transaction(d->state) && audit_export_run(d->audit, ret) >= 0)
        ret->message[0] = '\0';
    if (engine->audit_error)
        error_set(ret, 0, "%s", engine->audit_error);
}

static int note_groups(struct status *s, const struct ruleset *rules)
{
    size_t n;
    const struct ruleset_group *groups = ruleset_groups(rules, &n);
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_pack("{s:o, s:o, s:o, s:i}", "dn", report_text(groups[i].dn), "rule",
                                report_text(groups[i].rule), "file", report_text(groups[i].file),
                                "line", (int)groups[i].line);
        if (string_list_add(&s->group_keys, groups[i].key) < 0 ||
            json_array_append_new(s->groups, row) < 0)
            return -ENOMEM;
    }
    return 0;
}

static json_t *daemon_of(const struct daemon *d, const struct engine_status *engine)
{
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:b, s:b}", "version", PACKAGE_VERSION, "pid",
                     (int)getpid(), "started", report_time(d->started_usec), "config_file",
                     report_text(d->config_file), "fingerprint",
                     report_text(d->settings->fingerprint), "paused", engine->paused, "observing",
                     engine->observing);
}

void status_forget(void *note)
{
    struct status *s = note;
    engine_view_free(s->view);
    json_decref(s->daemon);
    json_decref(s->directory);
    json_decref(s->tenant);
    json_decref(s->parts);
    json_decref(s->groups);
    string_list_done(&s->group_keys);
    free(s->config_file);
    free(s->fingerprint);
    free(s);
}

static bool note_all(struct status *s, struct daemon *d)
{
    const struct engine_status *engine = &s->view->status;
    try_audit(d, engine, &s->audit);
    s->directory = directory_of(d, &s->directory_state);
    s->tenant = tenant_of(d, engine);
    s->daemon = daemon_of(d, engine);
    s->groups = json_array();
    s->config_file = strdup(d->config_file);
    s->fingerprint = strdup(d->settings->fingerprint);
    s->reload_waits = d->reload.waits;
    s->parts = json_pack("{s:o, s:o, s:o, s:o, s:{s:o, s:o, s:b}, s:{s:o, s:o}}", "look",
                         candidate_progress(d), "lag", lag_of(&engine->lag), "progress",
                         progress_json(d), "revocations", revocations_of(d->engine), "state",
                         "file", report_text(d->settings->state_file), "error",
                         report_text(engine->state_error), "checking", engine->state_unproven,
                         "audit", "file", report_text(d->settings->audit_file), "error",
                         report_text(s->audit.message[0] ? s->audit.message : NULL));
    return s->directory && s->tenant && s->daemon && s->groups && s->config_file &&
           s->fingerprint && s->parts && note_groups(s, engine_ruleset(d->engine)) == 0;
}

void *status_note(struct daemon *d, void *about, struct error *e)
{
    (void)about;
    struct status *s = calloc(1, sizeof(*s));
    if (!s) {
        error_out_of_memory(e);
        return NULL;
    }
    if (engine_view_new(&s->view, d->engine, e) == 0 && note_all(s, d))
        return s;
    status_forget(s);
    if (!e->message[0])
        error_out_of_memory(e);
    return NULL;
}
