/* The copy, and what is asked of it and of the tables. */
#include "config.h"

#include "sync/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "sync/engine-internal.h"

static const char *keep_text(struct error *space, const char *text)
{
    if (!text)
        return NULL;
    snprintf(space->message, sizeof(space->message), "%s", text);
    return space->message;
}

int engine_view_new(struct engine_view **ret, const struct engine *n, struct error *e)
{
    struct engine_view *v = calloc(1, sizeof(*v));
    const struct sync_options *o = n->options.sync;
    if (!v)
        return error_out_of_memory(e);
    engine_status(n, &v->status);
    v->status.tenant_error = keep_text(&v->tenant, v->status.tenant_error);
    v->status.state_error = keep_text(&v->state, v->status.state_error);
    v->status.audit_error = keep_text(&v->audit, v->status.audit_error);
    memcpy(v->limits.budgets, o->budgets, sizeof(o->budgets));
    v->limits.max_users = o->max_users;
    v->slice = n->options.slice;
    v->limits.budget_window_usec = o->budget_window_usec;
    if (health_copy_known(n->health, &v->teams_known, &v->teams, &v->missing) < 0) {
        engine_view_free(v);
        return error_out_of_memory(e);
    }
    *ret = v;
    return 0;
}

struct engine_view *engine_view_free(struct engine_view *v)
{
    if (!v)
        return NULL;
    string_list_done(&v->teams);
    string_list_done(&v->missing);
    free(v);
    return NULL;
}

void engine_view_freep(struct engine_view **v)
{
    engine_view_free(*v);
}

int engine_view_plan_hash(const struct engine_view *v, struct state *s, char ret[static 65],
                          size_t *ret_n_parked, struct error *e)
{
    return gate_read_plan_hash(s, v->status.observing, ret, ret_n_parked, e);
}

int engine_view_approval(const struct engine_view *v, struct state *s, const char *hash,
                         const struct engine_choice *choice, struct engine_approval *ret,
                         struct error *e)
{
    int r = gate_read_approval(s, v->status.observing, v->slice, hash, choice, ret, e);
    ret->adoption &= v->status.adoption_reported;
    return r;
}

void engine_approval_done(struct engine_approval *a)
{
    string_list_done(&a->parts);
    free(TAKE(a->vanished));
    free(TAKE(a->names));
}

int engine_view_budgets(const struct engine_view *v, struct state *s, struct guard_input *ret_input,
                        struct guard_verdict *ret, struct error *e)
{
    return gate_read_budgets(s, &v->limits, ret_input, ret, e);
}

int engine_view_seats(const struct engine_view *v, struct state *s, struct engine_seats *ret,
                      struct error *e)
{
    return gate_read_seats(s, v->limits.max_users, ret, e);
}

bool engine_view_lacks_team(const struct engine_view *v, const char *team)
{
    return v->teams_known && !string_list_contains(&v->teams, team);
}

bool engine_view_knows_missing(const struct engine_view *v, const char *cause)
{
    return string_list_contains(&v->missing, cause);
}
