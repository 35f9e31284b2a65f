/*
 * A few ids in order, each with the searches that name it.
 */
#include "config.h"

#include "intake/told.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* Where it is, or belongs. */
static size_t place_of(const struct told *t, const char *id)
{
    size_t low = 0, high = t->n_items;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(t->items[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct told_one *find(const struct told *t, const char *id)
{
    size_t i = place_of(t, id);
    return i < t->n_items && strcmp(t->items[i].id, id) == 0 ? &t->items[i] : NULL;
}

static void drop(struct told *t, size_t i)
{
    free(t->items[i].id);
    t->n_items--;
    memmove(t->items + i, t->items + i + 1, (t->n_items - i) * sizeof(*t->items));
}

void told_done(struct told *t)
{
    while (t->n_items)
        drop(t, t->n_items - 1);
    free(t->items);
    *t = (struct told){0};
}

bool told_has(const struct told *t, const char *entry_id)
{
    return t->n_items && find(t, entry_id);
}

int told_note(struct told *t, const char *entry_id, unsigned search)
{
    struct told_one *there = find(t, entry_id);
    if (there) {
        there->searches |= 1u << search;
        there->unnamed &= ~(1u << search);
        return 0;
    }
    CLEANUP(freep) char *copy = strdup(entry_id);
    size_t i = place_of(t, entry_id);
    if (!copy || memory_grow(&t->items, &t->capacity, t->n_items + 1, sizeof(*t->items)) < 0)
        return -ENOMEM;
    memmove(t->items + i + 1, t->items + i, (t->n_items - i) * sizeof(*t->items));
    t->items[i] = (struct told_one){.id = TAKE(copy), .searches = 1u << search};
    t->n_items++;
    return 1;
}

bool told_take_back(struct told *t, const char *entry_id, unsigned search)
{
    struct told_one *there = find(t, entry_id);
    if (!there)
        return false;
    there->searches &= ~(1u << search);
    there->unnamed &= there->searches;
    if (there->searches)
        return false;
    drop(t, place_of(t, entry_id));
    return true;
}

void told_forget(struct told *t, const char *entry_id)
{
    if (told_has(t, entry_id))
        drop(t, place_of(t, entry_id));
}

void told_begin(struct told *t, unsigned search)
{
    for (size_t i = 0; i < t->n_items; i++)
        t->items[i].unnamed |= t->items[i].searches & 1u << search;
}

/* Of each these searches, or those of them that have not named it. */
static int end(struct told *t, unsigned searches, bool unnamed_alone,
               struct string_list *ret_not)
{
    for (size_t i = t->n_items; i > 0; i--) {
        struct told_one *n = &t->items[i - 1];
        unsigned left = n->searches & ~(searches & (unnamed_alone ? n->unnamed : ~0u));
        if (!left && string_list_add(ret_not, n->id) < 0)
            return -ENOMEM;
        n->searches = left;
        n->unnamed &= left;
        if (!left)
            drop(t, i - 1);
    }
    return 0;
}

int told_end(struct told *t, unsigned search, struct string_list *ret_not)
{
    return end(t, 1u << search, true, ret_not);
}

int told_end_all(struct told *t, struct string_list *ret_not)
{
    return end(t, ~0u, false, ret_not);
}
