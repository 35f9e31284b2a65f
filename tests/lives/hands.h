/*
 * Promise 18: what somebody took away or changed at the tenant by hand does not come back in
 * passing, with the next change of something else.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct happening;
struct person;

/* What the rules give to somebody who works: roles, and skills from English on. */
enum due {
    DUE_NONE,
    DUE_AGENT,
    DUE_LEAD,
    DUE_TRAINER, /* where it conflicts with the one before */
    DUE_COACH,   /* this one, and what else has a line of its own, by drawn rules alone */
    DUE_AUDITOR,
    DUE_ENGLISH,
    DUE_SPANISH,
    DUE_BILLING,
    DUE_FRENCH,
    DUE_CHAT,
    DUES
};
extern const char *const due_names[DUES];
struct dues {
    int of[DUES]; /* a level; of a role: 1; 0: none */
};

/* Everybody of a team has another level of a skill for a while (habits.h). */
struct preset {
    enum due fact; /* DUE_NONE: nothing such */
    int level, before;
    uint64_t until_usec;
    bool is_doubtful; /* something changed meanwhile: one or the other may come after it */
};

struct hand {
    enum due fact;    /* DUE_NONE: there is no such hand */
    int level;        /* that it has since then; 0: it is gone */
    int wanted;       /* what the rules gave then */
    bool over;        /* the rules give something else since, or the state has forgotten it */
};

/* Somebody works there, or changes a user: takes a role or a skill away, sets another level,
 * disables or enables. */
void hands_happen(struct person *p, const struct happening *h);
void hands_touched(struct person *p);   /* something about them changed */
void hands_forgotten(struct person *p); /* the daemon knows less than before */
/* What they have since then instead; `is`: what the tenant has, for what may be either. */
void hands_apply(const struct person *p, const struct dues *is, struct dues *due);
bool hands_took(const struct person *p, enum due fact);
bool hands_any(const struct person *p);
/* A request about them is carried out between the two. */
void hands_before(const struct person *p);
void hands_after(const struct person *p, const char *method);
