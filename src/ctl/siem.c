/*
 * What the converters have in common: one table of the events, and the sentence of each. A
 * converter adds nothing that is not in the line and interprets nothing.
 */
#include "config.h"

#include "ctl/siem.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/json-write.h"
#include "base/memory.h"
#include "render/output.h"
#include "render/render.h"

static const struct {
    const char *name, *title;
    enum siem_severity severity;
    enum siem_subject subject;
} events[] = {
    {"start", "rosterd began", SIEM_INFORMATIONAL, SIEM_SERVICE},
    {"stop", "rosterd ended", SIEM_INFORMATIONAL, SIEM_SERVICE},
    {"configuration", "Configuration came into force", SIEM_LOW, SIEM_CONFIGURATION},
    {"approve", "Changes approved", SIEM_LOW, SIEM_CONFIGURATION},
    {"request", "Request of a person", SIEM_INFORMATIONAL, SIEM_CONFIGURATION},
    {"run-begin", "Pass over the directory began", SIEM_INFORMATIONAL, SIEM_SERVICE},
    {"run-end", "Pass over the directory ended", SIEM_INFORMATIONAL, SIEM_SERVICE},
    {"intent", "User is about to be changed", SIEM_INFORMATIONAL, SIEM_ACCOUNT},
    {"outcome", "User changed", SIEM_INFORMATIONAL, SIEM_ACCOUNT},
    {"adopt", "User taken over", SIEM_LOW, SIEM_ACCOUNT},
    {"link", "User belongs to another entry", SIEM_LOW, SIEM_ACCOUNT},
    {"password", "Another first password set", SIEM_INFORMATIONAL, SIEM_ACCOUNT},
    {"drift", "User was changed by others", SIEM_MEDIUM, SIEM_ACCOUNT},
    {"skip", "Person gets no user", SIEM_INFORMATIONAL, SIEM_PERSON},
    {"hold", "Change waits", SIEM_LOW, SIEM_PERSON},
    {"release", "Change goes on", SIEM_INFORMATIONAL, SIEM_PERSON},
    {"park", "Change waits for approval", SIEM_MEDIUM, SIEM_PERSON},
    {"budget", "More changes than the budget allows", SIEM_MEDIUM, SIEM_ALARM},
    {"leave", "Person left the directory", SIEM_INFORMATIONAL, SIEM_PERSON},
    {"return", "Person is back in the directory", SIEM_INFORMATIONAL, SIEM_PERSON},
    {"alarm", "Alarm", SIEM_HIGH, SIEM_ALARM},
    {"alarm-over", "Alarm is over", SIEM_INFORMATIONAL, SIEM_ALARM},
    {"reconcile", "Users compared with the audit", SIEM_INFORMATIONAL, SIEM_EVIDENCE},
    {"repair", "Audit file differs from the state", SIEM_HIGH, SIEM_EVIDENCE},
    {"checkpoint", "Audit signed", SIEM_INFORMATIONAL, SIEM_EVIDENCE},
    {"key", "Another key signs the audit", SIEM_MEDIUM, SIEM_EVIDENCE},
    {"retention", "Old audit file removed", SIEM_LOW, SIEM_EVIDENCE},
    {"erase-begin", "Erasure of a person's data began", SIEM_MEDIUM, SIEM_EVIDENCE},
    {"erased", "Lines whose personal data is erased", SIEM_MEDIUM, SIEM_EVIDENCE},
    {"erase-end", "Erasure of a person's data ended", SIEM_MEDIUM, SIEM_EVIDENCE},
};

static void classify(struct siem_event *v)
{
    v->title = v->name; /* of a later version */
    v->severity = SIEM_INFORMATIONAL;
    v->subject = v->person || v->erased ? SIEM_PERSON : SIEM_ALARM;
    for (size_t i = 0; i < ARRAY_SIZE(events); i++)
        if (strcmp(v->name, events[i].name) == 0) {
            v->title = events[i].title;
            v->severity = events[i].severity;
            v->subject = events[i].subject;
            break;
        }
    if (strcmp(v->name, "intent") == 0)
        v->result = SIEM_UNKNOWN;
    if (strcmp(v->name, "outcome") != 0)
        return;
    v->result = v->code && strcmp(v->code, "done") == 0 ? SIEM_SUCCESS : SIEM_FAILURE;
    if (v->result == SIEM_FAILURE) {
        v->title = "User not changed";
        v->severity = SIEM_LOW;
    }
}

