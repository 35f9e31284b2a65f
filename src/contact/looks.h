/*
 * Looks at single users of the tenant, each by its login: for whoever no link claims, and
 * whoever is looked for. They go in rounds, each of them through all in the order of their
 * logins: whoever is answered for by an error waits for the next round, and keeps nobody
 * waiting who is behind.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "contact/vain.h"
#include "tenant/client.h"

struct books;
struct error;
struct health;
struct look;
struct state;
struct string_list;

enum look_outcome {
    LOOK_SHOWN = 1,      /* what it looks like, or that nobody is there */
    LOOK_UNREADABLE = 2, /* errors in round after round, while others are answered for */
    LOOK_NOTHING = 3,    /* it waits for the next round, for which health has a time */
    LOOK_OVER = 4,       /* the tenant as a whole does not answer: health was told */
};

struct looks {
    struct books *books;
    struct health *health;
    /* The look has ended, another may begin; both are borrowed. */
    void (*done)(const char *login, const struct tenant_answer *a, enum look_outcome outcome,
                 void *userdata);
    void *userdata;
    bool meets;         /* they are at users whom no link claims; else at whoever is looked for */
    bool first_contact; /* nothing is written before they have ended */
    struct look *first;
    size_t n; /* under way */
    struct vain vain;
    char *after; /* the key of the login that was looked at last in this round; NULL: nobody was
                  */
    /* Somebody who was answered for is, or is not, while another one is throttled: that tells
     * whose matter it is. */
    char *witness; /* whom a look is under way at for that; NULL: nobody */
    bool wants_witness, is_witnessed;
};

/* Who is to be looked at and comes after that key, by the keys; at most limit. */
typedef int looks_next_fn(struct state *s, const char *after, size_t limit, struct string_list *ret,
                          struct error *e);

/* hurry: before whatever else waits for the tenant. A login that is being looked at is not
 * again.
 */
int looks_begin(struct looks *l, const char *login, bool hurry, struct error *e);
/* Those that come next in this round, until `most` are under way. few: where not more than so
 * many are left, they hurry; 0: they never do. */
int looks_go_on(struct looks *l, looks_next_fn *next, size_t most, size_t few, struct error *e);
/* Somebody came, who may stand before those that were looked at in this round. */
void looks_from_the_start(struct looks *l);
void looks_again(struct looks *l); /* another round */
/* Nobody comes next. *ret: nobody waits for another round either, and none is under way. */
int looks_end_round(struct looks *l, bool *ret, struct error *e);
void looks_cancel(struct looks *l); /* nobody is told */
void looks_done(struct looks *l);
