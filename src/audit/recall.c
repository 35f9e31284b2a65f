#include "config.h"

#include "audit/recall.h"

#include <stdlib.h>

#include "base/memory.h"
#include "state/trail.h"

#define REFERRED_MAX 4096 /* intents; more than are ever under way at once */

struct audit_memory *recall_of(struct state *s)
{
    uint64_t epoch;
    struct audit_memory *m = trail_attached(s, &epoch);

    if (m && m->epoch != epoch) {
        m->epoch = epoch;
        m->n_intents = 0;
        m->window.n = 0;
        m->checkpoint_seq = 0;
    }
    return m;
}

void recall_done(struct audit_memory *m)
{
    free(m->intents);
    signer_free(m->signer);
    journal_done(&m->journal);
    *m = (struct audit_memory){0};
}

static void forget(struct audit_memory *m, size_t i)
{
    m->intents[i] = m->intents[--m->n_intents];
}

void recall_intent(struct audit_memory *m, const struct open_intent *intent)
{
    for (size_t i = 0; i < m->n_intents; i++)
        if (m->intents[i].number == intent->number)
            forget(m, i--);
    if (m->n_intents == REFERRED_MAX)
        m->n_intents = 0;
    if (memory_grow(&m->intents, &m->capacity, m->n_intents + 1, sizeof(*m->intents)) == 0)
        m->intents[m->n_intents++] = *intent;
}

bool recall_is_intent(struct audit_memory *m, int64_t number, const struct chain_hash *content,
                      uint64_t *ret_run)
{
    for (size_t i = 0; i < m->n_intents; i++)
        if (m->intents[i].number == number) {
            bool same = chain_equal(&m->intents[i].content, content);

            *ret_run = m->intents[i].run;
            forget(m, i);
            return same;
        }
    return false;
}

void recall_forget_intents(struct audit_memory *m)
{
    m->n_intents = 0;
}
