/* Memory, strings, files and clocks for the simulator. Nothing in here knows of HTTP or of
 * users. */
#include "config.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void *must(void *memory)
{
    if (!memory) {
        fputs("tenant-simulator: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *memory_new(size_t size_bytes)
{
    return must(calloc(1, size_bytes ? size_bytes : 1));
}

void *memory_resize(void *old, size_t size_bytes)
{
    return must(realloc(old, size_bytes ? size_bytes : 1));
}

char *text_copy(const char *text)
{
    return text ? must(strdup(text)) : NULL;
}

char *text_copy_length(const char *text, size_t length)
{
    return must(strndup(text, length));
}

char *text_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int r = vasprintf(&text, format, arguments);
    va_end(arguments);
    return must(r < 0 ? NULL : text);
}

void text_freep(char **text)
{
    free(*text);
    *text = NULL;
}

void buffer_append(struct buffer *b, const void *data, size_t length)
{
    if (b->length + length + 1 > b->size) {
        size_t size = b->size ? b->size * 2 : 512;
        while (size < b->length + length + 1)
            size *= 2;
        b->data = memory_resize(b->data, size);
        b->size = size;
    }
    memcpy(b->data + b->length, data, length);
    b->length += length;
    b->data[b->length] = '\0';
}

void buffer_text(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

void buffer_done(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){0};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

char *text_unescape(const char *text, size_t length, bool plus)
{
    char *out = memory_new(length + 1), *to = out;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '+' && plus)
            c = ' ';
        if (c == '%') {
            int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < length ? hex_digit(text[i + 2]) : -1;
            c = (char)(high * 16 + low);
            if (high < 0 || low < 0 || c == '\0') {
                free(out);
                return NULL;
            }
            i += 2;
        }
        *to++ = c;
    }
    return out;
}

char *text_form_get(const char *text, const char *name)
{
    size_t name_length = strlen(name);
    while (text && *text) {
        size_t length = strcspn(text, "&");
        if (length > name_length && text[name_length] == '=' &&
            !strncmp(text, name, name_length))
            return text_unescape(text + name_length + 1, length - name_length - 1, true);
        text += length;
        text += *text == '&';
    }
    return NULL;
}

bool text_is_media_type(const char *header, const char *type)
{
    size_t length = strlen(type);
    if (!header || strncasecmp(header, type, length) != 0)
        return false;
    return header[length] == '\0' || header[length] == ';' || header[length] == ' ';
}

bool text_is_digits(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

bool text_number(const char *text, long low, long high, long *ret)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < low || value > high)
        return false;
    *ret = value;
    return true;
}

char *text_file(const char *path, size_t *ret_length)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        fprintf(stderr, "tenant-simulator: cannot open %s: %m\n", path);
        return NULL;
    }
    struct buffer b = {0};
    char block[65536];
    size_t n = 0;
    buffer_append(&b, "", 0);
    while ((n = fread(block, 1, sizeof(block), file)) > 0)
        buffer_append(&b, block, n);
    if (ferror(file)) {
        fprintf(stderr, "tenant-simulator: cannot read %s: %m\n", path);
        buffer_done(&b);
    }
    fclose(file);
    if (b.data && ret_length)
        *ret_length = b.length;
    return b.data;
}

int text_file_write(const char *path, const void *data, size_t length, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        fprintf(stderr, "tenant-simulator: cannot create %s: %m\n", path);
        return -1;
    }
    ssize_t n = write(fd, data, length);
    int r = close(fd);
    if (n != (ssize_t)length || r < 0) {
        fprintf(stderr, "tenant-simulator: cannot write %s: %m\n", path);
        return -1;
    }
    return 0;
}

uint64_t time_monotonic_usec(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t time_monotonic_ms(void)
{
    return time_monotonic_usec() / 1000;
}

int64_t time_wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void time_format(int64_t wall_ms, char *ret)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm broken;
    gmtime_r(&seconds, &broken);
    size_t n = strftime(ret, 32, "%Y-%m-%dT%H:%M:%S", &broken);
    snprintf(ret + n, 32 - n, ".%03dZ", (int)(wall_ms % 1000));
}
