/*
 * The types of configuration values. A parser gets the raw text, writes its slot, and on bad
 * input says what is expected and at which byte; it never touches files or the network.
 * Defaults pass through here too.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/settings.h"
#include "mapping/ruleset.h"
#include "model/dn.h"

static int store_text(void *slot, const char *text, struct error *e)
{
    char *copy = strdup(text);

    if (!copy)
        return error_out_of_memory(e);
    *(char **)slot = copy;
    return 0;
}

int config_parse_text(const struct config_key *key, const struct config_value *value, void *slot,
                      size_t *ret_offset, struct error *e)
{
    (void)key;
    (void)ret_offset;
    return store_text(slot, value->text, e);
}

int config_parse_absolute_path(const struct config_key *key, const struct config_value *value,
                               void *slot, size_t *ret_offset, struct error *e)
{
    (void)key;
    (void)ret_offset;
    if (value->text[0] != '/')
        return error_set(e, -EINVAL, "'%s' is not an absolute path", value->text);
    return store_text(slot, value->text, e);
}

int config_parse_path(const struct config_key *key, const struct config_value *value, void *slot,
                      size_t *ret_offset, struct error *e)
{
    (void)key;
    (void)ret_offset;
    if (value->text[0] != '/' && strchr(value->text, '/'))
        return error_set(e, -EINVAL,
                         "'%s' is neither an absolute path nor the name of a credential",
                         value->text);
    return store_text(slot, value->text, e);
}

static void free_strings(char ***items)
{
    text_array_free(*items);
}

static int parse_dn(const struct config_key *key, const struct config_value *value, void *slot,
                    size_t *ret_offset, struct error *e)
{
    CLEANUP(freep) char *dn = NULL;

    (void)key;
    (void)ret_offset;
    int r = dn_key(NULL, value->text, &dn, e);
    return r < 0 ? r : store_text(slot, value->text, e);
}

int config_parse_bind_name(const struct config_key *key, const struct config_value *value,
                           void *slot, size_t *ret_offset, struct error *e)
{
    const char *text = value->text;
    size_t at = strcspn(text, "@\\");

    /* What has no '=' is no DN; Active Directory looks such a name up (MS-ADTS 5.1.1.1.1). */
    if (!strchr(text, '=') && at > 0 && text[at] && text[at + 1])
        return store_text(slot, text, e);
    int r = parse_dn(key, value, slot, ret_offset, e);
    return r < 0 && !strchr(text, '=')
               ? error_set(e, r,
                           "'%s' is neither a DN such as cn=rosterd,dc=example,dc=com nor, for "
                           "Active Directory, user@domain or DOMAIN\\user",
                           text)
               : r;
}

int config_parse_dn_list(const struct config_key *key, const struct config_value *value, void *slot,
                         size_t *ret_offset, struct error *e)
{
    CLEANUP(free_strings) char **items = NULL;
    const char *p = value->text;
    size_t n = 0, capacity = 0;

    for (bool last = false; !last; p += strcspn(p, "\n") + 1) {
        size_t size = strcspn(p, "\n");
        CLEANUP(freep) char *text = strndup(p, size);
        CLEANUP(freep) char *dn = NULL;

        last = !p[size];
        *ret_offset = (size_t)(p - value->text);
        if (!text || memory_grow(&items, &capacity, n + 2, sizeof(*items)) < 0)
            return error_out_of_memory(e);
        items[n] = NULL;
        int r = dn_key(NULL, text, &dn, e);
        if (r < 0)
            return r;
        items[n++] = TAKE(text);
        items[n] = NULL;
    }
    *(char ***)slot = TAKE(items);
    *(size_t *)(void *)((char *)slot - key->slot + key->count_slot) = n;
    return 0;
}

