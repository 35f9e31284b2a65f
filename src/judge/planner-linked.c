/*
 * Whoever is linked: changed, renamed, disabled, enabled, deleted in time; and whose access
 * must end at once.
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
#include "model/part.h"

static int plan_disable(const struct planner_input *in, struct planner_result *r, const char *why,
                        uint64_t due_usec, struct operation **ret)
{
    struct operation *o = NULL;
    int rc = plan_add(in, r, OPERATION_DISABLE, in->link.login, why, &o);
    if (rc == 0)
        rc = operation_add_change(o, "disabled", "false", "true",
                                  in->verdict.wanted ? &in->verdict.wanted->disabled_source : NULL);
    if (rc == 0)
        o->not_before_usec = due_usec;
    *ret = o;
    return rc;
}

/* A user that is there no more, by its login, and may be there by another one, enabled: a
 * person decides, since nothing else tells. */
static bool may_be_renamed(const struct planner_input *in)
{
    return in->link.maybe_renamed &&
           (in->link.status == LINK_ACTIVE || in->link.status == LINK_DELETED);
}

static bool may_be_enabled(const struct planner_input *in)
{
    return in->link.status == LINK_ACTIVE || may_be_renamed(in);
}

static int wait_for_renamed(const struct planner_input *in, struct operation *o)
{
    char cause[512], sentence[1024];
    bool tells = in->link.has_our_id && in->parts->takes_our_id && in->parts->keeps_our_id;
    if (!may_be_renamed(in) || tells)
        return 0;
    snprintf(cause, sizeof(cause), "renamed:%s", in->link.login);
    snprintf(
        sentence, sizeof(sentence),
        "the access of %s is to end, and the user %s is not at the tenant any more; whether it was "
        "given another login and another mail there cannot be told, since its id was never learnt: "
        "look for it among the users there that are new and disable it, then approve the plan",
        in->dn, in->link.login);
    return plan_wait(o, OPERATION_PARKED, REASON_USER_GONE, cause, sentence, in->now_usec);
}

/* Whoever left: disable after the grace time, delete after a longer one. */
static int plan_leaver(const struct planner_input *in, struct planner_result *r)
{
    const struct sync_options *options = in->options;
    char why[768];
    snprintf(why, sizeof(why), "%s: %s",
             in->verdict.presence == VERDICT_GONE ? "gone from the directory" : "no longer a user",
             in->verdict.sentence ? text_without_heading(in->verdict.sentence, in->dn)
                                  : "no reason known");
    r->bucket = BUCKET_LEAVING;
    r->leaving_usec = in->link.leaving_usec ? in->link.leaving_usec : in->now_usec;
    r->started_leaving = !in->link.leaving_usec;
    struct operation *o = NULL;
    bool ours = in->link.disabled_by_us || in->link.disabled_as_dormant;
    int rc = 0;
    if (may_be_enabled(in)) {
        rc = plan_disable(in, r, why, r->leaving_usec + options->leave_grace_usec, &o);
        if (rc == 0)
            rc = wait_for_renamed(in, o);
    } else if (in->link.status == LINK_DISABLED && ours && options->delete_after_usec) {
        /* Who was disabled, or made disabled, long before does not go at once. */
        uint64_t since =
            in->link.disabled_usec > r->leaving_usec ? in->link.disabled_usec : r->leaving_usec;
        rc = plan_add(in, r, OPERATION_DELETE, in->link.login, why, &o);
        if (rc == 0)
            o->not_before_usec = since + options->delete_after_usec;
    } else if (in->link.status == LINK_DELETED && in->verdict.presence == VERDICT_GONE) {
        r->bucket = BUCKET_SKIPPED;
        r->forget = !in->parts->keeps_removed; /* it may come back to that user */
    }
    bool kept = o && in->successor.sentence && (o->kind == OPERATION_DELETE || !in->successor.idle);
    if (rc == 0 && kept)
        rc = plan_wait(o, OPERATION_HELD, REASON_RELINK, REASON_RELINK, in->successor.sentence,
                       in->now_usec);
    return rc;
}

/* Whose access must end now: no grace, no doubt, and nothing else for that person. It needs the
 * link alone; who left otherwise goes on leaving, and is deleted in time. */
