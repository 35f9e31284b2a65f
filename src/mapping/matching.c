/*
 * Normalisation of values by matching rule. Integers may be of any length: they stay decimal
 * text. Refuses to guess: what has no form of the asked kind is told apart, never equal to
 * anything.
 */
#include "config.h"

#include "mapping/matching.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <uninorm.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/dn.h"

void normal_done(struct normal *n)
{
    free(n->data);
    *n = (struct normal){0};
}

bool normal_equal(const struct normal *a, const struct normal *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

static int take_text(struct normal *ret, char *text)
{
    if (!text)
        return -ENOMEM;
    *ret = (struct normal){.data = text, .size = strlen(text)};
    return 0;
}

static int take_buffer(struct normal *ret, struct buffer *b)
{
    size_t size = b->size;
    char *data = buffer_take(b);
    if (!data)
        return -ENOMEM;
    *ret = (struct normal){.data = data, .size = size};
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* RFC 4518 2.2 maps NUL to nothing. A copy without it, so that C strings hold the rest. */
static char *without_nul(const char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            copy[n++] = bytes[i];
    copy[n] = '\0';
    return copy;
}

/* NFC, blanks trimmed and collapsed, case kept. */
static char *exact_form(const char *text)
{
    size_t size = strlen(text);
    CLEANUP(freep) char *composed = NULL;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] >= 0x80) {
            size_t n = 0;
            composed = (char *)u8_normalize(UNINORM_NFC, (const uint8_t *)text, size, NULL, &n);
            if (!composed)
                return NULL;
            text = composed;
            size = n;
            break;
        }
    char *form = malloc(size + 1);
    if (!form)
        return NULL;
    size_t n = 0;
    bool gap = false;
    for (size_t i = 0; i < size; i++) {
        if (is_blank(text[i])) {
            gap = n > 0;
            continue;
        }
        if (gap)
            form[n++] = ' ';
        gap = false;
        form[n++] = text[i];
    }
    form[n] = '\0';
    return form;
}

/* RFC 4518 2.6.1: the value is seen with a blank at each end, and a part with a blank where it
 * had some, so that "(cn=*john *)" finds the word at the end of a value too. */
static int add_edges(struct normal *ret, const char *raw, char *form, enum part_place place)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(freep) char *owned = form;
    size_t size = strlen(raw);
    bool head = place == PART_SUBJECT || place == PART_INITIAL || (size && is_blank(raw[0]));
    bool tail =
        place == PART_SUBJECT || place == PART_FINAL || (size && is_blank(raw[size - 1]));
    if (head)
        buffer_add(&b, " ", 1);
    buffer_add_text(&b, owned);
    if (tail && (owned[0] || !head))
        buffer_add(&b, " ", 1);
    return take_buffer(ret, &b);
}

static int normalise_text(struct normal *ret, enum matching matching, enum part_place place,
                          const char *bytes, size_t size)
{
    if (!text_is_utf8(bytes, size))
        return MATCHING_NO_FORM;
    CLEANUP(freep) char *raw = without_nul(bytes, size);
    if (!raw)
        return -ENOMEM;
    char *form =
        matching == MATCHING_CASE_EXACT ? exact_form(raw) : text_fold(raw, strlen(raw));
    if (!form)
        return -ENOMEM;
    if (matching == MATCHING_NUMERIC || matching == MATCHING_TELEPHONE) {
        size_t n = 0;
        for (size_t i = 0; form[i]; i++)
            if (form[i] != ' ' && (form[i] != '-' || matching == MATCHING_NUMERIC))
                form[n++] = form[i];
        form[n] = '\0';
        return take_text(ret, form);
    }
    return place == PART_WHOLE ? take_text(ret, form) : add_edges(ret, raw, form, place);
}

static int normalise_integer(struct normal *ret, const char *bytes, size_t size)
{
    bool negative = size > 0 && bytes[0] == '-';
    size_t at = negative ? 1 : 0;
    if (at == size)
        return MATCHING_NO_FORM;
    for (size_t i = at; i < size; i++)
        if (bytes[i] < '0' || bytes[i] > '9')
            return MATCHING_NO_FORM;
    while (at + 1 < size && bytes[at] == '0')
        at++;
    if (bytes[at] == '0')
        negative = false;
    char *text = malloc(size - at + 2);
    if (!text)
        return -ENOMEM;
    text[0] = '-';
    memcpy(text + (negative ? 1 : 0), bytes + at, size - at);
    text[size - at + (negative ? 1 : 0)] = '\0';
    return take_text(ret, text);
}

