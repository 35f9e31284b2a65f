/*
 * The judge: who should be what. Of each person who is to be looked at it reads mirror and
 * link, asks the rules, plans, and brings queue and ledger up to date. It sends nothing.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct books;
struct contact;
struct error;
struct judge;
struct reading;
struct rules;
struct verdict;

/* All borrowed. */
int judge_new(struct judge **ret, struct books *b, struct rules *rules, struct reading *reading,
              struct contact *contact, struct error *e);
struct judge *judge_free(struct judge *j);
int judge_start(struct judge *j, struct error *e);

/* Between reads, and not before the tenant's users are known: groups may come after people. */
bool judge_may(const struct judge *j);
/* Those who came and may be revoked: before everybody else who is to be looked at, and also in
 * the middle of a read; some at a time. */
int judge_revocations(struct judge *j, bool *ret_more, struct error *e);
/* Of one of them: a revocation that is none any more leaves the queue, unless it may have been
 * sent. */
int judge_revocation(struct judge *j, const char *entry_id, struct error *e);
/* A few of those who are to be looked at, if it may: those who are marked, then the round.
 * *ret_ahead: the marked ones were looked at, and the round is not over. plan_was_seen: the guard
 * has seen a whole plan, so that somebody may go ahead of the next one. */
int judge_some(struct judge *j, bool plan_was_seen, bool *ret_more, bool *ret_ahead,
               struct error *e);
/* For whom something was planned while the round is not over: because their own entry or groups
 * changed, or in the round. The lists are the caller's then. */
void judge_take_ahead(struct judge *j, struct string_list *ret, struct string_list *ret_of_round);
uint64_t judge_due_usec(const struct judge *j); /* when somebody's time comes; 0: nobody's */

/* How a person would be decided now, with steps. */
int judge_explain(struct judge *j, const char *entry_id, struct verdict *ret, struct error *e);
