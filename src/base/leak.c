/*
 * Secrets in texts of others. Both sides are brought to the same plain form, and compared
 * there: the escapes that people's programs know are undone until none is left, blanks are
 * dropped. Runs of letters that may be hexadecimal, base32 or base64 are decoded at every
 * alignment and looked through in the same way. It may find a secret where there is none (a
 * text with the same ten characters in a row); then a sentence is lost, which is the better
 * mistake.
 */
#include "config.h"

#include "base/leak.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/escapes.h"
#include "base/memory.h"

#define TELLING_PART 10 /* so many characters of a secret in a row */
#define TELLING_HEAD 6  /* or so many of its first ones, where the text was cut */
#define HALF_ESCAPE  8
#define CODED_MIN    8 /* shorter runs hide nothing worth it */
#define DEPTH_MAX    3 /* base64 in base64 in base64 */
#define PASSES_MAX   8 /* escapes in escapes */

static void bytes_done(struct escaped *b)
{
    if (b->data)
        explicit_bzero(b->data, b->size);
    free(b->data);
}

static void drop_blanks(struct escaped *b)
{
    size_t used = 0;
    for (size_t i = 0; i < b->size; i++)
        if ((unsigned char)b->data[i] > ' ' && b->data[i] != 0x7f)
            b->data[used++] = b->data[i];
    b->size = used;
}

/* Letters and digits alone, as where "5a:71:37", "0x5a, 0x71" or "a-b-c" is written. */
static void squeeze(struct escaped *b)
{
    size_t used = 0;
    for (size_t i = 0; i < b->size; i++) {
        if (b->data[i] == '0' && i + 1 < b->size && tolower((unsigned char)b->data[i + 1]) == 'x')
            i++;
        else if (isalnum((unsigned char)b->data[i]))
            b->data[used++] = b->data[i];
    }
    b->size = used;
}

/* Malloc'd; NULL when there is no memory, which then counts as a secret found. */
static char *copy_bytes(const char *data, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy) {
        memcpy(copy, data, size);
        copy[size] = '\0';
    }
    return copy;
}

/* -- comparing -- */

/* One form of the secret, lower case. `seen` has a bit for the hash of each of its parts, so
 * that a text is compared in one pass however long the secret is. */
struct needle {
    char *text;
    size_t size, part;
    unsigned char seen[1 << 13];
};

struct needles {
    struct needle forms[6]; /* as it is, plain, plain as in mail, squeezed, reversed, by rot13 */
};

static void needles_done(struct needles *k)
{
    for (size_t i = 0; i < ARRAY_SIZE(k->forms); i++) {
        if (k->forms[i].text)
            explicit_bzero(k->forms[i].text, k->forms[i].size);
        free(k->forms[i].text);
    }
}

/* A blank of a form is a plus: neither counts. */
static size_t comparable(const struct escaped *b, char *to)
{
    size_t n = 0;
    for (size_t i = 0; i < b->size; i++)
        if (b->data[i] != '+')
            to[n++] = (char)tolower((unsigned char)b->data[i]);
    return n;
}

static unsigned hash(const char *at, size_t n)
{
    unsigned h = 2166136261U;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)at[i]) * 16777619U;
    return (h ^ h >> 16) & 0xffff;
}

static bool needle_make(struct needle *k, const struct escaped *secret)
{
    k->text = malloc(secret->size + 1);
    if (!k->text)
        return false;
    k->size = comparable(secret, k->text);
    k->part = k->size < TELLING_PART ? k->size : TELLING_PART;
    for (size_t i = 0; k->part && i + k->part <= k->size; i++) {
        unsigned h = hash(k->text + i, k->part);
        k->seen[h >> 3] |= (unsigned char)(1U << (h & 7));
    }
    return true;
}

static bool has_part(const struct needle *k, const char *text, size_t n)
{
    for (size_t i = 0; i + k->part <= n; i++) {
        unsigned h = hash(text + i, k->part);
        if (k->seen[h >> 3] & 1U << (h & 7) && memmem(k->text, k->size, text + i, k->part))
            return true;
    }
    return false;
}

/* The last characters may be half an escape. */
static bool ends_with_head(const struct needle *k, const char *text, size_t n)
{
    if (k->size < TELLING_HEAD)
        return false;
    for (size_t i = n > TELLING_PART + HALF_ESCAPE ? n - TELLING_PART - HALF_ESCAPE : 0;
         i + TELLING_HEAD <= n; i++)
        if (!memcmp(text + i, k->text, TELLING_HEAD))
            return true;
    return false;
}

static bool compare(const struct escaped *text, bool cut, const struct needles *secret)
{
    CLEANUP(bytes_done) struct escaped t = {malloc(text->size + 1), text->size};
    if (!t.data)
        return true;
    size_t n = comparable(text, t.data);
    for (size_t i = 0; i < ARRAY_SIZE(secret->forms); i++) {
        const struct needle *k = &secret->forms[i];
        if (k->size && (has_part(k, t.data, n) || (cut && ends_with_head(k, t.data, n))))
            return true;
    }
    return false;
}

/* -- codes -- */

struct code {
    unsigned bits;  /* that a character stands for */
    unsigned align; /* characters after which bytes begin anew */
};

static const struct code codes[] = {{4, 2}, {5, 8}, {6, 4}};

