/*
 * What an entry came as: a digest over its bytes, so that one that the mirror took from the same
 * bytes need not be decoded again.
 */
#pragma once
#include <ldap.h>

#include "base/digest.h"
#include "model/entry.h"

struct decoder;
struct directory_options;
struct error;

struct raw_entry {
    unsigned char digest[ENTRY_RAW_SIZE];
    char *dn;
    char *id;
    char *watermark;     /* NULL: it shows none */
    size_t members_size; /* of the DNs of members, about */
};
void raw_entry_done(struct raw_entry *raw);

/* Once the decoder is as it stays: what else than the bytes decides what becomes of an entry. */
int decode_raw_seal(struct decoder *d, const struct directory_options *options, struct error *e);

/* Before anything else looks at the attributes of the message. id as for decode_entry(). Answers
 * DECODE_RAW_NONE: this entry must be decoded, its bytes say nothing about the next time. */
#define DECODE_RAW_NONE 1
int decode_raw(const struct decoder *d, LDAP *ld, LDAPMessage *m, const char *id,
               struct raw_entry *ret, struct error *e);

/* The members of a group that decode_raw() has read, as early as that: each gets every value that
 * may be the DN of one and answers 0 or a negative errno value, `rest` is the digest of all else
 * that came, and of what decides how it is taken. DECODE_RAW_NONE: it cannot be read. */
int decode_raw_members(const struct decoder *d, LDAP *ld, LDAPMessage *m,
                       unsigned char rest[static DIGEST_SIZE],
                       int (*each)(const struct berval *value, void *userdata), void *userdata,
                       struct error *e);

/* The digest that this group had if only its last member was added since, and that one, in the
 * message. DECODE_RAW_NONE: there was no member before, or it is not seen which one is the last. */
int decode_raw_before_last(const struct decoder *d, LDAP *ld, LDAPMessage *m,
                           unsigned char ret[static ENTRY_RAW_SIZE], struct berval *ret_added,
                           struct error *e);
