/* Each hash begins with a byte that says what it is of, so that none can stand for another. */
#include "config.h"

#include "audit/chain.h"

#include <string.h>

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

long base64_decode(void *to, size_t room, const char *text, size_t size, bool url)
{
    const char *digits = url ? url_digits : plain_digits;
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
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;

        if (!digit)
            return -1;
        group = group << 6 | (unsigned)(digit - digits);
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

bool chain_equal(const struct chain_hash *a, const struct chain_hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void chain_text(char ret[static CHAIN_TEXT_SIZE], const struct chain_hash *h)
{
    base64_encode(ret, h->bytes, sizeof(h->bytes), true);
}

bool chain_from_text(const char *text, struct chain_hash *ret)
{
    return base64_decode(ret->bytes, sizeof(ret->bytes), text, CHAIN_TEXT_SIZE - 1, true) ==
           DIGEST_SIZE;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool chain_from_hexadecimal(const char *text, struct chain_hash *ret)
{
    for (size_t i = 0; i < sizeof(ret->bytes); i++) {
        int high = nibble(text[2 * i]), low = high < 0 ? -1 : nibble(text[2 * i + 1]);

        if (low < 0)
            return false;
        ret->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool chain_from_any(const char *text, struct chain_hash *ret)
{
    size_t size = strlen(text);

    return size == CHAIN_TEXT_SIZE - 1 ? chain_from_text(text, ret)
                                       : size == DIGEST_TEXT_SIZE - 1 &&
                                             chain_from_hexadecimal(text, ret);
}

int chain_commitment(const char *personal, size_t size, struct chain_hash *ret)
{
    return digest_raw(ret->bytes, (struct digest_part[]){{"\1", 1}, {personal, size}}, 2);
}

int chain_content(const char *head, size_t size, struct chain_hash *ret)
{
    return digest_raw(ret->bytes, (struct digest_part[]){{"\2", 1}, {head, size}}, 2);
}

int chain_link(const struct chain_hash *content, const struct chain_hash *prev,
               struct chain_hash *ret)
{
    return digest_raw(ret->bytes,
                      (struct digest_part[]){{"\0", 1},
                                             {content->bytes, sizeof(content->bytes)},
                                             {prev->bytes, sizeof(prev->bytes)}},
                      3);
}
