/*
 * Create. One whose answer was lost is settled by reading the login; a login that exists
 * already is a matter of adoption (execute-adopt.c).
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "deliver/delivery-internal.h"
#include "judge/quirks.h"

static void on_settled(const struct tenant_answer *a, void *userdata);

static void read_login(struct execution *x, tenant_done_fn done)
{
    struct delivery *d = x->delivery;
    struct error e = {0};
    if (d->options->tenant_ops->user_get(d->options->tenant, execution_next_call(x),
                                         x->operation->login, done, x, &e) < 0)
        execution_broken(x, &e);
}

/* Made by us. `shown`: as it was read back, NULL when it could not be read; what is not as it
 * was wanted is then changed, and what the tenant did by itself is left. */
static int learn_created(struct execution *x, const struct user *shown, struct error *e)
{
    CLEANUP(user_freep) struct user *known = user_new();
    CLEANUP(user_freep) struct user *quirks = user_new();
    if (!known || !quirks)
        return error_out_of_memory(e);
    if (shown && quirks_learn_created(x->wanted, shown, known, quirks) < 0)
        return error_out_of_memory(e);
    int r = execution_start_link(x, "create", shown ? known : x->wanted, e);
    if (r == 0)
        r = execution_set_quirks(x, quirks, e);
    /* What an earlier attempt made may be wanted otherwise by now. */
    x->as_wanted = !shown || (x->answer.class == TENANT_DONE &&
                              quirks_as_wanted(x->wanted, known, quirks));
    x->unread = !shown;
    return r < 0 ? r : execution_store_link(x, e);
}

static void conclude(struct execution *x, const struct tenant_answer *a,
                     const struct user *shown)
{
    struct error e = {0};
    int r = learn_created(x, shown, &e);
    if (r == 0)
        r = passwords_hand_on(x->delivery->passwords, x->operation, x->password, &e);
    if (r < 0) {
        execution_broken(x, &e);
        return;
    }
    execution_finish(x, a, BUCKET_CREATED);
}

static void on_created_read(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct error e = {0};
    if (a->class == TENANT_DONE && a->user && !(x->current = user_copy(a->user))) {
        error_out_of_memory(&e);
        execution_broken(x, &e);
    } else {
        conclude(x, &x->answer, x->current);
    }
}

/* The login is taken, and whoever has it cannot be read. */
static void hold_unreadable(struct execution *x, const struct tenant_answer *a)
{
    char cause[400], sentence[700];
    snprintf(cause, sizeof(cause), "login:%s", x->operation->login);
    snprintf(
        sentence, sizeof(sentence),
        "the login %s is taken at the tenant but cannot be read there (deleted and kept, or "
        "hidden from rosterd's account): restore or purge that user, or give %s another "
        "login",
        x->operation->login, x->operation->dn);
    execution_hold(x, a, REASON_CONFLICT, cause, sentence,
                   x->delivery->options->sync->hold_retry_usec);
}

/* Is this the user that the lost answer was about? What somebody else made meanwhile differs
 * from what was sent, and is adopted or held. */
static bool is_as_sent(const struct execution *x, const struct user *found)
{
    static const enum user_field fields[] = {USER_FIRST_NAME, USER_LAST_NAME, USER_EMAIL,
                                             USER_TEAM};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const char *sent = user_get(x->wanted, fields[i]), *has = user_get(found, fields[i]);
        if (sent && *sent && !text_equal_fold(sent, has ? has : ""))
            return false;
    }
    for (size_t i = 0; i < found->n_roles; i++) {
        const char *role = found->roles[i].name;
        if (options_role_is_privileged(x->delivery->options->sync, role) &&
            !user_role(x->wanted, role))
            return false;
    }
    return true;
}

/* The login exists already and this was not our doing: an adoption, which is another operation
 * with an approval of its own. */
static void on_conflict_read(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (a->class == TENANT_NOT_FOUND)
        hold_unreadable(x, a);
    else if (a->class != TENANT_DONE || !a->user)
        execution_fail(x, a);
    else
        execution_found(x, a);
}

static void on_created(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    switch (a->class) {
    case TENANT_DONE:
        if (delivery_has_many(x->delivery)) { /* the verification reads them later */
            conclude(x, a, NULL);
            return;
        }
        x->answer = *a;
        x->answer.user = NULL;
        x->answer.id = NULL;
        x->answer.names = NULL;
        read_login(x, on_created_read);
        return;
    case TENANT_CONFLICT: read_login(x, on_conflict_read); return;
    case TENANT_UNCLEAR:
        x->settling = true;
        x->step = 1; /* it may be under way there still: a 404 now is not the last word */
        read_login(x, on_settled);
        return;
    case TENANT_NOT_FOUND:
    case TENANT_REFUSED:
    case TENANT_REFERENCE_MISSING:
    case TENANT_NOT_AUTHORISED:
    case TENANT_THROTTLED:
    case TENANT_AWAY:
    case TENANT_UNSUPPORTED: break;
    }
    execution_fail(x, a);
}

static void post(struct execution *x)
{
    struct delivery *d = x->delivery;
    const struct sync_options *o = d->options->sync;
    struct error e = {0};
    int r = 0;
    if (!execution_intend(x))
        return;
    if (o->initial_password == INITIAL_PASSWORD_GENERATE && !x->password)
        r = secret_random_password(&x->password, o->password_length, o->password_classes, &e);
    if (r == 0)
        r = d->options->tenant_ops->user_create(d->options->tenant, execution_next_call(x),
                                                x->wanted, x->password, o->change_password,
                                                on_created, x, &e);
    if (r < 0)
        execution_broken(x, &e);
}

/* After an attempt whose outcome is not known: is the user there? */
static void on_settled(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (a->class == TENANT_DONE && a->user) {
        x->settling = false;
        books_note_moved(x->delivery->books,
                         x->operation->entry_id); /* the rules may be others since */
        if (is_as_sent(x, a->user))
            conclude(x, a, a->user);
        else
            execution_found(x, a);
    } else if (a->class == TENANT_NOT_FOUND && !x->settling) {
        post(x); /* looked up only because the state is distrusted */
    } else if (a->class == TENANT_NOT_FOUND && x->step == 0) {
        x->settling = false;
        execution_undone(x, a);
    } else if (a->class == TENANT_NOT_FOUND) {
        struct tenant_answer unclear = *a;
        unclear.class = TENANT_UNCLEAR;
        execution_fail(x, &unclear);
    } else {
        execution_fail(x, a);
    }
}

/* The login was somebody else's when it was looked at last. */
static void on_looked(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (a->class == TENANT_NOT_FOUND)
        post(x);
    else
        on_conflict_read(a, x);
}

static bool makes_disabled(const struct operation *o)
{
    for (size_t i = 0; i < o->n_changes; i++)
        if (text_equal(o->changes[i].field, "disabled"))
            return true;
    return false;
}

void execute_create(struct execution *x)
{
    free(TAKE(x->link.remote_id)); /* of a user that was deleted */
    if (x->wanted) /* before the start, for example */
        x->wanted->disabled = makes_disabled(x->operation);
    if (!x->wanted)              /* the rules changed their mind between planning and now */
        execution_drop(x, "no longer wanted");
    else if (x->settling ||
             books_are_distrusted(x->delivery->books)) /* it may have been made already */
        read_login(x, on_settled);
    else if (!x->is_recorded)
        read_login(x, on_looked);
    else
        post(x);
}
