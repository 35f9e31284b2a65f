/*
 * What the configuration in force leaves in the state and in the audit: which one the plan was
 * made with, so that another one is noticed, also after a restart; when rosterd ran with it.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/operation.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"
#include "sync/engine-internal.h"

/* The next one is compared with it. */
static int keep_configuration(struct engine *n, struct error *e)
{
    return n->options.plan_only || !n->options.configuration_facts
               ? 0
               : state_meta_set(books_state(n->books), "configuration-facts",
                                n->options.configuration_facts, e);
}

/* Who ends [guard] four_eyes does not approve what follows from that configuration either,
 * until somebody else loads one. Where nobody knows who that was, whoever loads one next may be
 * the same. */
static int keep_who_ended_it(struct engine *n, const char *by, struct error *e)
{
    struct state *s = books_state(n->books);
    CLEANUP(freep) char *before = NULL;
    CLEANUP(freep) char *ended_by = NULL;
    int r = state_meta_get(s, "four-eyes", &before, e);
    if (r >= 0)
        r = state_meta_get(s, "four-eyes-ended-by", &ended_by, e);
    if (r < 0)
        return r;
    if (n->options.four_eyes || before || (ended_by && !audit_identity_is_known(ended_by)))
        r = state_meta_set(s, "four-eyes-ended-by", n->options.four_eyes ? NULL : by, e);
    else if (ended_by && !audit_identities_may_be_one(ended_by, by))
        r = state_meta_set(s, "four-eyes-ended-by", NULL, e);
    return r < 0 ? r : state_meta_set(s, "four-eyes", n->options.four_eyes ? "yes" : NULL, e);
}

/* Who loaded the configuration in force. Nobody is known for one that a start found, nor for one
 * that the service manager had loaded; whoever loaded the one before may not be the one. */
static int keep_loader(struct engine *n, struct error *e)
{
    char by[AUDIT_IDENTITY_SIZE] = "\n";
    const struct engine_act *act = books_asked_by(n->books);
    if (act && act->actor)
        audit_actor_identity(act->actor, by);
    int r = keep_who_ended_it(n, by, e);
    if (r == 0)
        r = state_meta_set(books_state(n->books), "four-eyes-asked", NULL, e);
    return r < 0 ? r : state_meta_set(books_state(n->books), "configuration-by", by, e);
}

/* What a start has to tell beside the version: that the state file has another form now. */
static int note_form(struct engine *n, char *sentence, size_t size, struct error *e)
{
    CLEANUP(freep) char *before = NULL;
    struct state *s = books_state(n->books);
    int r = state_meta_get(s, STATE_FORM_BEFORE, &before, e);
    if (r != 0)
        return r < 0 ? r : 0;
    snprintf(sentence, size,
             "rosterd " PACKAGE_VERSION
             ": the state file had form %s and was brought to that of this version; the "
             "hashes of plans that were shown before are void",
             before);
    return state_meta_set(s, STATE_FORM_BEFORE, NULL, e);
}

/* When rosterd ran, and when it did not and so did nothing to anybody. */
int configuration_note_life(struct engine *n, const char *event, struct error *e)
{
    bool start = strcmp(event, "start") == 0;
    char sentence[256] = "rosterd " PACKAGE_VERSION;
    struct audit_row row = {
        .event = event, .sentence = sentence, .details = start ? n->options.configuration : NULL};
    int r = start && !n->options.plan_only ? note_form(n, sentence, sizeof(sentence), e) : 0;
    if (r == 0)
        r = books_audit(n->books, &row, e);
    if (r == 0 && start)
        r = keep_configuration(n, e);
    if (r == 0 && start && !n->options.plan_only && n->options.four_eyes)
        r = state_meta_set(books_state(n->books), "four-eyes", "yes", e);
    if (r == 0 && !n->options.plan_only)
        r = books_note_steady(n->books, e);
    return r < 0 ? r : books_commit(n->books, e);
}

/* Another configuration than the one that the plan was made with, also after a restart:
 * lifecycle and budgets are not part of the mapping's fingerprint, so everybody is looked at
 * again if it decides otherwise, and whoever the tenant refused is tried again. */
int configuration_take(struct engine *n, bool reloaded, struct error *e)
{
    CLEANUP(freep) char *before = NULL;
    CLEANUP(freep) char *decided = NULL;
    bool any = false;
    if (!n->options.fingerprint)
        return 0;
    int r = state_meta_get(books_state(n->books), "configuration", &before, e);
    if (r >= 0)
        r = state_meta_get(books_state(n->books), "decisions", &decided, e);
    if (r < 0)
        return r;
    bool same = text_equal(before, n->options.fingerprint);
    bool decides_same = n->options.decisions && text_equal(decided, n->options.decisions);
    if (!reloaded && same && (decides_same || !n->options.decisions))
        return 0;
    bool other_rules = rules_decide_otherwise(n->rules);
    if (n->options.decisions ? !decides_same || other_rules : !same) {
        gate_budgets_are_new(n->gate);
        books_note(n->books, WORK_REVOCATIONS); /* theirs is looked at before any of them goes */
    }
    r = decides_same ? 0 : person_mark_all_dirty(books_state(n->books), e);
    if (r == 0)
        r = queue_release_refused(books_state(n->books), clock_steady_usec(), &any, e);
    if (r == 0)
        r = state_meta_set(books_state(n->books), "configuration", n->options.fingerprint, e);
    if (r == 0)
        r = state_meta_set(books_state(n->books), "decisions", n->options.decisions, e);
    if (r == 0 && !same) /* loading the same again is no authorship */
        r = keep_loader(n, e);
    return r;
}

int configuration_load(struct engine *n, struct error *e)
{
    struct audit_row row = {.event = "configuration",
                            .sentence = "the configuration was loaded",
                            .details = n->options.configuration};
    int r = configuration_take(n, true, e);
    if (r == 0)
        r = books_audit(n->books, &row, e);
    return r < 0 ? r : keep_configuration(n, e);
}
