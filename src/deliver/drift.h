/*
 * Drift: what the tenant's user is like now, against what the tenant confirmed last. It is
 * reported, or taken for known, so that the planner finds what is to be repaired. Nothing is
 * sent from here.
 */
#pragma once
#include <stdbool.h>

struct books;
struct error;
struct link;
struct rules;
struct user;

enum drift_whose {
    DRIFT_OF_OURS,     /* for all we know */
    DRIFT_OF_ANOTHER,  /* who has the login, and the link's own user is not there by its id */
    DRIFT_OF_WHOMEVER, /* nobody can tell: reported, and never what is known */
};

struct drift_look {
    struct books *books;
    struct rules *rules;
    const char *entry_id;
    const char *id; /* the tenant's own of whom it shows; NULL: not shown */
    enum drift_whose whose;
    bool waits; /* an operation does, which looks itself whose login it is */
    bool anew;  /* the state is an older copy: what is read becomes what is known */
};
/* now: as the user was just read. Whether it differs, also when that was reported before. Who is
 * not there is gone.c's. */
int drift_take(const struct drift_look *look, const struct user *now, bool *ret_differs,
               struct error *e);
/* The link follows a user whom somebody renamed at the tenant, on record as drift. *ret_taken:
 * another person's link has that login, and nothing was changed. */
int drift_follow_rename(struct books *b, struct link *l, const char *login, bool *ret_taken,
                        struct error *e);
/* The link goes over to whoever somebody made in the place of its user, on record as drift. id:
 * the tenant's own; NULL: not shown. */
int drift_made_anew(struct books *b, struct link *l, const struct user *known, const char *id,
                    struct error *e);
/* Whether a verification found any, which is over when one of everybody finds none. */
void drift_tell(struct books *b, bool any);
