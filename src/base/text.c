/*
 * Text as bytes: what is UTF-8, what is a control character, and how to show
 * bytes that a stranger chose. Unicode proper is in text-unicode.c, numbers in text-parse.c.
 */
#include "config.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistr.h>

#include "base/memory.h"

#define ELLIPSIS "\xe2\x80\xa6"

#define EACH(byte) (0x0101010101010101ULL * (byte)) /* of eight */

/* Where all bytes are ASCII, to subtract sets the highest bit of one that is less than what is
 * subtracted; one that is a certain byte becomes zero, which is less than one. */
static bool eight_are_simple(const char *bytes)
{
    uint64_t eight;

    memcpy(&eight, bytes, sizeof(eight));
    uint64_t signs = eight | (eight - EACH(0x20)) | ((eight ^ EACH(0x7f)) - EACH(1)) |
                     ((eight ^ EACH('"')) - EACH(1)) | ((eight ^ EACH('\\')) - EACH(1));
    return !(signs & EACH(0x80));
}

size_t text_simple_run(const char *bytes, size_t size)
{
    size_t n = 0;

    while (n + 8 <= size && eight_are_simple(bytes + n))
        n += 8;
    if (size >= 8 && size - n < 8 && eight_are_simple(bytes + size - 8))
        return size;
    while (n < size && (unsigned char)bytes[n] - 0x20U <= 0x5e && bytes[n] != '"' &&
           bytes[n] != '\\')
        n++;
    return n;
}

bool text_is_plain(const char *bytes, size_t size)
{
    size_t n = text_simple_run(bytes, size);

    while (n < size && (unsigned char)bytes[n] - 0x20U <= 0x5e)
        n++;
    return n == size;
}

bool text_is_utf8(const char *bytes, size_t size)
{
    size_t n = 0;

    while (n < size && (unsigned char)bytes[n] < 0x80) /* most texts to their end */
        n++;
    return n == size || u8_check((const uint8_t *)bytes + n, size - n) == NULL;
}

/* C0, C1, DEL, LINE SEPARATOR, PARAGRAPH SEPARATOR */
static bool is_control(ucs4_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029;
}

/* Embeddings, overrides and isolates reorder the rest of a line: harmless in a name that is
 * stored, a forgery in one that is shown. */
