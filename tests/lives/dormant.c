/* Who does not log in any more (dormant.h). */
#include "config.h"

#include "dormant.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "budgets.h"
#include "company.h"
#include "deeds.h"
#include "directory.h"
#include "guarded.h"
#include "life.h"
#include "oracle.h"
#include "plan.h"
#include "rules.h"
#include "simulated.h"
#include "tenant.h"
#include "world.h"

extern struct simulator tenant;

#define SETTLE (2 * HOUR)
/* A request is on its way while somebody logs in. */
#define MOMENT (2 * MINUTE)

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t used_usec(const struct person *p)
{
    return later(later(p->login_usec, p->enabled_usec), p->unreadable_until_usec);
}

static bool is_on_shift(const struct person *p)
{
    const struct user *u = store_user(&tenant.store, p->login);
    return u && u->logged_in;
}

static bool is_unused_by(const struct person *p, uint64_t now_usec)
{
    return rules.dormant && !p->is_unreadable && !is_on_shift(p) &&
           used_usec(p) + rules.dormant * DAY <= now_usec;
}

bool dormant_is(const struct person *p)
{
    return is_unused_by(p, world.steady_usec);
}

/* When somebody was made or enabled is a date, and a machine whose clock nobody keeps right may
 * have been behind by what it was off before. */
static bool is_dormant_by_its_clock(const struct person *p)
{
    return is_unused_by(p, world.steady_usec + world.off_usec);
}

void dormant_logs_in(struct person *p, const struct happening *h)
{
    uint64_t ago = h->seconds * SECOND;
    if (!rules.dormant || !oracle_has_access(p->login) || ago >= world.steady_usec)
        return;
    if (p->is_unreadable)
        p->unreadable_until_usec = world.steady_usec;
    p->is_unreadable = strcmp(h->to, "unreadable") == 0;
    if (world.steady_usec - ago > p->login_usec) {
        p->login_usec = world.steady_usec - ago;
        tenant_logs_in(p->login, ago / SECOND);
    }
    seen(p->is_unreadable ? POINT_UNREADABLE : POINT_LOGGED_IN);
}

void dormant_is_enabled(struct person *p)
{
    p->enabled_usec = world.steady_usec;
    p->is_dormant = p->use_is_unknown = false;
}

void dormant_woken(struct person *p)
{
    if (!p->is_dormant || p->forgotten || !tenant_enable(p->login))
        return;
    dormant_is_enabled(p);
    p->woken_usec = world.steady_usec;
    seen(POINT_WOKEN);
}

bool dormant_was_just_woken(const struct person *p)
{
    return p->woken_usec && p->woken_usec + 2 * rules.verify_usec + SETTLE > world.steady_usec;
}

bool dormant_disabled(struct person *p, const struct deed *d)
{
    if (!rules.dormant || !rules.dormant_disables || strcmp(d->op, "disable") != 0)
        return false;
    if (oracle_is_news(p) && !dormant_is(p))
        return false; /* for something else, of before */
    if (p->use_is_unknown || world.steady_usec - used_usec(p) < MOMENT)
        ;
    else if (!is_dormant_by_its_clock(p))
        broken(26, "%s is disabled as dormant, and was there %llu minutes ago", p->login,
               (unsigned long long)((world.steady_usec - used_usec(p)) / MINUTE));
    p->is_dormant = true;
    seen(POINT_DORMANT);
    return true;
}

void dormant_answered(struct request *q)
{
    static const char name[] = "\"lastLoginTime\"";
    const struct person *p =
        q->login && q->method == METHOD_GET ? oracle_person(q->login) : NULL;
    char *at = p && p->is_unreadable && q->answer.data
                   ? memmem(q->answer.data, q->answer.length, name, sizeof(name) - 1)
                   : NULL;
    at = at ? strstr(at, "20") : NULL; /* the year */
    if (at)
        memcpy(at, "yesterday ", 10);
}

void dormant_forgotten(struct person *p)
{
    p->use_is_unknown = true;
    if (p->disabled_before)
        p->is_dormant = false;
}

/* ---- each day ---- */

/* The operation of somebody that waits for this; NULL: none does. */
static const json_t *waits(const json_t *operations, const struct person *p, const char *cause)
{
    size_t i;
    const json_t *o;
    json_array_foreach(operations, i, o)
    {
        const char *dn = json_string_value(json_object_get(json_object_get(o, "person"), "dn")),
                   *its = json_string_value(json_object_get(o, "cause"));
        if (dn && its && strcasecmp(dn, p->item->dn) == 0 && strcmp(its, cause) == 0)
            return o;
    }
    return NULL;
}

/* Everything that was decided about them has been heard, and read. */
static bool is_settled(const struct person *p)
{
    return oracle_is_entitled(p->item) &&
           world.steady_usec - p->changed_usec > rules.verify_usec + SETTLE && !p->forgotten &&
           !p->use_is_unknown && !p->twin && oracle_has_access(p->login) &&
           p->apart_until_usec + rules.verify_usec < world.steady_usec &&
           strcmp(p->login, API_USER) != 0 && item_get(p->item, "givenName") &&
           item_get(p->item, "sn");
}

static void check(const json_t *operations, const struct person *p, uint64_t since_usec)
{
    uint64_t due =
                 later(used_usec(p) + rules.dormant * DAY, since_usec) + rules.verify_usec + SETTLE,
             told = later(used_usec(p), since_usec) + rules.verify_usec + SETTLE;
    bool is_told = waits(operations, p, "dormant");
    world.n_checks++;
    if (rules.dormant_disables && dormant_is(p) && due < world.steady_usec &&
        !waits(operations, p, "budget:dormant") && !guarded_is(p->login))
        broken(26, "%s did not log in for %llu hours, and is not disabled", p->login,
               (unsigned long long)((world.steady_usec - used_usec(p)) / HOUR));
    if (!rules.dormant_disables && dormant_is(p) && due < world.steady_usec && !is_told)
        broken(26, "%s did not log in for %llu hours, and nobody is told", p->login,
               (unsigned long long)((world.steady_usec - used_usec(p)) / HOUR));
    if (is_told && !dormant_is(p) && !is_on_shift(p) && !p->is_unreadable &&
        told < world.steady_usec)
        broken(26, "%s is told to be dormant, and was there %llu hours ago", p->login,
               (unsigned long long)((world.steady_usec - used_usec(p)) / HOUR));
    if (is_told)
        seen(POINT_DORMANT_TOLD);
}

void dormant_day_end(uint64_t since_usec)
{
    json_t *plan = rules.dormant ? life_plan() : NULL;
    for (size_t i = 0; plan && i < company.n_people; i++)
        if (is_settled(company.people[i]))
            check(json_object_get(plan, "operations"), company.people[i], since_usec);
    json_decref(plan);
}
