/*
 * The form of an audit line. What belongs to the chain stands at fixed places, so that a chain
 * is followed without parsing JSON: version, number and time at the beginning; at the end the
 * commitment, the hash of the line before, and what is personal, which a marker that can stand
 * nowhere else cuts off. Lines from before version 1 have their hash at the very end.
 */
#include "config.h"

#include "audit/line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json-write.h"
#include "base/memory.h"
#include "base/text.h"

#define OLD_HEAD      "{\"seq\":"
#define OLD_TIME      ",\"time\":\""
#define OLD_HASH_SIZE (DIGEST_TEXT_SIZE - 1)
#define OLD_TAIL_SIZE (sizeof(PREV) - 1 + OLD_HASH_SIZE + 2)
#define HEAD          "{\"v\":1,\"seq\":"
#define TIME          ",\"t\":\""
#define PREV          ",\"prev\":\""
#define COMMITMENT    ",\"pc\":\""
#define PERSONAL      ",\"p\":{\"s\":\""
#define HASH_SIZE     (CHAIN_TEXT_SIZE - 1)

static bool begins(const char *text, size_t size, const char *with)
{
    size_t n = strlen(with);

    return size >= n && memcmp(text, with, n) == 0;
}

/* Gives what follows the sequence number, or NULL. */
static const char *parse_seq(const char *p, const char *end, int64_t *ret)
{
    int64_t seq = 0;

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

static const char *parse_time(const char *p, const char *end, const char *key, char ret[32])
{
    const char *quote;

    if (!begins(p, (size_t)(end - p), key))
        return NULL;
    p += strlen(key);
    quote = memchr(p, '"', (size_t)(end - p) < 32 ? (size_t)(end - p) : 32);
    if (!quote)
        return NULL;
    memcpy(ret, p, (size_t)(quote - p));
    ret[quote - p] = '\0';
    return quote + 1;
}

static int parse_old(const char *line, size_t size, struct line_chain *l)
{
    const char *end = line + size, *p = line + sizeof(OLD_HEAD) - 1, *tail;

    p = parse_seq(p, end, &l->seq);
    p = p ? parse_time(p, end, OLD_TIME, l->time) : NULL;
    if (!p || size < (size_t)(p - line) + OLD_TAIL_SIZE)
        return 0;
    tail = end - OLD_TAIL_SIZE;
    if (memcmp(tail, PREV, sizeof(PREV) - 1) != 0 || memcmp(end - 2, "\"}", 2) != 0 ||
        !chain_from_hexadecimal(tail + sizeof(PREV) - 1, &l->prev))
        return 0;
    l->version = LINE_OLD;
    l->head = line;
    l->head_size = size;
    return 1;
}

/* PREV and a hash end the part before `end`, which is a quote. */
static const char *parse_hash(const char *from, const char *end, const char *key,
                              struct chain_hash *ret)
{
    size_t size = strlen(key) + HASH_SIZE + 1;

    if ((size_t)(end - from) < size || end[-1] != '"' || !begins(end - size, size, key))
        return NULL;
    return chain_from_text(end - HASH_SIZE - 1, ret) ? end - size : NULL;
}

static int parse_new(const char *line, size_t size, struct line_chain *l)
{
    const char *end = line + size, *p = line + sizeof(HEAD) - 1, *marker;

    p = parse_seq(p, end, &l->seq);
    p = p ? parse_time(p, end, TIME, l->time) : NULL;
    if (!p || end[-1] != '}')
        return 0;
    marker = memmem(p, (size_t)(end - p), PERSONAL, sizeof(PERSONAL) - 1);
    if (marker) {
        l->personal = marker + sizeof(",\"p\":") - 1;
        l->personal_size = (size_t)(end - 1 - l->personal);
    }
    l->version = LINE_NEW;
    l->head = line;
    end = parse_hash(p, marker ? marker : end - 1, PREV, &l->prev);
    if (!end)
        return 0;
    l->head_size = (size_t)(end - line);
    l->committed = parse_hash(p, end, COMMITMENT, &l->commitment) != NULL;
    return 1;
}

int line_look(const char *line, size_t size, struct line_chain *ret)
{
    struct line_chain l = {0};
    int r = 0;

    if (memchr(line, '\0', size))
        return 0; /* no writer of ours puts one there, and no reader of texts sees past it */
    if (begins(line, size, HEAD))
        r = parse_new(line, size, &l);
    else if (begins(line, size, OLD_HEAD))
        r = parse_old(line, size, &l);
    if (r > 0)
        *ret = l;
    return r;
}

int line_parse(const char *line, size_t size, struct line_chain *ret)
{
    struct chain_hash content;
    struct line_chain l;
    int r = line_look(line, size, &l);

    if (r > 0 && l.version == LINE_OLD)
        r = digest_raw(l.link.bytes, &(struct digest_part){line, size}, 1) < 0 ? -EIO : 1;
    else if (r > 0)
        r = chain_content(l.head, l.head_size, &content) < 0 ||
                    chain_link(&content, &l.prev, &l.link) < 0
                ? -EIO
                : 1;
    if (r > 0)
        *ret = l;
    return r;
}

bool line_is_new(const char *line, size_t size)
{
    return begins(line, size, "{\"v\":");
}

static void hexadecimal(char text[static DIGEST_TEXT_SIZE], const struct chain_hash *h)
{
    for (size_t i = 0; i < sizeof(h->bytes); i++)
        snprintf(text + 2 * i, 3, "%02x", h->bytes[i]);
}

/* Lines of the old form may still wait in the state after an upgrade. */
static void rechain_old(struct buffer *b, const char *line, size_t size, int64_t seq,
                        const struct chain_hash *prev)
{
    char text[DIGEST_TEXT_SIZE];
    int64_t old;
    const char *rest = parse_seq(line + sizeof(OLD_HEAD) - 1, line + size, &old);

    hexadecimal(text, prev);
    buffer_format(b, OLD_HEAD "%lld", (long long)seq);
    buffer_add(b, rest, (size_t)(line + size - OLD_TAIL_SIZE - rest));
    buffer_format(b, PREV "%s\"}", text);
}

char *line_rechain(const char *line, int64_t seq, const struct chain_hash *prev)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    char text[CHAIN_TEXT_SIZE];
    struct line_chain l;
    int64_t old;
    size_t size = strlen(line);
    const char *rest;

    if (line_parse(line, size, &l) <= 0)
        return NULL;
    if (l.version == LINE_OLD) {
        rechain_old(&b, line, size, seq, prev);
        return buffer_take(&b);
    }
    rest = parse_seq(line + sizeof(HEAD) - 1, line + size, &old);
    chain_text(text, prev);
    buffer_format(&b, HEAD "%lld", (long long)seq);
    buffer_add(&b, rest, (size_t)(line + l.head_size - rest));
    buffer_format(&b, PREV "%s\"", text);
    if (l.personal) {
        buffer_add_text(&b, ",\"p\":");
        buffer_add(&b, l.personal, l.personal_size);
    }
    buffer_add_text(&b, "}");
    return buffer_take(&b);
}

