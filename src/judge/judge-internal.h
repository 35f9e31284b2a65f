/*
 * One person who is being looked at: what the files of the judge share (judge.c, dossier.c,
 * claim.c, merge.c, standing.c).
 */
#pragma once
#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "intake/rules.h"
#include "judge/planner.h"
#include "mapping/ruleset.h"
#include "model/operation.h"
#include "model/user.h"
#include "state/link.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"

/* Everything that one evaluation reads, released together. */
struct dossier {
    const char *entry_id; /* borrowed */
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
    bool alone; /* nobody else has to do with the login that it wants, see person_may_clash() */
    char claim_sentence[768];
    char successor_sentence[768]; /* "" when there is none */
    bool successor_revoked;       /* that is revoked */
    bool successor_idle;          /* that is to have no user now: disabled, or not started */
    bool looking;                 /* the user that would be adopted was not looked at yet */
    bool asking;                  /* whether there is a user of that login is not known yet */
    struct user *found;           /* what it looked like; NULL: not known */
    struct user *found_granted;   /* what rosterd gave that user, if it was one of ours */
    struct operation_list queue;  /* the person's operations before */
};

/* dossier.c */
int dossier_load(struct dossier *s, struct books *b, const struct rules *rules,
                 const char *entry_id, struct error *e);
void dossier_done(struct dossier *s);
const char *dossier_dn(const struct dossier *s);       /* borrowed; "" when it is not known */
const char *dossier_sentence(const struct dossier *s); /* why wanted, skipped, invalid or gone */
enum verdict_kind dossier_presence(const struct dossier *s);
enum link_status dossier_link_status(const struct dossier *s);

/* claim.c: who else has a claim on the login that s->verdict.user wants? Fills claim and its
 * sentence. */
int claim_find(struct books *b, struct dossier *s, struct error *e);
/* Is there a new entry that is the same person as this linked one, which is gone? Fills
 * successor_sentence, successor_revoked and successor_idle. */
int claim_find_successor(struct books *b, struct dossier *s, struct error *e);

/* merge.c: the person's operations are replaced by the planned ones; those that stay the same
 * keep their place. */
int merge_queue(struct books *b, struct dossier *s, struct operation_list *planned,
                struct error *e);
/* One more, beside what is there. */
int merge_beside(struct books *b, const struct dossier *s, struct operation *o, struct error *e);

/* standing.c: where the person stands once the operations of the plan are carried out. */
/* recheck_usec: when a date changes something; 0: none will. */
int standing_keep(struct books *b, struct dossier *s, const struct planner_result *plan,
                  uint64_t recheck_usec, struct error *e);
/* Whose access has to end, and whom somebody has enabled at the tenant, is active: whatever is to
 * follow from drift, a revocation binds. Before it is planned. */
int standing_note_enabled(struct books *b, struct dossier *s, struct error *e);
/* Gone, and nothing is left to do. */
int standing_forget(struct books *b, struct dossier *s, struct error *e);
