/*
 * What the planner plans apart: a role that would conflict with another one is not given, and
 * stands in the plan as a grant that waits for a person.
 */
#include "config.h"

#include "judge/withhold.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "judge/conflict.h"
#include "judge/planner.h"
#include "mapping/ruleset.h"
#include "model/operation.h"
#include "model/part.h"
#include "model/source.h"
#include "model/user.h"

bool may_take_role(const struct planner_input *in, const char *name)
{
    if (in->link.quirks && user_role(in->link.quirks, name))
        return false;
    return (in->link.granted && user_role(in->link.granted, name)) ||
           (in->rules.names_role && in->rules.names_role(name, in->rules.userdata));
}

/* A grant that waits for a person. */
static int add_withheld(const struct planner_input *in, struct operation_list *ret,
                        const struct user_role *role, const struct ruleset_conflict *c,
                        const struct user_role *other)
{
    char cause[512], sentence[1400], why[512], source[384], field[512];
    bool linked = in->link.status == LINK_ACTIVE || in->link.status == LINK_DISABLED;
    CLEANUP(operation_freep)
    struct operation *o =
        operation_new(part_with(in->parts, PART_ROLES)->kind, in->entry_id, in->dn,
                      linked ? in->link.login : user_get(in->verdict.wanted, USER_LOGIN));
    if (!o)
        return -ENOMEM;
    snprintf(why, sizeof(why), "%s gives role %s",
             source_text(&role->source, source, sizeof(source)), role->name);
    snprintf(field, sizeof(field), "role:%s", role->name);
    snprintf(cause, sizeof(cause), "conflict:%s", c->name);
    o->why = strdup(why);
    o->state = OPERATION_HELD;
    o->since_usec = in->now_usec;
    int rc = o->why ? operation_add_change(o, field, NULL, role->name, &role->source) : -ENOMEM;
    if (rc == 0)
        rc = operation_say(o, REASON_ROLE_CONFLICT, cause,
                           conflict_sentence(c, role, other, sentence, sizeof(sentence)));
    return rc < 0 ? rc : operation_list_add(ret, TAKE(o));
}

/* What the user has and keeps: what the rules want of it, with their names, and what nobody may
 * take away. What goes is in nobody's way, so that an exchange of two roles is none. */
static int roles_that_stay(const struct planner_input *in, const struct user *has, struct user *ret)
{
    int rc = 0;
    for (size_t i = 0; i < has->n_roles && rc == 0; i++) {
        const char *name = has->roles[i].name;
        const struct user_role *w = conflict_role(in->verdict.wanted, name);
        if (w)
            rc = user_add_role(ret, w->name, &w->source);
        else if (!may_take_role(in, name))
            rc = user_add_role(ret, name, NULL);
    }
    return rc;
}

/* stays: the roles that the user keeps; it gets those that are given. */
static int choose(const struct planner_input *in, const struct user *has, struct user *stays,
                  struct planner_result *ret)
{
    CLEANUP(user_freep) struct user *rest = user_copy(in->verdict.wanted);
    int rc = rest ? roles_that_stay(in, has, stays) : -ENOMEM;
    if (rc == 0)
        user_clear_roles(rest);
    for (size_t i = 0; i < in->verdict.wanted->n_roles && rc == 0; i++) {
        const struct user_role *w = &in->verdict.wanted->roles[i], *other = NULL;
        const struct ruleset_conflict *c =
            conflict_role(has, w->name)
                ? NULL
                : conflict_with(&in->rules.conflicts, w->name, stays, &other);
        if (c) {
            rc = add_withheld(in, &ret->operations, w, c, other);
            continue;
        }
        rc = user_add_role(rest, w->name, &w->source);
        if (rc == 0)
            rc = user_add_role(stays, w->name, &w->source);
    }
    if (rc == 0 && ret->operations.n_items)
        ret->wanted = TAKE(rest);
    return rc;
}

int withhold_roles(const struct planner_input *in, struct planner_result *ret, struct error *e)
{
    static const struct user nobody;
    bool linked = in->link.status == LINK_ACTIVE || in->link.status == LINK_DISABLED;
    const struct user *has = linked               ? in->link.known
                             : in->adoption.found ? in->adoption.found
                                                  : &nobody;
    /* Who is disabled gets no role, but for those with whom a user is made. */
    bool is_made = !linked && in->claim == PLANNER_LOGIN_FREE;
    if (in->verdict.presence != VERDICT_USER || !in->rules.conflicts.n_items ||
        (in->verdict.wanted->disabled && !is_made))
        return 0;
    CLEANUP(user_freep) struct user *stays = user_new();
    int rc = stays ? choose(in, has, stays, ret) : -ENOMEM;
    return rc < 0 ? error_out_of_memory(e) : 0;
}
