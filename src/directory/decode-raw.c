/*
 * The digest of an entry as it came: its DN and its list of attributes, byte by byte, and with
 * them everything else that decides what is made of these bytes. It proves sameness only: an
 * entry whose attributes come in another order is decoded, and found to be as it was. An entry
 * of which only a part came (";range=") has none, since the bytes of the part say nothing of the
 * rest.
 */
#include "config.h"

#include "directory/decode-raw.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "directory/decode.h"
#include "directory/identity.h"
#include "directory/libldap.h"
#include "directory/options.h"
#include "model/schema.h"

/* Raised with every change of what decode.c or the mirror makes of the same bytes. */
#define DECODER_FORM 3

void raw_entry_done(struct raw_entry *raw)
{
    free(raw->dn);
    free(raw->id);
    free(raw->watermark);
    *raw = (struct raw_entry){0};
}

/* An absent text is told from an empty one: 0xff is in no UTF-8 text. */
static void add_text(struct buffer *b, const char *text)
{
    buffer_add_text(b, text ? text : "\xff");
    buffer_add(b, "", 1);
}

static void add_list(struct buffer *b, const struct string_list *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        add_text(b, l->items[i]);
    add_text(b, NULL);
}

int decode_raw_seal(struct decoder *d, const struct directory_options *options, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(freep) char *schema = d->schema ? schema_to_json(d->schema) : NULL;
    if (d->schema && !schema)
        return error_out_of_memory(e);
    buffer_format(&b, "%s %d %d %d %d %d", PACKAGE_VERSION, DECODER_FORM, d->identity,
                  d->second_identity, d->active_directory, d->groups_have_members);
    add_text(&b, "");
    add_text(&b, d->id_attribute);
    add_text(&b, d->second_id_attribute);
    add_text(&b, d->login_attribute);
    add_text(&b, d->watermark_attribute);
    add_text(&b, d->children_attribute);
    add_text(&b, options->filter);
    add_text(&b, options->group_filter);
    add_list(&b, &d->wanted);
    add_list(&b, &d->person_classes);
    add_list(&b, &d->group_classes);
    add_text(&b, schema);
    if (b.failed)
        return error_out_of_memory(e);
    int r = digest_raw(d->form, &(struct digest_part){b.data, b.size}, 1);
    return r < 0 ? error_set(e, r, "SHA-256 failed") : 0;
}

/* One element of BER, whose content is *ret; false when it is not of this tag, or odd. */
static bool take_element(const unsigned char **at, const unsigned char *end, unsigned char tag,
                         struct berval *ret)
{
    const unsigned char *p = *at;
    if (end - p < 2 || p[0] != tag)
        return false;
    size_t size = p[1];
    p += 2;
    if (size & 0x80) {
        size_t n = size & 0x7f;
        if (n < 1 || n > 4 || (size_t)(end - p) < n)
            return false;
        for (size = 0; n > 0; n--)
            size = size << 8 | *p++;
    }
    if ((size_t)(end - p) < size)
        return false;
    *ret = (struct berval){.bv_val = (char *)p, .bv_len = size};
    *at = p + size;
    return true;
}

static bool is_named(const struct berval *name, const char *attribute)
{
    return attribute && strlen(attribute) == name->bv_len &&
           strncasecmp(name->bv_val, attribute, name->bv_len) == 0;
}

/* By their DNs. */
static bool names_members(const struct berval *attribute)
{
    return is_named(attribute, "member") || is_named(attribute, "uniqueMember");
}

/* What is needed of one attribute; false: no digest for this entry. */
static bool look_at(const struct decoder *d, const struct berval *attribute, bool want_id,
                    struct raw_entry *ret, struct berval *second_id)
{
    static const char range[] = ";range=";
    const unsigned char *at = (const unsigned char *)attribute->bv_val;
    const unsigned char *end = at + attribute->bv_len;
    struct berval name, values, first = {0};
    if (!take_element(&at, end, LBER_OCTETSTRING, &name) ||
        !take_element(&at, end, LBER_SET, &values) || at != end)
        return false;
    for (size_t i = 0; i + sizeof(range) - 1 <= name.bv_len; i++)
        if (strncasecmp(name.bv_val + i, range, sizeof(range) - 1) == 0)
            return false;
    if (names_members(&name))
        ret->members_size += values.bv_len;
    const unsigned char *value = (const unsigned char *)values.bv_val;
    if (values.bv_len == 0 ||
        !take_element(&value, value + values.bv_len, LBER_OCTETSTRING, &first))
        return values.bv_len == 0;
    if (want_id && !ret->id && is_named(&name, d->id_attribute)) {
        ret->id = identity_from_value(d->identity, first.bv_val, first.bv_len);
        return ret->id && value == end; /* of several it is not always the first */
    }
    if (want_id && is_named(&name, d->second_id_attribute))
        *second_id = first;
    if (is_named(&name, d->watermark_attribute)) {
        if (memchr(first.bv_val, 0, first.bv_len))
            return false;
        free(ret->watermark);
        ret->watermark = strndup(first.bv_val, first.bv_len);
        return ret->watermark != NULL;
    }
    return true;
}

