/*
 * The interval of the verification. It does not begin anew with each start: where those come
 * more often than it is long, nobody would ever be read.
 */
#include "config.h"

#include "deliver/verified.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "state/state.h"

#define META_VERIFIED "verified"

void verified_note(struct books *b)
{
    char number[24];
    struct error e = {0};
    snprintf(number, sizeof(number), "%" PRIu64, clock_steady_usec());
    if (state_meta_set(books_state(b), META_VERIFIED, number, &e) < 0)
        books_failed(b, &e);
    books_note(b, WORK_COMMIT);
}

uint64_t verified_due_usec(struct books *b)
{
    uint64_t now = clock_steady_usec(), interval = books_options(b)->sync->verify_interval_usec,
             last = (uint64_t)state_meta_number(books_state(b), META_VERIFIED, 0);
    if (!interval)
        return 0;
    if (!last || last > now) {
        verified_note(b);
        last = now;
    }
    return last + interval > now ? last + interval : now;
}

/* The tenant was away, or nothing may be asked: that puts off nobody for a whole interval. */
uint64_t verified_wait(const struct books *b, bool whole)
{
    const struct sync_options *o = books_options(b)->sync;
    bool soon = !whole && o->hold_retry_usec < o->verify_interval_usec;
    return soon ? o->hold_retry_usec : o->verify_interval_usec;
}
