/*
 * Answers that repeat a secret, written in every way that the first bytes of the input choose,
 * one way in the other, inside of what the rest of it says. Nothing that is printed of the
 * answer may hold the secret, in any of these ways; the oracle writes it anew and looks, and
 * knows nothing of how the program looks for it.
 */
#include "config.h"

#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fuzz.h"
#include "tenant/answer.h"

#define SECRET   "q7/wK+e9%Tt_4xV\"b&u=Zm"
#define TEXT_MAX 20000

/* -- ways of writing -- */

typedef int (*put_fn)(char *out, unsigned char c);

static int put_backslash(char *out, unsigned char c)
{
    return sprintf(out, "\\%c", c);
}
static int put_u(char *out, unsigned char c)
{
    return sprintf(out, "\\u%04x", c);
}
static int put_x(char *out, unsigned char c)
{
    return sprintf(out, "\\x%02X", c);
}
static int put_percent(char *out, unsigned char c)
{
    return sprintf(out, "%%%02X", c);
}
static int put_entity(char *out, unsigned char c)
{
    return sprintf(out, "&#%u;", c);
}
static int put_entity_hex(char *out, unsigned char c)
{
    return sprintf(out, "&#x%x;", c);
}
static int put_spaced(char *out, unsigned char c)
{
    return sprintf(out, "%c ", c);
}

/* which: the characters that are written so; NULL: all. */
static void each(char *out, const char *in, const char *which, put_fn put)
{
    for (; *in; in++)
        if (!which || strchr(which, *in))
            out += put(out, (unsigned char)*in);
        else
            *out++ = *in;
    *out = '\0';
}

static void bits(char *out, const char *in, unsigned width, const char *alphabet)
{
    unsigned held = 0, n = 0;
    for (; *in; in++) {
        held = held << 8 | (unsigned char)*in;
        for (n += 8; n >= width; held &= (1U << n) - 1)
            *out++ = alphabet[held >> (n -= width)];
    }
    if (n)
        *out++ = alphabet[held << (width - n) & ((1U << width) - 1)];
    *out = '\0';
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define SMALL   "abcdefghijklmnopqrstuvwxyz"
#define N_WAYS  13

static void write_in_a_way(char *out, const char *in, unsigned way)
{
    switch (way) {
    case 1: each(out, in, "/\"", put_backslash); break;
    case 2: each(out, in, NULL, put_u); break;
    case 3: each(out, in, "/+%\"&=", put_percent); break;
    case 4: each(out, in, NULL, put_percent); break;
    case 5: each(out, in, "/+%\"&=", put_entity); break;
    case 6: each(out, in, NULL, put_entity_hex); break;
    case 7: bits(out, in, 6, LETTERS SMALL "0123456789+/"); break;
    case 8: bits(out, in, 6, LETTERS SMALL "0123456789-_"); break;
    case 9: bits(out, in, 4, "0123456789abcdef"); break;
    case 10: bits(out, in, 5, LETTERS "234567"); break;
    case 11: each(out, in, NULL, put_x); break;
    case 12: each(out, in, NULL, put_spaced); break;
    default: strcpy(out, in); break;
    }
}

/* -- the oracle -- */

static void must_not_hold(const char *text, const char *written, size_t part)
{
    size_t n = strlen(written);
    for (size_t i = 0; i + part <= n; i++) {
        char piece[256];
        snprintf(piece, sizeof(piece), "%.*s", (int)part, written + i);
        if (strstr(text, piece)) {
            fprintf(stderr, "'%s' is in '%s'\n", piece, text);
            abort();
        }
    }
}

static void check(const char *text, unsigned first, unsigned second)
{
    static char once[TEXT_MAX], twice[TEXT_MAX];
    write_in_a_way(once, SECRET, first);
    write_in_a_way(twice, once, second);
    must_not_hold(text, SECRET, 12);
    /* Enough of what was written to hold twelve characters of the secret, whatever the way. */
    size_t n = strlen(twice), whole = strlen(SECRET);
    size_t part = n * 15 / whole + 8;
    if (part < 250 && part <= n)
        must_not_hold(text, twice, part);
    if (n < 250)
        must_not_hold(text, twice, n);
}

/* The marks of the input that stand for the secret. */
static size_t fill(char *out, const uint8_t *data, size_t size, const char *written)
{
    size_t used = 0, n = strlen(written);
    for (size_t i = 0; i < size; i++) {
        if (used + n + 1 >= TEXT_MAX)
            break;
        if (data[i] != '$') {
            out[used++] = (char)data[i];
            continue;
        }
        memcpy(out + used, written, n);
        used += n;
    }
    out[used] = '\0';
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char once[TEXT_MAX], twice[TEXT_MAX], body[TEXT_MAX];
    static const char *const types[] = {"application/json", "text/html", "text/plain", NULL};
    static const int statuses[] = {400, 401, 403, 404, 409, 422, 429, 500, 503, 200, 302};
    if (size < 4)
        return 0;
    unsigned first = data[0] % N_WAYS, second = data[1] % N_WAYS;
    write_in_a_way(once, SECRET, first);
    write_in_a_way(twice, once, second);
    if (strlen(twice) * 4 > TEXT_MAX)
        return 0;
    struct http_result result = {
        .sent = true,
        .status = statuses[data[2] % (sizeof(statuses) / sizeof(statuses[0]))],
        .content_type = types[data[3] % 4],
        .body = body,
        .problem = body,
    };
    result.body_size = fill(body, data + 4, size - 4, twice);
    if (result.status == 302)
        result.redirect_url = body;
    if (data[3] & 0x40)
        result.curl_code = CURLE_RECV_ERROR;
    const struct answer_question question = {
        .method = data[3] & 0x80 ? HTTP_GET : HTTP_POST,
        .api = data[3] & 0x20 ? ANSWER_SCIM : ANSWER_CONFIGURATION,
        .names_user = data[3] & 0x10,
        .login = "ada",
        .secrets = {NULL, SECRET},
    };
    struct tenant_answer answer = {0};
    answer_decide(&answer, &question, &result);
    check(answer.hint, first, second);
    answer_not_understood(&answer, &question, &result, body);
    check(answer.hint, first, second);
    return 0;
}
