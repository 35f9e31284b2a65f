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
        r = engine_audit(n, &row, e);
    return r < 0 ? r : evaluate_settle_bucket(n, o->entry_id, BUCKET_PENDING, e);
}

/* Parks what is ready under a tripped budget, or releases what was parked for it; in slices. */
static int park_kind(struct engine *n, enum budget_kind k, struct error *e)
{
    enum {
        SLICE = 256
    };
    char cause[64], sentence[512], why[256];
    bool park = n->guard.tripped[k], said = false;
    snprintf(cause, sizeof cause, "budget:%s", budget_kind_name(k));
    guard_sentence(k, &n->guard_input, &n->guard, n->options.sync, sentence, sizeof sentence);
    /* Without figures, since those change while the operation waits: the alarm has them. */
    snprintf(
        why, sizeof why,
        "more than the budget \"%s\" allows without approval: look at `rosterctl plan`, then "
        "`rosterctl approve HASH`",
        budget_kind_name(k));
    if (park)
        alarm_set(n, cause, REASON_BUDGET, sentence);
    else
        alarm_over(n, cause);
    for (;;) {
        struct operation_list some = {0};
        int r = queue_of_budget(n->state, k, park ? OPERATION_READY : OPERATION_PARKED,
                                park ? NULL : REASON_BUDGET, SLICE, &some, e);
        size_t n_some = some.n_items;
        if (r == 0 && n_some && park && !said && !n->options.quiet) {
            log_event(LOG_WARNING, MSG_BUDGET_TRIPPED, "%s", sentence);
            said = true;
        }
        for (size_t i = 0; i < n_some && r == 0; i++)
            r = park_one(n, some.items[i], park, cause, park ? why : "within the budget again",
                         e);
        operation_list_done(&some);
        if (r < 0 || n_some < SLICE)
            return r;
    }
}

int park_apply_guard(struct engine *n, struct error *e)
{
    struct guard_input in = {.n_linked = link_count(n->state, LINK_ACTIVE)};
    uint64_t now = clock_now_usec(), window = n->options.sync->budget_window_usec;
    int r = 0;
    for (unsigned k = 1; k < BUDGET_N_KINDS && r == 0; k++) {
        r = budget_spent(n->state, k, now > window ? now - window : 0, &in.spent[k], e);
        if (r == 0)
            r = queue_pending(n->state, k, REASON_BUDGET, &in.pending[k], e);
    }
    if (r < 0)
        return r;
    /* Whoever was disabled in the window was linked when the budget was made. */
    in.n_linked += in.spent[BUDGET_DISABLE];
    n->guard_input = in;
    guard_evaluate(&n->guard_input, n->options.sync, &n->guard);
    for (unsigned k = 1; k < BUDGET_N_KINDS && r == 0; k++)
        r = park_kind(n, (enum budget_kind)k, e);
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
    buffer_format(&h->text, "%s\n%s\n%s\n%s\n\n", operation_kind_name(o->kind), o->entry_id,
                  o->login, changes);
    if (!h->parked_only)
        return 0;
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
    struct hashing h = {.parked_only = true};
    int r = hash_plan(n, &h, ret, e);
    *ret_n_parked = h.n_parked;
    buffer_done(&h.text);
    string_list_done(&h.numbers);
    if (r < 0 || h.n_parked)
        return r;
    h = (struct hashing){0};
    r = hash_plan(n, &h, ret, e);
    buffer_done(&h.text);
    return r;
}

static int approve_one(struct engine *n, int64_t number, unsigned uid, struct error *e)
{
    CLEANUP(operation_freep) struct operation *o = NULL;
    int r = queue_load(n->state, number, &o, e);
    if (r != 0)
        return r < 0 ? r : 0;
    char sentence[96];
    snprintf(sentence, sizeof sentence, "approved by user id %u", uid);
    struct audit_row row = {
        .event = "approve", .operation = o, .code = o->reason, .sentence = sentence};
    r = engine_audit(n, &row, e);
    if (r < 0)
        return r;
    o->approved = true;
    o->state = OPERATION_READY;
    if (set_text(&o->reason, NULL) < 0 || set_text(&o->cause, NULL) < 0 ||
        set_text(&o->sentence, NULL) < 0)
        return error_out_of_memory(e);
    r = queue_store(n->state, o, e);
    return r < 0 ? r : evaluate_settle_bucket(n, o->entry_id, BUCKET_PENDING, e);
}

/* Approval also accepts what the parked operations were parked for. */
static int accept_causes(struct engine *n, struct error *e)
{
    int r = 0;
    if (n->adoption_open) {
        r = state_meta_set(n->state, "first-contact-done", "1", e);
        n->adoption_open = false;
        alarm_over(n, REASON_ADOPTION);
    }
    if (r == 0)
        r = vanish_accept(n, e);
    return r;
}

