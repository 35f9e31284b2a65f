/*
 * Members of the groups that other rules name are found once, by the groups; who else is touched
 * shows the entry, or what is known of the user.
 */
#include "config.h"

#include "intake/reach.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "mapping/difference.h"
#include "model/user.h"
#include "state/link.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/round.h"

/* Finding more at once would hold the loop, and spares little. */
#define MEMBERS_MAX 20000

struct reach {
    struct state *state;
    struct ruleset_difference *difference;
    struct row_numbers members; /* sorted */
    bool resolved;
};

struct reach *reach_free(struct reach *r)
{
    if (!r)
        return NULL;
    ruleset_difference_free(r->difference);
    row_numbers_done(&r->members);
    free(r);
    return NULL;
}

int reach_begin(struct reach **ret, struct state *s, const struct ruleset *before,
                const struct ruleset *now, struct error *e)
{
    struct ruleset_difference *difference = NULL;
    *ret = NULL;
    /* Whoever the other round has not come to yet is touched by what began that one. */
    if (!round_is_on(s) && ruleset_compare(&difference, before, now) < 0)
        return error_out_of_memory(e);
    struct reach *r = difference ? calloc(1, sizeof(*r)) : NULL;
    if (difference && !r) {
        ruleset_difference_free(difference);
        return error_out_of_memory(e);
    }
    if (!r)
        return person_mark_all_dirty(s, e);
    *r = (struct reach){.state = s, .difference = difference};
    int rc = round_begin_narrow(s, e);
    if (rc < 0)
        reach_free(r);
    else
        *ret = r;
    return rc;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Of a group that is gone, or never was, or whose members cannot be seen, nothing can be said about
 * anybody. */
static bool can_be_listed(const struct bound_group *g)
{
    return (g->state == BOUND_PRESENT || g->state == BOUND_RENAMED) && !g->members_hidden &&
           g->n_members <= MEMBERS_MAX;
}

int reach_resolve(struct reach *r, struct error *e)
{
    if (r->resolved || !round_is_narrow(r->state))
        return 0;
    const struct string_list *groups = ruleset_difference_groups(r->difference);
    CLEANUP(bound_groups_done) struct bound_groups bound = {0};
    bool listed = true;
    int rc = mirror_bind_groups(r->state, (const char *const *)groups->items, groups->n_items,
                                &bound, e);
    for (size_t i = 0; rc == 0 && i < bound.n_items && listed; i++)
        listed = can_be_listed(&bound.items[i]);
    if (rc == 0 && !listed)
        return person_mark_all_dirty(r->state, e);
    for (size_t i = 0; rc == 0 && i < bound.n_items; i++)
        rc = mirror_people_below(r->state, bound.items[i].id, &r->members, e);
    if (r->members.n_items)
        qsort(r->members.items, r->members.n_items, sizeof(*r->members.items), by_number);
    r->resolved = rc == 0;
    return rc;
}

static int touches_entry(const struct reach *r, const char *entry_id, struct error *e)
{
    CLEANUP(mirror_entry_done) struct mirror_entry m = {0};
    int rc = mirror_load(r->state, entry_id, &m, e);
    if (rc != 0 || m.gone)
        return rc < 0 ? rc : 0; /* no rule is asked about them */
    rc = ruleset_difference_touches_entry(r->difference, m.entry);
    return rc < 0 ? error_out_of_memory(e) : rc;
}

/* Without a link, or when the user was never read, it is not known what there is. */
static int touches_user(const struct reach *r, const char *entry_id, struct error *e)
{
    CLEANUP(link_done) struct link link = {0};
    CLEANUP(user_freep) struct user *known = NULL;
    CLEANUP(person_done) struct person person = {0};
    int rc = link_load(r->state, entry_id, &link, e);
    if (rc == 0 && link.known) {
        rc = user_from_json(&known, link.known, e);
        return rc < 0 ? rc : ruleset_difference_touches_user(r->difference, known);
    }
    if (rc <= 0)
        return rc < 0 ? rc : 1;
    rc = person_load(r->state, entry_id, &person, e);
    return rc < 0 ? rc : rc > 0 || person.verdict != VERDICT_SKIP;
}

int reach_touches(const struct reach *r, int64_t n, const char *entry_id, struct error *e)
{
    if (!round_is_narrow(r->state) || !r->resolved)
        return 1;
    if (r->members.n_items &&
        bsearch(&n, r->members.items, r->members.n_items, sizeof(*r->members.items), by_number))
        return 1;
    int rc = ruleset_difference_reads_entries(r->difference) ? touches_entry(r, entry_id, e) : 0;
    return rc || !ruleset_difference_reads_users(r->difference) ? rc : touches_user(r, entry_id, e);
}
