/*
 * What an answer of the tenant means for an operation when its own kind has nothing special to
 * say about it. The classes are decided in tenant/answer.c; here is what follows from each.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "contact/missing.h"
#include "deliver/apply.h"
#include "deliver/delivery-internal.h"

static const char *describe(const struct tenant_answer *a, char *buffer, size_t size)
{
    if (a->status)
        snprintf(buffer, size, "%s answered %d%s%s", a->url, a->status, a->hint[0] ? ": " : "",
                 a->hint);
    else
        snprintf(buffer, size, "%s: %s", a->url, a->hint[0] ? a->hint : "no answer");
    return buffer;
}

/* The values of this kind that the operation names, as one cause: "role:Agent, Supervisor"; of
 * what was sent by value the first that was refused. */
static size_t name_references(const struct execution *x, enum change_kind kind, char *cause,
                              size_t size)
{
    const struct operation *o = x->operation;
    const char *prefix = kind == CHANGE_ROLE ? "role:" : "skill:";
    size_t n = 0;
    if (x->content.refused && x->content.refused->n_roles) {
        snprintf(cause, size, "%s%s", prefix, x->content.refused->roles[0].name);
        return 1;
    }
    snprintf(cause, size, "%s", prefix);
    for (size_t i = 0; i < o->n_changes; i++) {
        const struct change *c = &o->changes[i];
        if (!c->to || c->kind != kind)
            continue;
        size_t used = strlen(cause);
        snprintf(cause + used, size - used, "%s%s", n++ ? ", " : "", c->name);
    }
    return n;
}

/* cause: "team:NAME", "role:NAME", "skill:NAME". */
void reference_sentence(const char *cause, char *sentence, size_t size)
{
    int length = (int)strcspn(cause, ":");
    char name[400];
    text_printable(name, sizeof(name), cause + length + (cause[length] == ':'),
                   strlen(cause + length + (cause[length] == ':')));
    if (!strncmp(cause, "team:", 5))
        snprintf(sentence, size,
                 "the tenant has no team \"%s\", or none that rosterd's account may see: create it "
                 "there, give the account that team, or correct the rule that gives it",
                 name);
    else
        snprintf(
            sentence, size,
            "the tenant has no %.*s \"%s\": create it there, or correct the rule that gives it",
            length, cause, name);
}

static const char *team_of(const struct execution *x)
{
    const char *team = x->basis.wanted ? user_get(x->basis.wanted, USER_TEAM) : NULL;
    return team ? team : "";
}

/* One cause for everybody who needs the same missing thing: one alarm with many people. */
static void hold_for_reference(struct execution *x, const struct tenant_answer *a)
{
    struct delivery *d = x->delivery;
    char cause[400], sentence[1300], what[600], needs[600];
    const char *reason = REASON_REFERENCE_MISSING;
    size_t n_names = 1;
    enum tenant_reference kind = a->reference;
    if (kind == TENANT_REFERENCE_NONE && !health_may_have_team(d->health, team_of(x)))
        kind = TENANT_REFERENCE_TEAM;
    switch (kind) {
    case TENANT_REFERENCE_TEAM:
        reason = REASON_TEAM_MISSING;
        snprintf(cause, sizeof(cause), "team:%s", team_of(x));
        break;
    case TENANT_REFERENCE_ROLE:
        reason = REASON_ROLE_MISSING;
        n_names = name_references(x, CHANGE_ROLE, cause, sizeof(cause));
        break;
    case TENANT_REFERENCE_SKILL:
        reason = REASON_SKILL_MISSING;
        n_names = name_references(x, CHANGE_SKILL, cause, sizeof(cause));
        break;
    case TENANT_REFERENCE_NONE:
        snprintf(cause, sizeof(cause), "reference:%s", x->operation->entry_id);
        n_names = 2; /* not known which: nobody else is held for it */
        break;
    }
    if (n_names == 1)
        missing_note(health_missing(d->health), cause);
    if (n_names == 1)
        reference_sentence(cause, needs, sizeof(needs));
    else
        snprintf(
            needs, sizeof(needs),
            "the tenant does not have a team, role or skill that this user needs, or does not show "
            "it to rosterd's account: create it there, or correct the rule");
    snprintf(sentence, sizeof(sentence), "%s; %s", needs, describe(a, what, sizeof(what)));
    execution_hold_long(x, a, reason, cause, sentence);
}

static void hold_conflict(struct execution *x, const struct tenant_answer *a)
{
    const struct change *c = apply_field_change(x->operation, USER_LOGIN);
    const char *login = c && c->to ? c->to : x->operation->login;
    char sentence[900], what[600];
    snprintf(sentence, sizeof(sentence),
             "the tenant has another user with the login %s: give one of the two another login; %s",
             login, describe(a, what, sizeof(what)));
    execution_hold_login(x, a, login, sentence);
}

static void hold_user_gone(struct execution *x, const struct tenant_answer *a)
{
    execution_hold(
        x, a, REASON_USER_GONE, "users:gone",
        "the tenant has no such user any more, or none that rosterd's account may see: somebody deleted "
        "it there, or moved it to a team that is not the account's; restore it, or remove the person "
        "from the rules",
        x->delivery->options->sync->hold_retry_usec);
}

