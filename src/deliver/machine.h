/*
 * The machine that carries out one operation. What each kind of operation does at each step is a
 * row of the table in kinds.c; what comes after a step, and what an earlier attempt of unknown
 * outcome asks for, is the same for all kinds and stands in machine.c.
 *
 *     find ──► read ──► decide ──► write ──► read back ──► conclude
 *
 * A step is given the answer to the call before it and says what is next. An operation ends in
 * one of the functions of ending.c, after which x is gone: done (conclude), undone (it was unclear,
 * and reading shows that it was not done), or otherwise in the step itself, which then answers
 * NEXT_NOTHING.
 */
#pragma once
#include "deliver/delivery-internal.h"

enum next_step {
    NEXT_NOTHING,   /* x has ended, or the step has made a call of its own */
    NEXT_WRITE,     /* or once more; of an unclear operation: undone */
    NEXT_COMPLETE,  /* write, once, what the write before has left to do */
    NEXT_READ_BACK, /* by the login; this answer is kept in x->answer */
    NEXT_CONCLUDE,  /* done: on record with this answer, known as it shows the user */
    NEXT_CONFIRM,   /* done: on record with x->answer, known as this answer shows the user */
    NEXT_FAIL,      /* outcome.c says what follows from this answer */
};

enum find_by {
    FIND_OURS,     /* whom an earlier attempt may have made: by our id, where the tenant takes one;
                      else, and who is not found so, by the login */
    FIND_BY_LOGIN, /* a user that is not there is looked for by its id, if that is remembered */
    FIND_BY_PART,  /* by the key of the part: likewise by the login; or by the id, which is looked
                      up by the login if it is not remembered or not there */
    FIND_PROVED,   /* by the login, once that is proved to be the user's */
    FIND_PROVED_TO_READ, /* likewise, when it is read first and the id is remembered */
};

/* What there must be, else the operation is dropped; as bits. */
#define NEEDS_WANTED 1U /* the rules still want a user */
#define NEEDS_LINK   2U
#define NEEDS_KNOWN  4U  /* what the tenant confirmed */
#define NEEDS_PART   8U  /* that is written, in the tenant's table */
#define NEEDS_CHANGE 16U /* to another value */

/* When the user is read before anything is written; as bits. */
#define READS_FIRST      1U /* always, unless it revokes: then there is no time */
#define READS_UNCLEAR    2U /* an earlier attempt's outcome is not known */
#define READS_DISTRUSTED 4U /* the state was an older copy */
#define READS_HELD       8U /* it was held for what the tenant had */

/* A step: the user was read, or was written to, with this answer. */
typedef enum next_step machine_step(struct execution *x, const struct tenant_answer *a);

struct kind_steps {
    unsigned needs, reads;
    const char *pointless; /* said when it is dropped */
    enum find_by find;
    bool anew;     /* the user is another than the one whose id is remembered */
    bool keeps_id; /* an id that was looked up is durable before anything is written */
    /* That something is written is noted before, not with the start: whose doing it was decides
     * what follows, and a death while it was only read leaves no doubt about that. */
    bool looks;
    machine_step *ours;   /* the user has our id */
    machine_step *decide; /* the user is there … */
    machine_step *absent; /* … or is not; NULL: NEXT_FAIL */
    /* The user was read and is to be written to. True: not now, and x has ended. */
    bool (*hold_back)(struct execution *x, const struct tenant_answer *a);
    /* Starts the call, whose answer goes to machine_written(); NULL: nothing is ever written. */
    int (*write)(struct execution *x, struct error *e);
    machine_step *written, *read_back;
    /* What is known from now on, into the link; shown NULL: the user was not read. */
    int (*learn)(struct execution *x, const struct tenant_answer *a, const struct user *shown,
                 struct error *e);
    bool confirms; /* the link is as the tenant shows the user, and what was given is noted */
    enum person_bucket bucket;
};
const struct kind_steps *kind_steps_of(enum operation_kind k); /* kinds.c */

void machine_start(struct execution *x);
/* For steps that make a call of their own. */
void machine_write(struct execution *x);
void machine_written(const struct tenant_answer *a, void *userdata);
/* By the login; x->answer stays. */
void machine_read_back(struct execution *x);
/* This answer, in x->answer, without what it borrows. */
void machine_keep(struct execution *x, const struct tenant_answer *a);
/* The user that was shown turned out to be one of ours: with what the tenant never shows. */
int machine_show_hidden(struct execution *x, struct error *e);
/* The call of a step `write`. */
int machine_send(struct execution *x, const struct tenant_write *w, struct error *e);
/* Our own failure, memory in most cases: x has ended. */
enum next_step machine_broken(struct execution *x, struct error *e);
machine_step machine_do_write; /* whatever was read */

/* create.c */
machine_step create_ours, create_decide, create_written, create_read_back;
int create_write(struct execution *x, struct error *e);
int create_learn(struct execution *x, const struct tenant_answer *a, const struct user *shown,
                 struct error *e);
/* adopt.c */
machine_step adopt_decide, adopt_absent;
int adopt_learn(struct execution *x, const struct tenant_answer *a, const struct user *shown,
                struct error *e);
/* A create met a user of that login that is not ours: to be adopted, or another person. x ends. */
enum next_step adopt_instead(struct execution *x, const struct tenant_answer *a);
/* change.c */
machine_step change_decide, change_written, change_read_back, rename_decide, rename_written;
int change_write(struct execution *x, struct error *e);
int change_learn(struct execution *x, const struct tenant_answer *a, const struct user *shown,
                 struct error *e);
int rename_write(struct execution *x, struct error *e);
int rename_learn(struct execution *x, const struct tenant_answer *a, const struct user *shown,
                 struct error *e);
/* leave.c */
machine_step leave_decide, leave_absent, leave_written;
bool leave_hold_back(struct execution *x, const struct tenant_answer *a);
int leave_write(struct execution *x, struct error *e);
int leave_learn(struct execution *x, const struct tenant_answer *a, const struct user *shown,
                struct error *e);
int delete_write(struct execution *x, struct error *e);
