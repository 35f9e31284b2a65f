/*
 * Adopt: a user that exists at the tenant becomes a person's. Nothing is sent; the user is
 * read, and linked when that is allowed: with the same mail and no privileged role at once,
 * else as approved, and only while it is still what was approved. What differs then is changed
 * by operations of its own.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "deliver/machine.h"
#include "state/listing.h"

static enum next_step hold_other_person(struct execution *x, const struct tenant_answer *a)
{
    char sentence[700];
    const char *first = user_get(a->user, USER_FIRST_NAME),
               *last = user_get(a->user, USER_LAST_NAME);
    snprintf(
        sentence, sizeof(sentence),
        "the tenant has a user %s (%s %s) whose mail and name are not those of %s: give one of the two "
        "another login",
        x->operation->login, first ? first : "?", last ? last : "?", x->operation->dn);
    execution_hold_login(x, a, x->operation->login, sentence);
    return NEXT_NOTHING;
}

/* Notes what was found, so that the planner can say what an adoption would lead to. */
static int learn_found(struct execution *x, const struct user *found, struct error *e)
{
    const char *login = user_get(found, USER_LOGIN), *mail = user_get(found, USER_EMAIL);
    login = login ? login : x->operation->login;
    CLEANUP(freep) char *key = text_fold(x->operation->login, strlen(x->operation->login));
    CLEANUP(freep) char *mail_key = text_fold(mail ? mail : "", mail ? strlen(mail) : 0);
    CLEANUP(freep) char *user = user_to_json(found, false);
    if (!key || !mail_key || !user)
        return error_out_of_memory(e);
    return listing_set_found(x->delivery->state, login, key, mail_key, user, e);
}

static enum next_step plan_anew(struct execution *x, const struct tenant_answer *a,
                                const char *code, const char *sentence)
{
    struct error e = {0};
    if (learn_found(x, a->user, &e) < 0)
        return machine_broken(x, &e);
    execution_replan(x, a, code, sentence);
    return NEXT_NOTHING;
}

/* A person has decided that somebody who is missed there is made anew. */
static bool is_decided(const struct operation *o)
{
    return o->approved && text_equal(o->approved_for, REASON_USER_GONE);
}

enum next_step adopt_instead(struct execution *x, const struct tenant_answer *a)
{
    if (planner_same_person(x->basis.wanted, a->user))
        return plan_anew(x, a, REASON_CONFLICT,
                         "the tenant has this user already: it is adopted, not created");
    /* Else that would be asked again when the approval ends, and found out again, without end. */
    if (is_decided(x->operation))
        return plan_anew(x, a, REASON_CONFLICT,
                         "the tenant has another user with this login: nobody is made anew before "
                         "the login is free");
    return hold_other_person(x, a);
}

/* What was found is the person's now, or not there any more. */
static int forget_found(struct execution *x, bool absent, struct error *e)
{
    struct delivery *d = x->delivery;
    CLEANUP(freep) char *key = text_fold(x->operation->login, strlen(x->operation->login));
    if (!key)
        return error_out_of_memory(e);
    return absent ? listing_set_absent(d->state, key, e) : listing_remove(d->state, key, e);
}

int adopt_learn(struct execution *x, const struct tenant_answer *a, const struct user *shown,
                struct error *e)
{
    (void)a;
    int r = forget_found(x, false, e);
    if (r == 0)
        r = execution_start_link(x, "adopt", shown, e);
    if (r == 0)
        r = execution_note_found(x, x->link.known, e);
    /* What follows is done by operations of its own, and on record there. */
    operation_drop_changes(x->operation);
    return r;
}

/* Whether we disabled the user of the entry before, or may have: an attempt without an answer
 * is settled for nobody any more once its link has moved. */
