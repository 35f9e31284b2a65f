/*
 * The framing of the control protocol, without sockets: bytes in, messages out. Refuses what is
 * too large or no JSON object; looks into none.
 */
#include "config.h"

#include "control/protocol.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

int protocol_next(const char *bytes, size_t size, size_t max, json_t **ret, size_t *ret_used,
                  struct error *e)
{
    const char *end = size > 0 ? memchr(bytes, '\0', size) : NULL;
    size_t length = end ? (size_t)(end - bytes) : size;
    json_error_t why;

    *ret_used = 0;
    if (length > max)
        return error_set(e, -EMSGSIZE, "a message is larger than %zu bytes", max);
    if (!end)
        return PROTOCOL_INCOMPLETE;
    *ret_used = length + 1;
    json_auto_t *message = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &why);
    if (!message)
        return error_set(e, -EBADMSG, "a message is not JSON: %s", why.text);
    if (!json_is_object(message))
        return error_set(e, -EBADMSG, "a message is not a JSON object");
    *ret = TAKE(message);
    return 0;
}

static int add_piece(const char *piece, size_t size, void *userdata)
{
    struct buffer *b = userdata;

    buffer_add(b, piece, size);
    return b->failed ? -1 : 0;
}

int protocol_add(struct buffer *b, const json_t *message)
{
    if (json_dump_callback(message, add_piece, b, JSON_COMPACT) < 0)
        return -ENOMEM;
    buffer_add(b, "", 1);
    return b->failed ? -ENOMEM : 0;
}

const char *protocol_name(char buffer[static PROTOCOL_NAME_MAX], const char *word)
{
    static const char prefix[] = PROTOCOL_INTERFACE ".";
    size_t n = sizeof(prefix) - 1;
    bool upper = true;

    memcpy(buffer, prefix, sizeof(prefix));
    for (; *word && n < PROTOCOL_NAME_MAX - 1; word++) {
        if (*word == '-') {
            upper = true;
            continue;
        }
        buffer[n++] = upper && *word >= 'a' && *word <= 'z' ? (char)(*word - 'a' + 'A') : *word;
        upper = false;
    }
    buffer[n] = '\0';
    return buffer;
}

const char *protocol_word(char buffer[static PROTOCOL_NAME_MAX], const char *name)
{
    static const char prefix[] = PROTOCOL_INTERFACE ".";
    size_t n = 0;

    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
        return NULL;
    name += sizeof(prefix) - 1;
    if (*name < 'A' || *name > 'Z')
        return NULL;
    for (; *name && n < PROTOCOL_NAME_MAX - 2; name++) {
        bool upper = *name >= 'A' && *name <= 'Z';
        if (upper && n > 0)
            buffer[n++] = '-';
        buffer[n++] = upper ? (char)(*name - 'A' + 'a') : *name;
    }
    buffer[n] = '\0';
    return *name ? NULL : buffer;
}

json_t *protocol_error(const char *word, const char *sentence)
{
    char printable[1024], name[PROTOCOL_NAME_MAX];

    text_printable(printable, sizeof(printable), sentence, strlen(sentence));
    return json_pack("{s:s, s:{s:s}}", "error", protocol_name(name, word), "parameters", "message",
                     printable);
}
