/*
 * The values of a group lie in an open table of their digests. The digest of the message that
 * they came in says whether they are still what the mirror has: whoever takes what is new asks
 * the mirror for that.
 */
#include "config.h"

#include "directory/group-memory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/siphash.h"
#include "directory/decode-raw.h"
#include "directory/decode.h"

#define MEMBERS_SIZE_MIN 8192       /* of a small group all is compared in no time */
#define SLOTS_MAX        (1u << 18) /* of all groups together: 4 MiB */
#define GROUPS_MAX       64
#define SLOTS_SPARE      8 /* of few members, too, an eighth stays free */

struct slot {
    unsigned char hash[SIPHASH_SIZE]; /* all 0: free */
};
struct known_group {
    char *id;
    unsigned char raw[ENTRY_RAW_SIZE], rest[DIGEST_SIZE];
    struct slot *slots;
    size_t n_slots, n_values;
    uint64_t used; /* the greatest was used last */
};
struct group_memory {
    unsigned char key[SIPHASH_KEY_SIZE];
    struct known_group groups[GROUPS_MAX];
    size_t n_groups, n_slots;
    uint64_t now;
};

int group_memory_new(struct group_memory **ret)
{
    struct group_memory *m = calloc(1, sizeof(*m));
    int r = m ? random_bytes(m->key, sizeof(m->key)) : -ENOMEM;
    if (r < 0) {
        free(m);
        return r;
    }
    *ret = m;
    return 0;
}

static void forget(struct group_memory *m, struct known_group *g)
{
    m->n_slots -= g->n_slots;
    free(g->id);
    free(g->slots);
    *g = m->groups[--m->n_groups];
    m->groups[m->n_groups] = (struct known_group){0};
}

struct group_memory *group_memory_free(struct group_memory *m)
{
    while (m && m->n_groups)
        forget(m, &m->groups[0]);
    free(m);
    return NULL;
}

static struct known_group *find(const struct group_memory *m, const char *id)
{
    for (size_t i = 0; i < m->n_groups; i++)
        if (strcmp(m->groups[i].id, id) == 0)
            return (struct known_group *)&m->groups[i];
    return NULL;
}

static void forget_id(struct group_memory *m, const char *id)
{
    struct known_group *g = find(m, id);
    if (g)
        forget(m, g);
}

static struct slot hash(const struct group_memory *m, const struct berval *value)
{
    struct slot ret;
    siphash(ret.hash, m->key, value->bv_val, value->bv_len);
    ret.hash[0] |= 1; /* so that none is free */
    return ret;
}

/* Where it is, or would be: there is always a free slot. */
static size_t place(const struct known_group *g, const struct slot *s)
{
    static const struct slot free_slot;
    uint64_t number;
    memcpy(&number, s->hash + 8, sizeof(number));
    size_t i = number % g->n_slots;
    while (memcmp(&g->slots[i], s, sizeof(*s)) != 0 &&
           memcmp(&g->slots[i], &free_slot, sizeof(*s)) != 0)
        i = i + 1 < g->n_slots ? i + 1 : 0;
    return i;
}

static bool is_free(const struct known_group *g, size_t i)
{
    return !(g->slots[i].hash[0] & 1);
}

static int count(const struct berval *value, void *userdata)
{
    (void)value;
    ++*(size_t *)userdata;
    return 0;
}

struct filling {
    const struct group_memory *memory;
    struct known_group *group;
};

static int fill(const struct berval *value, void *userdata)
{
    const struct filling *f = userdata;
    struct slot s = hash(f->memory, value);
    size_t i = place(f->group, &s);
    f->group->n_values += is_free(f->group, i);
    f->group->slots[i] = s;
    return 0;
}

/* Those that were used longest ago go. */
static void make_room(struct group_memory *m, size_t n_slots)
{
    while (m->n_groups == GROUPS_MAX || (m->n_groups && m->n_slots + n_slots > SLOTS_MAX)) {
        struct known_group *oldest = &m->groups[0];
        for (size_t i = 1; i < m->n_groups; i++)
            if (m->groups[i].used < oldest->used)
                oldest = &m->groups[i];
        forget(m, oldest);
    }
}

/* Before the message is decoded, which changes its bytes. */
static int note(const struct decoder *d, LDAP *ld, LDAPMessage *msg, const struct raw_entry *raw,
                struct error *e)
{
    struct group_memory *m = d->groups;
    struct known_group *g;
    unsigned char rest[DIGEST_SIZE];
    size_t n = 0;
    forget_id(m, raw->id);
    if (raw->members_size < MEMBERS_SIZE_MIN)
        return 0;
    int r = decode_raw_members(d, ld, msg, rest, count, &n, e);
    size_t n_slots = n + n / 2 + SLOTS_SPARE;
    if (r != 0 || n_slots > SLOTS_MAX)
        return r < 0 ? r : 0;
    make_room(m, n_slots);
    g = &m->groups[m->n_groups];
    *g = (struct known_group){.id = strdup(raw->id),
                              .slots = calloc(n_slots, sizeof(*g->slots)),
                              .n_slots = n_slots,
                              .used = ++m->now};
    m->n_groups++;
    m->n_slots += n_slots;
    if (!g->id || !g->slots) {
        forget(m, g);
        return error_out_of_memory(e);
    }
    memcpy(g->raw, raw->digest, sizeof(g->raw));
    struct filling f = {m, g};
    r = decode_raw_members(d, ld, msg, g->rest, fill, &f, e);
    if (r != 0)
        forget(m, g);
    return r < 0 ? r : 0;
}

