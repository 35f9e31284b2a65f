/*
 * A user that does not answer to its login any more may have been renamed at the tenant. The
 * remembered SCIM id tells: one person never gets a second user, and a leaver under another
 * name is disabled all the same. The link follows the user; renaming it back is an operation.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/log-ids.h"
#include "base/log.h"
#include "sync/internal.h"

static int wanted_key(struct engine *n, const char *entry_id, char **ret, struct error *e)
{
    struct person p = {0};
    int r = person_load(n->state, entry_id, &p, e);
    if (r == 0)
        *ret = TAKE(p.login_key);
    person_done(&p);
    return r < 0 ? r : 0;
}

int renamed_follow(struct engine *n, struct link *l, const char *login, bool *ret_taken,
                   struct error *e)
{
    CLEANUP(freep) char *key = text_fold(login, strlen(login));
    CLEANUP(freep) char *wanted = NULL;
    CLEANUP(link_done) struct link other = {0};
    char sentence[700];
    int r = key ? books_write(n->books, e) : error_out_of_memory(e);
    if (r == 0)
        r = link_load_by_login(n->state, key, &other, e);
    if (r < 0)
        return r;
    *ret_taken = r == 0 && !text_equal(other.entry_id, l->entry_id);
    if (*ret_taken)
        return 0;
    r = wanted_key(n, l->entry_id, &wanted, e);
    if (r < 0)
        return r;
    snprintf(sentence, sizeof sentence, "login_id: %s -> %s", l->login, login);
    log_event(LOG_WARNING, MSG_DRIFT, "User %s was renamed at the tenant: %s", l->login, login);
    struct audit_row row = {
        .event = "drift",
        .entry_id = l->entry_id,
        .login = l->login,
        .code = n->options.sync->on_drift == DRIFT_REPAIR ? "repair" : "report",
        .sentence = sentence,
    };
    r = books_audit(n->books, &row, e);
    CLEANUP(user_freep) struct user *known = NULL;
    if (r == 0 && l->known)
        r = user_from_json(&known, l->known, e);
    if (r < 0)
        return r;
    free(l->login);
    free(l->login_key);
    l->login = strdup(login);
    l->renamed_there = !text_equal(key, wanted);
    if (l->gone && l->status == LINK_DELETED) /* so it was not deleted */
        l->status = LINK_ACTIVE;
    l->gone = LINK_THERE;
    l->login_key = TAKE(key);
    if (!l->login || (known && user_set(known, USER_LOGIN, login, NULL) < 0))
        return error_out_of_memory(e);
    if (known) {
        free(l->known);
        l->known = user_to_json(known, false);
        if (!l->known)
            return error_out_of_memory(e);
    }
    r = link_store(n->state, l, e);
    return r < 0 ? r : person_mark_dirty(n->state, l->entry_id, e);
}

/* The link follows, and the person is planned anew. */
void execution_renamed(struct execution *x, const struct tenant_answer *a, const char *login)
{
    struct error e = {0};
    bool taken = false;
    char cause[400], sentence[700], before[256];
    snprintf(before, sizeof before, "%s", x->link.login);
    x->settling = false;
    if (renamed_follow(x->engine, &x->link, login, &taken, &e) < 0) {
        execution_broken(x, &e);
        return;
    }
    snprintf(sentence, sizeof sentence,
             taken ? "the user %s was renamed to %s at the tenant, which is the login of somebody "
                     "else's user: give one of the two another login there"
                   : "the user %s was renamed to %s at the tenant: planned anew",
             before, login);
    snprintf(cause, sizeof cause, "login:%s", login);
    if (taken)
        execution_hold(x, a, REASON_CONFLICT, cause, sentence,
                       x->engine->options.sync->hold_retry_usec);
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
        x->gone_everywhere(&gone, x);
    } else {
        execution_fail(x, a);
    }
}

bool execution_look_by_id(struct execution *x, const struct tenant_answer *a,
                          tenant_done_fn otherwise)
{
    struct engine *n = x->engine;
    struct error e = {0};
    if (a->class != TENANT_NOT_FOUND || !x->link.scim_id || x->gone_everywhere)
        return false;
    x->gone_everywhere = otherwise;
    if (n->options.tenant_ops->scim_get(n->options.tenant, execution_next_call(x),
                                        x->link.scim_id, on_found_by_id, x, &e) < 0)
        execution_broken(x, &e);
    return true;
}

/* Same mail as it was, or as it is to be; who has none anywhere is known by the name. */
static bool is_who_it_was(const struct execution *x, const struct user *shown)
{
    const char *mail = user_get(shown, USER_EMAIL), *before = user_get(x->known, USER_EMAIL),
               *wanted = x->wanted ? user_get(x->wanted, USER_EMAIL) : NULL;
    if (!mail && !before)
        return planner_same_person(x->known, shown);
    return mail && ((before && text_equal_fold(mail, before)) ||
                    (wanted && text_equal_fold(mail, wanted)));
}

