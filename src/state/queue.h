/*
 * The queue: operations that are due, parked, held or started. What is done leaves it; the
 * audit keeps it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/operation.h"

struct error;
struct state;

/* Inserts (number 0: gets one) or updates. */
int queue_store(struct state *s, struct operation *o, struct error *e);
int queue_clear(struct state *s, struct error *e);
/* Of an operation that was just loaded: it is under way, once more. looks: nothing is written
 * before that is taken back by queue_looks(), so what is under way at a crash without that has
 * changed nothing. */
int queue_start(struct state *s, int64_t number, bool looks, struct error *e);
int queue_looks(struct state *s, int64_t number, bool looks, struct error *e);
/* 1: a revocation waits for this entry; 0: none does. */
int queue_revokes(struct state *s, const char *entry_id, struct error *e);
int queue_remove(struct state *s, int64_t number, struct error *e);
int queue_load(struct state *s, int64_t number, struct operation **ret,
               struct error *e); /* or STATE_NONE */
/* Is anything there for the person? When that cannot be read: yes. */
bool queue_has(struct state *s, const char *entry_id, struct error *e);
int queue_of_person(struct state *s, const char *entry_id, struct operation_list *ret,
                    struct error *e);
/* One lane goes before the next, so that nobody waits behind a first load who must not. */
enum queue_lane { /* the numbers are in an index */
                  QUEUE_REVOCATIONS = 1,
                  QUEUE_DUE = 2, /* what fell due, also what is to be settled */
                  QUEUE_NEWCOMERS = 3,
                  QUEUE_DUE_KEEPING = 4, /* of QUEUE_DUE what takes no user away; in no index */
};
int queue_any_ready(struct state *s, bool *ret, struct error *e); /* due or not */
/* READY, due at now, oldest first, at most limit, and no other operation of the same person
 * STARTED; one for each person; renames before updates. */
int queue_next(struct state *s, enum queue_lane lane, uint64_t now_usec, size_t limit,
               struct operation_list *ret, struct error *e);
/* Of those the first that was not tried yet; it passes over all that were. */
int queue_next_untried(struct state *s, enum queue_lane lane, uint64_t now_usec,
                       struct operation_list *ret, struct error *e);
/* When, after `after_usec`, the next READY or HELD operation becomes due; 0: none will.
 * after_usec is the time of the last look at what is due, so that nothing that became due since
 * is missed. */
int queue_next_time(struct state *s, uint64_t after_usec, uint64_t *ret_usec, struct error *e);
int queue_started(struct state *s, struct operation_list *ret, struct error *e); /* after a crash */
/* In order of (kind, dn, number); stops when fn returns non-zero, which is returned. state 0:
 * all. */
int queue_each(struct state *s, enum operation_state state,
               int (*fn)(const struct operation *o, void *userdata), void *userdata,
               struct error *e);
/* HELD with this cause are to become READY; *ret_any: there are some. It is put down, and done by
 * queue_release_some(). */
int queue_release(struct state *s, const char *cause, uint64_t now_usec, bool *ret_any,
                  struct error *e);
/* The same of those that the tenant refused; and of those of which a call about one user was
 * forbidden, since it was the account's matter. */
int queue_release_refused(struct state *s, uint64_t now_usec, bool *ret_any, struct error *e);
int queue_release_forbidden(struct state *s, uint64_t now_usec, bool *ret_any, struct error *e);
/* The same of those that would have locked somebody out, as far as was known. */
int queue_release_locked(struct state *s, uint64_t now_usec, bool *ret_any, struct error *e);
/* `limit` of what was put down at most; *ret_n: so many. 0, or STATE_NONE: that was all. */
int queue_release_some(struct state *s, size_t limit, size_t *ret_n, struct error *e);
/* HELD of all causes, as they were when it began, become READY, `limit` of them at a time; whoever
 * is held or parked for what the planner found is marked dirty, so that it is decided anew. cause
 * NULL: whatever it is; else only what is held for that becomes READY. *at: where it stands, zeros
 * at first. 0, or STATE_NONE: that was all. Adds to ret_n. */
struct queue_retry {
    int64_t end; /* the last number; what came later is not meant */
    unsigned part;
    int64_t after;
};
int queue_retry_some(struct state *s, const char *cause, uint64_t now_usec, size_t limit,
                     struct queue_retry *at, size_t *ret_n, struct error *e);
