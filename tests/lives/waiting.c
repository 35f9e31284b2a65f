/* Who waits, and for what (waiting.h). The plan is asked for once for all of them. */
#include "config.h"

#include "waiting.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "budgets.h"
#include "company.h"
#include "directory.h"
#include "guarded.h"
#include "life.h"
#include "rest.h"
#include "rules.h"
#include "scarce.h"
#include "tenant.h"
#include "witness.h"
#include "world.h"

static json_t *plan; /* NULL: not asked yet */

void waiting_forget(void)
{
    json_decref(plan);
    plan = NULL;
}

static bool is_guarded(const struct person *p)
{
    bool is = guarded_is(p->login) || guarded_is(p->old_login);
    if (is)
        seen(POINT_LAST_HOLDER);
    return is;
}

/* Whose user no state knows: it was lost, or is older; or the user is somebody else's. */
static bool may_be_taken_over(const struct person *p)
{
    return p->forgotten || p->orphaned || p->twin || p->item->shares ||
           strcasecmp(p->login, API_USER) == 0;
}

/* They have been somebody before, or others with their login were. */
static bool may_be_another(const struct person *p)
{
    return p->n_returns || p->twin || p->item->shares;
}

/* Nobody has the login there, or a state that is older knows another one. */
static bool may_be_gone(const struct person *p)
{
    return p->forgotten || p->orphaned || !tenant_team(p->login);
}

/* For what they may wait in this world. */
static void check_reason(const char *reason, const struct person *p)
{
    bool expected = reason && ((strcmp(reason, "budget") == 0 && budgets_hold()) ||
                               (strcmp(reason, "never-lock-out") == 0 && is_guarded(p)) ||
                               (strcmp(reason, "no-seat") == 0 && scarce_is_full()) ||
                               (strcmp(reason, "state-restored") == 0 && p->forgotten) ||
                               (strcmp(reason, "adoption") == 0 && may_be_taken_over(p)) ||
                               (strcmp(reason, "relink") == 0 && may_be_another(p)) ||
                               (strcmp(reason, "user-gone") == 0 && may_be_gone(p)));
    bool lasts =
        reason && (strcmp(reason, "never-lock-out") == 0 || strcmp(reason, "no-seat") == 0);
    if (rest_is() && !(expected && lasts))
        broken(10, "%s waits for \"%s\", after days in which all was approved", p->login,
               reason ? reason : "nothing");
    else if (!expected)
        broken(10, "%s waits for \"%s\", which is not so", p->login, reason ? reason : "nothing");
}

static const char *text_of(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text ? text : "";
}

/* For how long an operation has waited by now. */
static uint64_t waited(const json_t *o)
{
    struct tm tm = {0};
    uint64_t now = world.wall_usec / SECOND, since = now;
    if (strptime(text_of(o, "since"), "%Y-%m-%dT%H:%M:%S", &tm))
        since = (uint64_t)timegm(&tm);
    return since < now ? (now - since) * SECOND : 0;
}

static void check_alarm(const json_t *o, json_t *causes)
{
    char alarm[300];
    const char *cause = text_of(o, "cause");
    bool parked = strcmp(text_of(o, "state"), "parked") == 0,
         held = strcmp(text_of(o, "state"), "held") == 0,
         at_once = strncmp(cause, "revoked:", 8) == 0 ||
                   strcmp(text_of(o, "reason"), "never-lock-out") == 0;
    if (!*cause) /* whoever is tried again has it still */
        return;
    snprintf(alarm, sizeof(alarm), "hold:%s", cause);
    json_object_set_new(causes, cause, json_true());
    json_object_set_new(causes, alarm, json_true());
    world.n_checks++;
    if (parked && waited(o) > 7 * DAY)
        seen(POINT_WAITED_A_WEEK);
    if (parked && strncmp(cause, "budget:", 7) == 0) {
        seen(POINT_BUDGET_ALARM);
        if (!witness_alarm(cause))
            broken(17, "%s waits for \"%s\", and there is no alarm",
                   text_of(json_object_get(o, "person"), "login"), cause);
    } else if (held && waited(o) > (at_once ? 0 : rules.alarm_after_usec) + MINUTE) {
        seen(POINT_HOLD_ALARM);
        if (!witness_alarm(alarm) && !witness_alarm(cause))
            broken(17, "%s is held for \"%s\" for %llu minutes, and there is no alarm",
                   text_of(json_object_get(o, "person"), "login"), cause,
                   (unsigned long long)(waited(o) / MINUTE));
    }
}

void waiting_alarms(void)
{
    static const char *const heads[] = {"budget:", "hold:"};
    json_t *o, *causes = json_object();
    size_t i;
    if (!plan)
        plan = life_plan();
    json_array_foreach(json_object_get(plan, "operations"), i, o) check_alarm(o, causes);
    scarce_check(json_object_get(plan, "operations"));
    for (i = 0; i < 2; i++) {
        const char *stray = witness_stray_alarm(heads[i], causes);
        if (stray)
            broken(17, "the alarm %s stands, and nobody waits for that", stray);
    }
    json_decref(causes);
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
        const char *reason = json_string_value(json_object_get(o, "reason"));
        bool parked = state && strcmp(state, "parked") == 0 &&
                      !json_is_true(json_object_get(o, "approved")),
             held =
                 scarce_waits_for_seat(o) || (state && strcmp(state, "held") == 0 && reason &&
                                              strcmp(reason, "never-lock-out") == 0);
        if (theirs && (parked || held)) {
            check_reason(reason, p);
            return true;
        }
    }
    return false;
}
