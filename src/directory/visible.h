/*
 * Members whom a group does not name any more, and whom this account does not see: they may
 * have been moved, so that the group names them as they are called now. Nobody told of that, so
 * who is not seen keeps the name of before, and with it the group, until they are seen again or
 * gone.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>

#include "directory/search.h"

struct entry;
struct error;
struct feed_environment;

struct visible {
    struct feed_environment *env;
    const struct entry *missing;        /* borrowed: the members */
    size_t *unseen, n_unseen, capacity; /* those who are not seen */
    size_t next, n_asked;               /* of the question under way … */
    size_t n_found;                     /* … and who was found */
    size_t singly_until; /* of these some are not seen, or it was not answered: which? */
    bool failed;         /* the mirror could not be asked */
    bool moved;          /* somebody has that name no more, so nobody was asked for */
    struct search_request request;
    const char *ids[3];
    char *base, *filter;
};
void visible_begin(struct visible *v, struct feed_environment *env, const struct entry *missing);
void visible_done(struct visible *v);
/* Somebody is left who is to be asked for. */
bool visible_is_asking(struct visible *v);
const struct search_request *visible_question(struct visible *v); /* or NULL: no memory */
/* Whether such a code says anything: else the question stands. */
bool visible_is_answer(const struct visible *v, int code);
int visible_found(struct visible *v, LDAP *ld, LDAPMessage *m, struct error *e);
int visible_answer(struct visible *v, int code); /* after that; -ENOMEM */
/* Adds those who are not seen to what the group shows: how many, or -ENOMEM. */
int visible_keep(const struct visible *v, struct entry *group);
