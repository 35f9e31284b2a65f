/*
 * Turns what the server sent for one entry into the model's struct entry: its identity, what
 * kind of thing it is, the attributes that the mapping reads, the members of a group. Values
 * are bytes until the model has classified them. It fetches nothing: what came in part (ranges)
 * is handed to the caller.
 */
#include "config.h"

#include "directory/decode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "directory/kind.h"
#include "directory/libldap.h"
#include "directory/options.h"
#include "model/class.h"
#include "model/dn.h"
#include "model/schema.h"

/* Of what was asked for, with all its options. A server chooses how many it sends. */
#define ATTRIBUTES_MOST 1000

/* One attribute as it lies in the message. */
struct raw {
    char name[128];        /* longer ones are not asked for */
    const char *canonical; /* NULL: the name itself */
    bool wanted;
    struct berval *values;
    size_t n_values;
};
struct raw_list {
    struct raw *items;
    size_t n_items, capacity;
    struct berval dn;
};

static void raw_list_done(struct raw_list *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        ber_memfree(l->items[i].values);
    free(l->items);
}

void decoded_done(struct decoded *d)
{
    entry_freep(&d->entry);
    ranges_free(d->ranges);
    free(d->dn);
    free(d->watermark);
    free(d->version);
    free(d->partial);
    free(d->bad_member);
    *d = (struct decoded){0};
}

static int collect(const struct decoder *d, LDAP *ld, LDAPMessage *m, struct raw_list *ret,
                   struct error *e)
{
    CLEANUP(libldap_ber_freep) BerElement *ber = NULL;
    int code = ldap_get_dn_ber(ld, m, &ber, &ret->dn);
    struct berval name = {0}, *values = NULL;
    while (code == LDAP_SUCCESS &&
           (code = ldap_get_attribute_ber(ld, m, ber, &name, &values)) == LDAP_SUCCESS &&
           name.bv_val) {
        if (name.bv_len >= sizeof(ret->items->name) || memchr(name.bv_val, '\0', name.bv_len)) {
            ber_memfree(values);
            continue;
        }
        if (memory_grow(&ret->items, &ret->capacity, ret->n_items + 1, sizeof(*ret->items)) < 0) {
            ber_memfree(values);
            return error_out_of_memory(e);
        }
        struct raw *raw = &ret->items[ret->n_items++];
        memcpy(raw->name, name.bv_val, name.bv_len);
        raw->name[name.bv_len] = 0;
        raw->values = values;
        for (raw->n_values = 0; values && values[raw->n_values].bv_val;)
            raw->n_values++;
        const struct decoded_name *known;
        if (decode_memory_name(d, raw->name, &known) < 0)
            return error_out_of_memory(e);
        raw->canonical = known->canonical;
        raw->wanted = known->wanted;
    }
    if (code != LDAP_SUCCESS)
        return error_set(e, -EBADMSG, "an entry that the server sent cannot be read: %s",
                         ldap_err2string(code));
    return 0;
}

static const struct raw *find(const struct raw_list *l, const char *name)
{
    for (size_t i = 0; i < l->n_items; i++)
        if (text_equal_ascii_case(l->items[i].name, name))
            return &l->items[i];
    return NULL;
}

/* The same under whatever name the server gives it; of several (options) always the same one. */
static const struct raw *find_any_name(const struct decoder *d, const struct raw_list *l,
                                       const char *name)
{
    const struct raw *ret = find(l, name);
    const char *canonical = d->schema && !ret ? schema_canonical(d->schema, name) : NULL;
    for (size_t i = 0; canonical && i < l->n_items; i++) {
        const struct raw *raw = &l->items[i];
        if (text_equal_ascii_case(raw->canonical ? raw->canonical : raw->name, canonical) &&
            (!ret || text_compare_ascii_case(raw->name, ret->name) < 0))
            ret = raw;
    }
    return ret;
}

