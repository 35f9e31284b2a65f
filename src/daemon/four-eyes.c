/*
 * [guard] four_eyes: whoever loaded the configuration in force does not approve what follows from
 * it; somebody else does. Nor does who loaded the configuration that ended the rule. Where nobody
 * knows who loaded it, it may have been anybody: then an approval takes two people.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "state/state.h"

static bool is_known(const char *identity)
{
    return identity && audit_identity_is_known(identity);
}

/* *ret: who is bound; NULL: nobody knows who that is. STATE_NONE: the rule binds nobody. */
static int read_bound(struct daemon *d, char **ret, struct error *e)
{
    CLEANUP(freep) char *loader = NULL, *ended_by = NULL;
    int r = state_meta_get(d->state, "configuration-by", &loader, e);
    if (r >= 0 && !d->settings->four_eyes) {
        r = state_meta_get(d->state, "four-eyes-ended-by", &ended_by, e);
        if (r == 0 && loader && !audit_identities_may_be_one(ended_by, loader))
            r = STATE_NONE;
        if (r != 0)
            return r;
    }
    if (r < 0)
        return r;
    *ret = is_known(loader) ? TAKE(loader) : NULL;
    return 0;
}

/* Nor is somebody whose account has no name, while the name service is away say: by the name it
 * would be somebody else afterwards. */
static bool is_known_actor(const struct audit_actor *actor)
{
    char identity[AUDIT_IDENTITY_SIZE];
    audit_actor_identity(actor, identity);
    return actor->known && is_known(identity);
}

static const char at_home[] = "log in by your own name, and ask from there ([guard] four_eyes)";

/* true: it was answered, since that may be the same person. */
static bool forbid_same(struct control_call *call, const struct audit_actor *actor,
                        const char *identity, const char *did, const char *what)
{
    enum audit_likeness likeness = audit_actor_compare(actor, identity);
    if (likeness == AUDIT_SAME)
        control_fail(call, "four-eyes",
                     "you %s, so somebody else must approve %s ([guard] four_eyes)", did, what);
    else if (likeness == AUDIT_MAY_BE)
        control_fail(call, "four-eyes", "it is not certain that you are not the person who %s: %s",
                     did, at_home);
    return likeness != AUDIT_OTHER;
}

bool four_eyes_forbid(struct daemon *d, struct control_call *call, const struct audit_actor *actor)
{
    CLEANUP(freep) char *bound = NULL;
    struct error e = {0};
    int r = read_bound(d, &bound, &e);
    if (r < 0)
        control_fail(call, "failed", "%s", e.message);
    return r < 0 || (bound && forbid_same(call, actor, bound, "loaded the configuration in force",
                                          "what follows from it"));
}

/* Puts on record who asks first: an identity, a newline, when, a blank, and for what. */
static bool ask_for_second(struct daemon *d, struct control_call *call,
                           const struct audit_actor *actor, const char *what, struct error *e)
{
    char mine[AUDIT_IDENTITY_SIZE];
    CLEANUP(buffer_done) struct buffer text = {0};
    audit_actor_identity(actor, mine);
    buffer_format(&text, "%s\n%llu %s", mine, (unsigned long long)clock_steady_usec(), what);
    struct audit_row row = {
        .event = "request", .code = "approve", .sentence = "the first of the two who must ask"};
    int r = text.failed ? error_out_of_memory(e)
                        : engine_remember(d->engine, "four-eyes-asked", text.data, &row, e);
    if (r < 0)
        control_fail(call, "failed", "%s", e->message);
    else
        control_fail(call, "four-eyes",
                     "nobody knows who loaded the configuration in force, so this takes two: that "
                     "you ask is on record, and somebody else must ask for the same now "
                     "([guard] four_eyes)");
    return true;
}

/* asked: what ask_for_second() noted behind the identity. It holds no longer than an approval. */
static bool is_asked(const struct daemon *d, const char *asked, const char *what)
{
    char *rest = NULL;
    uint64_t at = asked ? strtoull(asked, &rest, 10) : 0;
    return rest && *rest == ' ' && text_equal(rest + 1, what) &&
           clock_steady_usec() < at + d->settings->sync.approval_valid_usec;
}

bool four_eyes_want_second(struct daemon *d, struct control_call *call,
                           const struct audit_actor *actor, const char *plan, const char *groups)
{
    CLEANUP(freep) char *bound = NULL, *asked = NULL;
    CLEANUP(buffer_done) struct buffer what = {0};
    struct error e = {0};
    int r = read_bound(d, &bound, &e);
    if (r == 0 && !bound && !is_known_actor(actor)) {
        control_fail(call, "four-eyes", "it is not known who you are: %s", at_home);
        return true;
    }
    if (r == 0 && !bound) {
        buffer_format(&what, "%s %s", plan, groups ? groups : "all");
        r = what.failed ? error_out_of_memory(&e)
                        : state_meta_get(d->state, "four-eyes-asked", &asked, &e);
        char *account = asked ? strchr(asked, '\n') : NULL;
        char *before = account ? strchr(account + 1, '\n') : NULL;
        if (before)
            *before++ = '\0';
        if (r >= 0 && !is_asked(d, before, what.data))
            return ask_for_second(d, call, actor, what.data, &e);
        if (r == 0)
            return forbid_same(call, actor, asked, "asked for it first", "it, too");
    }
    if (r < 0)
        control_fail(call, "failed", "%s", e.message);
    return r < 0;
}
