/*
 * What is written by value: one role a request, each with an outcome of its own. x->current is what
 * the user has, x->sent what it is to have, and x->refused what the tenant refused.
 */
#include "config.h"

#include <errno.h>

#include "deliver/delivery-internal.h"

/* The next role that is not as it is to be, and was not refused. */
bool execution_next_value(struct execution *x)
{
    x->value = NULL;
    for (size_t i = 0; i < x->sent->n_roles && !x->value; i++) {
        const char *name = x->sent->roles[i].name;
        x->gives = true;
        if (!user_role(x->current, name) && !user_role(x->refused, name))
            x->value = name;
    }
    for (size_t i = 0; i < x->current->n_roles && !x->value; i++) {
        const char *name = x->current->roles[i].name;
        x->gives = false;
        if (!user_role(x->sent, name) && !user_role(x->refused, name))
            x->value = name;
    }
    return x->value;
}

int execution_note_values(struct execution *x, struct error *e)
{
    CLEANUP(user_freep) struct user *given = x->granted ? user_copy(x->granted) : user_new();
    int r = given ? 0 : -ENOMEM;
    for (size_t i = 0; i < x->operation->n_changes && r == 0; i++) {
        const struct change *c = &x->operation->changes[i];
        const char *name = c->to ? c->to : c->from;
        bool has = user_role(x->current, name);
        if (c->to && has)
            r = user_add_role(given, name, NULL);
        else if (!c->to && !has)
            user_remove_role(given, name);
    }
    free(x->link.granted);
    x->link.granted = r == 0 ? user_to_json(given, false) : NULL;
    return x->link.granted ? 0 : error_out_of_memory(e);
}

/* It says something of that role alone. */
bool execution_is_own_refusal(const struct tenant_answer *a)
{
    return a->class == TENANT_REFUSED || a->class == TENANT_REFERENCE_MISSING;
}

int execution_take_value(struct execution *x, const struct tenant_answer *a)
{
    if (execution_is_own_refusal(a))
        return user_add_role(x->refused, x->value, NULL);
    if (a->class == TENANT_DONE && x->gives)
        return user_add_role(x->current, x->value, NULL);
    if (a->class == TENANT_DONE)
        user_remove_role(x->current, x->value);
    return 0;
}
