#include "config.h"

#include "contact/put-off.h"

#include <stdio.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "model/operation.h"
#include "tenant/client.h"

#define BEFORE_ALARM 10

static void tell(struct put_off *p, struct books *b, const struct tenant_answer *a,
                 const char *what, const char *meanwhile)
{
    char sentence[700], answered[40] = "gave no answer";
    if (a->status)
        snprintf(answered, sizeof(answered), "answered %d", a->status);
    snprintf(sentence, sizeof(sentence),
             "the tenant puts off %s again and again, and %s before it was answered: %s %s", what,
             meanwhile, a->url, answered);
    alarm_set(b, ALARM_FIRST_CONTACT, REASON_THROTTLED, sentence);
    p->alarm = true;
}

uint64_t put_off_again(struct put_off *p, struct books *b, const struct tenant_answer *a,
                       const char *what, const char *meanwhile)
{
    const struct sync_options *o = books_options(b)->sync;
    uint64_t wait = backoff_wait(o->retry_min_usec, o->retry_max_usec, ++p->n, random_number());
    wait = a->retry_after_usec > wait ? a->retry_after_usec : wait;
    log_info("The tenant puts off %s; it is asked again in %llu s", what,
             (unsigned long long)(wait / USEC_PER_SEC));
    if (meanwhile && (p->n > BEFORE_ALARM || wait > o->retry_max_usec))
        tell(p, b, a, what, meanwhile);
    books_wake(b, WORK_DUE);
    return clock_steady_usec() + wait;
}

void put_off_over(struct put_off *p, struct books *b)
{
    if (p->alarm)
        alarm_over(b, ALARM_FIRST_CONTACT);
    *p = (struct put_off){0};
}
