/* One person under evaluation: what judge.c and claim.c share. */
#pragma once
#include <stdbool.h>

#include "mapping/ruleset.h"
#include "model/operation.h"
#include "model/user.h"
#include "state/link.h"
#include "state/mirror.h"
#include "state/person.h"
#include "sync/planner.h"

struct engine;
struct error;

/* Everything that one evaluation reads, released together. */
struct subject {
    struct mirror_entry mirror;
    struct person person; /* as it was stored before */
    bool was_known;
    struct link link;
    bool has_link;
    struct verdict verdict;
    bool has_verdict;
    struct user *known, *granted, *quirks;
    char *login_key;
    char *twin; /* mirror_twin() */
    enum planner_claim claim;
    char claim_sentence[768];
    char successor_sentence[768]; /* "" when there is none */
    bool looking;       /* the user that would be adopted was not looked at yet */
    struct user *found; /* what it looked like; NULL: not known */
    struct operation_list queue;  /* the person's operations before */
};

const char *subject_dn(const struct subject *s); /* borrowed; "" when it is not known */
int subject_user(const char *json, struct user **ret, struct error *e); /* NULL gives NULL */
/* Who else has a claim on the login that s->verdict.user wants? Fills claim and its sentence.
 */
int claim_find(struct engine *n, const char *entry_id, struct subject *s, struct error *e);
/* Is there a new entry that is the same person as this linked one, which is gone? Fills
 * successor_sentence. */
int claim_find_successor(struct engine *n, const char *entry_id, struct subject *s,
                         struct error *e);
