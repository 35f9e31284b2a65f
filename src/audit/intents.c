/* Slots in the order of their age, found by number in buckets. */
#include "config.h"

#include "audit/intents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define BUCKETS 4096U
#define NONE    UINT32_MAX

struct slot {
    int64_t number;
    char *line;
    size_t size, capacity;
    uint32_t beside;       /* the next one of its bucket, or of those that are free */
    uint32_t older, newer; /* NONE: it is the oldest, the newest */
};
struct intents {
    struct slot *slots;
    size_t n, capacity;
    uint32_t oldest, newest, unused;
    uint32_t buckets[BUCKETS];
};

struct intents *intents_new(void)
{
    struct intents *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->oldest = t->newest = t->unused = NONE;
    for (size_t i = 0; i < BUCKETS; i++)
        t->buckets[i] = NONE;
    return t;
}

struct intents *intents_free(struct intents *t)
{
    for (size_t i = 0; t && i < t->n; i++)
        free(t->slots[i].line);
    if (t)
        free(t->slots);
    free(t);
    return NULL;
}

static uint32_t *bucket_of(struct intents *t, int64_t number)
{
    return &t->buckets[(uint64_t)number % BUCKETS];
}

static uint32_t find(const struct intents *t, int64_t number)
{
    uint32_t at = t->buckets[(uint64_t)number % BUCKETS];

    while (at != NONE && t->slots[at].number != number)
        at = t->slots[at].beside;
    return at;
}

static void take_out(struct intents *t, uint32_t at)
{
    struct slot *s = &t->slots[at];
    uint32_t *link = bucket_of(t, s->number);

    while (*link != at)
        link = &t->slots[*link].beside;
    *link = s->beside;
    *(s->older == NONE ? &t->oldest : &t->slots[s->older].newer) = s->newer;
    *(s->newer == NONE ? &t->newest : &t->slots[s->newer].older) = s->older;
    s->beside = t->unused;
    t->unused = at;
}

static int take_slot(struct intents *t, uint32_t *ret)
{
    if (t->unused == NONE && t->n == INTENTS_MAX)
        take_out(t, t->oldest);
    if (t->unused != NONE) {
        *ret = t->unused;
        t->unused = t->slots[*ret].beside;
        return 0;
    }
    if (memory_grow(&t->slots, &t->capacity, t->n + 1, sizeof(*t->slots)) < 0)
        return -ENOMEM;
    t->slots[t->n] = (struct slot){0};
    *ret = (uint32_t)t->n++;
    return 0;
}

int intents_put(struct intents *t, int64_t number, const char *line, size_t size)
{
    uint32_t at, *bucket = bucket_of(t, number);

    intents_drop(t, number);
    if (take_slot(t, &at) < 0)
        return -ENOMEM;
    struct slot *s = &t->slots[at];
    if (memory_grow(&s->line, &s->capacity, size + 1, 1) < 0) {
        s->beside = t->unused;
        t->unused = at;
        return -ENOMEM;
    }
    memcpy(s->line, line, size);
    s->line[size] = '\0';
    s->number = number;
    s->size = size;
    s->beside = *bucket;
    *bucket = at;
    s->older = t->newest;
    s->newer = NONE;
    *(t->newest == NONE ? &t->oldest : &t->slots[t->newest].newer) = at;
    t->newest = at;
    return 0;
}

const char *intents_get(const struct intents *t, int64_t number, size_t *ret_size)
{
    uint32_t at = find(t, number);

    if (at == NONE)
        return NULL;
    *ret_size = t->slots[at].size;
    return t->slots[at].line;
}

void intents_clear(struct intents *t)
{
    while (t->oldest != NONE)
        take_out(t, t->oldest);
}

void intents_drop(struct intents *t, int64_t number)
{
    uint32_t at = find(t, number);

    if (at != NONE)
        take_out(t, at);
}
