/*
 * The planner: what is wanted for one person and what is known of them in, operations out.
 * Pure: no I/O, no clock of its own, no state. The same input gives the same operations, so a
 * plan can be shown before it runs.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "books/options.h"
#include "judge/conflict.h"
#include "model/operation.h"
#include "model/standing.h"
#include "model/user.h"

struct error;
struct parts;

/* Who else has a claim on the wanted login. */
enum planner_claim {
    PLANNER_LOGIN_FREE = 0,
    PLANNER_LOGIN_SHARED = 1, /* another person wants it too: neither gets it */
    /* Another person's account has it, and that person is still here. */
    PLANNER_LOGIN_LINKED = 2,
    /* It belonged to an entry that is gone, with this mail or name. */
    PLANNER_LOGIN_LEFT_SAME = 3,
    PLANNER_LOGIN_LEFT_OTHER = 4, /* … and with neither: another person of that login */
    PLANNER_LOGIN_AT_TENANT = 5,  /* exists at the tenant and no link claims it */
    /* An unclaimed user at the tenant has this mail under another login. */
    PLANNER_MAIL_AT_TENANT = 6,
    PLANNER_LIKE_AT_TENANT = 7, /* … or the name or extension of the user who vanished there */
};

/* What the rules want, or why there is nothing to want. */
struct planner_verdict {
    enum verdict_kind presence;
    const char *code, *sentence; /* why skipped, invalid or gone */
    const struct user *wanted;   /* VERDICT_USER */
    bool revoked;                /* [lifecycle] revoke_when holds */
    const struct source *revoke_source;
    uint64_t start_usec; /* [user] starts_at; 0: not known, or past */
    const struct source *start_source;
    const char *group_missing;      /* DN of a rule's group that is missing: losses are in doubt */
    const char *vanished_attribute; /* one that vanished from too many at once, here too */
    bool attribute_unread; /* … or that a read in part may not have shown: losses are in doubt */
};

/* What is known of the user. */
struct planner_link {
    enum link_status status;
    const char *login;
    const struct user *known;
    const struct user *granted; /* roles and skills that rosterd gave; only those lists are used */
    const struct user *quirks;  /* what the tenant did by itself; NULL: nothing */
    bool disabled_by_us;
    bool disabled_as_dormant; /* by us, and a person's to enable */
    uint64_t used_usec;       /* since when nobody logged in, as far as it is known; 0: not known */
    bool shown_disabled;      /* by whomever: nobody can log in */
    bool vanished;            /* the verification did not find the user at the tenant */
    bool has_our_id;          /* we made it: where the tenant keeps that, it is found by it */
    bool maybe_renamed;       /* … and whether it was renamed there cannot be told */
    bool renamed_there;       /* `login` was given by somebody at the tenant */
    uint64_t leaving_usec;    /* since when; 0: not leaving */
    uint64_t disabled_usec;   /* when we disabled */
};

/* A new entry that is the same person, of one that is gone. */
struct planner_successor {
    const char *sentence; /* NULL: there is none */
    bool revoked;
    bool idle; /* it is to have no user now, so that nobody links it */
};

/* Whether there is a user already, and of what it looks like. */
struct planner_adoption {
    bool open;                /* first contact is not approved yet */
    bool looking;             /* the user to adopt was not looked at yet */
    bool asking;              /* access is to end, and whether there is a user is being asked */
    const struct user *found; /* NULL: not known */
    const struct user *found_granted; /* what rosterd gave it, whose user it was; NULL: nothing */
};

struct planner_rules {
    struct conflicts conflicts;
    /* May rosterd take this role or skill away? True when a rule names it. */
    bool (*names_role)(const char *role, void *userdata);
    bool (*names_skill)(const char *skill, void *userdata);
    void *userdata;
};

struct planner_input {
    const char *entry_id, *dn;
    struct planner_verdict verdict;
    const char *twin; /* DN of another entry that counts as the same name, so that neither can
                         be told to be a group's member; or NULL */
    struct planner_link link;
    enum planner_claim claim;
    const char *claim_sentence; /* names the other person or login */
    struct planner_successor successor;
    struct planner_adoption adoption;
    bool state_restored;      /* the state is an older copy: what is known may not be so */
    const char *other_tenant; /* a sentence: the state belongs to another tenant; or NULL */

    struct planner_rules rules;
    const struct parts *parts; /* of the tenant */
    const struct sync_options *options;
    uint64_t now_usec;
    uint64_t dates_usec; /* by which dates fall due */
};

struct planner_result {
    struct operation_list operations;
    struct user *wanted; /* the wanted user without the roles that are withheld; NULL: as it was */
    enum person_bucket bucket; /* where the person stands if no operation is carried out */
    bool forget;               /* gone, and nothing is left to do: person and tombstone can go */
    const char *code;          /* SKIPPED, HELD: borrowed from the input or a literal */
    uint64_t leaving_usec;     /* to be kept in the link: 0 when the person is not leaving */
    bool started_leaving, returned;
};
void planner_result_done(struct planner_result *r);

/* 0 or -ENOMEM. *ret is written only on success. */
int planner_plan(const struct planner_input *in, struct planner_result *ret, struct error *e);

/* Of `changes`, does any take something away (team, role, skill, level)? */
bool planner_takes_away(const struct operation *o);
/* Have the two users the same mail, or the same first and last name? What links an existing
 * account. */
bool planner_same_person(const struct user *a, const struct user *b);
/* Is the user that is shown the one that is known? By the mail, as it was or as it is to be (wanted
 * may be NULL); who has none, then and now, is known by the name. */
bool planner_is_who_it_was(const struct user *known, const struct user *wanted,
                           const struct user *shown);
/* Both have it, and the same but for upper and lower case. */
bool planner_same_field(const struct user *a, const struct user *b, enum user_field f);

/* May this user be adopted only with a person's approval? Yes unless the mail is the same, and
 * always when it has a privileged role, or the tenant does not show whether it has one. */
bool planner_adoption_needs_approval(const struct user *wanted, const struct user *found,
                                     const struct parts *parts, const struct sync_options *options);
/* What follows from adopting `found`, as changes of `o`; -ENOMEM. */
int planner_adoption_changes(const struct planner_input *in, const struct user *found,
                             struct operation *o);
/* The privileged role among the user's, or NULL. Names are compared as the tenant does, without
 * case. */
const char *planner_privileged_role(const struct user *u, const struct sync_options *options);
/* One that the user had not before; or NULL. */
const char *planner_gained_privilege(const struct user *before, const struct user *now,
                                     const struct sync_options *options);
