/* Roles that nobody may have together, in the plan of one person. Pure. */
#pragma once
#include <stdbool.h>

struct error;
struct planner_input;
struct planner_result;

/* Does rosterd take this role away from somebody who has it and is not to have it? */
bool may_take_role(const struct planner_input *in, const char *name);
/* ret->operations: the grants that are held; ret->wanted: what is wanted without them, NULL when
 * there are none. */
int withhold_roles(const struct planner_input *in, struct planner_result *ret, struct error *e);
