/*
 * Whoever is not linked: a user is created, or one that exists at the tenant is adopted, with a
 * person's approval where that is wanted.
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
#include "mapping/ruleset.h"
#include "model/part.h"

static const char *team_why(const struct user *wanted, char *buffer, size_t size)
{
    char source[384];
    const char *team = user_get(wanted, USER_TEAM);
    snprintf(buffer, size, "%s gives team %s",
             source_text(&wanted->fields[USER_TEAM].source, source, sizeof(source)),
             team ? team : "none");
    return buffer;
}

/* Somebody deleted it there, and it is to be made anew. */
static int note_remake(const struct planner_input *in, struct operation *o)
{
    o->remakes = true;
    if (plan_why(o, in->options->on_drift == DRIFT_REPAIR
                        ? "the user is not at the tenant any more, and drift = repair"
                        : "the user was not at the tenant any more when the person left") < 0)
        return -ENOMEM;
    if (!in->link.maybe_renamed)
        return 0;
    return plan_wait(
        o, OPERATION_PARKED, REASON_USER_GONE, "users:gone",
        "the user is not at the tenant any more, and whether it was renamed there cannot be told, since "
        "its id was never learnt: look for it among the users there that are new; made anew only when "
        "the plan is approved",
        in->now_usec);
}

static int plan_create(const struct planner_input *in, struct planner_result *r)
{
    char why[512];
    struct operation *o;
    const char *login = user_get(in->verdict.wanted, USER_LOGIN);
    int rc = plan_add(in, r, OPERATION_CREATE, login,
                      team_why(in->verdict.wanted, why, sizeof(why)), &o);
    if (rc == 0 && in->link.vanished)
        rc = note_remake(in, o);
    for (int f = 0; f < USER_N_FIELDS && rc == 0; f++) {
        const struct user_value *w = &in->verdict.wanted->fields[f];
        if (w->text && *w->text)
            rc = operation_add_change(o, user_field_name((enum user_field)f), NULL, w->text,
                                      &w->source);
    }
    for (size_t i = 0; i < in->verdict.wanted->n_roles && rc == 0; i++)
        rc = plan_add_role(o, in->verdict.wanted->roles[i].name, true,
                           &in->verdict.wanted->roles[i].source);
    for (size_t i = 0; i < in->verdict.wanted->n_skills && rc == 0; i++)
        rc = plan_add_level(o, in->verdict.wanted->skills[i].name, NULL,
                            &in->verdict.wanted->skills[i]);
    if (rc == 0 && in->verdict.wanted->disabled)
        rc =
            operation_add_change(o, "disabled", NULL, "true", &in->verdict.wanted->disabled_source);
    else if (rc == 0 && in->verdict.start_usec)
        rc = operation_add_change(o, "disabled", NULL, "true", in->verdict.start_source);
    r->bucket = BUCKET_PENDING;
    return rc;
}

/* Equal but for the case of ASCII: a full folding takes two mailboxes for one, with a sharp s for
 * two, or a character that is not seen. */
static bool is_same_mailbox(const struct user *a, const struct user *b)
{
    const char *x = user_get(a, USER_EMAIL), *y = user_get(b, USER_EMAIL);
    return x && y && *x && text_equal_ascii_case(x, y);
}

bool planner_adoption_needs_approval(const struct user *wanted, const struct user *found,
                                     const struct parts *parts, const struct sync_options *options)
{
    return !is_same_mailbox(wanted, found) || parts->hides & PART_ROLES ||
           planner_privileged_role(found, options);
}

int planner_adoption_changes(const struct planner_input *in, const struct user *found,
                             struct operation *o)
{
    struct planner_input after = *in;
    after.link.known = found;
    after.link.granted = in->adoption.found_granted;
    after.link.quirks = NULL;
    int rc = 0;
    if (in->verdict.wanted->disabled)
        return found->disabled ? 0
                               : operation_add_change(o, "disabled", "false", "true",
                                                      &in->verdict.wanted->disabled_source);
    for (int f = USER_FIRST_NAME; f < USER_N_FIELDS && rc == 0; f++)
        rc = plan_diff_field(&after, o, (enum user_field)f);
    if (rc == 0)
        rc = plan_diff_roles(&after, o);
    return rc < 0 ? rc : plan_diff_skills(&after, o);
}

