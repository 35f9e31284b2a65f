/*
 * Looking up in a table of parts, which is a handful of rows.
 */
#include "config.h"

#include "model/part.h"

const struct part *part_with(const struct parts *parts, uint32_t what)
{
    for (size_t i = 0; i < parts->n_items; i++)
        if (parts->items[i].writes & what)
            return &parts->items[i];
    return NULL;
}
