/*
 * A checkpoint is a signed note: who can verify it knows that the key's owner had a chain that
 * ended in this link. It stands in the chain itself, so it needs no file of its own, and the
 * newest is worth keeping on another machine.
 */
#include "config.h"

#include "audit/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/compose.h"
#include "audit/line.h"
#include "audit/note.h"
#include "audit/recall.h"
#include "audit/tree.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "state/state.h"
#include "state/trail.h"

#define META_CHECKPOINT "audit-checkpoint"
#define META_KEY        "audit-key"
#define HOUR            (3600 * USEC_PER_SEC)

static int note_place(struct state *s, struct audit_memory *m, int64_t seq, uint64_t usec,
                      struct error *e)
{
    char text[64];

    m->checkpoint_seq = seq;
    m->checkpoint_usec = usec;
    snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64, seq, usec);
    return state_meta_set(s, META_CHECKPOINT, text, e);
}

static void find_place(struct state *s, struct audit_memory *m)
{
    CLEANUP(freep) char *text = NULL;

    if (m->checkpoint_seq)
        return;
    if (state_meta_get(s, META_CHECKPOINT, &text, NULL) != 0 ||
        sscanf(text, "%" SCNd64 " %" SCNu64, &m->checkpoint_seq, &m->checkpoint_usec) != 2) {
        m->checkpoint_seq = 0;
        m->checkpoint_usec = 0;
    }
}

static int take_waiting(int64_t seq, const char *line, void *userdata)
{
    struct tree_window *w = userdata;
    struct line_chain l;

    if (line_parse(line, strlen(line), &l) > 0)
        tree_window_add(w, seq, &l.link);
    return 0;
}

/* The tree goes back to the checkpoint before, as far as it is known and no tree is too large. What
 * is not remembered is read from the state, which keeps some lines. */
static int plant_tree(struct state *s, struct audit_memory *m, struct note *n, struct error *e)
{
    int64_t from = m->checkpoint_seq > 0 ? m->checkpoint_seq : 1;
    const struct chain_hash *leaves;
    size_t n_leaves;
    int r = 0;

    if (from < n->seq - TREE_LEAVES_MAX + 1)
        from = n->seq - TREE_LEAVES_MAX + 1;
    leaves = m->window.next == n->seq + 1 ? tree_window_from(&m->window, from, &n_leaves) : NULL;
    if (!leaves) {
        m->window.n = 0;
        r = trail_each(s, from - 1, take_waiting, &m->window, e);
        if (r < 0)
            return r;
        from = m->window.next - (int64_t)m->window.n;
        leaves = tree_window_from(&m->window, from, &n_leaves);
    }
    if (!leaves || m->window.next != n->seq + 1)
        return error_set(e, -EBADMSG, "the state file holds no audit line %" PRId64, n->seq);
    n->from = from;
    return tree_root(leaves, n_leaves, &n->root) < 0 ? error_set(e, -EIO, "SHA-256 failed") : 0;
}

static int sign(struct state *s, struct audit_memory *m, const struct compose_head *head,
                uint64_t usec, struct note *ret, char sig[static SIGNER_SIG_MAX + 1],
                struct error *e)
{
    CLEANUP(buffer_done) struct buffer text = {0};
    int r;

    *ret = (struct note){.seq = head->seq, .link = head->link};
    clock_format(ret->time, usec);
    r = plant_tree(s, m, ret, e);
    if (r < 0)
        return r;
    checkpoint_note(&text, signer_name(m->signer), ret);
    return text.failed ? error_out_of_memory(e)
                       : signer_sign(m->signer, text.data, text.size, sig, e);
}

