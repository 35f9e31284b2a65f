/*
 * Open Cybersecurity Schema Framework, version 1.8.0: Account Change, User Access Management,
 * Entity Management, Application Lifecycle, and the Base Event for the rest.
 */
#include "config.h"

#include "ctl/siem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "render/render.h"

#define OCSF_VERSION "1.8.0"
#define OTHER   99

struct class {
    int category, class, activity;
    const char *activity_name;
};
#define BASE_EVENT      0
#define ACCOUNT_CHANGE  3001
#define ENTITY          3004
#define USER_ACCESS     3005
#define APPLICATION     6002

static struct class account_class(const struct siem_event *v)
{
    static const struct {
        const char *kind;
        int activity;
        const char *name;
    } kinds[] = {{"create", 1, "Create"},
                 {"enable", 2, "Enable"},
                 {"disable", 5, "Disable"},
                 {"delete", 6, "Delete"}};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (v->kind && strcmp(v->kind, kinds[i].kind) == 0)
            return (struct class){3, ACCOUNT_CHANGE, kinds[i].activity, kinds[i].name};
    if (strcmp(v->name, "password") == 0)
        return (struct class){3, ACCOUNT_CHANGE, 4, "Password Reset"};
    return (struct class){3, ACCOUNT_CHANGE, OTHER, v->kind ? v->kind : v->name};
}

static struct class class_of(const struct siem_event *v)
{
    switch (v->subject) {
    case SIEM_ACCOUNT:
        /* What is only about to be done is no change of an account. */
        if (v->result != SIEM_UNKNOWN)
            return account_class(v);
        break;
    case SIEM_SERVICE:
        if (strcmp(v->name, "start") == 0)
            return (struct class){6, APPLICATION, 3, "Start"};
        if (strcmp(v->name, "stop") == 0)
            return (struct class){6, APPLICATION, 4, "Stop"};
        break;
    case SIEM_CONFIGURATION:
        if (strcmp(v->name, "configuration") == 0)
            return (struct class){3, ENTITY, 3, "Update"};
        return (struct class){3, ENTITY, OTHER, v->name};
    case SIEM_PERSON:
    case SIEM_EVIDENCE:
    case SIEM_ALARM:
        break;
    }
    return (struct class){0, BASE_EVENT, OTHER, v->name};
}

static json_t *user_of(const struct siem_event *v)
{
    const char *dn = member_text(v->person, "dn");
    json_t *user = json_object();

    siem_set_text(user, "uid", v->erased ? "erased" : member_text(v->person, "id"));
    siem_set_text(user, "name", member_text(v->person, "login"));
    if (dn)
        siem_set(user, "ldap_person", json_pack("{s:s}", "ldap_dn", dn));
    if (json_object_size(user) == 0 || (dn && json_object_size(user) == 1))
        siem_set_text(user, "uid", dn ? dn : "unknown");
    return user;
}

static json_t *actor_of(const struct siem_event *v)
{
    json_t *actor = json_object(), *user;
    char uid[24];

    if (!v->actor) {
        siem_set_text(actor, "app_name", "rosterd");
        return actor;
    }
    user = json_object();
    snprintf(uid, sizeof(uid), "%lld", member_number(v->actor, "uid"));
    siem_set_text(user, "uid", uid);
    siem_set_text(user, "name", siem_actor(v));
    siem_set(actor, "user", user);
    if (member_text(v->actor, "session"))
        siem_set(actor, "session", json_pack("{s:s}", "uid", member_text(v->actor, "session")));
    return actor;
}

static json_t *metadata_of(const struct siem_event *v, const char *part)
{
    json_t *m = json_pack("{s:s, s:{s:s, s:s}, s:s, s:s, s:s, s:I, s:s}", "version", OCSF_VERSION,
                          "product", "name", "rosterd", "vendor_name", "rosterd", "log_name",
                          "rosterd audit", "log_version", "1", "event_code", v->name, "sequence",
                          (json_int_t)v->seq, "original_time", member_text(v->view, "time"));
    char uid[40];

    snprintf(uid, sizeof(uid), "%" PRId64 "%s", v->seq, part);
    siem_set_text(m, "uid", uid);
    snprintf(uid, sizeof(uid), "%" PRId64, v->seq);
    siem_set_text(m, "original_event_uid", uid);
    if (json_object_get(v->view, "number")) {
        snprintf(uid, sizeof(uid), "%lld", member_number(v->view, "number"));
        siem_set_text(m, "correlation_uid", uid); /* an intent and its outcome */
    }
    return m;
}

