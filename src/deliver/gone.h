/*
 * Linked users whom the verification did not find. What became of them is decided together, when
 * all were read: who was renamed before the id was learnt is looked for among the users that
 * nobody claims, so that no person gets a second user.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

struct books;
struct error;
struct health;
struct tenant_answer;
struct tenant_call;
struct vain;

struct gone_users {
    struct books *books;
    struct health *health;
    struct tenant_call *call;
    struct string_list people; /* entry ids … */
    struct string_list before; /* … and what was known of each when it was not found */
    char *login;               /* the one that is looked at */
    struct vain *errors;       /* of the looks at one: borrowed, for longer than one walk */
    bool search;               /* an id is not known: the others there are looked through */
    bool cannot_list;
    bool late;          /* others were read since the first of them was missing */
    bool is_served;     /* others were answered for in the same verification */
    size_t n_looked;    /* at users that nobody claims */
    size_t n_again;     /* of people, who were read once more */
    bool unsure;        /* one of those was not answered for: who is not found may be that one */
    bool has_strangers; /* somebody came since the first contact, whom nobody here wants */
    bool anew;          /* the state is an older copy: what is found is what is known */
    /* The end; failure: the tenant as a whole does not answer, and nothing was decided. NULL and
     * *e set: our own failure. */
    void (*done)(const struct tenant_answer *failure, const struct error *e, void *userdata);
    void *userdata;
};

int gone_add(struct gone_users *g, const char *entry_id, struct error *e);
/* Whom a verification did not find: what became of them is decided when all were read.
 * *ret_over: no user is missed. */
int gone_take_absence(struct gone_users *g, const char *entry_id, bool *ret_over, struct error *e);
/* True: under way, and `done` runs later, from the loop, or has run. */
bool gone_settle(struct gone_users *g);
void gone_cancel(struct gone_users *g);
