/* Elastic Common Schema, version 9.4.0. What it has no field for is under "rosterd". */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "ctl/siem.h"
#include "render/render.h"

#define ECS_VERSION "9.4.0"

/* For siem_texts(). */
static const char *const *types_of(const struct siem_event *v)
{
    static const char *const user_info[] = {"user", "info", NULL};
    static const char *const user_creation[] = {"user", "creation", NULL};
    static const char *const user_deletion[] = {"user", "deletion", NULL};
    static const char *const user_change[] = {"user", "change", NULL};
    static const char *const start[] = {"start", NULL}, *const end[] = {"end", NULL};
    static const char *const info[] = {"info", NULL}, *const change[] = {"change", NULL};

    switch (v->subject) {
    case SIEM_ACCOUNT:
        if (v->result == SIEM_UNKNOWN)
            return user_info;
        return v->kind && strcmp(v->kind, "create") == 0   ? user_creation
               : v->kind && strcmp(v->kind, "delete") == 0 ? user_deletion
                                                           : user_change;
    case SIEM_PERSON: return user_info;
    case SIEM_SERVICE:
        if (strcmp(v->name, "start") == 0)
            return start;
        return strcmp(v->name, "stop") == 0 ? end : info;
    case SIEM_CONFIGURATION: return strcmp(v->name, "request") == 0 ? info : change;
    case SIEM_EVIDENCE:
    case SIEM_ALARM: break;
    }
    return info;
}

static const char *category_of(const struct siem_event *v)
{
    switch (v->subject) {
    case SIEM_ACCOUNT:
    case SIEM_PERSON: return "iam";
    case SIEM_SERVICE: return "process";
    case SIEM_CONFIGURATION:
    case SIEM_EVIDENCE:
    case SIEM_ALARM: break;
    }
    return "configuration";
}

static void add_event(struct buffer *b, const struct siem_event *v)
{
    static const char *const results[] = {
        [SIEM_SUCCESS] = "success", [SIEM_FAILURE] = "failure", [SIEM_UNKNOWN] = "unknown"};
    const json_t *ms = json_object_get(v->view, "duration_ms");
    char id[24];

    snprintf(id, sizeof(id), "%" PRId64, v->seq);
    siem_open(b, "event");
    siem_text(b, "kind", strcmp(v->name, "alarm") == 0 ? "alert" : "event");
    siem_texts(b, "category", (const char *const[]){category_of(v), NULL});
    siem_texts(b, "type", types_of(v));
    siem_text(b, "action", v->kind ? v->kind : v->name);
    siem_text(b, "module", "rosterd");
    siem_text(b, "dataset", "rosterd.audit");
    siem_text(b, "provider", "rosterd");
    siem_text(b, "id", id);
    siem_integer(b, "sequence", v->seq);
    siem_integer(b, "severity", (int64_t)v->severity);
    siem_text(b, "code", v->code);
    if (v->result != SIEM_NONE)
        siem_text(b, "outcome", results[v->result]);
    if (v->result == SIEM_FAILURE)
        siem_text(b, "reason", member_text(v->view, "sentence"));
    if (ms)
        siem_integer(b, "duration", (int64_t)(json_number_value(ms) * 1e6 + .5));
    siem_close(b);
}

/* What the change makes of the user: only what the schema has a field for. */
static void add_user_changes(struct buffer *b, const struct siem_event *v)
{
    const char *login = siem_new_value(v, "login_id"), *email = siem_new_value(v, "email");

    if (!login && !email)
        return;
    siem_open(b, "changes");
    siem_text(b, "name", login);
    siem_text(b, "email", email);
    siem_close(b);
}

static void add_users(struct buffer *b, const struct siem_event *v)
{
    const char *names[3] = {NULL}, *actor = siem_actor(v), *login = member_text(v->person, "login");
    size_t n = 0;
    char uid[24];

    if (v->actor || v->person)
        siem_open(b, "user");
    if (v->actor) {
        snprintf(uid, sizeof(uid), "%lld", member_number(v->actor, "uid"));
        siem_text(b, "id", uid);
        siem_text(b, "name", actor);
    }
    if (v->person) {
        siem_open(b, "target");
        siem_text(b, "id", member_text(v->person, "id"));
        siem_text(b, "name", login);
        siem_close(b);
        add_user_changes(b, v);
    }
    if (v->actor || v->person)
        siem_close(b);
    if (actor)
        names[n++] = actor;
    if (login)
        names[n++] = login;
    if (n == 0)
        return;
    siem_open(b, "related");
    siem_texts(b, "user", names);
    siem_close(b);
}

static void add_own_fields(struct buffer *b, const struct siem_event *v)
{
    static const char *const names[] = {"run",         "number",   "fingerprint", "plan",
                                        "groups",      "reason",   "why",         "answer",
                                        "answer_text", "attempts", "changes",     "details"};

    siem_open(b, "rosterd");
    siem_text(b, "event", v->name);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        siem_value(b, names[i], json_object_get(v->view, names[i]));
    siem_text(b, "dn", member_text(v->person, "dn"));
    if (v->erased)
        siem_value(b, "erased", json_true());
    siem_close(b);
}

void siem_ecs(struct buffer *b, const struct siem_event *v)
{
    const json_t *status = json_object_get(v->view, "status");

    siem_open(b, NULL);
    siem_text(b, "@timestamp", member_text(v->view, "time"));
    siem_open(b, "ecs");
    siem_text(b, "version", ECS_VERSION);
    siem_close(b);
    add_event(b, v);
    siem_message_of(b, v);
    add_users(b, v);
    if (status) {
        siem_open(b, "http");
        siem_open(b, "response");
        siem_integer(b, "status_code", json_integer_value(status));
        siem_close(b);
        siem_close(b);
    }
    add_own_fields(b, v);
    siem_close(b);
    buffer_add_text(b, "\n");
}
