/*
 * A change of one part of the user, and of the login. The part is read first, since roles and
 * skills are written whole: what is sent is what was read plus the operation's changes, and of
 * those only what is not so already. The user is read back afterwards for the form in which the
 * tenant shows it; and where the tenant acts by itself (a team brings and takes skills, others
 * merge what they are sent), what is left to do then is sent once more, and only if that does
 * not help a person is asked. Roles that are written by value are written one after the other, and
 * what was done of them is known although another one was refused.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "deliver/apply.h"
#include "deliver/machine.h"
#include "judge/quirks.h"
#include "mapping/ruleset.h"

/* NULL: the operation does not change it. Nobody is taken out of the teams. */
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

/* -- what is known afterwards -- */

static int learn_field(struct execution *x, enum user_field f, const struct user *shown,
                       struct user *known)
{
    const struct change *c = apply_field_change(x->operation, f);
    if (!c)
        return 0;
    if (f == USER_TEAM)
        return c->to && (!shown || has_new_team(x, shown)) ? user_set(known, f, c->to, NULL) : 0;
    return quirks_learn_field(f, c->to, user_get(x->content.current, f),
                              shown ? user_get(shown, f) : NULL, known, x->learnt.quirks);
}

/* Each role that was sent has an outcome of its own. */
static int learn_value(const struct execution *x, const struct change *c, struct user *known)
{
    const char *name = c->to ? c->to : c->from;
    if (user_role(x->content.current, name))
        return user_add_role(known, name, NULL);
    user_remove_role(known, name);
    return 0;
}

/* What was sent, as the tenant shows it; what it gave or took by itself in passing is no doing
 * of ours, and no drift. */
static int learn_user(struct execution *x, const struct user *shown, struct user *known)
{
    const struct part *part = execution_part(x);
    bool skills = part->writes & PART_SKILLS;
    const struct user *sent = x->content.set & PART_SKILLS ? x->content.sent : x->content.current;
    int r = user_copy_fields(known, x->basis.known);
    for (int f = USER_FIRST_NAME; f < USER_N_FIELDS && r == 0; f++)
        if (part->writes & PART_FIELD(f))
            r = learn_field(x, (enum user_field)f, shown, known);
    if (r == 0)
        r = apply_roles(x->operation, x->basis.known, known);
    for (size_t i = 0; part->by_value && i < x->operation->n_changes && r == 0; i++)
        r = learn_value(x, &x->operation->changes[i], known);
    if (r == 0)
        r = apply_learn_skills(x->operation, x->basis.known,
                               skills ? x->content.current : x->basis.known,
                               !skills ? x->basis.known
                               : shown ? shown
                                       : sent,
                               known);
    return r;
}

static int learn(struct execution *x, const struct user *shown, struct user *known, struct error *e)
{
    CLEANUP(user_freep) struct user *quirks = user_new();
    bool acts = execution_part(x)->tenant_acts && shown;
    int r = known && quirks ? learn_user(x, shown, known) : -ENOMEM;
    if (r == 0 && acts)
        r = quirks_learn_moved(x->learnt.quirks, known, x->content.current, shown, quirks);
    if (r < 0)
        return error_out_of_memory(e);
    r = execution_set_quirks(x, acts ? quirks : x->learnt.quirks, e);
    return r < 0 ? r : execution_set_known(x, known, e);
}

int change_learn(struct execution *x, const struct tenant_answer *a, const struct user *shown,
                 struct error *e)
{
    CLEANUP(user_freep) struct user *known = user_new();
    (void)a;
    int r = learn(x, shown, known, e);
    return r < 0 ? r : execution_note_done(x, known, x->learnt.quirks, e);
}

/* What was done so far is known, and on record, whatever becomes of the rest. */
static int keep_part(struct execution *x, const struct user *shown, struct error *e)
{
    CLEANUP(user_freep) struct user *known = user_new();
    int r = learn(x, shown, known, e);
    if (r == 0 && execution_part(x)->by_value)
        r = execution_note_values(x, e);
    if (r == 0)
        r = link_store(x->delivery->state, &x->link, e);
    return r < 0 ? r : execution_note_found(x, x->link.known, e);
}

/* -- decide -- */

/* Of what is to be given, a role that one in the way keeps back. */
struct obstacle {
    size_t change; /* that gives it */
    char cause[512], sentence[1400];
};

