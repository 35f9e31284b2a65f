#include "config.h"

#include "audit/recall.h"

#include <stdlib.h>

#include "base/memory.h"
#include "state/trail.h"

#define INTENTS_MAX 4096 /* more than are ever under way at once */

struct audit_memory *recall_of(struct state *s)
{
    uint64_t epoch;
    struct audit_memory *m = trail_attached(s, &epoch);

    if (m && m->epoch != epoch) {
        m->epoch = epoch;
        m->n_intents = 0;
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

void recall_intent(struct audit_memory *m, int64_t number, const struct chain_hash *content)
{
    for (size_t i = 0; i < m->n_intents; i++)
        if (m->intents[i].number == number)
            forget(m, i--);
    if (m->n_intents == INTENTS_MAX)
        m->n_intents = 0;
    if (memory_grow(&m->intents, &m->capacity, m->n_intents + 1, sizeof(*m->intents)) == 0)
        m->intents[m->n_intents++] = (struct open_intent){number, *content};
}

bool recall_is_intent(struct audit_memory *m, int64_t number, const struct chain_hash *content)
{
    for (size_t i = 0; i < m->n_intents; i++)
        if (m->intents[i].number == number) {
            bool same = chain_equal(&m->intents[i].content, content);

            forget(m, i);
            return same;
        }
    return false;
}
