/*
 * The guard: which kinds of operation may run without a person's approval. Pure.
 *
 * A budget of a kind is spent by operations carried out in the window without approval, and
 * wanted by those that are due now or waiting for their grace time. When both together exceed
 * the limit, all of the kind are parked, and nothing of any other kind is.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "model/operation.h"
#include "sync/options.h"

enum budget_kind guard_budget_of(const struct operation *o, const struct sync_options *options);

/* The number of operations that a budget allows with so many linked users. SIZE_MAX: no limit.
 */
size_t guard_limit(const struct budget *b, size_t n_linked);

struct guard_input {
    size_t n_linked; /* active links, and for removals also those that are leaving */
    size_t spent[BUDGET_N_KINDS];   /* within the window, without approval */
    size_t pending[BUDGET_N_KINDS]; /* not approved: ready, waiting or parked */
};
struct guard_verdict {
    size_t limit[BUDGET_N_KINDS];
    bool tripped[BUDGET_N_KINDS];
};
void guard_evaluate(const struct guard_input *in, const struct sync_options *options,
                    struct guard_verdict *ret);
/* "12 users would be disabled; the budget allows 5 (5 % of 100 linked users, at least 5), 0 are
 * spent in the last day. Look at `rosterctl plan`, then `rosterctl approve HASH`." Returns
 * buffer. */
char *guard_sentence(enum budget_kind kind, const struct guard_input *in,
                     const struct guard_verdict *v, const struct sync_options *options,
                     char *buffer, size_t size);