/* Whatever is of no such part, and goes by the tenant's own id, goes through the part that
 * holds the login. */
static void hold_not_offered(struct execution *x, const struct tenant_answer *a)
{
    struct delivery *d = x->delivery;
    const struct part *part = execution_part(x);
    if (!part || !part->cause)
        part = part_with(delivery_parts(d), PART_FIELD(USER_LOGIN));
    char sentence[900], what[600];
    health_refused_one(d->health, a, x->operation->entry_id);
    snprintf(sentence, sizeof(sentence),
             "%s change through %s, which this tenant does not offer to rosterd's account: %s; %s",
             part->holds, part->name, part->remedy, describe(a, what, sizeof(what)));
    execution_hold_long(x, a, REASON_PART_NOT_OFFERED, part->cause, sentence);
}

/* It is this user's alone, and does not go away by waiting a little. */
static void hold_too_large(struct execution *x, const struct tenant_answer *a)
{
    char sentence[900];
    snprintf(
        sentence, sizeof(sentence),
        "the tenant answers, and shows more of this user than any user has, so nothing of it is "
        "used: take away there what is too much; %s",
        a->hint);
    execution_hold_long(x, a, REASON_TOO_LARGE, "user-too-large", sentence);
}

/* Of what may be the matter of more than this person. */
static uint64_t outage_wait(struct execution *x, const struct tenant_answer *a)
{
    struct delivery *d = x->delivery;
    const struct operation *o = x->operation;
    uint64_t wait = execution_next_wait(x);
    if (o->revokes || a->class == TENANT_LOST_RACE)
        return wait;
    return slowed_failed(&d->slowed, d->books, o->entry_id, o->attempts, wait);
}

/* No call of this person's was made: one that is nobody's in particular failed. */
static bool fails_for_all(struct execution *x, const struct tenant_answer *a)
{
    if (!a->concerns_all || a->class == TENANT_NOT_AUTHORISED)
        return false;
    health_failed(x->delivery->health, a, NULL);
    execution_return(x, a);
    return true;
}

static bool is_answer(const struct tenant_answer *a)
{
    return a->too_large || a->class == TENANT_REFUSED || a->class == TENANT_REFERENCE_MISSING ||
           a->class == TENANT_CONFLICT || a->class == TENANT_NOT_FOUND ||
           a->class == TENANT_UNSUPPORTED;
}

void execution_fail(struct execution *x, const struct tenant_answer *a)
{
    struct delivery *d = x->delivery;
    char sentence[900], what[600];
    describe(a, what, sizeof(what));
    if (fails_for_all(x, a))
        return;
    if (is_answer(a))
        slowed_answered(&d->slowed, d->books, x->operation->entry_id, false);
    if (a->too_large) {
        hold_too_large(x, a);
        return;
    }
    switch (a->class) {
    case TENANT_REFUSED:
        if (health_refused_one(d->health, a, x->operation->entry_id))
            execution_return(x, a);
        else
            refusal_hold_user(x, a);
        return;
    case TENANT_REFERENCE_MISSING: hold_for_reference(x, a); return;
    case TENANT_CONFLICT: hold_conflict(x, a); return;
    case TENANT_NOT_FOUND: hold_user_gone(x, a); return;
    case TENANT_NOT_AUTHORISED:
        if (!health_refused_one(d->health, a, x->operation->entry_id)) {
            refusal_hold_user(x, a);
            return;
        }
        health_failed(d->health, a, x->operation->entry_id);
        execution_return(x, a);
        return;
    case TENANT_AWAY:
        health_failed(d->health, a, x->operation->entry_id);
        if (health_state(d->health) != ENGINE_TENANT_OK) {
            execution_return(x, a);
            return;
        }
        __attribute__((fallthrough));
    case TENANT_LOST_RACE:
        snprintf(sentence, sizeof(sentence),
                 "the tenant did not take the call; it is tried again: %s", what);
        execution_hold(x, a, REASON_TENANT_AWAY, "tenant", sentence, outage_wait(x, a));
        return;
    case TENANT_THROTTLED: {
        uint64_t wait = execution_next_wait(x);
        snprintf(sentence, sizeof(sentence), "the tenant asks to slow down; it is tried again: %s",
                 what);
        execution_hold(x, a, REASON_THROTTLED, "throttled", sentence,
                       a->retry_after_usec > wait && !x->operation->revokes ? a->retry_after_usec
                                                                            : wait);
        return;
    }
    case TENANT_UNSUPPORTED: hold_not_offered(x, a); return;
    case TENANT_DONE: /* an answer that its kind could not use */
    case TENANT_UNCLEAR: break;
    }
    snprintf(
        sentence, sizeof(sentence),
        "whether the tenant did it is not known: it is settled by reading, then tried again; %s",
        what);
    execution_hold(x, a, REASON_UNCLEAR, "unclear", sentence, outage_wait(x, a));
}