/* Why an adoption after first contact waits, and what to do. */
static const char *approval_sentence(const struct planner_input *in, char *buffer, size_t size)
{
    const char *login = user_get(in->verdict.wanted, USER_LOGIN);
    const char *role = planner_privileged_role(in->adoption.found, in->options);
    const char *theirs = user_get(in->adoption.found, USER_EMAIL),
               *ours = user_get(in->verdict.wanted, USER_EMAIL);
    if (role)
        snprintf(buffer, size,
                 "the tenant has a user %s already, with the privileged role %s: it is taken "
                 "over only when the plan is approved; if it is somebody else, give %s another "
                 "login",
                 login, role, in->dn);
    else if (is_same_mailbox(in->verdict.wanted, in->adoption.found))
        snprintf(buffer, size,
                 "the tenant has a user %s already, and does not show which roles it has: it is "
                 "taken over only when the plan is approved; if it is somebody else, give %s "
                 "another login",
                 login, in->dn);
    else
        snprintf(buffer, size,
                 "the tenant has a user %s already, whose name is the same but whose mail (%s) "
                 "is not that of the entry (%s): it is taken over only when the plan is "
                 "approved; if it is somebody else, give %s another login",
                 login, theirs && *theirs ? theirs : "none", ours && *ours ? ours : "none", in->dn);
    return buffer;
}

/* An existing user becomes this person's. The changes are what follows from it. */
static int plan_adopt(const struct planner_input *in, struct planner_result *r, const char *reason,
                      const char *sentence)
{
    struct operation *o;
    int rc =
        plan_add(in, r, OPERATION_ADOPT, user_get(in->verdict.wanted, USER_LOGIN), sentence, &o);
    if (rc == 0 && in->adoption.found)
        rc = planner_adoption_changes(in, in->adoption.found, o);
    if (rc < 0)
        return rc;
    o->revokes = in->verdict.revoked;
    r->bucket = BUCKET_PENDING;
    if (!reason)
        return 0;
    r->bucket = BUCKET_HELD;
    r->code = reason;
    return plan_wait(o, OPERATION_PARKED, reason, reason, sentence, in->now_usec);
}

/* The tenant has the login, and no link claims it. */
static int plan_found(const struct planner_input *in, struct planner_result *r,
                      const char *sentence)
{
    char approval[1024];
    if (in->adoption.open && in->adoption.looking) { /* planned when it is known what it leads to */
        r->bucket = BUCKET_PENDING;
        return 0;
    }
    if (in->adoption.open)
        return plan_adopt(in, r, REASON_ADOPTION, sentence);
    /* Somebody else's is found out by the one who looks again before it is taken over. */
    if (in->adoption.found && planner_same_person(in->verdict.wanted, in->adoption.found) &&
        planner_adoption_needs_approval(in->verdict.wanted, in->adoption.found, in->parts,
                                        in->options))
        return plan_adopt(in, r, REASON_ADOPTION,
                          approval_sentence(in, approval, sizeof(approval)));
    return plan_adopt(in, r, NULL, sentence);
}

bool planner_may_be_at_tenant(const struct planner_input *in)
{
    return in->claim == PLANNER_LOGIN_AT_TENANT || in->claim == PLANNER_MAIL_AT_TENANT ||
           in->claim == PLANNER_LIKE_AT_TENANT;
}

/* Nobody is linked: create, adopt, or say who has the login. */
int plan_newcomer(const struct planner_input *in, struct planner_result *r)
{
    const char *login = user_get(in->verdict.wanted, USER_LOGIN);
    const char *sentence = in->claim_sentence ? in->claim_sentence : "";
    bool there = in->claim == PLANNER_LOGIN_AT_TENANT;
    bool early = in->verdict.start_usec > in->dates_usec + in->options->create_ahead_usec;
    bool none = in->verdict.wanted->disabled && !in->options->create_disabled;
    if ((early && !there) || (none && !planner_may_be_at_tenant(in))) {
        r->bucket = in->adoption.asking ? BUCKET_PENDING : BUCKET_SKIPPED;
        r->code = in->adoption.asking ? NULL : early ? SKIP_NOT_STARTED : SKIP_DISABLED;
        return 0;
    }
    switch (in->claim) {
    case PLANNER_LOGIN_SHARED:
    default: return plan_hold_person(in, r, login, REASON_LOGIN_SHARED, "login", login, sentence);
    case PLANNER_LOGIN_LINKED:
    case PLANNER_LOGIN_LEFT_OTHER:
        return plan_hold_person(in, r, login, REASON_CONFLICT, "login", login, sentence);
    case PLANNER_MAIL_AT_TENANT:
        return plan_hold_person(in, r, login, REASON_SAME_MAIL, "mail",
                                user_get(in->verdict.wanted, USER_EMAIL), sentence);
    case PLANNER_LIKE_AT_TENANT:
        return plan_hold_person(in, r, login, REASON_USER_GONE, "user", login, sentence);
    case PLANNER_LOGIN_LEFT_SAME: return plan_adopt(in, r, REASON_RELINK, sentence);
    case PLANNER_LOGIN_AT_TENANT: return plan_found(in, r, sentence);
    case PLANNER_LOGIN_FREE: return plan_create(in, r);
    }
}
