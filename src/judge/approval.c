/*
 * Approvals: the hash by which a person says which plan was looked at, what that releases, and
 * until when.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/digest.h"
#include "intake/reading.h"
#include "judge/gate-internal.h"
#include "model/json.h"
#include "state/steady.h"

uint64_t gate_approval_end_usec(const struct gate *g)
{
    return g->approval_end_usec;
}

/* What makes an operation that waits this one occasion: whoever is parked again another day, or for
 * another reason, has another. */
static void add_occasion(struct buffer *b, const struct operation *o)
{
    buffer_format(b, "%" PRId64 " %" PRIu64 " %s\n", o->number, o->since_usec,
                  o->reason ? o->reason : "");
}

struct hashing {
    bool parked_only;
    struct digest_sum sum;
    struct buffer text; /* of one operation */
    size_t n_parked;
    /* What is to be approved; NULL: it is only hashed. */
    struct engine_approval *approval;
    const struct engine_choice *choice;
    struct buffer part;
    size_t n_of_part, slice;
    size_t n_vanished, n_vanished_left; /* that wait since an attribute vanished */
};

static int by_number(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static bool is_chosen(const struct engine_choice *choice, int64_t number)
{
    return !choice || bsearch(&number, choice->numbers, choice->n_numbers, sizeof(*choice->numbers),
                              by_number);
}

static int end_part(struct hashing *h)
{
    if (h->part.failed || (h->n_of_part && string_list_add(&h->approval->parts, h->part.data) < 0))
        return -ENOMEM;
    buffer_clear(&h->part);
    h->n_of_part = 0;
    return 0;
}

static int add_to_approval(struct hashing *h, const struct operation *o)
{
    bool chosen = is_chosen(h->choice, o->number);
    *(chosen ? &h->n_vanished : &h->n_vanished_left) +=
        text_equal(o->reason, REASON_ATTRIBUTE_VANISHED);
    if (!chosen) {
        h->approval->n_left++;
        h->approval->adoption &= !text_equal(o->reason, REASON_ADOPTION);
        return 0;
    }
    h->approval->n++;
    add_occasion(&h->part, o);
    return ++h->n_of_part < h->slice ? 0 : end_part(h);
}

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
    buffer_clear(&h->text);
    buffer_format(&h->text, "%s\n%s\n%s\n%s\n", operation_kind_name(o->kind), o->entry_id, o->login,
                  changes);
    if (o->state == OPERATION_PARKED)
        add_occasion(&h->text, o);
    buffer_format(&h->text, "\n");
    if (h->text.failed)
        return -ENOMEM;
    digest_sum_add(&h->sum, h->text.data, h->text.size);
    return o->state == OPERATION_PARKED && h->approval ? add_to_approval(h, o) : 0;
}

/* Keyed at both ends: the hash goes on record, and is no way to test a guess at the plan. */
static int hash_with_key(struct state *s, struct hashing *h, const char *key, char ret[static 65],
                         struct error *e)
{
    digest_sum_add(&h->sum, key, strlen(key));
    int r = queue_each(s, (enum operation_state)0, add_to_hash, h, e);
    if (r < 0)
        return e->message[0] ? r : error_out_of_memory(e);
    digest_sum_add(&h->sum, key, strlen(key));
    r = digest_sum_end(&h->sum, ret);
    return r < 0 ? error_set(e, r, "cannot hash the plan") : 0;
}

static int hash_plan(struct state *s, struct hashing *h, char ret[static 65], struct error *e)
{
    CLEANUP(freep) char *key = NULL;
    int r = state_meta_get(s, "plan-key", &key, e);
    if (r < 0)
        return r;
    digest_sum_init(&h->sum);
    r = hash_with_key(s, h, key ? key : "", ret, e);
    digest_sum_done(&h->sum);
    buffer_done(&h->text);
    return r;
}

int gate_read_plan_hash(struct state *s, bool observing, char ret[static 65], size_t *ret_n_parked,
                        struct error *e)
{
    struct hashing h = {.parked_only = !observing};
    int r = hash_plan(s, &h, ret, e);
    *ret_n_parked = h.n_parked;
    if (r < 0 || h.n_parked || !h.parked_only)
        return r;
    h = (struct hashing){0};
    return hash_plan(s, &h, ret, e);
}

static bool adoption_was_asked(const struct engine_choice *choice)
{
    bool asked = !choice;
    for (size_t i = 0; choice && i < choice->n_reasons; i++)
        asked |= text_equal(choice->reasons[i], REASON_ADOPTION) ||
                 text_equal(choice->reasons[i], REASON_OTHER_TENANT);
    return asked;
}

