/*
 * What test-hands.c plays and hands-oracle.c judges: a company, the users of a tenant, and what
 * is on record of them. The oracle knows nothing of the planner.
 */
#pragma once
#include <stdio.h>

#include "engine-bed.h"
#include "unit.h"

struct audit_view;

#define N_PEOPLE 6
#define MOST     48

extern uint64_t hands_seed;

/* -- what a user has, item by item, by the names that the audit gives them -- */

enum item {
    LOGIN,
    FIRST_NAME,
    LAST_NAME,
    EMAIL,
    WORK_PHONE,
    MOBILE_PHONE,
    EXTENSION,
    TEAM,
    DISABLED,
    AGENT,
    SELLER,
    AUDITOR,
    HELPER,
    ADMIN,
    ENGLISH,
    SPANISH,
    BILLING,
    N_ITEMS
};
#define BIT(item) (1U << (item))
#define ROLES     (BIT(AGENT) | BIT(SELLER) | BIT(AUDITOR) | BIT(HELPER) | BIT(ADMIN))
#define UNMANAGED                                                                              \
    (BIT(HELPER) | BIT(ADMIN) | BIT(BILLING) | BIT(EXTENSION) | BIT(WORK_PHONE) |              \
     BIT(MOBILE_PHONE))
extern const char *const names[N_ITEMS];
struct picture {
    char is[N_ITEMS][40]; /* "": nothing */
};

/* -- the world -- */

struct worker {
    bool here, support, sales, auditor, terminated, renamed;
    unsigned name, mail; /* the how manieth */
};

/* A user of the tenant. */
struct there {
    char id[24];
    struct picture was;
    int who;               /* whose; -1: it is gone */
    bool rested;           /* all was at rest since it is there, so we have read it */
    bool off, renamed;     /* somebody there disabled it; gave it another login */
    bool excused;          /* somebody made it in the place of ours, which nobody can tell */
    bool stale;            /* changed since the report was made, for all we know */
    bool foreign, adopted; /* somebody there made it; an outcome on record took it over */
    bool before, ever;     /* it was there at the first contact; an approval ever covered it */
    uint64_t approved_until; /* on the steady clock */
    bool shows; /* what was approved and nothing moved since: only this may follow */
    uint32_t shown;
};

/* What an item may be known to be: what it was, and what the directory said, whenever somebody
 * there changed it. */
struct values {
    char is[32][40];
    size_t n;
};

/* What is on record and not done, of a person. */
struct intent {
    json_int_t number;
    char id[16];
    char kind[12];
    uint32_t items;
    struct picture to;
    bool over; /* an outcome tells of it */
};

struct history {
    struct bed *b;
    struct worker people[N_PEOPLE];
    struct picture wanted[N_PEOPLE], at_rest[N_PEOPLE]; /* by the directory; at the last rest */
    struct values known[N_PEOPLE][N_ITEMS];             /* of what somebody there changed */
    unsigned mail_at_rest[N_PEOPLE];
    uint32_t touched[N_PEOPLE]; /* what was wanted otherwise at any time since then */
    uint32_t kept[N_PEOPLE], open[N_PEOPLE]; /* changed by hand at rest; meanwhile: who knows */
    bool gone[N_PEOPLE], noticed[N_PEOPLE];  /* somebody deleted the user; which is on record */
    bool was_admin[N_PEOPLE];                /* whom somebody deleted */
    struct there there[MOST];
    size_t n_there;
    struct intent intents[MOST];
    size_t n_intents;
    int64_t seen_line;
    struct audit_view *view;
    void (*bed_request)(enum fake_kind kind, const char *login, const char *id, void *userdata);
    bool repairs, conflict, conflict_all_along;
    unsigned level, n_reloads, faults, n_hands;
    char fingerprint[32], skills[32];
};

extern struct met {
    size_t kept, adopted, unasked, conflicts, renamed, anew, shown, repaired;
} met; /* over all histories */

/* -- hands-oracle.c -- */

const char *name_within(enum item i);
void picture_of(const struct user *u, struct picture *ret);
uint32_t difference(const struct picture *a, const struct picture *b);
void login_of(const struct history *h, unsigned who, char ret[16]);
struct there *there_of(struct history *h, const char *id);
bool is_ours(const struct there *t);
struct there *add_there(struct history *h, const struct fake_user *u, int who);
bool has_user(const struct history *h, unsigned who);
/* The directory or the configuration says something else of the person. */
void renew(struct history *h, unsigned who);
/* Somebody there changes the item, of which nothing is known yet. */
void note_hand(struct history *h, unsigned who, enum item i, const char *before);
/* What is on record by now. */
void read_lines(struct history *h);
/* What the tenant is asked, and what it does: userdata is the history. */
void on_request(enum fake_kind kind, const char *login, const char *id, void *userdata);
void on_write(enum fake_kind kind, const struct fake_user *after, const char *login,
              void *userdata);
/* Of each operation that waits, when all of them are about to be approved. */
int note_shown(const struct operation *o, void *userdata);
void end_contact(struct history *h);
/* All is done that can be. */
void judge_rest(struct history *h);
