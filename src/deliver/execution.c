/*
 * One operation in flight: what it carries, and the person's link as it is learnt on the way.
 * How it ends is in ending.c.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/secret.h"
#include "deliver/apply.h"
#include "deliver/delivery-internal.h"
#include "mapping/ruleset.h"
#include "model/json.h"
#include "state/listing.h"
#include "state/state.h"

static void append(struct delivery *d, struct execution *x)
{
    x->delivery = d;
    x->previous = d->newest;
    *(d->newest ? &d->newest->next : &d->executions) = x;
    d->newest = x;
    d->n_executions++;
}

struct execution *execution_new(struct delivery *d, struct operation *taken,
                                const struct kind_steps *kind)
{
    struct execution *x = calloc(1, sizeof(*x));
    if (!x) {
        operation_free(taken);
        return NULL;
    }
    bool unclear = taken->kind != OPERATION_ADOPT && operation_is_unclear(taken);
    *x = (struct execution){
        .operation = taken,
        .kind = kind,
        .intent.entry_id = taken->entry_id,
        .basis = {.epoch = books_epoch(d->books),
                  .looked = taken->looks,
                  .was_unclear = unclear,
                  .is_distrusted =
                      taken->kind == OPERATION_CREATE && books_were_distrusted(d->books)},
        .learnt.is_unclear = unclear,
    };
    append(d, x);
    books_open_intent(d->books, &x->intent);
    return x;
}

static void take_out(struct execution *x)
{
    struct delivery *d = x->delivery;
    *(x->previous ? &x->previous->next : &d->executions) = x->next;
    *(x->next ? &x->next->previous : &d->newest) = x->previous;
    d->n_executions--;
}

struct execution *execution_free(struct execution *x)
{
    struct delivery *d = x->delivery;
    take_out(x);
    if (!x->learnt.is_unclear)
        vain_forget(&d->our_id_errors, x->operation->entry_id);
    books_close_intent(&x->intent);
    if (x->sending.call)
        d->options->tenant_ops->call_free(x->sending.call);
    operation_free(x->operation);
    link_done(&x->link);
    user_free(x->basis.wanted);
    user_free(x->basis.known);
    user_free(x->basis.granted);
    free(x->basis.made_before);
    free(x->basis.listed);
    user_free(x->learnt.quirks);
    content_done(&x->content);
    user_free(x->heard.shown);
    free(x->heard.version);
    free(x->learnt.details);
    secret_free(x->making.password);
    free(x->learnt.renamed);
    free(x);
    return NULL;
}

bool delivery_has_many(const struct delivery *d)
{
    return d->n_executions * 2 > d->options->max_concurrent;
}

uint64_t execution_next_wait(const struct execution *x)
{
    const struct sync_options *o = x->delivery->options->sync;
    return backoff_wait(o->retry_min_usec, o->retry_max_usec, x->operation->attempts,
                        random_number());
}

static void prepare_merge(struct execution *x)
{
    x->basis.merge = (struct planner_input){
        .verdict.wanted = x->basis.wanted,
        .rules.names_role = rules_names_role,
        .rules.names_skill = rules_names_skill,
        .rules.userdata = x->delivery->rules,
    };
}

static bool says_disabled(const struct operation *o)
{
    for (size_t i = 0; i < o->n_changes; i++)
        if (o->changes[i].kind == CHANGE_DISABLED)
            return true;
    return false;
}

/* What an earlier attempt left unclear was planned before a rename that was done since: its user
 * has the login of the link by now. */
static int follow_login(struct execution *x)
{
    struct operation *o = x->operation;
    bool is_of_link = x->has_link && o->kind != OPERATION_CREATE && o->kind != OPERATION_ADOPT &&
                      o->kind != OPERATION_RENAME;
    if (!is_of_link || text_equal(o->login, x->link.login))
        return 0;
    char *login = strdup(x->link.login);
    if (!login)
        return -ENOMEM;
    free(o->login);
    o->login = login;
    return 0;
}

