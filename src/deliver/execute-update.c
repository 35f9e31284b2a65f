/*
 * The part that goes by the login: team and skills. The tenant is read first, since skills are
 * written whole: what is sent is what was read plus the operation's changes. It is read again
 * afterwards, since a team brings and takes skills and a tenant may merge what it is sent; what
 * is left to do then is sent once more, and only if that does not help a person is asked.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deliver/apply.h"
#include "deliver/delivery-internal.h"
#include "judge/quirks.h"

static const char *new_team(const struct execution *x)
{
    const struct change *c = apply_field_change(x->operation, USER_TEAM);
    return c ? c->to : NULL;
}

static bool has_new_team(const struct execution *x, const struct user *u)
{
    const char *team = new_team(x);
    return !team || text_equal(team, user_get(u, USER_TEAM));
}

/* What came of it, as far as it did, is known as the tenant shows it. */
static int learn(struct execution *x, const struct user *after, struct error *e)
{
    CLEANUP(user_freep) struct user *known = user_new();
    int r = known ? user_copy_fields(known, x->known) : -ENOMEM;
    if (r == 0 && new_team(x) && has_new_team(x, after))
        r = user_set(known, USER_TEAM, user_get(after, USER_TEAM), NULL);
    if (r == 0)
        r = apply_roles(x->operation, x->known, known);
    if (r == 0)
        r = apply_learn_skills(x->operation, x->known, x->current, after, known);
    if (r < 0)
        return error_out_of_memory(e);
    CLEANUP(user_freep) struct user *quirks = user_new();
    if (!quirks || quirks_learn_moved(x->quirks, known, x->current, after, quirks) < 0)
        return error_out_of_memory(e);
    r = books_write(x->delivery->books, e);
    if (r == 0)
        r = execution_set_quirks(x, quirks, e);
    return r < 0 ? r : execution_set_known(x, known, e);
}

static void conclude(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    int r = learn(x, a->user, &e);
    if (r == 0)
        r = execution_store_link(x, &e);
    if (r < 0)
        execution_broken(x, &e);
    else
        execution_finish(x, a, BUCKET_UPDATED);
}

static void hold_not_applied(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    char cause[400];
    int r = learn(x, a->user, &e);
    if (r == 0)
        r = link_store(x->delivery->state, &x->link, &e);
    if (r == 0)
        r = execution_note_found(x, x->link.known, &e);
    if (r < 0) {
        execution_broken(x, &e);
        return;
    }
    snprintf(cause, sizeof(cause), "not-applied:%s", x->operation->login);
    execution_hold(
        x, a, REASON_NOT_APPLIED, cause,
        "the tenant answered OK twice, but reading the user back shows another team or other skills "
        "than were sent: set them at the tenant by hand",
        x->delivery->options->sync->hold_retry_usec);
}

static void on_put(const struct tenant_answer *a, void *userdata);

static void put(struct execution *x, const char *team, const struct user *skills)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (!execution_intend(x))
        return;
    int r = skills ? execution_note_sent(x, NULL, skills, &e) : 0;
    if (r == 0)
        r = d->options->tenant_ops->user_put(d->options->tenant, execution_next_call(x),
                                             x->operation->login, team, NULL, skills, on_put, x,
                                             &e);
    if (r < 0)
        execution_broken(x, &e);
}

/* What is left to do after the user was read back. */
static void check_applied(struct execution *x, const struct tenant_answer *a)
{
    CLEANUP(user_freep) struct user *left = user_new();
    if (!left || apply_skills_left(x->operation, x->wanted, x->current, a->user,
                                   new_team(x) != NULL, left) < 0) {
        struct error e = {0};
        error_out_of_memory(&e);
        execution_broken(x, &e);
    } else if (has_new_team(x, a->user) && apply_skills_done(x->operation, left, a->user)) {
        conclude(x, a);
    } else if (x->step > 0) {
        hold_not_applied(x, a);
    } else {
        x->step = 1;
        put(x, has_new_team(x, a->user) ? NULL : new_team(x),
            apply_skills_done(x->operation, left, a->user) ? NULL : left);
    }
}

static void on_read_back(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (execution_look_by_id(x, a, on_read_back))
        return;
    x->settling = x->settling && a->class != TENANT_DONE && a->class != TENANT_NOT_FOUND;
    if (a->class != TENANT_DONE || !a->user)
        execution_fail(x, a);
    else
        check_applied(x, a);
}

static void read_user(struct execution *x, tenant_done_fn done)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (d->options->tenant_ops->user_get(d->options->tenant, execution_next_call(x),
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

/* An earlier attempt has moved the user: what the skills were before is what was known. */
static void settle_move(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    user_free(x->current);
    x->current = user_copy(x->known);
    if (!x->current) {
        error_out_of_memory(&e);
        execution_broken(x, &e);
    } else {
        check_applied(x, a);
    }
}

static void on_read(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct error e = {0};
    if (execution_look_by_id(x, a, on_read) || execution_doubt_user(x, a, on_read))
        return;
    bool settling = x->settling;
    x->settling = x->settling && a->class != TENANT_DONE && a->class != TENANT_NOT_FOUND;
    if (a->class != TENANT_DONE || !a->user) {
        execution_fail(x, a);
        return;
    }
    bool moved = has_new_team(x, a->user);
    if (settling && new_team(x) && moved) {
        settle_move(x, a);
        return;
    }
    CLEANUP(user_freep) struct user *skills = user_new();
    user_free(x->current);
    x->current = user_copy(a->user);
    if (!skills || !x->current || apply_skills(x->operation, x->current, skills) < 0) {
        error_out_of_memory(&e);
        execution_broken(x, &e);
        return;
    }
    bool same = apply_same_skills(skills, x->current);
    if (moved &&
        same) /* done already, by an attempt whose answer was lost or by somebody there */
        conclude(x, a);
    else if (settling)
        execution_undone(x, a);
    else
        put(x, moved ? NULL : new_team(x), same ? NULL : skills);
}

void execute_update(struct execution *x)
{
    if (!x->wanted || !x->has_link || !x->known)
        execution_drop(x, "no longer wanted");
    else
        read_user(x, on_read);
}
