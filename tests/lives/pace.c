/* Requests within a second, and at once (pace.h). */
#include "config.h"

#include "pace.h"

#include "company.h"
#include "oracle.h"
#include "rules.h"
#include "world.h"

#define RATE_MAX 64

/* When the last requests arrived; none is on its way for longer than no time. */
static uint64_t arrived_usec[RATE_MAX], n_arrived;

void pace_begin(void)
{
    n_arrived = 0;
}

static void check_pace(void)
{
    uint64_t before = arrived_usec[(n_arrived + RATE_MAX - rules.rate) % RATE_MAX];
    /* What libcurl sends again by itself, since its connection was closed, is not asked. */
    if (n_arrived >= rules.rate && world.steady_usec - before < SECOND &&
        world.steady_usec - world.cut_usec > 2 * SECOND)
        broken(5, "more than %u requests within a second", rules.rate);
    arrived_usec[n_arrived++ % RATE_MAX] = world.steady_usec;
}

/* A revocation waits for nobody: two of its requests may be beside the others. */
static void check_at_once(const struct person *p, unsigned n)
{
    unsigned most = rules.at_once + (p && oracle_is_revoked(p->item) ? 2 : 0);
    if (n > most)
        broken(5, "%u requests at once, %u are allowed", n, most);
}

void pace_check(const struct person *p, unsigned n_under_way)
{
    check_pace();
    check_at_once(p, n_under_way);
}

/* Many requests came lately. */
bool pace_is_busy(void)
{
    return n_arrived > 16 &&
           world.steady_usec - arrived_usec[(n_arrived - 16) % RATE_MAX] < 10 * SECOND;
}
