/* JSON as jansson writes it, with what steers a terminal or divides lines escaped in passing. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json-write.h"
#include "base/memory.h"
#include "render/output.h"

/* Bytes of a character that divides lines, turns the direction or steers a terminal, and that JSON
 * may have as it is; 0: it is none. Texts are UTF-8 and end in a NUL. */
static size_t steers(const unsigned char *p, unsigned *ret)
{
    if (p[0] == 0x7f) {
        *ret = 0x7f;
        return 1;
    }
    if (p[0] == 0xc2 && p[1] < 0xa0) {
        *ret = p[1];
        return 2;
    }
    if (p[0] != 0xe2 || (p[1] != 0x80 && p[1] != 0x81))
        return 0;
    *ret = 0x2000U | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU);
    return (*ret >= 0x2028 && *ret <= 0x202e) || (*ret >= 0x2066 && *ret <= 0x2069) ? 3 : 0;
}

/* Is one of eight bytes a quote, a backslash, DEL, a control character or none of ASCII? */
static bool is_special(const char *at)
{
    const uint64_t ones = 0x0101010101010101ULL, highest = 0x8080808080808080ULL;
    uint64_t w, quote, backslash, del, control;

    memcpy(&w, at, sizeof(w));
    quote = w ^ ones * '"';
    backslash = w ^ ones * '\\';
    del = w ^ ones * 0x7f;
    control = (w - ones * 0x20) & ~w;
    return (w | control | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
            ((del - ones) & ~del)) &
           highest;
}

static size_t plain_size(const char *text, size_t size)
{
    size_t n = 0;

    while (size - n >= 8 && !is_special(text + n))
        n += 8;
    for (; n < size; n++) {
        unsigned char c = (unsigned char)text[n];

        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            break;
    }
    return n;
}

void output_json_text(struct buffer *b, const char *text, size_t size)
{
    size_t from = 0, n = plain_size(text, size);
    CLEANUP(buffer_done) struct buffer escaped = {0};

    if (n == size) { /* nearly all */
        buffer_add(b, "\"", 1);
        buffer_add(b, text, size);
        buffer_add(b, "\"", 1);
        return;
    }
    json_write_bytes(&escaped, text, size);
    b->failed |= escaped.failed;
    for (size_t i = 0; !b->failed && i < escaped.size;) {
        unsigned c;

        n = steers((const unsigned char *)escaped.data + i, &c);
        if (n) {
            buffer_add(b, escaped.data + from, i - from);
            buffer_format(b, "\\u%04x", c);
            from = i + n;
        }
        i += n ? n : 1;
    }
    if (!b->failed)
        buffer_add(b, escaped.data + from, escaped.size - from);
}

static void new_line(struct buffer *b, size_t flags, unsigned depth)
{
    if (!(flags & JSON_INDENT(JSON_MAX_INDENT)))
        return;
    buffer_add(b, "\n", 1);
    for (size_t i = 0; i < depth * (flags & JSON_INDENT(JSON_MAX_INDENT)); i++)
        buffer_add(b, " ", 1);
}

static void write_value(struct buffer *b, const json_t *value, size_t flags, unsigned depth);

static void write_member(struct buffer *b, const char *key, const json_t *value, size_t flags,
                         unsigned depth)
{
    json_write_comma(b);
    new_line(b, flags, depth);
    output_json_text(b, key, strlen(key));
    buffer_add_text(b, flags & JSON_COMPACT ? ":" : ": ");
    write_value(b, value, flags, depth);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void write_sorted(struct buffer *b, const json_t *object, size_t flags, unsigned depth)
{
    const char **keys = calloc(json_object_size(object), sizeof(char *)), *key;
    size_t n = 0;
    json_t *value;

    if (!keys) {
        b->failed = true;
        return;
    }
    json_object_foreach ((json_t *)(uintptr_t)object, key, value)
        keys[n++] = key;
    qsort((void *)keys, n, sizeof(*keys), compare_keys);
    for (size_t i = 0; i < n; i++)
        write_member(b, keys[i], json_object_get(object, keys[i]), flags, depth);
    free((void *)keys);
}

static void write_object(struct buffer *b, const json_t *object, size_t flags, unsigned depth)
{
    const char *key;
    json_t *value;

    buffer_add(b, "{", 1);
    if (json_object_size(object) && flags & JSON_SORT_KEYS)
        write_sorted(b, object, flags, depth + 1);
    else
        json_object_foreach ((json_t *)(uintptr_t)object, key, value)
            write_member(b, key, value, flags, depth + 1);
    if (json_object_size(object))
        new_line(b, flags, depth);
    buffer_add(b, "}", 1);
}

static void write_array(struct buffer *b, const json_t *array, size_t flags, unsigned depth)
{
    size_t i;
    json_t *value;

    buffer_add(b, "[", 1);
    json_array_foreach ((json_t *)(uintptr_t)array, i, value) {
        json_write_comma(b);
        new_line(b, flags, depth + 1);
        write_value(b, value, flags, depth + 1);
    }
    if (json_array_size(array))
        new_line(b, flags, depth);
    buffer_add(b, "]", 1);
}

static void write_real(struct buffer *b, const json_t *value)
{
    char text[64];
    size_t n = json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY);

    if (n == 0 || n > sizeof(text))
        b->failed = true;
    else
        buffer_add(b, text, n);
}

static void write_value(struct buffer *b, const json_t *value, size_t flags, unsigned depth)
{
    if (!value) {
        b->failed = true;
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT: write_object(b, value, flags, depth); break;
    case JSON_ARRAY: write_array(b, value, flags, depth); break;
    case JSON_STRING:
        output_json_text(b, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER: json_write_integer(b, json_integer_value(value)); break;
    case JSON_REAL: write_real(b, value); break;
    case JSON_TRUE: buffer_add(b, "true", 4); break;
    case JSON_FALSE: buffer_add(b, "false", 5); break;
    case JSON_NULL: buffer_add(b, "null", 4); break;
    }
}

void output_json_within(struct buffer *b, const json_t *value, size_t flags, unsigned depth)
{
    write_value(b, value, flags, depth);
}

void output_json(struct buffer *b, const json_t *value, size_t flags)
{
    output_json_within(b, value, flags, 0);
}
