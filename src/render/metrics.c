/*
 * The answers to status and holds as a Prometheus textfile: the third writer of what rosterctl
 * shows as text and as JSON. Names and units follow the conventions of Prometheus (base units,
 * _total for counters, _seconds for times); nothing personal is a label.
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "render/output.h"
#include "render/render.h"

enum value {
    VALUE_NUMBER = 0,
    VALUE_TIME = 1,  /* an ISO text, as seconds since 1970; absent while it is null */
    VALUE_IS_OK = 2, /* 1 when the text is one of the good states */
    VALUE_FLAG = 3,
};

struct metric {
    const char *name, *type, *help;
    const char *part, *member; /* of the status; part NULL: its own member */
    enum value value;
};

/* clang-format off */
static const struct metric metrics[] = {
    { "rosterd_start_time_seconds", "gauge", "When rosterd started.", NULL, "started", VALUE_TIME },
    { "rosterd_healthy", "gauge", "1 while the health is ok.", NULL, "health", VALUE_IS_OK },
    { "rosterd_paused", "gauge", "1 while writing is paused.", NULL, "paused", VALUE_FLAG },
    { "rosterd_directory_up", "gauge", "1 while the directory is read or followed.", "directory", "state", VALUE_IS_OK },
    { "rosterd_directory_people", "gauge", "People whom the directory shows.", "directory", "people", VALUE_NUMBER },
    { "rosterd_directory_groups", "gauge", "Groups that the directory shows.", "directory", "groups", VALUE_NUMBER },
    { "rosterd_directory_last_change_timestamp_seconds", "gauge", "When the directory last reported a change.", "directory", "last_change", VALUE_TIME },
    { "rosterd_directory_last_complete_read_timestamp_seconds", "gauge", "When everything was last read and compared.", "directory", "last_full_read", VALUE_TIME },
    { "rosterd_directory_reconnects_total", "counter", "Connections to the directory after the first.", "directory", "reconnects", VALUE_NUMBER },
    { "rosterd_directory_certificate_expiry_timestamp_seconds", "gauge", "When the certificate of the directory's server expires.", "directory", "certificate_expires", VALUE_TIME },
    { "rosterd_tenant_certificate_expiry_timestamp_seconds", "gauge", "When the certificate of the tenant expires.", "tenant", "certificate_expires", VALUE_TIME },
    { "rosterd_tenant_up", "gauge", "1 while the tenant takes calls.", "tenant", "state", VALUE_IS_OK },
    { "rosterd_tenant_users_linked", "gauge", "Active users who belong to an entry.", "tenant", "users_linked", VALUE_NUMBER },
    { "rosterd_tenant_users_disabled", "gauge", "Users who were disabled and belong to an entry.", "tenant", "users_disabled", VALUE_NUMBER },
    { "rosterd_seats_used", "gauge", "Enabled users and those who are being made or enabled.", "seats", "used", VALUE_NUMBER },
    { "rosterd_seats_max", "gauge", "How many users may be enabled; absent: no limit.", "seats", "max", VALUE_NUMBER },
    { "rosterd_seats_waiting", "gauge", "People who wait for a seat.", "seats", "waiting", VALUE_NUMBER },
    { "rosterd_tenant_requests_total", "counter", "Requests to the tenant.", "tenant", "requests", VALUE_NUMBER },
    { "rosterd_tenant_requests_throttled_total", "counter", "Requests that the tenant throttled.", "tenant", "requests_throttled", VALUE_NUMBER },
    { "rosterd_tenant_requests_in_flight", "gauge", "Requests that wait for their answer.", "tenant", "in_flight", VALUE_NUMBER },
    { "rosterd_adoption_needed", "gauge", "1 while users of the tenant wait to be adopted.", "adoption", "needed", VALUE_FLAG },
    { "rosterd_audit_line", "gauge", "Number of the newest line of the audit.", "audit", "last_seq", VALUE_NUMBER },
    { "rosterd_people_to_look_at", "gauge", "People who changed and were not evaluated yet.", "mapping", "dirty", VALUE_NUMBER },
};

/* Members of status.queue, by state. */
static const char *const queue_states[] = { "ready", "waiting", "started", "parked", "held" };
/* Of status.queue.by_lane: in this order they go. */
static const char *const lanes[] = { "revocations", "due", "newcomers" };
/* clang-format on */

static bool number_of(const json_t *object, const struct metric *m, double *ret)
{
    static const char *const good[] = {"ok", "following", "live", "connected", "up", "throttled"};
    const json_t *v = json_object_get(object, m->member);
    const char *text = json_string_value(v);
    uint64_t usec;

    switch (m->value) {
    case VALUE_NUMBER: *ret = json_number_value(v); return json_is_number(v);
    case VALUE_FLAG: *ret = json_is_true(v); return json_is_boolean(v);
    case VALUE_TIME:
        if (!text || clock_parse(text, &usec) < 0)
            return false;
        *ret = (double)usec / 1e6;
        return true;
    case VALUE_IS_OK:
        *ret = 0;
        for (size_t i = 0; text && i < ARRAY_SIZE(good); i++)
            if (strcmp(text, good[i]) == 0)
                *ret = 1;
        return text != NULL;
    }
    return false;
}

