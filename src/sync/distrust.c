/*
 * An older copy of the state file was restored: what it says of the tenant's users is not what
 * rosterd wrote last. Every linked user is read again, what the tenant holds becomes what is
 * known, and whatever then differs for a linked person waits for approval. It ends by itself
 * when all were read and nothing waits any more.
 */
#include "config.h"

#include "base/clock.h"
#include "base/log.h"
#include "sync/internal.h"

int engine_distrust_state(struct engine *n, struct error *e)
{
    int r = books_write(n->books, e);
    if (r == 0)
        r = books_distrust(n->books, true, e);
    if (r == 0)
        r = person_mark_all_dirty(n->state, e);
    if (r == 0)
        r = books_commit(n->books, e);
    n->read_anew = false;
    if (n->options.tenant && !n->options.plan_only)
        n->sweep_usec = clock_now_usec();
    alarm_set(n->books, REASON_STATE_RESTORED, REASON_STATE_RESTORED,
              "an older copy of the state file was restored: nobody who has a user is changed "
              "before `rosterctl plan` was looked at and approved");
    return r;
}

static int count_waiting(const struct operation *o, void *userdata)
{
    if (text_equal(o->reason, REASON_STATE_RESTORED))
        ++*(size_t *)userdata;
    return 0;
}

int distrust_check(struct engine *n, struct error *e)
{
    size_t n_waiting = 0;
    if (!books_are_distrusted(n->books) || !n->read_anew)
        return 0;
    int r = queue_each(n->state, OPERATION_PARKED, count_waiting, &n_waiting, e);
    if (r != 0 || n_waiting)
        return r;
    alarm_over(n->books, REASON_STATE_RESTORED);
    log_notice("The tenant's users were read again: the state file is trusted");
    return books_distrust(n->books, false, e);
}
