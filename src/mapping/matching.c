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

/* RFC 4518 2.6.1 as servers do it: one blank for each run of them; none at the ends, but where a
 * part of a substring assertion goes on. Blanks alone are one blank, and nothing as the last
 * part. In place. */
static size_t squeeze_blanks(char *text, size_t size, enum part_place place)
{
    size_t n = 0;
    bool gap = place != PART_ANY && place != PART_FINAL; /* drops those in front */
    for (size_t i = 0; i < size; i++) {
        bool blank = text[i] == ' ';
        if (!blank || !gap)
            text[n++] = text[i];
        gap = blank;
    }
    if (n > 0 && gap && place != PART_INITIAL && place != PART_ANY)
        n--;
    if (n == 0 && size > 0 && place != PART_FINAL)
        text[n++] = ' ';
    text[n] = '\0';
    return n;
}

/* Of IA5 strings blanks alone are nothing. */
static size_t squeeze_ia5(char *text, size_t size)
{
    size_t n = squeeze_blanks(text, size, PART_WHOLE);
    if (n == 1 && text[0] == ' ')
        text[n = 0] = '\0';
    return n;
}

static size_t remove_characters(char *text, size_t size, const char *which)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        if (!strchr(which, text[i]) || !text[i])
            text[n++] = text[i];
    if (n == 0 && size > 0)
        text[n++] = ' ';
    text[n] = '\0';
    return n;
}

/* Each line of a postal address by itself. */
static size_t squeeze_lines(char *text, size_t size, enum part_place place)
{
    size_t n = 0;
    for (size_t i = 0; i <= size;) {
        char *end = memchr(text + i, '$', size - i);
        size_t line = end ? (size_t)(end - text) - i : size - i;
        char *at = memmove(text + n, text + i, line);
        n += squeeze_blanks(at, line, place);
        i += line + 1;
        if (end)
            text[n++] = '$';
    }
    text[n] = '\0';
    return n;
}

/* Characters as the server prepares them, blanks as they came: what stands around the text keeps
 * those at its ends. */
static int prepare(const struct schema *schema, bool exact, const char *bytes, size_t size,
                   char **ret, size_t *ret_size)
{
    enum text_preparation how = exact ? TEXT_EXACT : TEXT_IGNORE_CASE;
    if (!exact &&
        (schema_kind(schema) == SCHEMA_389 || schema_kind(schema) == SCHEMA_ACTIVE_DIRECTORY))
        how = TEXT_CASE_ONLY;
    CLEANUP(buffer_done) struct buffer framed = {0};
    CLEANUP(buffer_done) struct buffer b = {0};
    buffer_add(&framed, "\1", 1);
    buffer_add(&framed, bytes, size);
    buffer_add(&framed, "\1", 1);
    int r = framed.failed ? -ENOMEM : text_prepare(&b, framed.data, framed.size, how);
    if (r < 0)
        return r == -EINVAL ? MATCHING_NO_FORM : r;
    size_t n = b.size - 2;
    char *text = buffer_take(&b);
    if (!text)
        return -ENOMEM;
    memmove(text, text + 1, n);
    text[n] = '\0';
    *ret = text;
    *ret_size = n;
    return 0;
}

static int normalise_text(struct normal *ret, const struct schema *schema, enum matching matching,
                          enum part_place place, const char *bytes, size_t size)
{
    bool exact = matching == MATCHING_CASE_EXACT || matching == MATCHING_IA5_EXACT ||
                 matching == MATCHING_TELEPHONE_EXACT;
    char *text = NULL;
    int r = prepare(schema, exact, bytes, size, &text, &size);
    if (r != 0)
        return r;
    if (matching == MATCHING_NUMERIC)
        size = remove_characters(text, size, " ");
    else if (matching == MATCHING_TELEPHONE || matching == MATCHING_TELEPHONE_EXACT)
        size = remove_characters(text, size, " -");
    else if (matching == MATCHING_LIST)
        size = squeeze_lines(text, size, place);
    else if (matching == MATCHING_IA5_IGNORE || matching == MATCHING_IA5_EXACT)
        size = squeeze_ia5(text, size);
    else
        size = squeeze_blanks(text, size, place);
    *ret = (struct normal){.data = text, .size = size};
    return 0;
}

