/*
 * Applies the guard's verdict to the queue, and a person's words about it: approve, retry,
 * pause. What is parked here is released here.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "sync/internal.h"

static int set_text(char **to, const char *text)
{
    free(*to);
    *to = text ? strdup(text) : NULL;
    return text && !*to ? -ENOMEM : 0;
}

static int park_one(struct engine *n, struct operation *o, bool park, const char *cause,
                    const char *sentence, struct error *e)
{
    o->state = park ? OPERATION_PARKED : OPERATION_READY;
    o->since_usec = clock_now_usec();
    if (set_text(&o->reason, park ? REASON_BUDGET : NULL) < 0 ||
        set_text(&o->cause, park ? cause : NULL) < 0 ||
        set_text(&o->sentence, park ? sentence : NULL) < 0)
        return error_out_of_memory(e);
    int r = queue_store(n->state, o, e);
    struct audit_row row = {.event = park ? "park" : "release",
                            .operation = o,
                            .code = REASON_BUDGET,
                            .sentence = sentence};
    if (r == 0)
        r = books_audit(n->books, &row, e);
    return r < 0 ? r : person_touch(n->state, o->entry_id, books_run(n->books), BUCKET_PENDING, e);
}

/* Parks as many of one share of a budget, or releases as many that were parked; in slices. */
static int move(struct engine *n, enum budget_kind k, enum queue_share share, size_t n_left,
                struct error *e)
{
    enum {
        SLICE = 256
    };
    bool park = share != QUEUE_OVER_BUDGET;
    char cause[64], why[256];
    snprintf(cause, sizeof cause, "budget:%s", budget_kind_name(k));
    /* Without figures, since those change while the operation waits: the alarm has them. */
    snprintf(
        why, sizeof why,
        "more than the budget \"%s\" allows without approval: look at `rosterctl plan`, then "
        "`rosterctl approve HASH`",
        budget_kind_name(k));
    for (size_t n_some = SLICE; n_left && n_some == SLICE; n_left -= n_some) {
        struct operation_list some = {0};
        int r = queue_of_budget(n->state, k, share, n_left < SLICE ? n_left : SLICE, &some, e);
        n_some = some.n_items;
        for (size_t i = 0; i < n_some && r == 0; i++)
            r = park_one(n, some.items[i], park, cause, park ? why : "within the budget again",
                         e);
        operation_list_done(&some);
        if (r < 0)
            return r;
    }
    return 0;
}

static void say_tripped(struct engine *n, enum budget_kind k, bool is_new)
{
    char cause[64], sentence[512];
    snprintf(cause, sizeof cause, "budget:%s", budget_kind_name(k));
    guard_sentence(k, &n->guard_input, &n->guard, n->options.sync, sentence, sizeof sentence);
    if (!n->guard.tripped[k]) {
        alarm_over(n->books, cause);
        return;
    }
    alarm_set(n->books, cause, REASON_BUDGET, sentence);
    if (is_new && !n->options.quiet)
        log_event(LOG_WARNING, MSG_BUDGET_TRIPPED, "%s", sentence);
}

/* What was parked waits for a person. It comes back by itself when all that waits fits into the
 * budget again, or when a person configured another budget, and then as much as fits. */
static int fit_kind(struct engine *n, enum budget_kind k, const struct queue_shares *in,
                    struct error *e)
{
    size_t room = n->guard.room[k], used = n->guard_input.spent[k] + in->let_through;
    size_t excess = in->fresh > room ? in->fresh - room : 0;
    size_t beyond = used > n->guard.limit[k] ? used - n->guard.limit[k] : 0;
    say_tripped(n, k, excess > 0);
    int r = excess ? move(n, k, QUEUE_FRESH, excess, e) : 0;
    if (r == 0 && beyond && in->let_through) /* the limit was lowered, or an approval ended */
        r = move(n, k, QUEUE_LET_THROUGH, beyond, e);
    if (r == 0 && in->over && room > in->fresh && (!n->guard.tripped[k] || n->budgets_are_new))
        r = move(n, k, QUEUE_OVER_BUDGET, room - in->fresh, e);
    return r;
}

static int count_kind(const struct engine *n, unsigned k, struct guard_input *in,
                      struct queue_shares *ret, struct error *e)
{
    uint64_t now = steady_now_usec(books_steady(n->books)), window = n->options.sync->budget_window_usec;
    int r = budget_spent(n->state, k, now > window ? now - window : 0, &in->spent[k], e);
    if (r == 0)
        r = queue_shares(n->state, k, ret, e);
    in->let_through[k] = ret->let_through;
    in->pending[k] = ret->fresh + ret->over;
    return r;
}

/* Whoever was disabled in the window was linked when the budget was made. */
static size_t count_linked(const struct engine *n, const struct guard_input *in)
{
    return link_count(n->state, LINK_ACTIVE) + in->spent[BUDGET_DISABLE] +
           in->spent[BUDGET_REVOKE];
}

