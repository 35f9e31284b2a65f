/*
 * Approvals: the hash by which a person says which plan was looked at, what that releases, and
 * until when.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/digest.h"
#include "judge/gate-internal.h"

uint64_t gate_approval_end_usec(const struct gate *g)
{
    return g->approval_end_usec;
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
    /* It stands for one occasion: whoever is parked again another day, or for another reason, has
     * another hash. */
    buffer_format(&h->text, "%" PRId64 " %" PRIu64 " %s\n\n", o->number, o->since_usec,
                  o->reason ? o->reason : "");
    char number[32];
    snprintf(number, sizeof(number), "%" PRId64, o->number);
    return string_list_add(&h->numbers, number);
}

static int hash_plan(struct state *s, struct hashing *h, char ret[static 65],
                     struct error *e)
{
    int r = queue_each(s, (enum operation_state)0, add_to_hash, h, e);
    if (r != 0 || h->text.failed)
        return r < 0 ? r : error_out_of_memory(e);
    CLEANUP(freep) char *key = NULL;
    r = state_meta_get(s, "plan-key", &key, e);
    if (r < 0)
        return r;
    /* Keyed at both ends: the hash goes on record, and is no way to test a guess at the plan.
     */
    const char *secret = key ? key : "";
    struct digest_part parts[] = {
        {secret, strlen(secret)}, {h->text.data, h->text.size}, {secret, strlen(secret)}};
    r = digest_parts(ret, parts, ARRAY_SIZE(parts));
    return r < 0 ? error_set(e, r, "cannot hash the plan") : 0;
}

int gate_read_plan_hash(struct state *s, bool observing, char ret[static 65],
                        size_t *ret_n_parked, struct error *e)
{
    struct hashing h = {.parked_only = !observing};
    int r = hash_plan(s, &h, ret, e);
    *ret_n_parked = h.n_parked;
    buffer_done(&h.text);
    string_list_done(&h.numbers);
    if (r < 0 || h.n_parked || !h.parked_only)
        return r;
    h = (struct hashing){0};
    r = hash_plan(s, &h, ret, e);
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

static int approve_one(struct gate *g, int64_t number, unsigned uid,
                       const struct engine_choice *choice, struct error *e)
{
    CLEANUP(operation_freep) struct operation *o = NULL;
    int r = queue_load(g->state, number, &o, e);
    if (r != 0)
        return r < 0 ? r : 0;
    char sentence[512];
    snprintf(sentence, sizeof(sentence), "approved by user id %u%s%s", uid,
             choice ? ", of the plan only: " : "", choice ? choice->names : "");
    struct audit_row row = {
        .event = "approve", .operation = o, .code = o->reason, .sentence = sentence,
        .groups = choice ? choice->names : NULL};
    r = books_audit(g->books, &row, e);
    if (r < 0)
        return r;
    o->approved = true;
    o->approved_until_usec = clock_steady_usec() + g->options->sync->approval_valid_usec;
    o->state = OPERATION_READY;
    free(o->approved_for);
    o->approved_for = TAKE(o->reason);
    if (operation_say(o, NULL, NULL, NULL) < 0)
        return error_out_of_memory(e);
    r = queue_store(g->state, o, e);
    return r < 0 ? r
                 : person_touch(g->state, o->entry_id, books_run(g->books), BUCKET_PENDING, e);
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
int gate_is_accepted(const struct gate *g, const char *reason,
                     const struct engine_choice *choice, bool *ret, struct error *e)
{
    struct left_over left = {.reason = reason};
    bool asked = !choice;
    for (size_t i = 0; choice && i < choice->n_reasons; i++)
        asked |= text_equal(choice->reasons[i], reason);
    int r = asked && choice ? queue_each(g->state, OPERATION_PARKED, count_left, &left, e) : 0;
    *ret = r == 0 && asked && left.n == 0;
    return r;
}

static int note_next_end(struct gate *g, struct error *e)
{
    return queue_next_approval_end(g->state, clock_steady_usec(), &g->approval_end_usec, e);
}

int gate_approve(struct gate *g, const char *hash, unsigned uid,
                 const struct engine_choice *choice, size_t *ret_n, size_t *ret_n_parked,
                 struct error *e)
{
    struct hashing h = {.parked_only = !gate_observes(g)};
    char now_hash[65];
    int r = hash_plan(g->state, &h, now_hash, e);
    *ret_n = 0;
    if (r == 0 && !h.n_parked && (h.parked_only || choice))
        r = ENGINE_NOTHING;
    else if (r == 0 && !text_equal(hash, now_hash))
        r = ENGINE_STALE_HASH;
    if (r == 0)
        r = run_join(g->books, "approval", e);
    for (size_t i = 0; i < h.numbers.n_items && r == 0; i++) {
        int64_t number = 0;
        if (text_parse_signed(h.numbers.items[i], &number) == 0 && is_chosen(choice, number)) {
            r = approve_one(g, number, uid, choice, e);
            ++*ret_n;
        }
    }
    *ret_n_parked = h.n_parked;
    if (r == 0)
        r = books_note_steady(g->books, e);
    if (r == 0)
        r = note_next_end(g, e);
    buffer_done(&h.text);
    string_list_done(&h.numbers);
    return r;
}

/* An approval is for a limited time: what it released and was not done falls back under its
 * budget. */
int gate_expire_approvals(struct gate *g, struct error *e)
{
    size_t n_ended = 0;
    uint64_t now = clock_steady_usec();
    if (!g->approval_end_usec || g->approval_end_usec > now)
        return 0;
    int r = queue_end_approvals(g->state, now, &n_ended, e);
    if (r == 0)
        r = note_next_end(g, e);
    if (n_ended)
        books_note(g->books, WORK_GUARD);
    return r;
}

/* While it is not known how long the machine was down, it may be longer than approvals hold. */
int gate_start_approvals(struct gate *g, struct error *e)
{
    size_t n_ended = 0;
    int r = !books_know_downtime(g->books)
                ? queue_end_approvals(g->state, UINT64_MAX >> 1, &n_ended, e)
                : 0;
    return r < 0 ? r : note_next_end(g, e);
}
