/*
 * Looking up in a table of parts, which is a handful of rows, and copying what a set of bits says
 * of a user.
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

int part_copy(struct user *u, uint32_t what, const struct user *from)
{
    int r = 0;
    for (int f = 0; f < USER_N_FIELDS && r == 0; f++)
        if (what & PART_FIELD(f))
            r = user_set(u, (enum user_field)f, from->fields[f].text, &from->fields[f].source);
    if (what & PART_DISABLED)
        u->disabled = from->disabled;
    if (what & PART_ROLES)
        user_clear_roles(u);
    for (size_t i = 0; what & PART_ROLES && i < from->n_roles && r == 0; i++)
        r = user_add_role(u, from->roles[i].name, &from->roles[i].source);
    if (what & PART_SKILLS)
        user_clear_skills(u);
    for (size_t i = 0; what & PART_SKILLS && i < from->n_skills && r == 0; i++)
        r = user_add_skill(u, from->skills[i].name, from->skills[i].level, &from->skills[i].source);
    return r;
}
