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

#include "base/memory.h"

#define TELLING_PART 10 /* so many characters of a secret in a row */
#define TELLING_HEAD 6  /* or so many of its first ones, where the text was cut */
#define HALF_ESCAPE  8
#define CODED_MIN    8 /* shorter runs hide nothing worth it */
#define DEPTH_MAX    3 /* base64 in base64 in base64 */
#define PASSES_MAX   8 /* escapes in escapes */

struct bytes {
    char *data;
    size_t size;
};

static void bytes_done(struct bytes *b)
{
    if (b->data)
        explicit_bzero(b->data, b->size);
    free(b->data);
}

/* -- escapes -- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly n digits of the base; -1: they are not there. */
static long digits(const char *at, const char *end, size_t n, int base)
{
    long value = 0;
    if ((size_t)(end - at) < n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0 || digit >= base)
            return -1;
        value = value * base + digit;
    }
    return value;
}

static size_t put_character(char *to, long code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    to[0] = (char)(0xe0 | (code >> 12 & 0x0f));
    to[1] = (char)(0x80 | (code >> 6 & 0x3f));
    to[2] = (char)(0x80 | (code & 0x3f));
    return 3;
}

/* Each of these is given `at` behind its first character, sets how many bytes it took, and puts
 * what they stand for; 0 put and 0 taken: it is none. No escape is shorter than what it means.
 */
static size_t undo_backslash(const char *at, const char *end, char *to, size_t *ret_taken)
{
    long code = -1;
    *ret_taken = 0;
    if (at == end)
        return 0;
    if (*at == 'u' && (code = digits(at + 1, end, 4, 16)) >= 0)
        *ret_taken = 5;
    else if (*at == 'U' && (code = digits(at + 1, end, 8, 16)) >= 0)
        *ret_taken = 9;
    else if (*at == 'x' && (code = digits(at + 1, end, 2, 16)) >= 0)
        *ret_taken = 3;
    else if ((code = digits(at, end, 3, 8)) >= 0 && code < 256)
        *ret_taken = 3;
    if (*ret_taken && (*at == 'x' || *at <= '9')) { /* one byte */
        *to = (char)code;
        return 1;
    }
    if (*ret_taken)
        return put_character(to, code);
    if (strchr("nrtbfv", *at)) { /* a blank, which counts for nothing */
        *ret_taken = 1;
        return 0;
    }
    if (ispunct((unsigned char)*at)) {
        *ret_taken = 1;
        *to = *at;
        return 1;
    }
    return 0;
}

static size_t undo_percent(const char *at, const char *end, char *to, size_t *ret_taken)
{
    long code = digits(at, end, 2, 16);
    *ret_taken = 2;
    if (code < 0 && at < end && (*at == 'u' || *at == 'U')) {
        code = digits(at + 1, end, 4, 16);
        *ret_taken = 5;
        if (code >= 0)
            return put_character(to, code);
    }
    if (code < 0) {
        *ret_taken = 0;
        return 0;
    }
    *to = (char)code;
    return 1;
}

static const struct {
    const char *name;
    char character;
} entities[] = {
    {"amp", '&'},     {"lt", '<'},     {"gt", '>'},     {"quot", '"'},   {"apos", '\''},
    {"sol", '/'},     {"bsol", '\\'},  {"plus", '+'},   {"equals", '='}, {"lowbar", '_'},
    {"hyphen", '-'},  {"dash", '-'},   {"period", '.'}, {"colon", ':'},  {"semi", ';'},
    {"comma", ','},   {"percnt", '%'}, {"num", '#'},    {"excl", '!'},   {"ast", '*'},
    {"midast", '*'},  {"quest", '?'},  {"commat", '@'}, {"dollar", '$'}, {"lpar", '('},
    {"rpar", ')'},    {"lsqb", '['},   {"lbrack", '['}, {"rsqb", ']'},   {"rbrack", ']'},
    {"lcub", '{'},    {"lbrace", '{'}, {"rcub", '}'},   {"rbrace", '}'}, {"verbar", '|'},
    {"vert", '|'},    {"Hat", '^'},    {"grave", '`'},  {"tilde", '~'},  {"nbsp", ' '},
    {"NewLine", ' '}, {"Tab", ' '},
};

