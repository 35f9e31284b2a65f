/*
 * Ids, each with the searches that name it. There may be as many as ever had a user: whoever left
 * long ago is named as well, so nothing here looks through all of them for one.
 */
#include "config.h"

#include "intake/told.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct told_one *)a)->id, ((const struct told_one *)b)->id);
}

static struct told_one *find(const struct told *t, const char *id)
{
    const struct told_one key = {.id = (char *)id};
    struct told_one **there = t->n_items ? tfind(&key, &t->index, by_id) : NULL;
    return there ? *there : NULL;
}

/* To the front of its list. */
static void put(struct told *t, struct told_one *n, bool is_shown)
{
    n->is_shown = is_shown;
    LIST_INSERT_HEAD(is_shown ? &t->shown : &t->open, n, link);
    t->n_open += !is_shown;
}

static void take_out(struct told *t, struct told_one *n)
{
    if (t->next == n)
        t->next = LIST_NEXT(n, link);
    t->n_open -= !n->is_shown;
    LIST_REMOVE(n, link);
}

static void drop(struct told *t, struct told_one *n)
{
    tdelete(n, &t->index, by_id);
    take_out(t, n);
    t->n_items--;
    free(n);
}

void told_done(struct told *t)
{
    tdestroy(t->index, free);
    *t = (struct told){0};
}

bool told_has(const struct told *t, const char *entry_id)
{
    return find(t, entry_id);
}

bool told_is_shown(const struct told *t, const char *entry_id)
{
    const struct told_one *n = find(t, entry_id);
    return n && n->is_shown;
}

void told_set_shown(struct told *t, const char *entry_id, bool is_shown)
{
    struct told_one *n = find(t, entry_id);
    if (!n || n->is_shown == is_shown)
        return;
    take_out(t, n);
    put(t, n, is_shown);
}

int told_note(struct told *t, const char *entry_id, unsigned search, bool is_shown)
{
    struct told_one *n = find(t, entry_id);
    if (n) {
        n->searches |= 1u << search;
        n->unnamed &= ~(1u << search);
        told_set_shown(t, entry_id, is_shown);
        return 0;
    }
    size_t size = strlen(entry_id) + 1;
    n = malloc(sizeof(*n) + size);
    if (!n)
        return -ENOMEM;
    *n = (struct told_one){.id = memcpy(n + 1, entry_id, size), .searches = 1u << search};
    if (!tsearch(n, &t->index, by_id)) {
        free(n);
        return -ENOMEM;
    }
    t->n_items++;
    put(t, n, is_shown);
    return 1;
}

bool told_take_back(struct told *t, const char *entry_id, unsigned search)
{
    struct told_one *n = find(t, entry_id);
    if (!n)
        return false;
    n->searches &= ~(1u << search);
    n->unnamed &= n->searches;
    if (n->searches)
        return false;
    bool was_open = !n->is_shown;
    drop(t, n);
    return was_open;
}

void told_forget(struct told *t, const char *entry_id)
{
    struct told_one *n = find(t, entry_id);
    if (n)
        drop(t, n);
}

const char *told_next_open(struct told *t)
{
    struct told_one *n = t->next ? t->next : LIST_FIRST(&t->open);
    t->next = n ? LIST_NEXT(n, link) : NULL;
    return n ? n->id : NULL;
}

static void begin(struct told_list *list, unsigned search)
{
    struct told_one *n;
    LIST_FOREACH (n, list, link)
        n->unnamed |= n->searches & 1u << search;
}

void told_begin(struct told *t, unsigned search)
{
    begin(&t->open, search);
    begin(&t->shown, search);
}

/* Of each these searches, or those of them that have not named it. */
static int end(struct told *t, struct told_list *list, unsigned searches, bool unnamed_alone,
               struct string_list *ret_not)
{
    for (struct told_one *n = LIST_FIRST(list), *next; n; n = next) {
        unsigned left = n->searches & ~(searches & (unnamed_alone ? n->unnamed : ~0u));
        next = LIST_NEXT(n, link);
        if (!left && !n->is_shown && string_list_add(ret_not, n->id) < 0)
            return -ENOMEM;
        n->searches = left;
        n->unnamed &= left;
        if (!left)
            drop(t, n);
    }
    return 0;
}

int told_end(struct told *t, unsigned search, struct string_list *ret_not)
{
    int r = end(t, &t->open, 1u << search, true, ret_not);
    return r < 0 ? r : end(t, &t->shown, 1u << search, true, ret_not);
}

int told_end_all(struct told *t, struct string_list *ret_not)
{
    int r = end(t, &t->open, ~0u, false, ret_not);
    if (r == 0)
        told_done(t);
    return r;
}