bool siem_read(struct siem_event *ret, const json_t *view)
{
    struct siem_event v = {.view = view};
    const char *time = member_text(view, "time");

    v.name = member_text(view, "event");
    v.seq = json_integer_value(json_object_get(view, "seq"));
    if (!v.name || v.seq < 1 || !time || clock_parse(time, &v.usec) < 0)
        return false;
    v.kind = member_text(view, "operation");
    v.code = member_text(view, "code");
    v.person = json_object_get(view, "person");
    v.actor = json_object_get(view, "actor");
    v.changes = json_object_get(view, "changes");
    v.erased = member_true(view, "erased");
    v.by_others = strcmp(v.name, "drift") == 0;
    classify(&v);
    *ret = v;
    return true;
}

const char *siem_actor(const struct siem_event *v)
{
    const char *login = member_text(v->actor, "login");

    return login ? login : member_text(v->actor, "name");
}

/* A value that was left out of the audit is there all the same. */
static const char *value_of(const json_t *change, const char *name)
{
    return member_true(change, name) ? "(left out)" : member_text(change, name);
}

void siem_changes(struct buffer *b, const json_t *changes, const char *between)
{
    size_t i;
    json_t *c;

    json_array_foreach ((json_t *)(uintptr_t)changes, i, c) {
        const char *from = value_of(c, "from"), *to = value_of(c, "to");
        const char *field = member_text(c, "field");

        if (i)
            buffer_add_text(b, between);
        buffer_add_text(b, !to ? "-" : from ? "~" : "+");
        output_add_printable(b, field);
        if (field && strncmp(field, "role:", 5) == 0)
            continue; /* it is there or not */
        buffer_add_text(b, from || to ? " " : "");
        output_add_printable(b, from);
        buffer_add_text(b, from && to ? " -> " : "");
        output_add_printable(b, to);
    }
}

void siem_message(struct buffer *b, const struct siem_event *v)
{
    const char *sentence = member_text(v->view, "sentence");
    const char *login = member_text(v->person, "login");

    buffer_add_text(b, v->title);
    if (v->kind) {
        buffer_add_text(b, " (");
        buffer_add_text(b, v->kind);
        buffer_add_text(b, ")");
    }
    if (login) {
        buffer_add_text(b, ": ");
        buffer_add_text(b, login);
    }
    if (sentence) {
        buffer_add_text(b, ": ");
        buffer_add_text(b, sentence);
    }
}

void siem_open(struct buffer *b, const char *name)
{
    if (name)
        json_write_key(b, name);
    buffer_add(b, "{", 1);
}

void siem_close(struct buffer *b)
{
    buffer_add(b, "}", 1);
}

void siem_text(struct buffer *b, const char *name, const char *text)
{
    if (!text)
        return;
    json_write_key(b, name);
    output_json_text(b, text, strlen(text));
}

void siem_texts(struct buffer *b, const char *name, const char *const *texts)
{
    json_write_key(b, name);
    buffer_add(b, "[", 1);
    for (; *texts; texts++) {
        json_write_comma(b);
        output_json_text(b, *texts, strlen(*texts));
    }
    buffer_add(b, "]", 1);
}

void siem_integer(struct buffer *b, const char *name, int64_t value)
{
    json_write_key(b, name);
    json_write_integer(b, value);
}

void siem_value(struct buffer *b, const char *name, const json_t *value)
{
    if (!value)
        return;
    json_write_key(b, name);
    output_json(b, value, JSON_COMPACT);
}

void siem_message_of(struct buffer *b, const struct siem_event *v)
{
    CLEANUP(buffer_done) struct buffer message = {0};

    siem_message(&message, v);
    b->failed |= message.failed;
    siem_text(b, "message", message.data);
}

const char *siem_new_value(const struct siem_event *v, const char *field)
{
    const char *found = NULL, *name;
    json_t *c;
    size_t i;

    json_array_foreach ((json_t *)(uintptr_t)v->changes, i, c)
        if ((name = member_text(c, "field")) && strcmp(name, field) == 0)
            found = member_text(c, "to");
    return found;
}
