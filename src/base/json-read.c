/* JSON, read piece by piece: one position in a text, and what is open there. */
#include "config.h"

#include "base/json-read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

void json_read_start(struct json_reader *r, const char *text)
{
    *r = (struct json_reader){.at = text};
}

void json_read_fail(struct json_reader *r, int error)
{
    if (r->failed == 0)
        r->failed = error;
    r->at = "";
}

static void skip_blanks(struct json_reader *r)
{
    while (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')
        r->at++;
}

int json_read_peek(struct json_reader *r)
{
    skip_blanks(r);
    if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'))
        return 0;
    return *r->at && strchr("{[\"ntf", *r->at) ? *r->at : -1;
}

/* True, and behind it, when that is what comes next. */
static bool take(struct json_reader *r, char c)
{
    skip_blanks(r);
    if (*r->at != c || c == '\0')
        return false;
    r->at++;
    return true;
}

static bool take_word(struct json_reader *r, const char *word)
{
    size_t n = strlen(word);
    skip_blanks(r);
    if (strncmp(r->at, word, n) != 0)
        return false;
    r->at += n;
    return true;
}

void json_read_open(struct json_reader *r, char bracket)
{
    if (r->depth == JSON_READ_DEPTH || !take(r, bracket)) {
        json_read_fail(r, -EINVAL);
        return;
    }
    r->closing[r->depth] = bracket == '{' ? '}' : ']';
    r->any[r->depth] = false;
    r->depth++;
}

bool json_read_item(struct json_reader *r)
{
    if (r->failed || r->depth == 0)
        return false;
    unsigned d = r->depth - 1;
    if (take(r, r->closing[d])) {
        r->depth = d;
        return false;
    }
    if (r->any[d] && !take(r, ',')) {
        json_read_fail(r, -EINVAL);
        return false;
    }
    r->any[d] = true;
    return true;
}

bool json_read_key(struct json_reader *r, char **ret)
{
    if (!json_read_item(r))
        return false;
    if (json_read_peek(r) != '"') {
        json_read_fail(r, -EINVAL);
        return false;
    }
    CLEANUP(freep) char *key = json_read_text(r, NULL);
    if (!take(r, ':'))
        json_read_fail(r, -EINVAL);
    if (r->failed)
        return false;
    *ret = TAKE(key);
    return true;
}

/* -- texts -- */

/* Four hexadecimal digits; -1 where there are none. */
static long unit(const char *at)
{
    long value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* `at` is behind \u. How many characters it takes; 0: it is no character (RFC 8259, 7). */
static size_t code_point(const char *at, long *ret)
{
    long high = unit(at);
    *ret = high;
    if (high < 0xd800 || high > 0xdfff)
        return high > 0 ? 4 : 0;
    if (high > 0xdbff || at[4] != '\\' || at[5] != 'u')
        return 0;
    long low = unit(at + 6);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *ret = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return 10;
}

static size_t put_utf8(char *to, long code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)((0xf00 >> n & 0xff) | code);
    return n;
}

/* `at` is behind the backslash. How many characters it takes; 0: it means nothing. */
static size_t undo_escape(const char *at, char *to, size_t *ret_n)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter = *at ? strchr(letters, *at) : NULL;
    long code;

    if (letter) {
        *to = meanings[letter - letters];
        *ret_n = 1;
        return 1;
    }
    size_t taken = *at == 'u' ? code_point(at + 1, &code) : 0;
    if (taken == 0)
        return 0;
    *ret_n = put_utf8(to, code);
    return taken + 1;
}

/* Of a text: what is known of it before it is copied. */
struct span {
    const char *end; /* its closing quotation mark; NULL: it has none, or is no text */
    bool escapes, ascii;
};

static struct span look_at_text(const char *at)
{
    struct span s = {.ascii = true};

    for (; *at != '"'; at++) {
        unsigned char c = (unsigned char)*at;

        if (c < 0x20) /* the end of all, too */
            return s;
        s.ascii = s.ascii && c < 0x80;
        if (c != '\\')
            continue;
        s.escapes = true;
        if (!*++at)
            return s;
    }
    s.end = at;
    return s;
}

