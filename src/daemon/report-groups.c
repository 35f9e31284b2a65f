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
#include "state/state.h"

/* Binding notes groups that it sees for the first time, so it needs a transaction. */
int report_bind_groups(struct state *s, const struct ruleset *rules, struct bound_groups *ret,
                       struct error *e)
{
    size_t n;
    const struct ruleset_group *groups = ruleset_groups(rules, &n);
    bool own = !state_in_transaction(s);
    const char **keys = calloc(n + 1, sizeof(*keys));
    if (!keys)
        return error_out_of_memory(e);
    for (size_t i = 0; i < n; i++)
        keys[i] = groups[i].key;
    int r = own ? state_begin(s, e) : 0;
    if (r == 0) {
        r = mirror_bind_groups(s, keys, n, ret, e);
        if (own && r < 0)
            state_rollback(s);
        else if (own)
            r = state_commit(s, e);
    }
    free(keys);
    return r;
}
