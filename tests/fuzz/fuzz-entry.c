/*
 * Entries as a server sends them, under random bytes, through libldap. Bit by bit of the first
 * byte: whose entries they are, and whether the rest is the message's own bytes or lines that
 * say DN and attributes.
 *
 * Whatever order a server gives attributes and values in, the same becomes of them. The quick
 * look at the bytes and the decoder agree on whose entry it is; what the mirror keeps is read
 * back as it was.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/decode-raw.h"
#include "directory/decode.h"
#include "directory/options.h"
#include "fuzz.h"
#include "model/dn.h"
#include "model/entry.h"
#include "model/schema.h"
#include "wire.h"

static const struct decoder *decoder(unsigned which)
{
    static struct decoder decoders[4];
    static struct schema *schema;
    static const char *const wanted[] = {"cn", "mail", "description", "memberOf",
                                         "employeeType"};
    const struct directory_options options = {.id_attribute = (char *)"employeeNumber"};
    struct string_list attributes = {0};
    struct error e = {0};

    if (schema)
        return &decoders[which];
    schema = schema_new();
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        string_list_add(&attributes, wanted[i]);
    static const enum identity_kind kinds[] = {IDENTITY_ENTRYUUID, IDENTITY_OBJECTGUID,
                                               IDENTITY_NSUNIQUEID, IDENTITY_ATTRIBUTE};
    for (size_t i = 0; i < 4; i++) {
        struct decoder *d = &decoders[i];
        DEMAND(decoder_init(d, kinds[i], i == 3 ? IDENTITY_ENTRYUUID : kinds[i], i == 1,
                            &options, &attributes, i == 1 ? NULL : schema, &e) == 0);
        d->watermark_attribute = i == 1 ? "uSNChanged" : "modifyTimestamp";
        d->groups_have_members = true;
        d->children_attribute = "hasSubordinates";
        DEMAND(decode_raw_seal(d, &options, &e) == 0);
    }
    string_list_done(&attributes);
    return &decoders[which];
}

/* -- what became of it, as text -- */

static void add(struct buffer *b, const char *name, const char *value)
{
    buffer_format(b, "%s=%s\n", name, value ? value : "(none)");
}

static char *dump(const struct decoded *d)
{
    struct buffer b = {0};
    const struct entry *e = d->entry;

    add(&b, "dn", d->dn);
    buffer_format(&b, "%d%d%d%d %zu\n", d->deleted, d->computer, d->alias, d->bad_id,
                  d->n_bad_members);
    add(&b, "watermark", d->watermark);
    add(&b, "version", d->version);
    if (!e)
        return buffer_take(&b);
    CLEANUP(freep) char *json = entry_attributes_to_json(e);
    add(&b, "id", e->id);
    buffer_format(&b, "%d %d %d%d%d\n", e->kind, e->members_hidden, d->has_children,
                  d->may_member, d->may_unique);
    add(&b, "attributes", json);
    add(&b, "login", e->login_key);
    add(&b, "primary", e->primary_key);
    for (size_t i = 0; i < e->other_login_keys.n_items; i++)
        add(&b, "other", e->other_login_keys.items[i]);
    for (size_t i = 0; i < e->n_members; i++)
        buffer_format(&b, "%d %s %s\n", e->members[i].kind, e->members[i].key,
                      e->members[i].text);
    return buffer_take(&b);
}