/* Not every service that keeps logins without regard to case finds them so. */
static int load_listed(struct execution *x, struct error *e)
{
    const struct operation *o = x->operation;
    if (o->kind != OPERATION_ADOPT)
        return 0;
    CLEANUP(freep) char *key = text_fold(o->login, strlen(o->login));
    int r =
        key ? listing_find(x->delivery->state, key, &x->basis.listed, e) : error_out_of_memory(e);
    return r < 0 ? r : 0;
}

/* What the rules want now, and what is known, at the moment the operation starts. */
int execution_load(struct execution *x, struct error *e)
{
    struct delivery *d = x->delivery;
    const char *id = x->operation->entry_id;
    const struct operation *o = x->operation;
    struct person p = {0};
    int r = o->is_next ? 0 : person_load(d->state, id, &p, e);
    const char *wanted = o->is_next ? o->wanted : p.wanted;
    if (r == 0 && wanted)
        r = user_from_json(&x->basis.wanted, wanted, e);
    if (r == 0 && x->basis.wanted && o->kind == OPERATION_CREATE)
        x->basis.wanted->disabled = says_disabled(o); /* before the start, for example */
    person_done(&p);
    if (r >= 0)
        r = o->is_next && !o->has_link ? STATE_NONE : link_load(d->state, id, &x->link, e);
    if (r < 0)
        return r;
    x->has_link = r == 0;
    if (x->has_link && x->link.remote_id && !(x->basis.made_before = strdup(x->link.remote_id)))
        return error_out_of_memory(e);
    if (follow_login(x) < 0)
        return error_out_of_memory(e);
    if (x->has_link && x->link.known)
        r = user_from_json(&x->basis.known, x->link.known, e);
    if (r >= 0)
        r = load_listed(x, e);
    if (r >= 0 && x->has_link && x->link.granted)
        r = user_from_json(&x->basis.granted, x->link.granted, e);
    if (r >= 0 && x->has_link && x->link.quirks)
        r = user_from_json(&x->learnt.quirks, x->link.quirks, e);
    else if (r >= 0 && !(x->learnt.quirks = user_new()))
        r = error_out_of_memory(e);
    prepare_merge(x);
    return r < 0 ? r : 0;
}

int execution_recall(struct execution *x, const struct link *l, struct error *e)
{
    struct basis *b = &x->basis;
    CLEANUP(user_freep) struct user *known = NULL;
    CLEANUP(user_freep) struct user *granted = NULL;
    int r = l ? user_from_json_if_any(&known, l->known, e) : 0;
    if (r == 0 && l)
        r = user_from_json_if_any(&granted, l->granted, e);
    if (r < 0)
        return r;
    user_free(b->known);
    user_free(b->granted);
    b->known = TAKE(known);
    b->granted = TAKE(granted);
    b->merge.adoption.found_granted = b->granted;
    return 0;
}

/* What goes, goes first, and nothing is given beside a role that it conflicts with. */
bool execution_next_value(struct execution *x)
{
    struct conflicts conflicts;
    conflicts.items = ruleset_conflicts(rules_ruleset(x->delivery->rules), &conflicts.n_items);
    return content_next_value(&x->content, &conflicts);
}

int execution_set_known(struct execution *x, const struct user *known, struct error *e)
{
    free(x->link.known);
    x->link.known = user_to_json(known, false);
    return x->link.known ? 0 : error_out_of_memory(e);
}

static int take_skills(struct user *ret, const struct user *from)
{
    int r = 0;
    user_clear_skills(ret);
    for (size_t i = 0; i < from->n_skills && r == 0; i++)
        r = user_add_skill(ret, from->skills[i].name, from->skills[i].level, NULL);
    return r;
}

int execution_keep_skills(struct execution *x, const struct user *shown, struct error *e)
{
    CLEANUP(user_freep) struct user *skills = user_new();
    bool same = apply_same_skills(x->basis.known, shown);
    if (same && !x->link.skills_before)
        return 0;
    free(x->link.skills_before);
    x->link.skills_before = NULL;
    if (!same && skills && take_skills(skills, shown) == 0)
        x->link.skills_before = user_to_json(skills, false);
    if (!same && !x->link.skills_before)
        return error_out_of_memory(e);
    int r = link_store(x->delivery->state, &x->link, e);
    return r < 0 ? r : books_commit(x->delivery->books, e);
}