int matching_compare(const struct normal *a, const struct normal *b)
{
    bool a_negative = a->data[0] == '-', b_negative = b->data[0] == '-';
    if (a_negative != b_negative)
        return a_negative ? -1 : 1;
    int r = a->size != b->size ? (a->size < b->size ? -1 : 1) : strcmp(a->data, b->data);
    return a_negative ? -r : r;
}

static bool take_digits(const char **at, size_t n, int *ret)
{
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += n;
    *ret = value;
    return true;
}

/* Days since 1970 in the proleptic Gregorian calendar. */
static int64_t days_from_date(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static int parse_zone(const char *at, int64_t *ret_usec)
{
    int hours = 0, minutes = 0;
    if (strcmp(at, "Z") == 0) {
        *ret_usec = 0;
        return 0;
    }
    bool negative = *at == '-';
    if (*at != '+' && *at != '-')
        return -EINVAL;
    at++;
    if (!take_digits(&at, 2, &hours) || (*at && !take_digits(&at, 2, &minutes)) || *at ||
        hours > 23 || minutes > 59)
        return -EINVAL;
    *ret_usec = (negative ? -1 : 1) * (hours * 60LL + minutes) * 60000000LL;
    return 0;
}

int matching_parse_time(const char *text, int64_t *ret_usec)
{
    const char *at = text;
    int year, month, day, hour, minute = 0, second = 0;
    int64_t unit = 3600000000LL, fraction = 0, zone;
    if (!take_digits(&at, 4, &year) || !take_digits(&at, 2, &month) || month < 1 ||
        month > 12 || !take_digits(&at, 2, &day) || day < 1 ||
        day > days_in_month(year, month) || !take_digits(&at, 2, &hour) || hour > 23)
        return -EINVAL;
    if (*at >= '0' && *at <= '9') {
        if (!take_digits(&at, 2, &minute) || minute > 59)
            return -EINVAL;
        unit = 60000000LL;
        if (*at >= '0' && *at <= '9') {
            if (!take_digits(&at, 2, &second) || second > 60)
                return -EINVAL;
            unit = 1000000LL;
        }
    }
    if (*at == '.' || *at == ',') {
        int64_t scale = unit;
        if (*++at < '0' || *at > '9')
            return -EINVAL;
        for (; *at >= '0' && *at <= '9'; at++) {
            scale /= 10;
            fraction += (*at - '0') * scale;
        }
    }
    if (parse_zone(at, &zone) < 0)
        return -EINVAL;
    int64_t seconds =
        days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    *ret_usec = seconds * 1000000 + fraction - zone;
    return 0;
}

static int normalise_time(struct normal *ret, const char *bytes, size_t size)
{
    char text[64];
    int64_t usec;
    if (size >= sizeof(text) || memchr(bytes, '\0', size))
        return MATCHING_NO_FORM;
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (matching_parse_time(text, &usec) < 0)
        return MATCHING_NO_FORM;
    snprintf(text, sizeof(text), "%" PRId64, usec);
    return take_text(ret, strdup(text));
}

static int normalise_dn(struct normal *ret, const char *bytes, size_t size)
{
    if (memchr(bytes, '\0', size) || !text_is_utf8(bytes, size))
        return MATCHING_NO_FORM;
    CLEANUP(freep) char *dn = strndup(bytes, size);
    if (!dn)
        return -ENOMEM;
    char *key = NULL;
    int r = dn_key(NULL, dn, &key, NULL);
    if (r < 0)
        return r == -ENOMEM ? r : MATCHING_NO_FORM;
    return take_text(ret, key);
}

static int normalise_octets(struct normal *ret, const char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    *ret = (struct normal){.data = copy, .size = size};
    return 0;
}

int matching_normalise(struct normal *ret, enum matching matching, enum part_place place,
                       const char *bytes, size_t size)
{
    switch (matching) {
    case MATCHING_CASE_IGNORE:
    case MATCHING_CASE_EXACT:
    case MATCHING_NUMERIC:
    case MATCHING_TELEPHONE: return normalise_text(ret, matching, place, bytes, size);
    case MATCHING_INTEGER:
    case MATCHING_FILETIME: return normalise_integer(ret, bytes, size);
    case MATCHING_BOOLEAN:
        if (size == 4 && strncasecmp(bytes, "TRUE", 4) == 0)
            return take_text(ret, strdup("TRUE"));
        if (size == 5 && strncasecmp(bytes, "FALSE", 5) == 0)
            return take_text(ret, strdup("FALSE"));
        return MATCHING_NO_FORM;
    case MATCHING_DN: return normalise_dn(ret, bytes, size);
    case MATCHING_OCTETS: return normalise_octets(ret, bytes, size);
    case MATCHING_TIME: return normalise_time(ret, bytes, size);
    }
    return MATCHING_NO_FORM;
}

bool matching_has_substrings(enum matching matching)
{
    switch (matching) {
    case MATCHING_CASE_IGNORE:
    case MATCHING_CASE_EXACT:
    case MATCHING_NUMERIC:
    case MATCHING_TELEPHONE:
    case MATCHING_OCTETS: return true;
    case MATCHING_INTEGER:
    case MATCHING_FILETIME:
    case MATCHING_BOOLEAN:
    case MATCHING_DN:
    case MATCHING_TIME: return false;
    }
    return false;
}

int matching_order(enum matching matching, const char *assertion, size_t size)
{
    static const enum matching kinds[] = {MATCHING_INTEGER, MATCHING_TIME};
    bool text = matching == MATCHING_CASE_IGNORE || matching == MATCHING_CASE_EXACT ||
                matching == MATCHING_NUMERIC || matching == MATCHING_TELEPHONE;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!text && matching != kinds[i] &&
            !(matching == MATCHING_FILETIME && kinds[i] == MATCHING_INTEGER))
            continue;
        struct normal n = {0};
        int r = matching_normalise(&n, kinds[i], PART_WHOLE, assertion, size);
        normal_done(&n);
        if (r < 0)
            return r;
        if (r == 0)
            return (int)kinds[i];
    }
    return 0;
}

