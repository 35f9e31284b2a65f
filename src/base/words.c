/*
 * A peer that was sent a secret may repeat it, in an encoding that nobody has thought of. So it
 * is not asked how a secret may be written, but what a sentence for people looks like: words of
 * at least three letters in one case, with a vowel where they are part of something longer, and
 * some short ones between blanks. Random bytes are mostly not that, in whatever way they are
 * written.
 */
#include "config.h"

#include "base/words.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/memory.h"

#define ELLIPSIS       "\xE2\x80\xA6"
#define FEWEST_LETTERS 3
#define LONE_LETTERS   5                    /* of a word that is not part of another: HTTP */
#define UNUSUAL        "!#$%&*+;<=>?^`|~\\" /* within a word */

enum letter {
    LETTER_NONE,
    LETTER_LOWER,
    LETTER_UPPER,
    LETTER_OTHER, /* of a script without cases, or beyond ASCII */
    LETTER_DIGIT,
    LETTER_ODD, /* a form of another character, as full-width letters are */
};

static enum letter class_of(ucs4_t c)
{
    ucs4_t decomposed[UC_DECOMPOSITION_MAX_LENGTH];
    int tag = UC_DECOMP_CANONICAL;
    if (c < 0x80)
        return isdigit((int)c)   ? LETTER_DIGIT
               : islower((int)c) ? LETTER_LOWER
               : isupper((int)c) ? LETTER_UPPER
                                 : LETTER_NONE;
    if (uc_decomposition(c, &tag, decomposed) > 0 && tag != UC_DECOMP_CANONICAL)
        return LETTER_ODD;
    bool mark = uc_is_general_category(c, UC_CATEGORY_M); /* an accent, a tone */
    return mark || uc_is_property_alphabetic(c) ? LETTER_OTHER : LETTER_NONE;
}

/* The next character, and how many bytes it has. */
static size_t next(const char *at, const char *end, enum letter *ret)
{
    ucs4_t c = 0;
    int n = at < end ? u8_mbtouc(&c, (const uint8_t *)at, (size_t)(end - at)) : 0;
    *ret = n > 0 ? class_of(c) : LETTER_NONE;
    return n > 0 ? (size_t)n : 0;
}

static bool is_letter(enum letter l)
{
    return l == LETTER_LOWER || l == LETTER_UPPER || l == LETTER_OTHER;
}

struct piece {
    size_t bytes, letters;
    bool vowel, upper; /* upper: all of it */
};

/* The letters from here that belong together: Like, this, or THIS. */
static struct piece piece_at(const char *at, const char *end)
{
    struct piece p = {.upper = true};
    enum letter first, now, before = LETTER_NONE;
    next(at, end, &first);
    for (;;) {
        size_t n = next(at + p.bytes, end, &now);
        if (!is_letter(now) || (p.letters > 0 && now == LETTER_UPPER && before != LETTER_UPPER))
            break;
        if (p.letters > 1 && first == LETTER_UPPER && before == LETTER_UPPER &&
            now == LETTER_LOWER) { /* HTMLPage: the last one is the next piece's */
            p.bytes--;
            p.letters--;
            break;
        }
        p.vowel |= now == LETTER_OTHER || strchr("aeiouyAEIOUY", at[p.bytes]);
        p.bytes += n;
        p.letters++;
        p.upper &= now == LETTER_UPPER;
        before = now;
    }
    return p;
}

/* How many characters of it are in no word of a language. */
static size_t count_odd(const char *word, const char *end)
{
    size_t n_odd = 0;
    bool after_digit = false, after_letter = false;
    const char *first = word, *last = end;
    while (first < last && ispunct((unsigned char)*first))
        first++;
    while (last > first && ispunct((unsigned char)last[-1]))
        last--;
    for (const char *at = first; at < last;) {
        enum letter l, beside;
        size_t n = next(at, last, &l);
        if (!is_letter(l)) {
            n_odd += l == LETTER_DIGIT || l == LETTER_ODD || strchr(UNUSUAL, *at);
            after_digit = l == LETTER_DIGIT;
            after_letter = false;
            at += n;
            continue;
        }
        struct piece p = piece_at(at, last);
        next(at + p.bytes, last, &beside);
        bool lone = at == first && at + p.bytes == last && p.letters <= LONE_LETTERS;
        bool apart = !after_digit && beside != LETTER_DIGIT &&
                     !(p.upper && (after_letter || is_letter(beside)));
        if (!lone && (p.letters < FEWEST_LETTERS || !p.vowel || !apart))
            n_odd += p.letters;
        after_digit = false;
        after_letter = true;
        at += p.bytes;
    }
    return n_odd;
}

/* As it is, or without what stands around it. */
static bool is_known(const char *word, size_t n, const char *known)
{
    while (n && ispunct((unsigned char)*word)) {
        word++;
        n--;
    }
    while (n && ispunct((unsigned char)word[n - 1]))
        n--;
    return known && strlen(known) == n && strncasecmp(word, known, n) == 0;
}

typedef void word_fn(const char *word, size_t n, size_t n_odd, void *userdata);

static void each_word(const char *text, const char *known, word_fn *fn, void *userdata)
{
    while (*text) {
        size_t blanks = strspn(text, " "), n = strcspn(text + blanks, " ");
        const char *word = text + blanks;
        if (n)
            fn(word, n, is_known(word, n, known) ? 0 : count_odd(word, word + n), userdata);
        text = word + n;
    }
}

static void add_odd(const char *word, size_t n, size_t n_odd, void *userdata)
{
    (void)word, (void)n;
    *(size_t *)userdata += n_odd;
}

struct kept {
    char *text;
    size_t used, size;
    bool after_ellipsis;
};

static void keep(const char *word, size_t n, size_t n_odd, void *userdata)
{
    struct kept *k = userdata;
    const char *shown = n_odd ? ELLIPSIS : word;
    size_t length = n_odd ? sizeof(ELLIPSIS) - 1 : n;
    if ((n_odd && k->after_ellipsis) || k->used + length + 2 > k->size)
        return;
    if (k->used)
        k->text[k->used++] = ' ';
    memcpy(k->text + k->used, shown, length);
    k->used += length;
    k->after_ellipsis = n_odd;
}

void words_keep(char *text, size_t size, const char *known, size_t most)
{
    size_t n_odd = 0;
    each_word(text, known, add_odd, &n_odd);
    if (n_odd <= most)
        return;
    CLEANUP(freep) char *copy = strdup(text);
    struct kept k = {.text = text, .size = size};
    if (copy)
        each_word(copy, known, keep, &k);
    text[k.used] = '\0';
}