/* What it would be cut at is no text: then there is none. */
static bool has_text(const struct raw *raw)
{
    return raw && raw->n_values > 0 && !memchr(raw->values[0].bv_val, 0, raw->values[0].bv_len);
}

static char *copy_value(const struct raw *raw)
{
    return has_text(raw) ? strndup(raw->values[0].bv_val, raw->values[0].bv_len) : NULL;
}

/* Servers give values in any order: of several ids it is the least, always. */
static void take_least(char **least, enum identity_kind kind, const struct berval *value)
{
    CLEANUP(freep) char *id = identity_from_value(kind, value->bv_val, value->bv_len);
    if (id && (!*least || strcmp(id, *least) < 0)) {
        free(*least);
        *least = TAKE(id);
    }
}

static char *identity_of(enum identity_kind kind, const struct raw *raw)
{
    char *least = NULL;
    for (size_t i = 0; raw && i < raw->n_values; i++)
        take_least(&least, kind, &raw->values[i]);
    return least;
}

#define CLASS_SIZE 128

static bool class_text(const struct berval *value, char ret[static CLASS_SIZE])
{
    if (value->bv_len >= CLASS_SIZE || memchr(value->bv_val, '\0', value->bv_len))
        return false;
    memcpy(ret, value->bv_val, value->bv_len);
    ret[value->bv_len] = 0;
    return true;
}

static unsigned class_meanings(struct kinds *kinds, const struct raw *classes)
{
    unsigned meanings = 0;
    for (size_t i = 0; classes && i < classes->n_values; i++) {
        char class[CLASS_SIZE];
        if (!class_text(&classes->values[i], class))
            continue;
        meanings |= kinds_of_class(kinds, class);
    }
    return meanings;
}

/* By its classes or what they are below: a site's own class of groups has members, too. */
static bool must_have_members(const struct decoder *d, const struct raw *classes)
{
    bool must = false;
    for (size_t i = 0; d->groups_have_members && classes && i < classes->n_values && !must; i++) {
        char class[CLASS_SIZE];
        if (!class_text(&classes->values[i], class))
            continue;
        must = class_is_a(schema_classes(d->schema), class, "groupOfNames") ||
               class_is_a(schema_classes(d->schema), class, "groupOfUniqueNames");
    }
    return must;
}

/* In which attribute a group of these classes names its members; both if they do not tell. */
static void place_members(const struct decoder *d, const struct raw *classes, struct decoded *ret)
{
    for (size_t i = 0; classes && i < classes->n_values; i++) {
        char class[CLASS_SIZE];
        if (!class_text(&classes->values[i], class))
            continue;
        ret->may_unique |= class_is_a(schema_classes(d->schema), class, "groupOfUniqueNames");
        ret->may_member |= class_is_a(schema_classes(d->schema), class, "groupOfNames") ||
                           class_is_a(schema_classes(d->schema), class, "groupOfMembers");
    }
    if (!ret->may_unique && !ret->may_member)
        ret->may_unique = ret->may_member = true;
}

/* "TRUE" of hasSubordinates, or a number. */
static bool has_children(const struct decoder *d, const struct raw_list *raw)
{
    const struct raw *a = d->children_attribute ? find(raw, d->children_attribute) : NULL;
    if (!a || a->n_values == 0 || a->values[0].bv_len == 0)
        return false;
    const char *p = a->values[0].bv_val;
    return *p == 'T' || *p == 't' || (*p >= '1' && *p <= '9');
}

static enum entry_kind kind_of(struct kinds *kinds, const struct raw *classes)
{
    return kinds_decide(kinds, class_meanings(kinds, classes));
}

static int add_members(const struct decoder *d, struct decoded *ret, enum member_kind kind,
                       const struct raw *raw)
{
    for (size_t i = 0; i < raw->n_values; i++) {
        const struct berval *v = &raw->values[i];
        size_t before = ret->entry->n_members;
        int r = decode_member(d, ret->entry, kind, v->bv_val, v->bv_len);
        if (r < 0)
            return r;
        if (ret->entry->n_members == before && ret->n_bad_members++ == 0 &&
            !(ret->bad_member = strndup(v->bv_val, v->bv_len)))
            return -ENOMEM;
    }
    return 0;
}

