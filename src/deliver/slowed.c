#include "config.h"

#include "deliver/slowed.h"

#include <stdio.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "model/operation.h"
#include "state/queue.h"

#define ALARM_USERS "tenant-users"
/* People in a row. */
#define MOST_IN_A_ROW 20
/* Parts of [retry] max: the greatest delay between two tries while so many fail, and how long
 * whoever was tried waits for each who fails. So half of the tries are of others. */
#define DELAY_PART   10
#define WAIT_PART    5
#define LONGEST_USEC (24 * 60 * 60 * USEC_PER_SEC)
#define FRESH_USEC   USEC_PER_SEC /* between two who are tried for the first time */
/* So often each is tried as if alone, while others are answered. */
#define TRIES_ALONE 8

static void tell(struct slowed *s, struct books *b)
{
    char sentence[300];
    snprintf(sentence, sizeof(sentence),
             "the tenant is there, and has answered for none of %zu people in a row: few are tried "
             "at a time until it answers for one; look at the tenant, or call its operator",
             s->row.n_items);
    alarm_set(b, ALARM_USERS, REASON_TENANT_AWAY, sentence);
}

uint64_t slowed_failed(struct slowed *s, struct books *b, const char *entry_id, unsigned attempts,
                       uint64_t wait_usec)
{
    const struct sync_options *o = books_options(b)->sync;
    uint64_t now = clock_steady_usec();
    vain_note(&s->failing, entry_id, true);
    vain_note(&s->row, entry_id, true);
    if (s->row.n_items >= MOST_IN_A_ROW && now >= s->next_usec) {
        s->next_usec = now + backoff_wait(o->retry_min_usec, o->retry_max_usec / DELAY_PART,
                                          ++s->n_tries, random_number());
        if (!s->is_slow)
            tell(s, b);
        s->is_slow = true;
        books_wake(b, WORK_DUE); /* which sets the timer */
    }
    uint64_t share = s->failing.n_items * (o->retry_max_usec / WAIT_PART);
    if (share > LONGEST_USEC)
        share = LONGEST_USEC;
    bool crowd = s->is_slow || attempts > TRIES_ALONE;
    return crowd && share > wait_usec ? share : wait_usec;
}

static void free_others(struct books *b)
{
    static const char *const causes[] = {"tenant", "unclear"};
    struct error e = {0};
    bool any = false;
    int r = 0;
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]) && r == 0; i++)
        r = queue_release(books_state(b), causes[i], clock_steady_usec(), &any, &e);
    if (r < 0)
        books_failed(b, &e);
    books_wake(b, WORK_DUE);
}

void slowed_answered(struct slowed *s, struct books *b, const char *entry_id, bool done)
{
    bool failed = vain_waits(&s->failing, entry_id);
    if (s->is_slow || !s->was_answered) /* or of before this start */
        alarm_over(b, ALARM_USERS);
    if (s->is_slow)
        books_wake(b, WORK_DUE);
    s->is_slow = false;
    s->was_answered = true;
    s->n_tries = 0;
    s->next_usec = 0;
    vain_done(&s->row);
    if (!failed)
        return;
    vain_forget(&s->failing, entry_id);
    if (!done || !s->failing.n_items)
        return;
    vain_done(&s->failing);
    free_others(b);
}

bool slowed_lets(const struct slowed *s, uint64_t n_under_way)
{
    return !s->is_slow || (!n_under_way && s->next_usec <= clock_steady_usec());
}

bool slowed_lets_fresh(const struct slowed *s)
{
    return s->is_slow && s->fresh_usec <= clock_steady_usec();
}

void slowed_tries(struct slowed *s)
{
    s->fresh_usec = clock_steady_usec() + FRESH_USEC;
}

uint64_t slowed_due_usec(const struct slowed *s)
{
    uint64_t now = clock_steady_usec();
    uint64_t next = s->next_usec > now ? s->next_usec : 0;
    bool sooner = s->fresh_usec > now && (!next || s->fresh_usec < next);
    return !s->is_slow ? 0 : sooner ? s->fresh_usec : next;
}

void slowed_done(struct slowed *s)
{
    vain_done(&s->failing);
    vain_done(&s->row);
}
