/*
 * Nobody is locked out of the tenant by a rule: neither rosterd's own API user, nor who is
 * protected by name, nor the last active user with a privileged role. It is asked when an
 * operation is planned, so that the plan tells the truth, and in the transaction that starts
 * it, so that two administrators who leave at the same time are not each other's reason to go.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "judge/gate.h"
#include "model/operation.h"
#include "model/user.h"
#include "state/link.h"

static bool ends_access(const struct operation *o)
{
    return o->kind == OPERATION_DISABLE || o->kind == OPERATION_DELETE ||
           o->kind == OPERATION_RENAME;
}

static bool takes_role(const struct operation *o, const char *role)
{
    for (size_t i = 0; i < o->n_changes; i++) {
        const struct change *c = &o->changes[i];
        if (c->kind == CHANGE_ROLE && !c->to && (!role || text_equal_fold(c->name, role)))
            return true;
    }
    return false;
}

static bool is_protected(struct books *b, const char *login)
{
    const struct sync_options *options = books_options(b)->sync;
    for (size_t i = 0; i < options->n_protected_logins; i++)
        if (text_equal_fold(login, options->protected_logins[i]))
            return true;
    return false;
}

/* Those that rosterd knows of, those that the tenant gave by itself or somebody there, and
 * those that are there now. */
static int roles_of(const struct link *l, const struct user *shown, struct user **ret,
                    struct error *e)
{
    CLEANUP(user_freep) struct user *known = NULL;
    CLEANUP(user_freep) struct user *quirks = NULL;
    CLEANUP(user_freep) struct user *all = user_new();
    int r = user_from_json_if_any(&known, l->known, e);
    if (r == 0)
        r = user_from_json_if_any(&quirks, l->quirks, e);
    if (r < 0)
        return r;
    const struct user *const of[] = {known, quirks, shown};
    r = all ? link_drift_roles(l->drift, true, all) : -ENOMEM;
    for (size_t k = 0; k < ARRAY_SIZE(of); k++)
        for (size_t i = 0; of[k] && i < of[k]->n_roles && r == 0; i++)
            r = user_add_role(all, of[k]->roles[i].name, NULL);
    if (r < 0)
        return error_out_of_memory(e);
    *ret = TAKE(all);
    return 0;
}

static bool has_role(const struct user *u, const char *role)
{
    for (size_t i = 0; i < u->n_roles; i++)
        if (text_equal_fold(u->roles[i].name, role))
            return true;
    return false;
}

struct other_holder {
    const char *role;
    bool found;
};

static int look_at_other(const struct link *l, void *userdata)
{
    struct other_holder *other = userdata;
    struct error e = {0};
    CLEANUP(user_freep) struct user *has = NULL;
    CLEANUP(user_freep) struct user *lost = user_new();
    if (!lost || link_drift_roles(l->drift, false, lost) < 0 || roles_of(l, NULL, &has, &e) < 0)
        return 0; /* unreadable: then it is no reason to let somebody go */
    other->found = has_role(has, other->role) && !has_role(lost, other->role);
    return other->found;
}

/* 1: nobody else has it who stays. */
static int is_last_with(struct books *b, const struct operation *o, const char *role,
                        struct error *e)
{
    struct other_holder other = {.role = role};
    int r = link_each_active_other(books_state(b), o->entry_id, look_at_other, &other, e);
    return r < 0 ? r : !other.found;
}

static int say(struct lockout *ret, const struct operation *o, const char *what)
{
    snprintf(ret->cause, sizeof(ret->cause), "lockout:%s", o->login);
    snprintf(ret->sentence, sizeof(ret->sentence), "%s %s", o->login, what);
    return 1;
}

static int say_last(struct lockout *ret, const struct operation *o, const char *role)
{
    char what[512];
    snprintf(what, sizeof(what),
             "is the last active user known to have the privileged role %s, so this waits: give "
             "the role to somebody else first",
             role);
    return say(ret, o, what);
}

static int look_at_roles(struct books *b, const struct operation *o, const struct user *shown,
                         struct lockout *ret, struct error *e)
{
    CLEANUP(link_done) struct link link = {0};
    CLEANUP(user_freep) struct user *has = NULL;
    int r = link_load(books_state(b), o->entry_id, &link, e);
    if (r != 0)
        return r < 0 ? r : 0;
    bool active = shown ? !shown->disabled : link.status == LINK_ACTIVE || link_was_enabled(&link);
    r = active ? roles_of(&link, shown, &has, e) : 0;
    for (size_t i = 0; r == 0 && has && i < has->n_roles; i++) {
        const char *role = has->roles[i].name;
        if (!options_role_is_privileged(books_options(b)->sync, role) ||
            (!ends_access(o) && !takes_role(o, role)))
            continue;
        r = is_last_with(b, o, role, e);
        if (r != 0)
            return r < 0 ? r : say_last(ret, o, role);
    }
    return r;
}

int lockout_look(struct books *b, const struct operation *o, const struct user *shown,
                 struct lockout *ret, struct error *e)
{
    if (!ends_access(o) && !takes_role(o, NULL))
        return 0;
    if (text_equal_fold(o->login, books_options(b)->sync->api_login))
        return say(ret, o,
                   "is the API user that rosterd itself works as, so it is never disabled, "
                   "deleted, renamed or deprived of a role: keep it out of the rules, or give "
                   "rosterd another API user");
    if (is_protected(b, o->login))
        return say(ret, o,
                   "is listed in [guard] protected_logins, so it is never disabled, deleted, "
                   "renamed or deprived of a role: do it at the tenant, or take it off the list");
    return look_at_roles(b, o, shown, ret, e);
}

void lockout_alarm(struct books *b, const struct lockout *l)
{
    char cause[sizeof(l->cause) + 8], sentence[sizeof(l->sentence) + 16];
    snprintf(cause, sizeof(cause), "hold:%s", l->cause);
    snprintf(sentence, sizeof(sentence), "1 held: %s", l->sentence);
    alarm_set(b, cause, REASON_LOCKOUT, sentence);
}
