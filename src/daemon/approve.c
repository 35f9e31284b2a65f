/*
 * `rosterctl approve`. What the hash stands for is read by the thread that answers questions, from
 * one moment of the tables; the loop puts it on record, and its turns release the operations, some
 * at a time. Whoever approves is answered when all are released.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "daemon/daemon.h"
#include "daemon/plan-groups.h"
#include "daemon/reader.h"
#include "daemon/report.h"

/* A hash may be given by its beginning, as `rosterctl plan` shows it. */
#define SHORT_HASH 8

enum found {                      /* beside what engine_view_approval() answers */
             FOUND_INVALID = 100, /* no such letter; the sentence is in the answer */
};

struct approving {
    struct approving *next;
    struct control_call *call;
    char *hash;
    json_t *letters; /* NULL: all */
    unsigned uid;
    struct audit_actor actor;
    char *reason;
    struct engine_approval found;
    uint64_t until_usec;
};

struct noted {
    struct engine_view *view;
    struct approving *approving; /* its `found` is written by the thread */
};

static void approving_free(struct approving *a)
{
    engine_approval_done(&a->found);
    json_decref(a->letters);
    free(a->hash);
    free(a->reason);
    free(a);
}

static bool stands_for(const char *given, const char *hash)
{
    size_t size = strlen(given);
    return size >= SHORT_HASH && strncmp(given, hash, size) == 0;
}

/* The letters are those of the plan with this hash, and of no other. */
static int find_groups(const struct noted *n, struct state *s, const char *hash, struct error *e)
{
    CLEANUP(plan_choice_done) struct plan_choice choice = {0};
    json_auto_t *plan = report_plan_head(n->view, s, e);
    if (!plan)
        return -EIO;
    int r = plan_choice_begin(&choice, plan, n->approving->letters, e);
    if (r == 0)
        r = report_plan_each(plan, s, plan_choice_add, &choice, e);
    if (r < 0)
        return r == -EINVAL ? FOUND_INVALID : r;
    plan_choice_end(&choice);
    bool all = choice.whole && !n->view->status.observing; /* then a plan is more than what waits */
    return engine_view_approval(n->view, s, hash, all ? NULL : &choice.choice, &n->approving->found,
                                e);
}

static int find(const struct noted *n, struct state *s, struct error *e)
{
    struct approving *a = n->approving;
    char now[65];
    size_t n_parked;
    int r = engine_view_plan_hash(n->view, s, now, &n_parked, e);
    if (r < 0)
        return r;
    if (a->letters && stands_for(a->hash, now))
        return find_groups(n, s, now, e);
    const char *hash = stands_for(a->hash, now) ? now : a->hash;
    return engine_view_approval(n->view, s, hash, NULL, &a->found, e);
}

static json_t *answer(const void *userdata, struct state *s, struct error *e)
{
    int r = find(userdata, s, e);
    return r < 0 ? NULL : json_pack("{s:i, s:s}", "found", r, "sentence", e->message);
}

static void *note(struct daemon *d, void *about, struct error *e)
{
    struct noted *n = calloc(1, sizeof(*n));
    if (!n) {
        error_out_of_memory(e);
        return NULL;
    }
    n->approving = about;
    if (engine_view_new(&n->view, d->engine, e) < 0)
        free(TAKE(n));
    return n;
}

static void forget(void *userdata)
{
    struct noted *n = userdata;
    engine_view_free(n->view);
    free(n);
}

static const struct question approval = {.note = note, .answer = answer, .forget = forget};

static void refuse(struct approving *a, int found, const char *sentence)
{
    if (found == ENGINE_STALE_HASH)
        control_fail(a->call, "stale-hash",
                     "what waits for approval is not what this hash stands for: look at "
                     "`rosterctl plan` again");
    else if (found == ENGINE_NOTHING)
        control_fail(a->call, "nothing-to-approve", "nothing waits for approval");
    else
        control_fail(a->call, found == FOUND_INVALID ? "invalid-parameter" : "failed", "%s",
                     sentence);
    approving_free(a);
}

/* Asked again: a configuration may have been loaded meanwhile. */
static bool is_forbidden(struct daemon *d, struct approving *a)
{
    return four_eyes_forbid(d, a->call, &a->actor) ||
           four_eyes_want_second(d, a->call, &a->actor, a->found.hash, a->found.names);
}

static void on_found(struct daemon *d, void *about, const json_t *answer, int r,
                     const struct error *why)
{
    struct approving *a = about;
    struct error e = *why;
    int found = answer ? (int)json_integer_value(json_object_get(answer, "found")) : r;
    if (found != 0) {
        const char *sentence = json_string_value(json_object_get(answer, "sentence"));
        refuse(a, found, sentence ? sentence : e.message);
        return;
    }
    struct engine_act act = {.actor = &a->actor, .plan = a->found.hash, .reason = a->reason};
    engine_act(d->engine, &act);
    if (is_forbidden(d, a)) {
        engine_act(d->engine, NULL);
        approving_free(a);
        return;
    }
    r = engine_approve(d->engine, &a->found, a->uid, &a->until_usec, &e);
    engine_act(d->engine, NULL);
    if (r < 0) {
        refuse(a, r, e.message);
        return;
    }
    a->next = d->approving;
    d->approving = a;
}

void approve_start(struct daemon *d, struct control_call *call, const char *hash,
                   const json_t *letters, unsigned uid, const struct engine_act *act)
{
    struct approving *a = calloc(1, sizeof(*a));
    char *reason = act->reason ? strdup(act->reason) : NULL;
    if (!a || !(a->hash = strdup(hash)) || (act->reason && !reason)) {
        control_fail(call, "failed", "out of memory");
        free(reason);
        if (a)
            approving_free(a);
        return;
    }
    a->call = call;
    a->letters = json_array_size(letters) ? json_deep_copy(letters) : NULL;
    a->uid = uid;
    a->actor = *act->actor;
    a->reason = reason;
    reader_ask_self(d, &approval, a, on_found);
}

void approve_over(struct daemon *d)
{
    struct approving *a;
    while ((a = d->approving)) {
        d->approving = a->next;
        control_reply(a->call,
                      json_pack("{s:I, s:o, s:o, s:I}", "approved", (json_int_t)a->found.n,
                                "valid_until", report_time(a->until_usec), "groups",
                                report_text(a->found.names), "left", (json_int_t)a->found.n_left));
        approving_free(a);
    }
}

/* Nothing more is released: rosterd ends, or the state file has failed, and with it what was not on
 * record yet. */
void approve_cancel(struct daemon *d)
{
    struct approving *a;
    struct engine_status status;
    if (!d->approving)
        return;
    engine_status(d->engine, &status);
    while ((a = d->approving)) {
        d->approving = a->next;
        control_fail(
            a->call, "failed",
            status.state_failed
                ? "the state file cannot be written: what was approved may not be on record, look "
                  "at `rosterctl plan` again when it can"
                : "rosterd ends: what was approved is on record, and is released when it starts");
        approving_free(a);
    }
}
