/*
 * Text as Unicode: the form in which people and the tenant may take two texts for one, case, and
 * ASCII for logins. How a directory compares is the matter of text-prepare.c.
 *
 * Folding follows RFC 4518: characters that are mapped to a blank or to
 * nothing (section 2.2), case folding, blanks (section 2.6.1). It stops at NFC
 * where the RFC says NFKC: a full-width "Ａ" and "A" stay two names, since a false equality of
 * two people is worse than a missed one. Languages are not taken into account: there is no
 * Turkish i here.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

#define DROP 0xffffffffU

static bool is_ascii(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)bytes[i] >= 0x80)
            return false;
    return true;
}

/* RFC 4518 section 2.2: what becomes a blank, what becomes nothing. */
static ucs4_t map_character(ucs4_t c)
{
    if ((c >= 0x09 && c <= 0x0d) || c == 0x85)
        return ' ';
    if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
        return DROP;
    if (c < 0xa0)
        return c;
    switch (c) {
    case 0xa0:   /* NO-BREAK SPACE */
    case 0x1680: /* OGHAM SPACE MARK */
    case 0x2028: /* LINE SEPARATOR */
    case 0x2029: /* PARAGRAPH SEPARATOR */
    case 0x202f: /* NARROW NO-BREAK SPACE */
    case 0x205f: /* MEDIUM MATHEMATICAL SPACE */
    case 0x3000: /* IDEOGRAPHIC SPACE */ return ' ';
    case 0xad:   /* SOFT HYPHEN */
    case 0x34f:  /* COMBINING GRAPHEME JOINER */
    case 0x6dd:  /* ARABIC END OF AYAH */
    case 0x70f:  /* SYRIAC ABBREVIATION MARK */
    case 0x1806: /* MONGOLIAN TODO SOFT HYPHEN */
    case 0x180e: /* MONGOLIAN VOWEL SEPARATOR */
    case 0xfeff: /* ZERO WIDTH NO-BREAK SPACE */
    case 0xfffc: /* OBJECT REPLACEMENT CHARACTER */ return DROP;
    default: break;
    }
    if (c >= 0x2000 && c <= 0x200a)
        return ' ';
    if ((c >= 0x180b && c <= 0x180d) || (c >= 0x200b && c <= 0x200f) ||
        (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x2063) ||
        (c >= 0x206a && c <= 0x206f) || (c >= 0xfe00 && c <= 0xfe0f) ||
        (c >= 0xfff9 && c <= 0xfffb) || (c >= 0x1d173 && c <= 0x1d17a) ||
        (c >= 0xe0020 && c <= 0xe007f) || c == 0xe0001)
        return DROP;
    return c;
}

/* No blank in front or behind, single ones between. In place; writes the NUL. */
static void squeeze_blanks(char *text, size_t size)
{
    size_t used = 0;
    bool pending = false;

    for (size_t i = 0; i < size; i++) {
        if (text[i] == ' ') {
            pending = used > 0;
            continue;
        }
        if (pending)
            text[used++] = ' ';
        pending = false;
        text[used++] = text[i];
    }
    text[used] = '\0';
}