static size_t copy_text(struct json_reader *r, const char *end, char *to)
{
    size_t n = 0;
    while (r->at < end) {
        size_t plain = 0, got = 0, taken;
        while (r->at + plain < end && r->at[plain] != '\\')
            plain++;
        memcpy(to + n, r->at, plain);
        n += plain;
        r->at += plain;
        if (r->at == end)
            break;
        taken = undo_escape(r->at + 1, to + n, &got);
        if (taken == 0) {
            json_read_fail(r, -EINVAL);
            return 0;
        }
        n += got; /* no escape is shorter than what it means */
        r->at += 1 + taken;
    }
    return n;
}

/* `to` has room for what stands there. */
static size_t copy_span(struct json_reader *r, const struct span *s, char *to)
{
    size_t n = (size_t)(s->end - r->at);

    if (s->escapes)
        n = copy_text(r, s->end, to);
    else
        memcpy(to, r->at, n);
    to[n] = '\0';
    if (r->failed == 0 && (!s->ascii || s->escapes) && !text_is_utf8(to, n))
        json_read_fail(r, -EINVAL);
    if (r->failed == 0)
        r->at = s->end + 1;
    return n;
}

static bool take_quote(struct json_reader *r, struct span *ret)
{
    if (take(r, '"'))
        *ret = look_at_text(r->at);
    if (!ret->end)
        json_read_fail(r, -EINVAL);
    return ret->end;
}

char *json_read_text(struct json_reader *r, size_t *ret_size)
{
    struct span s = {0};

    if (ret_size)
        *ret_size = 0;
    skip_blanks(r);
    if (*r->at != '"' && take_word(r, "null"))
        return NULL;
    if (!take_quote(r, &s))
        return NULL;
    CLEANUP(freep) char *text = malloc((size_t)(s.end - r->at) + 1);
    if (!text) {
        json_read_fail(r, -ENOMEM);
        return NULL;
    }
    size_t n = copy_span(r, &s, text);
    if (r->failed)
        return NULL;
    if (ret_size)
        *ret_size = n;
    return TAKE(text);
}

bool json_read_name(struct json_reader *r, char ret[static JSON_NAME_SIZE])
{
    struct span s = {0};

    if (!json_read_item(r))
        return false;
    skip_blanks(r);
    if (!take_quote(r, &s))
        return false;
    if (s.end - r->at < JSON_NAME_SIZE) {
        (void)copy_span(r, &s, ret);
    } else {
        CLEANUP(freep) char *text = malloc((size_t)(s.end - r->at) + 1);

        if (!text) {
            json_read_fail(r, -ENOMEM);
            return false;
        }
        (void)copy_span(r, &s, text);
        memcpy(ret, text, JSON_NAME_SIZE - 1);
        ret[JSON_NAME_SIZE - 1] = '\0';
    }
    if (!take(r, ':'))
        json_read_fail(r, -EINVAL);
    return r->failed == 0;
}

/* -- everything else -- */

int64_t json_read_integer(struct json_reader *r)
{
    skip_blanks(r);
    const char *digits = r->at + (*r->at == '-');
    char *end;
    if (*digits < '0' || *digits > '9' ||
        (*digits == '0' && digits[1] >= '0' && digits[1] <= '9')) {
        json_read_fail(r, -EINVAL);
        return 0;
    }
    errno = 0;
    long long value = strtoll(r->at, &end, 10);
    if (errno || *end == '.' || *end == 'e' || *end == 'E') {
        json_read_fail(r, -EINVAL);
        return 0;
    }
    r->at = end;
    return value;
}

bool json_read_boolean(struct json_reader *r)
{
    if (take_word(r, "true"))
        return true;
    if (!take_word(r, "false"))
        json_read_fail(r, -EINVAL);
    return false;
}

static void skip_members(struct json_reader *r, char bracket)
{
    unsigned depth = r->depth;
    json_read_open(r, bracket);
    for (;;) {
        CLEANUP(freep) char *key = NULL;
        bool more = bracket == '{' ? json_read_key(r, &key) : json_read_item(r);
        if (!more || r->depth <= depth)
            return;
        json_read_skip(r);
    }
}

void json_read_skip(struct json_reader *r)
{
    int next = json_read_peek(r);
    switch (next) {
    case '{':
    case '[': skip_members(r, (char)next); break;
    case '"':
    case 'n': free(json_read_text(r, NULL)); break;
    case 't':
    case 'f': json_read_boolean(r); break;
    case 0: json_read_integer(r); break;
    default: json_read_fail(r, -EINVAL);
    }
}

int json_read_end(struct json_reader *r)
{
    skip_blanks(r);
    if (r->failed == 0 && (*r->at || r->depth > 0))
        json_read_fail(r, -EINVAL);
    return r->failed;
}
