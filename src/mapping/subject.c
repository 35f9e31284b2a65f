/*
 * Attribute names of the configuration and of entries, brought together by the schema. Knows
 * nothing of values.
 */
#include "config.h"

#include "mapping/subject.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "mapping/problem-sink.h"
#include "model/dn.h"
#include "model/entry.h"
#include "model/schema.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_keychar(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-';
}

static size_t oid_size(const char *text)
{
    size_t n = 0;
    if (is_alpha(text[0])) {
        while (is_keychar(text[n]))
            n++;
        return n;
    }
    for (;;) {
        size_t start = n;
        while (is_digit(text[n]))
            n++;
        if (n == start)
            return 0; /* an empty arc */
        if (text[n] != '.')
            return n;
        n++;
    }
}

size_t attribute_name_size(const char *text)
{
    size_t n = oid_size(text);
    while (n > 0 && text[n] == ';') {
        size_t start = ++n;
        while (is_keychar(text[n]))
            n++;
        if (n == start)
            return 0;
    }
    return n;
}

int attribute_name_init(struct attribute_name *n, const char *text, size_t size)
{
    *n = (struct attribute_name){.written = strndup(text, size)};
    if (!n->written)
        return -ENOMEM;
    const char *options = strchr(n->written, ';');
    n->canonical = strndup(n->written, options ? (size_t)(options - n->written) : size);
    if (!n->canonical) {
        attribute_name_done(n);
        return -ENOMEM;
    }
    n->options = options ? options + 1 : NULL;
    return 0;
}

int attribute_name_resolve(struct attribute_name *n, const struct schema *schema)
{
    char *canonical = strdup(schema_canonical(schema, n->canonical));
    if (!canonical)
        return -ENOMEM;
    free(n->canonical);
    n->canonical = canonical;
    return 0;
}

void attribute_name_done(struct attribute_name *n)
{
    free(n->written);
    free(n->canonical);
    *n = (struct attribute_name){0};
}

bool attribute_name_check(const struct attribute_name *n, const struct schema *schema,
                          enum problem_level level, struct problem_sink *problems,
                          const struct mapping_text *where, unsigned column)
{
    if (!schema_is_from_server(schema) || schema_knows(schema, n->canonical))
        return false;
    size_t n_names, n_known = 0;
    const char *const *names = schema_names(schema, &n_names);
    /* The built-in table stays below the server's schema, and is nothing to propose. */
    const char **known = calloc(n_names + 1, sizeof(*known));
    for (size_t i = 0; known && i < n_names; i++)
        if (schema_knows(schema, names[i]))
            known[n_known++] = names[i];
    const char *nearest = text_nearest(n->canonical, known, n_known);
    free(known);
    if (nearest)
        problem_tell(problems, level, where, column,
                     "the directory's schema has no attribute '%s'; did you mean '%s'?",
                     n->canonical, nearest);
    else
        problem_tell(problems, level, where, column, "the directory's schema has no attribute '%s'",
                     n->canonical);
    return true;
}

int subject_init(struct subject *s, const struct entry *entry, const struct schema *schema)
{
    *s = (struct subject){.entry = entry, .schema = schema};
    s->canonical = calloc(entry->n_attributes + 1, sizeof(*s->canonical));
    if (!s->canonical)
        return -ENOMEM;
    for (size_t i = 0; i < entry->n_attributes; i++)
        s->canonical[i] = schema_canonical(schema, entry->attributes[i].name);
    return 0;
}

void subject_done(struct subject *s)
{
    free(s->canonical);
    s->canonical = NULL;
}

static bool same_base(const char *description, const char *base)
{
    size_t n = strcspn(description, ";");
    return strlen(base) == n && strncasecmp(description, base, n) == 0;
}

/* "lang-de-" is the range of "lang-de" and all that begins with it (RFC 3866 2). */
static bool is_option(const char *there, size_t n, const char *wanted, size_t size)
{
    bool range = size > 0 && wanted[size - 1] == '-';
    if (range && n == size - 1)
        size--;
    return (n == size || (range && n > size)) && strncasecmp(there, wanted, size) == 0;
}

