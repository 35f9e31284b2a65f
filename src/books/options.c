/*
 * What the settings themselves say: the name of a budget and how many it allows, and whether a
 * role is privileged. Pure.
 */
#include "config.h"

#include "books/options.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>

#include "base/text.h"

static const char *const kind_names[BUDGET_N_KINDS] = {
    [BUDGET_CREATE] = "create",         [BUDGET_UPDATE] = "update",   [BUDGET_TEAM] = "team",
    [BUDGET_PRIVILEGED] = "privileged", [BUDGET_DISABLE] = "disable", [BUDGET_DELETE] = "delete",
    [BUDGET_RENAME] = "rename",         [BUDGET_REVOKE] = "revoke",   [BUDGET_REMAKE] = "remake",
    [BUDGET_DORMANT] = "dormant",
};

static_assert(BUDGET_CREATE == 1 && BUDGET_UPDATE == 2 && BUDGET_TEAM == 3 &&
                  BUDGET_PRIVILEGED == 4 && BUDGET_DISABLE == 5 && BUDGET_DELETE == 6 &&
                  BUDGET_RENAME == 7 && BUDGET_REVOKE == 8 && BUDGET_REMAKE == 9 &&
                  BUDGET_DORMANT == 10,
              "operations and uses of budgets are stored with them");

const char *budget_kind_name(enum budget_kind b)
{
    return (size_t)b < BUDGET_N_KINDS && kind_names[b] ? kind_names[b] : "unknown";
}

bool options_role_is_privileged(const struct sync_options *options, const char *role)
{
    for (size_t i = 0; i < options->n_privileged_roles; i++)
        if (text_equal_fold(role, options->privileged_roles[i]))
            return true;
    return false;
}

size_t budget_limit(const struct budget *b, size_t n_linked)
{
    if (b->unlimited)
        return SIZE_MAX;
    size_t limit = 0;
    bool has_percent = b->percent > 0;
    if (has_percent)
        limit = (size_t)floor((double)n_linked * b->percent / 100.0);
    if (limit < b->floor)
        limit = b->floor;
    if (b->count && (limit > b->count || (!has_percent && !b->floor)))
        limit = b->count;
    return limit;
}
