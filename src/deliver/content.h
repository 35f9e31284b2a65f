/*
 * What is sent of a user, and what it was before: the values, which of them, and, where the tenant
 * takes roles by value, one role a request, each with an outcome of its own.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct conflicts;
struct operation;
struct tenant_answer;
struct user;

/* Written by content.c alone, but that the values of `sent` are filled in by whoever gave it. */
struct user_content {
    struct user *current; /* as it was read before anything was written, then with what was done */
    struct user *sent;    /* as it is to be … */
    uint32_t set;         /* … of which these are sent, as in struct tenant_write */
    struct user *refused; /* of what is sent by value: what the tenant refused … */
    const char *value;    /* … the role under way, borrowed … */
    bool gives;           /* … and whether it is given */
    bool completes;       /* what is sent is what the write before left to do */
};

void content_done(struct user_content *c);
/* Nothing of it is sent so far. -ENOMEM: also when one of them is NULL. */
int content_begin(struct user_content *c, struct user *current_taken, struct user *sent_taken);
/* What is sent now, instead of what was; -ENOMEM when it is NULL. */
int content_send(struct user_content *c, struct user *sent_taken, uint32_t set);
void content_choose(struct user_content *c, uint32_t set);
void content_complete(struct user_content *c);

/* Whether the user has the roles that the operation gives nobody knows: they are to be taken away,
 * as if they were there. -ENOMEM. */
int content_take_back(struct user_content *c, const struct operation *o);

/* The next role that is not as it is to be, and was not refused. What goes, goes first, and
 * what would conflict with one that is still there is not given: nobody has two such roles,
 * however short, or for as long as the first one is not taken away. False: there is none. */
bool content_next_value(struct user_content *c, const struct conflicts *conflicts);
/* What came of it; -ENOMEM. */
int content_take_value(struct user_content *c, const struct tenant_answer *a);
/* The answer says something of that role alone. */
bool content_is_own_refusal(const struct tenant_answer *a);
