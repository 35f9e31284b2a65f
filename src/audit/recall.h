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

struct state;

/* An operation's intent that the outcome may refer to. */
struct open_intent {
    int64_t number;
    struct chain_hash content;
};

struct audit_memory {
    uint64_t epoch; /* of the state's trail, when this was last right */
    struct open_intent *intents;
    size_t n_intents, capacity;
    struct signer *signer; /* NULL: lines are chained and not signed */
    int64_t checkpoint_seq; /* the last one; 0: not known */
    uint64_t checkpoint_usec;
    bool hide_contacts; /* [audit] values = names */
    bool to_journal;
    struct journal journal; /* outcomes whose lines are not durable yet */
};

/* The memory of this state, right for its present transaction; NULL: there is none. */
struct audit_memory *recall_of(struct state *s);
void recall_done(struct audit_memory *m);
/* Notes what an intent says, if there is memory for it. */
void recall_intent(struct audit_memory *m, int64_t number, const struct chain_hash *content);
/* Is this what the intent said? It is forgotten then. */
bool recall_is_intent(struct audit_memory *m, int64_t number, const struct chain_hash *content);