int config_parse_filter(const struct config_key *key, const struct config_value *value, void *slot,
                        size_t *ret_offset, struct error *e)
{
    CLEANUP(string_list_done) struct string_list names = {0};

    (void)key;
    (void)ret_offset;
    int r = filter_attributes(value->text, &names, e);
    return r < 0 ? r : store_text(slot, value->text, e);
}

int config_parse_attribute(const struct config_key *key, const struct config_value *value,
                           void *slot, size_t *ret_offset, struct error *e)
{
    (void)key;
    for (const char *c = value->text; *c; c++) {
        if (isalnum((unsigned char)*c) || *c == '-' || *c == '.' || *c == ';')
            continue;
        *ret_offset = (size_t)(c - value->text);
        return error_set(e, -EINVAL, "'%s' is not the name of an attribute", value->text);
    }
    return store_text(slot, value->text, e);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* One element from *at on, up to an unquoted separator (a comma, or blanks when `words`). Two
 * quotes inside a quoted element are one. -EINVAL with the offset in *at. */
static int next_element(const char *text, size_t *at, bool words, struct buffer *element,
                        size_t *ret_start, struct error *e)
{
    size_t i = *at;

    while (is_blank(text[i]))
        i++;
    *ret_start = i;
    buffer_clear(element);
    if (text[i] != '"') {
        size_t end = i + strcspn(text + i, words ? " \t" : ",");
        size_t stop = end;
        while (stop > i && is_blank(text[stop - 1]))
            stop--;
        buffer_add(element, text + i, stop - i);
        *at = end;
        return 0;
    }
    for (i++;; i++) {
        if (!text[i]) {
            *at = *ret_start;
            return error_set(e, -EINVAL, "this double quote is never closed");
        }
        if (text[i] == '"' && text[i + 1] != '"')
            break;
        if (text[i] == '"')
            i++;
        buffer_add(element, text + i, 1);
    }
    for (i++; is_blank(text[i]) && !words; i++)
        ;
    *at = i;
    if (text[i] && text[i] != ',' && !words)
        return error_set(e, -EINVAL, "a comma must separate a closing quote from the next element");
    if (text[i] && !is_blank(text[i]) && words)
        return error_set(e, -EINVAL, "a blank is missing after the closing quote");
    return 0;
}

/* Splits into a NULL-terminated array; each element passes `check` first (may be NULL). */
static int split(const char *text, bool words, int (*check)(const char *element, struct error *e),
                 char ***ret, size_t *ret_n, size_t *ret_offset, struct error *e)
{
    CLEANUP(free_strings) char **items = NULL;
    CLEANUP(buffer_done) struct buffer element = {0};
    size_t at = 0, n = 0, capacity = 0, start;

    for (;;) {
        int r = next_element(text, &at, words, &element, &start, e);
        if (r < 0) {
            *ret_offset = at;
            return r;
        }
        *ret_offset = start;
        if (element.failed)
            return error_out_of_memory(e);
        if (element.size == 0)
            return error_set(e, -EINVAL, "an empty element");
        r = check ? check(element.data, e) : 0;
        if (r < 0)
            return r;
        if (memory_grow(&items, &capacity, n + 2, sizeof(*items)) < 0)
            return error_out_of_memory(e);
        items[n + 1] = NULL;
        items[n] = strdup(element.data);
        if (!items[n])
            return error_out_of_memory(e);
        n++;
        while (words && is_blank(text[at]))
            at++;
        if (!text[at])
            break;
        if (!words)
            at++; /* the comma */
    }
    *ret = TAKE(items);
    *ret_n = n;
    return 0;
}

/* Lists have two slots: the array and, by the key's count_slot, its size. */
static int store_list(const struct config_key *key, const struct config_value *value, void *slot,
                      int (*check)(const char *element, struct error *e), size_t *ret_offset,
                      struct error *e)
{
    size_t n;
    int r = split(value->text, false, check, slot, &n, ret_offset, e);

    if (r == 0)
        *(size_t *)(void *)((char *)slot - key->slot + key->count_slot) = n;
    return r;
}

int config_parse_list(const struct config_key *key, const struct config_value *value, void *slot,
                      size_t *ret_offset, struct error *e)
{
    return store_list(key, value, slot, NULL, ret_offset, e);
}

static int check_uri(const char *uri, struct error *e)
{
    static const char *const schemes[] = {"ldap://", "ldaps://", "ldapi://", "srv:"};
    const char *rest = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (strncasecmp(uri, schemes[i], strlen(schemes[i])) == 0)
            rest = uri + strlen(schemes[i]);
    if (!rest)
        return error_set(e, -EINVAL,
                         "'%s' does not begin with ldap://, ldaps://, ldapi:// or srv:", uri);
    if (strpbrk(rest, " \t"))
        return error_set(e, -EINVAL, "'%s' has a blank in it; commas separate the servers", uri);
    if (strchr(rest, '@') && strncasecmp(uri, "ldapi", 5) != 0)
        return error_set(e, -EINVAL, "no user stands in the address of a server; see bind_dn");
    if (!*rest && strncasecmp(uri, "ldapi", 5) != 0)
        return error_set(e, -EINVAL, "'%s' names no server", uri);
    return 0;
}

int config_parse_uri_list(const struct config_key *key, const struct config_value *value,
                          void *slot, size_t *ret_offset, struct error *e)
{
    return store_list(key, value, slot, check_uri, ret_offset, e);
}

int config_parse_url(const struct config_key *key, const struct config_value *value, void *slot,
                     size_t *ret_offset, struct error *e)
{
    const char *text = value->text;
    size_t scheme = strncasecmp(text, "https://", 8) == 0  ? 8
                    : strncasecmp(text, "http://", 7) == 0 ? 7
                                                           : 0;

    (void)key;
    if (scheme == 0)
        return error_set(e, -EINVAL, "'%s' does not begin with https://", text);
    *ret_offset = scheme;
    size_t host = strcspn(text + scheme, "/?#");
    if (memchr(text + scheme, '@', host))
        return error_set(e, -EINVAL, "no user or password stands in the address; see client_id");
    if (host == 0 || strpbrk(text, " \t\"<>\\"))
        return error_set(e, -EINVAL, "'%s' is not an address such as https://acme.example.com",
                         text);
    if (strcspn(text + scheme, "?#") != strlen(text + scheme))
        return error_set(e, -EINVAL, "a query or fragment is not part of the tenant's address");
    if (text[scheme + host] && strcmp(text + scheme + host, "/") != 0) {
        *ret_offset = scheme + host;
        return error_set(e, -EINVAL,
                         "'%s' has a path, which is not part of the tenant's address: write %.*s",
                         text, (int)(scheme + host), text);
    }
    return store_text(slot, text, e);
}

int config_parse_command(const struct config_key *key, const struct config_value *value, void *slot,
                         size_t *ret_offset, struct error *e)
{
    CLEANUP(free_strings) char **words = NULL;
    size_t n;

    (void)key;
    int r = split(value->text, true, NULL, &words, &n, ret_offset, e);
    if (r < 0)
        return r;
    *ret_offset = 0;
    if (words[0][0] != '/')
        return error_set(e, -EINVAL, "'%s' is not the absolute path of a program", words[0]);
    *(char ***)slot = TAKE(words);
    return 0;
}

int config_parse_duration(const struct config_key *key, const struct config_value *value,
                          void *slot, size_t *ret_offset, struct error *e)
{
    uint64_t usec;
    char low[32], high[32];

    (void)ret_offset;
    if (text_parse_duration(value->text, &usec) < 0)
        return error_set(e, -EINVAL, "'%s' is not a time span such as 30s, 5min, 2h or 7d",
                         value->text);
    if (usec < key->min || usec > key->max)
        return error_set(e, -EINVAL, "%s is outside of what is possible, %s to %s", value->text,
                         text_format_duration(low, sizeof(low), key->min),
                         text_format_duration(high, sizeof(high), key->max));
    *(uint64_t *)slot = usec;
    return 0;
}

/* 64M or 1G: a size; 30d: a time; no: never. */
int config_parse_rotation(const struct config_key *key, const struct config_value *value,
                          void *slot, size_t *ret_offset, struct error *e)
{
    static const char letters[] = "KMG";
    struct config_rotation *r = slot;
    size_t size = strlen(value->text);
    const char *letter = size > 1 ? strchr(letters, value->text[size - 1]) : NULL;
    CLEANUP(freep) char *number = letter && *letter ? strndup(value->text, size - 1) : NULL;
    uint64_t n;

    (void)key;
    (void)ret_offset;
    *r = (struct config_rotation){0};
    if (strcmp(value->text, "no") == 0)
        return 0;
    if (number && text_parse_unsigned(number, 1 << 20, &n) == 0 && n > 0) {
        r->bytes = n << (10 * (unsigned)(letter - letters + 1));
        return 0;
    }
    if (text_parse_duration(value->text, &n) < 0 || n < 3600 * USEC_PER_SEC)
        return error_set(
            e, -EINVAL,
            "'%s' is neither a size such as 64M or 1G, nor a time of an hour or more such as 30d, nor 'no'",
            value->text);
    r->usec = n;
    return 0;
}

static int parse_number(const struct config_key *key, const char *text, uint64_t *ret,
                        struct error *e)
{
    if (text_parse_unsigned(text, UINT64_MAX, ret) < 0)
        return error_set(e, -EINVAL, "'%s' is not a whole number", text);
    if (*ret < key->min || *ret > key->max)
        return error_set(e, -EINVAL, "%s is outside of what is possible, %llu to %llu", text,
                         (unsigned long long)key->min, (unsigned long long)key->max);
    return 0;
}

int config_parse_unsigned(const struct config_key *key, const struct config_value *value,
                          void *slot, size_t *ret_offset, struct error *e)
{
    uint64_t n;
    int r = parse_number(key, value->text, &n, e);

    (void)ret_offset;
    if (r == 0)
        *(unsigned *)slot = (unsigned)n;
    return r;
}

int config_parse_size(const struct config_key *key, const struct config_value *value, void *slot,
                      size_t *ret_offset, struct error *e)
{
    uint64_t n;
    int r = parse_number(key, value->text, &n, e);

    (void)ret_offset;
    if (r == 0)
        *(size_t *)slot = (size_t)n;
    return r;
}

int config_parse_bytes(const struct config_key *key, const struct config_value *value, void *slot,
                       size_t *ret_offset, struct error *e)
{
    static const struct {
        char unit;
        unsigned shift;
    } units[] = {{'K', 10}, {'M', 20}, {'G', 30}};
    size_t n_digits = strspn(value->text, "0123456789");
    const char *unit = value->text + n_digits;
    CLEANUP(freep) char *digits = strndup(value->text, n_digits);
    unsigned shift = 0;
    uint64_t n;

    (void)ret_offset;
    if (!digits)
        return error_out_of_memory(e);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (*unit == units[i].unit && !unit[1])
            shift = units[i].shift;
    if ((*unit && shift == 0) || text_parse_unsigned(digits, UINT64_MAX >> shift, &n) < 0)
        return error_set(e, -EINVAL, "'%s' is not a size such as 512K, 64M or 1G", value->text);
    n <<= shift;
    if (n < key->min || n > key->max)
        return error_set(e, -EINVAL, "must be between %" PRIu64 "K and %" PRIu64 "M",
                         key->min >> 10, key->max >> 20);
    *(uint64_t *)slot = n;
    return 0;
}

/* Digits with at most one point: no exponent, no sign, no "inf", no locale. */
static int parse_decimal(const char *text, size_t size, double *ret)
{
    double whole = 0, scale = 1;
    bool point = false, digits = false;

    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (!isdigit((unsigned char)text[i]) || i > 15)
            return -EINVAL;
        digits = true;
        whole = whole * 10 + (text[i] - '0');
        scale *= point ? 10 : 1;
    }
    *ret = whole / scale;
    return digits ? 0 : -EINVAL;
}

