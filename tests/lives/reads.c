/* When all of the directory was read (reads.h): whoever does that reads the groups last, with
 * their members, and asks for no part of them. */
#include "config.h"

#include "reads.h"

#include <ldap.h>
#include <string.h>
#include <strings.h>

#include "peer.h"
#include "world.h"

#define KEPT      64
#define IN_PIECES (2 * MINUTE) /* what is asked after that is a part of it */

static uint64_t whole[KEPT], slept[KEPT]; /* and how long the machine had slept by then */
static unsigned n_whole;

static bool asks_for(const struct search *s, const char *name)
{
    struct part left = s->q.attributes, a;
    while (part_take(&left, &a))
        if (part_is(&a, name))
            return true;
    return false;
}

void reads_served(const struct search *s)
{
    const char *last = directory_data.nested_bases ? SUFFIX : "ou=groups," SUFFIX;
    bool groups = strcasecmp(s->q.base, last) == 0; /* or one search has all of them */
    if (!groups || s->q.scope != LDAP_SCOPE_SUBTREE || s->q.filter.tag != FILTER_OR ||
        (s->q.sync && *s->q.cookie) || !asks_for(s, "member"))
        return;
    slept[n_whole % KEPT] = world.slept_usec;
    whole[n_whole++ % KEPT] = world.steady_usec;
}

uint64_t reads_whole_usec(uint64_t after_usec)
{
    uint64_t first = 0;
    for (unsigned i = 0; i < KEPT; i++)
        if (whole[i] > after_usec && (!first || whole[i] < first))
            first = whole[i];
    return first;
}

uint64_t reads_last_usec(void)
{
    return n_whole ? whole[(n_whole - 1) % KEPT] : 0;
}

/* Of what a machine slept, a boot finds out what its dates had not followed yet. */
bool reads_ended_by(uint64_t usec)
{
    for (unsigned i = 0; i < KEPT; i++)
        if (whole[i] && whole[i] <= usec + world.slept_usec - slept[i] + SECOND &&
            usec <= whole[i] + IN_PIECES)
            return true;
    return false;
}