int execution_before_move(const struct execution *x, struct user **ret, struct error *e)
{
    CLEANUP(user_freep) struct user *skills = NULL;
    CLEANUP(user_freep) struct user *before = user_copy(x->basis.known);
    int r = user_from_json_if_any(&skills, x->link.skills_before, e);
    if (r < 0)
        return r;
    if (!before || (skills && take_skills(before, skills) < 0))
        return error_out_of_memory(e);
    *ret = TAKE(before);
    return 0;
}

int execution_set_quirks(struct execution *x, const struct user *quirks, struct error *e)
{
    bool any = quirks->n_roles || quirks->n_skills;
    for (int f = 0; f < USER_N_FIELDS; f++)
        any = any || user_get(quirks, (enum user_field)f);
    free(x->link.quirks);
    x->link.quirks = any ? user_to_json(quirks, false) : NULL;
    return any && !x->link.quirks ? error_out_of_memory(e) : 0;
}

/* What rosterd gave and so may take back: with the user all that was wanted, later what the
 * operations give, less what they take. */
int execution_note_granted(struct execution *x, const struct operation *o, struct error *e)
{
    static const struct user nobody;
    bool whole = o->kind == OPERATION_CREATE || o->kind == OPERATION_ADOPT;
    const struct user *before = x->basis.granted ? x->basis.granted : &nobody;
    bool adopts = o->kind == OPERATION_ADOPT; /* perhaps of a user that was ours before */
    CLEANUP(user_freep) struct user *given = adopts ? user_copy(before) : user_new();
    int r = given ? 0 : -ENOMEM;
    if (r == 0 && whole) {
        for (size_t i = 0; i < x->basis.wanted->n_roles && r == 0; i++)
            r = user_add_role(given, x->basis.wanted->roles[i].name, NULL);
        for (size_t i = 0; i < x->basis.wanted->n_skills && r == 0; i++)
            r = user_add_skill(given, x->basis.wanted->skills[i].name,
                               x->basis.wanted->skills[i].level, NULL);
    } else if (r == 0) {
        r = apply_roles(o, before, given);
        if (r == 0)
            r = apply_skills(o, before, given);
    }
    free(x->link.granted);
    x->link.granted = r == 0 ? user_to_json(given, false) : NULL;
    return x->link.granted ? 0 : error_out_of_memory(e);
}

int execution_note_values(struct execution *x, struct error *e)
{
    CLEANUP(user_freep)
    struct user *given = x->basis.granted ? user_copy(x->basis.granted) : user_new();
    int r = given ? 0 : -ENOMEM;
    for (size_t i = 0; i < x->operation->n_changes && r == 0; i++) {
        const struct change *c = &x->operation->changes[i];
        const char *name = c->to ? c->to : c->from;
        bool has = user_role(x->content.current, name);
        if (c->to && has)
            r = user_add_role(given, name, NULL);
        else if (!c->to && !has)
            user_remove_role(given, name);
    }
    free(x->link.granted);
    x->link.granted = r == 0 ? user_to_json(given, false) : NULL;
    return x->link.granted ? 0 : error_out_of_memory(e);
}

int execution_store_link(struct execution *x, struct error *e)
{
    struct delivery *d = x->delivery;
    if (x->basis.wanted && execution_note_granted(x, x->operation, e) < 0)
        return -ENOMEM;
    free(x->link.login_key);
    x->link.login_key = text_fold(x->link.login, strlen(x->link.login));
    if (!x->link.login_key)
        return error_out_of_memory(e);
    uint64_t now = clock_now_usec(); /* for people */
    x->link.confirmed_usec = x->learnt.unread ? 0 : now;
    if (!x->link.created_usec)
        x->link.created_usec = clock_date_usec();
    x->has_link = true;
    /* By that login it may be somebody else's link by now: stored when it follows, see ending.c. */
    return x->learnt.renamed ? 0 : link_store(d->state, &x->link, e);
}

bool execution_approval_is_over(const struct operation *o)
{
    return o->approved && o->approved_until_usec <= clock_steady_usec();
}

