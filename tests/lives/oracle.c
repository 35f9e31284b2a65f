/*
 * The oracle and the invariants of docs/reliability.md that it holds against every request and
 * at the end of each day.
 */
#include "config.h"

#include "oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alarms.h"
#include "belief.h"
#include "budgets.h"
#include "causes.h"
#include "commands.h"
#include "company.h"
#include "dates.h"
#include "deeds.h"
#include "directory.h"
#include "dormant.h"
#include "dues.h"
#include "groups.h"
#include "growth.h"
#include "guarded.h"
#include "habits.h"
#include "hands.h"
#include "kept.h"
#include "life.h"
#include "operator.h"
#include "pace.h"
#include "rest.h"
#include "rules.h"
#include "scarce.h"
#include "simulated.h"
#include "tenant.h"
#include "waiting.h"
#include "witness.h"
#include "world.h"
#include "written.h"
#include "yearbook.h"

extern struct simulator tenant;

#define SETTLE       (2 * HOUR) /* the grace of an hour, and the work */
#define SHIFT        (12 * HOUR + SETTLE)
#define DELETE_AFTER (3 * DAY)

/* When the state was kept, and what its clock knows. */
static uint64_t kept_usec, kept_noted_usec, kept_off_usec, lost_usec, restored_usec;

void oracle_begin(void)
{
    budgets_begin();
    pace_begin();
    witness_begin();
    growth_begin();
}

void oracle_end(void)
{
    alarms_end();
    budgets_end();
}

static bool is_type(const struct item *i, const char *type)
{
    const char *t = item_get(i, "employeeType");
    return t && strcasecmp(t, type) == 0;
}

bool oracle_is_revoked(const struct item *i)
{
    return is_type(i, "Revoked");
}

/* In the directory, in scope, and given a team. */
static bool is_placed(const struct item *i)
{
    return !i->gone && !i->shares && item_has(i, "objectClass", "person") &&
           !is_type(i, "Service") && !(rules.without_visitors && is_type(i, "Visitor")) &&
           dues_team(i);
}

static bool is_claimed(const struct item *i)
{
    return is_placed(i) && dates_has_begun(i);
}

/* Disabled; whoever is revoked gets none. */
static bool is_to_be_made(const struct item *i)
{
    bool disabled = is_type(i, "Terminated") || dates_has_ended(i),
         near = dates_has_begun(i) ? disabled : dates_is_awaited(i);
    return is_placed(i) && near && !is_type(i, "Revoked") &&
           (!disabled || rules.makes_disabled);
}

bool oracle_has_left(const struct item *i)
{
    return !is_placed(i);
}

bool oracle_is_entitled(const struct item *i)
{
    return is_claimed(i) && !is_type(i, "Terminated") && !is_type(i, "Revoked") &&
           !dates_has_ended(i);
}

struct person *oracle_person(const char *login)
{
    for (size_t i = 0; i < company.n_people; i++)
        if (strcasecmp(company.people[i]->login, login) == 0 ||
            strcasecmp(company.people[i]->old_login, login) == 0)
            return company.people[i];
    return NULL;
}

/* Who cannot have heard yet is not to blame: what changed while nobody listened, or right now. But
 * whoever only moved has been there all the time. */
bool oracle_is_news(const struct person *p)
{
    uint64_t heard_in = directory_data.polled ? rules.poll_usec + 3 * MINUTE : 5 * SECOND;
    bool dated = p->item->first_usec || p->item->last_usec;
    return (dated && (belief_is_unknown() || belief_moved(heard_in))) ||
           world.steady_usec - p->told_usec < heard_in || p->told_usec >= world.deaf_since_usec;
}

static bool had_access; /* of whom the request is about, before it */

static const char *login_of(const struct request *q)
{
    return q->login ? q->login : "";
}

bool oracle_has_access(const char *login)
{
    const struct user *u = *login ? store_user(&tenant.store, login) : NULL;
    return u && !u->disabled;
}

