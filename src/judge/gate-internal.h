/*
 * What the files of the gate share: gate.c, approval.c and hold-back.c.
 */
#pragma once
#include "audit/audit.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "judge/gate.h"
#include "judge/guard.h"
#include "model/operation.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"

struct gate {
    struct books *books;
    struct state *state;
    const struct engine_options *options;
    /* gate.c */
    bool budgets_are_new; /* a person configured them since the last look */
    bool has_seen_plan;
    bool is_moving;             /* GATE_MORE was the last answer */
    bool parks[BUDGET_N_KINDS]; /* there are more to park than the last call could: it was said */
    /* approval.c */
    bool is_approving;    /* there is something to release, as far as is known */
    bool release_is_over; /* and it was not told */
    void (*released)(void *userdata);
    void *released_data;
    struct engine_retry *retries; /* retry.c: lent; the first is under way */
    uint64_t approval_end_usec;   /* the next one, on the steady clock; 0: none */
    /* hold-back.c */
    bool observing_ended;
    uint64_t paused_usec; /* since when; 0: it is not */
};

/* seats.c */
/* *left: as fit_kind() of gate.c. */
int gate_fit_seats(struct gate *g, size_t *left, struct error *e);
int gate_has_seat(const struct gate *g, const struct operation *o, bool *ret, struct error *e);