static const char *end_of(const struct berval *element)
{
    return element->bv_val + element->bv_len;
}

#define SPAN_PARTS_MAX 6

/* The id is not in it: the mirror is asked by that, and what was pushed may be read again. `span`:
 * from the content of the first attribute, whose size is first_size, to the end of the last. */
static int digest(const struct decoder *d, const struct berval *dn, size_t first_size,
                  const struct digest_part *span, size_t n,
                  unsigned char ret[static ENTRY_RAW_SIZE], struct error *e)
{
    unsigned char hash[DIGEST_SIZE];
    /* The head of the first attribute is not in the span: its size is. */
    uint64_t sizes[] = {dn->bv_len, first_size, 0};
    struct digest_part parts[3 + SPAN_PARTS_MAX] = {
        {d->form, sizeof(d->form)},
        {sizes, sizeof(sizes)},
        {dn->bv_val, dn->bv_len},
    };
    assert(n <= SPAN_PARTS_MAX);
    for (size_t i = 0; i < n; i++) {
        parts[3 + i] = span[i];
        sizes[2] += span[i].size;
    }
    int r = digest_raw(hash, parts, 3 + n);
    if (r < 0)
        return error_set(e, r, "SHA-256 failed");
    memcpy(ret, hash, ENTRY_RAW_SIZE);
    return 0;
}

int decode_raw(const struct decoder *d, LDAP *ld, LDAPMessage *m, const char *id,
               struct raw_entry *ret, struct error *e)
{
    CLEANUP(libldap_ber_freep) BerElement *ber = NULL;
    CLEANUP(raw_entry_done) struct raw_entry raw = {0};
    struct berval dn, first = {0}, last = {0}, element, second_id = {0};
    ber_len_t left = 0;
    if (ldap_get_dn_ber(ld, m, &ber, &dn) != LDAP_SUCCESS)
        return DECODE_RAW_NONE; /* decoding it says what is wrong */
    while (ber_skip_element(ber, &element) == LBER_SEQUENCE) {
        if (!look_at(d, &element, !id, &raw, &second_id))
            return DECODE_RAW_NONE;
        if (!first.bv_val)
            first = element;
        last = element;
    }
    if (!first.bv_val || ber_get_option(ber, LBER_OPT_REMAINING_BYTES, &left) != LBER_OPT_SUCCESS ||
        left > 0)
        return DECODE_RAW_NONE;
    if (id)
        raw.id = strdup(id);
    else if (!raw.id && second_id.bv_val)
        raw.id = identity_from_value(d->second_identity, second_id.bv_val, second_id.bv_len);
    if (raw.id)
        raw.dn = strndup(dn.bv_val ? dn.bv_val : "", dn.bv_len);
    if (!raw.dn)
        return DECODE_RAW_NONE;
    const struct digest_part span = {first.bv_val, (size_t)(end_of(&last) - first.bv_val)};
    int r = digest(d, &dn, first.bv_len, &span, 1, raw.digest, e);
    if (r < 0)
        return r;
    *ret = raw;
    raw = (struct raw_entry){0};
    return 0;
}

/* 1: this attribute names no members. */
static int each_member(const struct berval *attribute,
                       int (*each)(const struct berval *value, void *userdata), void *userdata)
{
    const unsigned char *at = (const unsigned char *)attribute->bv_val;
    const unsigned char *end = at + attribute->bv_len;
    struct berval name, values, value;
    if (!take_element(&at, end, LBER_OCTETSTRING, &name) || !names_members(&name) ||
        !take_element(&at, end, LBER_SET, &values))
        return 1;
    int r = 0;
    at = (const unsigned char *)values.bv_val;
    while (r == 0 && take_element(&at, end, LBER_OCTETSTRING, &value))
        r = each(&value, userdata);
    return r;
}

int decode_raw_members(const struct decoder *d, LDAP *ld, LDAPMessage *m,
                       unsigned char rest[static DIGEST_SIZE],
                       int (*each)(const struct berval *value, void *userdata), void *userdata,
                       struct error *e)
{
    CLEANUP(libldap_ber_freep) BerElement *ber = NULL;
    CLEANUP(buffer_done) struct buffer others = {0};
    struct berval dn, element;
    if (ldap_get_dn_ber(ld, m, &ber, &dn) != LDAP_SUCCESS)
        return DECODE_RAW_NONE;
    while (ber_skip_element(ber, &element) == LBER_SEQUENCE) {
        int r = each_member(&element, each, userdata);
        if (r < 0)
            return error_set(e, r, "the members of a group cannot be read: %s", strerror(-r));
        if (r == 0)
            continue;
        buffer_add(&others, &element.bv_len, sizeof(element.bv_len));
        buffer_add(&others, element.bv_val, element.bv_len);
    }
    if (others.failed)
        return error_out_of_memory(e);
    const struct digest_part parts[] = {
        {d->form, sizeof(d->form)},
        {&dn.bv_len, sizeof(dn.bv_len)},
        {dn.bv_val, dn.bv_len},
        {others.data ? others.data : "", others.size},
    };
    int r = digest_raw(rest, parts, ARRAY_SIZE(parts));
    return r < 0 ? error_set(e, r, "SHA-256 failed") : 0;
}

