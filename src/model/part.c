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

const struct part *part_of_kind(const struct parts *parts, enum operation_kind kind)
{
    for (size_t i = 0; i < parts->n_items; i++)
        if (parts->items[i].kind == kind)
            return &parts->items[i];
    return NULL;
}

const struct part *part_by_id(const struct parts *parts, uint32_t what)
{
    for (size_t i = 0; i < parts->n_items; i++) {
        const struct part *p = &parts->items[i];
        if (p->key == PART_BY_ID && !(what & ~(p->writes | p->also)))
            return p;
    }
    return NULL;
}
