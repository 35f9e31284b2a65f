/*
 * ASCII for logins: letters of the Latin script by a table and their decompositions, Cyrillic as
 * in passports (ICAO Doc 9303, part 3), Greek by ELOT 743, Georgian and Armenian letter by
 * letter without apostrophes. What no small table can read (Han, kana, Arabic, Hebrew and more)
 * becomes a question mark, for the caller to refuse. Marks and invisible characters go.
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

/* Letters that a decomposition leaves whole, and punctuation in names. Sorted by code point. */
static const struct letter {
    ucs4_t character;
    char ascii[5];
} letters[] = {
    /* clang-format off */
    {0x00ab, "\""}, {0x00b4, "'"}, {0x00b7, "."},  {0x00bb, "\""}, {0x00c6, "AE"}, {0x00d0, "D"},
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
    {0x025b, "e"},  {0x0260, "g"},  {0x0268, "i"},  {0x0272, "n"},  {0x02b9, "'"},  {0x02bb, "'"},
    {0x02bc, "'"},  {0x02be, "'"},  {0x02bf, "'"},  {0x1e9e, "SS"}, {0x2010, "-"},  {0x2011, "-"},  {0x2012, "-"},
    {0x2013, "-"},  {0x2014, "-"},  {0x2018, "'"},  {0x2019, "'"},  {0x201a, "'"},
    {0x201c, "\""}, {0x201d, "\""}, {0x201e, "\""}, {0x2212, "-"},
    /* clang-format on */
};

static const struct letter umlauts[] = {
    {0xc4, "Ae"}, {0xd6, "Oe"}, {0xdc, "Ue"}, {0xe4, "ae"}, {0xf6, "oe"}, {0xfc, "ue"},
};

/* Small letters of other scripts, sorted; capitals follow from them. */
static const struct letter foreign[] = {
    /* clang-format off */
    {0x03b1, "a"}, {0x03b2, "v"}, {0x03b3, "g"}, {0x03b4, "d"}, {0x03b5, "e"}, {0x03b6, "z"},
    {0x03b7, "i"}, {0x03b8, "th"}, {0x03b9, "i"}, {0x03ba, "k"}, {0x03bb, "l"}, {0x03bc, "m"},
    {0x03bd, "n"}, {0x03be, "x"}, {0x03bf, "o"}, {0x03c0, "p"}, {0x03c1, "r"}, {0x03c2, "s"},
    {0x03c3, "s"}, {0x03c4, "t"}, {0x03c5, "y"}, {0x03c6, "f"}, {0x03c7, "ch"}, {0x03c8, "ps"},
    {0x03c9, "o"}, {0x0430, "a"}, {0x0431, "b"}, {0x0432, "v"}, {0x0433, "g"}, {0x0434, "d"},
    {0x0435, "e"}, {0x0436, "zh"}, {0x0437, "z"}, {0x0438, "i"}, {0x0439, "i"}, {0x043a, "k"},
    {0x043b, "l"}, {0x043c, "m"}, {0x043d, "n"}, {0x043e, "o"}, {0x043f, "p"}, {0x0440, "r"},
    {0x0441, "s"}, {0x0442, "t"}, {0x0443, "u"}, {0x0444, "f"}, {0x0445, "kh"}, {0x0446, "ts"},
    {0x0447, "ch"}, {0x0448, "sh"}, {0x0449, "shch"}, {0x044a, "ie"}, {0x044b, "y"},
    {0x044c, ""}, {0x044d, "e"}, {0x044e, "iu"}, {0x044f, "ia"}, {0x0450, "e"}, {0x0451, "e"},
    {0x0452, "d"}, {0x0453, "g"}, {0x0454, "ie"}, {0x0455, "dz"}, {0x0456, "i"}, {0x0457, "i"},
    {0x0458, "j"}, {0x0459, "lj"}, {0x045a, "nj"}, {0x045b, "c"}, {0x045c, "k"}, {0x045d, "i"},
    {0x045e, "u"}, {0x045f, "dz"}, {0x0491, "g"}, {0x0493, "gh"}, {0x049b, "q"}, {0x04a3, "n"},
    {0x04af, "u"}, {0x04b1, "u"}, {0x04b3, "h"}, {0x04b7, "ch"}, {0x04bb, "h"}, {0x04d9, "a"},
    {0x04e9, "o"}, {0x0561, "a"}, {0x0562, "b"}, {0x0563, "g"}, {0x0564, "d"}, {0x0565, "e"},
    {0x0566, "z"}, {0x0567, "e"}, {0x0568, "y"}, {0x0569, "t"}, {0x056a, "zh"}, {0x056b, "i"},
    {0x056c, "l"}, {0x056d, "kh"}, {0x056e, "ts"}, {0x056f, "k"}, {0x0570, "h"}, {0x0571, "dz"},
    {0x0572, "gh"}, {0x0573, "ch"}, {0x0574, "m"}, {0x0575, "y"}, {0x0576, "n"}, {0x0577, "sh"},
    {0x0578, "o"}, {0x0579, "ch"}, {0x057a, "p"}, {0x057b, "j"}, {0x057c, "r"}, {0x057d, "s"},
    {0x057e, "v"}, {0x057f, "t"}, {0x0580, "r"}, {0x0581, "ts"}, {0x0582, "v"}, {0x0583, "p"},
    {0x0584, "k"}, {0x0585, "o"}, {0x0586, "f"}, {0x0587, "ev"}, {0x10d0, "a"}, {0x10d1, "b"},
    {0x10d2, "g"}, {0x10d3, "d"}, {0x10d4, "e"}, {0x10d5, "v"}, {0x10d6, "z"}, {0x10d7, "t"},
    {0x10d8, "i"}, {0x10d9, "k"}, {0x10da, "l"}, {0x10db, "m"}, {0x10dc, "n"}, {0x10dd, "o"},
    {0x10de, "p"}, {0x10df, "zh"}, {0x10e0, "r"}, {0x10e1, "s"}, {0x10e2, "t"}, {0x10e3, "u"},
    {0x10e4, "p"}, {0x10e5, "k"}, {0x10e6, "gh"}, {0x10e7, "q"}, {0x10e8, "sh"}, {0x10e9, "ch"},
    {0x10ea, "ts"}, {0x10eb, "dz"}, {0x10ec, "ts"}, {0x10ed, "ch"}, {0x10ee, "kh"},
    {0x10ef, "j"}, {0x10f0, "h"},
    /* clang-format on */
};

