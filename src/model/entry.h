/*
 * An entry: what the directory returned for one DN. A plain value, no handles.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* Of the bytes that an entry came as; see directory/decode-raw.h. */
#define ENTRY_RAW_SIZE 16

struct error;

/* A value that is no text stays visible as such: the person is then refused with a reason. */
enum value_state {
    VALUE_TEXT = 1,
    VALUE_BINARY = 2,    /* not UTF-8, or NUL or control characters in it; data kept if small */
    VALUE_TOO_LARGE = 3, /* over ENTRY_VALUE_MAX; only the size is kept */
};
#define ENTRY_VALUE_MAX (16 * 1024)

struct value {
    char *data; /* NUL-terminated; "" for VALUE_TOO_LARGE */
    size_t size;
    enum value_state state;
};
struct attribute {
    char *name;           /* as the server wrote it, with options: "cn;lang-de" */
    struct value *values; /* sorted by bytes, so the order never depends on the server */
    size_t n_values;
};

enum entry_kind { /* stored: never renumber */
                  ENTRY_PERSON = 1,
                  ENTRY_GROUP = 2,
                  ENTRY_CONTAINER = 3, /* an OU and the like: its rename moves everybody below */
};

/* How a group names a member. */
enum member_kind {                   /* stored: never renumber */
                   MEMBER_DN = 1,    /* member, uniqueMember: a DN */
                   MEMBER_LOGIN = 2, /* memberUid: one of the values of the person's uid */
                   MEMBER_PRIMARY =
                       3, /* Active Directory: persons whose primaryGroupID is this RID; else those
                           whose gidNumber is the group's */
};
struct member {
    enum member_kind kind;
    unsigned compared; /* by the state; 0: never */
    char *key;         /* dn_key(), text_fold() or the RID's digits */
    char *text;        /* as the server wrote it */
};

/* Beside the attributes, which no server can name so: what of the entry could not be read, so that
 * nothing but a revocation is decided by the rest. */
#define ENTRY_UNREADABLE ":unreadable"

struct entry {
    /* Stable identity in text: UUID with dashes, or the configured attribute's value. */
    char *id;
    char *dn;
    enum entry_kind kind;
    struct attribute *attributes; /* only what the mapping needs */
    size_t n_attributes, attributes_capacity;
    struct member *members; /* ENTRY_GROUP only */
    size_t n_members, members_capacity;
    bool members_hidden; /* those above are not all: whom it had before, it has still */
    char *login_key;     /* person: text_fold(uid) for MEMBER_LOGIN; may be NULL */
    struct string_list other_login_keys; /* of the other values, once each; entry_sort() */
    char *primary_key;                   /* person: primaryGroupID or gidNumber; may be NULL */
    bool has_raw;                        /* of all that it holds, and of nothing else: */
    unsigned char raw[ENTRY_RAW_SIZE];
};

struct entry *entry_new(const char *id, const char *dn, enum entry_kind kind);
struct entry *entry_free(struct entry *e);
/* Classifies and copies the bytes. -ENOMEM; -EINVAL when the name is not printable ASCII. The
 * caller calls entry_sort() once at the end; it also drops members that came twice. Attributes are
 * looked up one by one: whoever adds names that a peer chooses bounds how many. */
bool entry_is_description(const char *name); /* printable ASCII */
int entry_add_value(struct entry *e, const char *attribute, const void *bytes, size_t size);
int entry_take_member(struct entry *e, enum member_kind kind, char *key_taken, char *text_taken);
int entry_add_member(struct entry *e, enum member_kind kind, const char *key, const char *text);
void entry_sort(struct entry *e);
/* Takes the key of one more value of the login attribute; the order of calls does not matter
 * after entry_sort(). -ENOMEM, also for a key that is NULL. */
int entry_take_login_key(struct entry *e, char *key);

/* Case of names does not matter. "cn" finds "cn" and, only when there is none, the first option
 * form
 * ("cn;lang-de"); "cn;lang-de" finds just that. NULL when absent. */
const struct attribute *entry_attribute(const struct entry *e, const char *name);
/* The first value that is text, or NULL. */
const char *entry_text(const struct entry *e, const char *name);

/* Attributes (not members) as JSON text for the mirror; equal entries give equal text.
 * Malloc'd.
 * {"mail":["a@b"],"photo":[{"binary":"ff00"}],"description":[{"too_large":1048576}]} */
char *entry_attributes_to_json(const struct entry *e);
int entry_attributes_from_json(struct entry *e, const char *json, struct error *err);

static inline void entry_freep(struct entry **e)
{
    if (*e)
        entry_free(*e);
}
