/*
 * What an engine knows beside its tables, as a copy. With a state of one's own, what depends on
 * both is answered by any thread, whatever the engine does meanwhile.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/text.h"
#include "books/engine-types.h"
#include "judge/guard.h"

struct engine;
struct state;

struct engine_view {
    struct engine_status status;       /* its texts are … */
    struct error tenant, state, audit; /* … these */
    struct sync_options limits; /* budgets, their window and max_users; nothing else is set */
    size_t slice;               /* of the options */
    bool teams_known;
    struct string_list teams;
    struct string_list missing; /* causes of references that the tenant does not know now */
};
/* From the engine's loop. */
int engine_view_new(struct engine_view **ret, const struct engine *n, struct error *e);
struct engine_view *engine_view_free(struct engine_view *v);
void engine_view_freep(struct engine_view **v);

/* The hash of the plan: over the parked operations when there are any, else (and always while it
 * observes, since all of it waits for a person) over all. 64 digits and NUL. */
int engine_view_plan_hash(const struct engine_view *v, struct state *s, char ret[static 65],
                          size_t *ret_n_parked, struct error *e);
/* What somebody approves by this hash. choice NULL: all that it stands for. 0, or
 * ENGINE_STALE_HASH, ENGINE_NOTHING. */
int engine_view_approval(const struct engine_view *v, struct state *s, const char *hash,
                         const struct engine_choice *choice, struct engine_approval *ret,
                         struct error *e);
void engine_approval_done(struct engine_approval *a);
/* The budgets, and the users that [guard] max_users counts, as they are now. */
int engine_view_budgets(const struct engine_view *v, struct state *s, struct guard_input *ret_input,
                        struct guard_verdict *ret, struct error *e);
int engine_view_seats(const struct engine_view *v, struct state *s, struct engine_seats *ret,
                      struct error *e);
/* The tenant was asked for its teams, and this is none of them. */
bool engine_view_lacks_team(const struct engine_view *v, const char *team);
/* "role:NAME": the tenant said lately that it does not have it. */
bool engine_view_knows_missing(const struct engine_view *v, const char *cause);
