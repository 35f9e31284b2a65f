/* Who waits, and for what (waiting.h). The plan is asked for once for all of them. */
#include "config.h"

#include "waiting.h"

#include <string.h>
#include <strings.h>

#include "company.h"
#include "directory.h"
#include "life.h"
#include "rest.h"
#include "rules.h"
#include "world.h"

static json_t *plan; /* NULL: not asked yet */

void waiting_forget(void)
{
    json_decref(plan);
    plan = NULL;
}

/* For what anybody may wait in this world. */
static void check_reason(const char *reason, const struct person *p)
{
    bool expected = reason && ((strcmp(reason, "budget") == 0 && rules.disable_budget) ||
                               (strcmp(reason, "state-restored") == 0 && p->forgotten) ||
                               strcmp(reason, "adoption") == 0 || strcmp(reason, "relink") == 0 ||
                               strcmp(reason, "user-gone") == 0);
    if (rest_is())
        broken(10, "%s waits for \"%s\", after days in which all was approved", p->login,
               reason ? reason : "nothing");
    else if (!expected)
        broken(10, "%s waits for \"%s\", which is not so", p->login, reason ? reason : "nothing");
}

bool waiting_is(const struct person *p)
{
    size_t i;
    json_t *o;
    if (!plan)
        plan = life_plan();
    json_array_foreach(json_object_get(plan, "operations"), i, o)
    {
        json_t *person = json_object_get(o, "person");
        const char *dn = json_string_value(json_object_get(person, "dn")),
                   *login = json_string_value(json_object_get(person, "login")),
                   *state = json_string_value(json_object_get(o, "state"));
        bool theirs = (dn && strcasecmp(dn, p->item->dn) == 0) ||
                      (login && (strcasecmp(login, p->login) == 0 ||
                                 strcasecmp(login, p->old_login) == 0));
        if (theirs && state && strcmp(state, "parked") == 0 &&
            !json_is_true(json_object_get(o, "approved"))) {
            check_reason(json_string_value(json_object_get(o, "reason")), p);
            return true;
        }
    }
    return false;
}