/* Is there any HELD whose not_before has come, for the two that follow? */
int queue_any_held_due(struct state *s, uint64_t now_usec, bool *ret, struct error *e);
/* HELD whose not_before has come become READY, the oldest first, `limit` at most; reason and since
 * stay, so that a further hold for the same reason is told from a new one. */
int queue_release_due(struct state *s, uint64_t now_usec, size_t limit, size_t *ret_n,
                      struct error *e);
/* Of a cause that many share, because the tenant refuses them alike, one is tried at a time:
 * the one that waits the longest of those whose not_before has come becomes READY, unless one
 * is under way; the others wait until next_usec, in their order. Adds to ret_n. See refusal.c
 * of the engine. */
int queue_release_shared(struct state *s, uint64_t now_usec, uint64_t next_usec, size_t *ret_n,
                         struct error *e);
bool queue_reason_is_shared(const char *reason);
#define QUEUE_SHARED_REASONS                                                                       \
    "('" REASON_REFUSED "', '" REASON_RENAME_POLICY "', '" REASON_PART_NOT_OFFERED "')"
/* READY whose time has come: how many, and since when (steady clock) the first of them is due. */
int queue_count_due(struct state *s, uint64_t now_usec, size_t *ret_n, uint64_t *ret_due_usec,
                    struct error *e);
struct queue_counts {
    size_t n[OPERATION_N_KINDS][5]; /* [kind][state] */
};
int queue_counts(struct state *s, struct queue_counts *ret, struct error *e);
static inline size_t queue_count_of(const struct queue_counts *c, enum operation_state state)
{
    size_t n = 0;
    for (unsigned k = 0; k < OPERATION_N_KINDS; k++)
        n += c->n[k][state];
    return n;
}
/* READY ones whose time has not come: a grace time, or a pause before another attempt. */
int queue_count_waiting(struct state *s, uint64_t now_usec, size_t *ret, struct error *e);
/* READY ones of each lane. */
int queue_count_lanes(struct state *s, size_t ret[static 4], struct error *e);
/* The READY or HELD one that is due next after now; or STATE_NONE. */
int queue_next_due(struct state *s, uint64_t now_usec, struct operation **ret, struct error *e);
/* Holds by cause; what is being tried again is still held, since it may be in vain: fn(cause,
 * reason, one sentence, oldest since, number of people). budgets: also what is parked since a
 * budget has no room, which may be much. */
typedef int queue_hold_fn(const char *cause, const char *reason, const char *sentence,
                          enum operation_state state, uint64_t since_usec, uint64_t next_usec,
                          size_t n_people, void *userdata);
int queue_holds(struct state *s, bool budgets, queue_hold_fn *fn, void *userdata, struct error *e);

/* What would enable one more user: creates, and users that are enabled again. Under way is also who
 * is about to be taken over: that user is there, and enabled for all that is known. */
int queue_seats_under_way(struct state *s, size_t *ret, struct error *e);
int queue_seats_ready(struct state *s, size_t *ret, struct error *e);
int queue_seats_waiting(struct state *s, size_t *ret, struct error *e); /* there is no seat */
/* READY ones, the latest due first; or those that wait for a seat, the earliest due first. */
int queue_of_seats(struct state *s, bool waiting, size_t limit, struct operation_list *ret,
                   struct error *e);

/* What of a budget is not approved and not ended; adoptions are in no budget. */
struct queue_shares {
    size_t let_through; /* tried at least once and not parked: under way, held, coming back */
    size_t fresh;       /* READY and never tried: may go when its time has come */
    size_t over;        /* PARKED since the budget has no room for it */
};
/* Of each budget from this one on, by its number; n: one more than the highest. Adds nothing
 * where there is nothing. */
int queue_shares(struct state *s, unsigned from, struct queue_shares *ret, size_t n,
                 struct error *e);
int queue_let_through(struct state *s, unsigned budget, size_t *ret, struct error *e);
enum queue_share {
    QUEUE_FRESH = 0,       /* the latest due first */
    QUEUE_LET_THROUGH = 1, /* likewise, without what is under way or unclear */
    QUEUE_OVER_BUDGET = 2, /* the earliest due first */
};
int queue_of_budget(struct state *s, unsigned budget, enum queue_share share, size_t limit,
                    struct operation_list *ret, struct error *e);
