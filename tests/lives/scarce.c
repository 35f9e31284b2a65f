/* Seats, and roles that nobody has together (scarce.h). */
#include "config.h"

#include "scarce.h"

#include <string.h>
#include <strings.h>

#include "company.h"
#include "directory.h"
#include "dues.h"
#include "guarded.h"
#include "hands.h"
#include "oracle.h"
#include "rules.h"
#include "simulated.h"
#include "tenant.h"
#include "world.h"

extern struct simulator tenant;

#define SETTLE (2 * HOUR)

static struct {
    struct dues dues;
    bool has_access;
} was; /* before the request that is carried out */

static bool both(const struct dues *d)
{
    return d->of[DUE_LEAD] && d->of[DUE_TRAINER];
}

static bool works(const struct person *p)
{
    return oracle_has_access(p->login) || oracle_has_access(p->old_login);
}

static bool has_user(const struct person *p)
{
    return store_user(&tenant.store, p->login) ||
           (*p->old_login && store_user(&tenant.store, p->old_login));
}

/* The larger number holds for a day after it was another: nobody else knows when that was
 * heard. */
static unsigned most_seats(void)
{
    bool lately =
        rules.seats_changed_usec && rules.seats_changed_usec + DAY > world.steady_usec;
    bool unlimited = !rules.seats || (lately && !rules.seats_before);
    return unlimited                                    ? 0
           : lately && rules.seats_before > rules.seats ? rules.seats_before
                                                        : rules.seats;
}

/* Of those whose users the state knows; more may count by what it has not heard. */
static unsigned known_at_work(void)
{
    unsigned n = 0;
    for (size_t i = 0; i < company.n_people; i++) {
        const struct person *p = company.people[i];
        n += !p->twin && !p->forgotten && works(p) && strcmp(p->login, API_USER) != 0 &&
             strcmp(p->old_login, API_USER) != 0;
    }
    return n;
}

/* Whoever somebody disabled there works by what was read last; what came of a request about
 * whom the tenant has a trouble with is not known. */
bool scarce_is_full(void)
{
    unsigned n = 0;
    const struct user *u;
    TAILQ_FOREACH(u, &tenant.store.users, link)
    {
        bool api = strcasecmp(u->field[USER_LOGIN], API_USER) == 0;
        n += !u->disabled && (!api || company.api_person);
    }
    for (size_t i = 0; i < company.n_people; i++) {
        const struct person *p = company.people[i];
        bool may_be_taken_over = p->forgotten && has_user(p);
        n += (!works(p) && (p->disabled_by_hand || may_be_taken_over)) ||
             p->apart_until_usec > world.steady_usec;
    }
    return rules.seats && n >= rules.seats;
}

void scarce_before(const char *login)
{
    was.has_access = oracle_has_access(login);
    tenant_dues(login, &was.dues);
}

static void check_roles(const struct person *p, const char *method, const struct dues *is)
{
    struct dues due;
    bool lost = (was.dues.of[DUE_LEAD] && !is->of[DUE_LEAD]) ||
                (was.dues.of[DUE_TRAINER] && !is->of[DUE_TRAINER]);
    dues_of(p->item, &due);
    world.n_checks++;
    if (both(is) && !both(&was.dues))
        broken(25, "a %s gives %s the roles Lead and Trainer together", method, p->login);
    if (lost && both(&due) && oracle_is_entitled(p->item) && !oracle_is_news(p))
        broken(25,
               "a %s takes one of two roles that conflict from %s, whom the rules give both",
               method, p->login);
    if (!both(&due) && was.dues.of[DUE_LEAD] + is->of[DUE_LEAD] == 1 &&
        was.dues.of[DUE_TRAINER] + is->of[DUE_TRAINER] == 1)
        seen(POINT_SWAPPED);
}

void scarce_after(const struct person *p, const char *method)
{
    struct dues is;
    if (rules.conflicts && tenant_dues(p->login, &is))
        check_roles(p, method, &is);
    unsigned most = most_seats();
    if (!most || was.has_access || !works(p))
        return;
    world.n_checks++;
    unsigned n = known_at_work();
    if (n > most)
        broken(24, "a %s of %s makes %u who work, of %u seats", method, p->login, n, most);
    if (n == most)
        seen(POINT_SEAT_FREED);
}

void scarce_apply(const struct person *p, const struct dues *is, struct dues *due)
{
    (void)p;
    if (!rules.conflicts || !both(due) || is->of[DUE_LEAD] == is->of[DUE_TRAINER])
        return;
    due->of[DUE_LEAD] = is->of[DUE_LEAD];
    due->of[DUE_TRAINER] = is->of[DUE_TRAINER];
}

/* ---- what waits ---- */

static const char *text_of(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text ? text : "";
}

bool scarce_waits_for_seat(const json_t *o)
{
    return strcmp(text_of(o, "state"), "held") == 0 &&
           strcmp(text_of(o, "reason"), "no-seat") == 0;
}

static bool is_theirs(const json_t *o, const struct person *p)
{
    const json_t *person = json_object_get(o, "person");
    return strcasecmp(text_of(person, "dn"), p->item->dn) == 0;
}

/* Who has both by the rules, and works, is held for it; NULL: nobody says so. */
static const json_t *conflict_of(const json_t *operations, const struct person *p)
{
    size_t i;
    const json_t *o;
    json_array_foreach(operations, i,
                       o) if (is_theirs(o, p) &&
                              strcmp(text_of(o, "reason"), "role-conflict") == 0) return o;
    return NULL;
}

static void check_conflict(const json_t *operations, const struct person *p)
{
    struct dues due;
    const json_t *o = conflict_of(operations, p);
    const char *sentence = text_of(o, "sentence");
    dues_of(p->item, &due);
    world.n_checks++;
    /* The role that the last one has who may not lose it is in the way of another one. */
    if (o && !both(&due) && !guarded_is(p->login) && !guarded_is(p->old_login)) {
        broken(25, "%s is held for two roles that conflict, and is to have one of them",
               p->login);
    } else if (both(&due) && !o && works(p)) {
        broken(25, "%s is to have two roles that conflict, and nobody is told", p->login);
    } else if (o && both(&due)) {
        seen(POINT_CONFLICT);
        if (!p->forgotten && (!strstr(sentence, "Leads") || !strstr(sentence, "Spanish")))
            broken(25,
                   "%s is held for two roles that conflict, and both rules are not named: %s",
                   p->login, sentence);
    }
}

static void check_seat(const json_t *o)
{
    bool enables =
        strcmp(text_of(o, "kind"), "create") == 0 || strcmp(text_of(o, "kind"), "enable") == 0;
    world.n_checks++;
    seen(POINT_SEATS_WAITED);
    if (!enables || strcmp(text_of(o, "cause"), "seats") != 0)
        broken(24, "a %s waits for a seat, for the cause \"%s\"", text_of(o, "kind"),
               text_of(o, "cause"));
    else if (!scarce_is_full())
        broken(24, "%s waits for a seat, and one is free",
               text_of(json_object_get(o, "person"), "login"));
}

void scarce_check(const json_t *operations)
{
    size_t i;
    const json_t *o;
    json_array_foreach(operations, i, o) if (scarce_waits_for_seat(o)) check_seat(o);
    for (i = 0; rules.conflicts && i < company.n_people; i++) {
        const struct person *p = company.people[i];
        if (world.steady_usec - p->changed_usec >= SETTLE && oracle_is_entitled(p->item) &&
            item_get(p->item, "givenName") && item_get(p->item, "sn") &&
            p->apart_until_usec < world.steady_usec)
            check_conflict(operations, p);
    }
}
