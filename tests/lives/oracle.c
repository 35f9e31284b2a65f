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

#include "company.h"
#include "deeds.h"
#include "directory.h"
#include "life.h"
#include "operator.h"
#include "rest.h"
#include "rules.h"
#include "simulated.h"
#include "tenant.h"
#include "waiting.h"
#include "witness.h"
#include "world.h"

extern struct simulator tenant;

#define SETTLE       (2 * HOUR) /* the grace of an hour, and the work */
#define SHIFT        (12 * HOUR + SETTLE)
#define DELETE_AFTER (3 * DAY)
#define RATE_MAX     64
/* One, and another one for the pace of a slow tenant. */
#define AT_ONCE      (2 * SECOND)

static const struct item *support, *sales, *night, *leads;
/* Disables of the last day, for the budget. */
static uint64_t *disables;
static size_t n_disables, disables_room;
/* When the last requests arrived; none is on its way for longer than no time. */
static uint64_t arrived_usec[RATE_MAX], n_arrived;
/* When the state was kept, and what its clock knows. */
static uint64_t kept_usec, kept_noted_usec, kept_off_usec;

void oracle_begin(void)
{
    n_disables = 0;
    n_arrived = 0;
    witness_begin();
}

void oracle_end(void)
{
    free(disables);
    disables = NULL;
    disables_room = n_disables = 0;
}

void oracle_groups(struct item *a, struct item *b, struct item *c, struct item *d)
{
    support = a;
    sales = b;
    night = c;
    leads = d;
}

static bool is_type(const struct item *i, const char *type)
{
    const char *t = item_get(i, "employeeType");
    return t && strcasecmp(t, type) == 0;
}

static bool in_support(const struct item *i)
{
    return item_has(support, "member", i->dn) || item_has(night, "member", i->dn);
}

static bool has_team(const struct item *i)
{
    return in_support(i) || item_has(sales, "member", i->dn);
}

/* In the directory, in scope, and given a team. */
static bool is_claimed(const struct item *i)
{
    return !i->gone && !is_type(i, "Service") &&
           !(rules.without_visitors && is_type(i, "Visitor")) && has_team(i);
}

bool oracle_has_left(const struct item *i)
{
    return !is_claimed(i);
}

bool oracle_is_entitled(const struct item *i)
{
    return is_claimed(i) && !is_type(i, "Terminated") && !is_type(i, "Revoked");
}

static struct person *person_of(const char *login)
{
    for (size_t i = 0; i < company.n_people; i++)
        if (strcasecmp(company.people[i]->login, login) == 0 ||
            strcasecmp(company.people[i]->old_login, login) == 0)
            return company.people[i];
    return NULL;
}

/* Who cannot have heard yet is not to blame: what changed while nobody listened, or right now. But
 * whoever only moved has been there all the time. */
static bool is_news(const struct person *p)
{
    uint64_t heard_in = directory_data.polled ? 5 * MINUTE : 5 * SECOND;
    return world.steady_usec - p->told_usec < heard_in ||
           p->told_usec >= world.deaf_since_usec;
}

/* Of whom the request is about, before it. */
static bool had_access;
static size_t roles_before;

static const char *login_of(const struct request *q)
{
    return q->login ? q->login : "";
}

static bool has_access(const char *login)
{
    const struct user *u = *login ? store_user(&tenant.store, login) : NULL;
    return u && !u->disabled;
}

static size_t count_roles(const char *login)
{
    const struct user *u = *login ? store_user(&tenant.store, login) : NULL;
    return u ? u->n_roles : 0;
}

static bool is_protected(const struct person *p)
{
    return rules.protects &&
           (strcmp(p->login, PROTECTED) == 0 || strcmp(p->old_login, PROTECTED) == 0);
}

static void check_pace(void)
{
    uint64_t before = arrived_usec[(n_arrived + RATE_MAX - rules.rate) % RATE_MAX];
    /* What libcurl sends again by itself, since its connection was closed, is not asked. */
    if (n_arrived >= rules.rate && world.steady_usec - before < SECOND &&
        world.steady_usec - world.cut_usec > 2 * SECOND)
        broken(5, "more than %u requests within a second", rules.rate);
    arrived_usec[n_arrived++ % RATE_MAX] = world.steady_usec;
}