static void check_entry(const struct decoder *d, const struct entry *e)
{
    CLEANUP(freep) char *json = entry_attributes_to_json(e);
    CLEANUP(entry_freep) struct entry *again = entry_new(e->id, e->dn, e->kind);
    struct error err = {0};

    DEMAND(e->id[0] && text_is_utf8(e->id, strlen(e->id)) &&
           !text_has_control(e->id, strlen(e->id)));
    DEMAND(json && entry_attributes_from_json(again, json, &err) == 0);
    CLEANUP(freep) char *json_again = entry_attributes_to_json(again);
    DEMAND(strcmp(json, json_again) == 0);
    DEMAND(e->kind == ENTRY_GROUP || e->n_members == 0);
    for (size_t i = 0; i < e->n_members; i++) {
        const struct member *m = &e->members[i];
        CLEANUP(freep) char *key = NULL;

        DEMAND(i == 0 || m[-1].kind < m->kind || strcmp(m[-1].key, m->key) < 0);
        if (m->kind == MEMBER_DN)
            DEMAND(dn_key(d->schema, m->text, &key, NULL) == 0 && strcmp(key, m->key) == 0);
    }
}

static char *decode(const struct decoder *d, LDAP *ld, LDAPMessage *m)
{
    CLEANUP(decoded_done) struct decoded x = {0};
    CLEANUP(raw_entry_done) struct raw_entry raw = {0};
    struct error e = {0};
    int looked = decode_raw(d, ld, m, NULL, &raw, &e);
    int r = decode_entry(d, ld, m, NULL, &x, &e);

    DEMAND(looked == 0 || looked == DECODE_RAW_NONE);
    DEMAND(r == 0 || (r < 0 && r != -ENOMEM && e.message[0])); /* there is enough memory */
    if (looked == 0 && r == 0 && x.entry) {
        DEMAND(d->second_id_attribute || strcmp(raw.id, x.entry->id) == 0);
        DEMAND(text_equal(raw.watermark, x.watermark));
    }
    /* With an id of their own, people have none of the server's. */
    DEMAND(looked != 0 || r < 0 || x.entry || d->second_id_attribute);
    if (r < 0)
        return NULL;
    if (x.entry)
        check_entry(d, x.entry);
    return dump(&x);
}

/* Of which no server has several values. */
static const char *const singles[] = {
    "entryUUID", "objectGUID", "nsUniqueId", "gidNumber",       "primaryGroupID",
    "objectSid", "uSNChanged", "isDeleted",  "hasSubordinates", "modifyTimestamp"};

/* Nor does any answer with several parts of one attribute. */
static bool has_ranges(const struct wire_entry *x)
{
    static const char range[] = ";range=";
    const size_t size = sizeof(range) - 1;
    size_t n = 0;

    for (size_t i = 0; i < x->n_attributes; i++) {
        const struct berval *name = &x->attributes[i].name;

        for (size_t k = 0; k + size <= name->bv_len; k++)
            n += strncasecmp(name->bv_val + k, range, size) == 0;
    }
    return n > 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire_entry x;
    LDAP *ld;

    if (size < 1 || size > 4096)
        return 0;
    const struct decoder *d = decoder(data[0] & 3);
    if (data[0] & 4) {
        CLEANUP(wire_freep) LDAPMessage *m = wire_send_bytes(&ld, data + 1, size - 1);
        CLEANUP(freep) char *a = decode(d, ld, m);
        CLEANUP(wire_freep) LDAPMessage *anew = wire_send_bytes(&ld, data + 1, size - 1);
        CLEANUP(freep) char *b = decode(d, ld, anew); /* libldap writes into what it reads */
        DEMAND(text_equal(a, b));
        return 0;
    }
    wire_read(data + 1, size - 1, &x);
    for (size_t i = 0; i < ARRAY_SIZE(singles); i++)
        wire_single(&x, singles[i]);
    if (has_ranges(&x))
        return 0;
    CLEANUP(wire_freep) LDAPMessage *forwards = wire_send(&ld, &x, false);
    CLEANUP(wire_freep) LDAPMessage *backwards = wire_send(&ld, &x, true);
    CLEANUP(freep) char *a = decode(d, ld, forwards);
    CLEANUP(freep) char *b = decode(d, ld, backwards);
    if (!text_equal(a, b)) {
        fprintf(stderr, "%s\nand backwards\n%s\n", a ? a : "nothing", b ? b : "nothing");
        abort();
    }
    return 0;
}
