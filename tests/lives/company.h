/* The people of the company: what the world itself knows of them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hands.h"

#define HANDS 4

struct happening;
struct plan;

struct person {
    unsigned number;        /* of the plan */
    unsigned n_returns;
    struct item *item;      /* the present or the last entry; its `gone` says which */
    char login[40];         /* as it is now */
    char old_login[40];     /* before it changed; "": never */
    uint64_t changed_usec;  /* when something about them changed last */
    uint64_t told_usec;     /* when something but their place changed */
    uint64_t entitled_usec; /* since when they are or are not entitled to work */
    uint64_t down_before_usec; /* how long nobody had been there by then */
    uint64_t left_usec;        /* since when they have left; 0: they have not */
    uint64_t told_left_usec;   /* since when that can be known, where the directory was away */
    uint64_t off_before_usec;  /* how long the machine had been off by then */
    uint64_t approved_until_usec; /* somebody approved their disable */
    /* Somebody was about to: a death may have kept the answer back, and not the approval. */
    uint64_t perhaps_until_usec;
    uint64_t waited_usec; /* at this day's end it waited for that, or for room in its budget */
    bool was_entitled, had_user;
    /* The state that knew of their user is gone: who leaves before an adoption is approved,
     * leaves a user whom nobody claims. */
    bool forgotten;
    bool disabled_before; /* by whom, the state cannot know: it leaves it so, never deletes */
    bool disabled_by_hand; /* at the tenant, after the daemon had enabled them */
    bool disabled_when_kept; /* and the kept state knows who did it */
    uint64_t apart_until_usec; /* the tenant has a trouble with them alone, or had */
    struct preset preset;
    struct hand hands[HANDS]; /* what somebody did at the tenant, if not to their access */
    uint64_t revoked_usec; /* when that began */
    uint64_t written_usec; /* when a request that writes was about them last */
    char emptied[3][40]; /* mail, first and last name, as they were */
    /* They got another login while no state knew whose user the old one is: with their mail it is
     * held, until somebody gives that user the new one (test_life_adopt.py). */
    bool orphaned;
    struct person *twin; /* whose login they were given by mistake; NULL: they have their own */
    char password[64], handed_on[64]; /* that the tenant was given, that they were given last */
    uint64_t password_usec;
    uint64_t login_usec;   /* when they logged in last at the tenant; 0: never */
    uint64_t enabled_usec; /* when they got access last */
    uint64_t woken_usec;   /* when somebody there enabled who was dormant; 0: never */
    bool is_unreadable;    /* what the tenant says of that, until then: */
    uint64_t unreadable_until_usec;
    bool is_dormant;     /* and was disabled for it */
    bool use_is_unknown; /* the daemon may not know when they got access */
    uint64_t hand_usec;  /* when somebody changed the user at the tenant last; 0: never */
    uint64_t unhanded_usec; /* when that could not be done first; 0: it was, or was not tried */
    bool erased; /* from the audit as it was then: not from files that were removed before */
};
struct company {
    struct person **people;
    size_t n_people, room;
    bool two_bases, api_person;
};
extern struct company company;

void company_begin(const struct plan *p);
void company_end(void);
/* Something happens to somebody; whom the plan no longer has, nothing happens to. */
void company_happen(const struct happening *h);
struct person *company_person(unsigned number); /* or NULL */
void company_touch(struct person *p); /* what is expected of them may be another now */
/* The directory was away since then: who left meanwhile can be known from now on. */
void company_heard(uint64_t since_usec);
/* Everybody is looked at again: the rules changed. */
void company_rules_changed(void);
void company_part_twins(void); /* everybody is given their own login */
