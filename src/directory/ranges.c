/*
 * Puts the pieces of a long multi-valued attribute together and notices when they do not belong
 * together. It talks to nobody.
 */
#include "config.h"

#include "directory/ranges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

struct ranges {
    char *attribute;
    char *request;
    size_t request_size;
    char *version;
    bool started, overlap; /* the next answer must begin with the last known value */
    unsigned n_restarts;
    struct range_value *values; /* data is owned */
    size_t n_values, capacity;
};

static bool take_digits(const char **p, const char *end, unsigned long *ret)
{
    const char *start = *p;
    unsigned long n = 0;
    while (*p < end && **p >= '0' && **p <= '9') {
        if (n > 100000000UL)
            return false;
        n = n * 10 + (unsigned long)(**p - '0');
        (*p)++;
    }
    *ret = n;
    return *p > start;
}

bool range_parse(const char *attribute, size_t size, struct range_name *ret)
{
    static const char option[] = ";range=";
    const size_t option_size = sizeof(option) - 1;
    for (size_t i = 0; i + option_size < size; i++) {
        if (strncasecmp(attribute + i, option, option_size) != 0)
            continue;
        struct range_name r = {.name_size = i};
        const char *p = attribute + i + option_size, *end = attribute + size;
        if (!take_digits(&p, end, &r.low) || p == end || *p++ != '-')
            return false;
        if (p < end && *p == '*') {
            r.last = true;
            r.high = r.low;
            p++;
        } else if (!take_digits(&p, end, &r.high) || r.high < r.low) {
            return false;
        }
        if (p != end)
            return false;
        *ret = r;
        return true;
    }
    return false;
}

struct ranges *ranges_new(const char *attribute)
{
    struct ranges *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->attribute = strdup(attribute);
    r->request_size = strlen(attribute) + 64;
    r->request = malloc(r->request_size);
    if (!r->attribute || !r->request)
        return ranges_free(r);
    snprintf(r->request, r->request_size, "%s;range=0-*", attribute);
    return r;
}

static void drop_values(struct ranges *r)
{
    for (size_t i = 0; i < r->n_values; i++)
        free((char *)r->values[i].data);
    r->n_values = 0;
}

struct ranges *ranges_free(struct ranges *r)
{
    if (!r)
        return NULL;
    drop_values(r);
    free(r->values);
    free(r->version);
    free(r->request);
    free(r->attribute);
    free(r);
    return NULL;
}

static int restart(struct ranges *r)
{
    if (++r->n_restarts > RANGES_RESTARTS_MAX)
        return -EAGAIN;
    drop_values(r);
    r->started = r->overlap = false;
    free(r->version);
    r->version = NULL;
    snprintf(r->request, r->request_size, "%s;range=0-*", r->attribute);
    return RANGES_AGAIN;
}

static bool was_edited(const struct ranges *r, const struct range_value *values, size_t n,
                       const char *version)
{
    if (r->version && (!version || strcmp(version, r->version) != 0))
        return true;
    if (!r->overlap)
        return false;
    const struct range_value *known = &r->values[r->n_values - 1];
    return n == 0 || values[0].size != known->size ||
           memcmp(values[0].data, known->data, known->size) != 0;
}

static int append(struct ranges *r, const struct range_value *v)
{
    if (memory_grow(&r->values, &r->capacity, r->n_values + 1, sizeof(*r->values)) < 0)
        return -ENOMEM;
    char *copy = malloc(v->size + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, v->data, v->size);
    copy[v->size] = 0;
    r->values[r->n_values++] = (struct range_value){copy, v->size};
    return 0;
}

int ranges_accept(struct ranges *r, const struct range_name *range,
                  const struct range_value *values, size_t n, const char *version)
{
    size_t skip = r->overlap ? 1 : 0;
    if (r->started && was_edited(r, values, n, version))
        return restart(r);
    if (range->low != r->n_values - skip || (!range->last && n != range->high - range->low + 1))
        return -EBADMSG;
    if (!r->started && version && !(r->version = strdup(version)))
        return -ENOMEM;
    /* A server that gives nothing and does not say that it was the last would be asked for
     * ever. */
    if (!range->last && n == 0)
        return -EBADMSG;
    r->started = true;
    for (size_t i = skip; i < n; i++)
        if (append(r, &values[i]) < 0)
            return -ENOMEM;
    if (range->last)
        return RANGES_COMPLETE;
    /* One value at a time leaves no room for the one that is known. */
    r->overlap = n > skip;
    snprintf(r->request, r->request_size, "%s;range=%zu-*", r->attribute,
             r->n_values - (r->overlap ? 1 : 0));
    return RANGES_MORE;
}

const char *ranges_request(const struct ranges *r)
{
    return r->request;
}

unsigned long ranges_low(const struct ranges *r)
{
    return r->n_values - (r->overlap ? 1 : 0);
}

const struct range_value *ranges_values(const struct ranges *r, size_t *ret_n)
{
    *ret_n = r->n_values;
    return r->values;
}