static bool is_bidi_control(ucs4_t c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool text_has_control(const char *bytes, size_t size)
{
    const uint8_t *p = (const uint8_t *)bytes;

    while (size > 0) {
        ucs4_t c = *p;
        int n = c < 0x80 ? 1 : u8_mbtoucr(&c, p, size);
        if (n < 1) {
            n = 1; /* not UTF-8: another question */
            c = 0xfffd;
        }
        if (is_control(c))
            return true;
        p += n;
        size -= (size_t)n;
    }
    return false;
}

bool text_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

const char *text_without_heading(const char *text, const char *heading)
{
    size_t n = heading ? strlen(heading) : 0;
    bool headed =
        text && n > 0 && strncmp(text, heading, n) == 0 && strncmp(text + n, ": ", 2) == 0;
    return headed ? text + n + 2 : text;
}

static unsigned char lower_ascii(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* Not strcasecmp(), whose answer depends on the locale. */
int text_compare_ascii_case(const char *a, const char *b)
{
    while (*a && lower_ascii(*a) == lower_ascii(*b)) {
        a++;
        b++;
    }
    return (int)lower_ascii(*a) - (int)lower_ascii(*b);
}

int text_replace(char **to, const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        return -ENOMEM;
    free(*to);
    *to = copy;
    return 0;
}

int text_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_equal_ascii_case(const char *a, const char *b)
{
    return a == b || (a && b && text_compare_ascii_case(a, b) == 0);
}

/* What joins letters, chooses among their forms or stands between ideographs is part of scripts
 * beyond ASCII: there it stays. */
static bool is_of_script(ucs4_t c, const uint8_t *p, const uint8_t *start)
{
    return p > start && p[-1] >= 0x80 &&
           (c == 0x200c || c == 0x200d || c == 0x3000 || (c >= 0xfe00 && c <= 0xfe0f) ||
            (c >= 0x180b && c <= 0x180d) || (c >= 0xe0100 && c <= 0xe01ef));
}

/* Writes one character, or the byte that begins none, in its printable form; at most four times
 * as many bytes. Returns how many bytes were read. */
static size_t show_character(char to[static 17], const uint8_t *start, const uint8_t *p,
                             size_t size)
{
    static const char digits[] = "0123456789abcdef";
    ucs4_t c = *p;
    int n = c < 0x80 ? 1 : u8_mbtoucr(&c, p, size);
    size_t length = n > 0 ? (size_t)n : 1;

    if (n > 0 && text_unseen(c) && !is_bidi_control(c) && !is_of_script(c, p, start)) {
        (void)snprintf(to, 17, "\\u{%X}", (unsigned)c);
        return length;
    }
    if (n > 0 && !is_control(c) && !is_bidi_control(c)) {
        memcpy(to, p, length);
        to[length] = '\0';
        return length;
    }
    for (size_t i = 0; i < length; i++) {
        *to++ = '\\';
        *to++ = 'x';
        *to++ = digits[p[i] >> 4];
        *to++ = digits[p[i] & 15];
    }
    *to = '\0';
    return length;
}

char *text_printable(char *buffer, size_t size, const char *bytes, size_t n_bytes)
{
    const size_t ellipsis = strlen(ELLIPSIS);
    const uint8_t *p = (const uint8_t *)bytes;
    size_t used = 0, last_with_room = 0;
    char shown[17];

    if (size == 0)
        return buffer;
    while (n_bytes > 0) {
        size_t run = text_simple_run((const char *)p, n_bytes);
        if (run && used + run + ellipsis < size) {
            memcpy(buffer + used, p, run);
            last_with_room = used += run;
            p += run;
            n_bytes -= run;
            continue;
        }
        size_t n = show_character(shown, (const uint8_t *)bytes, p, n_bytes),
               length = strlen(shown);
        if (used + length >= size) { /* no room for it and the NUL */
            used = last_with_room;
            if (used + ellipsis < size) {
                memcpy(buffer + used, ELLIPSIS, ellipsis);
                used += ellipsis;
            }
            break;
        }
        memcpy(buffer + used, shown, length);
        used += length;
        if (used + ellipsis < size)
            last_with_room = used;
        p += n;
        n_bytes -= n;
    }
    buffer[used] = '\0';
    return buffer;
}

char *text_quote_first(char buffer[static 16], const char *text)
{
    size_t n = *text ? 1 : 0;

    while (n > 0 && n < 4 && ((unsigned char)text[n] & 0xC0) == 0x80)
        n++;
    buffer[0] = '\'';
    memcpy(buffer + 1, text, n);
    memcpy(buffer + 1 + n, "'", 2);
    return buffer;
}

#define DISTANCE_MAX_LENGTH 127

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* The restricted form (optimal string alignment): a pair of letters is swapped at most once.
 * Words longer than any name of an option or a team are simply far apart. */
unsigned text_distance(const char *a, const char *b, unsigned limit)
{
    unsigned rows[3][DISTANCE_MAX_LENGTH + 1];
    size_t n_a = strlen(a), n_b = strlen(b);

    if ((n_a > n_b ? n_a - n_b : n_b - n_a) > limit || n_a > DISTANCE_MAX_LENGTH ||
        n_b > DISTANCE_MAX_LENGTH)
        return limit + 1;
    for (unsigned j = 0; j <= n_b; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= n_a; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        unsigned least = row[0] = i;
        for (unsigned j = 1; j <= n_b; j++) {
            unsigned char x = lower_ascii(a[i - 1]), y = lower_ascii(b[j - 1]);
            row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower_ascii(b[j - 2]) && lower_ascii(a[i - 2]) == y)
                row[j] = smaller(row[j], above2[j - 2] + 1);
            least = smaller(least, row[j]);
        }
        /* A swap reaches back one row, so one row over the limit is not the end yet. */
        if (least > limit + 1)
            return limit + 1;
    }
    return smaller(rows[n_a % 3][n_b], limit + 1);
}

const char *text_nearest(const char *word, const char *const *candidates, size_t n_candidates)
{
    const unsigned limit = 2;
    unsigned least = limit + 1;
    const char *nearest = NULL;

    for (size_t i = 0; i < n_candidates; i++) {
        unsigned distance = text_distance(word, candidates[i], limit);
        /* Two letters apart says nothing about a word of two letters. */
        if (distance < least && (distance == 0 || distance < strlen(word))) {
            least = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
