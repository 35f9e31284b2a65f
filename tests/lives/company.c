/*
 * A company: people are hired, move, marry, learn, fall ill of the payroll and come back, as the
 * plan says. Group memberships follow people at once, as a server with referential integrity keeps
 * them.
 */
#include "config.h"

#include "company.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "directory.h"
#include "oracle.h"
#include "plan.h"
#include "tenant.h"
#include "world.h"

struct company company;

static struct item *support, *sales, *night, *leads;

static void touch(struct person *p)
{
    p->changed_usec = world.steady_usec;
    bool is = oracle_is_entitled(p->item);
    if (is != p->was_entitled || !p->entitled_usec) {
        p->entitled_usec = world.steady_usec;
        p->down_before_usec = world.down_usec;
    }
    p->was_entitled = is;
    if (!oracle_has_left(p->item)) {
        p->left_usec = 0;
    } else if (!p->left_usec) {
        p->left_usec = p->told_left_usec = world.steady_usec ? world.steady_usec : 1;
        p->off_before_usec = world.off_usec;
    }
}

static void group_change(struct item *group, const char *dn, bool add)
{
    if (item_has(group, "member", dn) == add)
        return;
    change_begin(group);
    if (add)
        item_add(group, "member", dn);
    else
        item_drop(group, "member", dn);
    change_end(group);
}

/* The member's entry has another name, or none any more. */
static void link_follows(struct item *group, const char *before, const char *now)
{
    if (!item_has(group, "member", before))
        return;
    if (directory_data.server == SERVER_AD) {
        item_link_follows(group, before, now);
        return;
    }
    change_begin(group);
    item_drop(group, "member", before);
    if (now)
        item_add(group, "member", now);
    change_end(group);
}

static struct item *team_of(const char *name)
{
    return strcmp(name, "support") == 0 ? support
           : strcmp(name, "sales") == 0 ? sales
           : strcmp(name, "night") == 0 ? night
                                        : NULL;
}

static void join_team(struct person *p, const char *team)
{
    struct item *const all[] = {support, sales, night};
    for (unsigned i = 0; i < 3; i++)
        group_change(all[i], p->item->dn, all[i] == team_of(team));
}

/* A new entry for a person; the same login and mail if they were here before. */
static void enter(struct person *p, const struct happening *h)
{
    char dn[160], text[80];
    const char *ou = company.two_bases && h->number % 2 ? "contractors" : "people";
    /* The name says who, and how often they came, so that it is the same without the others. */
    unsigned times = p->item ? ++p->n_returns : 0;
    snprintf(text, sizeof(text), times ? "person %u.%u" : "person %u", p->number, times);
    snprintf(dn, sizeof(dn), "cn=%s,ou=%s," SUFFIX, text, ou);
    struct item *i = item_new(dn);
    p->item = i;
    item_add(i, "objectClass", "person");
    item_add(i, "objectClass", "inetOrgPerson");
    item_add(i, "cn", text);
    item_add(i, "uid", p->login);
    snprintf(text, sizeof(text), "Given%u", (unsigned)(h->number / 2 % 40));
    item_add(i, "givenName", text);
    snprintf(text, sizeof(text), "Name%u", (unsigned)(h->number / 80 % 1000));
    item_add(i, "sn", text);
    snprintf(text, sizeof(text), "%s@example.com", *p->old_login ? p->old_login : p->login);
    item_add(i, "mail", text); /* it tells who comes back */
    if (h->number % 3 == 0)
        item_add(i, "preferredLanguage", "es");
    change_begin(i);
    i->gone = false;
    change_end(i);
    join_team(p, h->to);
}

static struct person *person_new(unsigned number)
{
    if (company.n_people == company.room) {
        company.room = company.room ? 2 * company.room : 64;
        company.people = realloc(company.people, company.room * sizeof(*company.people));
    }
    struct person *p = calloc(1, sizeof(*p));
    if (!p || !company.people)
        abort();
    p->number = number;
    snprintf(p->login, sizeof(p->login), "user%u", number);
    company.people[company.n_people++] = p;
    return p;
}

struct person *company_person(unsigned number)
{
    for (size_t i = 0; i < company.n_people; i++)
        if (company.people[i]->number == number)
            return company.people[i];
    return NULL;
}

static void set(struct person *p, const char *name, const char *text)
{
    change_begin(p->item);
    item_set(p->item, name, text);
    change_end(p->item);
}

static void leave(struct person *p)
{
    struct item *const all[] = {support, sales, night, leads};
    change_begin(p->item);
    p->item->gone = true;
    change_end(p->item);
    for (unsigned i = 0; i < 4; i++)
        link_follows(all[i], p->item->dn, NULL);
}