int config_parse_rate(const struct config_key *key, const struct config_value *value, void *slot,
                      size_t *ret_offset, struct error *e)
{
    double rate;

    (void)ret_offset;
    if (parse_decimal(value->text, strlen(value->text), &rate) < 0 || rate > (double)key->max)
        return error_set(e, -EINVAL, "'%s' is not a number from 0 (no limit) to %llu", value->text,
                         (unsigned long long)key->max);
    *(double *)slot = rate;
    return 0;
}

static int parse_percent(const char *text, size_t size, double *ret)
{
    while (size > 0 && is_blank(text[size - 1]))
        size--;
    if (size < 2 || text[size - 1] != '%')
        return -EINVAL;
    for (size--; size > 0 && is_blank(text[size - 1]); size--)
        ;
    return parse_decimal(text, size, ret) < 0 || *ret > 100 ? -EINVAL : 0;
}

int config_parse_percent(const struct config_key *key, const struct config_value *value, void *slot,
                         size_t *ret_offset, struct error *e)
{
    (void)key;
    (void)ret_offset;
    if (parse_percent(value->text, strlen(value->text), slot) < 0)
        return error_set(e, -EINVAL, "'%s' is not a share such as 20%%", value->text);
    return 0;
}

/* ", at least N" or ", at most N"; *at stands on the comma. */
static int parse_bound(const char *text, size_t *at, const char *words, size_t *ret)
{
    size_t i = *at + 1;
    uint64_t n = 0;

    while (is_blank(text[i]))
        i++;
    if (strncmp(text + i, words, strlen(words)) != 0)
        return 0;
    i += strlen(words);
    if (!is_blank(text[i]))
        return -EINVAL;
    while (is_blank(text[i]))
        i++;
    if (!isdigit((unsigned char)text[i]))
        return -EINVAL;
    for (; isdigit((unsigned char)text[i]); i++) {
        n = n * 10 + (unsigned)(text[i] - '0');
        if (n > 100000000)
            return -EINVAL;
    }
    while (is_blank(text[i]))
        i++;
    if (text[i] && text[i] != ',')
        return -EINVAL;
    *at = i;
    *ret = (size_t)n;
    return 1;
}

