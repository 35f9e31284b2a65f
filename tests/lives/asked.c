/* What the daemon that runs would tell an operator. */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "company.h"
#include "daemon/daemon.h"
#include "dates.h"
#include "directory.h"
#include "habits.h"
#include "hands.h"
#include "life.h"
#include "oracle.h"
#include "tenant.h"
#include "world.h"

json_t *life_plan(void)
{
    CLEANUP(engine_view_freep) struct engine_view *view = NULL;
    struct error e = {0};
    bool noted = engine_view_new(&view, life_running()->engine, &e) == 0;
    json_t *found = noted ? report_plan(view, life_running()->state, &e) : NULL;
    if (!found)
        broken(0, "the plan cannot be shown: %s", e.message);
    return found;
}

json_t *life_explain(const char *person)
{
    bool found = false;
    struct error e = {0};
    return report_explain(life_running()->engine, life_running()->state, person, &found, &e);
}

/* Nothing about them is under way, and nobody at the tenant had a hand in it. */
static bool is_still(const struct person *p, const json_t *one)
{
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(one, "operations"), i, o)
    {
        const char *state = json_string_value(json_object_get(o, "state"));
        if (!state || strcmp(state, "started") == 0)
            return false;
    }
    return world.steady_usec - p->written_usec > SECOND && !hands_any(p) && !p->forgotten &&
           !p->orphaned && !p->twin && !p->item->shares && !p->disabled_by_hand &&
           !p->disabled_before && !p->is_dormant && !p->woken_usec &&
           p->apart_until_usec <= world.steady_usec && !world.other_tenant && !world.has_lied;
}

static bool is_known(const json_t *known, enum due d, unsigned level)
{
    size_t i;
    json_t *role;
    const json_t *skill = json_object_get(json_object_get(known, "skills"), due_names[d]);
    bool has = json_integer_value(skill) > 0; /* a level of 0 may be shown of what is not there */
    if (has)
        return (unsigned)json_integer_value(skill) == level;
    json_array_foreach(json_object_get(known, "roles"), i, role) has =
        has || strcmp(json_string_value(role), due_names[d]) == 0;
    return has == (level > 0);
}

/* What is told to be known of the user is what was done to it, whatever is still to be done. */
static void check_done(const struct person *p, const json_t *one)
{
    const json_t *link = json_object_get(one, "link"), *known = json_object_get(one, "known");
    const char *login = json_string_value(json_object_get(link, "login")),
               *status = json_string_value(json_object_get(link, "status")),
               *team = json_string_value(json_object_get(known, "team"));
    const char *there = login ? tenant_team(login) : NULL; /* NULL: nobody has that login */
    struct dues has;
    if (!login || !status || !is_still(p, one))
        return;
    world.n_checks++;
    seen(POINT_EXPLAINED);
    bool active = oracle_has_access(login);
    const char *is = !there ? "deleted" : active ? "active" : "disabled";
    if (strcmp(status, is) != 0)
        broken(16, "%s is explained as %s, and is %s at the tenant", login, status, is);
    if (!there || !json_is_object(known))
        return;
    if (strcmp(team ? team : "", there) != 0)
        broken(16, "%s is explained as of team %s, and is of %s", login, team ? team : "none",
               there);
    (void)tenant_dues(login, &has);
    for (unsigned d = DUE_AGENT; d < DUES; d++)
        if (!habits_give((enum due)d) && !habits_unread(p, (enum due)d) &&
            !is_known(known, (enum due)d, has.of[d]))
            broken(16, "%s is explained with another %s than %d", login, due_names[d],
                   (int)has.of[d]);
}

static const char *dn_of(const json_t *one)
{
    const char *dn = json_string_value(json_object_get(json_object_get(one, "person"), "dn"));
    return dn ? dn : "";
}

void life_check_answer(const struct person *p, const json_t *answer)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(answer, "people"), i,
                       one) if (strcasecmp(dn_of(one), p->item->dn) == 0) check_done(p, one);
}

/* As an operator is told: what is so. */
static void check_verdict(const struct person *p, const json_t *answer)
{
    bool gone = p->item->gone || !item_has(p->item, "objectClass", "person");
    const char *is = "gone", *should = gone                        ? "gone"
                                       : !oracle_has_left(p->item) ? "user"
                                                                   : "skip";
    size_t i;
    json_t *one;
    if (world.steady_usec - p->changed_usec < 2 * HOUR || p->forgotten ||
        !item_get(p->item, "givenName") || !item_get(p->item, "sn") ||
        !dates_has_begun(p->item) || p->twin)
        return;
    world.n_checks++;
    json_array_foreach(json_object_get(answer, "people"), i,
                       one) if (strcasecmp(dn_of(one), p->item->dn) == 0) is =
        json_string_value(json_object_get(one, "verdict"));
    if (!is || (strcmp(is, should) != 0 && !(oracle_is_revoked(p->item) && !p->item->gone)))
        broken(16, "%s (%s) is explained as %s, and is %s", p->login, p->item->dn,
               is ? is : "nothing", should);
}

static void explain(const struct person *p)
{
    json_t *answer = life_explain(p->login);
    check_verdict(p, answer);
    life_check_answer(p, answer);
    json_decref(answer);
}

/* Two of them a day, whoever comes next, and who changed last. */
void life_check_explained(void)
{
    const struct person *last = NULL;
    size_t n = company.n_people;
    for (size_t i = 0; i < n; i++)
        if (!last || company.people[i]->changed_usec > last->changed_usec)
            last = company.people[i];
    if (!last)
        return;
    explain(last);
    for (unsigned k = 0; k < 2; k++)
        explain(company.people[(2 * world_day() + k) % n]);
}