/* A revocation waits for nobody: two of its requests may be beside the others. */
static void check_at_once(const struct person *p, unsigned n)
{
    unsigned most = rules.at_once + (p && is_type(p->item, "Revoked") ? 2 : 0);
    if (n > most)
        broken(5, "%u requests at once, %u are allowed", n, most);
}

void oracle_request(struct request *q, unsigned n_under_way)
{
    const char *login = login_of(q);
    bool writes = q->method != METHOD_GET && *login;
    had_access = has_access(login);
    world.n_checks++;
    check_pace();
    check_at_once(*login ? person_of(login) : NULL, n_under_way);
    if (!writes)
        return;
    uint64_t paused = operator_paused_usec();
    if (paused && world.steady_usec > paused + SECOND)
        broken(20, "%s of %s while writing is paused", q->method_text, login);
    if (strcasecmp(login, API_USER) == 0)
        broken(2, "the API user is written: %s %s", q->method_text, q->target);
    else if (!person_of(login))
        broken(2, "a user that nobody claims is written: %s %s", q->method_text, q->target);
    roles_before = count_roles(login);
    rest_request(q->method_text, login, q->method == METHOD_DELETE && rules.deletes);
    deed_begins(login, witness_intent(login, q->method_text));
}

/* Revocations and deletions have budgets of their own, and what was approved has none. */
static void count_disable(const struct person *p)
{
    if (!rules.disable_budget || (!p->item->gone && is_type(p->item, "Revoked")) ||
        p->approved_until_usec >= world.steady_usec || p->perhaps_until_usec >= world.steady_usec)
        return;
    if (n_disables == disables_room) {
        disables_room = disables_room ? 2 * disables_room : 64;
        disables = realloc(disables, disables_room * sizeof(*disables));
        if (!disables)
            abort();
    }
    disables[n_disables++] = world.steady_usec;
    size_t n = 0;
    for (size_t i = 0; i < n_disables; i++)
        n += disables[i] + DAY > world.steady_usec + MINUTE;
    if (n > rules.disable_budget &&
        (!rules.budget_changed_usec || rules.budget_changed_usec + DAY < world.steady_usec))
        broken(4, "%zu users were disabled within a day, the budget is %u", n,
               rules.disable_budget);
}

void oracle_answered(struct request *q)
{
    const char *login = login_of(q);
    struct person *p = *login ? person_of(login) : NULL;
    deed_ends(login, q->method_text);
    if (rules.protects && q->method != METHOD_GET && strcasecmp(login, PROTECTED) == 0 &&
        ((had_access && !has_access(login)) || count_roles(login) < roles_before))
        broken(2, "a protected login loses access, its name or a role: %s %s", q->method_text,
               q->target);
    if (q->method == METHOD_POST && q->status == 409 && p)
        broken(6, "a login is created twice: %s", login);
    /* Whom rosterd disables itself, not knowing that somebody had, is its own from then on. */
    if (p && q->method == METHOD_PUT && !had_access && !has_access(login) &&
        !oracle_is_entitled(p->item))
        p->disabled_before = p->disabled_by_hand = false;
    if (p && !had_access && has_access(login)) {
        if (p->disabled_by_hand)
            broken(18, "%s was disabled by hand at the tenant, and is enabled again", login);
        p->disabled_before = p->disabled_by_hand = false;
        if (q->method == METHOD_PUT)
            seen(POINT_ENABLED);
    }
    if (p && q->method == METHOD_PATCH && *p->old_login && strcasecmp(login, p->old_login) == 0)
        seen(POINT_RENAMED);
    if (!p || !had_access || has_access(login) || q->method == METHOD_PATCH)
        return;
    if (q->method != METHOD_DELETE)
        count_disable(p);
    if (oracle_is_entitled(p->item) && !is_news(p))
        broken(1, "%s %s takes the access of somebody who is entitled to it (%s)",
               q->method_text, login, p->item->dn);
}

static bool works(const struct person *p)
{
    return has_access(p->login) || has_access(p->old_login);
}

void oracle_state_kept(void)
{
    kept_usec = world.steady_usec;
    kept_noted_usec = world.noted_usec;
    kept_off_usec = world.off_usec;
    for (size_t i = 0; i < company.n_people; i++)
        company.people[i]->disabled_when_kept =
            !works(company.people[i]) && !company.people[i]->disabled_before;
}

