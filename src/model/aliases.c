/*
 * Names of attribute types and object classes, sorted.
 */
#include "config.h"

#include "model/aliases.h"

#include <stdbool.h>
#include <string.h>

#include "base/memory.h"

static unsigned char small(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static int compare_name(const char *name, size_t n, const char *alias)
{
    for (size_t i = 0; i < n; i++) {
        int r = small(name[i]) - small(alias[i]);
        if (r != 0) /* also at the end of the alias */
            return r;
    }
    return alias[n] == '\0' ? 0 : -1;
}

/* The first eight characters as a number that is in the order of the names: one comparison tells
 * most names apart. */
static uint64_t head_of(const char *name, size_t n)
{
    uint64_t head = 0;
    for (size_t i = 0; i < sizeof(head); i++)
        head = head << 8 | (i < n ? small(name[i]) : 0);
    return head;
}

/* Where the name is, or belongs. */
static size_t find_place(const struct alias_list *l, const char *name, size_t n, bool *ret_found)
{
    uint64_t head = head_of(name, n);
    size_t low = 0, high = l->n_items;

    *ret_found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct alias *a = &l->items[middle];
        int r = head != a->head ? (head < a->head ? -1 : 1) : compare_name(name, n, a->text);
        if (r == 0) {
            *ret_found = true;
            return middle;
        }
        if (r < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int alias_list_make_room(struct alias_list *l, size_t n_more)
{
    return memory_grow(&l->items, &l->capacity, l->n_items + n_more, sizeof(*l->items));
}

void alias_list_add(struct alias_list *l, const char *text, void *owner)
{
    bool found;
    size_t n = strlen(text), i = find_place(l, text, n, &found);

    if (found)
        return;
    memmove(&l->items[i + 1], &l->items[i], (l->n_items - i) * sizeof(*l->items));
    l->items[i] = (struct alias){.head = head_of(text, n), .text = text, .owner = owner};
    l->n_items++;
}

void alias_list_remove(struct alias_list *l, const void *owner)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->n_items; i++)
        if (l->items[i].owner != owner)
            l->items[kept++] = l->items[i];
    l->n_items = kept;
}

void *alias_list_find(const struct alias_list *l, const char *name, size_t n)
{
    bool found;
    size_t i = find_place(l, name, n, &found);

    return found ? l->items[i].owner : NULL;
}
