/*
 * [sync] mode = observe: everything is planned and nothing written, until a person says that it
 * may begin. That is remembered in the state as long as the configuration says so; a
 * configuration that does not observe forgets it, so that one that does so later observes anew.
 */
#include "config.h"

#include "base/log.h"
#include "sync/internal.h"

#define META_STARTED "observing-ended"

bool engine_observes(const struct engine *n)
{
    return n->options.sync->mode == SYNC_OBSERVE && !n->observing_ended;
}

int observe_begin(struct engine *n, struct error *e)
{
    n->observing_ended = state_meta_number(n->state, META_STARTED, 0) != 0;
    if (n->options.sync->mode != SYNC_OBSERVE && n->observing_ended) {
        n->observing_ended = false;
        int r = books_write(n->books, e);
        return r < 0 ? r : state_meta_set(n->state, META_STARTED, NULL, e);
    }
    if (engine_observes(n) && !n->options.plan_only)
        log_notice("Observing ([sync] mode = observe): everything is planned, nothing is written; "
                   "`rosterctl start`, or approving the whole plan, begins");
    return 0;
}

int observe_end(struct engine *n, const char *sentence, struct error *e)
{
    if (!engine_observes(n))
        return 0;
    int r = books_write(n->books, e);
    if (r == 0)
        r = state_meta_set(n->state, META_STARTED, "1", e);
    if (r == 0)
        r = engine_note_request(n, "start", NULL, sentence, e);
    if (r < 0)
        return r;
    n->observing_ended = true;
    books_note(n->books, WORK_ALARMS | WORK_GUARD);
    log_notice("Writing to the tenant begins: %s", sentence);
    return 0;
}

int engine_begin_writing(struct engine *n, bool *ret_was_observing, struct error *e)
{
    *ret_was_observing = engine_observes(n);
    return observe_end(n, "observing is over: what is planned is written from now on", e);
}
