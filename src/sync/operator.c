/*
 * A person's words to the engine, and what is put on record about them.
 */
#include "config.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "contact/missing.h"
#include "intake/hidden.h"
#include "model/operation.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"
#include "sync/engine-internal.h"

/* What somebody asked for is done as a whole: of what failed half-way the next commit would keep
 * the rest. So the transaction goes, with all else in it, and all is begun anew from the file. */
static int whole(struct engine *n, int r, const struct error *e)
{
    if (r < 0)
        books_failed(n->books, e);
    return r;
}

/* The same, and on the disk: whoever is told that it was done relies on it, whatever dies next. */
static int kept(struct engine *n, int r, struct error *e)
{
    return whole(n, r, e) < 0 ? r : books_commit(n->books, e);
}

void engine_act(struct engine *n, const struct engine_act *act)
{
    books_act(n->books, act);
}

int engine_note_request(struct engine *n, const char *what, const char *entry_id,
                        const char *sentence, struct error *e)
{
    return whole(n, books_note_request(n->books, what, entry_id, sentence, e), e);
}

int engine_record(struct engine *n, const struct audit_row *row, struct error *e)
{
    return kept(n, books_audit(n->books, row, e), e);
}

int engine_remember(struct engine *n, const char *name, const char *value,
                    const struct audit_row *row, struct error *e)
{
    int r = state_meta_set(books_state(n->books), name, value, e);
    if (r == 0 && row)
        r = books_audit(n->books, row, e);
    return kept(n, r, e);
}

struct unseen {
    size_t adoptions, vanished;
};

static int note_unseen(const struct operation *o, void *userdata)
{
    struct unseen *u = userdata;
    u->adoptions +=
        text_equal(o->reason, REASON_ADOPTION) || text_equal(o->reason, REASON_OTHER_TENANT);
    u->vanished += text_equal(o->reason, REASON_ATTRIBUTE_VANISHED);
    return 0;
}

/* Approval also accepts what the parked operations were parked for, where nobody else may wait for
 * the same: whoever was not looked at yet, or came since, was not shown. */
int engine_accept(const struct gate_accepted *what, void *userdata, struct error *e)
{
    struct engine *n = userdata;
    struct unseen unseen = {0};
    bool all = !reading_is_under_way(n->reading) && person_count_dirty(books_state(n->books)) == 0;
    int r = !all ? 0 : queue_each(books_state(n->books), OPERATION_PARKED, note_unseen, &unseen, e);
    if (r == 0 && what->adoption)
        r = all && !unseen.adoptions ? contact_accept(n->contact, e)
                                     : contact_accept_later(n->contact, e);
    if (r == 0 && what->vanished)
        r = all && !unseen.vanished ? reading_accept_vanished(n->reading, what->vanished, e)
                                    : reading_accept_vanished_later(n->reading, what->vanished, e);
    if (r == 0 && what->whole)
        r = gate_end_observing(n->gate, "the whole plan was approved, so observing is over", e);
    return r;
}

int engine_commit(struct engine *n, struct error *e)
{
    return books_have_failed(n->books) ? 0 : books_commit(n->books, e);
}

void engine_fail(struct engine *n, const struct error *e)
{
    books_failed(n->books, e);
}

int engine_approve(struct engine *n, const struct engine_approval *a, unsigned uid,
                   uint64_t *ret_until_usec, struct error *e)
{
    size_t n_parked = a->n + a->n_left;
    int r = whole(n, gate_approve(n->gate, a, uid, e), e);
    *ret_until_usec = clock_now_usec() + n->options.sync->approval_valid_usec;
    if (r == 0)
        log_event(LOG_NOTICE, MSG_APPROVED, "User id %u approved %zu of %zu operation%s (%.12s…)",
                  uid, a->n, n_parked, text_plural(n_parked), a->hash);
    books_wake(n->books, WORK_COMMIT);
    return r;
}

void operator_ask_anew(struct engine *n, const char *cause)
{
    missing_forget(health_missing(n->health));
    if (cause && text_equal(cause, "users:gone")) /* whether they are there again */
        sweep_soon(n->sweep);
    if (n->options.tenant)
        health_ask(n->health);
}

void engine_retry(struct engine *n, struct engine_retry *retry)
{
    gate_retry(n->gate, retry);
    books_wake(n->books, WORK_DUE);
}

void engine_retry_cancel(struct engine *n, struct engine_retry *retry)
{
    gate_retry_cancel(n->gate, retry);
}

int engine_retry_person(struct engine *n, const char *entry_id, size_t *ret_n, struct error *e)
{
    CLEANUP(operation_list_done) struct operation_list mine = {0};
    int r = queue_of_person(books_state(n->books), entry_id, &mine, e);
    *ret_n = 0;
    for (size_t i = 0; i < mine.n_items && r == 0; i++) {
        struct operation *o = mine.items[i];
        if (o->state != OPERATION_HELD)
            continue;
        o->state = OPERATION_READY;
        o->not_before_usec = 0;
        r = queue_store(books_state(n->books), o, e);
        ++*ret_n;
    }
    if (r == 0)
        r = person_mark_dirty(books_state(n->books), entry_id, e);
    operator_ask_anew(n, NULL);
    if (r == 0 && *ret_n)
        r = run_join(n->books, "retry by a person", e);
    books_note(n->books, WORK_GUARD | WORK_COMMIT);
    books_wake(n->books, WORK_DUE);
    return r < 0 ? whole(n, r, e) : 0;
}

int engine_believe_members(struct engine *n, const char *cause, struct error *e)
{
    int r = whole(n, hidden_believe(n->books, cause, e), e);
    if (r != 0)
        return r < 0 ? r : ENGINE_NOTHING;
    rules_doubt_groups(n->rules);
    books_note(n->books, WORK_COMMIT);
    books_wake(n->books, WORK_DUE);
    return 0;
}

int engine_look_again(struct engine *n, const char *entry_id, struct error *e)
{
    int r = entry_id ? person_mark_dirty(books_state(n->books), entry_id, e)
                     : person_mark_all_dirty(books_state(n->books), e);
    books_wake(n->books, WORK_COMMIT);
    return whole(n, r, e);
}

int engine_pause(struct engine *n, bool pause, unsigned uid, struct error *e)
{
    return kept(n, gate_pause(n->gate, pause, uid, e), e);
}

bool engine_is_paused(const struct engine *n)
{
    return gate_is_paused(n->gate);
}

bool engine_observes(const struct engine *n)
{
    return gate_observes(n->gate);
}

int engine_begin_writing(struct engine *n, bool *ret_was_observing, struct error *e)
{
    *ret_was_observing = gate_observes(n->gate);
    const char *sentence = "observing is over: what is planned is written from now on";
    return kept(n, gate_end_observing(n->gate, sentence, e), e);
}

int engine_distrust_state(struct engine *n, struct error *e)
{
    int r = whole(n, distrust_begin(n->books, e), e);
    sweep_read_anew(n->sweep);
    return r;
}
