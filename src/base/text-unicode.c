/*
 * Text as Unicode: the form in which people and the tenant may take two texts for one, and
 * case. How a directory compares is the matter of text-prepare.c.
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

bool text_is_visible(const char *text)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    while (p < end) {
        ucs4_t c;
        p += u8_mbtouc_unsafe(&c, p, (size_t)(end - p));
        c = map_character(c);
        if (c != ' ' && c != DROP && !uc_is_property_default_ignorable_code_point(c))
            return true;
    }
    return false;
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

/* The next character of what fold_ascii() makes of it; NUL: there is none. */
static char next_folded(const char **text, bool *begun)
{
    bool blank = false;

    for (; **text; ++*text) {
        ucs4_t c = map_character((unsigned char)**text);
        if (c == ' ')
            blank = *begun;
        if (c == ' ' || c == DROP)
            continue;
        if (blank)
            return ' ';
        *begun = true;
        ++*text;
        return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    return '\0';
}

/* Without memory, which may be short: whoever is protected by name is so then, too. */
static bool equal_fold_ascii(const char *a, const char *b)
{
    bool a_begun = false, b_begun = false;
    char c;

    do {
        c = next_folded(&a, &a_begun);
        if (c != next_folded(&b, &b_begun))
            return false;
    } while (c);
    return true;
}

bool text_equal_fold(const char *a, const char *b)
{
    CLEANUP(freep) char *folded_a = NULL;
    CLEANUP(freep) char *folded_b = NULL;

    if (!a || !b)
        return a == b;
    if (is_ascii(a, strlen(a)) && is_ascii(b, strlen(b)))
        return equal_fold_ascii(a, b);
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

/* One letter for one, as the shell does it: "ß" stays, and nothing falls apart into a letter and
 * a mark, since the text is composed before and after. */
static char *change_case(const char *text, ucs4_t (*change)(ucs4_t), char first, int shift)
{
    size_t size = strlen(text), n_composed = 0, n = 0, used = 0;

    if (is_ascii(text, size)) {
        char *copy = strdup(text);
        for (char *p = copy; p && *p; p++)
            if (*p >= first && *p <= first + 25)
                *p = (char)(*p + shift);
        return copy;
    }
    if (!text_is_utf8(text, size))
        return NULL;
    CLEANUP(freep)
    char *composed =
        (char *)u8_normalize(UNINORM_NFC, (const uint8_t *)text, size, NULL, &n_composed);
    size_t room = 4 * n_composed + 8; /* no character has more than four bytes */
    CLEANUP(freep) char *changed = composed ? malloc(room) : NULL;
    if (!changed)
        return NULL;
    const uint8_t *p = (const uint8_t *)composed, *end = p + n_composed;
    while (p < end) {
        ucs4_t c;
        p += u8_mbtouc_unsafe(&c, p, (size_t)(end - p));
        used += (size_t)u8_uctomb((uint8_t *)changed + used, change(c), (ptrdiff_t)(room - used));
    }
    uint8_t *result = u8_normalize(UNINORM_NFC, (const uint8_t *)changed, used, NULL, &n);
    return terminate(result, n);
}

char *text_lower(const char *text)
{
    return change_case(text, uc_tolower, 'A', 'a' - 'A');
}

char *text_upper(const char *text)
{
    return change_case(text, uc_toupper, 'a', 'A' - 'a');
}

const char *text_unseen(uint32_t character)
{
    if (character < 0x80)
        return NULL;
    if (uc_is_general_category(character, UC_CATEGORY_Zs))
        return "a blank that is not the usual one";
    return uc_is_property_default_ignorable_code_point(character) ? "an invisible character" : NULL;
}
