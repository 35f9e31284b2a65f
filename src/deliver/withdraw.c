/*
 * The one rule for leaving. Intents are durable ahead of the free slot, and their calls wait in the
 * tenant's client: for the pace, for a connection, for a token. When one would leave, it does only
 * if it began in the present epoch (books_epoch()), nothing about its person has moved since, and
 * its approval holds. Otherwise it is withdrawn: back to the queue as it was before, unspent, since
 * nothing was done, and the person is looked at again.
 *
 * An operation of which something may have been done is never withdrawn. It goes on to its end,
 * with the reads and the few writes that belong to it: half of a person at the tenant, for as long
 * as a pause lasts, would be worse, and what is known of that person would be half as well.
 */
#include "config.h"

#include <stdio.h>

#include "audit/audit.h"
#include "deliver/machine.h"
#include "state/state.h"

static bool may_have_done(const struct execution *x)
{
    return x->sending.writes ? x->sending.wrote_before : x->sending.wrote;
}

/* What is asked in memory. A read that settles an earlier attempt tells what that has done,
 * whatever is wanted by now. NULL: nothing. */
static const char *what_changed(const struct execution *x)
{
    const struct books *b = x->delivery->books;
    if (x->basis.epoch != books_epoch(b))
        return books_epoch_why(b);
    return x->intent.moved && !x->learnt.is_unclear ? "something about the person changed" : NULL;
}

/* As it was before it began. */
static int put_back(struct execution *x, struct error *e)
{
    struct operation *o = x->operation;
    struct state *s = x->delivery->state;
    o->state = OPERATION_READY;
    o->attempts--;
    if (!x->basis.was_unclear)
        execution_end_approval(x);
    int r = queue_store(s, o, e);
    if (r == 0 && x->kind->looks)
        r = queue_looks(s, o->number, x->basis.looked, e);
    if (r == 0 && o->revokes) /* which no read holds up */
        r = books_note_revocation(x->delivery->books, o->entry_id, e);
    return r < 0 ? r : person_mark_dirty(s, o->entry_id, e);
}

static void withdraw(struct execution *x, const char *why)
{
    struct error e = {0};
    char sentence[160];
    snprintf(sentence, sizeof(sentence), "withdrawn before it left: %s", why);
    books_note(x->delivery->books, WORK_GUARD);
    int r = put_back(x, &e);
    if (r < 0)
        execution_broken(x, &e);
    else
        execution_withdrawn(x, sentence);
}

bool execution_stays(struct execution *x)
{
    const char *why = may_have_done(x) ? NULL : what_changed(x);
    if (why)
        withdraw(x, why);
    return !why;
}

bool execution_leaves(struct execution *x)
{
    const struct operation *o = x->operation;
    struct error e = {0};
    const char *why = NULL;
    if (!may_have_done(x)) {
        why = what_changed(x);
        if (!why && !x->basis.was_unclear && execution_approval_is_over(o))
            why = "its approval has ended";
        /* Revocations wait for no look at the person. */
        if (!why && !x->learnt.is_unclear && !o->revokes &&
            person_is_marked(x->delivery->state, o->entry_id, &e))
            why = "something about the person changed";
    }
    if (why)
        withdraw(x, why);
    return !why;
}