static bool is_protected(const struct person *p)
{
    return strcmp(p->login, API_USER) == 0 || strcmp(p->old_login, API_USER) == 0 ||
           (rules.protects &&
            (strcmp(p->login, PROTECTED) == 0 || strcmp(p->old_login, PROTECTED) == 0));
}

void oracle_request(struct request *q, unsigned n_under_way)
{
    const char *login = login_of(q);
    bool writes = q->method != METHOD_GET && *login;
    had_access = oracle_has_access(login);
    world.n_checks++;
    pace_check(*login ? oracle_person(login) : NULL, n_under_way);
    if (!writes)
        return;
    uint64_t paused = operator_paused_usec();
    if (paused && world.steady_usec > paused + SECOND)
        broken(20, "%s of %s while writing is paused", q->method_text, login);
    if (!oracle_person(login))
        broken(2, "a user that nobody claims is written: %s %s", q->method_text, q->target);
    guarded_before(login);
    if (oracle_person(login)) {
        oracle_person(login)->written_usec = world.steady_usec;
        hands_before(oracle_person(login));
    }
    struct person *p = oracle_person(login);
    bool dated = p && (dates_came(p->item, DAY) ||
                       (rules.dormant_disables &&
                        dormant_is(p))); /* it is work, also while a company rests */
    rest_request(q->method_text, login, dated || (q->method == METHOD_DELETE && rules.deletes),
                 dated || (p && hands_any(p)));
    /* Another password is no operation, and has a line of its own. */
    bool sets_password =
        q->method == METHOD_PUT && commands_tells_password(q->body.data, q->body.length);
    if (sets_password && !witness_tells("\"ev\":\"password\""))
        broken(3, "another password of %s is set, and the audit does not tell of it", login);
    scarce_before(login);
    deed_begins(login, sets_password ? NULL : witness_intent(login, q->method_text));
}

static bool works(const struct person *p)
{
    return oracle_has_access(p->login) || oracle_has_access(p->old_login);
}

void oracle_answered(struct request *q)
{
    const char *login = login_of(q);
    struct person *p = *login ? oracle_person(login) : NULL;
    struct deed deed;
    dormant_answered(q);
    bool made = q->method == METHOD_POST && q->status == 409 && p && habits_make_users();
    if (made)
        deed_finds(login);
    bool changed = deed_ends(login, q->method_text, &deed);
    guarded_after(login, q->method_text, q->target);
    if (changed && p) {
        budgets_wrote(p, &deed);
        hands_after(p, q->method_text);
        scarce_after(p, q->method_text);
    }
    if (p && q->method != METHOD_GET && q->status < 300)
        commands_password(p, q->body.data, q->body.length);
    if (made)
        seen(POINT_MADE_BY_LOG_IN);
    else if (q->method == METHOD_POST && q->status == 409 && p)
        broken(6, "a login is created twice: %s", login);
    /* Whom rosterd disables itself, not knowing that somebody had, is its own from then on. */
    if (p && q->method == METHOD_PUT && !had_access && !oracle_has_access(login) &&
        !oracle_is_entitled(p->item))
        p->disabled_before = p->disabled_by_hand = false;
    if (p && !had_access && (oracle_has_access(login) || q->method == METHOD_POST))
        dates_check(p, oracle_has_access(login), q->method_text);
    if (p && *login)
        p->item->works = works(p);
    if (p && !had_access && oracle_has_access(login)) {
        if (p->disabled_by_hand)
            broken(18, "%s was disabled by hand at the tenant, and is enabled again", login);
        p->disabled_before = p->disabled_by_hand = false;
        dormant_is_enabled(p);
        if (q->method == METHOD_PUT)
            seen(POINT_ENABLED);
    }
    if (p && q->method == METHOD_PATCH && *p->old_login && strcasecmp(login, p->old_login) == 0)
        seen(POINT_RENAMED);
    if (!p || !had_access || oracle_has_access(login) || q->method == METHOD_PATCH)
        return;
    if (oracle_is_entitled(p->item) && !dormant_disabled(p, &deed) && !oracle_is_news(p))
        broken(1, "%s %s takes the access of somebody who is entitled to it (%s)",
               q->method_text, login, p->item->dn);
}

