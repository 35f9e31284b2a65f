/*
 * What an operation sends of a user. Which values that are is decided by the operation's kind; here
 * they are kept, and walked through where each goes by a request of its own.
 */
#include "config.h"

#include "deliver/content.h"

#include <errno.h>

#include "judge/planner.h"
#include "model/operation.h"
#include "model/user.h"
#include "tenant/client.h"

void content_done(struct user_content *c)
{
    user_free(c->current);
    user_free(c->sent);
    user_free(c->refused);
    *c = (struct user_content){0};
}

int content_begin(struct user_content *c, struct user *current_taken, struct user *sent_taken)
{
    bool completes = c->completes;
    content_done(c);
    *c = (struct user_content){.current = current_taken,
                               .sent = sent_taken,
                               .refused = user_new(),
                               .completes = completes};
    return c->current && c->sent && c->refused ? 0 : -ENOMEM;
}

int content_send(struct user_content *c, struct user *sent_taken, uint32_t set)
{
    user_free(c->sent);
    c->sent = sent_taken;
    c->set = set;
    return sent_taken ? 0 : -ENOMEM;
}

void content_choose(struct user_content *c, uint32_t set)
{
    c->set = set;
}

void content_complete(struct user_content *c)
{
    c->completes = true;
}

int content_take_back(struct user_content *c, const struct operation *o)
{
    int r = 0;
    for (size_t i = 0; i < o->n_changes && r == 0; i++) {
        const struct change *change = &o->changes[i];
        if (change->kind != CHANGE_ROLE || !change->to || user_role(c->current, change->name))
            continue;
        user_remove_role(c->sent, change->name);
        r = user_add_role(c->current, change->name, NULL);
    }
    return r;
}

static bool may_be_sent(const struct user_content *c, const char *name, const struct user *has)
{
    return !user_role(has, name) && !user_role(c->refused, name);
}

/* With a role that could not be taken away. */
static bool is_in_conflict(const struct user_content *c, const struct conflicts *conflicts,
                           const char *name)
{
    const struct user_role *other;
    return conflict_with(conflicts, name, c->current, &other);
}

bool content_next_value(struct user_content *c, const struct conflicts *conflicts)
{
    c->value = NULL;
    for (size_t i = 0; i < c->current->n_roles && !c->value; i++) {
        const char *name = c->current->roles[i].name;
        c->gives = false;
        if (may_be_sent(c, name, c->sent))
            c->value = name;
    }
    for (size_t i = 0; i < c->sent->n_roles && !c->value; i++) {
        const char *name = c->sent->roles[i].name;
        c->gives = true;
        if (may_be_sent(c, name, c->current) && !is_in_conflict(c, conflicts, name))
            c->value = name;
    }
    return c->value;
}

bool content_is_own_refusal(const struct tenant_answer *a)
{
    return a->class == TENANT_REFUSED || a->class == TENANT_REFERENCE_MISSING;
}

int content_take_value(struct user_content *c, const struct tenant_answer *a)
{
    if (content_is_own_refusal(a))
        return user_add_role(c->refused, c->value, NULL);
    if (a->class == TENANT_DONE && c->gives)
        return user_add_role(c->current, c->value, NULL);
    if (a->class == TENANT_DONE)
        user_remove_role(c->current, c->value);
    return 0;
}