/* A first piece that makes no sense is forgotten: the reading then begins with "0-*". */
static int begin_ranges(const struct decoder *d, struct decoded *ret, const struct raw *raw,
                        const struct range_name *range)
{
    if (ret->ranges)
        return 0;
    CLEANUP(freep) char *name = strndup(raw->name, range->name_size);
    ret->ranges = name ? ranges_new(name) : NULL;
    if (!ret->ranges)
        return -ENOMEM;
    struct range_value *values = calloc(raw->n_values + 1, sizeof(*values));
    if (!values)
        return -ENOMEM;
    for (size_t i = 0; i < raw->n_values; i++)
        values[i] = (struct range_value){raw->values[i].bv_val, raw->values[i].bv_len};
    int r = ranges_accept(ret->ranges, range, values, raw->n_values, ret->version);
    free(values);
    if (r != RANGES_COMPLETE)
        return r == -ENOMEM ? r : 0;
    ret->ranges = ranges_free(ret->ranges);
    return add_members(d, ret, MEMBER_DN, raw);
}

static int add_values(struct entry *entry, const struct raw *raw)
{
    for (size_t i = 0; i < raw->n_values; i++) {
        int r = entry_add_value(entry, raw->name, raw->values[i].bv_val, raw->values[i].bv_len);
        if (r < 0)
            return r;
    }
    return 0;
}

static int note_unreadable(struct entry *entry, const char *what, const char *name)
{
    char shown[200], text[300];
    snprintf(text, sizeof(text), "%s: %s", what,
             text_printable(shown, sizeof(shown), name, strlen(name)));
    return entry_add_value(entry, ENTRY_UNREADABLE, text, strlen(text));
}

int decoded_take_known_name(struct decoded *d, char *dn_taken)
{
    struct entry *entry = d->entry;
    free(entry->dn);
    entry->dn = dn_taken;
    entry->has_raw = false;
    int r = note_unreadable(entry, "its name is not a distinguished name", d->dn);
    entry_sort(entry);
    return r;
}

static int add_attribute(const struct decoder *d, struct decoded *ret, const struct raw *raw)
{
    struct entry *entry = ret->entry;
    struct range_name range;
    bool ranged = range_parse(raw->name, strlen(raw->name), &range);
    if (entry->kind == ENTRY_GROUP) {
        if (ranged && strncasecmp(raw->name, "member;", 7) == 0)
            return begin_ranges(d, ret, raw, &range);
        if (text_equal_ascii_case(raw->name, "member") ||
            text_equal_ascii_case(raw->name, "uniqueMember"))
            return add_members(d, ret, MEMBER_DN, raw);
        if (text_equal_ascii_case(raw->name, "memberUid"))
            return add_members(d, ret, MEMBER_LOGIN, raw);
        if (text_equal_ascii_case(raw->name, "memberURL"))
            return add_values(entry, raw);
    }
    if (!raw->wanted || ret->crowded)
        return 0;
    if (entry->n_attributes >= ATTRIBUTES_MOST) {
        ret->crowded = true;
        return note_unreadable(entry, "it has too many attributes, with", raw->name);
    }
    if (!entry_is_description(raw->name))
        return note_unreadable(entry, "an attribute has a name that is none", raw->name);
    if (ranged && !range.last && !ret->partial && !(ret->partial = strdup(raw->name)))
        return -ENOMEM;
    return add_values(entry, raw);
}

/* By which people name the group as their primary one: *ret is NULL where there is none. */
bool decode_rid(const unsigned char *sid, size_t size, uint32_t *ret)
{
    /* MS-DTYP 2.4.2.2: revision, count, six bytes of authority, count little-endian words. */
    if (size < 12 || sid[0] != 1 || size != 8 + 4 * (size_t)sid[1])
        return false;
    const unsigned char *p = sid + size - 4;
    *ret = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return true;
}