static void head(struct output *o, const char *name, const char *type, const char *help)
{
    output_format(o, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are escaped. */
static void label(struct output *o, const char *text)
{
    for (const char *p = text ? text : ""; *p; p++) {
        if (*p == '\\' || *p == '"')
            buffer_add(&o->text, "\\", 1);
        if (*p == '\n')
            buffer_add_text(&o->text, "\\n");
        else
            buffer_add(&o->text, p, 1);
    }
}

static void sample(struct output *o, const char *name, const char *label_name,
                   const char *label_value, double value)
{
    buffer_add_text(&o->text, name);
    if (label_name) {
        output_format(o, "{%s=\"", label_name);
        label(o, label_value);
        buffer_add_text(&o->text, "\"}");
    }
    output_format(o, floor(value) == value ? " %.0f\n" : " %.6f\n", value);
}

static void render_budget_metrics(struct output *o, const json_t *budgets)
{
    static const char *const rows[][3] = {
        {"rosterd_budget_limit", "limit", "Operations that need no approval; absent: unlimited."},
        {"rosterd_budget_spent", "spent",
         "Operations that were done without approval in the window."},
        {"rosterd_budget_pending", "pending", "Operations that wait for room in the budget."}};
    size_t i;
    json_t *b;

    for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
        head(o, rows[r][0], "gauge", rows[r][2]);
        json_array_foreach (budgets, i, b) {
            const json_t *v = json_object_get(b, rows[r][1]);
            if (json_is_number(v))
                sample(o, rows[r][0], "kind", json_string_value(json_object_get(b, "kind")),
                       json_number_value(v));
        }
    }
}

/* People by reason: one reason may have several causes. */
static void render_held_people(struct output *o, const json_t *holds)
{
    json_auto_t *sums = json_object();
    const char *reason;
    size_t i;
    json_t *h, *n;

    json_array_foreach (holds, i, h) {
        const char *code = json_string_value(json_object_get(h, "reason"));
        json_int_t people = json_integer_value(json_object_get(h, "people"));
        if (code)
            (void)json_object_set_new(
                sums, code, json_integer(json_integer_value(json_object_get(sums, code)) + people));
    }
    head(o, "rosterd_held_people", "gauge", "People for whom something waits, by reason code.");
    json_object_foreach (sums, reason, n)
        sample(o, "rosterd_held_people", "reason", reason, (double)json_integer_value(n));
}

static void render_lag(struct output *o, const json_t *lag)
{
    static const char name[] = "rosterd_request_lag_seconds";
    size_t i;
    json_t *bucket;

    if (!json_is_object(lag))
        return;
    head(o, name, "histogram", "Time from a change in the directory to the first request for it.");
    json_array_foreach (json_object_get(lag, "buckets"), i, bucket) {
        const json_t *bound = json_object_get(bucket, "seconds");
        if (json_is_number(bound))
            output_format(o, "%s_bucket{le=\"%g\"} %lld\n", name, json_number_value(bound),
                          member_number(bucket, "count"));
        else
            output_format(o, "%s_bucket{le=\"+Inf\"} %lld\n", name, member_number(bucket, "count"));
    }
    output_format(o, "%s_sum %.6f\n%s_count %lld\n", name,
                  json_number_value(json_object_get(lag, "sum_seconds")), name,
                  member_number(lag, "count"));
}

void render_metrics(struct output *o, const json_t *status, const json_t *holds)
{
    const json_t *queue = json_object_get(status, "queue");
    const json_t *answers = json_object_get(json_object_get(status, "tenant"), "answers");
    const char *class;
    json_t *n;

    head(o, "rosterd_build_info", "gauge", "The version.");
    sample(o, "rosterd_build_info", "version",
           json_string_value(json_object_get(status, "version")), 1);
    for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
        const struct metric *m = &metrics[i];
        double value;
        head(o, m->name, m->type, m->help);
        if (number_of(m->part ? json_object_get(status, m->part) : status, m, &value))
            sample(o, m->name, NULL, NULL, value);
    }
    head(o, "rosterd_alarms", "gauge", "Alarms that are open.");
    sample(o, "rosterd_alarms", NULL, NULL,
           (double)json_array_size(json_object_get(status, "alarms")));
    head(o, "rosterd_queue_operations", "gauge", "Operations in the queue, by state.");
    for (size_t i = 0; i < ARRAY_SIZE(queue_states); i++)
        sample(o, "rosterd_queue_operations", "state", queue_states[i],
               json_number_value(json_object_get(queue, queue_states[i])));
    head(o, "rosterd_queue_lane_operations", "gauge", "Operations that may go now, by lane.");
    for (size_t i = 0; i < ARRAY_SIZE(lanes); i++)
        sample(o, "rosterd_queue_lane_operations", "lane", lanes[i],
               json_number_value(json_object_get(json_object_get(queue, "by_lane"), lanes[i])));
    render_lag(o, json_object_get(status, "lag"));
    render_budget_metrics(o, json_object_get(status, "budgets"));
    render_held_people(o, json_object_get(holds, "holds"));
    head(o, "rosterd_tenant_answers_total", "counter", "Answers of the tenant, by class.");
    json_object_foreach ((json_t *)(uintptr_t)answers, class, n)
        sample(o, "rosterd_tenant_answers_total", "class", class, json_number_value(n));
}
