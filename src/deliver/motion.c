/*
 * Whoever may have been changed by a request of ours is in motion until that is settled.
 */
#include "config.h"

#include "deliver/motion.h"

#include "base/memory.h"
#include "base/text.h"
#include "model/operation.h"
#include "state/link.h"
#include "state/queue.h"

/* However long it waits, and how often it was tried: with the outcome it is known what was
 * done. */
static bool only_waits(const struct operation *o)
{
    return o->state != OPERATION_STARTED && !operation_is_unclear(o);
}

/* A user that was renamed there, or is gone, waits for a person, who may undo that there; and
 * after an older state was restored, what waits does so until the user was read. */
bool motion_is(const struct link *l, const struct operation_list *busy)
{
    for (size_t i = 0; i < busy->n_items; i++) {
        const struct operation *o = busy->items[i];
        bool waits = only_waits(o) || l->renamed_there || l->gone ||
                     text_equal(o->reason, REASON_USER_GONE) ||
                     text_equal(o->reason, REASON_STATE_RESTORED) ||
                     text_equal(o->reason, REASON_DORMANT);
        if (!waits || o->state == OPERATION_STARTED)
            return true;
    }
    return false;
}

int motion_is_under_way(struct state *s, const char *entry_id, struct error *e)
{
    CLEANUP(operation_list_done) struct operation_list busy = {0};
    int r = queue_of_person(s, entry_id, &busy, e);
    for (size_t i = 0; i < busy.n_items && r == 0; i++)
        r = busy.items[i]->state == OPERATION_STARTED;
    return r;
}

int motion_learn_id(struct state *s, const char *entry_id, const char *login, const char *id,
                    struct error *e)
{
    int r = motion_is_under_way(s, entry_id, e);
    return r != 0 ? (r < 0 ? r : 0) : link_learn_id(s, entry_id, login, id, e);
}