void oracle_state_changed(bool restored)
{
    n_disables = 0;
    witness_forget();
    /* What passed between two boots only a right clock tells. */
    if (restored && !world.clock_is_right && world.booted_usec > kept_noted_usec)
        world.off_usec = kept_off_usec + world.steady_usec - kept_noted_usec;
    for (size_t i = 0; i < company.n_people; i++) {
        struct person *p = company.people[i];
        p->forgotten = true;
        if (p->left_usec && (!restored || p->told_left_usec >= kept_usec))
            p->told_left_usec = world.steady_usec; /* it is seen now */
        p->disabled_before = !works(p) && !(restored && p->disabled_when_kept);
    }
}

static void revoked_by_now(void *userdata, uint64_t since_usec)
{
    const struct person *p = userdata;
    if (p->item->gone || !is_type(p->item, "Revoked") || operator_quiet_usec() > since_usec ||
        !life_was_quiet(since_usec - HOUR))
        return;
    world.n_checks++;
    if (n_arrived > 16 &&
        world.steady_usec - arrived_usec[(n_arrived - 16) % RATE_MAX] < 10 * SECOND)
        seen(POINT_BUSY_REVOCATION);
    if (has_access(p->login) || has_access(p->old_login))
        broken(7, "%s was revoked %llu s ago and still has access", p->login,
               (unsigned long long)((world.steady_usec - since_usec) / SECOND));
}

void oracle_revoked(struct person *p)
{
    /* Whoever has just come, or just got another name, may be in the middle of it. */
    bool settled = world.steady_usec - p->changed_usec > 5 * MINUTE;
    if (settled && !p->forgotten && !p->apart_until_usec && !is_protected(p) &&
        !directory_data.polled &&
        (has_access(p->login) || has_access(p->old_login)))
        world_at(world.steady_usec + AT_ONCE, revoked_by_now, p, world.steady_usec);
}

static void list_roles(const struct user *u, char *to, size_t size)
{
    bool agent = false, lead = false, other = false;
    for (size_t i = 0; i < u->n_roles; i++) {
        const char *name = u->roles[i]->text;
        agent = agent || strcmp(name, "Agent") == 0;
        lead = lead || strcmp(name, "Lead") == 0;
        other = other || (strcmp(name, "Agent") != 0 && strcmp(name, "Lead") != 0);
    }
    snprintf(to, size, "%s%s%s", agent ? "Agent " : "", lead ? "Lead " : "",
             other ? "more " : "");
}

static int level(const struct user *u, const char *skill)
{
    for (size_t i = 0; i < u->n_skills; i++)
        if (strcmp(u->skills[i].name->text, skill) == 0)
            return u->skills[i].level;
    return 0;
}

static const char *text_of(const struct user *u, enum user_field field)
{
    return u->field[field] ? u->field[field] : "";
}

/* Who works: everything about them, in one line to compare. */
static void describe(const struct user *u, char *to, size_t size)
{
    char roles[40];
    list_roles(u, roles, sizeof(roles));
    snprintf(to, size, "%s %s <%s> in %s, roles %sEnglish %d Spanish %d Billing %d%s",
             text_of(u, USER_FIRST_NAME), text_of(u, USER_LAST_NAME), text_of(u, USER_EMAIL),
             u->team ? u->team->text : "no team", roles, level(u, "English"),
             level(u, "Spanish"), level(u, "Billing"), u->disabled ? ", disabled" : "");
}

static void expect(const struct item *i, char *to, size_t size)
{
    const char *language = item_get(i, "preferredLanguage");
    bool spanish = language && strncasecmp(language, "es", 2) == 0;
    snprintf(to, size, "%s %s <%s> in %s, roles Agent %sEnglish %d Spanish %d Billing %d",
             item_get(i, "givenName"), item_get(i, "sn"), item_get(i, "mail"),
             in_support(i) ? "Customer Service" : "Sales",
             item_has(leads, "member", i->dn) ? "Lead " : "", in_support(i) ? 100 : 50,
             spanish ? 80 : 0, item_has(sales, "member", i->dn) ? (int)rules.billing : 0);
}

