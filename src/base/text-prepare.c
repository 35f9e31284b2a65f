/*
 * Text as directory servers compare it. Measured, since what RFC 4518 asks for no server does:
 * OpenLDAP puts each letter in lower case by itself, composes by NFKC, drops no character and
 * knows none that is younger than Unicode 3.2; 389 Directory Server and Active Directory know
 * lower case and blanks alone. What a server keeps apart must not become one here: two people
 * would be taken for one. What a server takes for one and this does not is the lesser harm.
 */
#include "config.h"

#include <errno.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

struct characters {
    ucs4_t first, last;
};

/* clang-format off */
/* Characters with a lower case or a decomposition today that OpenLDAP leaves as they are: those
 * added or paired after Unicode 3.2, and where its tables end early. Sorted. */
static const struct characters untouched[] = {
    {0x23a, 0x24e},     {0x350, 0x35f},     {0x370, 0x372},     {0x376, 0x376},     {0x37f, 0x37f},
    {0x3cf, 0x3cf},     {0x3f7, 0x3ff},     {0x487, 0x487},     {0x4c0, 0x4c0},     {0x4f6, 0x4f6},
    {0x4fa, 0x4fe},     {0x510, 0x52e},     {0x5a2, 0x5a2},     {0x5ba, 0x5ba},     {0x5c5, 0x61a},
    {0x656, 0x65f},     {0x7eb, 0x8ff},     {0x9fe, 0x9fe},     {0xc3c, 0xc3c},     {0xcbc, 0xcbc},
    {0xd3b, 0xd3c},     {0xeba, 0xeba},     {0x103a, 0x10fc},   {0x135d, 0x13f5},   {0x1715, 0x1715},
    {0x17dd, 0x17dd},   {0x1939, 0x1dff},   {0x1e9e, 0x1e9e},   {0x1efa, 0x1efe},   {0x2090, 0x209c},
    {0x20eb, 0x20f0},   {0x2132, 0x2132},   {0x213b, 0x213c},   {0x2150, 0x2152},   {0x2183, 0x2189},
    {0x2c00, 0x2dff},   {0x321d, 0x321e},   {0x3244, 0x3250},   {0x327c, 0x327e},   {0x32cc, 0x32cf},
    {0x32ff, 0x32ff},   {0x3377, 0x337a},   {0x33de, 0x33df},   {0x33ff, 0xabed},   {0xf900, 0xf901},   {0xfa2e, 0xfa2f},
    {0xfa6b, 0xfad9},   {0xfe10, 0xfe19},   {0xfe24, 0xfe2f},   {0xfe47, 0xfe48},   {0x101fd, 0x1037a},
    {0x10426, 0x10427}, {0x10450, 0x1bc9e}, {0x1d242, 0x1d244}, {0x1d4c1, 0x1d4c1}, {0x1d622, 0x10ffff},
};

/* What both 389 Directory Server and Samba put in lower case. */
static const struct characters paired[] = {
    {0xc0, 0x12e},      {0x132, 0x18b},     {0x18f, 0x19d},     {0x1a0, 0x1a4},     {0x1a7, 0x1bc},
    {0x1cd, 0x1ee},     {0x1f4, 0x1f4},     {0x1fa, 0x216},     {0x386, 0x3ab},     {0x3e2, 0x3ee},
    {0x401, 0x40c},     {0x40e, 0x480},     {0x490, 0x4be},     {0x4c1, 0x4c3},     {0x4c7, 0x4c7},
    {0x4cb, 0x4cb},     {0x4d0, 0x4ea},     {0x4ee, 0x4f4},     {0x4f8, 0x4f8},     {0x531, 0x556},
    {0x1e00, 0x1e94},   {0x1ea0, 0x1ef8},   {0x1f08, 0x1f6f},   {0x1fb8, 0x1fbb},   {0x1fc8, 0x1fcb},
    {0x1fd8, 0x1ffb},   {0xff21, 0xff3a},
};
/* clang-format on */

static bool is_in(const struct characters *ranges, size_t n, ucs4_t c)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c < ranges[middle].first)
            high = middle;
        else if (c > ranges[middle].last)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

static bool is_untouched(ucs4_t c)
{
    return c >= 0x80 && is_in(untouched, ARRAY_SIZE(untouched), c);
}

/* Letters only: OpenLDAP leaves Roman numerals and circled letters. */
static ucs4_t lower(ucs4_t c, enum text_preparation how)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
    if (how == TEXT_CASE_ONLY && !is_in(paired, ARRAY_SIZE(paired), c))
        return c;
    if (!uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lt))
        return c;
    return uc_tolower(c);
}

static void add_character(struct buffer *b, ucs4_t c)
{
    uint8_t bytes[6];
    int n = u8_uctomb(bytes, c, sizeof(bytes));

    if (n > 0)
        buffer_add(b, bytes, (size_t)n);
}

static void add_composed(struct buffer *b, struct buffer *run)
{
    size_t n = 0;

    if (run->size == 0)
        return;
    uint8_t *composed = u8_normalize(UNINORM_NFKC, (const uint8_t *)run->data, run->size, NULL, &n);
    if (composed)
        buffer_add(b, composed, n);
    else
        b->failed = true;
    free(composed);
    buffer_clear(run);
}

static void add_prepared(struct buffer *b, const char *bytes, size_t size,
                         enum text_preparation how)
{
    CLEANUP(buffer_done) struct buffer run = {0};
    const uint8_t *p = (const uint8_t *)bytes, *end = p + size;

    while (p < end) {
        ucs4_t c;
        p += u8_mbtouc_unsafe(&c, p, (size_t)(end - p));
        bool leave = how != TEXT_CASE_ONLY && is_untouched(c);
        if (leave)
            add_composed(b, &run);
        else if (how != TEXT_EXACT)
            c = lower(c, how);
        add_character(leave || how == TEXT_CASE_ONLY ? b : &run, c);
    }
    b->failed = b->failed || run.failed;
    add_composed(b, &run);
}

/* No blank in front or behind, single ones between, from `start` on. */
static void squeeze(struct buffer *b, size_t start)
{
    size_t used = start;
    bool pending = false;

    if (b->failed || !b->data)
        return;
    for (size_t i = start; i < b->size; i++) {
        if (b->data[i] == ' ') {
            pending = used > start;
            continue;
        }
        if (pending)
            b->data[used++] = ' ';
        pending = false;
        b->data[used++] = b->data[i];
    }
    b->size = used;
    b->data[used] = '\0';
}

int text_prepare(struct buffer *b, const char *bytes, size_t size, enum text_preparation how)
{
    size_t start = b->size;
    bool ascii = true;

    for (size_t i = 0; i < size && ascii; i++)
        ascii = (unsigned char)bytes[i] < 0x80;
    if (!ascii && !text_is_utf8(bytes, size))
        return -EINVAL;
    if (ascii) {
        buffer_add(b, bytes, size);
        for (size_t i = start; how != TEXT_EXACT && !b->failed && i < b->size; i++)
            b->data[i] = (char)lower((unsigned char)b->data[i], how);
    } else {
        add_prepared(b, bytes, size, how);
    }
    squeeze(b, start);
    return 0;
}