static int primary_of_group(const struct decoder *d, const struct raw_list *raw, char **ret)
{
    *ret = NULL;
    if (!d->active_directory) {
        const struct raw *gid = find_any_name(d, raw, "gidNumber");
        *ret = copy_value(gid);
        return has_text(gid) && !*ret ? -ENOMEM : 0;
    }
    const struct raw *sid = find(raw, "objectSid");
    uint32_t rid;
    if (!sid || sid->n_values == 0 ||
        !decode_rid((const unsigned char *)sid->values[0].bv_val, sid->values[0].bv_len, &rid))
        return 0;
    *ret = libldap_format("%u", rid);
    return *ret ? 0 : -ENOMEM;
}

/* Any of the values may be the one that a memberUid names. */
static int add_login_keys(struct entry *entry, const struct raw *login)
{
    int r = 0;
    for (size_t i = 0; login && i < login->n_values && r == 0; i++) {
        const struct berval *v = &login->values[i];
        if (v->bv_len > 0 && text_is_utf8(v->bv_val, v->bv_len) && !memchr(v->bv_val, 0, v->bv_len))
            r = entry_take_login_key(entry, decode_login_key(v->bv_val, v->bv_len));
    }
    return r;
}

/* What joins people and groups besides the lists of members. */
static int add_keys(const struct decoder *d, struct entry *entry, const struct raw_list *raw)
{
    if (entry->kind == ENTRY_GROUP) {
        CLEANUP(freep) char *key = NULL;
        int r = primary_of_group(d, raw, &key);
        return r == 0 && key ? entry_add_member(entry, MEMBER_PRIMARY, key, key) : r;
    }
    if (entry->kind != ENTRY_PERSON)
        return 0;
    int r = add_login_keys(entry, find_any_name(d, raw, d->login_attribute));
    if (r == 0 && d->active_directory)
        r = add_login_keys(entry, find(raw, "sAMAccountName"));
    entry->primary_key = copy_value(d->active_directory ? find(raw, "primaryGroupID")
                                                        : find_any_name(d, raw, "gidNumber"));
    return r;
}

int decode_entry(const struct decoder *d, LDAP *ld, LDAPMessage *m, const char *id,
                 struct decoded *ret, struct error *e)
{
    *ret = (struct decoded){0};
    CLEANUP(raw_list_done) struct raw_list raw = {0};
    int r = collect(d, ld, m, &raw, e);
    if (r < 0)
        return r;
    ret->dn = strndup(raw.dn.bv_val ? raw.dn.bv_val : "", raw.dn.bv_len);
    if (!ret->dn)
        return error_out_of_memory(e);
    ret->bad_dn = strlen(ret->dn) != raw.dn.bv_len || !dn_is_valid(ret->dn);
    const struct raw *deleted = find(&raw, "isDeleted"),
                     *own = find_any_name(d, &raw, d->id_attribute);
    const struct raw *classes = find(&raw, "objectClass");
    ret->deleted = deleted && deleted->n_values > 0 && deleted->values[0].bv_len == 4 &&
                   strncasecmp(deleted->values[0].bv_val, "TRUE", 4) == 0;
    ret->alias = class_meanings(d->kinds, classes) & CLASS_OF_ALIAS;
    ret->computer = d->active_directory && (class_meanings(d->kinds, classes) & CLASS_OF_COMPUTER);
    if (d->watermark_attribute)
        ret->watermark = copy_value(find(&raw, d->watermark_attribute));
    if (d->active_directory)
        ret->version = copy_value(find(&raw, "uSNChanged"));
    CLEANUP(freep) char *identity = NULL;
    identity = id ? strdup(id) : identity_of(d->identity, own);
    ret->bad_id = !identity && own && own->n_values > 0;
    enum entry_kind kind = kind_of(d->kinds, classes);
    /* An attribute of people's own, such as a personnel number, identifies no group. */
    const struct raw *second = d->second_id_attribute ? find(&raw, d->second_id_attribute) : NULL;
    if (!identity && kind != ENTRY_PERSON)
        identity = identity_of(d->second_identity, second);
    if (!identity)
        return 0;
    ret->entry = entry_new(identity, ret->dn, kind);
    ret->has_children = has_children(d, &raw);
    r = ret->entry ? add_keys(d, ret->entry, &raw) : -ENOMEM;
    for (size_t i = 0; i < raw.n_items && r == 0; i++)
        r = add_attribute(d, ret, &raw.items[i]);
    if (r == 0)
        r = class_add_superiors(schema_classes(d->schema), ret->entry);
    if (r < 0) {
        CLEANUP(freep) char *dn = strdup(ret->dn);
        decoded_done(ret);
        return error_set(e, r, "the entry %s cannot be taken: %s", dn ? dn : "", strerror(-r));
    }
    ret->entry->members_hidden = ret->entry->kind == ENTRY_GROUP && ret->entry->n_members == 0 &&
                                 !ret->ranges && must_have_members(d, classes);
    if (ret->entry->kind == ENTRY_GROUP)
        place_members(d, classes, ret);
    entry_sort(ret->entry);
    return 0;
}

