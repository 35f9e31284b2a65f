/* Roles that nobody may have together, in the plan of one person. Pure. */
#pragma once

struct error;
struct planner_input;
struct planner_result;

/* ret->operations: the grants that are held; ret->wanted: what is wanted without them, NULL when
 * there are none. */
int withhold_roles(const struct planner_input *in, struct planner_result *ret, struct error *e);