static char *fold_ascii(const char *bytes, size_t size)
{
    char *text = malloc(size + 1);
    size_t used = 0;

    if (!text)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        ucs4_t c = map_character((unsigned char)bytes[i]);
        if (c != DROP)
            text[used++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    squeeze_blanks(text, used);
    return text;
}

/* Puts a NUL behind what a function of libunistring allocated; takes it. */
static char *terminate(uint8_t *bytes, size_t size)
{
    char *text = bytes ? realloc(bytes, size + 1) : NULL;

    if (text)
        text[size] = '\0';
    else
        free(bytes);
    return text;
}

/* The mapped characters, NUL-terminated. */
static char *map_text(const char *bytes, size_t size, size_t *ret_size)
{
    uint8_t *mapped = malloc(size + 1); /* never longer: only blanks get shorter */
    const uint8_t *p = (const uint8_t *)bytes, *end = p + size;
    size_t used = 0;

    if (!mapped)
        return NULL;
    while (p < end) {
        ucs4_t c;
        p += u8_mbtouc_unsafe(&c, p, (size_t)(end - p));
        c = map_character(c);
        if (c != DROP)
            used += (size_t)u8_uctomb(mapped + used, c, (ptrdiff_t)(size + 1 - used));
    }
    mapped[used] = '\0';
    *ret_size = used;
    return (char *)mapped;
}

char *text_fold(const char *bytes, size_t size)
{
    CLEANUP(freep) char *mapped = NULL;
    size_t n_mapped = 0, n_folded = 0;

    if (is_ascii(bytes, size))
        return fold_ascii(bytes, size);
    if (!text_is_utf8(bytes, size))
        return NULL;
    mapped = map_text(bytes, size, &n_mapped);
    if (!mapped)
        return NULL;
    if (is_ascii(mapped, n_mapped))
        return fold_ascii(mapped, n_mapped);
    uint8_t *bytes_folded =
        u8_casefold((const uint8_t *)mapped, n_mapped, NULL, UNINORM_NFC, NULL, &n_folded);
    char *folded = terminate(bytes_folded, n_folded);
    if (folded)
        squeeze_blanks(folded, n_folded);
    return folded;
}

bool text_equal_fold(const char *a, const char *b)
{
    CLEANUP(freep) char *folded_a = NULL;
    CLEANUP(freep) char *folded_b = NULL;

    if (!a || !b)
        return a == b;
    folded_a = text_fold(a, strlen(a));
    folded_b = text_fold(b, strlen(b));
    if (!folded_a || !folded_b)
        return strcmp(a, b) == 0; /* not UTF-8: only the same bytes are equal */
    return strcmp(folded_a, folded_b) == 0;
}

char *text_compose(const char *text)
{
    size_t size = strlen(text), n = 0;

    if (is_ascii(text, size))
        return strdup(text);
    if (!text_is_utf8(text, size))
        return NULL;
    uint8_t *bytes = u8_normalize(UNINORM_NFC, (const uint8_t *)text, size, NULL, &n);
    return terminate(bytes, n);
}

typedef uint8_t *case_function(const uint8_t *, size_t, const char *, uninorm_t, uint8_t *,
                               size_t *);

static char *change_case(const char *text, case_function *change, char first, int shift)
{
    size_t size = strlen(text), n_changed = 0;

    if (is_ascii(text, size)) {
        char *copy = strdup(text);
        for (char *p = copy; p && *p; p++)
            if (*p >= first && *p <= first + 25)
                *p = (char)(*p + shift);
        return copy;
    }
    if (!text_is_utf8(text, size))
        return NULL;
    uint8_t *changed = change((const uint8_t *)text, size, NULL, UNINORM_NFC, NULL, &n_changed);
    return terminate(changed, n_changed);
}

char *text_lower(const char *text)
{
    return change_case(text, u8_tolower, 'A', 'a' - 'A');
}

char *text_upper(const char *text)
{
    return change_case(text, u8_toupper, 'a', 'A' - 'a');
}

/* Letters that a decomposition leaves whole, and punctuation in names. Sorted by code point. */
static const struct {
    ucs4_t character;
    char ascii[4];
} letters[] = {
    /* clang-format off */
    {0x00ab, "\""}, {0x00b7, "."},  {0x00bb, "\""}, {0x00c6, "AE"}, {0x00d0, "D"},
    {0x00d7, "x"},  {0x00d8, "O"},  {0x00de, "TH"}, {0x00df, "ss"}, {0x00e6, "ae"},
    {0x00f0, "d"},  {0x00f8, "o"},  {0x00fe, "th"}, {0x0110, "D"},  {0x0111, "d"},
    {0x0126, "H"},  {0x0127, "h"},  {0x0131, "i"},  {0x0138, "k"},  {0x0141, "L"},
    {0x0142, "l"},  {0x014a, "N"},  {0x014b, "n"},  {0x0152, "OE"}, {0x0153, "oe"},
    {0x0166, "T"},  {0x0167, "t"},  {0x0180, "b"},  {0x0181, "B"},  {0x0187, "C"},
    {0x0188, "c"},  {0x0189, "D"},  {0x018a, "D"},  {0x018f, "E"},  {0x0190, "E"},
    {0x0191, "F"},  {0x0192, "f"},  {0x0193, "G"},  {0x0197, "I"},  {0x0198, "K"},
    {0x0199, "k"},  {0x019d, "N"},  {0x01b3, "Y"},  {0x01b4, "y"},  {0x01b5, "Z"},
    {0x01b6, "z"},  {0x01e4, "G"},  {0x01e5, "g"},  {0x0237, "j"},  {0x0243, "B"},
    {0x0253, "b"},  {0x0254, "o"},  {0x0256, "d"},  {0x0257, "d"},  {0x0259, "e"},
    {0x025b, "e"},  {0x0260, "g"},  {0x0268, "i"},  {0x0272, "n"},  {0x02bb, "'"},
    {0x02bc, "'"},  {0x1e9e, "SS"}, {0x2010, "-"},  {0x2011, "-"},  {0x2012, "-"},
    {0x2013, "-"},  {0x2014, "-"},  {0x2018, "'"},  {0x2019, "'"},  {0x201a, "'"},
    {0x201c, "\""}, {0x201d, "\""}, {0x201e, "\""}, {0x2212, "-"},
    /* clang-format on */
};

static const struct {
    ucs4_t character;
    char ascii[4];
} umlauts[] = {
    {0xc4, "Ae"}, {0xd6, "Oe"}, {0xdc, "Ue"}, {0xe4, "ae"}, {0xf6, "oe"}, {0xfc, "ue"},
};

static const char *ascii_of(ucs4_t c, bool german)
{
    for (size_t i = 0; german && i < ARRAY_SIZE(umlauts); i++)
        if (umlauts[i].character == c)
            return umlauts[i].ascii;
    size_t low = 0, high = ARRAY_SIZE(letters);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (letters[middle].character == c)
            return letters[middle].ascii;
        if (letters[middle].character < c)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool is_mark(ucs4_t c)
{
    return uc_is_general_category(c, UC_CATEGORY_M);
}

/* A character that is neither ASCII nor in the tables: its compatibility decomposition without
 * the marks, or one question mark if anything of it has no ASCII form. */
static int add_decomposed(struct buffer *b, const uint8_t *bytes, size_t size)
{
    size_t n = 0, start = b->size;
    uint8_t *parts = u8_normalize(UNINORM_NFKD, bytes, size, NULL, &n);

    if (!parts)
        return -ENOMEM;
    for (size_t i = 0; i < n;) {
        ucs4_t c;
        i += (size_t)u8_mbtouc_unsafe(&c, parts + i, n - i);
        const char *ascii = ascii_of(c, false);
        if (c < 0x80) {
            buffer_add(b, &(char){(char)c}, 1);
        } else if (ascii) {
            buffer_add_text(b, ascii);
        } else if (!is_mark(c)) {
            b->size = start;
            buffer_add_text(b, "?");
            break;
        }
    }
    free(parts);
    return 0;
}

char *text_to_ascii(const char *text, bool german)
{
    CLEANUP(freep) char *composed = NULL;
    CLEANUP(buffer_done) struct buffer b = {0};
    size_t size = strlen(text), n = 0;

    if (is_ascii(text, size))
        return strdup(text);
    if (!text_is_utf8(text, size))
        return NULL;
    /* Composed first: an umlaut may have come as a letter and a mark. */
    composed = (char *)u8_normalize(UNINORM_NFC, (const uint8_t *)text, size, NULL, &n);
    if (!composed)
        return NULL;
    for (const uint8_t *p = (const uint8_t *)composed, *end = p + n; p < end;) {
        ucs4_t c;
        size_t length = (size_t)u8_mbtouc_unsafe(&c, p, (size_t)(end - p));
        const char *ascii = ascii_of(c, german);
        if (c < 0x80)
            buffer_add(&b, p, 1);
        else if (ascii)
            buffer_add_text(&b, ascii);
        else if (add_decomposed(&b, p, length) < 0)
            return NULL;
        p += length;
    }
    return buffer_take(&b);
}
