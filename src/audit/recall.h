/*
 * What the composer of audit lines remembers from one line to the next. All of it can be
 * forgotten: the lines then say more than they need, or a checkpoint comes early.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/chain.h"
#include "audit/journal.h"
#include "audit/signer.h"
#include "audit/tree.h"

struct state;

/* An operation's intent that the outcome may refer to. */
struct open_intent {
    int64_t number;
    uint64_t run;
    struct chain_hash content;
};

struct audit_memory {
    uint64_t epoch; /* of the state's trail, when this was last right */
    struct open_intent *intents;
    size_t n_intents, capacity;
    struct signer *signer;  /* NULL: lines are chained and not signed */
    int64_t checkpoint_seq; /* the last one; 0: not known */
    uint64_t checkpoint_usec;
    struct tree_window window; /* of the lines since the last checkpoint */
    bool hide_contacts;        /* [audit] values = names */
    bool to_journal;
    struct journal journal; /* outcomes whose lines are not durable yet */
};

/* The memory of this state, right for its present transaction; NULL: there is none. */
struct audit_memory *recall_of(struct state *s);
void recall_done(struct audit_memory *m);
/* Notes what an intent says, if there is memory for it. */
void recall_intent(struct audit_memory *m, const struct open_intent *intent);
/* Is this what the intent of that number said? It is forgotten then. *ret_run: the intent's. */
bool recall_is_intent(struct audit_memory *m, int64_t number, const struct chain_hash *content,
                      uint64_t *ret_run);
/* From here on no outcome refers to an intent before: another file begins, or another life. */
void recall_forget_intents(struct audit_memory *m);
