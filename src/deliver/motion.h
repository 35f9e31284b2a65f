/*
 * Is somebody in motion? What the tenant shows of such a user says nothing of what others did
 * there.
 */
#pragma once
#include <stdbool.h>

struct link;
struct operation_list;

/* busy: all that is queued for the person. */
bool motion_is(const struct link *l, const struct operation_list *busy);
