/*
 * Audit lines as events of other schemas, for programs that collect such: one line of text each,
 * ended by a newline, made from the view of a line (audit/view.h). docs/audit-export.md says what
 * becomes of what, and which versions of the schemas these are.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

/* As the schemas rank it: OCSF's numbers. */
enum siem_severity {
    SIEM_INFORMATIONAL = 1,
    SIEM_LOW = 2,
    SIEM_MEDIUM = 3,
    SIEM_HIGH = 4,
};
enum siem_result {
    SIEM_NONE = 0, /* it makes no sense for this event */
    SIEM_SUCCESS,
    SIEM_FAILURE,
    SIEM_UNKNOWN, /* it is only about to be done */
};
enum siem_subject {
    SIEM_ACCOUNT,       /* a user of the contact center */
    SIEM_PERSON,        /* somebody of the directory, whose user stays as it is */
    SIEM_SERVICE,       /* rosterd begins or ends */
    SIEM_CONFIGURATION, /* what rosterd may do: configuration, approvals, pauses, requests */
    SIEM_EVIDENCE,      /* the audit itself */
    SIEM_ALARM,
};

/* What all schemas need to know of a line. Borrows from the view. */
struct siem_event {
    const json_t *view, *person, *actor, *changes;
    const char *name;  /* of the event */
    const char *kind;  /* of the operation; NULL: none */
    const char *code;  /* NULL: none */
    const char *title; /* for people */
    int64_t seq;
    uint64_t usec; /* since 1970 */
    enum siem_severity severity;
    enum siem_result result;
    enum siem_subject subject;
    bool erased;    /* whom it is about is gone */
    bool by_others; /* rosterd only saw it */
};
/* False when it is no audit line. */
bool siem_read(struct siem_event *ret, const json_t *view);
/* What happened, in one sentence. */
void siem_message(struct buffer *b, const struct siem_event *v);
/* +role:Agent; ~team Sales -> Support; with "; " between them, or what else is wanted. */
void siem_changes(struct buffer *b, const json_t *changes, const char *between);
/* An account's name, or NULL. */
const char *siem_actor(const struct siem_event *v);

void siem_cef(struct buffer *b, const struct siem_event *v);
void siem_ecs(struct buffer *b, const struct siem_event *v);
void siem_ocsf(struct buffer *b, const struct siem_event *v);

/* JSON, member by member; name NULL: the event itself. A text or value that is NULL is left out. */
void siem_open(struct buffer *b, const char *name);
void siem_close(struct buffer *b);
void siem_text(struct buffer *b, const char *name, const char *text);
void siem_texts(struct buffer *b, const char *name, const char *const *texts); /* up to a NULL */
void siem_integer(struct buffer *b, const char *name, int64_t value);
void siem_value(struct buffer *b, const char *name, const json_t *value);
void siem_message_of(struct buffer *b, const struct siem_event *v); /* "message" */
/* What the changes make of a field; NULL: nothing. */
const char *siem_new_value(const struct siem_event *v, const char *field);
