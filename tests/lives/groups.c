/*
 * Groups: those of the teams and the leaders', which each company has, and units as its plan
 * says, of people and of other units. Memberships follow people at once, as a server with
 * referential integrity keeps them.
 */
#include "config.h"

#include "groups.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "causes.h"
#include "company.h"
#include "directory.h"
#include "edits.h"
#include "plan.h"
#include "world.h"

#define BELOW "ou=groups," SUFFIX

static const char *const names[GROUPS] = {"support", "sales", "night", "leads"};
static struct item *first[GROUPS];
static struct unit {
    struct item *item; /* NULL: there is none of that number */
    bool has_all;
    uint64_t lies_in; /* a number; 0: in none */
} units[UNITS + 1];
static unsigned n_units;     /* the highest number */
static uint64_t groups_usec; /* since when no rule lacks its group */

struct item *group_of(unsigned which)
{
    return first[which];
}

struct item *group_numbered(uint64_t number)
{
    if (number >= UNITS_AND_OTHER && number < UNITS_AND_OTHER + GROUPS)
        return first[number - UNITS_AND_OTHER];
    return number && number <= n_units ? units[number].item : NULL;
}

void group_change(struct item *group, const char *dn, bool add)
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

/* ---- who is in it ---- */

static const struct item *at(unsigned k)
{
    return k < GROUPS ? first[k] : units[k - GROUPS + 1].item;
}

static bool holds(const struct item *group, const char *dn, uint64_t *looked_at)
{
    if (item_has(group, "member", dn))
        return true;
    for (unsigned k = 0; k < GROUPS + n_units; k++) {
        const struct item *below = at(k);
        if (!below || *looked_at >> k & 1 || !item_has(group, "member", below->dn))
            continue;
        *looked_at |= UINT64_C(1) << k;
        if (holds(below, dn, looked_at))
            return true;
    }
    return false;
}

bool group_holds(const struct item *group, const char *dn)
{
    uint64_t looked_at = 0;
    return holds(group, dn, &looked_at);
}

void groups_join_team(const struct item *i, const char *team)
{
    for (unsigned k = 0; k < GROUP_LEADS; k++)
        group_change(first[k], i->dn, strcmp(names[k], team) == 0);
}

void groups_enter(const struct item *i, const char *team)
{
    groups_join_team(i, team);
    for (unsigned k = 1; k <= n_units; k++)
        if (units[k].has_all)
            group_change(units[k].item, i->dn, true);
}

/* Of an entry that no search shows nobody is told where links follow by themselves: a full
 * compare finds it, each day. */
static void link_follows(struct item *group, const char *before, const char *now, bool shown)
{
    if (!item_has(group, "member", before))
        return;
    if (directory_data.server == SERVER_AD) {
        item_link_follows(group, before, now);
        group->moved_usec = shown ? group->moved_usec : world.steady_usec + DAY;
        return;
    }
    change_begin(group);
    item_drop(group, "member", before);
    if (now)
        item_add(group, "member", now);
    change_end(group);
}

void groups_follow(const struct item *i, const char *before, const char *now)
{
    for (unsigned k = 0; k < GROUPS + n_units; k++)
        if (at(k))
            link_follows((struct item *)(uintptr_t)at(k), before, now,
                         item_has(i, "objectClass", "person"));
}

/* ---- what happens to them ---- */

static void changed(struct person *p)
{
    company_touch(p);
    p->told_usec = world.steady_usec;
}

/* All of them leave it at once. */
static void empty_group(struct item *group)
{
    change_begin(group);
    for (size_t k = 0; k < company.n_people; k++) {
        struct person *p = company.people[k];
        if (p->item->gone || !item_has(group, "member", p->item->dn))
            continue;
        item_drop(group, "member", p->item->dn);
        changed(p);
    }
    change_end(group);
    seen(POINT_GROUP_EMPTIED);
}

/* Another entry under the same name, with the same members (test_groups.py:test_group_deleted).
 */
