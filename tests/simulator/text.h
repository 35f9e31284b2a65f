/* Small things about memory, strings and time that every part of the simulator needs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLEANUP(function)   __attribute__((cleanup(function)))
#define FORMAT(text, first) __attribute__((format(printf, text, first)))
#define ELEMENTS(array)     (sizeof(array) / sizeof((array)[0]))

/* A growing string; `data` is NUL-terminated once anything was appended. */
struct buffer {
    char *data;
    size_t length, size;
};

/* Allocation. A test server that has no memory left can do nothing useful, so these never
 * return NULL: they say so and end the process. */
void *memory_new(size_t size_bytes);
void *memory_resize(void *old, size_t size_bytes);
char *text_copy(const char *text);
char *text_copy_length(const char *text, size_t length);
char *text_format(const char *format, ...) FORMAT(1, 2);
void text_freep(char **text);

void buffer_append(struct buffer *b, const void *data, size_t length);
void buffer_text(struct buffer *b, const char *text);
void buffer_done(struct buffer *b);

/* Percent-decodes `length` bytes; `plus` makes a plus sign a space, as in forms. NULL if an
 * escape is malformed or stands for NUL. */
char *text_unescape(const char *text, size_t length, bool plus);
/* The decoded value of a name in "a=1&b=2" (`text` may be NULL); NULL if absent or malformed.
 */
char *text_form_get(const char *text, const char *name);

/* "application/json; charset=utf-8" is of the type "application/json". */
bool text_is_media_type(const char *header, const char *type);
bool text_is_digits(const char *text);
/* Whole number in [low, high]; anything else is false. */
bool text_number(const char *text, long low, long high, long *ret);
/* The contents of a file; NULL with a message on stderr. */
char *text_file(const char *path, size_t *ret_length);
int text_file_write(const char *path, const void *data, size_t length, unsigned mode);

uint64_t time_monotonic_ms(void);
uint64_t time_monotonic_usec(void);
int64_t time_wall_ms(void);
/* ISO 8601 in UTC with milliseconds; `ret` holds at least 32 bytes. */
void time_format(int64_t wall_ms, char *ret);