/* To the other organisational unit, with the same id. */
static void move(struct person *p)
{
    struct item *const all[] = {support, sales, night, leads};
    char before[160], rdn[60];
    if (!company.two_bases)
        return;
    snprintf(before, sizeof(before), "%s", p->item->dn);
    snprintf(rdn, sizeof(rdn), "%.*s", (int)strcspn(before, ","), before);
    change_begin(p->item);
    snprintf(p->item->dn, sizeof(p->item->dn), "%s,ou=%s," SUFFIX, rdn,
             strstr(before, "ou=people") ? "contractors" : "people");
    change_end(p->item);
    for (unsigned i = 0; i < 4; i++)
        link_follows(all[i], before, p->item->dn);
}

/* A new login; the old user is renamed. */
static void marry(struct person *p, const struct happening *h)
{
    char text[60];
    if (*p->old_login)
        return;
    snprintf(p->old_login, sizeof(p->old_login), "%s", p->login);
    snprintf(p->login, sizeof(p->login), "wed%u", p->number);
    change_begin(p->item);
    item_set(p->item, "uid", p->login);
    snprintf(text, sizeof(text), "Wed%u", (unsigned)(h->number % 1000));
    item_set(p->item, "sn", text);
    change_end(p->item);
}

static void change(struct person *p, const struct happening *h)
{
    const char *to = *h->to ? h->to : NULL;
    char text[60];
    switch ((unsigned)h->what) {
    case WHAT_LEAVE: leave(p); break;
    case WHAT_NAME:
        snprintf(text, sizeof(text), "Name%u", (unsigned)(h->number % 1000));
        set(p, "sn", text);
        break;
    case WHAT_TEAM: join_team(p, h->to); break;
    case WHAT_LANGUAGE: set(p, "preferredLanguage", to); break;
    case WHAT_TYPE: set(p, "employeeType", to); break;
    case WHAT_LEAD: group_change(leads, p->item->dn, to); break;
    case WHAT_MOVE: move(p); break;
    case WHAT_LOGIN: marry(p, h); break;
    case WHAT_SHIFT: tenant_shift(p->login, to); break;
    case WHAT_HAND:
        if (oracle_is_entitled(p->item) && tenant_disable(p->login)) {
            p->disabled_before = p->disabled_by_hand = true;
            seen(POINT_BY_HAND);
        }
        break;
    default: break;
    }
}

void company_happen(const struct happening *h)
{
    struct person *p = company_person(h->who);
    bool enters = h->what == WHAT_HIRE || h->what == WHAT_RETURN;
    if (h->what == WHAT_HIRE && !p)
        p = person_new(h->who);
    else if (!p || h->what == WHAT_HIRE || p->item->gone != enters)
        return;
    if (h->what == WHAT_TYPE && strcmp(h->to, "Revoked") == 0)
        oracle_revoked(p);
    if (enters)
        enter(p, h);
    else
        change(p, h);
    if (h->what != WHAT_SHIFT && h->what != WHAT_HAND)
        touch(p);
    if (h->what != WHAT_SHIFT && h->what != WHAT_HAND && h->what != WHAT_MOVE)
        p->told_usec = world.steady_usec;
}

void company_heard(uint64_t since_usec)
{
    for (size_t i = 0; i < company.n_people; i++)
        if (company.people[i]->left_usec >= since_usec)
            company.people[i]->told_left_usec = world.steady_usec;
}

void company_rules_changed(void)
{
    for (size_t i = 0; i < company.n_people; i++)
        touch(company.people[i]);
}

static struct item *make(const char *dn, const char *class, const char *name, const char *value)
{
    struct item *i = item_new(dn);
    item_add(i, "objectClass", class);
    item_add(i, name, value);
    if (strcmp(class, "groupOfNames") == 0) /* it must have a member */
        item_add(i, "member", "cn=placeholder," SUFFIX);
    change_begin(i);
    i->gone = false;
    change_end(i);
    return i;
}

void company_begin(const struct plan *p)
{
    company = (struct company){.two_bases = p->two_bases};
    make(SUFFIX, "domain", "dc", "example");
    make("ou=people," SUFFIX, "organizationalUnit", "ou", "people");
    make("ou=contractors," SUFFIX, "organizationalUnit", "ou", "contractors");
    make("ou=groups," SUFFIX, "organizationalUnit", "ou", "groups");
    support = make("cn=support,ou=groups," SUFFIX, "groupOfNames", "cn", "support");
    sales = make("cn=sales,ou=groups," SUFFIX, "groupOfNames", "cn", "sales");
    night = make("cn=night,ou=groups," SUFFIX, "groupOfNames", "cn", "night");
    leads = make("cn=leads,ou=groups," SUFFIX, "groupOfNames", "cn", "leads");
    group_change(support, night->dn, true);
    oracle_groups(support, sales, night, leads);
}

void company_end(void)
{
    for (size_t i = 0; i < company.n_people; i++)
        free(company.people[i]);
    free(company.people);
    company = (struct company){0};
}
