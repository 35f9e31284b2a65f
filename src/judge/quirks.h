/*
 * The quirks of a linked user, kept as a struct user: a field holds what was sent where the
 * tenant shows it in another form, roles and skills are those that the tenant gave by itself.
 * Functions fill empty users and return 0 or -ENOMEM.
 */
#pragma once
#include <stdbool.h>

#include "model/user.h"

/* A field was sent (NULL: cleared) and is shown so now; before: as it was shown before. */
int quirks_learn_field(enum user_field f, const char *sent, const char *before, const char *shown,
                       struct user *known, struct user *quirks);
/* Are they one mail or one number, written in two ways? A name is not the same in another case. */
bool quirks_same(enum user_field f, const char *a, const char *b);
/* A user was made as `wanted` and is read back. at_once: right after the answer; else somebody may
 * have changed what is no other form of a value. */
int quirks_learn_created(const struct user *wanted, const struct user *after, bool at_once,
                         struct user *known, struct user *quirks);
/* A user was made as `known` says and is read for the first time, some time later: what is no
 * other form of a value, and nothing that came in addition, stays a difference. Both change. */
int quirks_learn_late(const struct user *now, struct user *known, struct user *quirks);
/* The team was changed; known: as it is known afterwards. */
int quirks_learn_moved(const struct user *quirks, const struct user *known,
                       const struct user *before, const struct user *after, struct user *ret);
/* Is `known` what the tenant makes of the wanted value? */
bool quirks_shows(const struct user *quirks, enum user_field f, const char *wanted,
                  const char *known);
/* Is nothing left to change for a user that was just made? */
bool quirks_as_wanted(const struct user *wanted, const struct user *known,
                      const struct user *quirks);
