/*
 * [guard] four_eyes: whoever loaded the configuration in force does not approve what follows from
 * it; somebody else does. Nor does who loaded the configuration that ended the rule.
 */
#include "config.h"

#include "audit/audit.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "state/state.h"

/* STATE_NONE: the rule binds nobody. */
static int read_bound(struct daemon *d, char **ret, struct error *e)
{
    CLEANUP(freep) char *loader = NULL, *ended_by = NULL;
    int r = state_meta_get(d->state, "configuration-by", &loader, e);
    if (r == 0 && !d->settings->four_eyes) {
        r = state_meta_get(d->state, "four-eyes-ended-by", &ended_by, e);
        if (r == 0 && !text_equal(ended_by, loader))
            r = STATE_NONE;
    }
    if (r == 0)
        *ret = TAKE(loader);
    return r;
}

bool four_eyes_forbid(struct daemon *d, struct control_call *call, const struct audit_actor *actor)
{
    CLEANUP(freep) char *bound = NULL;
    struct error e = {0};
    int r = read_bound(d, &bound, &e);
    enum audit_likeness likeness = r == 0 ? audit_actor_compare(actor, bound) : AUDIT_OTHER;
    if (r < 0)
        control_fail(call, "failed", "%s", e.message);
    else if (likeness == AUDIT_SAME)
        control_fail(call, "four-eyes",
                     "you loaded the configuration in force, so somebody else must approve what follows from "
                     "it ([guard] four_eyes)");
    else if (likeness == AUDIT_MAY_BE)
        control_fail(call, "four-eyes",
                     "it is not known that you are somebody else than who loaded the configuration in force: "
                     "log in by your own name, and ask from there ([guard] four_eyes)");
    return r < 0 || likeness != AUDIT_OTHER;
}