/* What is approved already, and waits as before until its part is released. */
static int is_being_released(struct state *s, bool *ret, struct error *e)
{
    CLEANUP(approval_part_done) struct approval_part p = {0};
    int r = approval_next(s, &p, e);
    *ret = r == 0;
    return r < 0 ? r : 0;
}

/* What a person is shown of an attribute that vanished is whoever waits for it: where that is
 * nobody yet, or somebody was left out, it was not taken as it is. */
static int read_vanished(struct state *s, const struct hashing *h, char **ret, struct error *e)
{
    bool shown = h->n_vanished && !h->n_vanished_left;
    int r = shown ? state_meta_get(s, META_VANISHED, ret, e) : 0;
    return r < 0 ? r : 0;
}

int gate_read_approval(struct state *s, bool observing, size_t slice, const char *hash,
                       const struct engine_choice *choice, struct engine_approval *ret,
                       struct error *e)
{
    *ret = (struct engine_approval){.adoption = adoption_was_asked(choice), .whole = !choice};
    struct hashing h = {
        .parked_only = !observing, .approval = ret, .choice = choice, .slice = gate_slice(slice)};
    bool others = false;
    int r = hash_plan(s, &h, ret->hash, e);
    if (r == 0)
        r = is_being_released(s, &others, e);
    if (r == 0 && end_part(&h) < 0)
        r = error_out_of_memory(e);
    if (r == 0 && choice && !(ret->names = strdup(choice->names)))
        r = error_out_of_memory(e);
    if (r == 0)
        r = read_vanished(s, &h, &ret->vanished, e);
    buffer_done(&h.part);
    if (r < 0)
        return r;
    if (!h.n_parked && (h.parked_only || choice))
        return ENGINE_NOTHING;
    /* Observing ends with all of the plan, so all of it must have been there to be seen. */
    if (others || (!h.parked_only && !choice && person_count_dirty(s) > 0))
        return ENGINE_STALE_HASH;
    return text_equal(hash, ret->hash) ? 0 : ENGINE_STALE_HASH;
}

static int note_next_end(struct gate *g, struct error *e)
{
    return queue_next_approval_end(g->state, clock_steady_usec(), &g->approval_end_usec, e);
}

/* What is kept of it until all is released; NULL: out of memory. */
static char *describe(const struct engine_approval *a, const struct engine_act *act, unsigned uid)
{
    const struct audit_actor *actor = act ? act->actor : NULL;
    json_auto_t *about =
        json_pack("{s:I, s:s, s:s*, s:s*, s:b, s:s*, s:b}", "uid", (json_int_t)uid, "plan", a->hash,
                  "groups", a->names, "reason", act ? act->reason : NULL, "adoption", a->adoption,
                  "vanished", a->vanished, "whole", a->whole);
    if (about && actor &&
        json_object_set_new(about, "actor",
                            json_pack("{s:I, s:s, s:s, s:s}", "uid", (json_int_t)actor->uid, "name",
                                      actor->name, "login", actor->login, "session",
                                      actor->session)) < 0)
        return NULL;
    return about ? json_to_text(about, JSON_COMPACT) : NULL;
}

int gate_approve(struct gate *g, const struct engine_approval *a, unsigned uid, struct error *e)
{
    CLEANUP(freep) char *about = describe(a, books_asked_by(g->books), uid);
    uint64_t until = clock_steady_usec() + g->options->sync->approval_valid_usec;
    char sentence[600];
    snprintf(sentence, sizeof(sentence), "%zu operation%s%s%s", a->n, text_plural(a->n),
             a->names ? " of the groups " : "", a->names ? a->names : "");
    int r = about ? 0 : error_out_of_memory(e);
    if (r == 0)
        r = run_join(g->books, "approval", e);
    if (r == 0)
        r = books_note_request(g->books, "approve", NULL, sentence, e);
    if (r == 0)
        r = approval_store(g->state, until, about, &a->parts, e);
    if (r == 0)
        r = books_note_steady(g->books, e);
    g->is_approving |= r == 0;
    return r;
}

bool gate_is_approving(const struct gate *g)
{
    return g->is_approving;
}

/* What was approved, as describe() wrote it. */
struct approved {
    json_t *about; /* owned: the texts lie in it */
    struct audit_actor actor;
    struct engine_act act;
    const char *groups;
    char sentence[512];
    uint64_t until_usec;
};

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static void read_about(struct approved *ret, const struct approval_part *p)
{
    json_t *about = json_loads(p->about, 0, NULL);
    const json_t *actor = json_object_get(about, "actor");
    *ret = (struct approved){.about = about,
                             .act.plan = json_text_of(about, "plan"),
                             .act.reason = json_text_of(about, "reason"),
                             .groups = json_text_of(about, "groups"),
                             .until_usec = p->until_usec};
    snprintf(ret->sentence, sizeof(ret->sentence), "approved by user id %lld%s%s",
             (long long)json_integer_value(json_object_get(about, "uid")),
             ret->groups ? ", of the plan only: " : "", ret->groups ? ret->groups : "");
    if (!actor)
        return;
    ret->actor.uid = (uint32_t)json_integer_value(json_object_get(actor, "uid"));
    copy_text(ret->actor.name, sizeof(ret->actor.name), json_text_of(actor, "name"));
    copy_text(ret->actor.login, sizeof(ret->actor.login), json_text_of(actor, "login"));
    copy_text(ret->actor.session, sizeof(ret->actor.session), json_text_of(actor, "session"));
    ret->act.actor = &ret->actor;
}

