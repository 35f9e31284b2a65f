/*
 * A company: people are hired, move, marry, learn, fall ill of the payroll and come back, as
 * the plan says.
 */
#include "config.h"

#include "company.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "causes.h"
#include "dates.h"
#include "directory.h"
#include "edits.h"
#include "groups.h"
#include "habits.h"
#include "life.h"
#include "oracle.h"
#include "plan.h"
#include "shape.h"
#include "tenant.h"
#include "world.h"

struct company company;

static struct item *container; /* below the people; NULL: there is none yet */

void company_touch(struct person *p)
{
    p->changed_usec = world.steady_usec;
    bool is = oracle_is_entitled(p->item);
    if (is != p->was_entitled || !p->entitled_usec) {
        p->entitled_usec = world.steady_usec;
        p->down_before_usec = world.down_usec;
    }
    p->was_entitled = is;
    hands_touched(p);
    habits_touched(p);
    /* Whoever has not begun has not left, unless the rules give no team any more. */
    if (!oracle_has_left(p->item)) {
        p->left_usec = 0;
    } else if (!p->left_usec) {
        p->left_usec = p->told_left_usec = world.steady_usec ? world.steady_usec : 1;
        p->off_before_usec = world.off_usec;
    }
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
    item_add(i, "uid", p->twin ? p->twin->login : p->login);
    i->shares = p->twin;
    snprintf(text, sizeof(text), "Given%u", (unsigned)(h->number / 2 % 40));
    item_add(i, "givenName", text);
    snprintf(text, sizeof(text), "Name%u", (unsigned)(h->number / 80 % 1000));
    item_add(i, "sn", text);
    snprintf(text, sizeof(text), "%s@example.com", *p->old_login ? p->old_login : p->login);
    item_add(i, "mail", text); /* it tells who comes back */
    if (h->number % 3 == 0)
        item_add(i, "preferredLanguage", "es");
    shape_enter(i, h->number);
    if (h->what == WHAT_HIRE && h->seconds)
        dates_begin(p, h->seconds);
    change_begin(i);
    i->gone = false;
    change_end(i);
    groups_enter(p->item, h->to);
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
    if (company.api_person && number == 5)
        snprintf(p->login, sizeof(p->login), API_USER);
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
    change_begin(p->item);
    p->item->gone = true;
    change_end(p->item);
    groups_follow(p->item, p->item->dn, NULL);
}

static void move_below(struct person *p, const char *parent)
{
    char before[160];
    snprintf(before, sizeof(before), "%s", p->item->dn);
    change_begin(p->item);
    snprintf(p->item->dn, sizeof(p->item->dn), "%.*s,%.100s", (int)strcspn(before, ","), before,
             parent);
    change_end(p->item);
    groups_follow(p->item, before, p->item->dn);
}

/* To the other organisational unit, with the same id. */
static void move(struct person *p)
{
    bool away = strstr(p->item->dn, "ou=people");
    if (company.two_bases)
        move_below(p, away ? "ou=contractors," SUFFIX : "ou=people," SUFFIX);
}

/* A new login; the old user is renamed. */
static void marry(struct person *p, const struct happening *h)
{
    char text[60];
    if (*p->old_login)
        return;
    snprintf(p->old_login, sizeof(p->old_login), "%s", p->login);
    p->orphaned = p->forgotten;
    snprintf(p->login, sizeof(p->login), "wed%u", p->number);
    change_begin(p->item);
    item_set(p->item, "uid", p->login);
    snprintf(text, sizeof(text), "Wed%u", (unsigned)(h->number % 1000));
    item_set(p->item, "sn", text);
    change_end(p->item);
}

/* ---- twins ---- */

/* They work, and have for some time, with nothing in the way. */
static bool is_settled(const struct person *p)
{
    return oracle_is_entitled(p->item) && !p->forgotten && !p->apart_until_usec &&
           oracle_has_access(p->login) && world.steady_usec - p->changed_usec > 2 * HOUR &&
           life_was_quiet(world.steady_usec - 2 * HOUR);
}

/* By mistake somebody is hired with the login of another one, who works and keeps it
 * (test_life_leave.py:test_two_entries_one_login). */
static void twin_comes(const struct happening *h)
{
    struct person *other = company_person((unsigned)h->number), *p;
    if (!other || other->twin || !is_settled(other))
        return;
    p = person_new(h->who);
    p->twin = other;
    enter(p, h);
    company_touch(p);
    p->told_usec = world.steady_usec;
    seen(POINT_TWIN);
}

static void part(struct person *p)
{
    p->twin = NULL;
    p->item->shares = false;
    if (p->item->gone)
        return;
    set(p, "uid", p->login);
    company_touch(p);
    p->told_usec = world.steady_usec;
}

/* Of one of them, or NULL: of all. */
static void part_from(const struct person *other)
{
    for (size_t i = 0; i < company.n_people; i++)
        if (company.people[i]->twin && (!other || company.people[i]->twin == other))
            part(company.people[i]);
}

void company_part_twins(void)
{
    part_from(NULL);
}

/* What leaves the login to nobody, or to another one, is not done before. */
static bool may_leave_login(enum what w)
{
    return w == WHAT_LEAVE || w == WHAT_LOGIN || w == WHAT_TEAM || w == WHAT_TYPE ||
           w == WHAT_CLASS || w == WHAT_END || w == WHAT_EMPTY || w == WHAT_HAND ||
           w == WHAT_JOIN || w == WHAT_ATTRIBUTE;
}

