/* The stable identity of an entry, from what each product calls it. Pure. */
#pragma once
#include <stddef.h>

enum identity_kind {
    IDENTITY_ENTRYUUID = 1,  /* text already */
    IDENTITY_OBJECTGUID = 2, /* 16 bytes, the first three fields little-endian */
    IDENTITY_NSUNIQUEID = 3, /* text of four groups of eight digits */
    IDENTITY_ATTRIBUTE = 4,  /* a configured attribute, as it is */
};
#define IDENTITY_TEXT_SIZE 40

/* Malloc'd text of an attribute's value; NULL when it is no such identity, or no memory. */
char *identity_from_value(enum identity_kind kind, const void *bytes, size_t size);
/* The 16 bytes that RFC 4533 sends (in the order of the text). ret: the id as
 * identity_from_value() would give it. */
void identity_from_sync(enum identity_kind kind, const unsigned char bytes[static 16],
                        char ret[static IDENTITY_TEXT_SIZE]);
/* "objectGUID=…" for a base: malloc'd "<GUID=…>". */
char *identity_guid_base(const char *id);
/* The id as the value in a filter, escaped; malloc'd, NULL when it is no such id. */
char *identity_filter_value(enum identity_kind kind, const char *id);
const char *identity_attribute(enum identity_kind kind); /* NULL for IDENTITY_ATTRIBUTE */