__attribute__((format(printf, 2, 3))) static void differs(const struct person *p,
                                                          const char *format, ...)
{
    char text[800];
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
    if (rules.disable_budget && waiting_is(p))
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
    if (p->forgotten)
        return;
    if (u && !u->disabled && (!u->logged_in || allowed_for(p) > SHIFT))
        differs(p, "has access, and should not for %llu hours",
                (unsigned long long)(away / HOUR));
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

static void check_person(struct person *p)
{
    char is[300], should[320];
    const struct user *u = store_user(&tenant.store, p->login);
    if (is_protected(p) || p->apart_until_usec > world.steady_usec)
        return;
    world.n_checks++;
    if (u && has_access(p->login) && has_access(p->old_login))
        broken(6, "%s is there twice: also as %s", p->login, p->old_login);
    if (!oracle_is_entitled(p->item)) {
        if (!u && *p->old_login) /* who has no access keeps the login until they come back */
            u = store_user(&tenant.store, p->old_login);
        check_absent(p, u);
    } else if (!u) {
        differs(p, "has no user");
    } else {
        describe(u, is, sizeof(is));
        expect(p->item, should, 300);
        if (u->disabled && p->disabled_before)
            strcat(should, ", disabled");
        if (strcmp(is, should) != 0)
            differs(p, "is not as it should be\n  is:     %s\n  should: %s", is, should);
    }
    p->had_user = u != NULL;
}

/* One of them a day, as an operator is told. */
static void check_explained(void)
{
    struct person *p = company.n_people ? company.people[world_day() % company.n_people] : NULL;
    if (!p || world.steady_usec - p->changed_usec < SETTLE || p->forgotten)
        return;
    const char *is = "gone", *should = p->item->gone ? "gone" : is_claimed(p->item) ? "user" : "skip";
    size_t i;
    json_t *one, *found = life_explain(p->login), *people = json_object_get(found, "people");
    world.n_checks++;
    json_array_foreach(people, i, one)
    {
        const char *dn = json_string_value(json_object_get(json_object_get(one, "person"), "dn"));
        if (dn && strcasecmp(dn, p->item->dn) == 0)
            is = json_string_value(json_object_get(one, "verdict"));
    }
    if (!is || (strcmp(is, should) != 0 && !(is_type(p->item, "Revoked") && !p->item->gone)))
        broken(16, "%s (%s) is explained as %s, and is %s", p->login, p->item->dn, is ? is : "nothing",
               should);
    json_decref(found);
}

void oracle_everybody(void)
{
    for (size_t i = 0; i < company.n_people; i++)
        check_person(company.people[i]);
    waiting_forget();
}

void oracle_day_end(uint64_t since_usec)
{
    uint64_t quiet = operator_quiet_usec();
    quiet = quiet > since_usec ? quiet : since_usec;
    quiet = company_quiet_usec() > quiet ? company_quiet_usec() : quiet;
    if (quiet > world.steady_usec || world.steady_usec - quiet < SETTLE)
        return;
    for (size_t i = 0; i < company.n_people; i++)
        if (world.steady_usec - company.people[i]->changed_usec >= SETTLE)
            check_person(company.people[i]);
    waiting_forget();
    for (const struct user *u = TAILQ_FIRST(&tenant.store.users); u; u = TAILQ_NEXT(u, link))
        if (strcmp(u->field[USER_LOGIN], API_USER) != 0 && !person_of(u->field[USER_LOGIN]))
            broken(9, "nobody knows the user %s", u->field[USER_LOGIN]);
    witness_day_end(world.steady_usec - SETTLE);
    check_explained();
    witness_growth();
}

/* What nobody has looked at since, no audit tells. */
static bool is_by_hand(const char *login)
{
    const struct person *p = person_of(login);
    return p && p->disabled_by_hand;
}

/* What the audit says about a user, at the end. */
bool oracle_diary(const char *login, bool disabled)
{
    const struct user *u = store_user(&tenant.store, login);
    const struct person *p = person_of(login);
    world.n_checks++;
    /* That the user was made stands in a file that was removed before the erasure, that it was
     * disabled or deleted in lines that were erased. */
    if (!u && p && p->erased)
        return false;
    if (!u)
        broken(12, "the audit tells of a user %s, whom the tenant does not have", login);
    else if (u->disabled != disabled && !(u->disabled && is_by_hand(login)) && !(p && p->erased))
        broken(12, "by the audit the user %s is %s, at the tenant not", login,
               disabled ? "disabled" : "enabled");
    return true;
}

void oracle_diary_end(size_t n_users, bool any_erased)
{
    if (n_users + 1 > tenant.store.n_users || (n_users + 1 != tenant.store.n_users && !any_erased))
        broken(12, "the audit tells of %zu users, the tenant has %zu and the API user", n_users,
               tenant.store.n_users - 1);
}
