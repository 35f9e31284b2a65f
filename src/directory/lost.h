/*
 * What an entry does not show any more, and what the server is asked about it.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>

struct decoded;
struct entry;
struct error;
struct feed_environment;
struct lost;
struct search_request;

/* search: whose entry it is; missing: what the mirror has of it beyond that. */
int lost_new(struct lost **ret, struct feed_environment *env, unsigned search,
             struct decoded *taken, struct entry *missing_taken, struct error *e);
struct lost *lost_free(struct lost *l);
/* When there is nothing (more) to be asked: whoever was told to have another name since may be
 * named by that, and is asked for. */
int lost_look_again(struct lost *l, struct error *e);
/* There is something to be asked. */
bool lost_is_asking(struct lost *l);
/* The next question, valid until its answer; NULL: out of memory. */
const struct search_request *lost_question(struct lost *l);
int lost_found(struct lost *l, LDAP *ld, LDAPMessage *m, struct error *e); /* by that */
bool lost_is_answer(const struct lost *l, int code);       /* else it is to be asked again */
int lost_answer(struct lost *l, size_t n_found, int code); /* -ENOMEM */
/* Nothing is left to ask. The entry, with what was known of it where nothing else is known.
 * full: of a read of everything, which tells who is gone. */
int lost_take(struct lost *l, bool full, struct decoded *ret, struct error *e);
