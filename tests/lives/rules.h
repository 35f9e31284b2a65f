/* What the configuration says, as the world knows it, and the file that says it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct happening;
struct plan;

/* The login of somebody who never loses access, login or roles, in companies that protect one. */
#define PROTECTED "user3"

/* Attributes that have a time. */
#define FIRST_DAY "employmentBegin"
#define LAST_DAY  "employmentEnd"

/* Budgets that may hold here; what each counts: rosterd.conf(5). */
enum limit {
    LIMIT_DISABLE,
    LIMIT_CREATE,
    LIMIT_UPDATE,
    LIMIT_TEAM,
    LIMIT_DELETE,
    LIMIT_RENAME,
    LIMIT_REVOKE,
    LIMIT_PRIVILEGED,
    LIMIT_DORMANT,
    LIMITS
};
extern const char *const limit_names[LIMITS];

#define VANISH_FEWEST 8 /* people, of whom a share says something */

struct rules {
    unsigned vanish;         /* percent of people from whom an attribute may vanish; 0: all */
    unsigned billing;        /* the level of who is in sales */
    bool without_visitors;   /* they are out of scope */
    unsigned limits[LIMITS]; /* 0: unlimited */
    bool privileged;         /* the role Lead is */
    unsigned rate;           /* requests a second */
    unsigned at_once;        /* requests under way */
    bool deletes, protects, broken;
    /* How often rosterd asks, and how long it waits before it tells of something. */
    uint64_t keepalive_usec, poll_usec, full_usec, verify_usec, alarm_after_usec;
    uint64_t budget_changed_usec;
    unsigned seats, seats_before; /* 0: as many as there are */
    uint64_t seats_changed_usec;
    bool dates;     /* people have a first and a last day */
    unsigned ahead; /* hours before the first day a user is made, disabled; 0: at that time */
    bool makes_disabled; /* whoever is disabled gets a user */
    unsigned dormant; /* days; 0: nobody is */
    bool dormant_disables;
    bool conflicts; /* Lead and Trainer are; whoever speaks Spanish is a trainer then */
};
extern struct rules rules;

void rules_begin(const struct plan *p);
/* One key changes, or the file gets an error for some seconds. */
void rules_change(const struct happening *h);
/* Of a second one; other_state: it shares the audit alone. */
void rules_second(bool other_state);
void rules_tenant(void); /* another one, or the own one again */
void rules_mend(void); /* the error is taken out */
