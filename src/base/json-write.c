/* JSON, written piece by piece. */
#include "config.h"

#include "base/json-write.h"

#include <string.h>

#include "base/text.h"

/* The letter of a short escape; 0: there is none. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return '\0';
    }
}

static void add_escape(struct buffer *b, unsigned char c)
{
    char escape[2] = {'\\', short_escape(c)};
    if (escape[1])
        buffer_add(b, escape, sizeof(escape));
    else
        buffer_format(b, "\\u%04X", c);
}

/* How many bytes stand for themselves, copied. */
static size_t copy_plain(char *to, const char *text, size_t size, bool *ascii)
{
    size_t i = 0;

    for (; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == '"' || c == '\\')
            break;
        *ascii = *ascii && c < 0x80;
        to[i] = (char)c;
    }
    return i;
}

static void add_rest(struct buffer *b, const char *text, size_t size)
{
    bool ascii = true;
    size_t from = 0;

    while (from < size) {
        char *room = buffer_room(b, size - from);

        if (!room)
            return;
        size_t n = copy_plain(room, text + from, size - from, &ascii);

        b->size += n;
        from += n;
        b->data[b->size] = '\0';
        if (from < size)
            add_escape(b, (unsigned char)text[from++]);
    }
    if (!ascii && !text_is_utf8(text, size))
        b->failed = true;
    buffer_add(b, "\"", 1);
}

void json_write_bytes(struct buffer *b, const char *text, size_t size)
{
    size_t run = text_simple_run(text, size); /* most texts to their end */
    char *room = buffer_room(b, run + 2);

    if (!room)
        return;
    room[0] = '"';
    memcpy(room + 1, text, run);
    memcpy(room + 1 + run, "\"", 2);
    b->size += run + 1 + (run == size);
    if (run < size)
        add_rest(b, text + run, size - run);
}

void json_write_text(struct buffer *b, const char *text)
{
    if (text)
        json_write_bytes(b, text, strlen(text));
    else
        buffer_add(b, "null", 4);
}

void json_write_integer(struct buffer *b, int64_t value)
{
    char digits[24], *at = digits + sizeof(digits);
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    buffer_add(b, at, (size_t)(digits + sizeof(digits) - at));
}

void json_write_comma(struct buffer *b)
{
    if (b->size > 0 && b->data[b->size - 1] != '{' && b->data[b->size - 1] != '[')
        buffer_add(b, ",", 1);
}

void json_write_key(struct buffer *b, const char *key)
{
    size_t n = strlen(key);
    char *to = buffer_room(b, n + 4), *at = to;

    if (!to)
        return;
    if (b->size > 0 && at[-1] != '{' && at[-1] != '[')
        *at++ = ',';
    *at++ = '"';
    memcpy(at, key, n);
    at += n;
    *at++ = '"';
    *at++ = ':';
    *at = 0;
    b->size += (size_t)(at - to);
}