static void group_comes_back(struct item **group)
{
    struct item *old = *group, *now = item_new(old->dn);
    for (size_t n = 0; n < old->n_values; n++)
        item_add(now, old->values[n].name, old->values[n].text);
    *group = now;
    change_begin(now);
    now->gone = false;
    change_end(now);
    groups_usec = world.steady_usec;
    if (directory_hides())
        edit_anew(now);
    seen(POINT_GROUP_ANEW);
}

/* Whoever is in it is not where they were any more. */
static void nest(unsigned number, uint64_t in)
{
    struct unit *u = &units[number];
    struct item *before = group_numbered(u->lies_in), *now = group_numbered(in);
    if (before == now)
        return;
    company_part_twins();
    if (before)
        group_change(before, u->item->dn, false);
    if (now)
        group_change(now, u->item->dn, true);
    u->lies_in = in;
    for (size_t k = 0; k < company.n_people; k++)
        if (!company.people[k]->item->gone && group_holds(u->item, company.people[k]->item->dn))
            changed(company.people[k]);
    if (company.n_people)
        seen(POINT_UNIT_MOVED);
}

void groups_happen(const struct happening *h)
{
    struct item **group = h->who % 2 ? &first[0] : &first[1];
    bool cycle = strcmp(h->to, "cycle") == 0;
    if (h->what == WHAT_UNIT) {
        if (h->who && h->who <= n_units && units[h->who].item)
            nest(h->who, h->number);
    } else if (cycle || strcmp(h->to, "straight") == 0) {
        group_change(first[GROUP_NIGHT], first[0]->dn, cycle);
        seen(POINT_CYCLE);
    } else if (strcmp(h->to, "empty") == 0) {
        empty_group(*group);
    } else if (strcmp(h->to, "anew") == 0 && (*group)->gone) {
        group_comes_back(group);
    } else if (strcmp(h->to, "delete") == 0 && !(*group)->gone) {
        change_begin(*group);
        (*group)->gone = true;
        change_end(*group);
        causes_group_gone();
    }
}

uint64_t groups_quiet_usec(void)
{
    return first[0]->gone || first[1]->gone ? UINT64_MAX : groups_usec;
}

void groups_calm(void)
{
    company_part_twins();
    for (unsigned k = 0; k < GROUPS_OF_TEAMS; k++)
        if (first[k]->gone)
            group_comes_back(&first[k]);
}

/* ---- the beginning ---- */

struct item *groups_make(const char *dn, const char *class, const char *name, const char *value)
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

static struct item *make_group(const char *name)
{
    char dn[160];
    snprintf(dn, sizeof(dn), "cn=%s," BELOW, name);
    return groups_make(dn, "groupOfNames", "cn", name);
}

/* All of them first, since they lie in each other. */
static void make_units(const struct plan *p)
{
    char name[16];
    for (size_t i = 0; i < p->n && !p->all[i].at_usec; i++) {
        const struct happening *h = &p->all[i];
        if (h->what != WHAT_UNIT || !h->who || h->who > UNITS || units[h->who].item)
            continue;
        snprintf(name, sizeof(name), "unit%u", h->who);
        units[h->who].item = make_group(name);
        units[h->who].has_all = strcmp(h->to, "all") == 0;
        n_units = h->who > n_units ? h->who : n_units;
    }
    for (size_t i = 0; i < p->n && !p->all[i].at_usec; i++)
        if (p->all[i].what == WHAT_UNIT)
            groups_happen(&p->all[i]);
}

void groups_begin(const struct plan *p)
{
    groups_end();
    groups_make(BELOW, "organizationalUnit", "ou", "groups");
    for (unsigned k = 0; k < GROUPS; k++)
        first[k] = make_group(names[k]);
    group_change(first[0], first[GROUP_NIGHT]->dn, true);
    make_units(p);
}

void groups_end(void)
{
    memset(units, 0, sizeof(units));
    n_units = 0;
    groups_usec = 0;
}
