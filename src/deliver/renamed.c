/*
 * A user that does not answer to its login any more may have been renamed at the tenant. The
 * remembered id tells: one person never gets a second user, and a leaver under another
 * name is disabled all the same. The link follows the user; renaming it back is an operation.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "deliver/apply.h"
#include "deliver/drift.h"
#include "deliver/machine.h"

/* The link follows, and the person is planned anew. */
void execution_renamed(struct execution *x, const struct tenant_answer *a, const char *login)
{
    struct error e = {0};
    bool taken = false;
    char sentence[700], before[256];
    snprintf(before, sizeof(before), "%s", x->link.login);
    execution_set_unclear(x, false);
    if (drift_follow_rename(x->delivery->books, &x->link, login, &taken, &e) < 0) {
        execution_broken(x, &e);
        return;
    }
    snprintf(sentence, sizeof(sentence),
             taken ? "the user %s was renamed to %s at the tenant, which is the login of somebody "
                     "else's user: give one of the two another login there"
                   : "the user %s was renamed to %s at the tenant: planned anew",
             before, login);
    if (taken)
        execution_hold_login(x, a, login, sentence);
    else
        execution_replan(x, a, "renamed", sentence);
}

static void on_found_by_id(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    const char *login = a->class == TENANT_DONE && a->user ? user_get(a->user, USER_LOGIN) : NULL;
    struct tenant_answer gone = *a;
    if (login && !text_equal_fold(login, x->link.login)) {
        execution_renamed(x, a, login);
    } else if (a->class == TENANT_NOT_FOUND || login) {
        /* Not there by its id either; or there with its login, and one of the two lies. */
        gone.class = TENANT_NOT_FOUND;
        x->proof.gone_everywhere(&gone, x);
    } else {
        execution_fail(x, a);
    }
}

bool execution_look_by_id(struct execution *x, const struct tenant_answer *a,
                          tenant_done_fn otherwise)
{
    if (a->class != TENANT_NOT_FOUND || !x->link.remote_id || x->kind->anew ||
        x->proof.gone_everywhere)
        return false;
    x->proof.gone_everywhere = otherwise;
    execution_read_id(x, on_found_by_id);
    return true;
}

static bool is_who_it_was(const struct execution *x, const struct user *shown)
{
    return planner_is_who_it_was(x->basis.known, x->basis.wanted, shown);
}

/* Of the one who has the login, against the one who is known. */
enum other {
    OTHER_NONE, /* the same person */
    OTHER_MAIL,
    OTHER_ROLE,   /* a privileged one, which the user of before had not */
    OTHER_UNSEEN, /* the tenant does not show whether it has such a role */
};

static void hold_another(struct execution *x, const struct tenant_answer *a, enum other why)
{
    const struct operation *o = x->operation;
    const char *role = why == OTHER_ROLE ? planner_gained_privilege(x->basis.known, a->user,
                                                                    x->delivery->options->sync)
                                         : NULL;
    char sentence[900], what[300], remedy[400];
    execution_set_unclear(x, false);
    if (why == OTHER_MAIL) {
        snprintf(what, sizeof(what), "with another mail");
        snprintf(remedy, sizeof(remedy), "give that user the mail of %s", o->dn);
    } else if (role) {
        snprintf(what, sizeof(what), "with the privileged role %s", role);
        snprintf(remedy, sizeof(remedy), "take the role away there until the user is known again");
    } else {
        snprintf(what, sizeof(what), "of whom it does not show which roles that one has");
        snprintf(remedy, sizeof(remedy), "restore the user who was deleted");
    }
    snprintf(
        sentence, sizeof(sentence),
        "the user %s that was known is gone at the tenant, and the login belongs to another user "
        "there, %s: if it is the same person, %s, else give one of the two another login",
        o->login, what, remedy);
    execution_hold_login(x, a, o->login, sentence);
}

/* Made by somebody in the place of the one who is known: the same one by the mail alone, and
 * nobody touches in passing whoever has more. Whoever leaves needs no roles for that. */
static enum other who_was_made(const struct execution *x, const struct user *shown)
{
    const struct user *known = x->basis.known;
    if (!known)
        return OTHER_NONE;
    if (!is_who_it_was(x, shown))
        return OTHER_MAIL;
    if (planner_gained_privilege(known, shown, x->delivery->options->sync))
        return OTHER_ROLE;
    bool hidden = delivery_parts(x->delivery)->hides & PART_ROLES;
    return hidden && x->operation->kind != OPERATION_DISABLE ? OTHER_UNSEEN : OTHER_NONE;
}

/* The link goes over to the user, on record before anything is written. False: x has ended. */
static bool take_made_anew(struct execution *x, const struct tenant_answer *a)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    enum other other = who_was_made(x, a->user);
    if (other != OTHER_NONE) {
        hold_another(x, a, other);
        return false;
    }
    int r = drift_made_anew(d->books, &x->link, x->basis.known, a->id, &e);
    if (r == 0)
        r = books_commit(d->books, &e);
    if (r < 0) {
        execution_broken(x, &e);
        return false;
    }
    x->heard.id_was_stale = false; /* it is learnt */
    return true;
}

bool execution_is_another(struct execution *x, const struct tenant_answer *a)
{
    return !take_made_anew(x, a);
}

