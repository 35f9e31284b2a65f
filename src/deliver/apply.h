/*
 * An operation's changes applied to what was read: what to send, what is left to do, and what is
 * known afterwards. Functions that fill `ret` add to an empty user and return 0 or -ENOMEM.
 */
#pragma once
#include <stdbool.h>

#include "model/operation.h"
#include "model/user.h"

/* The operation's change of that field, borrowed; NULL: it says nothing about it. */
const struct change *apply_field_change(const struct operation *o, enum user_field f);

/* The whole set to send: what was just read plus the operation's changes. */
int apply_roles(const struct operation *o, const struct user *current, struct user *ret);
int apply_skills(const struct operation *o, const struct user *current, struct user *ret);

bool apply_same_roles(const struct user *a, const struct user *b);
bool apply_same_skills(const struct user *a, const struct user *b);

/* What one more write of the skills must carry after the first: all that was read back, what
 * the operation says, and, when the team changed, the wanted skills as they were before the
 * tenant rewrote them. What is to go has the level 0. */
int apply_skills_left(const struct operation *o, const struct user *wanted,
                      const struct user *before, const struct user *after, bool moved,
                      struct user *ret);
/* Is nothing of that left to do? */
bool apply_skills_done(const struct operation *o, const struct user *left,
                       const struct user *after);

/* Is it so at a user of whom that is known? */
bool apply_is_done(const struct change *c, const struct user *known, const struct user *quirks);

/* An operation of which nothing was done says what it changes from what is known by now: planned
 * anew it is the same one, so that what was asked in vain is asked again when its time comes. What
 * is left of one that was done in part is another operation. 0 or -ENOMEM. */
int apply_say_known(struct operation *o, const struct user *known, const struct user *quirks);

/* The skills that are known after the operation: what it named, applied or not, and what the
 * tenant changed with it as read back, everything else as it was known. */
int apply_learn_skills(const struct operation *o, const struct user *known,
                       const struct user *before, const struct user *after, struct user *ret);