/* What these bytes are taken for is known whenever they come again, unless there is something
 * to ask or to say each time. */
static void note_raw(struct decoded *d, const struct raw_entry *raw)
{
    if (!d->entry || d->ranges || d->partial || d->n_bad_members > 0 ||
        (d->has_children && d->entry->kind != ENTRY_CONTAINER))
        return;
    memcpy(d->entry->raw, raw->digest, sizeof(d->entry->raw));
    d->entry->has_raw = true;
}

int group_memory_decode(const struct decoder *d, LDAP *ld, LDAPMessage *m, const char *id,
                        const struct raw_entry *raw, bool remember, struct decoded *ret,
                        struct error *e)
{
    int r = raw->id && remember ? note(d, ld, m, raw, e) : 0;
    if (r == 0)
        r = decode_entry(d, ld, m, id, ret, e);
    if (!raw->id)
        return r;
    if (r == 0)
        note_raw(ret, raw);
    if (r < 0 || !ret->entry || !ret->entry->has_raw || ret->entry->kind != ENTRY_GROUP)
        forget_id(d->groups, raw->id);
    return r;
}

void group_growth_done(struct group_growth *g)
{
    free(g->added);
}

static int add(struct group_growth *g, const struct berval *value)
{
    if (memory_grow(&g->added, &g->capacity, g->n_added + 1, sizeof(*g->added)) < 0)
        return -ENOMEM;
    g->added[g->n_added++] = *value;
    return 0;
}

struct comparison {
    const struct group_memory *memory;
    const struct known_group *group;
    struct group_growth *growth;
    char *seen; /* of each slot */
    size_t n_seen;
};

static int compare(const struct berval *value, void *userdata)
{
    struct comparison *c = userdata;
    struct slot s = hash(c->memory, value);
    size_t i = place(c->group, &s);
    if (!is_free(c->group, i)) {
        c->n_seen += !c->seen[i];
        c->seen[i] = 1;
        return 0;
    }
    return add(c->growth, value);
}

/* So many that a table of all is worth it no more. */
static bool is_too_full(const struct known_group *g, size_t n_added)
{
    return g->n_values + n_added > g->n_slots - g->n_slots / 8;
}

/* Servers append: what came before the last value is often what the mirror has. */
static int without_last(const struct decoder *d, LDAP *ld, LDAPMessage *m,
                        const struct raw_entry *raw, struct group_growth *ret, struct error *e)
{
    struct berval last;
    if (raw->members_size < MEMBERS_SIZE_MIN)
        return GROUP_DIFFERS;
    int r = decode_raw_before_last(d, ld, m, ret->was, &last, e);
    if (r != 0)
        return r < 0 ? r : GROUP_DIFFERS;
    return add(ret, &last) < 0 ? error_out_of_memory(e) : 0;
}

int group_memory_compare(const struct decoder *d, LDAP *ld, LDAPMessage *m,
                         const struct raw_entry *raw, bool remember, struct group_growth *ret,
                         struct error *e)
{
    unsigned char rest[DIGEST_SIZE];
    const struct known_group *g = find(d->groups, raw->id);
    if (!g)
        return remember ? without_last(d, ld, m, raw, ret, e) : GROUP_DIFFERS;
    CLEANUP(freep) char *seen = calloc(g->n_slots, sizeof(*seen));
    if (!seen)
        return error_out_of_memory(e);
    struct comparison c = {.memory = d->groups, .group = g, .growth = ret, .seen = seen};
    int r = decode_raw_members(d, ld, m, rest, compare, &c, e);
    if (r < 0)
        return r;
    memcpy(ret->was, g->raw, sizeof(ret->was));
    if (r != 0 || memcmp(rest, g->rest, sizeof(rest)) != 0)
        return GROUP_DIFFERS;
    if (c.n_seen < g->n_values)
        return GROUP_SHRANK;
    return is_too_full(g, ret->n_added) ? GROUP_DIFFERS : 0;
}

int group_memory_grew(const struct decoder *d, LDAP *ld, LDAPMessage *m,
                      const struct raw_entry *raw, const struct group_growth *growth,
                      struct error *e)
{
    struct known_group *g = find(d->groups, raw->id);
    if (!g)
        return note(d, ld, m, raw, e);
    struct filling f = {d->groups, g};
    for (size_t i = 0; i < growth->n_added; i++)
        (void)fill(&growth->added[i], &f);
    memcpy(g->raw, raw->digest, sizeof(g->raw));
    g->used = ++d->groups->now;
    return 0;
}
