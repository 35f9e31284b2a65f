/*
 * What of an answer is shown to people: its own words, shortened and printable. A secret that
 * it may repeat is recognised where it is written in a known way; in an unknown one it is no
 * word, and only words are shown.
 */
#include "config.h"

#include "tenant/hint.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/leak.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/words.h"

const char *hint_body(const struct http_result *r, size_t *ret_size)
{
    const char *start = r->body ? r->body : "", *end = start + r->body_size;
    if (end - start >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0)
        start += 3;
    while (start < end && isspace((unsigned char)*start))
        start++;
    while (end > start && isspace((unsigned char)end[-1]))
        end--;
    *ret_size = (size_t)(end - start);
    return start;
}

bool hint_is_page(const struct http_result *r)
{
    size_t n;
    const char *start = hint_body(r, &n);
    if (n > 0 && *start == '<')
        return true;
    return n > 0 && *start != '{' && *start != '[' && r->content_type &&
           strncasecmp(r->content_type, "text/html", 9) == 0 && memchr(start, '<', n);
}

static const char *find_ci(const char *text, size_t n, const char *word)
{
    size_t size = strlen(word);
    for (size_t i = 0; i + size <= n; i++)
        if (strncasecmp(text + i, word, size) == 0)
            return text + i;
    return NULL;
}

static void hint_html(char *hint, size_t size, const char *body, size_t n)
{
    char title[128] = "";
    const char *start = find_ci(body, n, "<title");
    start = start ? memchr(start, '>', (size_t)(body + n - start)) : NULL;
    if (start) {
        start++;
        const char *end = memchr(start, '<', (size_t)(body + n - start));
        if (end)
            text_printable(title, sizeof(title), start, (size_t)(end - start));
    }
    if (title[0])
        snprintf(hint, size, "an HTML page titled '%s'", title);
    else
        snprintf(hint, size, "an HTML page");
}

/* {"error": …, "error_description": …}, or SCIM's {"detail": …}; false: not of that form. */
static bool hint_json(char *hint, size_t size, const char *body, size_t n)
{
    static const char *const names[] = {"error", "error_description", "detail", "message"};
    char text[512] = "";
    size_t used = 0;
    json_auto_t *json = json_loadb(body, n, 0, NULL);
    if (!json) /* what begins with a brace is an object or nothing */
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = json_string_value(json_object_get(json, names[i]));
        if (value && *value && used < sizeof(text))
            used +=
                (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? ": " : "", value);
    }
    if (!used)
        return false;
    text_printable(hint, size, text, strlen(text));
    return true;
}

/* A token that nobody knows yet, wherever it was put and under whatever status. */
static bool gives_token(const struct answer_question *q, const char *body, size_t n)
{
    return q->api == ANSWER_TOKEN && find_ci(body, n, "_token");
}

void hint_set(struct tenant_answer *ret, const struct answer_question *q,
              const struct http_result *r)
{
    size_t n;
    const char *body = hint_body(r, &n);
    bool html = hint_is_page(r);
    if (!html && n > 0 && *body == '{' && hint_json(ret->hint, sizeof(ret->hint), body, n))
        return;
    if (gives_token(q, body, n))
        snprintf(ret->hint, sizeof(ret->hint), "(the answer holds a token; it is not shown)");
    else if (html)
        hint_html(ret->hint, sizeof(ret->hint), body, n);
    else
        text_printable(ret->hint, sizeof(ret->hint), body, n < 1024 ? n : 1024);
}

/* Of a dozen characters that are in no word a secret is not read; of one that is short itself,
 * of fewer. */
#define ODD_MOST 12

/* The tenant's words: whatever way of writing a secret it may know, they are words. Ours, to
 * begin with, are. */
void hint_keep_words(struct tenant_answer *ret, const struct answer_question *q, size_t n_ours)
{
    size_t most = ODD_MOST;
    for (size_t i = 0; i < ARRAY_SIZE(q->secrets); i++) {
        size_t half = q->secrets[i] ? strlen(q->secrets[i]) / 2 : ODD_MOST;
        most = half < most ? half : most;
    }
    words_keep(ret->hint + n_ours, sizeof(ret->hint) - n_ours, q->login, most);
}

/* What the hint says is what will be shown, in whatever way it came about. */
void hint_hide_secrets(struct tenant_answer *ret, const struct answer_question *q)
{
    if (ret->hint[0] == '\0')
        return;
    bool cut = strlen(ret->hint) + 8 >= sizeof(ret->hint);
    for (size_t i = 0; i < ARRAY_SIZE(q->secrets); i++)
        if (leak_shows(ret->hint, cut, q->secrets[i])) {
            snprintf(ret->hint, sizeof(ret->hint),
                     "(the answer repeats a secret; it is not shown)");
            return;
        }
}

#define REDIRECT_TO "a redirect to "

/* Of an address: the scheme, and an IPv4 address and port, in which no secret has room. */
static size_t origin_size(const char *url)
{
    const char *host = strstr(url, "://");
    size_t n = host ? strcspn(host + 3, "/") : 0;
    if (!host)
        return 0;
    return (size_t)(host + 3 - url) +
           (n < sizeof("123.123.123.123:12345") && strspn(host + 3, "0123456789.:") == n ? n : 0);
}

size_t hint_redirect(struct tenant_answer *ret, const struct http_result *r)
{
    char where[160];
    text_printable(where, sizeof(where), r->redirect_url, strcspn(r->redirect_url, "?#"));
    snprintf(ret->hint, sizeof(ret->hint), REDIRECT_TO "%s, not followed", where);
    return sizeof(REDIRECT_TO) - 1 + origin_size(where);
}