static void hold_another(struct execution *x, const struct tenant_answer *a)
{
    char cause[400], sentence[700];
    x->settling = false;
    snprintf(cause, sizeof cause, "login:%s", x->operation->login);
    snprintf(sentence, sizeof sentence,
             "the user %s that was known is gone at the tenant, and the login belongs to another user "
             "there, with another mail: if it is the same person, give that user the mail of %s, "
             "else give one of the two another login",
             x->operation->login, x->operation->dn);
    execution_hold(x, a, REASON_CONFLICT, cause, sentence,
                   x->engine->options.sync->hold_retry_usec);
}

bool execution_is_another(struct execution *x, const struct tenant_answer *a)
{
    if (is_who_it_was(x, a->user))
        return false;
    hold_another(x, a);
    return true;
}

bool execution_is_stranger(struct execution *x, const struct tenant_answer *a)
{
    if (x->proved || !x->known || planner_same_person(x->known, a->user) ||
        (x->wanted && planner_same_person(x->wanted, a->user)))
        return false;
    hold_another(x, a);
    return true;
}

/* Its id is not there, cannot be asked for, or was never learnt: what is known of the user tells. */
static void on_holder(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    bool found = a->class == TENANT_DONE && a->user;
    if (!found && a->class != TENANT_NOT_FOUND) {
        execution_fail(x, a);
        return;
    }
    if (found && x->known && x->id_failed && !is_who_it_was(x, a->user)) {
        hold_another(x, a);
        return;
    }
    if (found && execution_is_stranger(x, a))
        return;
    x->proved = true;
    x->go(x);
}

static void ask_holder(struct execution *x)
{
    struct engine *n = x->engine;
    struct error e = {0};
    if (n->options.tenant_ops->user_get(n->options.tenant, execution_next_call(x),
                                        x->operation->login, on_holder, x, &e) < 0)
        execution_broken(x, &e);
    else if (x->operation->revokes)
        n->options.tenant_ops->call_hurry(x->call);
}

static void on_proof(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    const char *login = a->class == TENANT_DONE && a->user ? user_get(a->user, USER_LOGIN) : NULL;
    if (login && text_equal_fold(login, x->link.login)) {
        x->proved = true;
        x->go(x);
    } else if (login) {
        execution_renamed(x, a, login);
    } else if (a->class == TENANT_NOT_FOUND || a->class == TENANT_UNSUPPORTED ||
               a->class == TENANT_REFUSED) {
        x->id_failed = true;
        if (a->class == TENANT_NOT_FOUND) /* learnt anew, should the user be the same one */
            free(TAKE(x->link.scim_id));
        ask_holder(x);
    } else {
        execution_fail(x, a);
    }
}

void execution_prove(struct execution *x, void (*go)(struct execution *x))
{
    struct engine *n = x->engine;
    struct error e = {0};
    x->go = go;
    if (x->proved)
        go(x);
    else if (!x->link.scim_id)
        ask_holder(x);
    else if (n->options.tenant_ops->scim_get(n->options.tenant, execution_next_call(x),
                                             x->link.scim_id, on_proof, x, &e) < 0)
        execution_broken(x, &e);
    else if (x->operation->revokes)
        n->options.tenant_ops->call_hurry(x->call);
}

static void on_doubted(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct engine *n = x->engine;
    struct error e = {0};
    const char *login = a->class == TENANT_DONE && a->user ? user_get(a->user, USER_LOGIN) : NULL;
    x->proved = true;
    if (a->class == TENANT_NOT_FOUND)
        hold_another(x, a);
    else if (!login)
        execution_fail(x, a);
    else if (!text_equal_fold(login, x->link.login))
        execution_renamed(x, a, login);
    else if (n->options.tenant_ops->user_get(n->options.tenant, execution_next_call(x),
                                             x->operation->login, x->again, x, &e) < 0)
        execution_broken(x, &e);
}

bool execution_doubt_user(struct execution *x, const struct tenant_answer *a,
                          tenant_done_fn again)
{
    struct engine *n = x->engine;
    struct error e = {0};
    if (x->proved || a->class != TENANT_DONE || !a->user || !x->known || !x->link.scim_id ||
        planner_same_person(x->known, a->user) ||
        (x->wanted && planner_same_person(x->wanted, a->user)))
        return false;
    x->again = again;
    if (n->options.tenant_ops->scim_get(n->options.tenant, execution_next_call(x),
                                        x->link.scim_id, on_doubted, x, &e) < 0)
        execution_broken(x, &e);
    return true;
}
