/*
 * Which links were written since somebody began to watch: a set of hashes, so that two that fall
 * together are both taken for written, and no clock is asked.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "state/db.h"

/* FNV-1a of 64 bits; never 0, which is an empty place. */
static uint64_t hash_of(const char *text)
{
    uint64_t n = 14695981039346656037ULL;

    for (; *text; text++)
        n = (n ^ (unsigned char)*text) * 1099511628211ULL;
    return n ? n : 1;
}

static void put(struct link_watch *w, uint64_t hash)
{
    size_t at = (size_t)hash & (w->capacity - 1);

    while (w->hashes[at] && w->hashes[at] != hash)
        at = (at + 1) & (w->capacity - 1);
    w->n += w->hashes[at] == 0;
    w->hashes[at] = hash;
}

static int grow(struct link_watch *w)
{
    struct link_watch larger = {.capacity = w->capacity ? 2 * w->capacity : 64};

    larger.hashes = calloc(larger.capacity, sizeof(*larger.hashes));
    if (!larger.hashes)
        return -ENOMEM;
    for (size_t i = 0; i < w->capacity; i++)
        if (w->hashes[i])
            put(&larger, w->hashes[i]);
    free(w->hashes);
    w->hashes = larger.hashes;
    w->capacity = larger.capacity;
    return 0;
}

void link_watch_note(struct state *s, const char *entry_id)
{
    struct link_watch *w = &s->link_watch;

    if (!w->active || w->all)
        return;
    if (!entry_id || (2 * (w->n + 1) > w->capacity && grow(w) < 0))
        w->all = true;
    else
        put(w, hash_of(entry_id));
}

void link_watch_begin(struct state *s)
{
    link_watch_end(s);
    s->link_watch.active = true;
}

bool link_watch_has(const struct state *s, const char *entry_id)
{
    const struct link_watch *w = &s->link_watch;
    uint64_t hash = hash_of(entry_id);

    if (w->all || !w->capacity)
        return w->all;
    size_t at = (size_t)hash & (w->capacity - 1);
    while (w->hashes[at] && w->hashes[at] != hash)
        at = (at + 1) & (w->capacity - 1);
    return w->hashes[at];
}

void link_watch_end(struct state *s)
{
    free(s->link_watch.hashes);
    s->link_watch = (struct link_watch){0};
}
