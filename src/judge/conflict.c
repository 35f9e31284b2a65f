/*
 * Which two roles are in each other's way, and the sentence about it. What follows is the
 * planner's, and once more that of the one who writes roles.
 */
#include "config.h"

#include "judge/conflict.h"

#include <stdio.h>

#include "base/text.h"
#include "mapping/ruleset.h"
#include "model/source.h"
#include "model/user.h"

static bool names(const struct ruleset_conflict *c, const char *role)
{
    for (size_t i = 0; i < c->roles->n_items; i++)
        if (text_equal_fold(c->roles->items[i], role))
            return true;
    return false;
}

const struct user_role *conflict_role(const struct user *u, const char *role)
{
    for (size_t i = 0; i < u->n_roles; i++)
        if (text_equal_fold(u->roles[i].name, role))
            return &u->roles[i];
    return NULL;
}

const struct ruleset_conflict *conflict_with(const struct conflicts *c, const char *role,
                                             const struct user *has,
                                             const struct user_role **ret_other)
{
    for (size_t i = 0; i < c->n_items; i++) {
        if (!names(&c->items[i], role))
            continue;
        for (size_t k = 0; k < has->n_roles; k++)
            if (!text_equal_fold(has->roles[k].name, role) &&
                names(&c->items[i], has->roles[k].name)) {
                *ret_other = &has->roles[k];
                return &c->items[i];
            }
    }
    return NULL;
}

char *conflict_sentence(const struct ruleset_conflict *c, const struct user_role *wanted,
                        const struct user_role *other, char *buffer, size_t size)
{
    char gives[384], has[384];
    snprintf(
        buffer, size,
        "%s gives the role \"%s\", and the user has the role \"%s\" by %s: [conflict \"%s\"] lets "
        "nobody have both. Take the person out of one of the two rules, or take the other role "
        "away at the tenant",
        wanted->source.rule ? source_text(&wanted->source, gives, sizeof(gives)) : "the plan",
        wanted->name, other->name,
        other->source.rule ? source_text(&other->source, has, sizeof(has))
                           : "no rule (it was given at the tenant)",
        c->name);
    return buffer;
}
