/*
 * A company with days: people are hired, move, marry, learn, fall ill of the payroll and come
 * back. Group memberships follow people at once, as a server with referential integrity keeps
 * them.
 */
#include "config.h"

#include "company.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "directory.h"
#include "oracle.h"
#include "world.h"

struct company company;

static struct item *support, *sales, *night, *leads;

static uint64_t pick(uint64_t below)
{
    return chance(CHANCE_COMPANY, below);
}

static void touch(struct person *p)
{
    p->changed_usec = world.steady_usec;
    bool is = oracle_is_entitled(p->item);
    if (is != p->was_entitled || !p->entitled_usec)
        p->entitled_usec = world.steady_usec;
    p->was_entitled = is;
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

static void join_team(struct person *p, struct item *team)
{
    struct item *const all[] = {support, sales, night};
    for (unsigned i = 0; i < 3; i++)
        group_change(all[i], p->item->dn, all[i] == team);
}

static struct item *any_team(void)
{
    struct item *const all[] = {support, sales, night};
    return all[pick(3)];
}

/* A new entry for a person; the same login and mail if they were here before. */
static void enter(struct person *p)
{
    char dn[160], text[80];
    const char *ou = company.two_bases && pick(2) ? "contractors" : "people";
    company.n_hired++;
    snprintf(dn, sizeof(dn), "cn=person %u,ou=%s," SUFFIX, company.n_hired, ou);
    struct item *i = item_new(dn);
    p->item = i;
    item_add(i, "objectClass", "person");
    item_add(i, "objectClass", "inetOrgPerson");
    snprintf(text, sizeof(text), "person %u", company.n_hired);
    item_add(i, "cn", text);
    item_add(i, "uid", p->login);
    snprintf(text, sizeof(text), "Given%u", (unsigned)pick(40));
    item_add(i, "givenName", text);
    snprintf(text, sizeof(text), "Name%u", (unsigned)pick(1000));
    item_add(i, "sn", text);
    snprintf(text, sizeof(text), "%s@example.com", p->login);
    item_add(i, "mail", text);
    if (pick(3) == 0)
        item_add(i, "preferredLanguage", "es");
    change_begin(i);
    i->gone = false;
    change_end(i);
    if (pick(10))
        join_team(p, any_team());
    if (pick(8) == 0)
        group_change(leads, i->dn, true);
}

static void hire(void)
{
    if (company.n_people == company.room) {
        company.room = company.room ? 2 * company.room : 64;
        company.people = realloc(company.people, company.room * sizeof(*company.people));
    }
    struct person *p = calloc(1, sizeof(*p));
    if (!p || !company.people)
        abort();
    snprintf(p->login, sizeof(p->login), "user%u", company.n_hired + 1);
    company.people[company.n_people++] = p;
    enter(p);
    touch(p);
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
        group_change(all[i], p->item->dn, false);
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
        if (item_has(all[i], "member", before)) {
            change_begin(all[i]);
            item_drop(all[i], "member", before);
            item_add(all[i], "member", p->item->dn);
            change_end(all[i]);
        }
}

/* A new login; the old user is renamed. */
static void marry(struct person *p)
{
    char text[60];
    if (*p->old_login)
        return; /* once is enough to find out */
    snprintf(p->old_login, sizeof(p->old_login), "%s", p->login);
    snprintf(p->login, sizeof(p->login), "wed%u.%u", company.n_hired, (unsigned)pick(100000));
    change_begin(p->item);
    item_set(p->item, "uid", p->login);
    snprintf(text, sizeof(text), "Wed%u", (unsigned)pick(1000));
    item_set(p->item, "sn", text);
    change_end(p->item);
}

static void change(struct person *p)
{
    char text[60];
    if (p->item->gone) {
        if (pick(3) == 0) {
            enter(p);
            touch(p);
        }
        return;
    }
    switch (pick(12)) {
    case 0: leave(p); break;
    case 1:
        snprintf(text, sizeof(text), "Name%u", (unsigned)pick(1000));
        set(p, "sn", text);
        break;
    case 2:
    case 3: join_team(p, any_team()); break;
    case 4: join_team(p, NULL); break;
    case 5: set(p, "preferredLanguage", pick(2) ? "es" : NULL); break;
    case 6: set(p, "employeeType", pick(3) ? NULL : "Terminated"); break;
    case 7: set(p, "employeeType", pick(3) ? NULL : "Revoked"); break;
    case 8: set(p, "employeeType", pick(3) ? NULL : "Service"); break;
    case 9: group_change(leads, p->item->dn, !item_has(leads, "member", p->item->dn)); break;
    case 10: move(p); break;
    case 11:
        if (pick(3) == 0)
            marry(p);
        break;
    }
    touch(p);
}

static void happen(void *userdata, uint64_t argument)
{
    (void)userdata;
    (void)argument;
    unsigned wave = pick(15) ? 1 : 1 + (unsigned)pick(8);
    bool hires = pick(4) == 0;
    for (unsigned i = 0; i < wave; i++) {
        if (hires && company.n_people < company.limit)
            hire();
        else
            change(company.people[pick(company.n_people)]);
    }
}

void company_day(void *userdata, uint64_t day)
{
    (void)userdata;
    unsigned n = day % 7 >= 5 || pick(3) == 0 ? 0 : (unsigned)pick(company.changes_most + 1);
    for (unsigned i = 0; i < n; i++) /* between seven and seven */
        world_at(world.steady_usec + 7 * HOUR + pick(12 * HOUR), happen, NULL, 0);
    world_at(world.steady_usec + DAY, company_day, NULL, day + 1);
}

static struct item *make(const char *dn, const char *class, const char *name, const char *value)
{
    struct item *i = item_new(dn);
    item_add(i, "objectClass", class);
    item_add(i, name, value);
    change_begin(i);
    i->gone = false;
    change_end(i);
    return i;
}

void company_begin(unsigned limit)
{
    company = (struct company){.limit = limit,
                               .changes_most = limit / 12 + 4,
                               .two_bases = pick(3) == 0,
                               .deletes = pick(3) == 0,
                               .disable_budget = pick(4) ? 0 : 2 + (unsigned)pick(4)};
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
    for (unsigned i = 0; i < limit / 2 + 1; i++)
        hire();
}

void company_end(void)
{
    for (size_t i = 0; i < company.n_people; i++)
        free(company.people[i]);
    free(company.people);
    company = (struct company){0};
}