static int code_value(const struct code *k, char c)
{
    if (k->bits == 4)
        return escapes_hex(c);
    if (k->bits == 5) {
        if (isalpha((unsigned char)c))
            return tolower((unsigned char)c) - 'a';
        return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
    }
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static size_t decode(const struct code *k, const char *run, size_t n, char *to)
{
    unsigned held = 0, n_bits = 0;
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        held = held << k->bits | (unsigned)code_value(k, run[i]);
        n_bits += k->bits;
        if (n_bits >= 8) {
            n_bits -= 8;
            to[used++] = (char)(held >> n_bits & 0xff);
        }
    }
    return used;
}

static bool shows(const char *data, size_t size, bool cut, const struct needles *secret,
                  unsigned depth);

static bool run_shows(const struct code *k, const char *run, size_t n, bool cut,
                      const struct needles *secret, unsigned depth)
{
    CLEANUP(bytes_done) struct escaped b = {malloc(n + 1), n};
    if (!b.data)
        return true;
    for (unsigned skip = 0; skip < k->align && skip < n; skip++) {
        size_t size = decode(k, run + skip, n - skip, b.data);
        if (shows(b.data, size, cut, secret, depth + 1))
            return true;
    }
    return false;
}

static bool codes_show(const struct escaped *b, bool cut, const struct needles *secret,
                       unsigned depth)
{
    if (depth >= DEPTH_MAX)
        return false;
    for (size_t k = 0; k < ARRAY_SIZE(codes); k++)
        for (size_t i = 0; i < b->size;) {
            size_t n = 0;
            while (i + n < b->size && code_value(&codes[k], b->data[i + n]) >= 0)
                n++;
            if (n >= CODED_MIN &&
                run_shows(&codes[k], b->data + i, n, cut && i + n == b->size, secret, depth))
                return true;
            i += n ? n : 1;
        }
    return false;
}

/* -- all of it -- */

static bool look(const struct escaped *b, bool cut, const struct needles *secret, unsigned depth)
{
    return compare(b, cut, secret) || codes_show(b, cut, secret, depth);
}

/* With mail's escapes undone too, or not: "=ab" is one there, and a value behind its name
 * elsewhere. */
static bool shows_plain(const char *data, size_t size, bool mail, bool cut,
                        const struct needles *secret, unsigned depth)
{
    CLEANUP(bytes_done) struct escaped b = {copy_bytes(data, size), size};
    if (!b.data)
        return true;
    drop_blanks(&b);
    bool found = look(&b, cut, secret, depth);
    for (unsigned i = 0; !found && i < PASSES_MAX && escapes_undo(&b, mail); i++) {
        drop_blanks(&b);
        found = look(&b, cut, secret, depth);
    }
    return found;
}

static bool shows_squeezed(const char *data, size_t size, bool cut, const struct needles *secret)
{
    CLEANUP(bytes_done) struct escaped b = {copy_bytes(data, size), size};
    if (!b.data)
        return true;
    squeeze(&b);
    return look(&b, cut, secret, 0);
}

static bool shows(const char *data, size_t size, bool cut, const struct needles *secret,
                  unsigned depth)
{
    return (depth == 0 && shows_squeezed(data, size, cut, secret)) ||
           shows_plain(data, size, false, cut, secret, depth) ||
           (memchr(data, '=', size) && shows_plain(data, size, true, cut, secret, depth));
}

static void turn(struct escaped *b, bool back)
{
    for (size_t i = 0; back && i < b->size / 2; i++) {
        char c = b->data[i];
        b->data[i] = b->data[b->size - 1 - i];
        b->data[b->size - 1 - i] = c;
    }
    for (size_t i = 0; !back && i < b->size; i++)
        if (isalpha((unsigned char)b->data[i]))
            b->data[i] = (char)(b->data[i] + (tolower((unsigned char)b->data[i]) < 'n' ? 13 : -13));
}

static bool make_needles(struct needles *k, const char *secret)
{
    for (size_t i = 0; i < ARRAY_SIZE(k->forms); i++) {
        size_t size = strlen(secret);
        CLEANUP(bytes_done) struct escaped b = {copy_bytes(secret, size), size};
        if (!b.data)
            return false;
        drop_blanks(&b);
        if (i == 3) {
            size_t whole = b.size;
            squeeze(&b);
            if (b.size < whole && b.size < TELLING_HEAD) /* they are in any text */
                b.size = 0;
        }
        if (i > 3)
            turn(&b, i == 4);
        for (unsigned pass = 0; i > 0 && i < 4 && pass < PASSES_MAX && escapes_undo(&b, i == 2);
             pass++)
            drop_blanks(&b);
        if (!needle_make(&k->forms[i], &b))
            return false;
    }
    return true;
}

bool leak_shows(const char *text, bool cut, const char *secret)
{
    static const char ellipsis[] = "\xE2\x80\xA6";
    CLEANUP(needles_done) struct needles k = {0};
    if (!text || !secret || !*secret)
        return false;
    size_t n = strlen(text);
    if (n >= 3 && !strcmp(text + n - 3, ellipsis)) {
        cut = true;
        n -= 3;
    }
    return !make_needles(&k, secret) || shows(text, n, cut, &k, 0);
}
