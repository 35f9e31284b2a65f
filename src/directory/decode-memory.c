/*
 * What the decoder found out about names and need not find out again: thousands of entries have the
 * same attributes, and their members lie below the same few entries.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "directory/decode.h"
#include "model/dn.h"
#include "model/schema.h"

#define NAMES_MAX 128 /* a server must not make it grow for ever */

struct decode_memory {
    struct dn_memory dns;
    struct decoded_name names[NAMES_MAX], other;
    size_t n_names;
    size_t next; /* after the one that was asked for last: entries show them in one order */
};

int decode_memory_new(struct decode_memory **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

struct decode_memory *decode_memory_free(struct decode_memory *m)
{
    if (!m)
        return NULL;
    for (size_t i = 0; i < m->n_names; i++)
        free(m->names[i].name);
    free(m->other.name);
    dn_memory_done(&m->dns);
    free(m);
    return NULL;
}

struct dn_memory *decode_memory_dns(struct decode_memory *m)
{
    return m ? &m->dns : NULL;
}

/* `base`: without its options. */
static bool is_wanted(const struct decoder *d, const char *base)
{
    const char *canonical = d->schema ? schema_canonical(d->schema, base) : NULL;
    for (size_t i = 0; i < d->wanted.n_items; i++)
        if (text_equal_ascii_case(d->wanted.items[i], base) ||
            /* Asked for by one of its names, answered by another. */
            (canonical &&
             text_equal_ascii_case(schema_canonical(d->schema, d->wanted.items[i]), canonical)))
            return true;
    return false;
}

static int find_out(const struct decoder *d, const char *name, struct decoded_name *ret)
{
    CLEANUP(freep) char *base = strndup(name, strcspn(name, ";"));
    char *copy = base ? strdup(name) : NULL;
    if (!copy)
        return -ENOMEM;
    const char *canonical = d->schema ? schema_canonical(d->schema, copy) : copy;
    *ret = (struct decoded_name){
        .name = copy,
        .canonical = canonical == copy ? NULL : canonical,
        .wanted = is_wanted(d, base),
    };
    return 0;
}

int decode_memory_name(const struct decoder *d, const char *name, const struct decoded_name **ret)
{
    struct decode_memory *m = d->memory;
    size_t i = m->next < m->n_names && strcmp(m->names[m->next].name, name) == 0 ? m->next : 0;
    while (i < m->n_names && strcmp(m->names[i].name, name) != 0)
        i++;
    if (i < m->n_names) {
        m->next = i + 1;
        *ret = &m->names[i];
        return 0;
    }
    struct decoded_name *room = m->n_names < NAMES_MAX ? &m->names[m->n_names] : &m->other;
    struct decoded_name found;
    int r = find_out(d, name, &found);
    if (r < 0)
        return r;
    free(room->name);
    *room = found;
    m->n_names += room != &m->other;
    *ret = room;
    return 0;
}
