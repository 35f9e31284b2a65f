/* What should be so, by the world's own reading of the few rules that lives use. It links
 * nothing of the daemon. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct item;
struct person;
struct request;

void oracle_begin(void);
void oracle_end(void);
struct person *oracle_person(const char *login); /* NULL: nobody has or had it */
/* Who cannot have heard of a change of somebody yet is not to blame. */
bool oracle_is_news(const struct person *p);
bool oracle_is_revoked(const struct item *i); /* also of an entry that is gone */
bool oracle_is_entitled(const struct item *i);
/* In no rule any more, if in the directory at all: deleted some time, if that is configured. */
bool oracle_has_left(const struct item *i);
void oracle_state_kept(void);
uint64_t oracle_state_lost_usec(void); /* 0: never, or it was restored */
/* When an older one was put in its place, since which somebody was written; 0: it was not. */
uint64_t oracle_state_restored_usec(void);
/* The daemon knows less than before: what it did does not count against its budgets. restored:
 * it knows what it knew when the state was kept. */
void oracle_state_changed(bool restored);
bool oracle_has_access(const char *login);
/* Somebody's access has to end now (revoked.c). */
void oracle_revoked(struct person *p);
/* The tenant takes no request about this login now. */
void oracle_throttled(const char *login);
/* A request reaches the tenant, before and after it is carried out. n_under_way: with it. */
void oracle_request(struct request *q, unsigned n_under_way);
void oracle_answered(struct request *q);
/* Everybody is at the tenant as they should be, or waits for a person who may approve it.
 * since_usec: since when the daemon has been up undisturbed. */
void oracle_day_end(uint64_t since_usec);
void oracle_one(struct person *p); /* of one of them, now */
/* The same of everybody, whatever happened to them lately. */
void oracle_everybody(void);
