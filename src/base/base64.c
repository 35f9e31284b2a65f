/* Base64 in both alphabets of RFC 4648. */
#include "config.h"

#include "base/base64.h"

static const char plain_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64_encode(char *to, const void *bytes, size_t size, bool url)
{
    const char *digits = url ? url_digits : plain_digits;
    const unsigned char *b = bytes;

    for (size_t i = 0; i < size; i += 3) {
        unsigned group = (unsigned)b[i] << 16;

        if (i + 1 < size)
            group |= (unsigned)b[i + 1] << 8;
        if (i + 2 < size)
            group |= b[i + 2];
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        if (i + 1 < size || !url)
            *to++ = i + 1 < size ? digits[group >> 6 & 63] : '=';
        if (i + 2 < size || !url)
            *to++ = i + 2 < size ? digits[group & 63] : '=';
    }
    *to = '\0';
}

/* Of both alphabets; -1: of neither. */
static const signed char numbers[128] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62,
    -1, 62, -1, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1, -1, 0,
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
    23, 24, 25, -1, -1, -1, -1, 63, -1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
    39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
};

/* The number that a digit stands for, or -1. */
static int number_of(char c, bool url)
{
    int number = (unsigned char)c < 128 ? numbers[(unsigned char)c] : -1;

    return number < 62 || url == (c == '-' || c == '_') ? number : -1;
}

long base64_decode(void *to, size_t room, const char *text, size_t size, bool url)
{
    unsigned char *bytes = to;
    size_t n = 0, padding = 0;
    unsigned group = 0, bits = 0;

    if (!url) {
        if (size % 4 != 0)
            return -1;
        while (padding < 2 && padding < size && text[size - padding - 1] == '=')
            padding++;
        size -= padding;
    }
    if (size % 4 == 1)
        return -1;
    size_t i = 0;
    for (; i + 4 <= size && n + 3 <= room; i += 4, n += 3) {
        int a = number_of(text[i], url), b = number_of(text[i + 1], url);
        int c = number_of(text[i + 2], url), d = number_of(text[i + 3], url);

        if ((a | b | c | d) < 0)
            return -1;
        group = (unsigned)a << 18 | (unsigned)b << 12 | (unsigned)c << 6 | (unsigned)d;
        bytes[n] = (unsigned char)(group >> 16);
        bytes[n + 1] = (unsigned char)(group >> 8);
        bytes[n + 2] = (unsigned char)group;
    }
    group = 0;
    for (; i < size; i++) {
        int number = number_of(text[i], url);

        if (number < 0)
            return -1;
        group = group << 6 | (unsigned)number;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (n == room)
            return -1;
        bytes[n++] = (unsigned char)(group >> bits);
        group &= (1U << bits) - 1;
    }
    return group == 0 ? (long)n : -1;
}
