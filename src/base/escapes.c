/*
 * Escapes of many languages, undone where they stand: JSON, JavaScript, C, URLs, HTML, mail. No
 * escape is shorter than what it means.
 */
#include "config.h"

#include "base/escapes.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"

int escapes_hex(char c)
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
        int digit = escapes_hex(at[i]);
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
        for (; c < end && escapes_hex(*c) >= 0 && escapes_hex(*c) < base && code < 0x110000; c++)
            code = code * base + escapes_hex(*c);
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

bool escapes_undo(struct escaped *b, bool mail)
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
