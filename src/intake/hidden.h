/*
 * Groups whose members this account may not see: an alarm for each that a rule depends on.
 */
#pragma once

struct books;
struct bound_groups;
struct error;

int hidden_look(struct books *b, const struct bound_groups *groups, struct error *e);
/* cause: "members:DN" of an alarm. A person says that they were removed: what the group shows
 * when it is read next is all it has. Or STATE_NONE: nothing of such a group is hidden. */
int hidden_believe(struct books *b, const char *cause, struct error *e);