/* What the schema has no place for, under the names of the audit. */
static json_t *unmapped_of(const struct siem_event *v)
{
    static const char *const names[] = {"run",    "fingerprint", "operation", "plan", "groups",
                                        "answer", "answer_text", "status",    "attempts",
                                        "why",    "changes",     "details"};
    json_t *rest = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        siem_set(rest, names[i], json_incref(json_object_get(v->view, names[i])));
    if (json_object_size(rest))
        return rest;
    json_decref(rest);
    return NULL;
}

static void add_status(json_t *event, const struct siem_event *v)
{
    static const struct {
        int id;
        const char *name;
    } statuses[] = {[SIEM_SUCCESS] = {1, "Success"},
                    [SIEM_FAILURE] = {2, "Failure"},
                    [SIEM_UNKNOWN] = {0, "Unknown"}};

    if (v->result != SIEM_NONE) {
        siem_set(event, "status_id", json_integer(statuses[v->result].id));
        siem_set_text(event, "status", statuses[v->result].name);
    }
    siem_set_text(event, "status_code", v->code);
    if (v->result == SIEM_FAILURE)
        siem_set_text(event, "status_detail", member_text(v->view, "sentence"));
}

static json_t *event_of(const struct siem_event *v, const struct class *c, const char *part)
{
    CLEANUP(buffer_done) struct buffer message = {0};
    json_t *event =
        json_pack("{s:i, s:s, s:i, s:i, s:i, s:i, s:I, s:o}", "activity_id", c->activity,
                  "activity_name", c->activity_name, "category_uid", c->category, "class_uid",
                  c->class, "type_uid", c->class * 100 + c->activity, "severity_id",
                  (int)v->severity, "time", (json_int_t)(v->usec / USEC_PER_MSEC), "metadata",
                  metadata_of(v, part));

    if (!v->by_others)
        siem_set(event, "actor", actor_of(v));
    siem_message(&message, v);
    siem_set_text(event, "message", message.data);
    add_status(event, v);
    return event;
}

/* Roles that are given, or that are taken; NULL: none. */
static json_t *roles_of(const struct siem_event *v, bool given)
{
    json_t *roles = json_array(), *c;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)v->changes, i, c)
    {
        const char *field = member_text(c, "field");

        if (field && strncmp(field, "role:", 5) == 0 && !member_text(c, "to") == !given)
            json_array_append_new(roles, json_string(field + 5));
    }
    if (json_array_size(roles))
        return roles;
    json_decref(roles);
    return NULL;
}

static void add_access(struct buffer *b, const struct siem_event *v, bool given)
{
    const struct class c = {3, USER_ACCESS, given ? 1 : 2,
                            given ? "Assign Privileges" : "Revoke Privileges"};
    json_t *roles = roles_of(v, given), *event;

    if (!roles)
        return;
    event = event_of(v, &c, given ? "-given" : "-taken");
    siem_set(event, "user", user_of(v));
    siem_set(event, "privileges", roles);
    siem_write(b, event);
}

void siem_ocsf(struct buffer *b, const struct siem_event *v)
{
    struct class c = class_of(v);
    json_t *event = event_of(v, &c, "");

    if (c.class == ACCOUNT_CHANGE)
        siem_set(event, "user", user_of(v));
    else if (v->person || v->erased) /* the base event has no place for whom it is about */
        siem_set(event, "observables",
                 json_pack("[{s:s, s:i, s:s}]", "name", "person", "type_id", 4, "value",
                           v->erased ? "erased"
                           : member_text(v->person, "login")
                               ? member_text(v->person, "login")
                           : member_text(v->person, "dn") ? member_text(v->person, "dn")
                                                          : member_text(v->person, "id")));
    if (c.class == APPLICATION)
        siem_set(event, "app", json_pack("{s:s, s:s}", "name", "rosterd", "vendor_name", "rosterd"));
    if (c.class == ENTITY) {
        siem_set(event, "entity", json_pack("{s:s, s:s}", "name",
                                            strcmp(v->name, "configuration") == 0
                                                ? "configuration"
                                                : "plan",
                                            "type", "rosterd"));
        siem_set_text(event, "comment", member_text(v->view, "reason"));
    }
    siem_set(event, "unmapped", unmapped_of(v));
    siem_write(b, event);
    if (v->result != SIEM_SUCCESS)
        return;
    add_access(b, v, true);
    add_access(b, v, false);
}