bool execution_end_approval(struct execution *x)
{
    struct operation *o = x->operation;
    if (!execution_approval_is_over(o))
        return false;
    o->approved = false;
    o->approved_until_usec = 0;
    free(TAKE(o->approved_for));
    books_note(x->delivery->books, WORK_GUARD);
    return true;
}

void execution_set_unclear(struct execution *x, bool unclear)
{
    x->learnt.is_unclear = unclear;
}

void execution_learn_made(struct execution *x, bool as_wanted, bool unread)
{
    x->learnt.as_wanted = as_wanted;
    x->learnt.unread = unread;
}

int execution_learn_renamed(struct execution *x, const char *login, struct error *e)
{
    free(x->learnt.renamed);
    x->learnt.renamed = strdup(login);
    return x->learnt.renamed ? 0 : error_out_of_memory(e);
}

int execution_learn_id(struct execution *x, const char *id, struct error *e)
{
    execution_forget_id(x);
    x->link.remote_id = strdup(id);
    return x->link.remote_id ? 0 : error_out_of_memory(e);
}

void execution_forget_id(struct execution *x)
{
    free(TAKE(x->link.remote_id));
}

void execution_note(struct execution *x, char *details_taken)
{
    free(x->learnt.details);
    x->learnt.details = details_taken;
}

int execution_note_found(struct execution *x, const char *known, struct error *e)
{
    json_auto_t *details =
        x->learnt.details ? json_loads(x->learnt.details, 0, NULL) : json_object();
    json_t *found = json_loads(known, 0, NULL);
    CLEANUP(freep) char *text = NULL;
    if (!found || json_object_set_new(details, "found", found) < 0 || /* takes it in any case */
        !(text = json_to_text(details, JSON_COMPACT)))
        return error_out_of_memory(e);
    execution_note(x, TAKE(text));
    return 0;
}

int execution_note_done(struct execution *x, const struct user *known, const struct user *quirks,
                        struct error *e)
{
    struct operation *o = x->operation;
    size_t n_intended = o->n_changes;
    for (size_t i = n_intended; i-- > 0;)
        if (!apply_is_done(&o->changes[i], known, quirks))
            operation_drop_change(o, i);
    return o->n_changes == n_intended ? 0 : execution_note_found(x, x->link.known, e);
}

int execution_start_link(struct execution *x, const char *origin, const struct user *known,
                         struct error *e)
{
    char *id = TAKE(x->link.remote_id);
    const char *asked = x->operation->login, *shown = user_get(known, USER_LOGIN);
    link_done(&x->link);
    x->link = (struct link){
        .entry_id = strdup(x->operation->entry_id),
        .remote_id = id,
        /* As the tenant writes it: not every service finds it in another case. */
        .login = strdup(shown && text_equal_fold(shown, asked) ? shown : asked),
        .origin = strdup(origin),
        .status = known->disabled ? LINK_DISABLED : LINK_ACTIVE,
        .disabled_by_us = x->making.ours_if_disabled && known->disabled,
        .enabled_usec = x->operation->kind == OPERATION_CREATE ? clock_date_usec() : 0,
        .last_login_usec = known->last_login_usec,
    };
    if (!x->link.entry_id || !x->link.login || !x->link.origin)
        return error_out_of_memory(e);
    return execution_set_known(x, known, e);
}

int execution_note_sent(struct execution *x, const struct user *roles, const struct user *skills,
                        struct error *e)
{
    json_auto_t *sent = json_object(), *list = json_array(), *levels = json_object();
    for (size_t i = 0; roles && i < roles->n_roles; i++)
        json_array_append_new(list, json_string(roles->roles[i].name));
    for (size_t i = 0; skills && i < skills->n_skills; i++)
        json_object_set_new(levels, skills->skills[i].name, json_integer(skills->skills[i].level));
    if (roles)
        json_object_set(sent, "roles", list);
    if (skills)
        json_object_set(sent, "skills", levels);
    json_auto_t *details = json_pack("{s:O}", "sent", sent);
    execution_note(x, details ? json_to_text(details, JSON_COMPACT) : NULL);
    return x->learnt.details ? 0 : error_out_of_memory(e);
}
