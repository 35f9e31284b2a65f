/*
 * The part that goes by the tenant's own id: names, mail, phones, extension, roles, the login.
 * The id is looked up once by the login and remembered in the link. Only what the operation
 * names is sent; roles are written whole, as they were just read plus the operation's changes.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deliver/apply.h"
#include "deliver/delivery-internal.h"
#include "judge/quirks.h"
#include "mapping/ruleset.h"

static void profile_read(struct execution *x);
static void rename_with_id(struct execution *x);

static void conclude(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    int r = books_write(x->delivery->books, &e);
    if (r == 0)
        r = execution_set_known(x, x->known, &e);
    if (r == 0)
        r = execution_store_link(x, &e);
    if (r < 0)
        execution_broken(x, &e);
    else
        execution_finish(x, a, BUCKET_UPDATED);
}

static void on_looked_up(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (a->class != TENANT_DONE) {
        execution_fail(x, a);
    } else if (!a->id) {
        struct tenant_answer gone = *a;
        gone.class = TENANT_NOT_FOUND;
        x->settling = false; /* nobody is there whom an earlier attempt could have changed */
        execution_fail(x, &gone);
    } else {
        free(x->link.remote_id);
        x->link.remote_id = strdup(a->id);
        struct error e = {0};
        if (!x->link.remote_id) {
            error_out_of_memory(&e);
            execution_broken(x, &e);
        } else if (x->operation->kind == OPERATION_RENAME) {
            rename_with_id(x);
        } else {
            profile_read(x);
        }
    }
}

static void look_up(struct execution *x, const char *login, tenant_done_fn done)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (d->options->tenant_ops->find(d->options->tenant, execution_next_call(x), login, done, x,
                                     &e) < 0)
        execution_broken(x, &e);
}

/* What was sent is known now, as the tenant shows it (NULL: not read); the rest of the known
 * user stays. */
static int learn(struct execution *x, const struct user *shown, struct error *e)
{
    CLEANUP(user_freep) struct user *roles = user_new();
    int r = roles ? apply_roles(x->operation, x->known, roles) : -ENOMEM;
    for (int i = USER_FIRST_NAME; i <= USER_EXTENSION && r == 0; i++) {
        enum user_field f = (enum user_field)i;
        const struct change *c = apply_field_change(x->operation, f);
        if (c)
            r = quirks_learn_field(f, c->to, user_get(x->current, f),
                                   shown ? user_get(shown, f) : NULL, x->known, x->quirks);
    }
    if (r == 0)
        user_clear_roles(x->known);
    for (size_t i = 0; r == 0 && i < roles->n_roles; i++)
        r = user_add_role(x->known, roles->roles[i].name, NULL);
    return r < 0 ? error_out_of_memory(e) : execution_set_quirks(x, x->quirks, e);
}

static void on_read_back(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct error e = {0};
    if (learn(x, a->class == TENANT_DONE ? a->user : NULL, &e) < 0)
        execution_broken(x, &e);
    else
        conclude(x, &x->answer);
}

static void on_patched(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (a->class != TENANT_DONE) {
        execution_fail(x, a);
        return;
    }
    x->answer = *a;
    x->answer.user = NULL;
    x->answer.id = NULL;
    if (d->options->tenant_ops->user_get(d->options->tenant, execution_next_call(x),
                                         x->operation->login, on_read_back, x, &e) < 0)
        execution_broken(x, &e);
}

/* The fields that the operation names and that are not so already; returns how many. */
static size_t fields_to_send(const struct execution *x, const char *ret[static USER_N_FIELDS])
{
    size_t n = 0;
    for (int f = USER_FIRST_NAME; f <= USER_EXTENSION; f++) {
        const struct change *c = apply_field_change(x->operation, (enum user_field)f);
        const char *current = user_get(x->current, (enum user_field)f);
        if (!c || text_equal(c->to ? c->to : "", current ? current : ""))
            continue;
        ret[f] = c->to ? c->to : "";
        n++;
    }
    return n;
}

/* Somebody gave the user a role there meanwhile that is in the way of one that is to be given. */
static bool hold_conflict(struct execution *x, const struct tenant_answer *a,
                          const struct user *roles)
{
    struct conflicts conflicts;
    const struct ruleset_conflict *c = NULL;
    const struct user_role *other = NULL, *given = NULL;
    char cause[512], sentence[1400];
    conflicts.items = ruleset_conflicts(rules_ruleset(x->delivery->rules), &conflicts.n_items);
    for (size_t i = 0; i < x->operation->n_changes && !c; i++) {
        const struct change *change = &x->operation->changes[i];
        given = change->to && !strncmp(change->field, "role:", 5) ? user_role(roles, change->to) : NULL;
        if (given && !user_role(x->current, given->name))
            c = conflict_with(&conflicts, given->name, roles, &other);
    }
    if (!c)
        return false;
    snprintf(cause, sizeof(cause), "conflict:%s", c->name);
    execution_hold(x, a, REASON_ROLE_CONFLICT, cause,
                   conflict_sentence(c, given, other, sentence, sizeof(sentence)),
                   x->delivery->options->sync->hold_retry_usec);
    return true;
}