int engine_budgets(const struct engine *n, struct guard_input *ret_input,
                   struct guard_verdict *ret, struct error *e)
{
    struct queue_shares shares = {0};
    int r = 0;
    *ret_input = (struct guard_input){0};
    for (unsigned k = 1; k < BUDGET_N_KINDS && r == 0; k++)
        r = count_kind(n, k, ret_input, &shares, e);
    ret_input->n_linked = count_linked(n, ret_input);
    guard_evaluate(ret_input, n->options.sync, ret);
    return r;
}

static int apply_guard(struct engine *n, unsigned from, unsigned to, struct error *e)
{
    struct queue_shares shares[BUDGET_N_KINDS] = {0};
    int r = 0;
    for (unsigned k = from; k < to && r == 0; k++)
        r = count_kind(n, k, &n->guard_input, &shares[k], e);
    if (r < 0)
        return r;
    n->guard_input.n_linked = count_linked(n, &n->guard_input);
    guard_evaluate(&n->guard_input, n->options.sync, &n->guard);
    for (unsigned k = from; k < to && r == 0; k++)
        r = fit_kind(n, (enum budget_kind)k, &shares[k], e);
    return r;
}

int park_apply_guard(struct engine *n, struct error *e)
{
    int r = apply_guard(n, 1, BUDGET_N_KINDS, e);
    n->budgets_are_new = false;
    return r;
}

int park_look(struct engine *n, struct guard_verdict *ret, struct error *e)
{
    struct guard_input in;
    return engine_budgets(n, &in, ret, e);
}

int park_apply_guard_to_revocations(struct engine *n, struct error *e)
{
    return apply_guard(n, BUDGET_REVOKE, BUDGET_REVOKE + 1, e);
}

/* Asked in the transaction that starts it: what became ready since the guard looked at the
 * plan, and what comes back, is not beyond the budget unseen. */
int park_may_start(struct engine *n, const struct operation *o, bool *ret, struct error *e)
{
    enum budget_kind k = (enum budget_kind)o->budget;
    *ret = true;
    if (o->approved || o->kind == OPERATION_ADOPT || operation_is_unclear(o) ||
        n->guard.limit[k] == SIZE_MAX)
        return 0;
    uint64_t now = steady_now_usec(books_steady(n->books)), window = n->options.sync->budget_window_usec;
    size_t spent = 0, let_through = 0;
    int r = budget_spent(n->state, k, now > window ? now - window : 0, &spent, e);
    if (r == 0)
        r = queue_let_through(n->state, k, &let_through, e);
    if (o->attempts && let_through)
        let_through--; /* itself */
    *ret = guard_has_room(&n->guard, k, spent, let_through);
    return r;
}

struct hashing {
    bool parked_only;
    struct buffer text;
    size_t n_parked;
    struct string_list numbers;
};

static int add_to_hash(const struct operation *o, void *userdata)
{
    struct hashing *h = userdata;
    if (o->state == OPERATION_PARKED)
        h->n_parked++;
    if (h->parked_only && o->state != OPERATION_PARKED)
        return 0;
    CLEANUP(freep) char *changes = operation_changes_to_json(o);
    if (!changes)
        return -ENOMEM;
    buffer_format(&h->text, "%s\n%s\n%s\n%s\n", operation_kind_name(o->kind), o->entry_id,
                  o->login, changes);
    if (o->state != OPERATION_PARKED) {
        buffer_format(&h->text, "\n");
        return 0;
    }
    /* It stands for one occasion: whoever is parked again another day has another hash. */
    buffer_format(&h->text, "%" PRId64 " %" PRIu64 "\n\n", o->number, o->since_usec);
    char number[32];
    snprintf(number, sizeof number, "%" PRId64, o->number);
    return string_list_add(&h->numbers, number);
}

static int hash_plan(struct engine *n, struct hashing *h, char ret[static 65], struct error *e)
{
    int r = queue_each(n->state, (enum operation_state)0, add_to_hash, h, e);
    if (r != 0 || h->text.failed)
        return r < 0 ? r : error_out_of_memory(e);
    CLEANUP(freep) char *key = NULL;
    r = state_meta_get(n->state, "plan-key", &key, e);
    if (r < 0)
        return r;
    /* Keyed at both ends: the hash goes on record, and is no way to test a guess at the plan. */
    const char *secret = key ? key : "";
    struct digest_part parts[] = {{secret, strlen(secret)}, {h->text.data, h->text.size}, {secret, strlen(secret)}};
    r = digest_parts(ret, parts, ARRAY_SIZE(parts));
    return r < 0 ? error_set(e, r, "cannot hash the plan") : 0;
}