/* Takes the approval from those whose approval has ended, and marks their people; of what is
 * not settled yet it notes the end. */
int queue_end_approvals(struct state *s, uint64_t now_usec, size_t *ret_n, struct error *e);
/* When, after after_usec, the next approval ends; 0: none will. */
int queue_next_approval_end(struct state *s, uint64_t after_usec, uint64_t *ret_usec,
                            struct error *e);

/* What a person approved and is not released yet: until when that holds, who it was and what
 * follows at its end, and operations, a part at a time. The texts are the caller's. */
struct approval_part {
    int64_t number, approval;
    uint64_t until_usec;
    char *about, *operations;
    bool is_last; /* of its approval */
};
void approval_part_done(struct approval_part *p);
struct string_list;
int approval_store(struct state *s, uint64_t until_usec, const char *about,
                   const struct string_list *parts, struct error *e);
int approval_next(struct state *s, struct approval_part *ret, struct error *e); /* or STATE_NONE */
int approval_released(struct state *s, const struct approval_part *p, struct error *e);
int approval_forget_all(struct state *s, struct error *e);

/* What budgets count: operations of a budget kind that were carried out without approval since
 * a time. Both times are of the steady clock. */
int budget_note(struct state *s, unsigned budget, uint64_t now_usec, struct error *e);
int budget_spent(struct state *s, unsigned budget, uint64_t since_usec, size_t *ret,
                 struct error *e);

/* First passwords that are still to be handed on: whose, since when, and when it is tried next.
 * sentence NULL: the first attempt is under way. */
struct password_due {
    const char *entry_id, *login, *dn, *sentence;
    uint64_t since_usec, next_usec;
};
int password_due_store(struct state *s, const char *entry_id, uint64_t now_usec, uint64_t next_usec,
                       const char *sentence, struct error *e);
int password_due_clear(struct state *s, const char *entry_id, struct error *e);
/* Of users who were set aside (link_set_aside()), but for those who were made anew since. */
int password_due_clear_aside(struct state *s, struct error *e);
int password_due_next(struct state *s, char **ret_entry_id, uint64_t *ret_usec,
                      struct error *e); /* or STATE_NONE; malloc'd */
/* Those of which an attempt failed, oldest first. */
int password_due_each(struct state *s, int (*fn)(const struct password_due *d, void *userdata),
                      void *userdata, struct error *e);

/* Alarms: at most one notification for a cause, and one when it is over. */
struct alarm {
    char *cause, *code, *sentence;
    uint64_t since_usec, notified_usec; /* notified 0: not yet */
};
void alarm_done(struct alarm *a);
int alarm_raise(struct state *s, const char *cause, const char *code, const char *sentence,
                uint64_t now_usec, bool *ret_new, struct error *e);
int alarm_notified(struct state *s, const char *cause, uint64_t now_usec, struct error *e);
int alarm_clear(struct state *s, const char *cause, struct alarm *ret,
                struct error *e); /* or STATE_NONE */
/* What a person outside was told of this cause last: when that it stands (0: never), and whether
 * that was the last word. An alarm that is over and long past is forgotten. */
int alarm_told(struct state *s, const char *cause, uint64_t *ret_usec, bool *ret_standing,
               struct error *e);
int alarm_note_told(struct state *s, const char *cause, uint64_t told_usec, bool standing,
                    struct error *e);
int alarm_each(struct state *s, int (*fn)(const struct alarm *a, void *userdata), void *userdata,
               struct error *e);
/* What a person was told in a transaction that is not committed. A rollback keeps it: the file
 * knows nothing of it then, and the person does. */
struct alarm_telling {
    struct alarm alarm;
    bool stands;
    bool is_late;  /* the alarm itself was stored before */
    bool is_noted; /* alarm_note_told() with told_usec */
    uint64_t told_usec;
};
int alarm_remember(struct state *s, const struct alarm_telling *t); /* a copy; -ENOMEM */
const struct alarm_telling *alarm_remembered(const struct state *s, size_t *ret_n);
void alarm_forget_remembered(struct state *s);
