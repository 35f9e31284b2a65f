/*
 * Team and skills, by the Configuration API. The tenant is read first, so that what a
 * supervisor set stays; after a skill was taken away it is read again, since a tenant may merge
 * what it is sent.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "sync/internal.h"

static bool same_skills(const struct user *a, const struct user *b)
{
    if (a->n_skills != b->n_skills)
        return false;
    for (size_t i = 0; i < a->n_skills; i++) {
        const struct user_skill *other = user_skill(b, a->skills[i].name);
        if (!other || other->level != a->skills[i].level)
            return false;
    }
    return true;
}

static bool same_team(const struct execution *x)
{
    const char *wanted = user_get(x->wanted, USER_TEAM);
    return !wanted || text_equal(wanted, user_get(x->current, USER_TEAM));
}

static int remember(struct execution *x, const struct tenant_answer *a, struct error *e)
{
    user_free(x->current);
    x->current = user_copy(a->user);
    return x->current ? 0 : error_out_of_memory(e);
}

static void conclude(struct execution *x, const struct tenant_answer *a,
                     const struct user *known)
{
    struct error e = {0};
    int r = engine_write(x->engine, &e);
    if (r == 0)
        r = execution_set_known(x, known, &e);
    if (r == 0)
        r = execution_store_link(x, &e);
    if (r < 0)
        execution_broken(x, &e);
    else
        execution_finish(x, a, BUCKET_UPDATED);
}

static void on_read_back(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct error e = {0};
    x->settling = x->settling && a->class != TENANT_DONE && a->class != TENANT_NOT_FOUND;
    if (a->class != TENANT_DONE || !a->user) {
        execution_fail(x, a);
        return;
    }
    CLEANUP(user_freep) struct user *merged = user_new();
    int r = merged ? remember(x, a, &e) : error_out_of_memory(&e);
    if (r == 0)
        r = planner_merge_skills(&x->merge, x->current, merged);
    if (r == 0) /* whatever came of it, this is what the tenant holds */
        r = engine_write(x->engine, &e);
    if (r == 0)
        r = execution_set_known(x, x->current, &e);
    if (r == 0)
        r = link_store(x->engine->state, &x->link, &e);
    if (r < 0) {
        execution_broken(x, &e);
    } else if (!same_skills(merged, x->current) || !same_team(x)) {
        char cause[400];
        snprintf(cause, sizeof cause, "not-applied:%s", x->operation->login);
        execution_hold(
            x, a, REASON_NOT_APPLIED, cause,
            "the tenant answered OK, but reading the user back shows the old skills: take the skill "
            "away at the tenant by hand",
            x->engine->options.sync->hold_retry_usec);
    } else {
        conclude(x, a, x->current);
    }
}

static void read_user(struct execution *x, tenant_done_fn done)
{
    struct engine *n = x->engine;
    struct error e = {0};
    if (n->options.tenant_ops->user_get(n->options.tenant, execution_next_call(x),
                                        x->operation->login, done, x, &e) < 0)
        execution_broken(x, &e);
}

static void on_put(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (a->class == TENANT_DONE) {
        x->settling = true; /* done, and not known to us before it is read back */
        read_user(x, on_read_back);
    } else {
        execution_fail(x, a);
    }
}

static void on_read(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct engine *n = x->engine;
    struct error e = {0};
    bool settling = x->settling;
    x->settling = x->settling && a->class != TENANT_DONE && a->class != TENANT_NOT_FOUND;
    if (a->class != TENANT_DONE || !a->user) {
        execution_fail(x, a);
        return;
    }
    CLEANUP(user_freep) struct user *merged = user_new();
    int r = merged ? remember(x, a, &e) : error_out_of_memory(&e);
    if (r == 0)
        r = planner_merge_skills(&x->merge, x->current, merged);
    if (r < 0) {
        execution_broken(x, &e);
        return;
    }
    const char *team = same_team(x) ? NULL : user_get(x->wanted, USER_TEAM);
    const struct user *skills_of = same_skills(merged, x->current) ? NULL : merged;
    if (!team && !skills_of) { /* done already, by an attempt whose answer was lost or by
                                  somebody there */
        conclude(x, a, x->current);
        return;
    }
    if (settling) {
        execution_undone(x, a);
        return;
    }
    r = n->options.tenant_ops->user_put(n->options.tenant, execution_next_call(x),
                                        x->operation->login, team, NULL, skills_of, on_put, x,
                                        &e);
    if (r < 0)
        execution_broken(x, &e);
}

void execute_update(struct execution *x)
{
    if (!x->wanted || !x->has_link)
        execution_drop(x, "no longer wanted");
    else
        read_user(x, on_read);
}
