/*
 * Compares what is wanted for one person with what is known and says which operations are due.
 * It does not decide whether they may run (guard) nor when they are tried again (executor).
 * What is in doubt is held here, so that nothing in doubt ever reaches the guard as ready.
 */
#include "config.h"

#include "judge/planner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "judge/planner-internal.h"
#include "judge/withhold.h"

/* What cannot be trusted waits: losses while a rule's group is missing, everything while an
 * attribute has vanished from too many people at once. */
static int hold_doubtful(const struct planner_input *in, struct planner_result *r)
{
    for (size_t i = 0; i < r->operations.n_items; i++) {
        struct operation *o = r->operations.items[i];
        char cause[512], sentence[768];
        int rc = 0;
        if (o->state != OPERATION_READY)
            continue;
        if (in->verdict.group_missing && planner_takes_away(o)) {
            snprintf(cause, sizeof(cause), "group:%s", in->verdict.group_missing);
            snprintf(
                sentence, sizeof(sentence),
                "the group %s of a rule cannot be seen, so nobody loses anything because of it: "
                "restore the group, or correct the rule",
                in->verdict.group_missing);
            rc = plan_wait(o, OPERATION_HELD, REASON_GROUP_MISSING, cause, sentence, in->now_usec);
        } else if (in->verdict.vanished_attribute &&
                   (!in->verdict.attribute_unread || planner_takes_away(o))) {
            snprintf(cause, sizeof(cause), "attribute:%s", in->verdict.vanished_attribute);
            rc = plan_wait(o, OPERATION_PARKED, REASON_ATTRIBUTE_VANISHED, cause,
                           plan_vanished_sentence(in, sentence, sizeof(sentence)), in->now_usec);
        } else if (in->state_restored) {
            rc = plan_wait(
                o, OPERATION_PARKED, REASON_STATE_RESTORED, REASON_STATE_RESTORED,
                "an older copy of the state file was restored, so what was done since is not "
                "known: look at the plan and approve it",
                in->now_usec);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* What the entry itself says goes on: to be disabled needs no name. */
static bool is_in_doubt(const struct planner_input *in)
{
    if (!in->twin || in->verdict.presence == VERDICT_GONE)
        return false;
    if (in->verdict.presence == VERDICT_USER)
        return !(in->verdict.wanted->disabled && in->link.status == LINK_ACTIVE);
    return in->link.status != LINK_UNLINKED;
}

/* One cause for both, whichever is looked at. */
static int hold_twin(const struct planner_input *in, struct planner_result *r)
{
    bool first = strcmp(in->dn, in->twin) < 0;
    char sentence[1400];
    snprintf(sentence, sizeof(sentence),
             "the directory holds %s and %s, and rosterd cannot tell the two names apart, so "
             "neither gets what a group gives: rename one of them",
             first ? in->dn : in->twin, first ? in->twin : in->dn);
    r->leaving_usec = 0;
    return plan_hold_person(in, r,
                            in->link.status == LINK_UNLINKED
                                ? user_get(in->verdict.wanted, USER_LOGIN)
                                : in->link.login,
                            REASON_NAME_SHARED, "name", first ? in->dn : in->twin, sentence);
}

/* Another tenant than the state's: nobody is made there before a person says so. */
static int hold_newcomer(const struct planner_input *in, struct planner_result *r)
{
    for (size_t i = 0; i < r->operations.n_items; i++)
        if (r->operations.items[i]->state == OPERATION_READY &&
            plan_wait(r->operations.items[i], OPERATION_PARKED, REASON_OTHER_TENANT,
                      REASON_OTHER_TENANT, in->other_tenant, in->now_usec) < 0)
            return -ENOMEM;
    return 0;
}

static int plan(const struct planner_input *in, struct planner_result *ret, struct error *e);

/* Roles that conflict are planned apart from everything else, which goes on. */
int planner_plan(const struct planner_input *in, struct planner_result *ret, struct error *e)
{
    struct planner_result held = {0};
    struct planner_input rest = *in;
    int rc = withhold_roles(in, &held, e);
    if (rc == 0 && held.wanted)
        rest.verdict.wanted = held.wanted;
    if (rc == 0)
        rc = plan(&rest, ret, e);
    if (rc == 0 && held.wanted && ret->bucket != BUCKET_SKIPPED) {
        ret->wanted = TAKE(held.wanted);
        if (!ret->code) {
            ret->bucket = BUCKET_HELD;
            ret->code = REASON_ROLE_CONFLICT;
        }
        for (size_t i = 0; i < held.operations.n_items && rc == 0; i++)
            rc = operation_list_add(&ret->operations, TAKE(held.operations.items[i]));
        if (rc < 0) {
            planner_result_done(ret);
            error_out_of_memory(e);
        }
    }
    planner_result_done(&held);
    return rc;
}

static int plan(const struct planner_input *in, struct planner_result *ret, struct error *e)
{
    struct planner_result r = {.bucket = BUCKET_UNCHANGED};
    int rc = 0;
    /* A user that is missed, and may be there under another name, is that person's if it is to
     * be disabled; else it is made anew. */
    bool missed = in->link.status == LINK_DELETED && in->link.maybe_renamed &&
                  (in->verdict.revoked || in->successor.revoked ||
                   (in->verdict.presence == VERDICT_USER && in->verdict.wanted->disabled));
    bool linked = missed || in->link.status == LINK_ACTIVE || in->link.status == LINK_DISABLED;
    bool left = in->verdict.presence == VERDICT_SKIP || in->verdict.presence == VERDICT_GONE;
    if (linked && (in->verdict.revoked || in->successor.revoked)) {
        rc = plan_revoked(in, &r);
    } else if (!in->verdict.revoked && is_in_doubt(in)) {
        rc = hold_twin(in, &r);
    } else if (linked || (in->link.status == LINK_DELETED && left)) {
        rc = plan_linked(in, &r);
    } else if (in->verdict.presence == VERDICT_USER && in->verdict.revoked &&
               !planner_may_be_at_tenant(in)) {
        r.bucket = in->adoption.asking ? BUCKET_PENDING : BUCKET_SKIPPED;
        r.code = in->adoption.asking ? NULL : REASON_REVOKED;
    } else if (in->verdict.presence == VERDICT_USER) {
        rc = plan_newcomer(in, &r);
    } else {
        r.bucket = BUCKET_SKIPPED;
        r.forget = in->verdict.presence == VERDICT_GONE;
        r.code = in->verdict.code;
    }
    if (rc == 0 && linked && !in->verdict.revoked && !in->successor.revoked)
        rc = hold_doubtful(in, &r);
    else if (rc == 0 && !linked && in->other_tenant)
        rc = hold_newcomer(in, &r);
    if (rc < 0) {
        planner_result_done(&r);
        return error_out_of_memory(e);
    }
    *ret = r;
    return 0;
}
