/*
 * Create. One whose answer was lost is settled by reading the login; a login that exists
 * already is a matter of adoption (adopt.c).
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "deliver/machine.h"
#include "judge/quirks.h"

static bool is_later(const struct execution *x, uint32_t what)
{
    return delivery_parts(x->delivery)->created_later & what;
}

/* What is sent first: all but what the tenant takes later. */
static int compose(struct execution *x)
{
    static const struct user nothing;
    uint32_t later = delivery_parts(x->delivery)->created_later;
    int r = content_send(&x->content, user_copy(x->basis.wanted), PART_ALL & ~later);
    return r < 0 ? r : part_copy(x->content.sent, later, &nothing);
}

/* The outcome says what was made: not all that was intended, where it turned out to be there with
 * less or is another by now. */
static int note_made(struct execution *x, const struct user *known, const struct user *quirks,
                     struct error *e)
{
    bool settled =
        (x->heard.answer.class != TENANT_DONE || x->making.was_there) && !x->learnt.as_wanted;
    int r = execution_note_done(x, known, quirks, e);
    bool finds = settled && !x->learnt.details;
    return r == 0 && finds ? execution_note_found(x, x->link.known, e) : r;
}

/* Made by us. What is not as it was wanted is then changed, and what the tenant did by itself
 * is left. */
int create_learn(struct execution *x, const struct tenant_answer *a, const struct user *shown,
                 struct error *e)
{
    CLEANUP(user_freep) struct user *known = user_new();
    CLEANUP(user_freep) struct user *quirks = user_new();
    (void)a;
    execution_set_unclear(x, false);
    if (!known || !quirks || (!x->content.sent && compose(x) < 0))
        return error_out_of_memory(e);
    const struct user *made = shown                  ? known
                              : x->content.completes ? x->content.current
                                                     : x->content.sent;
    bool at_once = x->heard.answer.class == TENANT_DONE && !x->making.was_there;
    if (shown && quirks_learn_created(x->basis.wanted, shown, at_once, known, quirks) < 0)
        return error_out_of_memory(e);
    /* Whom an earlier attempt made enabled, somebody has disabled since. */
    x->making.ours_if_disabled = !x->making.was_there || x->basis.wanted->disabled ||
                                 books_are_distrusted(x->delivery->books);
    int r = execution_start_link(x, "create", made, e);
    if (r == 0)
        r = execution_set_quirks(x, quirks, e);
    /* What an earlier attempt made may be wanted otherwise by now. */
    execution_learn_made(x,
                         (!shown || at_once) && !x->making.was_there &&
                             quirks_as_wanted(x->basis.wanted, made, quirks),
                         !shown);
    if (r == 0)
        r = note_made(x, made, quirks, e);
    if (r < 0)
        return r;
    return passwords_hand_on(x->delivery->passwords, x->operation, x->making.password, e);
}

/* The login is taken, and whoever has it cannot be read. */
static void hold_unreadable(struct execution *x, const struct tenant_answer *a)
{
    char sentence[700];
    snprintf(sentence, sizeof(sentence),
             "the login %s is taken at the tenant but cannot be read there (deleted and kept, or "
             "hidden from rosterd's account): restore or purge that user, or give %s another "
             "login",
             x->operation->login, x->operation->dn);
    execution_hold_login(x, a, x->operation->login, sentence);
}

/* Is this the user that the lost answer was about? What somebody else made meanwhile differs
 * from what was sent, and is adopted or held. */
static bool is_as_sent(const struct execution *x, const struct user *found)
{
    static const enum user_field fields[] = {USER_FIRST_NAME, USER_LAST_NAME, USER_EMAIL,
                                             USER_TEAM};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const char *sent = user_get(x->basis.wanted, fields[i]), *has = user_get(found, fields[i]);
        if (sent && *sent && !text_equal_fold(sent, has ? has : ""))
            return false;
    }
    if (found->disabled != x->basis.wanted->disabled)
        return false;
    for (size_t i = 0; i < found->n_roles; i++) {
        const char *role = found->roles[i].name;
        if (options_role_is_privileged(x->delivery->options->sync, role) &&
            !user_role(x->basis.wanted, role))
            return false;
    }
    return true;
}

/* A role that was given, by an answer that was heard: the operation says so from then on,
 * whatever comes after it. */
static int note_confirmed(struct execution *x, const char *name)
{
    for (size_t i = 0; i < x->operation->n_changes; i++) {
        struct change *c = &x->operation->changes[i];
        if (c->kind != CHANGE_ROLE || !c->to || c->from || !text_equal(c->name, name))
            continue;
        c->from = strdup(c->to);
        return c->from ? 0 : -ENOMEM;
    }
    return 0;
}

/* Of a user who is made anew nothing is. */
static void forget_confirmed(struct execution *x)
{
    for (size_t i = 0; i < x->operation->n_changes; i++)
        if (x->operation->changes[i].kind == CHANGE_ROLE)
            free(TAKE(x->operation->changes[i].from));
}