static int may_be_ours(struct state *s, const struct link *other, bool *ret, struct error *e)
{
    struct operation_list queue = {0};
    int r = queue_of_person(s, other->entry_id, &queue, e);
    *ret = other->disabled_by_us;
    for (size_t i = 0; i < queue.n_items && r == 0; i++) {
        const struct operation *o = queue.items[i];
        *ret |= o->kind == OPERATION_DISABLE && o->budget != BUDGET_DORMANT &&
                (o->state == OPERATION_STARTED || operation_is_unclear(o));
    }
    operation_list_done(&queue);
    return r;
}

/* The login's link belonged to an entry that is gone: it moves to this person. */
static int take_over_link(struct execution *x, bool *ret_taken, struct error *e)
{
    struct delivery *d = x->delivery;
    CLEANUP(freep) char *key = text_fold(x->operation->login, strlen(x->operation->login));
    struct link other = {0};
    *ret_taken = false;
    if (!key)
        return error_out_of_memory(e);
    int r = link_load_by_login(d->state, key, &other, e);
    if (r == 0 && !text_equal(other.entry_id, x->operation->entry_id)) {
        /* Ours to undo for the one who returns. */
        r = may_be_ours(d->state, &other, &x->making.ours_if_disabled, e);
        *ret_taken = true;
        if (r == 0)
            r = execution_recall(x, &other, e);
        if (r == 0)
            r = link_remove(d->state, other.entry_id, e);
        if (r == 0)
            r = person_mark_dirty(d->state, other.entry_id, e);
    }
    link_done(&other);
    return r < 0 ? r : 0;
}

/* Removed by us, and kept by the tenant as a user who is disabled: ours to enable. */
static bool is_removed_and_kept(const struct execution *x)
{
    return delivery_parts(x->delivery)->keeps_removed && x->has_link &&
           x->link.status == LINK_DELETED && !x->link.gone;
}

/* What was found, as it is known to be; of a stranger nothing is. */
static int recall_found(struct execution *x, bool taken, struct error *e)
{
    int r = taken ? 0 : execution_recall(x, is_removed_and_kept(x) ? &x->link : NULL, e);
    return r < 0 ? r : machine_show_hidden(x, e);
}

/* Is what the approval was given for still what would follow? */
static int is_as_approved(const struct execution *x, const struct user *found, bool *ret,
                          struct error *e)
{
    const struct operation *o = x->operation;
    CLEANUP(operation_freep)
    struct operation *now = operation_new(o->kind, o->entry_id, o->dn, o->login);
    if (!now || planner_adoption_changes(&x->basis.merge, found, now) < 0)
        return error_out_of_memory(e);
    *ret = operation_equal(now, o);
    return 0;
}

enum next_step adopt_decide(struct execution *x, const struct tenant_answer *a)
{
    struct delivery *d = x->delivery;
    bool approved = x->operation->approved, taken = false;
    struct error e = {0};
    if (!approved && !planner_same_person(x->basis.wanted, a->user))
        return hold_other_person(x, a);
    if (approved && take_over_link(x, &taken, &e) < 0)
        return machine_broken(x, &e);
    if (recall_found(x, taken, &e) < 0)
        return machine_broken(x, &e);
    bool needs = contact_adoption_open(d->contact) ||
                 planner_adoption_needs_approval(x->basis.wanted, a->user, delivery_parts(d),
                                                 d->options->sync);
    bool allowed = taken || !needs;
    if (approved && !taken && is_as_approved(x, a->user, &allowed, &e) < 0)
        return machine_broken(x, &e);
    x->making.ours_if_disabled |= is_removed_and_kept(x);
    if (allowed)
        return NEXT_CONCLUDE;
    return plan_anew(x, a, REASON_ADOPTION,
                     approved
                         ? "the user was changed at the tenant since the adoption was approved"
                         : "the user that was found is adopted only when the plan is approved");
}

enum next_step adopt_absent(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    (void)a;
    if (forget_found(x, true, &e) < 0)
        return machine_broken(x, &e);
    execution_drop(x, "the tenant does not have this user any more");
    return NEXT_NOTHING;
}
