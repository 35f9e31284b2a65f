/*
 * What a person holds back. A pause lasts until the same or another person resumes.
 *
 * [sync] mode = observe: everything is planned and nothing written, until a person says that it
 * may begin. That is remembered in the state as long as the configuration says so; a
 * configuration that does not observe forgets it, so that one that does so later observes anew.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "judge/gate-internal.h"

#define META_STARTED "observing-ended"

bool gate_observes(const struct gate *g)
{
    return g->options->sync->mode == SYNC_OBSERVE && !g->observing_ended;
}

int gate_configure(struct gate *g, struct error *e)
{
    g->observing_ended = state_meta_number(g->state, META_STARTED, 0) != 0;
    if (g->options->sync->mode != SYNC_OBSERVE && g->observing_ended) {
        g->observing_ended = false;
        return state_meta_set(g->state, META_STARTED, NULL, e);
    }
    if (gate_observes(g) && !g->options->plan_only)
        log_notice("Observing ([sync] mode = observe): everything is planned, nothing is written; "
                   "`rosterctl start`, or approving the whole plan, starts writing");
    return 0;
}

int gate_end_observing(struct gate *g, const char *sentence, struct error *e)
{
    if (!gate_observes(g))
        return 0;
    int r = state_meta_set(g->state, META_STARTED, "1", e);
    if (r == 0)
        r = books_note_request(g->books, "start", NULL, sentence, e);
    if (r < 0)
        return r;
    g->observing_ended = true;
    books_note(g->books, WORK_ALARMS | WORK_GUARD);
    log_notice("Writing to the tenant begins: %s", sentence);
    return 0;
}

bool gate_is_paused(const struct gate *g)
{
    return g->paused_usec != 0;
}

uint64_t gate_paused_usec(const struct gate *g)
{
    return g->paused_usec;
}

int gate_pause(struct gate *g, bool pause, unsigned uid, struct error *e)
{
    char sentence[96];
    snprintf(sentence, sizeof(sentence), "%s by user id %u", pause ? "paused" : "resumed", uid);
    struct audit_row row = {.event = "configuration", .code = REASON_PAUSED, .sentence = sentence};
    char since[32];
    uint64_t paused_usec = !pause ? 0 : g->paused_usec ? g->paused_usec : clock_steady_usec();
    snprintf(since, sizeof(since), "%" PRIu64, paused_usec);
    int r = state_meta_set(g->state, "paused", pause ? since : NULL, e);
    if (r == 0)
        r = books_audit(g->books, &row, e);
    if (r < 0)
        return r;
    g->paused_usec = paused_usec;
    if (pause)
        books_begin_epoch(g->books, "writing is paused");
    else
        alarm_over(g->books, REASON_PAUSED);
    books_note(g->books, WORK_COMMIT | WORK_ALARMS);
    log_notice("Writing to the tenant was %s", sentence);
    books_wake(g->books, WORK_DUE);
    return 0;
}
