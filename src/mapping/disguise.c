/*
 * Which word stands for which depends on their order alone and on nothing that is in them: from
 * the other word nothing but length and kind of letters can be told.
 */
#include "config.h"

#include "mapping/disguise.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <unistr.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

/* Letters that take the place of others of their script. */
static const struct {
    ucs4_t first, last;
    const char *letters;
} scripts[] = {
    {'0', '9', "0123456789"},
    {'a', 'z', "abcdefghijklmnopqrstuvwxyz"},
    {0x0370, 0x03FF, "αβγδεζηθικλμνξοπρστυφχψω"},
    {0x0400, 0x052F, "абвгдежзиклмнопрстуфхцчшщыэюя"},
    {0x0590, 0x05FF, "אבגדהוזחטיכלמנסעפצקרשת"},
    {0x0600, 0x06FF, "ابتثجحدرزسشصطعغفقكلمنهوي"},
    {0x3040, 0x309F, "あいうえおかきくけこさしすせそたちつてとなにぬねの"},
    {0x30A0, 0x30FF, "アイウエオカキクケコサシスセソタチツテトナニヌネノ"},
    {0x3400, 0x9FFF, "山川木林森田石水火金土花草竹米貝車門雨雪"},
    {0xAC00, 0xD7AF, "가나다라마바사아자차카타파하"},
    {0, 0x10FFFF, "àáâãèéêìíîòóôõùúûý"}, /* whatever else is a letter */
};

void disguise_done(struct disguise *d)
{
    for (size_t i = 0; i < d->n_words; i++) {
        free(d->words[i].plain);
        free(d->words[i].other);
    }
    free(d->words);
    *d = (struct disguise){0};
}

/* The character at `at` and its bytes; 0 at the end. What is no UTF-8 is one byte of no word. */
static size_t next(const char *at, ucs4_t *ret)
{
    size_t size = strnlen(at, 6);
    int n = size ? u8_mbtouc(ret, (const uint8_t *)at, size) : 0;

    return n > 0 ? (size_t)n : 0;
}

static bool is_letter(ucs4_t c)
{
    return uc_is_alnum(c) || uc_is_general_category(c, UC_CATEGORY_M);
}

/* Bytes of the word, or of what is none, that begins here. */
static size_t span(const char *at, bool letters)
{
    ucs4_t c;
    size_t size = 0, n;

    while ((n = next(at + size, &c)) && is_letter(c) == letters)
        size += n;
    return size;
}

static void add_letter(struct buffer *b, ucs4_t c)
{
    uint8_t bytes[6];
    int n = u8_uctomb(bytes, c, sizeof(bytes));

    if (n > 0)
        buffer_add(b, bytes, (size_t)n);
}

/* In lower case, letter by letter, so that their number stays. Malloc'd. */
static char *lower(const char *text, size_t size)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    ucs4_t c;

    for (size_t at = 0, n; at < size && (n = next(text + at, &c)); at += n)
        add_letter(&b, uc_tolower(c));
    return buffer_take(&b);
}

static const struct disguise_word *find(const struct disguise *d, const char *plain)
{
    for (size_t i = 0; i < d->n_words; i++)
        if (text_equal(d->words[i].plain, plain))
            return &d->words[i];
    return NULL;
}

static unsigned draw(struct disguise *d)
{
    d->seed = d->seed * 1103515245U + 12345U;
    return d->seed >> 16 & 0x7fff;
}

static void add_other(struct disguise *d, struct buffer *b, ucs4_t c)
{
    size_t s = 0;

    while (c < scripts[s].first || c > scripts[s].last)
        s++;
    const char *letters = scripts[s].letters;
    size_t n = u8_mbsnlen((const uint8_t *)letters, strlen(letters));
    for (size_t skip = draw(d) % n; skip > 0; skip--) {
        ucs4_t unused;
        letters += next(letters, &unused);
    }
    ucs4_t other;
    (void)next(letters, &other);
    add_letter(b, other);
}

static bool is_taken(const struct disguise *d, const char *other)
{
    for (size_t i = 0; i < d->n_words; i++)
        if (text_equal(d->words[i].other, other) || text_equal(d->words[i].plain, other))
            return true;
    return false;
}

#define DRAWS 50

/* Another word of its shape, of nobody else's if there is one: "7" has few to choose from. */
static char *make_other(struct disguise *d, const char *plain)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    ucs4_t c;

    for (unsigned tries = 0; tries < DRAWS; tries++) {
        buffer_clear(&b);
        for (size_t at = 0, n; (n = next(plain + at, &c)); at += n)
            add_other(d, &b, c);
        if (b.failed || (!text_equal(b.data, plain) && !is_taken(d, b.data)))
            break;
    }
    return buffer_take(&b);
}

static int learn_word(struct disguise *d, const char *word, size_t size)
{
    CLEANUP(freep) char *plain = lower(word, size);

    if (!plain || memory_grow(&d->words, &d->capacity, d->n_words + 1, sizeof(*d->words)) < 0)
        return -ENOMEM;
    if (find(d, plain))
        return 0;
    CLEANUP(freep) char *other = make_other(d, plain);
    if (!other)
        return -ENOMEM;
    d->words[d->n_words++] =
        (struct disguise_word){.plain = TAKE(plain), .other = TAKE(other), .active = true};
    return 0;
}

int disguise_learn(struct disguise *d, const char *text)
{
    while (*text) {
        text += span(text, false);
        size_t size = span(text, true);
        int r = size ? learn_word(d, text, size) : 0;
        if (r < 0)
            return r;
        if (size == 0 && *text)
            text++;
        text += size;
    }
    return 0;
}

static void add_word(struct buffer *b, const char *word, size_t size, const struct disguise_word *w)
{
    const char *other = w->other;
    unsigned i = 0;
    ucs4_t c, o = 0;

    for (size_t at = 0, n; at < size && (n = next(word + at, &c)); at += n, i++) {
        bool kept = i < 64 && (w->kept >> i & 1);
        other += next(other, &o);
        add_letter(b, kept ? c : uc_is_upper(c) ? uc_toupper(o) : o);
    }
}

char *disguise_apply(const struct disguise *d, const char *text)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    while (*text) {
        size_t between = span(text, false);
        buffer_add(&b, text, between);
        text += between;
        size_t size = span(text, true);
        CLEANUP(freep) char *plain = lower(text, size);
        const struct disguise_word *w = plain ? find(d, plain) : NULL;
        b.failed = b.failed || !plain;
        if (w && w->active)
            add_word(&b, text, size, w);
        else
            buffer_add(&b, text, size);
        if (size == 0 && *text)
            buffer_add(&b, text++, 1);
        text += size;
    }
    return buffer_take(&b);
}