/* Somebody gave the user a role there meanwhile that is in the way of one that is to be given. */
static bool find_obstacle(const struct execution *x, struct obstacle *ret)
{
    struct conflicts conflicts;
    const struct user *roles = x->content.sent;
    conflicts.items = ruleset_conflicts(rules_ruleset(x->delivery->rules), &conflicts.n_items);
    for (size_t i = 0; i < x->operation->n_changes; i++) {
        const struct change *change = &x->operation->changes[i];
        bool gives = change->to && change->kind == CHANGE_ROLE;
        const struct user_role *other, *given = gives ? user_role(roles, change->to) : NULL;
        const struct ruleset_conflict *c =
            given && !user_role(x->content.current, given->name)
                ? conflict_with(&conflicts, given->name, roles, &other)
                : NULL;
        if (!c)
            continue;
        ret->change = i;
        snprintf(ret->cause, sizeof(ret->cause), "conflict:%s", c->name);
        conflict_sentence(c, given, other, ret->sentence, sizeof(ret->sentence));
        return true;
    }
    return false;
}

/* Kept back is that role alone, by an operation of its own; the others go on without it. */
static int set_apart(struct execution *x, const struct obstacle *obstacle, struct error *e)
{
    struct delivery *d = x->delivery;
    struct operation *o = x->operation;
    const struct change *c = &o->changes[obstacle->change];
    CLEANUP(operation_freep)
    struct operation *apart = operation_new(o->kind, o->entry_id, o->dn, o->login);
    if (!apart || !(apart->why = strdup(o->why ? o->why : "")) ||
        operation_add_change(apart, c->field, c->from, c->to, &c->source) < 0 ||
        operation_say(apart, REASON_ROLE_CONFLICT, obstacle->cause, obstacle->sentence) < 0)
        return error_out_of_memory(e);
    apart->state = OPERATION_HELD;
    apart->since_usec = apart->due_usec = clock_steady_usec();
    apart->not_before_usec = apart->since_usec + d->options->sync->hold_retry_usec;
    apart->run = o->run;
    apart->budget = o->budget;
    operation_drop_change(o, obstacle->change);
    int r = queue_store(d->state, apart, e);
    if (r == 0)
        r = queue_store(d->state, o, e);
    struct audit_row row = {.event = "hold",
                            .operation = apart,
                            .code = REASON_ROLE_CONFLICT,
                            .sentence = obstacle->sentence};
    return r < 0 ? r : books_audit(d->books, &row, e);
}

/* True: nothing else is left to do, and x has ended. */
static bool hold_conflicts(struct execution *x, const struct tenant_answer *a)
{
    struct obstacle obstacle;
    struct error e = {0};
    while (find_obstacle(x, &obstacle)) {
        if (x->operation->n_changes == 1) {
            execution_hold_long(x, a, REASON_ROLE_CONFLICT, obstacle.cause, obstacle.sentence);
            return true;
        }
        user_remove_role(x->content.sent, x->operation->changes[obstacle.change].to);
        if (set_apart(x, &obstacle, &e) < 0) {
            execution_broken(x, &e);
            return true;
        }
        if (apply_same_roles(x->content.sent, x->content.current))
            content_choose(&x->content, x->content.set & ~PART_ROLES);
    }
    return false;
}

static int set_field(struct execution *x, enum user_field f, uint32_t *set)
{
    const struct change *c = apply_field_change(x->operation, f);
    const char *current = user_get(x->content.current, f), *to = c && c->to ? c->to : "";
    if (!c || (f == USER_TEAM && !c->to) || text_equal(to, current ? current : ""))
        return 0;
    *set |= PART_FIELD(f);
    return user_set(x->content.sent, f, to, NULL);
}

/* What the part would hold, and what of that is not so already. */
static int compare(struct execution *x, const struct part *part)
{
    bool roles = part->writes & PART_ROLES, skills = part->writes & PART_SKILLS;
    uint32_t set = 0;
    int r = 0;
    for (int f = USER_FIRST_NAME; f < USER_N_FIELDS && r == 0; f++)
        if (part->writes & PART_FIELD(f))
            r = set_field(x, (enum user_field)f, &set);
    if (r == 0 && roles)
        r = apply_roles(x->operation, x->content.current, x->content.sent);
    if (r == 0 && skills)
        r = apply_skills(x->operation, x->content.current, x->content.sent);
    if (r == 0 && roles && !apply_same_roles(x->content.sent, x->content.current))
        set |= PART_ROLES;
    if (r == 0 && skills && !apply_same_skills(x->content.sent, x->content.current))
        set |= PART_SKILLS;
    content_choose(&x->content, set);
    return r;
}

/* What no read shows, and an earlier attempt gave or did not: it is given again, but where it was
 * approved and that has ended. Then it is taken away, so that it is known again what the user has;
 * what is wanted of it waits for another approval. */