int plan_revoked(const struct planner_input *in, struct planner_result *r)
{
    char source[384], why[800];
    struct operation *o = NULL;
    bool left = in->verdict.presence == VERDICT_SKIP || in->verdict.presence == VERDICT_GONE;
    if (left) {
        r->bucket = BUCKET_LEAVING;
        r->leaving_usec = in->link.leaving_usec ? in->link.leaving_usec : in->now_usec;
        r->started_leaving = !in->link.leaving_usec;
    }
    if (!may_be_enabled(in))
        return left ? plan_leaver(in, r) : 0;
    if (!left)
        r->bucket = BUCKET_PENDING;
    snprintf(why, sizeof(why), "revoked: %s",
             in->verdict.revoked ? source_text(in->verdict.revoke_source, source, sizeof(source))
                                 : in->successor.sentence);
    int rc = plan_add(in, r, OPERATION_DISABLE, in->link.login, why, &o);
    if (rc == 0)
        rc = operation_add_change(o, "disabled", "false", "true",
                                  in->verdict.revoked ? in->verdict.revoke_source : NULL);
    if (rc == 0)
        o->revokes = true;
    return rc == 0 ? wait_for_renamed(in, o) : rc;
}

static int plan_rename(const struct planner_input *in, struct planner_result *r)
{
    const char *login = user_get(in->verdict.wanted, USER_LOGIN);
    if (text_equal_fold(login, in->link.login))
        return 0; /* a difference in case alone is the same account */
    struct operation *o;
    char why[768];
    snprintf(why, sizeof(why),
             in->link.renamed_there
                 ? "somebody renamed the user at the tenant; the directory gives the login %s"
                 : "the directory now gives the login %s",
             login);
    int rc = plan_add(in, r, OPERATION_RENAME, in->link.login, why, &o);
    if (rc == 0)
        rc = operation_add_change(o, user_field_name(USER_LOGIN), in->link.login, login,
                                  &in->verdict.wanted->fields[USER_LOGIN].source);
    if (rc < 0)
        return rc;
    char cause[512];
    snprintf(cause, sizeof(cause), "login:%s", login);
    if (in->claim != PLANNER_LOGIN_FREE)
        return plan_wait(o, OPERATION_HELD,
                         in->claim == PLANNER_LOGIN_SHARED ? REASON_LOGIN_SHARED : REASON_CONFLICT,
                         cause, in->claim_sentence, in->now_usec);
    if (in->link.renamed_there && in->options->on_drift == DRIFT_REPORT)
        return plan_wait(
            o, OPERATION_HELD, REASON_RENAME_POLICY, "renamed-there",
            "somebody renamed the user at the tenant and [lifecycle] drift = report: rename it "
            "back there, give the entry that login, or set drift = repair",
            in->now_usec);
    if (in->options->on_rename == ON_RENAME_HOLD)
        return plan_wait(
            o, OPERATION_HELD, REASON_RENAME_POLICY, "rename-policy",
            "the login changed in the directory and [lifecycle] on_rename = hold: rename "
            "the user at the tenant, or set on_rename = rename",
            in->now_usec);
    return 0;
}

/* The login is plan_rename()'s. */
static int plan_part(const struct planner_input *in, struct planner_result *r,
                     const struct part *part)
{
    struct operation *o;
    bool ruled = part->writes & PART_FIELD(USER_TEAM);
    int rc = plan_add(in, r, part->kind, in->link.login,
                      ruled ? "the rules give other values than the tenant holds"
                            : "the directory gives other values than the tenant holds",
                      &o);
    for (int f = USER_FIRST_NAME; f < USER_N_FIELDS && rc == 0; f++)
        if (part->writes & PART_FIELD(f))
            rc = plan_diff_field(in, o, (enum user_field)f);
    if (rc == 0 && (part->writes & PART_SKILLS))
        rc = plan_diff_skills(in, o);
    if (rc == 0 && (part->writes & PART_ROLES))
        rc = plan_diff_roles(in, o);
    if (rc == 0)
        plan_drop_if_empty(r, o);
    return rc;
}

static int plan_updates(const struct planner_input *in, struct planner_result *r)
{
    int rc = 0;
    for (size_t i = 0; i < in->parts->n_items && rc == 0; i++)
        rc = plan_part(in, r, &in->parts->items[i]);
    return rc;
}

static int plan_enable(const struct planner_input *in, struct planner_result *r,
                       struct operation **ret)
{
    struct operation *o = NULL;
    int rc = plan_add(in, r, OPERATION_ENABLE, in->link.login,
                      in->link.leaving_usec ? "returned to the directory's users"
                                            : "not, or no longer, disabled in the directory",
                      &o);
    *ret = o;
    return rc < 0 ? rc
                  : operation_add_change(o, "disabled", "true", "false",
                                         &in->verdict.wanted->disabled_source);
}

