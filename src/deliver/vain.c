#include "config.h"

#include "deliver/vain.h"

#include <stdlib.h>
#include <string.h>

static struct vain_of *find(const struct vain *v, const char *entry_id)
{
    for (size_t i = 0; i < v->n_items; i++)
        if (strcmp(v->items[i].entry_id, entry_id) == 0)
            return &v->items[i];
    return NULL;
}

unsigned vain_note(struct vain *v, const char *entry_id)
{
    struct vain_of *of = find(v, entry_id);
    if (of)
        return ++of->n;
    struct vain_of *items = realloc(v->items, (v->n_items + 1) * sizeof(*items));
    if (items)
        v->items = items;
    char *copy = items ? strdup(entry_id) : NULL;
    if (copy)
        v->items[v->n_items++] = (struct vain_of){.entry_id = copy, .n = 1};
    return 1;
}

void vain_forget(struct vain *v, const char *entry_id)
{
    struct vain_of *of = find(v, entry_id);
    if (!of)
        return;
    free(of->entry_id);
    *of = v->items[--v->n_items];
}

void vain_done(struct vain *v)
{
    for (size_t i = 0; i < v->n_items; i++)
        free(v->items[i].entry_id);
    free(v->items);
    *v = (struct vain){0};
}