/* ---- containers ---- */

static void place(struct person *p)
{
    if (!container)
        container =
            groups_make("ou=floor,ou=people," SUFFIX, "organizationalUnit", "ou", "floor");
    move_below(p, container->dn);
}

/* Whoever lies below it has another name, of which no server tells (test_containers.py). The links
 * to them are mended one by one. */
static void rename_container(const struct happening *h)
{
    char before[160], old[160];
    bool is_below = strstr(container->dn, ",ou=people,"), moves = strcmp(h->to, "moved") == 0;
    snprintf(before, sizeof(before), ",%.150s", container->dn);
    change_begin(container);
    snprintf(container->dn, sizeof(container->dn), "ou=floor%u,ou=%s," SUFFIX,
             moves ? 0 : (unsigned)(h->number % 1000),
             is_below == moves ? "contractors" : "people");
    for (size_t k = 0; k < company.n_people; k++) {
        struct item *i = company.people[k]->item;
        size_t size = strcspn(i->dn, ",");
        if (i->gone || strcmp(i->dn + size, before) != 0)
            continue;
        snprintf(i->dn + size, sizeof(i->dn) - size, ",%.120s", container->dn);
        i->moved_usec = world.steady_usec;
    }
    change_end(container);
    for (size_t k = 0; k < company.n_people; k++) {
        struct person *p = company.people[k];
        if (p->item->moved_usec != world.steady_usec)
            continue;
        int size = (int)strcspn(p->item->dn, ",");
        snprintf(old, sizeof(old), "%.*s%.120s", size, p->item->dn, before);
        groups_follow(p->item, old, p->item->dn);
        company_touch(p);
        if (directory_hides())
            p->told_usec = world.steady_usec;
    }
    seen(POINT_CONTAINER);
}

/* ---- what happens ---- */

static void join(const struct person *p, const struct happening *h)
{
    struct item *unit = group_numbered(h->number);
    if (!unit)
        return;
    group_change(unit, p->item->dn, strcmp(h->to, "in") == 0);
    if (!item_has(group_of(0), "member", p->item->dn) && group_holds(group_of(0), p->item->dn))
        seen(POINT_UNIT_JOINED);
}

static void attribute(const struct person *p, const struct happening *h)
{
    if (!shape_is())
        return;
    change_begin(p->item);
    shape_attribute(p->item, h->to, h->number);
    change_end(p->item);
    seen(POINT_ATTRIBUTE);
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
    case WHAT_TEAM: groups_join_team(p->item, h->to); break;
    case WHAT_LANGUAGE: set(p, "preferredLanguage", to); break;
    case WHAT_TYPE: set(p, "employeeType", to); break;
    case WHAT_LEAD: group_change(group_of(GROUP_LEADS), p->item->dn, to); break;
    case WHAT_MOVE: move(p); break;
    case WHAT_PLACE: place(p); break;
    case WHAT_LOGIN: marry(p, h); break;
    case WHAT_END: dates_end(p, h->seconds); break;
    case WHAT_EMPTY: edit_empty(p, h->to); break;
    case WHAT_CLASS: edit_class(p, h->to); break;
    case WHAT_JOIN: join(p, h); break;
    case WHAT_ATTRIBUTE: attribute(p, h); break;
    case WHAT_SHIFT:
    case WHAT_LOG_IN:
    case WHAT_HAND: hands_happen(p, h); break;
    default: break;
    }
}

void company_happen(const struct happening *h)
{
    if (h->what == WHAT_GROUP || h->what == WHAT_UNIT) {
        groups_happen(h);
        return;
    }
    if (h->what == WHAT_HABIT) {
        habits_happen(h);
        return;
    }
    if (h->what == WHAT_CONTAINER) {
        if (container && (strcmp(h->to, "moved") != 0 || company.two_bases))
            rename_container(h);
        return;
    }
    struct person *p = company_person(h->who);
    if (h->what == WHAT_TWIN) {
        if (!p)
            twin_comes(h);
        else if (p->twin)
            part(p);
        return;
    }
    if (p && may_leave_login(h->what))
        part_from(p);
    if (p && p->twin && h->what == WHAT_LOGIN)
        part(p);
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
    if (h->what == WHAT_SHIFT || h->what == WHAT_HAND || h->what == WHAT_LOG_IN)
        return; /* at the tenant alone */
    company_touch(p);
    /* Who only moves is there all the time. */
    if (h->what != WHAT_MOVE && h->what != WHAT_PLACE)
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
        company_touch(company.people[i]);
}

void company_begin(const struct plan *p)
{
    company = (struct company){.two_bases = p->two_bases, .api_person = p->api_person};
    container = NULL;
    groups_make(SUFFIX, "domain", "dc", "example");
    groups_make("ou=people," SUFFIX, "organizationalUnit", "ou", "people");
    groups_make("ou=contractors," SUFFIX, "organizationalUnit", "ou", "contractors");
    groups_begin(p);
}

void company_end(void)
{
    for (size_t i = 0; i < company.n_people; i++)
        free(company.people[i]);
    free(company.people);
    groups_end();
    habits_end();
    company = (struct company){0};
}
