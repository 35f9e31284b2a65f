/* A balanced tree of glibc's, in a file of its own since <search.h> has a struct entry, too. */
#include "config.h"

#include "base/text-map.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct node {
    const char *text;
    const void *value;
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct node *)a)->text, ((const struct node *)b)->text);
}

void text_map_done(struct text_map *m)
{
    tdestroy(m->tree, free);
    m->tree = NULL;
}

int text_map_add(struct text_map *m, const char *text, const void *value, const void **ret)
{
    struct node *node = malloc(sizeof(*node));
    struct node **found = NULL;

    if (node) {
        *node = (struct node){text, value};
        found = tsearch(node, &m->tree, compare);
    }
    if (!found || *found != node)
        free(node);
    if (!found)
        return -ENOMEM;
    *ret = (*found)->value;
    return 0;
}
