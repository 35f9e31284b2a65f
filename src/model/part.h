/*
 * What of a user a tenant takes in one request. Each thing that a user has is in one part, so
 * that it has one owner also where two interfaces of a tenant could write it; an operation
 * writes one part. The login is written alone and before the rest (OPERATION_RENAME), since
 * another part may go by it. What is in no part this tenant does not have. A service with one
 * interface for everything has one part that holds all of it and that is never missing. Plain
 * values; the tenant's driver has the table.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/operation.h"
#include "model/user.h"

/* What can be written, as a set of bits; the fields of the user come first. */
#define PART_FIELD(f) (1U << (f))
#define PART_ROLES    (1U << USER_N_FIELDS)
#define PART_SKILLS   (1U << (USER_N_FIELDS + 1))
#define PART_DISABLED (1U << (USER_N_FIELDS + 2))
#define PART_ALL      (PART_DISABLED | (PART_DISABLED - 1))

/* What a call about a user goes by. */
enum part_key {
    PART_BY_LOGIN,
    PART_BY_ID, /* the tenant's own, which stays when the login changes */
};

struct part {
    const char *name;         /* as people know it */
    enum operation_kind kind; /* of the operations that write it */
    enum part_key key;
    uint32_t writes;     /* of the bits above */
    uint32_t also;       /* what it takes as well, though another part owns it */
    bool tenant_acts;    /* what is written is not all that changes there: it is read back,
                                 and what is missing then is written once more */
    bool by_value;       /* it writes the roles and nothing else, one a request, and each has
                                 an outcome of its own */
    bool may_be_missing; /* a tenant may not offer it; then: */
    const char *cause;   /* of what waits for it */
    const char *holds;   /* what it has in it, for people */
    const char *remedy;  /* what makes the tenant offer it */
};

struct parts {
    const struct part *items; /* in the order in which they are planned */
    size_t n_items;
    uint32_t created_later; /* what a create does not take: it is written to its part right after */
    uint32_t hides;         /* what no read shows: it is as it was written last */
    bool keeps_removed;     /* whoever is removed may be there still, disabled */
    bool takes_our_id;      /* a new user may be given an id of ours, and be found by it … */
    bool keeps_our_id;      /* … and is: of whom another or none is shown was not made by us */
    bool has_pages;         /* a list comes in pages, and may lack whoever moved meanwhile */
    bool token_alone;       /* nothing but its token says whose users it shows */
};

/* The part that has one of these in it; NULL: none. */
const struct part *part_with(const struct parts *parts, uint32_t what);
/* The part that operations of this kind write; NULL: none. */
const struct part *part_of_kind(const struct parts *parts, enum operation_kind kind);
/* A part that goes by the tenant's own id and takes all of these; NULL: none. */
const struct part *part_by_id(const struct parts *parts, uint32_t what);
/* What `what` says of a user becomes as it is in `from`; -ENOMEM. */
int part_copy(struct user *u, uint32_t what, const struct user *from);
