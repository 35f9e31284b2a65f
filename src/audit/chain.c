/* Each hash begins with a byte that says what it is of, so that none can stand for another. */
#include "config.h"

#include "audit/chain.h"

#include <string.h>

#include "base/base64.h"
#include "base/text.h"

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

bool chain_from_hexadecimal(const char *text, struct chain_hash *ret)
{
    for (size_t i = 0; i < sizeof(ret->bytes); i++) {
        int high = text_hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : text_hex_digit(text[2 * i + 1]);

        if (low < 0)
            return false;
        ret->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool chain_from_any(const char *text, struct chain_hash *ret)
{
    size_t size = strlen(text);

    return size == CHAIN_TEXT_SIZE - 1
               ? chain_from_text(text, ret)
               : size == DIGEST_TEXT_SIZE - 1 && chain_from_hexadecimal(text, ret);
}

int chain_commitment(const char *personal, size_t size, struct chain_hash *ret)
{
    return digest_raw(ret->bytes, (struct digest_part[]){{"\1", 1}, {personal, size}}, 2);
}

int chain_content(const char *head, size_t size, struct chain_hash *ret)
{
    return digest_raw(ret->bytes, (struct digest_part[]){{"\2", 1}, {head, size}}, 2);
}

static int pair(const char *byte, const struct chain_hash *a, const struct chain_hash *b,
                struct chain_hash *ret)
{
    return digest_raw(ret->bytes,
                      (struct digest_part[]){
                          {byte, 1}, {a->bytes, sizeof(a->bytes)}, {b->bytes, sizeof(b->bytes)}},
                      3);
}

int chain_link(const struct chain_hash *content, const struct chain_hash *prev,
               struct chain_hash *ret)
{
    return pair("\0", content, prev, ret);
}

int chain_node(const struct chain_hash *left, const struct chain_hash *right,
               struct chain_hash *ret)
{
    return pair("\3", left, right, ret);
}
