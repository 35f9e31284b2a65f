/*
 * What two users differ in, as changes of an operation; operations that are put into a plan,
 * and those that stand for somebody who waits.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "judge/planner-internal.h"
#include "judge/planner.h"
#include "judge/quirks.h"
#include "judge/withhold.h"

void planner_result_done(struct planner_result *r)
{
    operation_list_done(&r->operations);
    user_free(r->wanted);
    *r = (struct planner_result){0};
}

bool planner_takes_away(const struct operation *o)
{
    if (o->kind == OPERATION_DISABLE || o->kind == OPERATION_DELETE)
        return true;
    for (size_t i = 0; i < o->n_changes; i++) {
        const struct change *c = &o->changes[i];
        uint64_t from, to;
        if (!c->from)
            continue;
        if (!c->to || text_equal(c->field, "team"))
            return true;
        if (c->kind == CHANGE_SKILL && text_parse_unsigned(c->from, 100, &from) == 0 &&
            text_parse_unsigned(c->to, 100, &to) == 0 && to < from)
            return true;
    }
    return false;
}

bool planner_same_field(const struct user *a, const struct user *b, enum user_field f)
{
    const char *x = user_get(a, f), *y = user_get(b, f);
    return x && y && *x && text_equal_fold(x, y);
}

bool planner_same_person(const struct user *a, const struct user *b)
{
    return planner_same_field(a, b, USER_EMAIL) ||
           (planner_same_field(a, b, USER_FIRST_NAME) && planner_same_field(a, b, USER_LAST_NAME));
}

static bool has_no_mail(const struct user *u)
{
    const char *mail = user_get(u, USER_EMAIL);
    return !mail || !*mail;
}

bool planner_is_who_it_was(const struct user *known, const struct user *wanted,
                           const struct user *shown)
{
    if (has_no_mail(shown) && has_no_mail(known))
        return planner_same_person(known, shown);
    return planner_same_field(known, shown, USER_EMAIL) ||
           (wanted && planner_same_field(wanted, shown, USER_EMAIL));
}

/* Puts an operation into its waiting state; texts may be NULL. What is held here has no time:
 * whatever it waits for, the passing of the grace time does not release it. */
int plan_wait(struct operation *o, enum operation_state state, const char *reason,
              const char *cause, const char *sentence, uint64_t now_usec)
{
    o->state = state;
    o->since_usec = now_usec;
    if (state == OPERATION_HELD)
        o->not_before_usec = 0;
    return operation_say(o, reason, cause, sentence);
}

int plan_why(struct operation *o, const char *sentence)
{
    free(o->why);
    o->why = strdup(sentence);
    return o->why ? 0 : -ENOMEM;
}

/* Adds an operation of this kind for the person; *ret is borrowed from the list. */
int plan_add(const struct planner_input *in, struct planner_result *r, enum operation_kind kind,
             const char *login, const char *why, struct operation **ret)
{
    CLEANUP(operation_freep)
    struct operation *o = operation_new(kind, in->entry_id, in->dn, login);
    if (!o)
        return -ENOMEM;
    o->state = OPERATION_READY;
    if (plan_why(o, why) < 0)
        return -ENOMEM;
    struct operation *borrowed = o;
    int rc = operation_list_add(&r->operations, TAKE(o));
    if (rc == 0)
        *ret = borrowed;
    return rc;
}

/* An operation that stands for a person who waits: what it would do is not known yet. */
int plan_hold_person(const struct planner_input *in, struct planner_result *r, const char *login,
                     const char *reason, const char *cause_head, const char *cause_tail,
                     const char *sentence)
{
    struct operation *o;
    int rc = plan_add(in, r,
                      in->link.status == LINK_ACTIVE || in->link.status == LINK_DISABLED
                          ? OPERATION_UPDATE
                          : OPERATION_CREATE,
                      login, sentence, &o);
    if (rc < 0)
        return rc;
    char cause[512];
    snprintf(cause, sizeof(cause), "%s:%s", cause_head, cause_tail);
    r->bucket = BUCKET_HELD;
    r->code = reason;
    return plan_wait(o, OPERATION_HELD, reason, cause, sentence, in->now_usec);
}

