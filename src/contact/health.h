/*
 * The tenant as a whole: is it there, does it take our credentials, which teams has it. The call
 * that asks for the teams is also the probe after an outage.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "books/engine-types.h"
#include "tenant/client.h"

struct books;
struct error;
struct health;
struct missing;
struct string_list;

/* answered: runs each time the tenant has told its teams, or that it tells none. */
int health_new(struct health **ret, struct books *b, void (*answered)(void *userdata),
               void *userdata, struct error *e);
struct health *health_free(struct health *h);
void health_close(struct health *h); /* cancels what is asked; nothing is asked any more */

void health_ask(struct health *h); /* for the teams, unless something is being asked already */
/* For its users, in the place of the teams: one such call at a time. The answer is borrowed.
 * One that puts them off is kept here, and they are asked for again. */
int health_ask_users(struct health *h, tenant_done_fn done, void *userdata, struct error *e);
bool health_is_asking(const struct health *h);
bool health_was_asked(const struct health *h);

enum engine_tenant_state health_state(const struct health *h);
const char *health_error(const struct health *h); /* "" while it is fine */
uint64_t health_since_usec(const struct health *h);
/* When the next probe is due, or the list of teams is asked for again; 0: not at all. */
uint64_t health_probe_usec(const struct health *h);

/* A call got no answer, or one that is about the account. entry_id: whose call it was, which
 * says nothing of the tenant before one that is nobody's in particular fails, too: that is
 * asked; NULL: nobody's in particular. */
void health_failed(struct health *h, const struct tenant_answer *a, const char *entry_id);
/* A list that the tenant puts off (429) says nothing of users: no outage, it is asked for again.
 * Where it is the token that is put off, the next user's call tells. */
bool health_is_put_off(const struct health *h, const struct tenant_answer *a);
/* A look at one user is answered by an error, or put off: that one is looked at again after a
 * growing wait, when answered() runs and health_looks_wait() is over. first_contact: nothing is
 * written before. */
void health_put_off(struct health *h, const struct tenant_answer *a, const char *login,
                    bool first_contact);
bool health_looks_wait(const struct health *h);
void health_looked(struct health *h); /* nobody waits any more */
/* A call that is nobody's in particular got no answer to its question: that is the tenant's
 * matter, also when it is a single 502, since nobody but the next probe would ask again. */
bool health_call_failed(struct health *h, const struct tenant_answer *a);
void health_fine(struct health *h); /* it did what it was asked for, of one user */
/* A call about one user was refused as if the account had no right to it: is it the account's
 * matter? Asks what concerns nobody in particular; the answer may come later. True: it is. */
bool health_refused_one(struct health *h, const struct tenant_answer *a, const char *entry_id);

/* Teams, roles and skills that it does not have now; cause as in the operations' holds. */
bool health_may_have_team(const struct health *h, const char *team); /* as far as it is known */
void health_doubt_teams(struct health *h);        /* asks again when they were asked for long ago */
struct missing *health_missing(struct health *h); /* borrowed */
/* All of both, into empty lists; -ENOMEM. */
int health_copy_known(const struct health *h, bool *ret_teams_known, struct string_list *ret_teams,
                      struct string_list *ret_missing);