static bool has_option(const char *options, const char *option, size_t size)
{
    while (options) {
        size_t n = strcspn(options, ";");
        if (is_option(options, n, option, size))
            return true;
        options = options[n] ? options + n + 1 : NULL;
    }
    return false;
}

static const char *options_of(const char *description)
{
    const char *semicolon = strchr(description, ';');
    return semicolon ? semicolon + 1 : NULL;
}

bool subject_has_options(const struct subject *s, size_t i, const char *options)
{
    const char *there = options_of(s->entry->attributes[i].name);
    for (const char *wanted = options; wanted;) {
        size_t size = strcspn(wanted, ";");
        if (!has_option(there, wanted, size))
            return false;
        wanted = wanted[size] ? wanted + size + 1 : NULL;
    }
    return true;
}

bool subject_is(const struct subject *s, size_t i, const char *canonical)
{
    return same_base(s->canonical[i], canonical);
}

const struct attribute *subject_attribute(const struct subject *s, const struct attribute_name *n)
{
    const struct attribute *with_options = NULL;
    for (size_t i = 0; i < s->entry->n_attributes; i++) {
        const struct attribute *a = &s->entry->attributes[i];
        if (!subject_is(s, i, n->canonical) || !subject_has_options(s, i, n->options))
            continue;
        const char *options = options_of(a->name);
        if (!options || (n->options && strlen(options) == strlen(n->options)))
            return a;
        if (!n->options && !with_options)
            with_options = a;
    }
    return with_options;
}

bool subject_value_is_usable(const struct value *v)
{
    return v->state == VALUE_TEXT && v->size <= SUBJECT_VALUE_MAX &&
           strspn(v->data, " ") != v->size;
}

static bool begins_so(const struct value *v, const char *text, bool at_end)
{
    size_t size = strlen(text);
    return size <= v->size && memcmp(at_end ? v->data + v->size - size : v->data, text, size) == 0;
}

/* The bytes up to an unescaped character of the set. */
static size_t unescaped_span(const char *text, const char *set)
{
    size_t n = 0;
    while (text[n] && !strchr(set, text[n]))
        n += text[n] == '\\' && text[n + 1] ? 2 : 1;
    return n;
}

/* Is the value one that the entry's name is made of? Or -ENOMEM. */
static int is_in_rdn(const struct subject *s, const struct attribute *a, const struct value *v)
{
    const char *attribute = schema_canonical(s->schema, a->name);
    const char *at = s->entry->dn, *end = at + unescaped_span(at, ",");
    while (at < end) {
        size_t size = unescaped_span(at, ",+");
        CLEANUP(freep) char *value = NULL;
        CLEANUP(freep) char *pair = strndup(at, size);
        int r = pair ? dn_leaf(pair, &value) : -ENOMEM;
        at += size + 1;
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            continue;
        char *equals = strchr(pair, '=');
        while (equals[-1] == ' ') /* behind a type, or it would be no DN */
            equals--;
        *equals = '\0';
        if (text_equal_ascii_case(schema_canonical(s->schema, pair + strspn(pair, " ")),
                                  attribute) &&
            text_equal_fold(value, v->data))
            return true;
    }
    return false;
}

int subject_value(const struct subject *s, const struct attribute *a, const char *begins,
                  bool at_end, const struct value **ret)
{
    const struct value *first = NULL;
    bool forced = s->forced >= a->values && s->forced < a->values + a->n_values;
    for (size_t i = 0; i < a->n_values; i++) {
        const struct value *v = &a->values[i];
        if (!subject_value_is_usable(v) || (begins && !begins_so(v, begins, at_end)))
            continue;
        int r = forced ? v == s->forced : a->n_values > 1 ? is_in_rdn(s, a, v) : 0;
        if (r < 0)
            return r;
        if (r || !first)
            first = v;
        if (r)
            break;
    }
    *ret = first;
    return 0;
}