static bool is_same_person(const struct execution *x, const struct user *shown)
{
    return planner_same_person(x->basis.known, shown) ||
           (x->basis.wanted && planner_same_person(x->basis.wanted, shown));
}

bool execution_is_stranger(struct execution *x, const struct tenant_answer *a)
{
    if (x->proof.proved || !x->basis.known || is_same_person(x, a->user))
        return false;
    hold_another(x, a, OTHER_MAIL);
    return true;
}

/* Both the mail and the name, which then tell nothing. */
static bool may_have_given_both(const struct execution *x)
{
    const struct operation *o = x->operation;
    return x->basis.was_unclear && apply_field_change(o, USER_EMAIL) &&
           (apply_field_change(o, USER_FIRST_NAME) || apply_field_change(o, USER_LAST_NAME));
}

bool execution_is_unproved(struct execution *x, const struct tenant_answer *a)
{
    bool by_us = may_have_given_both(x);
    return !x->basis.made_before && !by_us && execution_is_stranger(x, a);
}

/* Its id is not there, cannot be asked for, or was never learnt: what is known of the user
 * tells. */
bool execution_ends_unread(const struct execution *x, const struct tenant_answer *a)
{
    const struct operation *o = x->operation;
    return a->too_large && o->kind == OPERATION_DISABLE && o->budget != BUDGET_DORMANT;
}

/* Than the one whose id tells nothing: the id that is shown does, else what is known. */
static bool is_another(const struct execution *x, const struct tenant_answer *a)
{
    if (x->proof.id_unread && a->id)
        return !text_equal(a->id, x->link.remote_id);
    return x->basis.known && (x->proof.id_failed || x->proof.id_unread) &&
           !is_who_it_was(x, a->user);
}

static void on_holder(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    bool found = a->class == TENANT_DONE && a->user;
    bool unread = x->proof.id_unread && execution_ends_unread(x, a);
    if (!found && !unread && a->class != TENANT_NOT_FOUND) {
        execution_fail(x, a);
        return;
    }
    if (found && is_another(x, a)) {
        hold_another(x, a, OTHER_MAIL);
        return;
    }
    /* The one of before is not there any more. */
    if (found && x->proof.id_failed && !x->link.remote_id && !take_made_anew(x, a))
        return;
    if (found && execution_is_stranger(x, a))
        return;
    x->proof.proved = true;
    x->proof.go(x);
}

static void ask_holder(struct execution *x)
{
    execution_read_login(x, on_holder);
}

static void on_proof(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    const char *login = a->class == TENANT_DONE && a->user ? user_get(a->user, USER_LOGIN) : NULL;
    if (login && text_equal_fold(login, x->link.login)) {
        x->proof.proved = true;
        x->proof.go(x);
    } else if (execution_ends_unread(x, a)) { /* which does not say whose the login is */
        x->proof.id_unread = true;
        ask_holder(x);
    } else if (login) {
        execution_renamed(x, a, login);
    } else if (a->class == TENANT_NOT_FOUND || a->class == TENANT_UNSUPPORTED ||
               a->class == TENANT_REFUSED) {
        x->proof.id_failed = true;
        if (a->class == TENANT_NOT_FOUND) /* learnt anew, should the user be the same one */
            execution_forget_id(x);
        ask_holder(x);
    } else {
        execution_fail(x, a);
    }
}

void execution_prove(struct execution *x, void (*go)(struct execution *x))
{
    x->proof.go = go;
    if (x->proof.proved)
        go(x);
    else if (!x->link.remote_id)
        ask_holder(x);
    else
        execution_read_id(x, on_proof);
}

/* Where no id is shown with the login. */
static bool is_certain(const struct execution *x, const struct user *shown)
{
    return is_who_it_was(x, shown) &&
           !planner_gained_privilege(x->basis.known, shown, x->delivery->options->sync);
}

static void read_again(struct execution *x)
{
    execution_read_login(x, x->proof.again);
}

static void on_doubted(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    const char *login = a->class == TENANT_DONE && a->user ? user_get(a->user, USER_LOGIN) : NULL;
    bool refused = a->class == TENANT_UNSUPPORTED || a->class == TENANT_REFUSED;
    x->proof.proved = true;
    if (refused && x->proof.is_alike)
        read_again(x);
    else if (a->class == TENANT_NOT_FOUND || (refused && x->proof.other_id)) {
        x->proof.id_failed = true;
        x->proof.go = read_again;
        execution_forget_id(x);
        ask_holder(x);
    } else if (!login) {
        execution_fail(x, a);
    } else if (!text_equal_fold(login, x->link.login)) {
        execution_renamed(x, a, login);
    } else {
        read_again(x);
    }
}

bool execution_doubt_user(struct execution *x, const struct tenant_answer *a, tenant_done_fn again)
{
    if (x->proof.proved || a->class != TENANT_DONE || !a->user || !x->basis.known ||
        !x->link.remote_id)
        return false;
    x->proof.other_id = a->id && !text_equal(a->id, x->link.remote_id);
    if (!x->proof.other_id && (a->id ? is_same_person(x, a->user) : is_certain(x, a->user)))
        return false;
    x->proof.is_alike = !a->id && is_same_person(x, a->user);
    x->proof.again = again;
    execution_read_id(x, on_doubted);
    return true;
}