int config_parse_budget(const struct config_key *key, const struct config_value *value, void *slot,
                        size_t *ret_offset, struct error *e)
{
    const char *text = value->text;
    struct budget b = {0};
    uint64_t n;
    size_t at = strcspn(text, ",");
    int low = 0, high = 0;

    (void)key;
    if (strcmp(text, "unlimited") == 0) {
        b.unlimited = true;
    } else if (text_parse_unsigned(text, 100000000, &n) == 0) {
        b.floor = b.count = (size_t)n;
    } else if (parse_percent(text, at, &b.percent) == 0) {
        if (text[at])
            low = parse_bound(text, &at, "at least", &b.floor);
        if (text[at] && low >= 0)
            high = parse_bound(text, &at, "at most", &b.count);
        if (low < 0 || high < 0 || text[at]) {
            *ret_offset = at;
            return error_set(e, -EINVAL,
                             "after a share comes \", at least N\", \", at most N\" "
                             "or both in this order");
        }
        if (high > 0 && b.count == 0)
            return error_set(e, -EINVAL, "at most 0: write 0 alone");
        if (high > 0 && b.count < b.floor)
            return error_set(e, -EINVAL, "at most %zu is less than at least %zu", b.count, b.floor);
    } else {
        return error_set(e, -EINVAL,
                         "'%s' is not a budget: \"unlimited\", \"20\", \"5%%\" or \"5%%, at "
                         "least 5, at most 100\"",
                         text);
    }
    *(struct budget *)slot = b;
    return 0;
}

