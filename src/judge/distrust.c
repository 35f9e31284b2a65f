/*
 * An older copy of the state file was restored: what it says of the tenant's users is not what
 * rosterd wrote last. Every linked user is read again, what the tenant holds becomes what is
 * known, and whatever then differs for a linked person waits for approval. It ends by itself
 * when all were read and nothing waits any more.
 */
#include "config.h"

#include "base/log.h"
#include "base/text.h"
#include "books/books.h"
#include "judge/gate.h"
#include "model/operation.h"
#include "state/person.h"
#include "state/queue.h"

int distrust_begin(struct books *b, struct error *e)
{
    int r = books_distrust(b, true, e);
    if (r == 0)
        r = person_mark_all_dirty(books_state(b), e);
    if (r < 0)
        return r;
    alarm_set(b, REASON_STATE_RESTORED, REASON_STATE_RESTORED,
              "an older copy of the state file was restored: nobody who has a user is changed "
              "before `rosterctl plan` was looked at and approved");
    return books_commit(b, e);
}

static int count_waiting(const struct operation *o, void *userdata)
{
    if (text_equal(o->reason, REASON_STATE_RESTORED))
        ++*(size_t *)userdata;
    return 0;
}

int distrust_check(struct books *b, struct error *e)
{
    size_t n_waiting = 0;
    if (!books_are_distrusted(b))
        return 0;
    int r = queue_each(books_state(b), OPERATION_PARKED, count_waiting, &n_waiting, e);
    if (r != 0 || n_waiting)
        return r;
    alarm_over(b, REASON_STATE_RESTORED);
    log_notice("The tenant's users were read again: the state file is trusted");
    return books_distrust(b, false, e);
}