static int take_back(struct execution *x, const struct part *part)
{
    bool hides = delivery_parts(x->delivery)->hides & PART_ROLES;
    if (!x->basis.was_unclear || !part->by_value || !hides ||
        !execution_approval_is_over(x->operation))
        return 0;
    return content_take_back(&x->content, x->operation);
}

/* The user as it was before, and an empty one to be sent. False: x has ended. */
static bool begin(struct execution *x, const struct user *current)
{
    struct error e = {0};
    if (content_begin(&x->content, user_copy(current), user_new()) == 0)
        return true;
    error_out_of_memory(&e);
    execution_broken(x, &e);
    return false;
}

/* Renamed there, or another user than the one that was known: x has ended. */
static bool is_not_meant(struct execution *x, const struct tenant_answer *a)
{
    const char *login = user_get(a->user, USER_LOGIN);
    if (execution_is_unproved(x, a))
        return true;
    if (execution_part(x)->key != PART_BY_ID)
        return false;
    if (!login || text_equal_fold(login, x->link.login))
        return x->heard.id_was_stale && execution_is_another(x, a);
    execution_renamed(x, a, login);
    return true;
}

/* The user with what of the operation is so already; -ENOMEM. */
static int learn_done(const struct execution *x, struct operation *done, struct user *known)
{
    const struct operation *o = x->operation;
    int r = user_copy_fields(known, x->basis.known);
    for (size_t i = 0; i < o->n_changes && r == 0; i++) {
        const struct change *c = &o->changes[i];
        if (!apply_is_done(c, x->content.current, x->learnt.quirks))
            continue;
        r = operation_add_change(done, c->field, c->from, c->to, NULL);
        if (r == 0 && c->kind == CHANGE_FIELD)
            r = user_set(known, (enum user_field)user_field_from_name(c->field), c->to, NULL);
    }
    if (r == 0)
        r = apply_roles(done, x->basis.known, known);
    return r < 0 ? r : apply_skills(done, x->basis.known, known);
}

/* Of an earlier attempt some is done and some is not: each value was written by a request of its
 * own, or somebody changed another one there since. */
static int keep_done(struct execution *x, struct error *e)
{
    const struct operation *o = x->operation;
    CLEANUP(user_freep) struct user *known = user_new();
    CLEANUP(operation_freep)
    struct operation *done = operation_new(o->kind, o->entry_id, o->dn, o->login);
    if (!known || !done || learn_done(x, done, known) < 0)
        return error_out_of_memory(e);
    if (!done->n_changes)
        return 0;
    int r = execution_set_known(x, known, e);
    if (r == 0)
        r = execution_note_granted(x, done, e);
    if (r == 0)
        r = link_store(x->delivery->state, &x->link, e);
    return r < 0 ? r : execution_note_found(x, x->link.known, e);
}

static enum next_step check_applied(struct execution *x, const struct tenant_answer *a);

/* An earlier attempt has moved the user: the skills of before are those that were read then. */
static enum next_step has_moved(struct execution *x, const struct tenant_answer *a)
{
    CLEANUP(user_freep) struct user *before = NULL;
    struct error e = {0};
    if (execution_before_move(x, &before, &e) < 0)
        return machine_broken(x, &e);
    return begin(x, before) ? check_applied(x, a) : NEXT_NOTHING;
}

enum next_step change_decide(struct execution *x, const struct tenant_answer *a)
{
    const struct part *part = execution_part(x);
    struct error e = {0};
    if (is_not_meant(x, a))
        return NEXT_NOTHING;
    bool moves = part->tenant_acts && new_team(x);
    if (moves && x->basis.was_unclear && has_new_team(x, a->user))
        return has_moved(x, a);
    if (!begin(x, a->user))
        return NEXT_NOTHING;
    if (moves && execution_keep_skills(x, a->user, &e) < 0)
        return machine_broken(x, &e);
    if (compare(x, part) < 0) {
        error_out_of_memory(&e);
        return machine_broken(x, &e);
    }
    if (part->writes & PART_ROLES && hold_conflicts(x, a))
        return NEXT_NOTHING;
    if (x->content.set && x->basis.was_unclear && keep_done(x, &e) < 0)
        return machine_broken(x, &e);
    if (take_back(x, part) < 0) {
        error_out_of_memory(&e);
        return machine_broken(x, &e);
    }
    if (x->content.set)
        return NEXT_WRITE;
    /* Done already, by an attempt whose answer was lost or by somebody there. What is known is
     * what the login shows. */
    return part->key == PART_BY_LOGIN ? NEXT_CONCLUDE : NEXT_READ_BACK;
}

