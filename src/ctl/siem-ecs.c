/* Elastic Common Schema, version 9.4.0. What it has no field for is under "rosterd". */
#include "config.h"

#include "ctl/siem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "render/render.h"

#define ECS_VERSION "9.4.0"

static json_t *type_of(const struct siem_event *v)
{
    switch (v->subject) {
    case SIEM_ACCOUNT:
        if (v->result == SIEM_UNKNOWN)
            return json_pack("[s, s]", "user", "info");
        return json_pack("[s, s]", "user",
                         v->kind && strcmp(v->kind, "create") == 0   ? "creation"
                         : v->kind && strcmp(v->kind, "delete") == 0 ? "deletion"
                                                                     : "change");
    case SIEM_PERSON: return json_pack("[s, s]", "user", "info");
    case SIEM_SERVICE:
        if (strcmp(v->name, "start") == 0)
            return json_pack("[s]", "start");
        return json_pack("[s]", strcmp(v->name, "stop") == 0 ? "end" : "info");
    case SIEM_CONFIGURATION:
        return json_pack("[s]", strcmp(v->name, "request") == 0 ? "info" : "change");
    case SIEM_EVIDENCE:
    case SIEM_ALARM: break;
    }
    return json_pack("[s]", "info");
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

static json_t *event_of(const struct siem_event *v)
{
    static const char *const results[] = {[SIEM_SUCCESS] = "success",
                                          [SIEM_FAILURE] = "failure",
                                          [SIEM_UNKNOWN] = "unknown"};
    const json_t *ms = json_object_get(v->view, "duration_ms");
    char id[24];
    json_t *event;

    snprintf(id, sizeof(id), "%" PRId64, v->seq);
    event = json_pack("{s:s, s:[s], s:o, s:s, s:s, s:s, s:s, s:s, s:I, s:i}", "kind",
                      strcmp(v->name, "alarm") == 0 ? "alert" : "event", "category",
                      category_of(v), "type", type_of(v), "action", v->kind ? v->kind : v->name,
                      "module", "rosterd", "dataset", "rosterd.audit", "provider", "rosterd", "id",
                      id, "sequence", (json_int_t)v->seq, "severity", (int)v->severity);
    siem_set_text(event, "code", v->code);
    if (v->result != SIEM_NONE)
        siem_set_text(event, "outcome", results[v->result]);
    if (v->result == SIEM_FAILURE)
        siem_set_text(event, "reason", member_text(v->view, "sentence"));
    if (ms)
        siem_set(event, "duration", json_integer((json_int_t)(json_number_value(ms) * 1e6 + .5)));
    return event;
}

/* What the change makes of the user: only what the schema has a field for. */
static json_t *user_changes(const struct siem_event *v)
{
    static const char *const fields[][2] = {{"login_id", "name"}, {"email", "email"}};
    json_t *user = json_object(), *c;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)v->changes, i, c)
    {
        const char *field = member_text(c, "field");

        for (size_t k = 0; k < ARRAY_SIZE(fields); k++)
            if (field && strcmp(field, fields[k][0]) == 0)
                siem_set_text(user, fields[k][1], member_text(c, "to"));
    }
    if (json_object_size(user))
        return user;
    json_decref(user);
    return NULL;
}

static void add_users(json_t *all, const struct siem_event *v)
{
    json_t *user = json_object(), *names = json_array();
    const char *actor = siem_actor(v), *login = member_text(v->person, "login");
    char uid[24];

    if (v->actor) {
        snprintf(uid, sizeof(uid), "%lld", member_number(v->actor, "uid"));
        siem_set_text(user, "id", uid);
        siem_set_text(user, "name", actor);
    }
    if (v->person) {
        json_t *target = json_object();

        siem_set_text(target, "id", member_text(v->person, "id"));
        siem_set_text(target, "name", login);
        siem_set(user, "target", target);
        siem_set(user, "changes", user_changes(v));
    }
    if (actor)
        json_array_append_new(names, json_string(actor));
    if (login)
        json_array_append_new(names, json_string(login));
    siem_set(all, "user", json_object_size(user) ? json_incref(user) : NULL);
    if (json_array_size(names))
        siem_set(all, "related", json_pack("{s:O}", "user", names));
    json_decref(user);
    json_decref(names);
}

static json_t *own_fields(const struct siem_event *v)
{
    static const char *const names[] = {"run",     "number", "fingerprint", "plan", "groups",
                                        "reason",  "why",    "answer",      "answer_text",
                                        "attempts", "changes", "details"};
    json_t *own = json_pack("{s:s}", "event", v->name);

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        siem_set(own, names[i], json_incref(json_object_get(v->view, names[i])));
    siem_set_text(own, "dn", member_text(v->person, "dn"));
    if (v->erased)
        siem_set(own, "erased", json_true());
    return own;
}

void siem_ecs(struct buffer *b, const struct siem_event *v)
{
    CLEANUP(buffer_done) struct buffer message = {0};
    json_t *all = json_pack("{s:s, s:{s:s}, s:o}", "@timestamp", member_text(v->view, "time"), "ecs",
                            "version", ECS_VERSION, "event", event_of(v));

    siem_message(&message, v);
    siem_set_text(all, "message", message.data);
    add_users(all, v);
    if (json_object_get(v->view, "status"))
        siem_set(all, "http", json_pack("{s:{s:I}}", "response", "status_code",
                                        (json_int_t)member_number(v->view, "status")));
    siem_set(all, "rosterd", own_fields(v));
    siem_write(b, all);
}
