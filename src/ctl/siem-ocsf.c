/*
 * Open Cybersecurity Schema Framework, version 1.8.0: Account Change, User Access Management,
 * Entity Management, Application Lifecycle, and the Base Event for the rest.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/json-write.h"
#include "base/memory.h"
#include "ctl/siem.h"
#include "render/output.h"
#include "render/render.h"

#define OCSF_VERSION "1.8.0"
#define OTHER        99
#define USER_NAME    4 /* of observables */

struct class
{
    int category, class, activity;
    const char *activity_name;
};
#define BASE_EVENT     0
#define ACCOUNT_CHANGE 3001
#define ENTITY         3004
#define USER_ACCESS    3005
#define APPLICATION    6002

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
    case SIEM_ALARM: break;
    }
    return (struct class){0, BASE_EVENT, OTHER, v->name};
}

static void add_user(struct buffer *b, const struct siem_event *v)
{
    const char *dn = member_text(v->person, "dn"), *login = member_text(v->person, "login");
    const char *id = v->erased ? "erased" : member_text(v->person, "id");

    siem_open(b, "user");
    siem_text(b, "uid", id);
    siem_text(b, "name", login);
    if (dn) {
        siem_open(b, "ldap_person");
        siem_text(b, "ldap_dn", dn);
        siem_close(b);
    }
    if (!id && !login)
        siem_text(b, "uid", dn ? dn : "unknown");
    siem_close(b);
}

static void add_actor(struct buffer *b, const struct siem_event *v)
{
    const char *session = member_text(v->actor, "session");
    char uid[24];

    siem_open(b, "actor");
    if (!v->actor)
        siem_text(b, "app_name", "rosterd");
    else {
        snprintf(uid, sizeof(uid), "%lld", member_number(v->actor, "uid"));
        siem_open(b, "user");
        siem_text(b, "uid", uid);
        siem_text(b, "name", siem_actor(v));
        siem_close(b);
    }
    if (session) {
        siem_open(b, "session");
        siem_text(b, "uid", session);
        siem_close(b);
    }
    siem_close(b);
}

/* Of these classes an actor is an attribute of a profile. */
static bool needs_profile(const struct siem_event *v, const struct class *c)
{
    return !v->by_others && (c->class == BASE_EVENT || c->class == APPLICATION);
}

static void add_metadata(struct buffer *b, const struct siem_event *v, const struct class *c,
                         const char *part)
{
    char uid[40];

    siem_open(b, "metadata");
    siem_text(b, "version", OCSF_VERSION);
    siem_open(b, "product");
    siem_text(b, "name", "rosterd");
    siem_text(b, "vendor_name", "rosterd");
    siem_close(b);
    if (needs_profile(v, c))
        siem_texts(b, "profiles", (const char *const[]){"host", NULL});
    siem_text(b, "log_name", "rosterd audit");
    siem_text(b, "log_version", "1");
    siem_text(b, "event_code", v->name);
    siem_integer(b, "sequence", v->seq);
    siem_text(b, "original_time", member_text(v->view, "time"));
    snprintf(uid, sizeof(uid), "%" PRId64 "%s", v->seq, part);
    siem_text(b, "uid", uid);
    snprintf(uid, sizeof(uid), "%" PRId64, v->seq);
    siem_text(b, "original_event_uid", uid);
    if (json_object_get(v->view, "number")) {
        snprintf(uid, sizeof(uid), "%lld", member_number(v->view, "number"));
        siem_text(b, "correlation_uid", uid); /* an intent and its outcome */
    }
    siem_close(b);
}

/* What the schema has no place for, under the names of the audit. */
static void add_unmapped(struct buffer *b, const struct siem_event *v)
{
    static const char *const names[] = {"run",      "fingerprint", "operation",   "plan",
                                        "groups",   "answer",      "answer_text", "status",
                                        "attempts", "why",         "changes",     "details"};
    bool open = false;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const json_t *value = json_object_get(v->view, names[i]);

        if (value && !open)
            siem_open(b, "unmapped");
        open = open || value;
        siem_value(b, names[i], value);
    }
    if (open)
        siem_close(b);
}