uint64_t oracle_state_lost_usec(void)
{
    return lost_usec;
}

uint64_t oracle_state_restored_usec(void)
{
    return restored_usec;
}

void oracle_state_kept(void)
{
    operator_state_kept();
    kept_usec = world.steady_usec;
    kept_noted_usec = world.noted_usec;
    kept_off_usec = world.off_usec;
    for (size_t i = 0; i < company.n_people; i++)
        company.people[i]->disabled_when_kept = company.people[i]->had_user &&
                                                !works(company.people[i]) &&
                                                !company.people[i]->disabled_before;
}

void oracle_state_changed(bool restored)
{
    operator_state_changed(restored);
    budgets_forget();
    witness_forget();
    lost_usec = restored ? 0 : world.steady_usec;
    restored_usec = 0;
    causes_look_in(HOUR + 10 * MINUTE);
    /* What passed between two boots only a right clock tells. */
    if (restored && !world.clock_is_right && world.booted_usec > kept_noted_usec)
        world.off_usec = kept_off_usec + world.steady_usec - kept_noted_usec;
    for (size_t i = 0; i < company.n_people; i++) {
        struct person *p = company.people[i];
        if (restored && p->written_usec > kept_usec)
            restored_usec = world.steady_usec;
        p->forgotten = true;
        if (directory_hides() && p->changed_usec >= kept_usec) /* as who moves while it does */
            p->told_usec = world.steady_usec;
        hands_forgotten(p);
        if (p->left_usec && (!restored || p->told_left_usec >= kept_usec))
            p->told_left_usec = world.steady_usec; /* it is seen now */
        p->disabled_before = !works(p) && !(restored && p->disabled_when_kept);
        dormant_forgotten(p);
    }
}

/* A name that is not there makes an entry that nothing follows from; a mail that is not there is
 * kept as it is. */
static bool is_usable(const struct item *i)
{
    return item_get(i, "givenName") && item_get(i, "sn");
}

__attribute__((format(printf, 2, 3))) static void differs(const struct person *p,
                                                          const char *format, ...)
{
    char text[1200];
    va_list ap;
    if (waiting_is(p))
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    broken(9, "%s (%s) %s", p->login, p->item->dn, text);
}

/* How long rosterd has been free to disable them, at least: a shift is waited for from then on. */
static uint64_t allowed_for(struct person *p)
{
    uint64_t since = p->entitled_usec;
    if (p->approved_until_usec > since + HOUR + MINUTE)
        since = p->approved_until_usec - HOUR - MINUTE;
    if (rules.limits[LIMIT_DISABLE] && waiting_is(p))
        p->waited_usec = world.steady_usec;
    /* Room may have come on any moment of the day after. */
    if (p->waited_usec && p->waited_usec + DAY > since)
        since = p->waited_usec + DAY;
    since += world.down_usec - p->down_before_usec;
    return world.steady_usec > since ? world.steady_usec - since : 0;
}

static void check_absent(struct person *p, const struct user *u)
{
    uint64_t away = world.steady_usec - p->entitled_usec;
    uint64_t left = p->left_usec ? world.steady_usec - p->left_usec : 0;
    if (u && u->logged_in && !u->disabled)
        seen(POINT_ON_SHIFT);
    if (p->forgotten || dormant_was_just_woken(p))
        return;
    if (u && !u->disabled && (!u->logged_in || allowed_for(p) > SHIFT))
        differs(p, "has access, and should not for %llu hours",
                (unsigned long long)(away / HOUR));
    if (!u && is_to_be_made(p->item) && !p->disabled_before)
        differs(p, "has no user, and should have one that is disabled");
    else if (u && !dates_has_begun(p->item))
        seen(POINT_AHEAD);
    /* Whoever is in the directory and claimed has no user to be deleted. */
    if (u && rules.deletes && p->item->gone && !p->disabled_before &&
        world.steady_usec - p->told_left_usec >
            DELETE_AFTER + DAY + world.off_usec - p->off_before_usec)
        differs(p, "left %llu hours ago and is not deleted",
                (unsigned long long)(left / HOUR));
    if (!u && (!rules.deletes || left < DELETE_AFTER) && p->had_user)
        broken(9, "the user %s was deleted too early or for nothing", p->login);
    if (!u && p->disabled_before && p->had_user)
        broken(9, "the user %s was deleted, and somebody else had disabled it", p->login);
}

