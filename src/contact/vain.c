#include "config.h"

#include "contact/vain.h"

#include <stdlib.h>
#include <string.h>

/* Where it is, or would be. */
static size_t place_of(const struct vain *v, const char *key, bool *ret_is)
{
    size_t from = 0, to = v->n_items;
    *ret_is = false;
    while (from < to && !*ret_is) {
        size_t middle = from + (to - from) / 2;
        int order = strcmp(v->items[middle].key, key);
        *ret_is = order == 0;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return to;
}

static struct vain_of *add(struct vain *v, size_t place, const char *key)
{
    struct vain_of *items = realloc(v->items, (v->n_items + 1) * sizeof(*items));
    if (items)
        v->items = items;
    char *copy = items ? strdup(key) : NULL;
    if (!copy)
        return NULL;
    memmove(&items[place + 1], &items[place], (v->n_items++ - place) * sizeof(*items));
    items[place] = (struct vain_of){.key = copy};
    return &items[place];
}

unsigned vain_note(struct vain *v, const char *key, bool counts)
{
    bool is;
    size_t place = place_of(v, key, &is);
    struct vain_of *of = is ? &v->items[place] : add(v, place, key);
    if (!of)
        return 1;
    of->waits = true;
    of->n += counts;
    return of->n;
}

bool vain_waits(const struct vain *v, const char *key)
{
    bool is;
    size_t place = place_of(v, key, &is);
    return is && v->items[place].waits;
}

void vain_again(struct vain *v)
{
    for (size_t i = 0; i < v->n_items; i++)
        v->items[i].waits = false;
}

bool vain_end_round(struct vain *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n_items; i++) {
        if (v->items[i].waits)
            v->items[n++] = v->items[i];
        else
            free(v->items[i].key);
    }
    v->n_items = n;
    return n > 0;
}

void vain_next_round(struct vain *v)
{
    vain_end_round(v);
    vain_again(v);
}

void vain_forget(struct vain *v, const char *key)
{
    bool is;
    size_t place = place_of(v, key, &is);
    if (!is)
        return;
    free(v->items[place].key);
    memmove(&v->items[place], &v->items[place + 1], (--v->n_items - place) * sizeof(*v->items));
}

void vain_done(struct vain *v)
{
    for (size_t i = 0; i < v->n_items; i++)
        free(v->items[i].key);
    free(v->items);
    *v = (struct vain){0};
}
