/*
 * The order in which things become durable, seen by whoever opens the state file beside the
 * engine: what a death at this very moment would leave.
 */
#pragma once
#include <stdbool.h>

#include "fake-tenant.h"

struct order;

/* Of the state file at path, from now on. */
struct order *order_new(const char *path);
struct order *order_free(struct order *o);
/* What was committed since the last look: no intent is forgotten without a line that tells what
 * came of it, what was done has spent its budget, and what is approved has a line that says so.
 */
void order_look(struct order *o);
/* A request that is to change a user leaves: its intent is committed, and so is the line of the
 * audit. id: the tenant's own, or NULL. */
void order_request(struct order *o, enum fake_kind kind, const char *login, const char *id);
