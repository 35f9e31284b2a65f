/* A string that grows. After a failed allocation it stays failed and takes nothing more, so a
 * writer checks once, at the end. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buffer {
    char *data; /* NUL-terminated whenever not NULL */
    size_t size;
    size_t capacity;
    bool failed;
};

void buffer_done(struct buffer *b); /* frees and empties; for CLEANUP */
void buffer_grow_and_add(struct buffer *b, const void *bytes, size_t size);
static inline void buffer_add(struct buffer *b, const void *bytes, size_t size)
{
    if (b->failed || !b->data || size >= b->capacity - b->size || size == 0) {
        buffer_grow_and_add(b, bytes, size);
        return;
    }
    memcpy(b->data + b->size, bytes, size);
    b->size += size;
    b->data[b->size] = '\0';
}
/* Room for so many bytes behind what is there, for whoever writes them itself, adds to `size` and
 * ends with a NUL; NULL after a failed allocation. */
char *buffer_room(struct buffer *b, size_t size);
void buffer_add_text(struct buffer *b, const char *text);
void buffer_format(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_clear(struct buffer *b); /* size 0, memory kept */
char *buffer_take(struct buffer *b); /* NULL if failed; "" if empty; b is empty after */