bool line_is_event(const char *line, const char *event)
{
    const char *at = strstr(line, ",\"ev\":\"");
    size_t size = strlen(event);

    return at && strncmp(at + 7, event, size) == 0 && at[7 + size] == '"';
}

void line_word(const struct line_chain *l, const char *key, char *ret, size_t room)
{
    const char *at = memmem(l->head, l->head_size, key, strlen(key));
    size_t n = 0;

    ret[0] = '\0';
    if (!at)
        return;
    at += strlen(key);
    n = strcspn(at, "\",}");
    if (n >= room)
        return;
    memcpy(ret, at, n);
    ret[n] = '\0';
}

int64_t line_number(const char *line, bool *ret_says_what)
{
    const char *at = strstr(line, ",\"no\":"), *personal = at ? strstr(line, PERSONAL) : NULL;
    char *end;
    int64_t number;

    if (!at || (personal && personal < at))
        return 0;
    number = strtoll(at + 6, &end, 10);
    *ret_says_what = strncmp(end, ",\"op\":", 6) == 0;
    return number;
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
    if (!text_is_plain(text, size) && (!text_is_utf8(text, size) || text_has_control(text, size))) {
        /* Every byte may become \xNN. */
        printable = malloc(4 * size + 1);
        if (!printable) {
            b->failed = true;
            return;
        }
        text = text_printable(printable, 4 * size + 1, text, size);
    }
    json_write_text(b, text);
}

void line_add_text(struct buffer *b, const char *key, const char *text)
{
    if (!text)
        return;
    json_write_key(b, key);
    line_add_string(b, text);
}

void line_add_number(struct buffer *b, const char *key, int64_t value)
{
    json_write_key(b, key);
    json_write_integer(b, value);
}