#define HEAD_MAX 6

static size_t least_head(size_t size)
{
    return size < 0x80        ? 2
           : size <= 0xff     ? 3
           : size <= 0xffff   ? 4
           : size <= 0xffffff ? 5
                              : HEAD_MAX;
}

/* The head of an element of another size, as this server writes them: as short as it can be, or
 * always as long. */
static size_t write_head(unsigned char ret[static HEAD_MAX], const char *was, size_t was_head,
                         size_t was_size, size_t size)
{
    size_t head = was_head == least_head(was_size) ? least_head(size) : was_head;
    ret[0] = (unsigned char)was[0];
    ret[1] = (unsigned char)(head == 2 ? size : 0x80 | (head - 2));
    for (size_t i = head; i-- > 2; size >>= 8)
        ret[i] = (unsigned char)size;
    return head;
}

/* The one attribute that names members, in its message. */
struct members_place {
    struct berval dn, first, last;
    struct berval attribute;
    const char *head, *set; /* of the attribute; NULL: it is the first. Of its values */
    struct berval values, added;
};

/* The values but for the last one, which is `added`. */
static bool find_last(struct members_place *p)
{
    const unsigned char *at = (const unsigned char *)p->attribute.bv_val;
    const unsigned char *end = at + p->attribute.bv_len, *before = NULL;
    struct berval name;
    if (!take_element(&at, end, LBER_OCTETSTRING, &name))
        return false;
    p->set = (const char *)at;
    if (!take_element(&at, end, LBER_SET, &p->values) || at != end)
        return false;
    at = (const unsigned char *)p->values.bv_val;
    for (const unsigned char *next = at; take_element(&next, end, LBER_OCTETSTRING, &p->added);) {
        before = at;
        at = next;
    }
    if (at != end || !before || (const char *)before == p->values.bv_val)
        return false; /* the attribute was not there */
    p->values.bv_len = (ber_len_t)((const char *)before - p->values.bv_val);
    return true;
}

static bool find_members(LDAP *ld, LDAPMessage *m, struct members_place *p)
{
    CLEANUP(libldap_ber_freep) BerElement *ber = NULL;
    struct berval element, name;
    if (ldap_get_dn_ber(ld, m, &ber, &p->dn) != LDAP_SUCCESS)
        return false;
    while (ber_skip_element(ber, &element) == LBER_SEQUENCE) {
        const unsigned char *at = (const unsigned char *)element.bv_val;
        if (take_element(&at, at + element.bv_len, LBER_OCTETSTRING, &name) &&
            names_members(&name)) {
            if (p->attribute.bv_val)
                return false; /* there are two */
            p->attribute = element;
            p->head = p->last.bv_val ? end_of(&p->last) : NULL;
        }
        if (!p->first.bv_val)
            p->first = element;
        p->last = element;
    }
    return p->attribute.bv_val && find_last(p);
}

int decode_raw_before_last(const struct decoder *d, LDAP *ld, LDAPMessage *m,
                           unsigned char ret[static ENTRY_RAW_SIZE], struct berval *ret_added,
                           struct error *e)
{
    struct members_place p = {0};
    unsigned char head[HEAD_MAX], set[HEAD_MAX];
    if (!find_members(ld, m, &p))
        return DECODE_RAW_NONE;
    const char *attribute = p.attribute.bv_val, *rest = end_of(&p.attribute);
    size_t name_size = (size_t)(p.set - attribute);
    size_t set_size = write_head(set, p.set, (size_t)(p.values.bv_val - p.set),
                                 (size_t)(rest - p.values.bv_val), p.values.bv_len);
    size_t size = name_size + set_size + p.values.bv_len;
    size_t head_size =
        p.head ? write_head(head, p.head, (size_t)(attribute - p.head), p.attribute.bv_len, size)
               : 0;
    const struct digest_part span[] = {
        {p.first.bv_val, p.head ? (size_t)(p.head - p.first.bv_val) : 0},
        {head, head_size},
        {attribute, name_size},
        {set, set_size},
        {p.values.bv_val, p.values.bv_len},
        {rest, (size_t)(end_of(&p.last) - rest)},
    };
    *ret_added = p.added;
    return digest(d, &p.dn, p.head ? p.first.bv_len : size, span, ARRAY_SIZE(span), ret, e);
}
