/*
 * An older copy of the state file was restored: what it says of the tenant's users is not what
 * rosterd wrote last. Every linked user is read again, what the tenant holds becomes what is
 * known, and whatever then differs for a linked person waits for approval. It ends by itself
 * when all were read and nothing waits any more. Of whom the newer state made nothing is known
 * for good: a create may be of a user who is there, whenever it is planned.
 */
#include "config.h"

#include "base/log.h"
#include "base/text.h"
#include "books/books.h"
#include "judge/gate.h"
#include "model/operation.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"

int distrust_begin(struct books *b, struct error *e)
{
    size_t n_ended;
    int r = books_distrust(b, true, e);
    if (r == 0)
        r = person_mark_all_dirty(books_state(b), e);
    if (r == 0) /* it was about another plan */
        r = approval_forget_all(books_state(b), e);
    if (r == 0) /* also where another older copy was approved already */
        r = queue_end_approvals(books_state(b), INT64_MAX, &n_ended, e);
    if (r < 0)
        return r;
    alarm_set(b, REASON_STATE_RESTORED, REASON_STATE_RESTORED,
              "an older copy of the state file was restored: nobody who has a user is changed "
              "until `rosterctl plan` has been looked at and approved");
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
