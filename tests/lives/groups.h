/* The groups of a company: those of its teams, its leaders', and those that lie in others. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct happening;
struct item;
struct plan;

#define GROUPS          4
#define GROUPS_OF_TEAMS 2 /* the first ones: they may be gone */
#define GROUP_NIGHT     2
#define GROUP_LEADS     3
/* Units are groups of people, of other units, of each other; from here on in a plan a number
 * means one of the first four. */
#define UNITS           40
#define UNITS_AND_OTHER 100

void groups_begin(const struct plan *p);
void groups_end(void);
struct item *group_of(unsigned which); /* of the first four */
/* By the numbers of a plan; NULL: there is none. */
struct item *group_numbered(uint64_t number);
/* An entry of the directory, from now on. */
struct item *groups_make(const char *dn, const char *class, const char *name,
                         const char *value);
/* It is a member, directly or through other groups. */
bool group_holds(const struct item *group, const char *dn);
void group_change(struct item *group, const char *dn, bool add);
/* Somebody new: in the team's group, and wherever everybody is. */
void groups_enter(const struct item *i, const char *team);
void groups_join_team(const struct item *i, const char *team);
/* Their entry has another name, or none any more. */
void groups_follow(const struct item *i, const char *before, const char *now);
/* Those of teams: in a circle, emptied, deleted, made anew; a unit: it lies in another one. */
void groups_happen(const struct happening *h);
/* Since when each group that a rule names is there; UINT64_MAX: one is not. */
uint64_t groups_quiet_usec(void);
/* They are all there again, and everybody has a login of their own. */
void groups_calm(void);