int plan_add_level(struct operation *o, const char *name, const struct user_skill *from,
                   const struct user_skill *to)
{
    char field[512], from_text[16], to_text[16];
    snprintf(field, sizeof(field), "skill:%s", name);
    if (from)
        snprintf(from_text, sizeof(from_text), "%u", from->level);
    if (to)
        snprintf(to_text, sizeof(to_text), "%u", to->level);
    return operation_add_change(o, field, from ? from_text : NULL, to ? to_text : NULL,
                                to ? &to->source : NULL);
}

int plan_add_role(struct operation *o, const char *name, bool gives, const struct source *source)
{
    char field[512];
    snprintf(field, sizeof(field), "role:%s", name);
    return operation_add_change(o, field, gives ? NULL : name, gives ? name : NULL, source);
}

/* Skills and roles that no rule names and that rosterd did not give, or that the tenant gives
 * by itself, stay as a supervisor set them. */
static bool may_take_skill(const struct planner_input *in, const char *name)
{
    if (in->link.quirks && user_skill(in->link.quirks, name))
        return false;
    return (in->link.granted && user_skill(in->link.granted, name)) ||
           (in->rules.names_skill && in->rules.names_skill(name, in->rules.userdata));
}

int plan_diff_skills(const struct planner_input *in, struct operation *o)
{
    int rc = 0;
    for (size_t i = 0; i < in->verdict.wanted->n_skills && rc == 0; i++) {
        const struct user_skill *w = &in->verdict.wanted->skills[i];
        const struct user_skill *k = user_skill(in->link.known, w->name);
        if (!k || k->level != w->level)
            rc = plan_add_level(o, w->name, k, w);
    }
    for (size_t i = 0; i < in->link.known->n_skills && rc == 0; i++) {
        const struct user_skill *k = &in->link.known->skills[i];
        if (!user_skill(in->verdict.wanted, k->name) && may_take_skill(in, k->name))
            rc = plan_add_level(o, k->name, k, NULL);
    }
    return rc;
}

int plan_diff_roles(const struct planner_input *in, struct operation *o)
{
    int rc = 0;
    for (size_t i = 0; i < in->verdict.wanted->n_roles && rc == 0; i++) {
        const struct user_role *w = &in->verdict.wanted->roles[i];
        if (!user_role(in->link.known, w->name))
            rc = plan_add_role(o, w->name, true, &w->source);
    }
    for (size_t i = 0; i < in->link.known->n_roles && rc == 0; i++) {
        const struct user_role *k = &in->link.known->roles[i];
        if (!user_role(in->verdict.wanted, k->name) && may_take_role(in, k->name))
            rc = plan_add_role(o, k->name, false, NULL);
    }
    return rc;
}

/* A field that is not managed stays; an empty wanted value clears. */
int plan_diff_field(const struct planner_input *in, struct operation *o, enum user_field f)
{
    const struct user_value *w = &in->verdict.wanted->fields[f];
    const char *k = user_get(in->link.known, f);
    if (!w->text || text_equal(w->text, k ? k : "") || quirks_shows(in->link.quirks, f, w->text, k))
        return 0;
    return operation_add_change(o, user_field_name(f), k, *w->text ? w->text : NULL, &w->source);
}

/* Drops the last operation when it turned out to change nothing. */
void plan_drop_if_empty(struct planner_result *r, const struct operation *o)
{
    if (o->n_changes)
        return;
    operation_free(r->operations.items[--r->operations.n_items]);
}

const char *planner_gained_privilege(const struct user *before, const struct user *now,
                                     const struct sync_options *options)
{
    for (size_t i = 0; i < now->n_roles; i++)
        if (options_role_is_privileged(options, now->roles[i].name) &&
            !user_role(before, now->roles[i].name))
            return now->roles[i].name;
    return NULL;
}

const char *planner_privileged_role(const struct user *u, const struct sync_options *options)
{
    static const struct user nobody;
    return planner_gained_privilege(&nobody, u, options);
}

const char *plan_vanished_sentence(const struct planner_input *in, char *buffer, size_t size)
{
    snprintf(buffer, size,
             "the attribute %s vanished from many entries at once, as when an access rule of the "
             "directory changes, or was not read of everybody yet: check what the bind user may "
             "read, or approve the plan",
             in->verdict.vanished_attribute);
    return buffer;
}
