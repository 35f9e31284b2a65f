/*
 * First and last days, in the directory's own time, which is right: lives with dates have no clock
 * that is set (draw.c). When one passes, nobody is told anything: the daemon knows it by itself.
 */
#include "config.h"

#include "dates.h"

#include <stdio.h>
#include <time.h>

#include "budgets.h"
#include "company.h"
#include "directory.h"
#include "life.h"
#include "operator.h"
#include "oracle.h"
#include "rules.h"
#include "world.h"

#define TO_THE_SECOND (4 * SECOND) /* at two requests a second */

bool dates_has_begun(const struct item *i)
{
    return i->first_usec <= world.steady_usec;
}

bool dates_has_ended(const struct item *i)
{
    return i->last_usec && i->last_usec <= world.steady_usec;
}

static bool is_past(uint64_t usec, uint64_t ago_usec)
{
    return usec && usec <= world.steady_usec && usec + ago_usec > world.steady_usec;
}

bool dates_came(const struct item *i, uint64_t ago_usec)
{
    return is_past(i->first_usec, ago_usec) || is_past(i->last_usec, ago_usec);
}

/* Whole seconds, which is what is written. */
static uint64_t moment(uint64_t seconds, char text[24])
{
    uint64_t usec = BEGINNING + ((world.steady_usec - BEGINNING) / SECOND + seconds) * SECOND;
    time_t t = (time_t)(1767225600 + (usec - BEGINNING) / SECOND);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(text, 24, "%Y%m%d%H%M%SZ", &tm);
    return usec;
}

static uint64_t n_requests; /* when the last date passed */

/* Unless others are in the way, or whoever it is about. */
static void passed_by_now(void *userdata, uint64_t since_usec)
{
    struct person *p = userdata;
    bool alone = world.n_requests < n_requests + 8 && p->changed_usec == since_usec &&
                 !p->forgotten && !p->apart_until_usec;
    if (alone && life_was_quiet(since_usec - HOUR) && operator_quiet_usec() < since_usec &&
        company_quiet_usec() < since_usec)
        oracle_one(p);
}

/* It may be another date by now, or nobody's. */
static void passes(void *userdata, uint64_t at_usec)
{
    struct person *p = userdata;
    const struct item *i = p->item;
    if (i->gone || (i->first_usec != at_usec && i->last_usec != at_usec))
        return;
    bool settled = world.steady_usec - p->changed_usec > 2 * HOUR;
    n_requests = world.n_requests;
    company_touch(p);
    p->told_usec = world.steady_usec;
    seen(i->last_usec == at_usec ? POINT_ENDED : POINT_BEGAN);
    if (settled && !budgets_hold())
        world_at(world.steady_usec + TO_THE_SECOND, passed_by_now, p, world.steady_usec);
}

void dates_begin(struct person *p, uint64_t seconds)
{
    char text[24];
    p->item->first_usec = moment(seconds, text);
    item_add(p->item, FIRST_DAY, text);
    world_at(p->item->first_usec, passes, p, p->item->first_usec);
}

void dates_end(struct person *p, uint64_t seconds)
{
    char text[24] = "";
    p->item->last_usec = seconds ? moment(seconds, text) : 0;
    change_begin(p->item);
    item_set(p->item, LAST_DAY, seconds ? text : NULL);
    change_end(p->item);
    if (seconds)
        world_at(p->item->last_usec, passes, p, p->item->last_usec);
}