static size_t undo_entity(const char *at, const char *end, char *to, size_t *ret_taken)
{
    const char *c = at;
    *ret_taken = 0;
    if (c < end && *c == '#') {
        int base = ++c < end && (*c == 'x' || *c == 'X') ? 16 : 10;
        long code = 0;
        c += base == 16;
        const char *first = c;
        for (; c < end && hex_value(*c) >= 0 && hex_value(*c) < base && code < 0x110000; c++)
            code = code * base + hex_value(*c);
        if (c == first || code >= 0x10000)
            return 0;
        *ret_taken = (size_t)(c - at) + (c < end && *c == ';');
        return put_character(to, code);
    }
    for (size_t i = 0; i < ARRAY_SIZE(entities); i++) {
        size_t n = strlen(entities[i].name);
        if ((size_t)(end - at) > n && !strncmp(at, entities[i].name, n) && at[n] == ';') {
            *ret_taken = n + 1;
            *to = entities[i].character;
            return 1;
        }
    }
    return 0;
}

/* Mail's quoted-printable. */
static size_t undo_equals(const char *at, const char *end, char *to, size_t *ret_taken)
{
    long code = digits(at, end, 2, 16);
    *ret_taken = code < 0 ? 0 : 2;
    if (code < 0)
        return 0;
    *to = (char)code;
    return 1;
}

/* One pass, in place; true when something was undone. */
static bool undo_escapes(struct bytes *b, bool mail)
{
    const char *end = b->data + b->size;
    size_t used = 0;
    bool any = false;
    for (const char *c = b->data; c < end;) {
        char to[4];
        size_t taken = 0, n = 0;
        switch (*c) {
        case '\\': n = undo_backslash(c + 1, end, to, &taken); break;
        case '%': n = undo_percent(c + 1, end, to, &taken); break;
        case '&': n = undo_entity(c + 1, end, to, &taken); break;
        case '=': n = mail ? undo_equals(c + 1, end, to, &taken) : 0; break;
        default: break;
        }
        if (!taken) {
            b->data[used++] = *c++;
            continue;
        }
        any = true;
        c += 1 + taken;
        memcpy(b->data + used, to, n);
        used += n;
    }
    b->size = used;
    return any;
}

static void drop_blanks(struct bytes *b)
{
    size_t used = 0;
    for (size_t i = 0; i < b->size; i++)
        if ((unsigned char)b->data[i] > ' ' && b->data[i] != 0x7f)
            b->data[used++] = b->data[i];
    b->size = used;
}

/* Letters and digits alone, as where "5a:71:37", "0x5a, 0x71" or "a-b-c" is written. */
static void squeeze(struct bytes *b)
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
    struct needle forms[4]; /* as it is, plain, plain as in mail, squeezed */
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
static size_t comparable(const struct bytes *b, char *to)
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

static bool needle_make(struct needle *k, const struct bytes *secret)
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

static bool compare(const struct bytes *text, bool cut, const struct needles *secret)
{
    CLEANUP(bytes_done) struct bytes t = {malloc(text->size + 1), text->size};
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
        return hex_value(c);
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
    CLEANUP(bytes_done) struct bytes b = {malloc(n + 1), n};
    if (!b.data)
        return true;
    for (unsigned skip = 0; skip < k->align && skip < n; skip++) {
        size_t size = decode(k, run + skip, n - skip, b.data);
        if (shows(b.data, size, cut, secret, depth + 1))
            return true;
    }
    return false;
}

static bool codes_show(const struct bytes *b, bool cut, const struct needles *secret,
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

static bool look(const struct bytes *b, bool cut, const struct needles *secret, unsigned depth)
{
    return compare(b, cut, secret) || codes_show(b, cut, secret, depth);
}

/* With mail's escapes undone too, or not: "=ab" is one there, and a value behind its name
 * elsewhere. */
static bool shows_plain(const char *data, size_t size, bool mail, bool cut,
                        const struct needles *secret, unsigned depth)
{
    CLEANUP(bytes_done) struct bytes b = {copy_bytes(data, size), size};
    if (!b.data)
        return true;
    drop_blanks(&b);
    bool found = look(&b, cut, secret, depth);
    for (unsigned i = 0; !found && i < PASSES_MAX && undo_escapes(&b, mail); i++) {
        drop_blanks(&b);
        found = look(&b, cut, secret, depth);
    }
    return found;
}

static bool shows_squeezed(const char *data, size_t size, bool cut, const struct needles *secret)
{
    CLEANUP(bytes_done) struct bytes b = {copy_bytes(data, size), size};
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

static bool make_needles(struct needles *k, const char *secret)
{
    for (size_t i = 0; i < ARRAY_SIZE(k->forms); i++) {
        size_t size = strlen(secret);
        CLEANUP(bytes_done) struct bytes b = {copy_bytes(secret, size), size};
        if (!b.data)
            return false;
        drop_blanks(&b);
        if (i == 3) {
            size_t whole = b.size;
            squeeze(&b);
            if (b.size < whole && b.size < TELLING_HEAD) /* they are in any text */
                b.size = 0;
        }
        for (unsigned pass = 0; i > 0 && pass < PASSES_MAX && undo_escapes(&b, i == 2); pass++)
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
