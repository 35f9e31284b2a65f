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
#include "life.h"
#include "oracle.h"
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

/* One of them a day, as an operator is told. */
void life_check_explained(void)
{
    struct person *p = company.n_people ? company.people[world_day() % company.n_people] : NULL;
    if (!p || world.steady_usec - p->changed_usec < 2 * HOUR || p->forgotten ||
        !item_get(p->item, "givenName") || !item_get(p->item, "sn") ||
        !dates_has_begun(p->item) || p->twin)
        return;
    bool gone = p->item->gone || !item_has(p->item, "objectClass", "person");
    const char *is = "gone", *should = gone                        ? "gone"
                                       : !oracle_has_left(p->item) ? "user"
                                                                   : "skip";
    size_t i;
    json_t *one, *found = life_explain(p->login), *people = json_object_get(found, "people");
    world.n_checks++;
    json_array_foreach(people, i, one)
    {
        const char *dn =
            json_string_value(json_object_get(json_object_get(one, "person"), "dn"));
        if (dn && strcasecmp(dn, p->item->dn) == 0)
            is = json_string_value(json_object_get(one, "verdict"));
    }
    if (!is || (strcmp(is, should) != 0 && !(oracle_is_revoked(p->item) && !p->item->gone)))
        broken(16, "%s (%s) is explained as %s, and is %s", p->login, p->item->dn,
               is ? is : "nothing", should);
    json_decref(found);
}