int engine_plan_hash(struct engine *n, char ret[static 65], size_t *ret_n_parked,
                     struct error *e)
{
    struct hashing h = {.parked_only = !engine_observes(n)};
    int r = hash_plan(n, &h, ret, e);
    *ret_n_parked = h.n_parked;
    buffer_done(&h.text);
    string_list_done(&h.numbers);
    if (r < 0 || h.n_parked || !h.parked_only)
        return r;
    h = (struct hashing){0};
    r = hash_plan(n, &h, ret, e);
    buffer_done(&h.text);
    return r;
}

static int by_number(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static bool is_chosen(const struct engine_choice *choice, int64_t number)
{
    return !choice || bsearch(&number, choice->numbers, choice->n_numbers,
                              sizeof(*choice->numbers), by_number);
}

static int approve_one(struct engine *n, int64_t number, unsigned uid,
                       const struct engine_choice *choice, struct error *e)
{
    CLEANUP(operation_freep) struct operation *o = NULL;
    int r = queue_load(n->state, number, &o, e);
    if (r != 0)
        return r < 0 ? r : 0;
    char sentence[512];
    snprintf(sentence, sizeof sentence, "approved by user id %u%s%s", uid,
             choice ? ", of the plan only: " : "", choice ? choice->names : "");
    struct audit_row row = {
        .event = "approve", .operation = o, .code = o->reason, .sentence = sentence};
    r = books_audit(n->books, &row, e);
    if (r < 0)
        return r;
    o->approved = true;
    o->approved_until_usec = steady_now_usec(books_steady(n->books)) + n->options.sync->approval_valid_usec;
    o->state = OPERATION_READY;
    if (set_text(&o->reason, NULL) < 0 || set_text(&o->cause, NULL) < 0 ||
        set_text(&o->sentence, NULL) < 0)
        return error_out_of_memory(e);
    r = queue_store(n->state, o, e);
    return r < 0 ? r : person_touch(n->state, o->entry_id, books_run(n->books), BUCKET_PENDING, e);
}

struct left_over {
    const char *reason;
    size_t n;
};

static int count_left(const struct operation *o, void *userdata)
{
    struct left_over *l = userdata;
    l->n += text_equal(o->reason, l->reason);
    return 0;
}

/* A cause is accepted when nothing that waits for it was left out; when a part was chosen and
 * nothing waits for it, nobody was asked. */
static int is_accepted(struct engine *n, const char *reason, const struct engine_choice *choice,
                       bool *ret, struct error *e)
{
    struct left_over left = {.reason = reason};
    bool asked = !choice;
    for (size_t i = 0; choice && i < choice->n_reasons; i++)
        asked |= text_equal(choice->reasons[i], reason);
    int r = asked && choice ? queue_each(n->state, OPERATION_PARKED, count_left, &left, e) : 0;
    *ret = r == 0 && asked && left.n == 0;
    return r;
}

/* Approval also accepts what the parked operations were parked for. */
static int accept_causes(struct engine *n, const struct engine_choice *choice, struct error *e)
{
    bool adoption, vanished;
    int r = is_accepted(n, REASON_ADOPTION, choice, &adoption, e);
    if (r == 0)
        r = is_accepted(n, REASON_ATTRIBUTE_VANISHED, choice, &vanished, e);
    if (r == 0 && adoption)
        r = contact_accept(n->contact, e);
    if (r == 0 && vanished)
        r = vanish_accept(n, e);
    return r;
}

static int note_next_end(struct engine *n, struct error *e)
{
    return queue_next_approval_end(n->state, steady_now_usec(books_steady(n->books)),
                                   &n->approval_until_usec, e);
}

int engine_approve(struct engine *n, const char *hash, unsigned uid,
                   const struct engine_choice *choice, size_t *ret_n, uint64_t *ret_until_usec,
                   struct error *e)
{
    struct hashing h = {.parked_only = !engine_observes(n)};
    size_t n_approved = 0;
    char now_hash[65];
    int r = books_write(n->books, e);
    if (r == 0)
        r = hash_plan(n, &h, now_hash, e);
    if (r == 0 && !h.n_parked && (h.parked_only || choice))
        r = ENGINE_NOTHING;
    else if (r == 0 && !text_equal(hash, now_hash))
        r = ENGINE_STALE_HASH;
    if (r == 0)
        r = run_join(n->books, "approval", e);
    for (size_t i = 0; i < h.numbers.n_items && r == 0; i++) {
        int64_t number = 0;
        if (text_parse_signed(h.numbers.items[i], &number) == 0 && is_chosen(choice, number)) {
            r = approve_one(n, number, uid, choice, e);
            n_approved++;
        }
    }
    *ret_n = n_approved;
    *ret_until_usec = clock_now_usec() + n->options.sync->approval_valid_usec;
    if (r == 0)
        r = books_note_steady(n->books, e);
    if (r == 0)
        r = note_next_end(n, e);
    if (r == 0)
        r = accept_causes(n, choice, e);
    if (r == 0 && !choice)
        r = observe_end(n, "the whole plan was approved, so observing is over", e);
    if (r == 0) {
        log_event(LOG_NOTICE, MSG_APPROVED, "User id %u approved %zu of %zu operations (%.12s…)",
                  uid, n_approved, h.n_parked, hash);
        books_note(n->books, WORK_COMMIT | WORK_GUARD);
    }
    buffer_done(&h.text);
    string_list_done(&h.numbers);
    books_wake(n->books, WORK_DUE);
    return r;
}

/* An approval is for a limited time: what it released and was not done falls back under its
 * budget. */
int park_expire_approvals(struct engine *n, struct error *e)
{
    size_t n_ended = 0;
    uint64_t now = steady_now_usec(books_steady(n->books));
    if (!n->approval_until_usec || n->approval_until_usec > now)
        return 0;
    int r = queue_end_approvals(n->state, now, &n_ended, e);
    if (r == 0)
        r = note_next_end(n, e);
    if (n_ended)
        books_note(n->books, WORK_GUARD);
    return r;
}

/* How long the machine was down is not known, and may be longer than approvals hold. */
int park_start_approvals(struct engine *n, struct error *e)
{
    size_t n_ended = 0;
    int r =
        books_steady(n->books)->new_boot ? queue_end_approvals(n->state, UINT64_MAX >> 1, &n_ended, e) : 0;
    return r < 0 ? r : note_next_end(n, e);
}

int engine_retry(struct engine *n, const char *cause, const char *entry_id, size_t *ret_n,
                 struct error *e)
{
    int r = books_write(n->books, e);
    *ret_n = 0;
    if (r == 0 && entry_id) {
        struct operation_list mine = {0};
        r = queue_of_person(n->state, entry_id, &mine, e);
        for (size_t i = 0; i < mine.n_items && r == 0; i++) {
            struct operation *o = mine.items[i];
            if (o->state != OPERATION_HELD)
                continue;
            o->state = OPERATION_READY;
            o->not_before_usec = 0;
            r = queue_store(n->state, o, e);
            ++*ret_n;
        }
        operation_list_done(&mine);
        if (r == 0)
            r = person_mark_dirty(n->state, entry_id, e);
    } else if (r == 0) {
        r = queue_release(n->state, cause, NULL, clock_now_usec(), ret_n, e);
        /* The planner's own holds are decided anew. */
        static const char *const reasons[] = {REASON_LOGIN_SHARED,  REASON_CONFLICT,
                                              REASON_SAME_MAIL,     REASON_RENAME_POLICY,
                                              REASON_GROUP_MISSING, REASON_ENTRY_INVALID};
        for (size_t i = 0; i < ARRAY_SIZE(reasons) && r == 0; i++)
            r = person_mark_reason_dirty(n->state, reasons[i], e);
    }
    health_forget_missing(n->health);
    if (r == 0 && *ret_n)
        r = run_join(n->books, "retry by a person", e);
    books_note(n->books, WORK_GUARD | WORK_COMMIT);
    if (n->options.tenant)
        health_ask(n->health);
    books_wake(n->books, WORK_DUE);
    return r < 0 ? r : 0;
}

int engine_look_again(struct engine *n, const char *entry_id, struct error *e)
{
    int r = books_write(n->books, e);
    if (r == 0)
        r = entry_id ? person_mark_dirty(n->state, entry_id, e)
                     : person_mark_all_dirty(n->state, e);
    books_wake(n->books, WORK_COMMIT);
    return r;
}

int engine_pause(struct engine *n, bool pause, unsigned uid, struct error *e)
{
    char sentence[96];
    snprintf(sentence, sizeof sentence, "%s by user id %u", pause ? "paused" : "resumed", uid);
    struct audit_row row = {
        .event = "configuration", .code = REASON_PAUSED, .sentence = sentence};
    char since[32];
    uint64_t paused_usec = !pause ? 0 : n->paused ? n->paused_usec : clock_now_usec();
    snprintf(since, sizeof since, "%" PRIu64, paused_usec);
    int r = books_write(n->books, e);
    if (r == 0)
        r = state_meta_set(n->state, "paused", pause ? since : NULL, e);
    if (r == 0)
        r = books_audit(n->books, &row, e);
    if (r < 0)
        return r;
    n->paused = pause;
    n->paused_usec = paused_usec;
    if (!pause)
        alarm_over(n->books, REASON_PAUSED);
    books_note(n->books, WORK_COMMIT | WORK_ALARMS);
    log_notice("Writing to the tenant was %s", sentence);
    books_wake(n->books, WORK_DUE);
    return 0;
}
