/*
 * The form of an audit line. "seq" and "time" stand first and "prev" last, always, so that a
 * chain is followed without parsing JSON: a hundred thousand lines verify in a moment. Keys
 * have one order, and no blank stands between them.
 */
#include "config.h"

#include "audit/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

#define HEAD      "{\"seq\":"
#define TIME      ",\"time\":\""
#define PREV      ",\"prev\":\""
#define HASH_SIZE (DIGEST_TEXT_SIZE - 1)
#define TAIL_SIZE (sizeof(PREV) - 1 + HASH_SIZE + 2)

static bool is_hash(const char *text)
{
    return strspn(text, "0123456789abcdef") >= HASH_SIZE;
}

/* Gives what follows the sequence number. */
static const char *parse_seq(const char *line, size_t size, int64_t *ret)
{
    const char *p = line + sizeof(HEAD) - 1, *end = line + size;
    int64_t seq = 0;

    if (size < sizeof(HEAD) || memcmp(line, HEAD, sizeof(HEAD) - 1) != 0)
        return NULL;
    if (p == end || *p < '1' || *p > '9')
        return NULL;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (seq > (INT64_MAX - 9) / 10)
            return NULL;
        seq = seq * 10 + (*p - '0');
    }
    *ret = seq;
    return p;
}

bool line_parse(const char *line, size_t size, struct line_chain *ret)
{
    struct line_chain chain = {0};
    const char *p = parse_seq(line, size, &chain.seq), *tail, *quote;

    if (!p || size < (size_t)(p - line) + sizeof(TIME) + TAIL_SIZE)
        return false;
    if (memcmp(p, TIME, sizeof(TIME) - 1) != 0)
        return false;
    p += sizeof(TIME) - 1;
    quote = memchr(p, '"', sizeof(chain.time));
    if (!quote)
        return false;
    memcpy(chain.time, p, (size_t)(quote - p) < sizeof(chain.time) ? (size_t)(quote - p) : 0);
    tail = line + size - TAIL_SIZE;
    if (memcmp(tail, PREV, sizeof(PREV) - 1) != 0 || !is_hash(tail + sizeof(PREV) - 1) ||
        memcmp(line + size - 2, "\"}", 2) != 0)
        return false;
    memcpy(chain.prev, tail + sizeof(PREV) - 1, HASH_SIZE);
    *ret = chain;
    return true;
}

char *line_rechain(const char *line, int64_t seq, const char *prev)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    size_t size = strlen(line);
    int64_t old;
    const char *rest = parse_seq(line, size, &old);

    if (!rest || size < TAIL_SIZE)
        return NULL;
    buffer_format(&b, HEAD "%lld", (long long)seq);
    buffer_add(&b, rest, (size_t)(line + size - TAIL_SIZE - rest));
    buffer_format(&b, PREV "%s\"}", prev);
    return buffer_take(&b);
}

static void add_escaped(struct buffer *b, const char *text)
{
    const char *from = text;

    buffer_add(b, "\"", 1);
    for (; *text; text++) {
        if (*text != '"' && *text != '\\' && (unsigned char)*text >= 0x20)
            continue;
        buffer_add(b, from, (size_t)(text - from));
        from = text + 1;
        if ((unsigned char)*text < 0x20)
            buffer_format(b, "\\u%04x", (unsigned char)*text);
        else {
            buffer_add(b, "\\", 1);
            buffer_add(b, text, 1);
        }
    }
    buffer_add(b, from, (size_t)(text - from));
    buffer_add(b, "\"", 1);
}

void line_add_string(struct buffer *b, const char *text)
{
    CLEANUP(freep) char *printable = NULL;
    size_t size;

    if (!text) {
        buffer_add_text(b, "null");
        return;
    }
    size = strlen(text);
    if (!text_is_utf8(text, size) || text_has_control(text, size)) {
        /* Every byte may become \xNN. */
        printable = malloc(4 * size + 1);
        if (!printable) {
            b->failed = true;
            return;
        }
        text = text_printable(printable, 4 * size + 1, text, size);
    }
    add_escaped(b, text);
}

void line_add_text(struct buffer *b, const char *key, const char *text)
{
    if (!text)
        return;
    buffer_format(b, ",\"%s\":", key);
    line_add_string(b, text);
}

void line_add_number(struct buffer *b, const char *key, int64_t value)
{
    buffer_format(b, ",\"%s\":%lld", key, (long long)value);
}