/* Nothing follows from such an entry but that its access may have to end now. */
static bool is_in_doubt(const struct person *p)
{
    if (belief_is_unknown() && (p->item->first_usec || p->item->last_usec))
        return true;
    return !p->item->gone && !is_type(p->item, "Revoked") && !is_usable(p->item);
}

static void check_person(struct person *p)
{
    char is[500], should[500];
    const struct user *u = store_user(&tenant.store, p->login);
    if (is_protected(p) || p->apart_until_usec > world.steady_usec || is_in_doubt(p))
        return;
    world.n_checks++;
    if (u && oracle_has_access(p->login) && oracle_has_access(p->old_login))
        broken(6, "%s is there twice: also as %s", p->login, p->old_login);
    if (!oracle_is_entitled(p->item)) {
        if (!u && *p->old_login) /* who has no access keeps the login until they come back */
            u = store_user(&tenant.store, p->old_login);
        check_absent(p, u);
    } else if (!u) {
        if (!p->orphaned)
            differs(p, "has no user");
    } else {
        struct dues has = {0};
        tenant_dues(p->login, &has);
        dues_are(u, &has, is, sizeof(is));
        dues_should_be(p, u, &has, should, 480);
        if (u->disabled && (p->disabled_before || p->is_dormant))
            strcat(should, ", disabled");
        if (strcmp(is, should) != 0)
            differs(p, "is not as it should be\n  is:     %s\n  should: %s", is, should);
    }
    p->had_user = u != NULL;
}

void oracle_one(struct person *p)
{
    check_person(p);
    waiting_forget();
}

void oracle_everybody(void)
{
    for (size_t i = 0; i < company.n_people; i++)
        check_person(company.people[i]);
    waiting_forget();
}

/* Whoever is not held to be exactly as the rules say: for what, check_person() knows. */
static int is_excused(struct person *p)
{
    bool entitled = oracle_is_entitled(p->item);
    return is_protected(p) || p->apart_until_usec > world.steady_usec || is_in_doubt(p) ||
           p->forgotten || p->orphaned || p->disabled_before || p->twin || p->item->shares ||
           hands_any(p) || habits_hold(p) || p->item->first_usec || p->item->last_usec ||
           world.steady_usec - p->changed_usec < (entitled ? SETTLE : SHIFT) || waiting_is(p) ||
           (entitled && !works(p));
}

void oracle_day_end(uint64_t since_usec)
{
    uint64_t quiet = operator_quiet_usec();
    causes_look();
    quiet = quiet > since_usec ? quiet : since_usec;
    quiet = groups_quiet_usec() > quiet ? groups_quiet_usec() : quiet;
    if (quiet > world.steady_usec || world.steady_usec - quiet < SETTLE)
        return;
    for (size_t i = 0; i < company.n_people; i++)
        if (world.steady_usec - company.people[i]->changed_usec >= SETTLE) {
            check_person(company.people[i]);
            if (works(company.people[i]))
                commands_check(company.people[i]);
        }
    dormant_day_end(quiet);
    waiting_alarms();
    waiting_forget();
    for (const struct user *u = TAILQ_FIRST(&tenant.store.users); u; u = TAILQ_NEXT(u, link))
        if (strcmp(u->field[USER_LOGIN], API_USER) != 0 && !oracle_person(u->field[USER_LOGIN]))
            broken(9, "nobody knows the user %s", u->field[USER_LOGIN]);
    witness_day_end(world.steady_usec - SETTLE);
    alarms_day_end();
    kept_check();
    life_check_explained();
    growth_check();
    written_day(is_excused);
    waiting_forget();
    yearbook_note();
}
