#include "config.h"

#include "contact/vain.h"

#include <stdlib.h>
#include <string.h>

static struct vain_of *find(const struct vain *v, const char *key)
{
    for (size_t i = 0; i < v->n_items; i++)
        if (strcmp(v->items[i].key, key) == 0)
            return &v->items[i];
    return NULL;
}

unsigned vain_note(struct vain *v, const char *key)
{
    struct vain_of *of = find(v, key);
    if (of)
        return ++of->n;
    struct vain_of *items = realloc(v->items, (v->n_items + 1) * sizeof(*items));
    if (items)
        v->items = items;
    char *copy = items ? strdup(key) : NULL;
    if (copy)
        v->items[v->n_items++] = (struct vain_of){.key = copy, .n = 1};
    return 1;
}

bool vain_is_own(const struct vain *v, unsigned n, unsigned most)
{
    return n > most && v->n_items <= VAIN_FEW;
}

void vain_forget(struct vain *v, const char *key)
{
    struct vain_of *of = find(v, key);
    if (!of)
        return;
    free(of->key);
    *of = v->items[--v->n_items];
}

void vain_done(struct vain *v)
{
    for (size_t i = 0; i < v->n_items; i++)
        free(v->items[i].key);
    free(v->items);
    *v = (struct vain){0};
}