/* They are the user's, although no read shows them. */
static int add_confirmed(struct execution *x)
{
    int r = 0;
    for (size_t i = 0; i < x->operation->n_changes && r == 0; i++) {
        const struct change *c = &x->operation->changes[i];
        if (c->kind == CHANGE_ROLE && c->to && c->from && !user_role(x->content.current, c->name))
            r = user_add_role(x->content.current, c->name, NULL);
    }
    return r;
}

/* What takes an approval is not given, and taken away, as far as it may have been and was not
 * confirmed; what takes none is given again. */
static int take_back(struct execution *x)
{
    const struct user *wanted = x->basis.wanted;
    int r = 0;
    for (size_t i = 0; i < wanted->n_roles && r == 0; i++) {
        const char *name = wanted->roles[i].name;
        if (!options_role_is_privileged(x->delivery->options->sync, name) ||
            user_role(x->content.current, name))
            continue;
        user_remove_role(x->content.sent, name);
        r = user_add_role(x->content.current, name, NULL);
    }
    return r;
}

/* Of a user that is there, what the tenant takes later, value by value. */
static enum next_step give_later(struct execution *x, struct user *current_taken, bool taken_back)
{
    struct error e = {0};
    int r = content_begin(&x->content, current_taken, user_copy(x->basis.wanted));
    content_choose(&x->content, PART_ALL);
    content_complete(&x->content);
    if (r == 0)
        r = add_confirmed(x);
    if (r == 0 && taken_back)
        r = take_back(x);
    if (r == 0)
        return execution_next_value(x) ? NEXT_WRITE : NEXT_CONCLUDE;
    error_out_of_memory(&e);
    return machine_broken(x, &e);
}

/* A user whom an earlier attempt has made. What no read shows was perhaps given by it: it is
 * given again, or taken away where an approval was for that and has ended, or nobody would know of
 * it when something else is to be done next. */
static enum next_step settle_ours(struct execution *x, const struct tenant_answer *a)
{
    uint32_t unseen = delivery_parts(x->delivery)->hides;
    execution_set_unclear(x, false);
    x->making.was_there = true;
    books_note_moved(x->delivery->books,
                     x->operation->entry_id); /* the rules may be others since */
    if (!is_later(x, unseen & PART_ROLES) || x->content.completes)
        return NEXT_CONCLUDE;
    machine_keep(x, a);
    /* Until it is given: else the next attempt would make the user anew. */
    execution_set_unclear(x, true);
    return give_later(x, user_copy(a->user), execution_approval_is_over(x->operation));
}

/* Who was removed, and is kept by the tenant, disabled, or came back there, has our id from
 * then. */
static bool is_made_before(const struct execution *x, const struct tenant_answer *a)
{
    return a->id && text_equal(a->id, x->basis.made_before);
}

/* Is it the user that the lost answer was about? Where the tenant keeps our id, that alone
 * tells. That an older state was restored is no answer that was lost: where nobody sees which roles
 * the user has, whoever has the login may be a stranger with all of them. */
static bool is_ours(const struct execution *x, const struct tenant_answer *a)
{
    const struct parts *parts = delivery_parts(x->delivery);
    bool is_hidden = parts->hides & PART_ROLES;
    bool may_be_alike =
        !parts->keeps_our_id && (x->basis.was_unclear || !x->basis.is_distrusted || !is_hidden);
    if (is_made_before(x, a))
        return false;
    return text_equal(a->our_id, x->operation->entry_id) ||
           (may_be_alike && is_as_sent(x, a->user));
}

/* After an attempt whose outcome was not known, and the login is somebody's. */
static enum next_step settle(struct execution *x, const struct tenant_answer *a)
{
    if (is_ours(x, a))
        return settle_ours(x, a);
    execution_set_unclear(x, false);
    books_note_moved(x->delivery->books, x->operation->entry_id);
    return adopt_instead(x, a);
}

/* The login that somebody gave our user there is that of another person's link: nothing can be
 * known of the two before a person looks. */
static bool is_taken(struct execution *x, const char *login, bool *ret, struct error *e)
{
    CLEANUP(freep) char *key = text_fold(login, strlen(login));
    CLEANUP(link_done) struct link other = {0};
    int r = key ? link_load_by_login(x->delivery->state, key, &other, e) : error_out_of_memory(e);
    *ret = r == 0 && !text_equal(other.entry_id, x->operation->entry_id);
    return r >= 0;
}

static void hold_taken(struct execution *x, const struct tenant_answer *a, const char *login)
{
    char sentence[900];
    snprintf(sentence, sizeof(sentence),
             "the user that was made for %s was renamed to %s at the tenant, which is the login of "
             "somebody else's user: give one of the two another login there",
             x->operation->dn, login);
    execution_hold_login(x, a, login, sentence); /* unclear as before */
}

/* The user has our id, under this login or another one, which somebody gave it since. */
enum next_step create_ours(struct execution *x, const struct tenant_answer *a)
{
    const char *login = user_get(a->user, USER_LOGIN);
    struct error e = {0};
    bool taken = false;
    if (is_made_before(x, a)) { /* another one may have the login */
        execution_read_login(x, x->heard.then);
        return NEXT_NOTHING;
    }
    if (a->id && execution_learn_id(x, a->id, &e) < 0)
        return machine_broken(x, &e);
    if (!login || text_equal_fold(login, x->operation->login))
        return settle_ours(x, a);
    if (!is_taken(x, login, &taken, &e))
        return machine_broken(x, &e);
    if (taken) {
        hold_taken(x, a, login);
        return NEXT_NOTHING;
    }
    return execution_learn_renamed(x, login, &e) < 0 ? machine_broken(x, &e) : settle_ours(x, a);
}

