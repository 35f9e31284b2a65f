/*
 * Whom another ruleset can decide otherwise about than the one before: so that a rule for fifty
 * people does not have a hundred thousand looked at again. Pure. It errs to looking: whoever is
 * not touched has the same verdict by both, whoever is touched may have.
 */
#pragma once
#include <stdbool.h>

#include "base/text.h"

struct entry;
struct ruleset;
struct ruleset_difference;
struct user;

/* Both are borrowed. *ret NULL: it concerns everybody. Or -ENOMEM. */
int ruleset_compare(struct ruleset_difference **ret, const struct ruleset *before,
                    const struct ruleset *now);
struct ruleset_difference *ruleset_difference_free(struct ruleset_difference *d);

/* The keys of the groups of which other rules name the members now: whoever is in one of them,
 * directly or not, is touched, and if nothing can be said of one of them everybody is. */
const struct string_list *ruleset_difference_groups(const struct ruleset_difference *d);
/* Does it take the entry to know whether somebody is touched, or what is known of the user? */
bool ruleset_difference_reads_entries(const struct ruleset_difference *d);
bool ruleset_difference_reads_users(const struct ruleset_difference *d);

/* A rule without a group came, went or changed that looks at this entry. 1, 0 or -ENOMEM. */
int ruleset_difference_touches_entry(const struct ruleset_difference *d, const struct entry *entry);
/* The user has a role or skill that some rule names now and none did before, or the other way
 * round. */
bool ruleset_difference_touches_user(const struct ruleset_difference *d, const struct user *user);
