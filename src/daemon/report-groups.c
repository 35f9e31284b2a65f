/*
 * The groups of the rules as the mirror has them now. Status, a check and a look at another
 * configuration ask alike.
 */
#include "config.h"

#include <stdlib.h>

#include "base/error.h"
#include "daemon/report.h"
#include "mapping/ruleset.h"
#include "state/mirror.h"

int report_bind_groups(struct state *s, const struct ruleset *rules, struct bound_groups *ret,
                       struct error *e)
{
    size_t n;
    const struct ruleset_group *groups = ruleset_groups(rules, &n);
    const char **keys = calloc(n + 1, sizeof(*keys));
    if (!keys)
        return error_out_of_memory(e);
    for (size_t i = 0; i < n; i++)
        keys[i] = groups[i].key;
    int r = mirror_look_at_groups(s, keys, n, ret, e);
    free(keys);
    return r;
}
