/*
 * Promise 7: a revocation waits for nobody. The company tells when one begins (oracle_revoked()).
 */
#include "config.h"

#include <string.h>

#include "company.h"
#include "directory.h"
#include "dormant.h"
#include "guarded.h"
#include "life.h"
#include "operator.h"
#include "oracle.h"
#include "pace.h"
#include "rules.h"
#include "witness.h"
#include "world.h"

/* From the directory's commit to the request, and until access has ended: the pace of a slow
 * tenant, and its answer. */
#define AT_THE_WIRE  (1 * SECOND)
#define AT_ONCE      (2 * SECOND)

static bool works(const struct person *p)
{
    return oracle_has_access(p->login) || oracle_has_access(p->old_login);
}

/* Nothing keeps rosterd from it. */
static bool is_free(const struct person *p, uint64_t since_usec)
{
    return !p->item->gone && oracle_is_revoked(p->item) && operator_quiet_usec() <= since_usec &&
           life_was_quiet(since_usec - HOUR);
}

static void asked_by_now(void *userdata, uint64_t since_usec)
{
    const struct person *p = userdata;
    if (!is_free(p, since_usec))
        return;
    world.n_checks++;
    if (works(p) && p->written_usec < since_usec)
        broken(7, "%s was revoked a second ago, and no request says so", p->login);
}

static void revoked_by_now(void *userdata, uint64_t since_usec)
{
    const struct person *p = userdata;
    if (!is_free(p, since_usec))
        return;
    world.n_checks++;
    if (pace_is_busy())
        seen(POINT_BUSY_REVOCATION);
    if (works(p))
        broken(7, "%s was revoked %llu s ago and still has access", p->login,
               (unsigned long long)((world.steady_usec - since_usec) / SECOND));
}

/* At the wire within a second where changes are followed; of more than the tenant takes a second,
 * the last are later. */
static void await_revocation(struct person *p)
{
    unsigned n = 0;
    for (size_t i = 0; i < company.n_people; i++)
        n += company.people[i]->revoked_usec &&
             world.steady_usec - company.people[i]->revoked_usec < 2 * SECOND;
    p->revoked_usec = world.steady_usec;
    if (directory_data.server != SERVER_AD && n + 1 < rules.rate)
        world_at(world.steady_usec + AT_THE_WIRE, asked_by_now, p, world.steady_usec);
    world_at(world.steady_usec + AT_ONCE, revoked_by_now, p, world.steady_usec);
}

void oracle_revoked(struct person *p)
{
    /* Whoever has just come, or just got another name, may be in the middle of it. */
    bool settled = world.steady_usec - p->changed_usec > 5 * MINUTE;
    bool guarded = guarded_is(p->login) || guarded_is(p->old_login);
    if (settled && !p->forgotten && !dormant_was_just_woken(p) && !p->apart_until_usec &&
        !guarded && !rules.limits[LIMIT_REVOKE] && works(p) && witness_follows())
        await_revocation(p);
}

void oracle_throttled(const char *login)
{
    seen(POINT_THROTTLED);
    for (size_t i = 0; i < company.n_people; i++)
        if (strcmp(company.people[i]->login, login) == 0 &&
            oracle_is_revoked(company.people[i]->item))
            seen(POINT_THROTTLED_REVOCATION);
}