int engine_approve(struct engine *n, const char *hash, unsigned uid, size_t *ret_n,
                   uint64_t *ret_until_usec, struct error *e)
{
    struct hashing h = {.parked_only = true};
    char now_hash[65];
    int r = engine_write(n, e);
    if (r == 0)
        r = hash_plan(n, &h, now_hash, e);
    if (r == 0 && !h.n_parked)
        r = ENGINE_NOTHING;
    else if (r == 0 && !text_equal(hash, now_hash))
        r = ENGINE_STALE_HASH;
    if (r == 0)
        r = engine_begin_run(n, "approval", e);
    for (size_t i = 0; i < h.numbers.n_items && r == 0; i++) {
        int64_t number = 0;
        if (text_parse_signed(h.numbers.items[i], &number) == 0)
            r = approve_one(n, number, uid, e);
    }
    *ret_n = h.n_parked;
    *ret_until_usec = clock_now_usec() + n->options.sync->approval_valid_usec;
    char until[32];
    snprintf(until, sizeof until, "%" PRIu64, *ret_until_usec);
    if (r == 0)
        r = state_meta_set(n->state, "approval-until", until, e);
    if (r == 0)
        n->approval_until_usec = *ret_until_usec;
    if (r == 0)
        r = accept_causes(n, e);
    if (r == 0) {
        log_event(LOG_NOTICE, MSG_APPROVED, "User id %u approved %zu operations (%.12s…)", uid,
                  h.n_parked, hash);
        n->commit_wanted = n->plan_changed = true;
    }
    buffer_done(&h.text);
    string_list_done(&h.numbers);
    engine_wake(n);
    return r;
}

static int collect_approved(const struct operation *o, void *userdata)
{
    char number[32];
    if (!o->approved || o->state == OPERATION_STARTED)
        return 0;
    snprintf(number, sizeof number, "%" PRId64, o->number);
    return string_list_add(userdata, number);
}

/* An approval is for a limited time: what it released and was not done falls back under its
 * budget. */
int park_expire_approvals(struct engine *n, struct error *e)
{
    if (!n->approval_until_usec || n->approval_until_usec > clock_now_usec())
        return 0;
    struct string_list numbers = {0};
    int r = queue_each(n->state, (enum operation_state)0, collect_approved, &numbers, e);
    for (size_t i = 0; i < numbers.n_items && r == 0; i++) {
        CLEANUP(operation_freep) struct operation *o = NULL;
        int64_t number = 0;
        text_parse_signed(numbers.items[i], &number);
        r = queue_load(n->state, number, &o, e);
        if (r == 0) {
            o->approved = false;
            r = queue_store(n->state, o, e);
        }
        if (r == 0)
            r = person_mark_dirty(n->state, o->entry_id, e);
    }
    string_list_done(&numbers);
    if (r >= 0)
        r = state_meta_set(n->state, "approval-until", NULL, e);
    n->approval_until_usec = 0;
    n->plan_changed = true;
    return r;
}

int engine_retry(struct engine *n, const char *cause, const char *entry_id, size_t *ret_n,
                 struct error *e)
{
    int r = engine_write(n, e);
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
    string_list_done(&n->missing);
    if (r == 0 && *ret_n)
        r = engine_begin_run(n, "retry by a person", e);
    n->plan_changed = n->commit_wanted = true;
    if (n->options.tenant)
        contact_refresh(n);
    engine_wake(n);
    return r < 0 ? r : 0;
}

int engine_look_again(struct engine *n, const char *entry_id, struct error *e)
{
    int r = engine_write(n, e);
    if (r == 0)
        r = entry_id ? person_mark_dirty(n->state, entry_id, e)
                     : person_mark_all_dirty(n->state, e);
    n->commit_wanted = true;
    engine_wake(n);
    return r;
}

int engine_pause(struct engine *n, bool pause, unsigned uid, struct error *e)
{
    char sentence[96];
    snprintf(sentence, sizeof sentence, "%s by user id %u", pause ? "paused" : "resumed", uid);
    struct audit_row row = {
        .event = "configuration", .code = REASON_PAUSED, .sentence = sentence};
    int r = engine_write(n, e);
    if (r == 0)
        r = state_meta_set(n->state, "paused", pause ? "1" : NULL, e);
    if (r == 0)
        r = engine_audit(n, &row, e);
    if (r < 0)
        return r;
    n->paused = pause;
    n->commit_wanted = n->alarms_stale = true;
    log_notice("Writing to the tenant was %s", sentence);
    engine_wake(n);
    return 0;
}
