/*
 * Text as bytes. What a stranger chose is shown by text-shown.c; Unicode proper is in
 * text-unicode.c, numbers in text-parse.c.
 */
#include "config.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistr.h>

#include "base/memory.h"

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
