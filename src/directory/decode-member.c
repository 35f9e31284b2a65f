/*
 * One value of a member attribute: whose name it is, if anybody's.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/decode.h"
#include "model/dn.h"

/* RFC 4517 3.3.21 allows a bit string after the DN of a uniqueMember: "#'0101'B". */
static size_t without_unique_id(const char *p, size_t size)
{
    if (size < 4 || p[size - 1] != 'B' || p[size - 2] != '\'')
        return size;
    for (size_t i = size - 2; i-- > 1;) {
        if (p[i] == '\'')
            return p[i - 1] == '#' ? i - 1 : size;
        if (p[i] != '0' && p[i] != '1')
            return size;
    }
    return size;
}

char *decode_login_key(const char *bytes, size_t size)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    return text_prepare(&b, bytes, size, TEXT_IGNORE_CASE) < 0 ? NULL : buffer_take(&b);
}

int decode_member_dn(struct dn_memory *memory, const struct schema *schema, const void *bytes,
                     size_t size, char **ret_key, char **ret_text)
{
    CLEANUP(freep) char *key = NULL;
    size = without_unique_id(bytes, size);
    *ret_key = *ret_text = NULL;
    if (memchr(bytes, 0, size))
        return 0;
    CLEANUP(freep) char *text = strndup(bytes, size);
    int r = text ? dn_key_by(memory, schema, text, &key, NULL) : -ENOMEM;
    if (r < 0)
        return r == -ENOMEM ? r : 0; /* the mirror would never find it */
    *ret_key = TAKE(key);
    *ret_text = TAKE(text);
    return 0;
}

int decode_member(const struct decoder *d, struct entry *entry, enum member_kind kind,
                  const void *bytes, size_t size)
{
    CLEANUP(freep) char *key = NULL;
    CLEANUP(freep) char *text = NULL;
    if (kind == MEMBER_DN) {
        int r = decode_member_dn(decode_memory_dns(d->memory), d->schema, bytes, size, &key, &text);
        return r < 0 || !key ? r : entry_take_member(entry, kind, TAKE(key), TAKE(text));
    }
    if (!text_is_utf8(bytes, size) || memchr(bytes, 0, size))
        return 0; /* can be nobody's name */
    text = strndup(bytes, size);
    key = text ? decode_login_key(text, size) : NULL;
    return key ? entry_take_member(entry, kind, TAKE(key), TAKE(text)) : -ENOMEM;
}