char *decode_id(const struct decoder *d, LDAP *ld, LDAPMessage *m)
{
    const struct {
        enum identity_kind kind;
        const char *attribute;
    } ids[] = {{d->identity, d->id_attribute}, {d->second_identity, d->second_id_attribute}};
    char *id = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(ids) && !id && ids[i].attribute; i++) {
        struct berval **values = ldap_get_values_len(ld, m, ids[i].attribute);
        for (size_t k = 0; values && values[k]; k++)
            take_least(&id, ids[i].kind, values[k]);
        ldap_value_free_len(values);
    }
    return id;
}

int decode_range(struct ranges *ranges, LDAP *ld, LDAPMessage *m)
{
    CLEANUP(libldap_ber_freep) BerElement *ber = NULL;
    struct berval dn, name = {0}, *values = NULL;
    /* An answer without a range says that there is nothing (more). */
    struct range_name range = {.low = ranges_low(ranges), .last = true};
    struct range_value *list = NULL;
    size_t n = 0;
    CLEANUP(freep) char *version = NULL;
    int code = ldap_get_dn_ber(ld, m, &ber, &dn), r = 0;
    while (code == LDAP_SUCCESS && r == 0 &&
           (code = ldap_get_attribute_ber(ld, m, ber, &name, &values)) == LDAP_SUCCESS &&
           name.bv_val) {
        struct range_name seen;
        if (values && values[0].bv_val && name.bv_len == 10 &&
            strncasecmp(name.bv_val, "uSNChanged", 10) == 0) {
            free(version);
            version = strndup(values[0].bv_val, values[0].bv_len);
        } else if (values && !list && range_parse(name.bv_val, name.bv_len, &seen)) {
            range = seen;
            while (values[n].bv_val)
                n++;
            list = calloc(n + 1, sizeof(*list));
            for (size_t i = 0; list && i < n; i++)
                list[i] = (struct range_value){values[i].bv_val, values[i].bv_len};
            r = list ? 0 : -ENOMEM;
        }
        ber_memfree(values);
        values = NULL;
    }
    if (r == 0)
        r = code == LDAP_SUCCESS ? ranges_accept(ranges, &range, list, n, version) : -EBADMSG;
    free(list);
    return r;
}

int decoded_make_container(struct decoded *d, struct error *e)
{
    struct entry *place = entry_new(d->entry->id, d->entry->dn, ENTRY_CONTAINER);
    if (!place)
        return error_out_of_memory(e);
    entry_free(d->entry);
    d->entry = place;
    return 0;
}
