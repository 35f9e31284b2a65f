/*
 * Text forms of entryUUID, objectGUID and nsUniqueId. One entry has one text, whichever way the
 * server sent it; the text is the one that administrators of that product search for.
 */
#include "config.h"

#include "directory/identity.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "directory/libldap.h"

static void uuid_text(const unsigned char b[static 16], char ret[static IDENTITY_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *ret++ = '-';
        *ret++ = digits[b[i] >> 4];
        *ret++ = digits[b[i] & 15];
    }
    *ret = '\0';
}

static char *guid_text(const unsigned char *b, size_t size)
{
    if (size != 16)
        return NULL;
    const unsigned char swapped[16] = {b[3], b[2], b[1],  b[0],  b[5],  b[4],  b[7],  b[6],
                                       b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]};
    char text[IDENTITY_TEXT_SIZE];
    uuid_text(swapped, text);
    return strdup(text);
}

static char *plain_text(const void *bytes, size_t size, size_t limit)
{
    if (size == 0 || size > limit || !text_is_utf8(bytes, size) || text_has_control(bytes, size) ||
        memchr(bytes, 0, size))
        return NULL;
    return strndup(bytes, size);
}

char *identity_from_value(enum identity_kind kind, const void *bytes, size_t size)
{
    if (kind == IDENTITY_OBJECTGUID)
        return guid_text(bytes, size);
    if (kind == IDENTITY_ATTRIBUTE)
        return plain_text(bytes, size, 255);
    char *text = plain_text(bytes, size, IDENTITY_TEXT_SIZE - 1);
    for (char *p = text; p && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return text;
}

void identity_from_sync(enum identity_kind kind, const unsigned char b[static 16],
                        char ret[static IDENTITY_TEXT_SIZE])
{
    if (kind != IDENTITY_NSUNIQUEID) {
        uuid_text(b, ret);
        return;
    }
    snprintf(ret, IDENTITY_TEXT_SIZE,
             "%02x%02x%02x%02x-%02x%02x%02x%02x-%02x%02x%02x%02x-%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

char *identity_guid_base(const char *id)
{
    return libldap_format("<GUID=%s>", id);
}

char *identity_filter_value(enum identity_kind kind, const char *id)
{
    /* The places of the bytes in the text, in the order in which the value holds them. */
    static const unsigned char places[16] = {6,  4,  2,  0,  11, 9,  16, 14,
                                             19, 21, 24, 26, 28, 30, 32, 34};
    char text[16 * 3 + 1];
    if (kind != IDENTITY_OBJECTGUID)
        return libldap_filter_escape(id, strlen(id));
    if (strlen(id) != 36)
        return NULL;
    for (size_t i = 0; i < sizeof(places); i++)
        snprintf(text + 3 * i, 4, "\\%.2s", id + places[i]);
    return strdup(text);
}

const char *identity_attribute(enum identity_kind kind)
{
    switch (kind) {
    case IDENTITY_ENTRYUUID: return "entryUUID";
    case IDENTITY_OBJECTGUID: return "objectGUID";
    case IDENTITY_NSUNIQUEID: return "nsUniqueId";
    case IDENTITY_ATTRIBUTE: break;
    }
    return NULL;
}
