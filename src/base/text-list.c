/*
 * Lists of texts. A list that is to hold each text once finds what it holds by a balanced tree,
 * since what a configuration or a peer chooses may be many; the tree grows as it is asked for.
 */
#include "config.h"

#include <errno.h>
#include <search.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static void keep_text(void *text)
{
    (void)text; /* is the list's */
}

static void forget_index(struct string_list *l)
{
    tdestroy(l->index, keep_text);
    l->index = NULL;
    l->n_indexed = 0;
}

void string_list_done(struct string_list *l)
{
    forget_index(l);
    for (size_t i = 0; i < l->n_items; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct string_list){0};
}

int string_list_add_n(struct string_list *l, const char *text, size_t size)
{
    if (memory_grow(&l->items, &l->capacity, l->n_items + 1, sizeof(*l->items)) < 0)
        return -ENOMEM;
    char *copy = strndup(text, size);
    if (!copy)
        return -ENOMEM;
    l->items[l->n_items++] = copy;
    return 0;
}

int string_list_add(struct string_list *l, const char *text)
{
    return string_list_add_n(l, text, strlen(text));
}

static int exact(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int ascii_case(const void *a, const void *b)
{
    return text_compare_ascii_case(a, b);
}

/* What was added in another way since is put into the tree first. */
static int add_once(struct string_list *l, const char *text,
                    int (*order)(const void *, const void *))
{
    if (l->order != order || l->n_indexed > l->n_items)
        forget_index(l);
    l->order = order;
    for (; l->n_indexed < l->n_items; l->n_indexed++)
        if (!tsearch(l->items[l->n_indexed], &l->index, order))
            return -ENOMEM;
    if (tfind(text, &l->index, order))
        return 0;
    int r = string_list_add(l, text);
    if (r == 0 && tsearch(l->items[l->n_items - 1], &l->index, order))
        l->n_indexed++; /* else it is put there next time */
    return r;
}

int string_list_add_once(struct string_list *l, const char *text)
{
    return add_once(l, text, exact);
}

int string_list_add_name(struct string_list *l, const char *name)
{
    return add_once(l, name, ascii_case);
}

bool string_list_contains(const struct string_list *l, const char *text)
{
    if (l->index && l->order == exact && l->n_indexed == l->n_items)
        return tfind(text, &l->index, exact) != NULL;
    for (size_t i = 0; i < l->n_items; i++)
        if (strcmp(l->items[i], text) == 0)
            return true;
    return false;
}

void string_list_remove(struct string_list *l, const char *text)
{
    for (size_t i = 0; i < l->n_items; i++)
        if (strcmp(l->items[i], text) == 0) {
            forget_index(l);
            free(l->items[i]);
            l->items[i] = l->items[--l->n_items];
            return;
        }
}

char **text_array_free(char **texts)
{
    for (char **t = texts; t && *t; t++)
        free(*t);
    free(texts);
    return NULL;
}

char **text_array_copy(const char *const *from)
{
    size_t n = 0;

    while (from && from[n])
        n++;
    char **to = calloc(n + 1, sizeof(*to));
    for (size_t i = 0; to && i < n; i++) {
        to[i] = strdup(from[i]);
        if (!to[i])
            return text_array_free(to);
    }
    return to;
}