int checkpoint_record(struct state *s, const char *why, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    struct audit_memory *m = recall_of(s);
    char sig[SIGNER_SIG_MAX + 1], root[CHAIN_TEXT_SIZE];
    struct compose_head head;
    uint64_t usec = clock_now_usec();
    struct note n;
    int r;

    if (!m || !m->signer)
        return 0;
    r = compose_head(s, &head, e);
    if (r < 0 || head.seq == 0) /* nothing to vouch for */
        return r;
    find_place(s, m);
    r = sign(s, m, &head, usec, &n, sig, e);
    if (r < 0)
        return r;
    compose_begin(&b, head.seq + 1, n.time);
    line_add_text(&b, "ev", "checkpoint");
    line_add_text(&b, "why", why);
    line_add_number(&b, "from", n.from);
    chain_text(root, &n.root);
    line_add_text(&b, "root", root);
    if (strcmp(why, "count") != 0)
        line_add_text(&b, "key", signer_vkey(m->signer));
    line_add_text(&b, "sig", sig);
    m->window.n = 0; /* the next tree begins with this line */
    r = compose_end(s, &b, NULL, &head, e);
    return r < 0 ? r : note_place(s, m, head.seq + 1, usec, e);
}

bool checkpoint_is_late(struct state *s)
{
    struct audit_memory *m = recall_of(s);
    struct compose_head head;

    if (!m || !m->signer || compose_head(s, &head, NULL) < 0)
        return false;
    find_place(s, m);
    return head.seq > m->checkpoint_seq && clock_now_usec() - m->checkpoint_usec >= HOUR;
}

int checkpoint_if_due(struct state *s, const char *event, struct error *e)
{
    struct audit_memory *m = recall_of(s);
    struct compose_head head;
    int r;

    if (!m || !m->signer)
        return 0;
    if (strcmp(event, "start") == 0 || strcmp(event, "stop") == 0)
        return checkpoint_record(s, event, e);
    r = compose_head(s, &head, e);
    if (r < 0)
        return r;
    find_place(s, m);
    if (head.seq - m->checkpoint_seq >= CHECKPOINT_LINES - 1)
        return checkpoint_record(s, "count", e);
    return clock_now_usec() - m->checkpoint_usec >= HOUR ? checkpoint_record(s, "time", e) : 0;
}

/* old: signs for the new one; NULL: it could not be asked. */
static int record_key(struct state *s, const struct signer *old, const char *vkey, struct error *e)
{
    CLEANUP(buffer_done) struct buffer note = {0}, b = {0};
    char sig[SIGNER_SIG_MAX + 1] = "", now[CLOCK_TEXT_SIZE];
    struct compose_head head;
    int r = compose_head(s, &head, e);

    if (r < 0)
        return r;
    clock_format(now, clock_now_usec());
    if (old) {
        checkpoint_key_note(&note, signer_name(old), vkey, now, head.seq, &head.link);
        r = note.failed ? error_out_of_memory(e) : signer_sign(old, note.data, note.size, sig, e);
    }
    if (r < 0)
        return r;
    compose_begin(&b, head.seq + 1, now);
    line_add_text(&b, "ev", "key");
    line_add_text(&b, "key", vkey);
    line_add_text(&b, "sig", old ? sig : NULL);
    r = compose_end(s, &b, NULL, &head, e);
    return r < 0 ? r : state_meta_set(s, META_KEY, vkey, e);
}

int checkpoint_note_key(struct state *s, struct error *e)
{
    struct audit_memory *m = recall_of(s);
    CLEANUP(freep) char *before = NULL;
    int r = state_meta_get(s, META_KEY, &before, e);

    if (r < 0)
        return r;
    if (r == STATE_NONE)
        return state_meta_set(s, META_KEY, signer_vkey(m->signer), e);
    return strcmp(before, signer_vkey(m->signer)) == 0
               ? 0
               : record_key(s, NULL, signer_vkey(m->signer), e);
}

int checkpoint_last_key(struct state *s, char **ret, struct error *e)
{
    int r = state_meta_get(s, META_KEY, ret, e);

    return r < 0 ? r : 0;
}

int checkpoint_hand_over(struct state *s, struct signer **signer, struct error *e)
{
    struct audit_memory *m = recall_of(s);
    struct signer *old = m->signer;
    int r = record_key(s, old, signer_vkey(*signer), e);

    if (r < 0)
        return r;
    m->signer = *signer;
    *signer = old;
    return checkpoint_record(s, "key", e);
}
