/* Base64 in both alphabets of RFC 4648. */
#include "config.h"

#include "base/base64.h"


static const char plain_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

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

/* The number that a digit stands for, or -1. */
static int number_of(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
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
    for (size_t i = 0; i < size; i++) {
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
