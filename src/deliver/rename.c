/*
 * A login is changed: alone, since it is what the other part of a user goes by.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "deliver/machine.h"

static const char *new_login(const struct execution *x)
{
    return x->operation->changes[0].to;
}

/* An earlier attempt may have worked: the user is known by its id, whatever its login is. */
enum next_step rename_decide(struct execution *x, const struct tenant_answer *a)
{
    const char *login = user_get(a->user, USER_LOGIN);
    if (!login)
        return NEXT_FAIL;
    if (execution_is_unproved(x, a) || (x->heard.id_was_stale && execution_is_another(x, a)))
        return NEXT_NOTHING;
    return text_equal(login, new_login(x)) ? NEXT_CONCLUDE : NEXT_WRITE;
}

int rename_write(struct execution *x, struct error *e)
{
    CLEANUP(user_freep) struct user *renamed = user_new();
    if (!renamed || user_set(renamed, USER_LOGIN, new_login(x), NULL) < 0)
        return error_out_of_memory(e);
    struct tenant_write w = {.part = part_with(delivery_parts(x->delivery), PART_FIELD(USER_LOGIN)),
                             .set = PART_FIELD(USER_LOGIN),
                             .user = renamed};
    return machine_send(x, &w, e);
}

enum next_step rename_written(struct execution *x, const struct tenant_answer *a)
{
    if (a->class != TENANT_REFUSED)
        return a->class == TENANT_DONE ? NEXT_CONCLUDE : NEXT_FAIL;
    refusal_hold(
        x, a, REASON_RENAME_POLICY,
        "the tenant refuses the new login, as tenants do where logins cannot be changed: rename the user there, or give the entry its old login back");
    return NEXT_NOTHING;
}

int rename_learn(struct execution *x, const struct tenant_answer *a, const struct user *shown,
                 struct error *e)
{
    (void)a;
    (void)shown;
    CLEANUP(user_freep) struct user *known = user_copy(x->basis.known);
    free(x->link.login);
    x->link.renamed_there = false;
    x->link.login = strdup(new_login(x));
    if (!known || !x->link.login || user_set(known, USER_LOGIN, x->link.login, NULL) < 0)
        return error_out_of_memory(e);
    return execution_set_known(x, known, e);
}