int config_parse_choice(const struct config_key *key, const struct config_value *value, void *slot,
                        size_t *ret_offset, struct error *e)
{
    const char *names[16];
    CLEANUP(buffer_done) struct buffer list = {0};
    size_t n = 0;

    (void)ret_offset;
    for (const struct config_choice *c = key->choices; c->name; c++) {
        if (strcmp(c->name, value->text) == 0) {
            *(unsigned *)slot = c->value;
            return 0;
        }
        buffer_format(&list, "%s%s", n ? ", " : "", c->name);
        names[n++] = c->name;
    }
    const char *near = text_nearest(value->text, names, n);
    return error_set(e, -EINVAL, "'%s' is not one of %s%s%s%s", value->text,
                     list.data ? list.data : "", near ? "; did you mean '" : "", near ? near : "",
                     near ? "'?" : "");
}

static int parse_boolean(const char *text, bool *ret, struct error *e)
{
    static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {"no", "false", "off"};

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (strcmp(text, yes[i]) != 0 && strcmp(text, no[i]) != 0)
            continue;
        *ret = strcmp(text, yes[i]) == 0;
        return 0;
    }
    return error_set(e, -EINVAL, "'%s' is neither yes nor no", text);
}

int config_parse_yes_no(const struct config_key *key, const struct config_value *value, void *slot,
                        size_t *ret_offset, struct error *e)
{
    (void)key;
    (void)ret_offset;
    return parse_boolean(value->text, slot, e);
}

