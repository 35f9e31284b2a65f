/* The people of the company: what the world itself knows of them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct person {
    struct item *item;      /* the present or the last entry; its `gone` says which */
    char login[40];         /* as it is now */
    char old_login[40];     /* before it changed; "": never */
    uint64_t changed_usec;  /* when something about them changed last */
    uint64_t entitled_usec; /* since when they are or are not entitled to work */
    bool was_entitled, had_user;
};
struct company {
    struct person **people;
    size_t n_people, room;
    unsigned limit, n_hired;
    unsigned changes_most; /* a day */
    bool two_bases, deletes;
    unsigned disable_budget; /* 0: unlimited */
};
extern struct company company;

void company_begin(unsigned limit);
void company_end(void);
void company_day(void *userdata, uint64_t day); /* plans the day's events */