struct letters_of {
    ucs4_t *codes; /* composed */
    size_t n, at;
};

static const char *find(const struct letter *sorted, size_t n, ucs4_t c)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sorted[middle].character == c)
            return sorted[middle].ascii;
        if (sorted[middle].character < c)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const char *latin(ucs4_t c, bool german)
{
    for (size_t i = 0; german && i < ARRAY_SIZE(umlauts); i++)
        if (umlauts[i].character == c)
            return umlauts[i].ascii;
    return find(letters, ARRAY_SIZE(letters), c);
}

static const char *other(ucs4_t small)
{
    return find(foreign, ARRAY_SIZE(foreign), small);
}

/* The small letter without its marks; *ret_marks says which of interest it had. */
enum { MARK_ACCENT = 1, MARK_DIAERESIS = 2 };
static ucs4_t bare(const struct letters_of *l, size_t at, unsigned *ret_marks)
{
    ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH], c = at < l->n ? l->codes[at] : 0;
    *ret_marks = 0;
    for (;;) {
        int tag, n = uc_decomposition(c, &tag, parts);
        if (n < 1 || tag != UC_DECOMP_CANONICAL)
            return uc_tolower(c);
        for (int i = 1; i < n; i++)
            *ret_marks |= parts[i] == 0x301 ? MARK_ACCENT : parts[i] == 0x308 ? MARK_DIAERESIS : 0;
        c = parts[0];
    }
}

static bool is_one_of(ucs4_t c, const ucs4_t *set)
{
    for (; *set; set++)
        if (*set == c)
            return true;
    return false;
}

static bool at_start_of_word(const struct letters_of *l)
{
    return l->at == 0 || !uc_is_property_alphabetic(l->codes[l->at - 1]);
}

/* Two letters that are read as one, of Greek (ELOT 743) and Armenian; or NULL. */
static const char *pair_of(const struct letters_of *l)
{
    /* Before these the second half of "αυ" is a v, else an f. */
    static const ucs4_t voiced[] = {0x3b1, 0x3b2, 0x3b3, 0x3b4, 0x3b5, 0x3b6, 0x3b7, 0x3b9,
                                    0x3bb, 0x3bc, 0x3bd, 0x3bf, 0x3c1, 0x3c5, 0x3c9, 0};
    unsigned marks, marks_next, ignored;
    ucs4_t c = bare(l, l->at, &marks), next = bare(l, l->at + 1, &marks_next);
    if (c == 0x578 && next == 0x582)
        return "u";
    if (c == 0x3b3) /* gamma before gamma, xi, chi */
        return next == 0x3b3 ? "ng" : next == 0x3be ? "nx" : next == 0x3c7 ? "nch" : NULL;
    if (c == 0x3bc && next == 0x3c0)
        return at_start_of_word(l) ? "b" : NULL;
    if (next != 0x3c5 || marks & MARK_ACCENT || marks_next & MARK_DIAERESIS)
        return NULL;
    if (c == 0x3bf)
        return "ou";
    bool v = is_one_of(bare(l, l->at + 2, &ignored), voiced);
    return c == 0x3b1   ? (v ? "av" : "af")
           : c == 0x3b5 ? (v ? "ev" : "ef")
           : c == 0x3b7 ? (v ? "iv" : "if")
                        : NULL;
}