int config_parse_no_yes(const struct config_key *key, const struct config_value *value, void *slot,
                        size_t *ret_offset, struct error *e)
{
    bool yes = false;
    int r = parse_boolean(value->text, &yes, e);

    (void)key;
    (void)ret_offset;
    if (r == 0)
        *(bool *)slot = !yes;
    return r;
}

int config_parse_level(const struct config_key *key, const struct config_value *value, void *slot,
                       size_t *ret_offset, struct error *e)
{
    int level = log_level_from_text(value->text);

    (void)key;
    (void)ret_offset;
    if (level < 0)
        return error_set(e, -EINVAL, "'%s' is not one of err, warning, notice, info, debug",
                         value->text);
    *(int *)slot = level;
    return 0;
}

/* The mapping has its own languages and says itself what is wrong with them. */
int config_parse_mapping(const struct config_key *key, const struct config_value *value, void *slot,
                         size_t *ret_offset, struct error *e)
{
    struct mapping_text *text = slot;

    (void)key;
    (void)ret_offset;
    text->file = strdup(value->file ? value->file : "the default");
    text->line = value->line;
    text->text = strdup(value->text);
    return text->text && text->file ? 0 : error_out_of_memory(e);
}

static void release_text(void *slot)
{
    free(*(char **)slot);
}

static void release_words(void *slot)
{
    free_strings(slot);
}

static void release_mapping(void *slot)
{
    struct mapping_text *text = slot;

    free(text->text);
    free(text->file);
}

/* The types that own something; the others are plain numbers. */
static const struct {
    config_parse_fn *parse;
    void (*release)(void *slot);
} owners[] = {
    {config_parse_text, release_text},          {config_parse_path, release_text},
    {config_parse_absolute_path, release_text}, {config_parse_filter, release_text},
    {config_parse_attribute, release_text},     {config_parse_url, release_text},
    {config_parse_bind_name, release_text},     {config_parse_list, release_words},
    {config_parse_uri_list, release_words},     {config_parse_dn_list, release_words},
    {config_parse_command, release_words},      {config_parse_mapping, release_mapping},
};

void config_release(const struct config_key *key, void *slot)
{
    for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
        if (owners[i].parse == key->parse) {
            owners[i].release(slot);
            return;
        }
}