/* Whoever is enabled again has lost what is no longer theirs before: an enabled user with last
 * year's roles is a danger, however short. */
static int enable_after_losses(const struct planner_input *in, struct planner_result *r,
                               struct operation *enable)
{
    for (size_t i = 0; i < r->operations.n_items; i++) {
        const struct operation *o = r->operations.items[i];
        for (size_t j = 0; j < o->n_changes; j++)
            if (o->changes[j].kind == CHANGE_ROLE && !o->changes[j].to)
                return plan_wait(
                    enable, OPERATION_HELD, REASON_ROLES_FIRST, REASON_ROLES_FIRST,
                    "the user has roles that are no longer theirs: enabled as soon as those are "
                    "taken away",
                    in->now_usec);
    }
    return 0;
}

static bool is_dormant(const struct planner_input *in)
{
    uint64_t after = in->options->dormant_after_usec;
    return after && in->link.status == LINK_ACTIVE && !in->link.shown_disabled &&
           in->link.used_usec && in->link.used_usec + after <= in->dates_usec;
}

/* Reported, or disabled, beside whatever else is to be done. */
static int plan_dormant(const struct planner_input *in, struct planner_result *r)
{
    char why[200], when[CLOCK_TEXT_SIZE];
    struct operation *o;
    bool disables = in->options->dormant == DORMANT_DISABLE;
    snprintf(why, sizeof(why), "nobody logged in as this user since %.10s",
             clock_format(when, in->link.used_usec));
    int rc =
        plan_add(in, r, disables ? OPERATION_DISABLE : OPERATION_UPDATE, in->link.login, why, &o);
    if (rc == 0 && disables) {
        o->dormant = true;
        return operation_add_change(o, "disabled", "false", "true", NULL);
    }
    return rc < 0 ? rc
                  : plan_wait(o, OPERATION_HELD, REASON_DORMANT, REASON_DORMANT,
                              "nobody logged in as this user for [lifecycle] dormant_after: ask "
                              "whether it is needed, or set dormant = disable",
                              in->now_usec);
}

/* A linked person whom the rules still want. */
static int plan_member(const struct planner_input *in, struct planner_result *r)
{
    r->returned = in->link.leaving_usec != 0;
    struct operation *enable = NULL;
    int rc = 0;
    if (in->link.vanished && !in->verdict.wanted->disabled)
        return plan_hold_person(
            in, r, in->link.login, REASON_USER_GONE, "users", "gone",
            "the user is not at the tenant any more and [lifecycle] drift = report: "
            "restore it there, take the person out of the rules, or set drift = repair");
    if (in->verdict.wanted->disabled) {
        if (may_be_enabled(in)) {
            char source[384], why[512];
            struct operation *o = NULL;
            snprintf(why, sizeof(why), "disabled in the directory: %s",
                     source_text(&in->verdict.wanted->disabled_source, source, sizeof(source)));
            rc = plan_disable(in, r, why, in->now_usec, &o);
            if (rc == 0)
                rc = wait_for_renamed(in, o);
        }
    } else {
        /* Disabled by somebody at the tenant: theirs to undo; the sweep reports it as drift. */
        if (in->link.status == LINK_DISABLED && in->link.disabled_by_us && !in->verdict.start_usec)
            rc = plan_enable(in, r, &enable);
        if (rc == 0)
            rc = plan_rename(in, r);
        if (rc == 0)
            rc = plan_updates(in, r);
        if (rc == 0 && is_dormant(in))
            rc = plan_dormant(in, r);
        if (rc == 0 && enable)
            rc = enable_after_losses(in, r, enable);
    }
    r->bucket = r->operations.n_items ? BUCKET_PENDING : BUCKET_UNCHANGED;
    return rc;
}

int plan_linked(const struct planner_input *in, struct planner_result *r)
{
    char sentence[768];
    switch (in->verdict.presence) {
    case VERDICT_USER: return plan_member(in, r);
    case VERDICT_SKIP:
    case VERDICT_GONE: return plan_leaver(in, r);
    case VERDICT_INVALID:
    case VERDICT_UNKNOWN:
    default:
        r->leaving_usec = 0;
        if (in->verdict.vanished_attribute)
            return plan_hold_person(in, r, in->link.login, REASON_ATTRIBUTE_VANISHED, "attribute",
                                    in->verdict.vanished_attribute,
                                    plan_vanished_sentence(in, sentence, sizeof(sentence)));
        return plan_hold_person(in, r, in->link.login, REASON_ENTRY_INVALID, "entry", in->dn,
                                in->verdict.sentence ? in->verdict.sentence : "");
    }
}