static void add_status(struct buffer *b, const struct siem_event *v)
{
    static const struct {
        int id;
        const char *name;
    } statuses[] = {[SIEM_SUCCESS] = {1, "Success"},
                    [SIEM_FAILURE] = {2, "Failure"},
                    [SIEM_UNKNOWN] = {0, "Unknown"}};

    if (v->result != SIEM_NONE) {
        siem_integer(b, "status_id", statuses[v->result].id);
        siem_text(b, "status", statuses[v->result].name);
    }
    siem_text(b, "status_code", v->code);
    if (v->result == SIEM_FAILURE)
        siem_text(b, "status_detail", member_text(v->view, "sentence"));
}

static void begin_event(struct buffer *b, const struct siem_event *v, const struct class *c,
                        const char *part)
{
    siem_open(b, NULL);
    siem_integer(b, "activity_id", c->activity);
    siem_text(b, "activity_name", c->activity_name);
    siem_integer(b, "category_uid", c->category);
    siem_integer(b, "class_uid", c->class);
    siem_integer(b, "type_uid", c->class * 100 + c->activity);
    siem_integer(b, "severity_id", (int64_t)v->severity);
    siem_integer(b, "time", (int64_t)(v->usec / USEC_PER_MSEC));
    add_metadata(b, v, c, part);
    if (!v->by_others)
        add_actor(b, v);
    siem_message_of(b, v);
    add_status(b, v);
}

static void end_event(struct buffer *b)
{
    siem_close(b);
    buffer_add_text(b, "\n");
}

/* The next role that is given, or that is taken; NULL: none. */
static const char *next_role(const struct siem_event *v, bool given, size_t *i)
{
    while (*i < json_array_size(v->changes)) {
        const json_t *c = json_array_get(v->changes, (*i)++);
        const char *field = member_text(c, "field");

        if (field && strncmp(field, "role:", 5) == 0 && !member_text(c, "to") == !given)
            return field + 5;
    }
    return NULL;
}

static void add_access(struct buffer *b, const struct siem_event *v, bool given)
{
    const struct class c = {3, USER_ACCESS, given ? 1 : 2,
                            given ? "Assign Privileges" : "Revoke Privileges"};
    size_t i = 0;
    const char *role = next_role(v, given, &i);

    if (!role)
        return;
    begin_event(b, v, &c, given ? "-given" : "-taken");
    add_user(b, v);
    json_write_key(b, "privileges");
    buffer_add(b, "[", 1);
    for (; role; role = next_role(v, given, &i)) {
        json_write_comma(b);
        output_json_text(b, role, strlen(role));
    }
    buffer_add(b, "]", 1);
    end_event(b);
}

/* The base event has no place for whom it is about. */
static void add_observable(struct buffer *b, const struct siem_event *v)
{
    const char *login = member_text(v->person, "login"), *dn = member_text(v->person, "dn");

    json_write_key(b, "observables");
    buffer_add(b, "[", 1);
    siem_open(b, NULL);
    siem_text(b, "name", "person");
    siem_integer(b, "type_id", login && !v->erased ? USER_NAME : OTHER);
    if (!login || v->erased)
        siem_text(b, "type", v->erased ? "Erased" : dn ? "Distinguished Name" : "User ID");
    siem_text(b, "value",
              v->erased ? "erased"
              : login   ? login
              : dn      ? dn
                        : member_text(v->person, "id"));
    siem_close(b);
    buffer_add(b, "]", 1);
}

static void add_entity(struct buffer *b, const struct siem_event *v)
{
    siem_open(b, "entity");
    siem_text(b, "name", strcmp(v->name, "configuration") == 0 ? "configuration" : "plan");
    siem_text(b, "type", "rosterd");
    siem_close(b);
    siem_text(b, "comment", member_text(v->view, "reason"));
}

void siem_ocsf(struct buffer *b, const struct siem_event *v)
{
    struct class c = class_of(v);

    begin_event(b, v, &c, "");
    if (c.class == ACCOUNT_CHANGE)
        add_user(b, v);
    else if (v->person || v->erased)
        add_observable(b, v);
    if (c.class == APPLICATION) {
        siem_open(b, "app");
        siem_text(b, "name", "rosterd");
        siem_text(b, "vendor_name", "rosterd");
        siem_close(b);
    }
    if (c.class == ENTITY)
        add_entity(b, v);
    add_unmapped(b, v);
    end_event(b);
    if (v->result != SIEM_SUCCESS)
        return;
    add_access(b, v, true);
    add_access(b, v, false);
}