/* As a capital where the letter was one; all of it in a word of capitals. */
static void add_cased(struct buffer *b, const char *ascii, const struct letters_of *l,
                      size_t n_letters)
{
    ucs4_t c = l->codes[l->at], next = l->at + n_letters < l->n ? l->codes[l->at + n_letters] : 0;
    bool capital = uc_tolower(c) != c && uc_is_general_category(c, UC_CATEGORY_Lu);
    bool all =
        capital &&
        ((next && uc_is_general_category(next, UC_CATEGORY_Lu)) ||
         (!next && l->at > 0 && uc_is_general_category(l->codes[l->at - 1], UC_CATEGORY_Lu)));
    for (size_t i = 0; ascii[i]; i++) {
        char out = ascii[i];
        if ((i == 0 ? capital : all) && out >= 'a' && out <= 'z')
            out = (char)(out - ('a' - 'A'));
        buffer_add(b, &out, 1);
    }
}

/* What a compatibility decomposition gives, without its marks; one question mark if anything of
 * it has no ASCII form. A blank that was none before (that of "´") is left out. */
static int add_decomposed(struct buffer *b, ucs4_t character)
{
    uint8_t bytes[6];
    size_t n = 0, start = b->size;
    int size = u8_uctomb(bytes, character, sizeof(bytes));
    uint8_t *parts = u8_normalize(UNINORM_NFKD, bytes, size > 0 ? (size_t)size : 0, NULL, &n);
    bool is_blank = uc_is_general_category(character, UC_CATEGORY_Zs);

    if (!parts)
        return -ENOMEM;
    for (size_t i = 0; i < n;) {
        ucs4_t c;
        i += (size_t)u8_mbtouc_unsafe(&c, parts + i, n - i);
        const char *ascii = latin(c, false);
        if (c < 0x80) {
            if (c != ' ' || is_blank)
                buffer_add(b, &(char){(char)c}, 1);
        } else if (ascii) {
            buffer_add_text(b, ascii);
        } else if (!uc_is_general_category(c, UC_CATEGORY_M)) {
            b->size = start;
            buffer_add_text(b, "?");
            break;
        }
    }
    free(parts);
    return 0;
}

/* The letter at l->at, or two. */
static int add_letter(struct buffer *b, struct letters_of *l, bool german)
{
    ucs4_t c = l->codes[l->at];
    unsigned marks;
    const char *ascii = c < 0x80 ? NULL : pair_of(l);
    if (c < 0x80) {
        buffer_add(b, &(char){(char)c}, 1);
    } else if (ascii) {
        add_cased(b, ascii, l, 2);
        l->at++;
    } else if ((ascii = latin(c, german))) {
        buffer_add_text(b, ascii);
    } else if (uc_is_property_default_ignorable_code_point(c)) {
        ascii = ""; /* invisible: soft hyphen, joiners, variation selectors */
    } else if ((ascii = other(uc_tolower(c))) || (ascii = other(bare(l, l->at, &marks)))) {
        add_cased(b, ascii, l, 1);
    } else if (add_decomposed(b, c) < 0) {
        return -ENOMEM;
    }
    l->at++;
    return 0;
}

char *text_to_ascii(const char *text, bool german)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    struct letters_of l = {0};
    size_t size = strlen(text), n = 0;

    if (!text_is_utf8(text, size))
        return NULL;
    /* Composed first: an umlaut may have come as a letter and a mark. */
    CLEANUP(freep)
    char *composed = (char *)u8_normalize(UNINORM_NFC, (const uint8_t *)text, size, NULL, &n);
    CLEANUP(freep)
    char *codes = composed ? (char *)u8_to_u32((uint8_t *)composed, n, NULL, &l.n) : NULL;
    if (!codes)
        return size == 0 ? strdup("") : NULL;
    l.codes = (ucs4_t *)(void *)codes;
    while (l.at < l.n)
        if (add_letter(&b, &l, german) < 0)
            return NULL;
    return buffer_take(&b);
}