int matching_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The text form, or the 16 bytes themselves; as 32 digits. */
static int normalise_uuid(struct normal *ret, const char *bytes, size_t size)
{
    char digits[33];
    size_t n = 0;
    if (size != 36 && size != 16)
        return MATCHING_NO_FORM;
    for (size_t i = 0; i < size; i++) {
        if (size == 16) {
            n += (size_t)snprintf(digits + n, 3, "%02x", (unsigned char)bytes[i]);
            continue;
        }
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (bytes[i] == '-') || (!dash && matching_hex_digit(bytes[i]) < 0))
            return MATCHING_NO_FORM;
        if (!dash)
            digits[n++] = "0123456789abcdef"[matching_hex_digit(bytes[i])];
    }
    digits[32] = '\0';
    return take_text(ret, strdup(digits));
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

static int compare_integers(const struct normal *a, const struct normal *b)
{
    bool a_negative = a->data[0] == '-', b_negative = b->data[0] == '-';
    if (a_negative != b_negative)
        return a_negative ? -1 : 1;
    int r = a->size != b->size ? (a->size < b->size ? -1 : 1) : strcmp(a->data, b->data);
    return a_negative ? -r : r;
}

int matching_compare(enum matching matching, const struct normal *a, const struct normal *b)
{
    if (matching == MATCHING_INTEGER || matching == MATCHING_FILETIME || matching == MATCHING_TIME)
        return compare_integers(a, b);
    int r = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);
    return r != 0 || a->size == b->size ? r : a->size < b->size ? -1 : 1;
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
    if (!take_digits(&at, 4, &year) || !take_digits(&at, 2, &month) || month < 1 || month > 12 ||
        !take_digits(&at, 2, &day) || day < 1 || day > days_in_month(year, month) ||
        !take_digits(&at, 2, &hour) || hour > 23)
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
    int64_t seconds = days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
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

static int normalise_dn(struct normal *ret, const struct schema *schema, const char *bytes,
                        size_t size)
{
    if (memchr(bytes, '\0', size) || !text_is_utf8(bytes, size))
        return MATCHING_NO_FORM;
    CLEANUP(freep) char *dn = strndup(bytes, size);
    if (!dn)
        return -ENOMEM;
    char *key = NULL;
    int r = dn_key(schema, dn, &key, NULL);
    if (r < 0)
        return r == -ENOMEM ? r : MATCHING_NO_FORM;
    return take_text(ret, key);
}

