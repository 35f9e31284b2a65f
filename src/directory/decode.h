/*
 * A message of libldap becomes a struct entry.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/text.h"
#include "directory/identity.h"
#include "directory/ranges.h"
#include "model/entry.h"

struct decode_memory;
struct directory_options;
struct dn_memory;
struct error;
struct group_memory;
struct kinds;
struct schema;

struct decoder {
    enum identity_kind identity;
    char *id_attribute; /* what to ask for */
    /* Of the server, for groups and containers without id_attribute; 0 and NULL: none. */
    enum identity_kind second_identity;
    const char *second_id_attribute;
    char *login_attribute; /* NULL on servers without memberUid groups */
    bool active_directory;
    struct string_list wanted; /* canonical names of what the mapping reads */
    struct string_list person_classes, group_classes; /* that the filters name */
    struct kinds *kinds;
    const struct schema *schema;     /* borrowed; NULL: built in names only */
    const char *watermark_attribute; /* NULL: none */
    bool groups_have_members;        /* groupOfNames and its like are never empty here */
    const char *children_attribute;  /* says that others lie below an entry; NULL: none does */
    unsigned char form[DIGEST_SIZE]; /* of all that decides what becomes of the same bytes */
    struct decode_memory *memory;    /* what was found out about names; NULL: nothing is kept */
    struct group_memory *groups;     /* what large ones came as */
};

struct decoded {
    struct entry *entry; /* NULL: it has no id that we may see */
    char *dn;
    char *watermark;      /* the greatest value of watermark_attribute; NULL */
    char *version;        /* of the entry, to notice an edit between two reads; may be NULL */
    bool deleted;         /* AD: isDeleted */
    bool computer;        /* AD */
    bool alias;           /* an alias entry, which nobody follows */
    bool bad_id;          /* it has an id that cannot be used as one */
    bool bad_dn;          /* dn is none; it may be cut */
    bool crowded;         /* it has more attributes than are taken */
    size_t n_bad_members; /* values that are no DNs, so nobody's names … */
    char *bad_member;     /* … and the first of them, to be shown */
    bool has_children;    /* as children_attribute says: it may be shown for that alone */
    bool is_parent;       /* it was asked for as what others lie below */
    bool may_member, may_unique; /* a group: where its members stand, as far as its classes tell */
    bool asked;                  /* what it lost against the mirror was asked for */
    bool all_shown;              /* a group: the mirror has no member that is not here, as of now */
    bool foreign;                /* of a server that a reference names: it is not ours to ask */
    struct ranges *ranges;       /* not NULL: members came in part */
    char *partial;               /* the name of another attribute that came in part */
};
void decoded_done(struct decoded *d);
/* One whose name is none keeps the one that it was known by, and what is wrong is noted in it.
 * -ENOMEM. */
int decoded_take_known_name(struct decoded *d, char *dn_taken);
int decoded_make_container(struct decoded *d, struct error *e); /* all that it is to us */

/* usual: the identity that the server gives every entry; 0: none. */
int decoder_init(struct decoder *d, enum identity_kind identity, enum identity_kind usual,
                 bool active_directory, const struct directory_options *options,
                 const struct string_list *attributes, const struct schema *schema,
                 struct error *e);
void decoder_done(struct decoder *d);
/* What to ask the server for; NULL-terminated, freed with decoder_attributes_free(). */
char **decoder_attributes(const struct decoder *d);
void decoder_attributes_free(char **attributes);
/* id: what the feed knows it by, NULL: its attribute says. 0 with ret filled, also when it has
 * no id; -EBADMSG when the message cannot be read. */
int decode_entry(const struct decoder *d, LDAP *ld, LDAPMessage *m, const char *id,
                 struct decoded *ret, struct error *e);
/* The id of the entry in the message, without a look at what kind it is; NULL: it shows none.
 */
char *decode_id(const struct decoder *d, LDAP *ld, LDAPMessage *m);
/* The DN that a value of a member attribute gives: malloc'd, with its key; both NULL when it can
 * be nobody's. -ENOMEM. */
int decode_member_dn(struct dn_memory *memory, const struct schema *schema, const void *bytes,
                     size_t size, char **ret_key, char **ret_text);
/* One value of a member attribute, added as the model keeps it. */
int decode_member(const struct decoder *d, struct entry *entry, enum member_kind kind,
                  const void *bytes, size_t size);
/* What the server calls an attribute, and what that is to us. */
struct decoded_name {
    char *name;
    const char *canonical; /* in the schema; NULL: the name itself */
    bool wanted;           /* by the mapping */
};
int decode_memory_new(struct decode_memory **ret); /* -ENOMEM */
struct decode_memory *decode_memory_free(struct decode_memory *m);
struct dn_memory *decode_memory_dns(struct decode_memory *m); /* NULL for NULL */
/* Found out once for each name; *ret is valid until the next call. -ENOMEM. */
int decode_memory_name(const struct decoder *d, const char *name, const struct decoded_name **ret);
/* What joins a memberUid and a login: as servers compare logins. NULL: no memory, no UTF-8. */
char *decode_login_key(const char *bytes, size_t size);
/* Takes an answer with more members into ranges; as ranges_accept(), -EBADMSG when it cannot be
 * read. */
int decode_range(struct ranges *ranges, LDAP *ld, LDAPMessage *m);
/* The classes that a filter names in (objectClass=X), each once, appended. Pure. */
int decode_classes_of_filter(const char *filter, struct string_list *ret);
/* Whether nothing is selected that is of none of these classes. Pure. */
bool decode_filter_is_by_class(const char *filter);
/* The attributes that a filter names, each once, appended. Pure. */
int decode_attributes_of_filter(const char *filter, struct string_list *ret);
/* The relative identifier at the end of a Windows SID; false when it is none. Pure. */
bool decode_rid(const unsigned char *sid, size_t size, uint32_t *ret);
extern const char *const decode_container_classes[]; /* NULL-terminated */
extern const char *const decode_group_classes[];
