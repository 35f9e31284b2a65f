/*
 * First and last days, in the directory's own time, which is right; the daemon's clock may not
 * be (belief.h). When one passes, nobody is told anything: the daemon knows it by itself.
 */
#include "config.h"

#include "dates.h"

#include <stdio.h>
#include <time.h>

#include "belief.h"
#include "budgets.h"
#include "company.h"
#include "directory.h"
#include "groups.h"
#include "life.h"
#include "operator.h"
#include "oracle.h"
#include "rules.h"
#include "world.h"

#define TO_THE_SECOND (4 * SECOND) /* at two requests a second */

bool dates_has_begun(const struct item *i)
{
    return i->works ||
           i->first_usec <= belief_usec(); /* the access of who has it is not taken */
}

bool dates_has_ended(const struct item *i)
{
    return i->last_usec && i->last_usec <= belief_usec();
}

static bool is_past(uint64_t usec, uint64_t ago_usec)
{
    return usec && usec <= belief_usec() && usec + ago_usec > belief_usec();
}

bool dates_came(const struct item *i, uint64_t ago_usec)
{
    bool any = i->first_usec || i->last_usec;
    return is_past(i->first_usec, ago_usec) || is_past(i->last_usec, ago_usec) ||
           (any && (belief_moved(ago_usec) || belief_is_unknown()));
}

/* When whoever is to begin is made, disabled; 0: not before the first day. */
static uint64_t made_usec(const struct item *i)
{
    uint64_t ahead = rules.ahead * HOUR;
    return ahead && i->first_usec > ahead ? i->first_usec - ahead : 0;
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
        groups_quiet_usec() < since_usec)
        oracle_one(p);
}

/* It may be another date by now, or nobody's. */
static void passes(void *userdata, uint64_t at_usec)
{
    struct person *p = userdata;
    const struct item *i = p->item;
    if (i->gone ||
        (i->first_usec != at_usec && i->last_usec != at_usec && made_usec(i) != at_usec))
        return;
    if (at_usec > belief_usec()) { /* by another clock than was believed when it was noted */
        world_at(world.steady_usec + at_usec - belief_usec(), passes, p, at_usec);
        return;
    }
    bool settled = world.steady_usec - p->changed_usec > 2 * HOUR;
    n_requests = world.n_requests;
    company_touch(p);
    p->told_usec = world.steady_usec;
    if (made_usec(i) != at_usec)
        seen(i->last_usec == at_usec ? POINT_ENDED : POINT_BEGAN);
    if (settled && !budgets_hold() && !belief_moved(HOUR) && !belief_is_unknown())
        world_at(world.steady_usec + TO_THE_SECOND, passed_by_now, p, world.steady_usec);
}

static void await(struct person *p, uint64_t at_usec)
{
    uint64_t now = belief_usec(), left = at_usec > now ? at_usec - now : 0;
    world_at(world.steady_usec + left, passes, p, at_usec);
}

/* Also when the user is to be made ahead of it. */
static void await_first(struct person *p)
{
    if (made_usec(p->item) > belief_usec())
        await(p, made_usec(p->item));
    await(p, p->item->first_usec);
}

/* By the clock that is believed now some have begun or ended who had not, or the other way
 * round. */
void dates_belief_moved(void)
{
    for (size_t i = 0; i < company.n_people; i++) {
        struct person *p = company.people[i];
        if (!p->item->first_usec && !p->item->last_usec)
            continue;
        company_touch(p);
        p->told_usec = world.steady_usec;
        if (p->item->first_usec > belief_usec())
            await_first(p);
        if (p->item->last_usec > belief_usec())
            await(p, p->item->last_usec);
    }
}

/* Whoever is made or enabled has begun, or is made disabled within the time that is allowed. */
void dates_check(const struct person *p, bool works, const char *method)
{
    uint64_t ahead = works ? 0 : rules.ahead * HOUR;
    world.n_checks++;
    if (belief_is_unknown() || belief_moved(5 * MINUTE))
        return;
    if (p->item->first_usec > belief_usec() + ahead)
        broken(27, "a %s of %s comes %llu minutes before the first day", method, p->login,
               (unsigned long long)((p->item->first_usec - belief_usec()) / MINUTE));
    if (works && dates_has_ended(p->item) && !oracle_is_news(p))
        broken(27, "a %s gives %s access after the last day", method, p->login);
}

bool dates_is_awaited(const struct item *i)
{
    return rules.ahead && !dates_has_begun(i) &&
           i->first_usec < belief_usec() + rules.ahead * HOUR;
}

void dates_begin(struct person *p, uint64_t seconds)
{
    char text[24];
    if (!rules.dates)
        return;
    p->item->first_usec = moment(seconds, text);
    item_add(p->item, FIRST_DAY, text);
    await_first(p);
}

void dates_end(struct person *p, uint64_t seconds)
{
    char text[24] = "";
    if (!rules.dates)
        return;
    p->item->last_usec = seconds ? moment(seconds, text) : 0;
    change_begin(p->item);
    item_set(p->item, LAST_DAY, seconds ? text : NULL);
    change_end(p->item);
    if (seconds)
        await(p, p->item->last_usec);
}
