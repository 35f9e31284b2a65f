/*
 * An operation: one thing to do at the tenant for one person, with its changes and its reasons.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/source.h"

enum operation_kind { /* stored: never renumber, never reuse */
                      OPERATION_CREATE = 1,
                      OPERATION_ADOPT = 2,
                      OPERATION_UPDATE = 3, /* a part of the user, such as team and skills … */
                      OPERATION_PROFILE = 4, /* … and another, such as names, mail, phones, roles */
                      OPERATION_RENAME = 5, /* the login */
                      OPERATION_DISABLE = 6,
                      OPERATION_ENABLE = 7,
                      OPERATION_DELETE = 8,
};
#define OPERATION_N_KINDS 9
const char *operation_kind_name(enum operation_kind k); /* "create", … */

enum operation_state {                        /* stored: never renumber, never reuse */
                       OPERATION_READY = 1,   /* may go when not_before has come */
                       OPERATION_PARKED = 2,  /* waits for a person's approval */
                       OPERATION_HELD = 3,    /* waits for a condition, tried again at not_before */
                       OPERATION_STARTED = 4, /* the intent is committed; the outcome is not */
};
const char *operation_state_name(enum operation_state s);

enum change_kind {
    CHANGE_FIELD,
    CHANGE_DISABLED,
    CHANGE_ROLE,
    CHANGE_SKILL,
};
/* Of what is written "team", "disabled", "role:Agent", "skill:English"; *ret_name (NULL: not
 * asked for) is within it. */
enum change_kind change_kind_of(const char *field, const char **ret_name);

struct change {
    enum change_kind kind;
    char *field;      /* how it is written */
    const char *name; /* of the field, role or skill; within `field` */
    char *from;       /* NULL: was absent */
    char *to;         /* NULL: is removed */
    struct source source;
};

/* Stable reason codes for holds and parking; text by reason_code_text(). Stored by name. */
#define REASON_TEAM_MISSING       "team-missing"
#define REASON_ROLE_MISSING       "role-missing"
#define REASON_SKILL_MISSING      "skill-missing"
#define REASON_REFERENCE_MISSING  "reference-missing"
#define REASON_REFUSED            "tenant-refused-data"
#define REASON_TOO_LARGE          "user-too-large"
#define REASON_CONFLICT           "login-taken"
#define REASON_NOT_AUTHORISED     "tenant-not-authorised"
#define REASON_NO_SECRET          "client-secret-unreadable"
#define REASON_TENANT_AWAY        "tenant-unavailable"
#define REASON_THROTTLED          "tenant-throttled"
#define REASON_UNCLEAR            "outcome-unclear"
#define REASON_PART_NOT_OFFERED   "no-scim" /* the first such part; the word stays */
#define REASON_NOT_APPLIED        "change-not-applied"
#define REASON_ON_SHIFT           "on-shift"
#define REASON_READ_NOT_PROVEN    "read-not-proven"
#define REASON_GROUP_MISSING      "group-missing"
#define REASON_ATTRIBUTE_VANISHED "attribute-vanished"
#define REASON_ENTRY_INVALID      "entry-invalid"
#define REASON_LOGIN_SHARED       "login-shared"
#define REASON_NAME_SHARED        "name-shared"
#define REASON_SAME_MAIL          "same-mail"
#define REASON_RENAME_POLICY      "rename-policy"
#define REASON_USER_GONE          "user-gone"
#define REASON_BUDGET             "budget"
#define REASON_ADOPTION           "adoption"
#define REASON_RELINK             "relink"
#define REASON_ROLES_FIRST        "roles-first"
#define REASON_STATE_RESTORED     "state-restored"
#define REASON_OTHER_TENANT       "other-tenant"
#define REASON_PASSWORD           "password-not-handed-on"
#define REASON_PAUSED             "paused"
#define REASON_CLOCK              "clock-set"
#define REASON_OBSERVING          "observing"
#define REASON_LOCKOUT            "never-lock-out"
#define REASON_AUDIT_FAILED       "audit-failed"
#define REASON_STATE_FAILED       "state-failed"
#define REASON_STATE_CHECKING     "state-checking"
#define REASON_DIRECTORY_AWAY     "directory-away"
#define REASON_REVOKED            "revoked"
#define REASON_ROLE_CONFLICT      "role-conflict"
#define REASON_SEATS              "no-seat"
#define REASON_DORMANT            "dormant"
/* A half sentence for people; the code itself when it is not one of these. */
const char *reason_code_text(const char *code);
/* What a person does about it, in whole sentences; NULL when the code is not one of these. */
const char *reason_code_remedy(const char *code);

struct operation {
    int64_t number; /* in the queue; 0 before it is stored */
    enum operation_kind kind;
    enum operation_state state;
    char *entry_id;
    char *dn;
    char *login; /* at the tenant: the one that the call names */
    struct change *changes;
    size_t n_changes, changes_capacity;
    char *why;           /* one sentence: what in directory or configuration led to it */
    char *reason;        /* a REASON_ code while parked or held, else NULL */
    char *sentence;      /* what to do about it */
    char *cause;         /* holds with one cause are one alarm: "team:Customer Service" */
    uint64_t since_usec; /* of the hold */
    uint64_t not_before_usec;
    uint64_t due_usec;   /* its place in the queue, on the steady clock; kept while it waits */
    uint64_t shift_usec; /* since when a shift postpones it, on the steady clock; 0: none does */
    unsigned attempts;
    uint64_t run;
    bool revokes; /* it cannot wait, since access is to end: [lifecycle] revoke_when */
    bool dormant; /* a disable of somebody who did not log in for long; not stored */
    bool remakes; /* a create of somebody whose user vanished at the tenant; not stored */
    bool approved;
    uint64_t approved_until_usec; /* on the steady clock, see state/steady.h */
    bool looks;         /* nothing was written by any attempt so far; not set on a fresh one */
    char *approved_for; /* the reason for which it waited then; NULL while it is not approved */
    /* As queue_next() found them beside it: nothing is read again for what starts now. */
    bool is_next;
    bool has_others; /* the person has further operations */
    bool has_link;
    char *wanted;    /* of the person: user_to_json(), or NULL */
    unsigned budget; /* enum budget_kind of books/options.h: which budget it counts under */
};

struct operation *operation_new(enum operation_kind kind, const char *entry_id, const char *dn,
                                const char *login);
struct operation *operation_free(struct operation *o);
int operation_add_change(struct operation *o, const char *field, const char *from, const char *to,
                         const struct source *source);
void operation_drop_changes(struct operation *o);
void operation_drop_change(struct operation *o, size_t i);
/* Why it waits (copied); NULL: it does not. -ENOMEM. */
int operation_say(struct operation *o, const char *reason, const char *cause, const char *sentence);
/* The last attempt may or may not have been carried out. */
bool operation_is_unclear(const struct operation *o);
/* Same kind, person, login and changes: approval covers exactly that. */
bool operation_equal(const struct operation *a, const struct operation *b);
char *operation_changes_to_json(const struct operation *o); /* malloc'd */
int operation_changes_from_json(struct operation *o, const char *json);

struct operation_list {
    struct operation **items; /* owned */
    size_t n_items, capacity;
};
void operation_list_done(struct operation_list *l);
int operation_list_add(struct operation_list *l,
                       struct operation *taken); /* freed when it fails: -ENOMEM */

static inline void operation_freep(struct operation **o)
{
    if (*o)
        operation_free(*o);
}
