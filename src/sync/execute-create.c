/*
 * Create and adopt. A create whose answer was lost is settled by reading the login; a login
 * that exists already is linked when it is the same person, and held when it is not.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/internal.h"

static void on_settled(const struct tenant_answer *a, void *userdata);

static int start_link(struct execution *x, const char *origin, const struct user *known,
                      struct error *e)
{
    link_done(&x->link);
    x->link = (struct link){
        .login = strdup(x->operation->login),
        .origin = strdup(origin),
        .status = known->disabled ? LINK_DISABLED : LINK_ACTIVE,
        .disabled_by_us = x->took_disabled && known->disabled,
    };
    if (!x->link.login || !x->link.origin)
        return error_out_of_memory(e);
    int r = engine_write(x->engine, e);
    return r < 0 ? r : execution_set_known(x, known, e);
}

static void hand_on_password(struct execution *x)
{
    struct engine *n = x->engine;
    if (!x->password && n->options.sync->initial_password == INITIAL_PASSWORD_GENERATE)
        log_warning(
            "The user %s was made by an attempt whose answer was lost, and its password "
            "with it: set one at the tenant (%s)",
            x->operation->login, x->operation->dn);
    if (!x->password || !n->options.sync->password_command)
        return;
    json_t *document = json_pack("{s:s, s:s}", "login", x->operation->login, "password",
                                 secret_text(x->password));
    char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_t *value = json_object_get(document, "password");
    if (value) /* jansson keeps a copy: overwrite it before it is freed */
        explicit_bzero((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    json_decref(document);
    if (text)
        command_run(n, n->options.sync->password_command, text, strlen(text),
                    "password_command");
}

/* What the tenant held before rosterd changed anything: without it the audit could not say
 * what the user is like. */
static int note_found(struct execution *x, const struct user *found, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(freep) char *user = user_to_json(found, false);
    if (!user)
        return error_out_of_memory(e);
    buffer_format(&b, "{\"found\":%s}", user);
    free(x->details);
    x->details = buffer_take(&b);
    return x->details ? 0 : error_out_of_memory(e);
}

/* The user is at the tenant as `known` says, made by us or found there. */
static void conclude(struct execution *x, const struct tenant_answer *a, const char *origin,
                     const struct user *known, enum person_bucket bucket)
{
    struct error e = {0};
    int r = start_link(x, origin, known, &e);
    x->as_wanted = bucket == BUCKET_CREATED && known == x->wanted;
    if (r == 0 && known != x->wanted)
        r = note_found(x, known, &e);
    if (r == 0)
        r = execution_store_link(x, &e);
    if (r < 0) {
        execution_broken(x, &e);
        return;
    }
    if (bucket == BUCKET_CREATED)
        hand_on_password(x);
    execution_finish(x, a, bucket);
}

static void hold_other_person(struct execution *x, const struct tenant_answer *a)
{
    char cause[400], sentence[700];
    const char *first = user_get(a->user, USER_FIRST_NAME),
               *last = user_get(a->user, USER_LAST_NAME);
    snprintf(cause, sizeof cause, "login:%s", x->operation->login);
    snprintf(
        sentence, sizeof sentence,
        "the tenant has a user %s (%s %s) whose mail and name are not those of %s: give one of the two "
        "another login",
        x->operation->login, first ? first : "?", last ? last : "?", x->operation->dn);
    execution_hold(x, a, REASON_CONFLICT, cause, sentence,
                   x->engine->options.sync->hold_retry_usec);
}

/* The login exists already and this was not our doing. */
static void on_conflict_read(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    if (a->class != TENANT_DONE || !a->user) {
        execution_fail(x, a);
    } else if (!planner_same_person(x->wanted, a->user)) {
        hold_other_person(x, a);
    } else {
        /* Found there: nothing was given by us, so nothing is ours to take back. */
        conclude(x, a, "adopt", a->user, BUCKET_ADOPTED);
    }
}

static void read_login(struct execution *x, tenant_done_fn done)
{
    struct engine *n = x->engine;
    struct error e = {0};
    if (n->options.tenant_ops->user_get(n->options.tenant, execution_next_call(x),
                                        x->operation->login, done, x, &e) < 0)
        execution_broken(x, &e);
}

static void on_created(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    switch (a->class) {
    case TENANT_DONE: conclude(x, a, "create", x->wanted, BUCKET_CREATED); return;
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
    struct engine *n = x->engine;
    const struct sync_options *o = n->options.sync;
    struct error e = {0};
    int r = 0;
    if (o->initial_password == INITIAL_PASSWORD_GENERATE && !x->password)
        r = secret_random_password(&x->password, o->password_length, o->password_classes, &e);
    if (r == 0)
        r = n->options.tenant_ops->user_create(n->options.tenant, execution_next_call(x),
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
        if (planner_same_person(x->wanted, a->user))
            conclude(x, a, "create", a->user, BUCKET_CREATED);
        else
            hold_other_person(x, a);
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

void execute_create(struct execution *x)
{
    if (!x->wanted) /* the rules changed their mind between planning and now */
        execution_drop(x, "no longer wanted");
    else if (x->settling || x->engine->distrusted) /* it may have been made already */
        read_login(x, on_settled);
    else
        post(x);
}

/* The login's link belonged to an entry that is gone: it moves to this person. */
static int take_over_link(struct execution *x, struct error *e)
{
    struct engine *n = x->engine;
    CLEANUP(freep) char *key = text_fold(x->operation->login, strlen(x->operation->login));
    struct link other = {0};
    if (!key)
        return error_out_of_memory(e);
    int r = engine_write(n, e);
    if (r == 0)
        r = link_load_by_login(n->state, key, &other, e);
    if (r == 0 && !text_equal(other.entry_id, x->operation->entry_id)) {
        x->took_disabled = other.disabled_by_us; /* ours to undo for the one who returns */
        r = link_remove(n->state, other.entry_id, e);
        if (r == 0)
            r = person_mark_dirty(n->state, other.entry_id, e);
    }
    link_done(&other);
    return r < 0 ? r : 0;
}

static void on_adopted(const struct tenant_answer *a, void *userdata)
{
    struct execution *x = userdata;
    struct engine *n = x->engine;
    struct error e = {0};
    if (a->class == TENANT_NOT_FOUND) {
        CLEANUP(freep) char *key = text_fold(x->operation->login, strlen(x->operation->login));
        int r = key ? engine_write(n, &e) : error_out_of_memory(&e);
        if (r == 0)
            r = listing_remove(n->state, key, &e);
        if (r < 0)
            execution_broken(x, &e);
        else
            execution_drop(x, "the tenant does not have this user any more");
    } else if (a->class != TENANT_DONE || !a->user) {
        execution_fail(x, a);
    } else if (!x->operation->approved && !planner_same_person(x->wanted, a->user)) {
        hold_other_person(x, a);
    } else if (take_over_link(x, &e) < 0) {
        execution_broken(x, &e);
    } else {
        conclude(x, a, "adopt", a->user, BUCKET_ADOPTED);
    }
}

void execute_adopt(struct execution *x)
{
    if (!x->wanted)
        execution_drop(x, "no longer wanted");
    else
        read_login(x, on_adopted);
}
