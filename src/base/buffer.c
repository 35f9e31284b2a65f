/*
 * A string that grows. It remembers a failed allocation instead of reporting each one, so that
 * a writer of thirty pieces checks once. It wipes nothing: secrets do not belong into it.
 */
#include "config.h"

#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define FIRST_ROOM 240 /* most texts fit */

/* Makes room for `more` bytes and the NUL. */
static bool reserve(struct buffer *b, size_t more)
{
    if (b->failed)
        return false;
    if (b->data && more < b->capacity - b->size)
        return true;
    if (!b->data && more < FIRST_ROOM)
        more = FIRST_ROOM;
    if (more >= SIZE_MAX - b->size ||
        memory_grow(&b->data, &b->capacity, b->size + more + 1, 1) < 0)
        b->failed = true;
    return !b->failed;
}

void buffer_done(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){0};
}

void buffer_grow_and_add(struct buffer *b, const void *bytes, size_t size)
{
    if (!reserve(b, size))
        return;
    if (size > 0)
        memcpy(b->data + b->size, bytes, size);
    b->size += size;
    b->data[b->size] = '\0';
}

char *buffer_room(struct buffer *b, size_t size)
{
    return reserve(b, size) ? b->data + b->size : NULL;
}

void buffer_add_text(struct buffer *b, const char *text)
{
    buffer_add(b, text, strlen(text));
}

void buffer_format(struct buffer *b, const char *format, ...)
{
    va_list ap, again;

    if (b->failed || (!b->data && !reserve(b, 0)))
        return;

    size_t room = b->capacity - b->size;

    va_start(ap, format);
    va_copy(again, ap);
    int n = vsnprintf(b->data + b->size, room, format, ap);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < room) {
        b->size += (size_t)n;
    } else {
        b->data[b->size] = '\0';
        if (reserve(b, (size_t)n)) {
            vsnprintf(b->data + b->size, (size_t)n + 1, format, again);
            b->size += (size_t)n;
        }
    }
    va_end(again);
    va_end(ap);
}

void buffer_clear(struct buffer *b)
{
    b->size = 0;
    if (b->data)
        b->data[0] = '\0';
}

char *buffer_take(struct buffer *b)
{
    char *text = NULL;

    if (!b->data)
        reserve(b, 0);
    if (!b->failed && b->data) {
        b->data[b->size] = '\0';
        text = TAKE(b->data);
    }
    buffer_done(b);
    return text;
}
