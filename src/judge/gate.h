/*
 * The gate: may it go now? It holds the budgets against the queue and parks what is beyond
 * them, knows what a person approved, paused or began, and whether books, tenant and first
 * contact let anything go at all. It sends nothing.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct books;
struct engine_approval;
struct engine_choice;
struct error;
struct gate;
struct guard_input;
struct guard_verdict;
struct operation;
struct state;
struct sync_options;
struct user;

/* All borrowed. */
int gate_new(struct gate **ret, struct books *b, struct error *e);
struct gate *gate_free(struct gate *g);
/* May anything be sent at all, as far as we are concerned? */
bool gate_is_open(const struct gate *g);
/* May users be taken away? Not before the state file is known to be whole, which says who they
 * are. Revocations do not ask. */
bool gate_lets_remove(const struct gate *g);

/* Parks what is beyond its budget, releases what fits again. Of the whole plan, or of the
 * revocations alone. So many operations at a time: GATE_MORE says that some are left for the next
 * call, and nothing of what it is about goes before that. */
#define GATE_MORE 1
/* How many operations a turn moves, so that it takes a few ms; slice: of the options. */
size_t gate_slice(size_t slice);
int gate_apply(struct gate *g, struct error *e);
int gate_apply_to_revocations(struct gate *g, struct error *e);
bool gate_is_moving(const struct gate *g);     /* gate_apply() has more to do */
bool gate_has_seen_plan(const struct gate *g); /* a whole one, once since the start */
void gate_budgets_are_new(struct gate *g);     /* a person configured them */
/* The budgets as they stand, for the plan as far as it is made; nothing is parked for it. */
int gate_budgets(const struct gate *g, struct guard_input *ret_input, struct guard_verdict *ret,
                 struct error *e);
/* The same of any state, with the budgets and their window of these options: it touches nothing
 * else, so that another thread may ask a state of its own. So do the other gate_read_*(). */
int gate_read_budgets(struct state *s, const struct sync_options *options,
                      struct guard_input *ret_input, struct guard_verdict *ret, struct error *e);
/* Seats: [guard] max_users. */
struct engine_seats;
int gate_read_seats(struct state *s, size_t max_users, struct engine_seats *ret, struct error *e);
/* Has its budget room for it now? What has none is parked by the next look of the guard. */
int gate_may_start(const struct gate *g, const struct operation *o, bool *ret, struct error *e);

/* approval.c: the plan's hash, and what a person approved of it. See engine_plan_hash(). */
int gate_read_plan_hash(struct state *s, bool observing, char ret[static 65], size_t *ret_n_parked,
                        struct error *e);
/* choice NULL: all that the hash stands for. slice: of options, 0 as there. 0, ENGINE_STALE_HASH
 * or ENGINE_NOTHING. */
int gate_read_approval(struct state *s, bool observing, size_t slice, const char *hash,
                       const struct engine_choice *choice, struct engine_approval *ret,
                       struct error *e);
/* It is on record, and holds, with the next commit. Then gate_release_approved() releases one part
 * after the other, also after a crash: GATE_MORE means that something was left to do, and until it
 * is 0 the guard does not look, since it would take for beyond its budget, or within it again, what
 * a person has let go. With the last part, accept learns what else was accepted. */
int gate_approve(struct gate *g, const struct engine_approval *a, unsigned uid, struct error *e);
struct gate_accepted {
    bool adoption, whole; /* as in struct engine_approval */
    const char *vanished;
};
typedef int gate_accept_fn(const struct gate_accepted *what, void *userdata, struct error *e);
int gate_release_approved(struct gate *g, gate_accept_fn *accept, void *userdata, struct error *e);
bool gate_is_approving(const struct gate *g);
/* After a commit: fn runs, once, if all that was approved is released. */
void gate_on_released(struct gate *g, void (*fn)(void *userdata), void *userdata);
void gate_tell_released(struct gate *g);
int gate_start_approvals(struct gate *g, struct error *e); /* at the start of the engine */
int gate_expire_approvals(struct gate *g, struct error *e);
uint64_t gate_approval_end_usec(const struct gate *g); /* the next, steady clock; 0: none */

/* retry.c: what is held and a person wants to be tried again. Lent until it is over or cancelled.
 * *ret: the one of which a part was released, and for which the guard is to wait; NULL: none. */
struct engine_retry;
void gate_retry(struct gate *g, struct engine_retry *retry);
void gate_retry_cancel(struct gate *g, struct engine_retry *retry);
int gate_retry_some(struct gate *g, const struct engine_retry **ret, struct error *e);
void gate_tell_retried(struct gate *g); /* after a commit */

/* hold-back.c: a person's pause, and observing. */
int gate_pause(struct gate *g, bool pause, unsigned uid, struct error *e);
bool gate_is_paused(const struct gate *g);
uint64_t gate_paused_usec(const struct gate *g); /* 1: an older version did not note it */
/* The configuration in force is another one, or the first. */
int gate_configure(struct gate *g, struct error *e);
bool gate_observes(const struct gate *g);
int gate_end_observing(struct gate *g, const char *sentence, struct error *e); /* if it does */

/* lockout.c: 1 and *ret when the operation must not be carried out, approved or not. shown: the
 * user as the tenant has just shown it; NULL: it was not asked. */
struct lockout {
    char cause[400], sentence[900];
};
int lockout_look(struct books *b, const struct operation *o, const struct user *shown,
                 struct lockout *ret, struct error *e);
void lockout_alarm(struct books *b, const struct lockout *l);

/* distrust.c: the state file is an older copy. */
int distrust_begin(struct books *b, struct error *e);
/* Every linked user was read again: is it over? */
int distrust_check(struct books *b, struct error *e);