/* For substrings: the text as it stands, without the blanks that DNs may have at commas. */
static int normalise_dn_text(struct normal *ret, const struct schema *schema, enum part_place place,
                             const char *bytes, size_t size)
{
    int r = normalise_text(ret, schema, MATCHING_CASE_IGNORE, place, bytes, size);
    size_t n = 0;
    for (size_t i = 0; r == 0 && i < ret->size; i++) {
        bool at_comma =
            (n > 0 && ret->data[n - 1] == ',') || (i + 1 < ret->size && ret->data[i + 1] == ',');
        if (ret->data[i] != ' ' || !at_comma)
            ret->data[n++] = ret->data[i];
    }
    if (r == 0)
        ret->data[ret->size = n] = '\0';
    return r;
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

int matching_normalise(struct normal *ret, const struct schema *schema, enum matching matching,
                       enum part_place place, const char *bytes, size_t size)
{
    switch (matching) {
    case MATCHING_IA5_IGNORE: /* trimmed at both ends, whatever part of an assertion it is */
    case MATCHING_IA5_EXACT:
    case MATCHING_CASE_IGNORE:
    case MATCHING_CASE_EXACT:
    case MATCHING_NUMERIC:
    case MATCHING_TELEPHONE:
    case MATCHING_TELEPHONE_EXACT:
    case MATCHING_LIST:
    case MATCHING_OID: return normalise_text(ret, schema, matching, place, bytes, size);
    case MATCHING_INTEGER:
    case MATCHING_FILETIME: return normalise_integer(ret, bytes, size);
    case MATCHING_BOOLEAN:
        if (size == 4 && strncasecmp(bytes, "TRUE", 4) == 0)
            return take_text(ret, strdup("TRUE"));
        if (size == 5 && strncasecmp(bytes, "FALSE", 5) == 0)
            return take_text(ret, strdup("FALSE"));
        return MATCHING_NO_FORM;
    case MATCHING_DN:
        return place == PART_WHOLE ? normalise_dn(ret, schema, bytes, size)
                                   : normalise_dn_text(ret, schema, place, bytes, size);
    case MATCHING_OCTETS: return normalise_octets(ret, bytes, size);
    case MATCHING_TIME: return normalise_time(ret, bytes, size);
    case MATCHING_UUID: return normalise_uuid(ret, bytes, size);
    }
    return MATCHING_NO_FORM;
}

/* RFC 4517 3.3, where it is narrower than what a value in use may look like. */
bool matching_is_assertion(enum matching matching, const char *bytes, size_t size)
{
    switch (matching) {
    case MATCHING_CASE_IGNORE:
    case MATCHING_CASE_EXACT: return size > 0;
    case MATCHING_TELEPHONE:
    case MATCHING_TELEPHONE_EXACT:
    case MATCHING_IA5_IGNORE:
    case MATCHING_IA5_EXACT:
        for (size_t i = 0; i < size; i++)
            if ((unsigned char)bytes[i] >= 0x80)
                return false;
        return size > 0 || matching == MATCHING_IA5_IGNORE || matching == MATCHING_IA5_EXACT;
    case MATCHING_NUMERIC:
        for (size_t i = 0; i < size; i++)
            if (bytes[i] != ' ' && (bytes[i] < '0' || bytes[i] > '9'))
                return false;
        return size > 0;
    case MATCHING_INTEGER: {
        size_t sign = size > 0 && bytes[0] == '-';
        return !(size > 1 && bytes[sign] == '0');
    }
    case MATCHING_BOOLEAN:
        return (size == 4 && memcmp(bytes, "TRUE", 4) == 0) ||
               (size == 5 && memcmp(bytes, "FALSE", 5) == 0);
    case MATCHING_DN:
    case MATCHING_OCTETS:
    case MATCHING_TIME:
    case MATCHING_FILETIME:
    case MATCHING_UUID:
    case MATCHING_LIST:
    case MATCHING_OID: return true;
    }
    return true;
}

/* Equality rules of RFC 4517 that an extensible match may name. */
static const struct {
    const char *name, *oid;
    enum matching matching;
} rules[] = {
    /* clang-format off */
    {"objectIdentifierMatch",  "2.5.13.0",                      MATCHING_OID},
    {"distinguishedNameMatch", "2.5.13.1",                      MATCHING_DN},
    {"caseIgnoreMatch",        "2.5.13.2",                      MATCHING_CASE_IGNORE},
    {"caseExactMatch",         "2.5.13.5",                      MATCHING_CASE_EXACT},
    {"numericStringMatch",     "2.5.13.8",                      MATCHING_NUMERIC},
    {"caseIgnoreListMatch",    "2.5.13.11",                     MATCHING_LIST},
    {"booleanMatch",           "2.5.13.13",                     MATCHING_BOOLEAN},
    {"integerMatch",           "2.5.13.14",                     MATCHING_INTEGER},
    {"octetStringMatch",       "2.5.13.17",                     MATCHING_OCTETS},
    {"telephoneNumberMatch",   "2.5.13.20",                     MATCHING_TELEPHONE},
    {"generalizedTimeMatch",   "2.5.13.27",                     MATCHING_TIME},
    {"caseExactIA5Match",      "1.3.6.1.4.1.1466.109.114.1",    MATCHING_IA5_EXACT},
    {"caseIgnoreIA5Match",     "1.3.6.1.4.1.1466.109.114.2",    MATCHING_IA5_IGNORE},
    {"UUIDMatch",              "1.3.6.1.1.16.2",                MATCHING_UUID},
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