/* Equality rules of RFC 4517 that an extensible match may name. */
static const struct {
    const char *name, *oid;
    enum matching matching;
} rules[] = {
    /* clang-format off */
    {"objectIdentifierMatch",  "2.5.13.0",                      MATCHING_CASE_IGNORE},
    {"distinguishedNameMatch", "2.5.13.1",                      MATCHING_DN},
    {"caseIgnoreMatch",        "2.5.13.2",                      MATCHING_CASE_IGNORE},
    {"caseExactMatch",         "2.5.13.5",                      MATCHING_CASE_EXACT},
    {"numericStringMatch",     "2.5.13.8",                      MATCHING_NUMERIC},
    {"booleanMatch",           "2.5.13.13",                     MATCHING_BOOLEAN},
    {"integerMatch",           "2.5.13.14",                     MATCHING_INTEGER},
    {"octetStringMatch",       "2.5.13.17",                     MATCHING_OCTETS},
    {"telephoneNumberMatch",   "2.5.13.20",                     MATCHING_TELEPHONE},
    {"generalizedTimeMatch",   "2.5.13.27",                     MATCHING_TIME},
    {"caseExactIA5Match",      "1.3.6.1.4.1.1466.109.114.1",    MATCHING_CASE_EXACT},
    {"caseIgnoreIA5Match",     "1.3.6.1.4.1.1466.109.114.2",    MATCHING_CASE_IGNORE},
    /* clang-format on */
};

int matching_from_extensible_rule(const char *rule)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (strcasecmp(rules[i].name, rule) == 0 || strcmp(rules[i].oid, rule) == 0)
            return (int)rules[i].matching;
    return -1;
}

const char *const *matching_extensible_names(void)
{
    static const char *names[ARRAY_SIZE(rules) + 1];
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        names[i] = rules[i].name;
    return names;
}