static void on_profile_read(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (a->class == TENANT_NOT_FOUND && x->step == 0) { /* the remembered id is stale */
        x->step = 1;
        look_up(x, x->operation->login, on_looked_up);
        return;
    }
    bool settling = x->settling;
    x->settling = x->settling && a->class != TENANT_DONE && a->class != TENANT_NOT_FOUND;
    if (a->class != TENANT_DONE || !a->user) {
        execution_fail(x, a);
        return;
    }
    const char *login = user_get(a->user, USER_LOGIN);
    if (login && !text_equal_fold(login, x->link.login)) {
        execution_renamed(x, a, login);
        return;
    }
    if (x->step == 1 && execution_is_another(x, a))
        return;
    user_free(x->current);
    x->current = user_copy(a->user);
    CLEANUP(user_freep) struct user *roles = user_new();
    if (!x->current || !roles || apply_roles(x->operation, x->current, roles) < 0) {
        error_out_of_memory(&e);
        execution_broken(x, &e);
        return;
    }
    if (hold_conflict(x, a, roles))
        return;
    const char *fields[USER_N_FIELDS] = {0};
    bool same = apply_same_roles(roles, x->current);
    if (!fields_to_send(x, fields) && same) {
        on_patched(a, x);
        return;
    }
    if (settling) {
        execution_undone(x, a);
        return;
    }
    if (!execution_intend(x))
        return;
    int r = same ? 0 : execution_note_sent(x, roles, NULL, &e);
    if (r == 0)
        r = d->options->tenant_ops->patch(d->options->tenant, execution_next_call(x),
                                          x->link.remote_id, fields, same ? NULL : roles,
                                          x->current, on_patched, x, &e);
    if (r < 0)
        execution_broken(x, &e);
}

static void profile_read(struct execution *x)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (d->options->tenant_ops->get_by_id(d->options->tenant, execution_next_call(x),
                                          x->link.remote_id, on_profile_read, x, &e) < 0)
        execution_broken(x, &e);
}

void execute_profile(struct execution *x)
{
    if (!x->wanted || !x->has_link || !x->known)
        execution_drop(x, "no longer wanted");
    else if (x->link.remote_id)
        profile_read(x);
    else
        look_up(x, x->operation->login, on_looked_up);
}

static const char *new_login(const struct execution *x)
{
    return x->operation->n_changes ? x->operation->changes[0].to : NULL;
}

static void renamed(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    free(x->link.login);
    x->link.renamed_there = false;
    x->link.login = strdup(new_login(x));
    if (!x->link.login || user_set(x->known, USER_LOGIN, x->link.login, NULL) < 0) {
        error_out_of_memory(&e);
        execution_broken(x, &e);
        return;
    }
    conclude(x, a);
}

static void on_renamed(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (a->class == TENANT_DONE) {
        renamed(x, a);
    } else if (a->class == TENANT_REFUSED) {
        refusal_hold(
            x, a, REASON_RENAME_POLICY,
            "the tenant refuses the new login, as tenants do that let no login be changed: rename the "
            "user there, or give the entry its old login back");
    } else {
        execution_fail(x, a);
    }
}

static void rename_patch(struct execution *x)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    const char *fields[USER_N_FIELDS] = {[USER_LOGIN] = new_login(x)};
    if (!execution_intend(x))
        return;
    if (d->options->tenant_ops->patch(d->options->tenant, execution_next_call(x),
                                      x->link.remote_id, fields, NULL, NULL, on_renamed, x,
                                      &e) < 0)
        execution_broken(x, &e);
}

/* An earlier attempt may have worked: the user is known by its id, whatever its login is. */
static void on_rename_read(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    bool settling = x->settling;
    const char *login = a->user ? user_get(a->user, USER_LOGIN) : NULL;
    if (a->class == TENANT_NOT_FOUND && x->step == 0) { /* the remembered id is stale */
        x->step = 1;
        look_up(x, x->operation->login, on_looked_up);
        return;
    }
    x->settling = x->settling && a->class != TENANT_DONE;
    if (a->class != TENANT_DONE || !login)
        execution_fail(x, a);
    else if (x->step == 1 && execution_is_another(x, a))
        return;
    else if (text_equal(login, new_login(x)))
        renamed(x, a);
    else if (settling)
        execution_undone(x, a);
    else
        rename_patch(x);
}

static void rename_read(struct execution *x)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (d->options->tenant_ops->get_by_id(d->options->tenant, execution_next_call(x),
                                          x->link.remote_id, on_rename_read, x, &e) < 0)
        execution_broken(x, &e);
}

/* The id is made durable before the login changes: without it a user whose renaming got no
 * answer could not be found again. */
static void rename_with_id(struct execution *x)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    int r = books_write(d->books, &e);
    if (r == 0)
        r = link_store(d->state, &x->link, &e);
    if (r == 0)
        r = books_commit(d->books, &e);
    if (r < 0)
        execution_broken(x, &e);
    else
        rename_read(x);
}

void execute_rename(struct execution *x)
{
    if (!x->wanted || !x->has_link || !x->known || !new_login(x))
        execution_drop(x, "no longer wanted");
    else if (x->link.remote_id)
        rename_read(x);
    else
        look_up(x, x->operation->login, on_looked_up);
}