/* -- write, and check -- */

int change_write(struct execution *x, struct error *e)
{
    const struct part *part = execution_part(x);
    struct tenant_write w = {.part = part,
                             .set = x->content.set,
                             .user = x->content.sent,
                             .current = x->content.current};
    const struct user *roles = x->content.set & PART_ROLES ? x->content.sent : NULL,
                      *skills = x->content.set & PART_SKILLS ? x->content.sent : NULL;
    if (part->by_value && execution_next_value(x)) {
        w.value = x->content.value;
        w.gives = x->content.gives;
        return machine_send(x, &w, e);
    }
    int r = roles || skills ? execution_note_sent(x, roles, skills, e) : 0;
    return r < 0 ? r : machine_send(x, &w, e);
}

/* A role that is refused keeps no other one back. */
static enum next_step value_written(struct execution *x, const struct tenant_answer *a)
{
    bool goes_on = a->class == TENANT_DONE || content_is_own_refusal(a);
    struct error e = {0};
    int r = content_take_value(&x->content, a);
    if (content_is_own_refusal(a))
        machine_keep(x, a);
    if (r < 0)
        error_out_of_memory(&e);
    else if (goes_on) {
        if (execution_next_value(x))
            return NEXT_WRITE;
        execution_set_unclear(x, false); /* each was answered */
        if (!x->content.refused->n_roles)
            return NEXT_READ_BACK;
        a = &x->heard.answer;
    }
    if (r == 0)
        r = keep_part(x, NULL, &e);
    if (r < 0)
        return machine_broken(x, &e);
    execution_fail(x, a);
    return NEXT_NOTHING;
}

enum next_step change_written(struct execution *x, const struct tenant_answer *a)
{
    if (execution_part(x)->by_value)
        return value_written(x, a);
    if (a->class != TENANT_DONE)
        return NEXT_FAIL;
    /* Done, and not known to us before it is read back. */
    execution_set_unclear(x, execution_part(x)->tenant_acts);
    return NEXT_READ_BACK;
}

/* What is known is what the tenant shows; that it was asked in vain is what the operation says. */
static int say_known(struct execution *x, struct error *e)
{
    CLEANUP(user_freep) struct user *known = NULL;
    int r = user_from_json(&known, x->link.known, e);
    if (r == 0 && apply_say_known(x->operation, known, x->learnt.quirks) < 0)
        r = error_out_of_memory(e);
    return r;
}

static void hold_not_applied(struct execution *x, const struct tenant_answer *a)
{
    struct error e = {0};
    char cause[400];
    if (keep_part(x, a->user, &e) < 0 || say_known(x, &e) < 0) {
        execution_broken(x, &e);
        return;
    }
    snprintf(cause, sizeof(cause), "not-applied:%s", x->operation->login);
    execution_hold_long(
        x, a, REASON_NOT_APPLIED, cause,
        "the tenant answered OK twice, but reading the user back shows another team or other skills "
        "than were sent: set them at the tenant by hand");
}

/* What is left to do after the user was read back. */
static enum next_step check_applied(struct execution *x, const struct tenant_answer *a)
{
    CLEANUP(user_freep) struct user *left = user_new();
    bool team = has_new_team(x, a->user);
    struct error e = {0};
    if (!left ||
        apply_skills_left(x->operation, x->basis.wanted, x->content.current, a->user,
                          new_team(x) != NULL, left) < 0 ||
        (!team && user_set(left, USER_TEAM, new_team(x), NULL) < 0)) {
        error_out_of_memory(&e);
        return machine_broken(x, &e);
    }
    bool skills = apply_skills_done(x->operation, left, a->user);
    if (team && skills)
        return NEXT_CONCLUDE;
    if (x->content.completes) {
        hold_not_applied(x, a);
        return NEXT_NOTHING;
    }
    uint32_t set = (team ? 0 : PART_FIELD(USER_TEAM)) | (skills ? 0 : PART_SKILLS);
    if (content_send(&x->content, TAKE(left), set) < 0)
        return machine_broken(x, &e);
    return NEXT_COMPLETE;
}

enum next_step change_read_back(struct execution *x, const struct tenant_answer *a)
{
    if (!execution_part(x)->tenant_acts)
        return NEXT_CONFIRM;
    if (a->class == TENANT_DONE || a->class == TENANT_NOT_FOUND)
        execution_set_unclear(x, false);
    return a->class == TENANT_DONE && a->user ? check_applied(x, a) : NEXT_FAIL;
}
