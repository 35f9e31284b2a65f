/*
 * The guard: which kinds of operation may run without a person's approval. Pure.
 *
 * A budget of a kind counts everything that was not approved: what was done within the window,
 * what was let through and has not ended (under way, held and coming back), and what is due now
 * or waiting for its grace time. What is beyond the limit is parked, and only that; nothing of
 * any other kind is.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "books/options.h"
#include "model/operation.h"

enum budget_kind guard_budget_of(const struct operation *o, const struct sync_options *options);

struct guard_input {
    size_t n_linked;              /* active links, and for removals also those that are leaving */
    size_t spent[BUDGET_N_KINDS]; /* within the window, without approval */
    size_t let_through[BUDGET_N_KINDS]; /* not approved, tried at least once, not ended */
    size_t pending[BUDGET_N_KINDS];     /* not approved: ready, waiting or parked */
};
struct guard_verdict {
    size_t limit[BUDGET_N_KINDS];
    size_t room[BUDGET_N_KINDS]; /* how many of the pending ones may go */
    bool tripped[BUDGET_N_KINDS];
};
void guard_evaluate(const struct guard_input *in, const struct sync_options *options,
                    struct guard_verdict *ret);
/* May one more start, with so many done in the window and others let through? */
bool guard_has_room(const struct budget *b, size_t n_linked, size_t spent, size_t let_through);
/* How many wait and why, and what to do; returns buffer. */
char *guard_sentence(enum budget_kind kind, const struct guard_input *in,
                     const struct guard_verdict *v, const struct sync_options *options,
                     char *buffer, size_t size);
