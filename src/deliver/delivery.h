/*
 * Delivery: takes operations from the queue and carries them out, many at once. The intent is
 * committed, then the request leaves, then the outcome is committed with what it changes.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct books;
struct contact;
struct delivery;
struct engine_revocation;
struct error;
struct gate;
struct health;
struct passwords;
struct rules;
struct string_list;
struct sweep;

/* All borrowed. */
struct delivery_options {
    struct books *books;
    struct gate *gate;
    struct health *health;
    const struct contact *contact;
    struct rules *rules;
    struct passwords *passwords;
    struct sweep *sweep;
};
int delivery_new(struct delivery **ret, const struct delivery_options *o, struct error *e);
/* Cancels calls; intents without outcome are settled at the next start. */
struct delivery *delivery_free(struct delivery *d);
/* Intents of a crash: the next attempt reads the tenant before it writes. */
int delivery_settle_crash(struct delivery *d, struct error *e);

/* Write the intents of what may start, and count them. lets_remove: else nobody is taken away,
 * but by revocations. */
int delivery_pick(struct delivery *d, bool lets_remove, size_t *ret_n, struct error *e);
/* Few are tried at a time (slowed.h); when the next one may be, 0: now. */
bool delivery_is_slowed(const struct delivery *d);
uint64_t delivery_slowed_usec(const struct delivery *d);
int delivery_pick_revocations(struct delivery *d, size_t *ret_n, struct error *e);
/* The next ones of these people, before the plan is whole. */
enum delivery_ahead {
    DELIVERY_MARKED = 1,   /* their own entry or groups changed */
    DELIVERY_OF_ROUND = 2, /* they were looked at because everybody is */
};
int delivery_pick_ahead(struct delivery *d, const struct string_list *ids, enum delivery_ahead of,
                        size_t *ret_n, struct error *e);
/* In each turn, before people are looked at: of what has not left, it goes back to the queue as if
 * it had not begun, to be judged anew, what is not in force any more (books_epoch()), or whose
 * person moved. The rest is asked when it would leave. */
void delivery_withdraw(struct delivery *d);
/* In each turn: what is under way for a person who is revoked is to end soon, or is
 * asked soon. */
void delivery_hurry(struct delivery *d);
void delivery_start_committed(struct delivery *d); /* the intents are durable: requests leave */

size_t delivery_in_flight(const struct delivery *d);
/* More than half of what may be: many share a commit, and nobody is read back at once. */
bool delivery_has_many(const struct delivery *d);
uint64_t delivery_n_done(const struct delivery *d); /* since the start */
bool delivery_past_revocation(const struct delivery *d, size_t i, struct engine_revocation *ret);
