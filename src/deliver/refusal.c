/*
 * What the tenant refuses to one person. Such a refusal holds that person's operation and stops
 * nobody else. Refusals that say the same, whoever they are about, are one cause: one alarm,
 * one line in `rosterctl holds`. One operation of a cause is tried again at a time, on the slow
 * timer, and its success frees the others.
 */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "deliver/delivery-internal.h"

#define WORDS_SIZE 160

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 || strchr(".-_@+#/", c);
}

static bool is_word_of(const char *text, const char *word, size_t n)
{
    for (const char *c = text; c && *c;) {
        size_t size = 0;
        while (c[size] && is_word_byte(c[size]))
            size++;
        if (size == n && !strncasecmp(c, word, n))
            return true;
        c += size ? size : 1;
    }
    return false;
}

/* What differs from one person to the next, or from one answer to the next: their login, names
 * and numbers, and whatever has a digit in it, such as the number that a firewall gives to each
 * request that it blocks. */
static bool is_personal(const struct execution *x, const char *word, size_t n)
{
    static const enum user_field fields[] = {USER_LOGIN,    USER_FIRST_NAME, USER_LAST_NAME,
                                             USER_EMAIL,    USER_WORK_PHONE, USER_MOBILE_PHONE,
                                             USER_EXTENSION};
    for (size_t i = 0; i < n; i++)
        if (isdigit((unsigned char)word[i]) || word[i] == '@')
            return true;
    if (is_word_of(x->operation->login, word, n))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if ((x->basis.wanted && is_word_of(user_get(x->basis.wanted, fields[i]), word, n)) ||
            (x->basis.known && is_word_of(user_get(x->basis.known, fields[i]), word, n)))
            return true;
    return false;
}

/* Lower case, without what is about the person; whole words only. */
static void common_words(const struct execution *x, const char *hint, char out[static WORDS_SIZE])
{
    size_t used = 0;
    bool was_personal = false;
    for (const char *c = hint; *c;) {
        size_t n = 0, keep;
        while (c[n] && is_word_byte(c[n]))
            n++;
        if (!n) {
            c++;
            continue;
        }
        const char *word = c;
        c += n;
        for (keep = n; keep && strchr(".-/", word[keep - 1]);)
            keep--;
        bool personal = is_personal(x, word, keep);
        if (!keep || (personal && was_personal))
            continue;
        was_personal = personal;
        size_t size = personal ? 1 : keep;
        if (used + size + 2 > WORDS_SIZE)
            break;
        if (used)
            out[used++] = ' ';
        if (personal) {
            out[used++] = '#';
            continue;
        }
        for (size_t i = 0; i < keep; i++) /* ASCII alone: the rest stays as it is */
            out[used++] =
                (unsigned char)word[i] < 0x80 ? (char)tolower((unsigned char)word[i]) : word[i];
    }
    out[used] = '\0';
}

void refusal_hold(struct execution *x, const struct tenant_answer *a, const char *reason,
                  const char *advice)
{
    char words[WORDS_SIZE], cause[WORDS_SIZE + 32], sentence[900];
    common_words(x, a->hint, words);
    snprintf(cause, sizeof(cause), "refused:%d%s%s", a->status, words[0] ? " " : "", words);
    snprintf(sentence, sizeof(sentence), "%s (it answered %d%s%s)", advice, a->status,
             a->hint[0] ? ": " : " without a word", a->hint);
    execution_hold_long(x, a, reason, cause, sentence);
}

void refusal_hold_user(struct execution *x, const struct tenant_answer *a)
{
    bool forbidden = a->status == 401 || a->status == 403;
    refusal_hold(
        x, a, REASON_REFUSED,
        forbidden
            ? "the tenant refuses this call for this user: the user is protected there, a firewall "
              "blocks the request, or the API user may not do this to them; it is tried again"
            : "the tenant refuses this user's data: correct the entry or the mapping, or make room at "
              "the tenant; it is tried again, and at once when the entry changes");
}
