/*
 * A checkpoint is a signed note: who can verify it knows that the key's owner had a chain that
 * ended in this link. It stands in the chain itself, so it needs no file of its own, and the
 * newest is worth keeping on another machine.
 */
#include "config.h"

#include "audit/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/compose.h"
#include "audit/line.h"
#include "audit/note.h"
#include "audit/recall.h"
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

int checkpoint_record(struct state *s, const char *why, struct error *e)
{
    CLEANUP(buffer_done) struct buffer note = {0}, b = {0};
    struct audit_memory *m = recall_of(s);
    char sig[SIGNER_SIG_MAX + 1], now[CLOCK_TEXT_SIZE];
    struct compose_head head;
    uint64_t usec = clock_now_usec();
    int r;

    if (!m || !m->signer)
        return 0;
    r = compose_head(s, &head, e);
    if (r < 0)
        return r;
    clock_format(now, usec);
    checkpoint_note(&note, signer_name(m->signer), head.seq, &head.link, now);
    if (note.failed)
        return error_out_of_memory(e);
    r = signer_sign(m->signer, note.data, note.size, sig, e);
    if (r < 0)
        return r;
    compose_begin(&b, head.seq + 1, now);
    line_add_text(&b, "ev", "checkpoint");
    line_add_text(&b, "why", why);
    if (strcmp(why, "count") != 0)
        line_add_text(&b, "key", signer_vkey(m->signer));
    line_add_text(&b, "sig", sig);
    r = compose_end(s, &b, NULL, &head, e);
    return r < 0 ? r : note_place(s, m, head.seq + 1, usec, e);
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
static int record_key(struct state *s, const struct signer *old, const char *vkey,
                      struct error *e)
{
    CLEANUP(buffer_done) struct buffer note = {0}, b = {0};
    char sig[SIGNER_SIG_MAX + 1] = "", now[CLOCK_TEXT_SIZE];
    struct compose_head head;
    int r = compose_head(s, &head, e);

    if (r < 0)
        return r;
    clock_format(now, clock_now_usec());
    if (old) {
        checkpoint_key_note(&note, signer_name(old), vkey, now);
        r = note.failed ? error_out_of_memory(e)
                        : signer_sign(old, note.data, note.size, sig, e);
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

int checkpoint_renew_key(struct state *s, const char *path, struct error *e)
{
    CLEANUP(signer_freep) struct signer *fresh = NULL;
    struct audit_memory *m = recall_of(s);
    int r = signer_renew(&fresh, path, e);

    if (r == 0)
        r = record_key(s, m->signer, signer_vkey(fresh), e);
    if (r < 0)
        return r;
    signer_free(m->signer);
    m->signer = TAKE(fresh);
    return checkpoint_record(s, "key", e);
}