static int release_one(struct gate *g, const struct approved *a, struct operation *o,
                       struct error *e)
{
    struct audit_row row = {.event = "approve",
                            .operation = o,
                            .code = o->reason,
                            .sentence = a->sentence,
                            .groups = a->groups};
    int r = books_audit(g->books, &row, e);
    if (r < 0)
        return r;
    o->approved = true;
    o->approved_until_usec = a->until_usec;
    o->state = OPERATION_READY;
    free(o->approved_for);
    o->approved_for = TAKE(o->reason);
    if (operation_say(o, NULL, NULL, NULL) < 0)
        return error_out_of_memory(e);
    r = queue_store(g->state, o, e);
    return r < 0 ? r : person_touch(g->state, o->entry_id, books_run(g->books), BUCKET_PENDING, e);
}

/* occasion: a line of a part. What is not this occasion any more was not approved. */
static int release_if_same(struct gate *g, const struct approved *a, const char *occasion,
                           struct error *e)
{
    CLEANUP(operation_freep) struct operation *o = NULL;
    CLEANUP(buffer_done) struct buffer now = {0};
    int r = queue_load(g->state, strtoll(occasion, NULL, 10), &o, e);
    if (r != 0 || o->state != OPERATION_PARKED)
        return r < 0 ? r : 0;
    add_occasion(&now, o);
    if (now.failed)
        return error_out_of_memory(e);
    return strncmp(now.data, occasion, now.size) == 0 ? release_one(g, a, o, e) : 0;
}

static int release_part(struct gate *g, const struct approval_part *p, const struct approved *a,
                        gate_accept_fn *accept, void *userdata, struct error *e)
{
    int r = run_join(g->books, "approval", e);
    for (const char *line = p->operations; *line && r == 0; line = strchr(line, '\n') + 1)
        r = release_if_same(g, a, line, e);
    if (r < 0 || !p->is_last)
        return r;
    struct gate_accepted what = {
        .adoption = json_is_true(json_object_get(a->about, "adoption")),
        .vanished = json_text_of(a->about, "vanished"),
        .whole = json_is_true(json_object_get(a->about, "whole")),
    };
    books_note(g->books, WORK_GUARD | WORK_COMMIT);
    return accept(&what, userdata, e);
}

void gate_on_released(struct gate *g, void (*fn)(void *userdata), void *userdata)
{
    g->released = fn;
    g->released_data = userdata;
}

void gate_tell_released(struct gate *g)
{
    if (g->release_is_over && g->released)
        g->released(g->released_data);
    g->release_is_over = false;
}

int gate_release_approved(struct gate *g, gate_accept_fn *accept, void *userdata, struct error *e)
{
    CLEANUP(approval_part_done) struct approval_part p = {0};
    if (!g->is_approving)
        return 0;
    int r = approval_next(g->state, &p, e);
    if (r != 0) {
        g->is_approving = r < 0;
        g->release_is_over = r > 0;
        return r < 0 ? r : note_next_end(g, e);
    }
    struct approved a;
    read_about(&a, &p);
    const struct engine_act *before = books_asked_by(g->books);
    books_act(g->books, &a.act);
    if (p.until_usec > clock_steady_usec()) /* longer away than approvals hold */
        r = release_part(g, &p, &a, accept, userdata, e);
    books_act(g->books, before);
    json_decref(a.about);
    if (r == 0)
        r = approval_released(g->state, &p, e);
    return r < 0 ? r : GATE_MORE;
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

/* What ended while nothing ran. While it is not known how long the machine was down, that may be
 * longer than any approval holds. */
int gate_start_approvals(struct gate *g, struct error *e)
{
    size_t n_ended = 0;
    bool all = books_steady(g->books)->new_boot && !steady_knows_downtime(books_steady(g->books));
    uint64_t until = all ? UINT64_MAX >> 1 : clock_steady_usec();
    int r = queue_end_approvals(g->state, until, &n_ended, e);
    if (r == 0 && all)
        r = approval_forget_all(g->state, e);
    return r < 0 ? r : note_next_end(g, e);
}
