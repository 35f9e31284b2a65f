/*
 * Budgets: counts in, "tripped" and the room that is left out. It parks nothing itself and knows no queue; the engine
 * does that with what is decided here.
 */
#include "config.h"

#include "judge/guard.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static bool gives_privileged_role(const struct operation *o, const struct sync_options *options)
{
    for (size_t i = 0; i < o->n_changes; i++) {
        const struct change *c = &o->changes[i];
        if (c->to && c->kind == CHANGE_ROLE && options_role_is_privileged(options, c->name))
            return true;
    }
    return false;
}

static bool changes_field(const struct operation *o, const char *field)
{
    for (size_t i = 0; i < o->n_changes; i++)
        if (text_equal(o->changes[i].field, field))
            return true;
    return false;
}

enum budget_kind guard_budget_of(const struct operation *o, const struct sync_options *options)
{
    switch (o->kind) {
    case OPERATION_CREATE:
        return gives_privileged_role(o, options) ? BUDGET_PRIVILEGED
               : o->remakes                      ? BUDGET_REMAKE
                                                 : BUDGET_CREATE;
    case OPERATION_PROFILE: /* which of the two has roles, and which the team, is the tenant's */
    case OPERATION_UPDATE:
        return gives_privileged_role(o, options) ? BUDGET_PRIVILEGED
               : changes_field(o, "team")        ? BUDGET_TEAM
                                                 : BUDGET_UPDATE;
    case OPERATION_RENAME: return BUDGET_RENAME;
    case OPERATION_DISABLE:
        return o->revokes ? BUDGET_REVOKE : o->dormant ? BUDGET_DORMANT : BUDGET_DISABLE;
    case OPERATION_DELETE: return BUDGET_DELETE;
    case OPERATION_ADOPT: /* first contact has an approval of its own */
        return o->revokes ? BUDGET_REVOKE : BUDGET_UPDATE;
    case OPERATION_ENABLE:
    default: return BUDGET_UPDATE;
    }
}

void guard_evaluate(const struct guard_input *in, const struct sync_options *options,
                    struct guard_verdict *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (int k = 1; k < BUDGET_N_KINDS; k++) {
        size_t used = in->spent[k] + in->let_through[k];
        ret->limit[k] = budget_limit(&options->budgets[k], in->n_linked);
        ret->room[k] = ret->limit[k] > used ? ret->limit[k] - used : 0;
        ret->tripped[k] = in->pending[k] > ret->room[k];
    }
}

bool guard_has_room(const struct budget *b, size_t n_linked, size_t spent, size_t let_through)
{
    return spent + let_through < budget_limit(b, n_linked);
}

char *guard_sentence(enum budget_kind kind, const struct guard_input *in,
                     const struct guard_verdict *v, const struct sync_options *options,
                     char *buffer, size_t size)
{
    char window[64];
    size_t waiting = in->pending[kind] > v->room[kind] ? in->pending[kind] - v->room[kind] : 0;
    text_format_duration(window, sizeof(window), options->budget_window_usec);
    snprintf(buffer, size,
             "%zu operation%s due under the budget \"%s\", which allows %zu for %zu linked user%s; "
             "%zu %s done in the last %s and %zu %s under way, so %zu wait%s. Look at "
             "`rosterctl plan`, then `rosterctl approve HASH`",
             in->pending[kind], in->pending[kind] == 1 ? " is" : "s are", budget_kind_name(kind),
             v->limit[kind], in->n_linked, text_plural(in->n_linked), in->spent[kind],
             in->spent[kind] == 1 ? "was" : "were", window, in->let_through[kind],
             in->let_through[kind] == 1 ? "is" : "are", waiting, waiting == 1 ? "s" : "");
    return buffer;
}