/* The login is taken before anything was sent: by an earlier attempt, or by somebody else. */
enum next_step create_decide(struct execution *x, const struct tenant_answer *a)
{
    bool ours = x->basis.was_unclear || x->basis.is_distrusted;
    return ours ? settle(x, a) : adopt_instead(x, a);
}

/* What the tenant takes later, as one of its parts. */
static int write_later(struct execution *x, struct error *e)
{
    struct tenant_write w = {.part = part_with(delivery_parts(x->delivery), PART_ROLES),
                             .set = PART_ROLES,
                             .user = x->content.sent,
                             .current = x->content.current,
                             .value = x->content.value,
                             .gives = x->content.gives};
    return machine_send(x, &w, e);
}

int create_write(struct execution *x, struct error *e)
{
    if (x->content.completes)
        return write_later(x, e);
    const struct engine_options *options = x->delivery->options;
    const struct sync_options *o = options->sync;
    int r = compose(x) < 0 ? error_out_of_memory(e) : 0;
    forget_confirmed(x);
    x->making.of_many = delivery_has_many(x->delivery);
    if (r == 0 && o->initial_password == INITIAL_PASSWORD_GENERATE && !x->making.password)
        r = secret_random_password(&x->making.password, o->password_length, o->password_classes, e);
    return r < 0 ? r
                 : options->tenant_ops->create(options->tenant, execution_next_call(x),
                                               x->content.sent, x->operation->entry_id,
                                               x->making.password, o->change_password,
                                               machine_written, x, e);
}

/* Done: of many the verification reads them later, also those whose answers come last. */
static enum next_step made(struct execution *x, const struct tenant_answer *a)
{
    if (x->making.of_many)
        return x->content.completes ? NEXT_CONFIRM : NEXT_CONCLUDE;
    if (!x->content.completes)
        return NEXT_READ_BACK;
    (void)a;
    machine_read_back(x);
    return NEXT_NOTHING;
}

/* The user is there. What cannot be given now is given by a change. */
static enum next_step complete(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    if (!is_later(x, PART_ROLES) || !a->id || !x->basis.wanted->n_roles)
        return made(x, a);
    machine_keep(x, a);
    if (execution_learn_id(x, a->id, &e) < 0)
        return machine_broken(x, &e);
    enum next_step next = give_later(x, TAKE(x->content.sent), false);
    return next == NEXT_CONCLUDE ? made(x, a) : next;
}

static enum next_step completed(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    bool goes_on = a->class == TENANT_DONE || content_is_own_refusal(a);
    bool given = a->class == TENANT_DONE && x->content.gives;
    if (content_take_value(&x->content, a) < 0 ||
        (given && note_confirmed(x, x->content.value) < 0)) {
        error_out_of_memory(&e);
        return machine_broken(x, &e);
    }
    if (a->class == TENANT_UNCLEAR && delivery_parts(x->delivery)->hides & PART_ROLES) {
        execution_set_unclear(x, true); /* no read will say whether it was given: see settle() */
        return NEXT_FAIL;
    }
    return goes_on && execution_next_value(x) ? NEXT_WRITE : made(x, a);
}

enum next_step create_written(struct execution *x, const struct tenant_answer *a)
{
    if (x->content.completes)
        return completed(x, a);
    switch (a->class) {
    case TENANT_DONE: return complete(x, a);
    case TENANT_UNCLEAR: execution_set_unclear(x, true); return NEXT_READ_BACK;
    case TENANT_CONFLICT: return NEXT_READ_BACK;
    case TENANT_NOT_FOUND:
    case TENANT_REFUSED:
    case TENANT_REFERENCE_MISSING:
    case TENANT_NOT_AUTHORISED:
    case TENANT_THROTTLED:
    case TENANT_AWAY:
    case TENANT_LOST_RACE:
    case TENANT_UNSUPPORTED: break;
    }
    return NEXT_FAIL;
}

enum next_step create_read_back(struct execution *x, const struct tenant_answer *a)
{
    bool there = a->class == TENANT_DONE && a->user, absent = a->class == TENANT_NOT_FOUND;
    if (x->heard.answer.class == TENANT_DONE)
        return NEXT_CONFIRM;
    if (there) /* who is not our doing: another operation, with an approval of its own */
        return x->learnt.is_unclear ? settle(x, a) : adopt_instead(x, a);
    if (x->learnt.is_unclear && absent) {
        /* It may be under way there still: not the last word. */
        struct tenant_answer unclear = *a;
        unclear.class = TENANT_UNCLEAR;
        execution_fail(x, &unclear);
    } else if (absent) {
        hold_unreadable(x, a);
    } else {
        return NEXT_FAIL;
    }
    return NEXT_NOTHING;
}
