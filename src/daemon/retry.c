/*
 * `rosterctl retry` of whatever is held, or is held for one cause. Turns of the engine release
 * it, some at a time; whoever asked is answered when all is released.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "daemon/daemon.h"
#include "daemon/report.h"

struct retrying {
    struct retrying *next;
    struct daemon *daemon;
    struct control_call *call;
    char *cause, *reason;
    struct audit_actor actor;
    struct engine_retry retry; /* borrows from the above */
};

static void retrying_free(struct retrying *r)
{
    free(r->cause);
    free(r->reason);
    free(r);
}

static void take_out(struct retrying *r)
{
    struct retrying **p = &r->daemon->retrying;
    while (*p != r)
        p = &(*p)->next;
    *p = r->next;
}

static void on_over(struct engine_retry *retry, void *userdata)
{
    struct retrying *r = userdata;
    take_out(r);
    if (r->cause && !retry->n_released)
        control_fail(r->call, "not-found",
                     "nothing is held under the cause '%s': `rosterctl holds` shows the causes",
                     r->cause);
    else
        control_reply(r->call, json_pack("{s:I}", "released", (json_int_t)retry->n_released));
    retrying_free(r);
}

void retry_start(struct daemon *d, struct control_call *call, const char *cause,
                 const struct engine_act *act)
{
    struct retrying *r = calloc(1, sizeof(*r));
    if (!r || (cause && !(r->cause = strdup(cause))) ||
        (act->reason && !(r->reason = strdup(act->reason)))) {
        control_fail(call, "failed", "out of memory");
        if (r)
            retrying_free(r);
        return;
    }
    r->daemon = d;
    r->call = call;
    r->actor = *act->actor;
    r->retry = (struct engine_retry){.cause = r->cause,
                                     .act = {.actor = &r->actor, .reason = r->reason},
                                     .done = on_over,
                                     .userdata = r};
    r->next = d->retrying;
    d->retrying = r;
    engine_retry(d->engine, &r->retry);
}

void retry_cancel(struct daemon *d, const char *why)
{
    struct retrying *r;
    while ((r = d->retrying)) {
        engine_retry_cancel(d->engine, &r->retry);
        d->retrying = r->next;
        control_fail(r->call, "failed", "%s: not all of it may be released, ask again", why);
        retrying_free(r);
    }
}
