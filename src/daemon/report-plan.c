/*
 * The plan as JSON: what is due for whom and why, who gets no user, and at first contact which
 * of the tenant's users would be adopted. It reads tables and a view of an engine and
 * changes nothing, so it serves the running one and a look at another configuration alike.
 *
 * Operations may be tens of thousands, and one is 5 KB as a tree. So they are passed twice: first
 * they are counted in their groups, for all else that is said of them, and then each by itself is
 * made a text, or whatever it is asked for.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "daemon/plan-groups.h"
#include "daemon/reader.h"
#include "daemon/report.h"
#include "state/listing.h"
#include "state/person.h"
#include "state/queue.h"

struct plan {
    struct state *state;
    json_t *summary, *skipped, *groups;
    json_t *exact, *differs_in_case, *same_mail, *unclaimed; /* NULL: adoption is not open */
    struct error *e;
};

/* The spelling at the tenant decides: a login that differs in case is shown apart. */
static int add_adoption(struct plan *p, const struct operation *o)
{
    CLEANUP(freep) char *listed = NULL;
    CLEANUP(freep) char *key = o->login ? text_fold(o->login, strlen(o->login)) : NULL;
    int r = key ? listing_find(p->state, key, &listed, p->e) : STATE_NONE;
    if (r < 0)
        return r;
    if (!listed || text_equal(listed, o->login))
        return report_add(
            p->exact,
            json_pack("{s:o, s:o}", "login", report_text(o->login), "dn", report_text(o->dn)),
            p->e);
    return report_add(p->differs_in_case,
                      json_pack("{s:o, s:o, s:o}", "login", report_text(listed), "wanted",
                                report_text(o->login), "dn", report_text(o->dn)),
                      p->e);
}

static int add_same_mail(struct plan *p, const struct operation *o)
{
    static const char head[] = "mail:";
    bool named = o->cause && strncmp(o->cause, head, sizeof(head) - 1) == 0;
    const char *mail = named ? o->cause + sizeof(head) - 1 : NULL;
    CLEANUP(freep) char *listed = NULL;
    CLEANUP(freep) char *key = mail ? text_fold(mail, strlen(mail)) : NULL;
    int r = key ? listing_find_mail(p->state, key, &listed, p->e) : STATE_NONE;
    if (r < 0)
        return r;
    return report_add(p->same_mail,
                      json_pack("{s:o, s:o, s:o, s:o}", "login", report_text(listed), "wanted",
                                report_text(o->login), "mail", report_text(mail), "dn",
                                report_text(o->dn)),
                      p->e);
}

static int add_operation(const struct operation *o, void *userdata)
{
    struct plan *p = userdata;
    int r = plan_groups_add(p->groups, o, p->e);
    if (r == 0)
        r = report_count(p->summary, operation_kind_name(o->kind), p->e);
    if (r < 0 || !p->exact)
        return r;
    if (o->kind == OPERATION_ADOPT && text_equal(o->reason, REASON_ADOPTION))
        r = add_adoption(p, o);
    else if (text_equal(o->reason, REASON_SAME_MAIL))
        r = add_same_mail(p, o);
    return r;
}

static int add_skipped(const struct person *person, void *userdata)
{
    struct plan *p = userdata;
    const char *code = person->standing_code ? person->standing_code : person->code;
    json_t *row = json_pack("{s:o, s:o, s:o}", "person",
                            report_person(person->entry_id, person->dn, person->login_key), "code",
                            report_text(code), "sentence", report_text(person->sentence));
    return report_add(p->skipped, row, p->e);
}

static int add_unclaimed(const char *login, void *userdata)
{
    struct plan *p = userdata;
    return report_add(p->unclaimed, report_text(login), p->e);
}

/* Whom the plan adopts, or knows by mail, is not linked yet and somebody's all the same. */
static int drop_claimed(struct plan *p)
{
    json_auto_t *claimed = json_object();
    json_t *const lists[] = {p->exact, p->differs_in_case, p->same_mail};
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
        for (size_t i = 0; i < json_array_size(lists[l]); i++) {
            const char *login =
                json_string_value(json_object_get(json_array_get(lists[l], i), "login"));
            if (login && json_object_set_new(claimed, login, json_true()) < 0)
                return error_out_of_memory(p->e);
        }
    json_auto_t *left = json_array();
    for (size_t i = 0; i < json_array_size(p->unclaimed); i++) {
        json_t *login = json_array_get(p->unclaimed, i);
        const char *text = json_string_value(login);
        if (text && !json_object_get(claimed, text) &&
            report_add(left, json_incref(login), p->e) < 0)
            return -ENOMEM;
    }
    if (json_array_clear(p->unclaimed) < 0 || json_array_extend(p->unclaimed, left) < 0)
        return error_out_of_memory(p->e);
    return 0;
}

static json_t *adoption_of(const struct plan *p)
{
    if (!p->exact)
        return json_null();
    return json_pack("{s:O, s:O, s:O, s:O}", "exact", p->exact, "differs_in_case",
                     p->differs_in_case, "same_mail", p->same_mail, "unclaimed", p->unclaimed);
}

static int give_letters(struct plan *p, const struct engine_view *v)
{
    struct plan_limits limits = {.window_usec = v->limits.budget_window_usec};
    struct guard_input input;
    int r = engine_view_budgets(v, p->state, &input, &limits.guard, p->e);
    return r < 0 ? r : plan_groups_finish(p->groups, &limits, p->e);
}

json_t *report_plan_head(const struct engine_view *v, struct state *s, struct error *e)
{
    char hash[65];
    size_t n_parked = 0;
    bool first_contact =
        v->status.adoption_open && v->status.adoption_reported && listing_count(s) > 0;
    json_auto_t *summary = json_object(), *skipped = json_array(), *groups = json_array();
    json_auto_t *exact = first_contact ? json_array() : NULL;
    json_auto_t *differs_in_case = json_array(), *same_mail = json_array();
    json_auto_t *unclaimed = json_array();
    struct plan p = {.state = s,
                     .summary = summary,
                     .skipped = skipped,
                     .groups = groups,
                     .exact = exact,
                     .differs_in_case = differs_in_case,
                     .same_mail = same_mail,
                     .unclaimed = unclaimed,
                     .e = e};
    int r = engine_view_plan_hash(v, s, hash, &n_parked, e);
    if (r >= 0)
        r = queue_each(s, (enum operation_state)0, add_operation, &p, e);
    if (r == 0)
        r = give_letters(&p, v);
    if (r == 0)
        r = person_each_skipped(s, add_skipped, &p, e);
    if (r == 0 && first_contact)
        r = listing_unclaimed(s, add_unclaimed, &p, e);
    if (r == 0 && first_contact)
        r = drop_claimed(&p);
    json_t *needs = r < 0 ? NULL : report_needs(v, s, e);
    if (!needs)
        return NULL;
    json_t *answer =
        json_pack("{s:s, s:b, s:[], s:O, s:O, s:o, s:O, s:o, s:[]}", "hash", hash, "observing",
                  v->status.observing, "operations", "groups", groups, "summary", summary,
                  "adoption", adoption_of(&p), "skipped", skipped, "needs", needs, "problems");
    if (!answer)
        error_out_of_memory(e);
    return answer;
}

struct pass {
    const json_t *head;
    report_operation_fn *fn;
    void *userdata;
};

static int pass_on(const struct operation *o, void *userdata)
{
    const struct pass *p = userdata;
    return p->fn(o, plan_groups_find(json_object_get(p->head, "groups"), o), p->userdata);
}

int report_plan_each(const json_t *head, struct state *s, report_operation_fn *fn, void *userdata,
                     struct error *e)
{
    struct pass pass = {head, fn, userdata};
    int r = queue_each(s, (enum operation_state)0, pass_on, &pass, e);
    return r < 0 && !e->message[0] ? error_out_of_memory(e) : r;
}

/* NULL: out of memory. */
static json_t *row_of(const struct operation *o, const json_t *group)
{
    json_auto_t *row = report_operation(o);
    if (json_object_set(row, "group", json_object_get(group, "letter")) < 0 ||
        json_object_set(row, "what", json_object_get(group, "what")) < 0)
        return NULL;
    return json_incref(row);
}

static int add_row(const struct operation *o, const json_t *group, void *userdata)
{
    json_t *rows = userdata;
    return json_array_append_new(rows, row_of(o, group)) < 0 ? -ENOMEM : 0;
}

json_t *report_plan(const struct engine_view *v, struct state *s, struct error *e)
{
    json_auto_t *plan = report_plan_head(v, s, e);
    int r = plan ? report_plan_each(plan, s, add_row, json_object_get(plan, "operations"), e) : 0;
    return plan && r == 0 ? json_incref(plan) : NULL;
}

static int add_to_buffer(const char *bytes, size_t size, void *userdata)
{
    struct buffer *b = userdata;
    buffer_add(b, bytes, size);
    return b->failed ? -1 : 0;
}

static int write_value(struct buffer *b, const json_t *value)
{
    return json_dump_callback(value, add_to_buffer, b, JSON_COMPACT | JSON_ENCODE_ANY) < 0 ? -ENOMEM
                                                                                           : 0;
}

static int write_row(const struct operation *o, const json_t *group, void *userdata)
{
    struct buffer *b = userdata;
    json_auto_t *row = row_of(o, group);
    if (b->size && b->data[b->size - 1] != '[')
        buffer_add_text(b, ",");
    return row ? write_value(b, row) : -ENOMEM;
}

static int write_operations(struct buffer *b, const json_t *head, struct state *s, struct error *e)
{
    buffer_add_text(b, "[");
    int r = report_plan_each(head, s, write_row, b, e);
    buffer_add_text(b, "]");
    return r;
}

char *report_plan_text(json_t *head, struct state *s, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    const char *name;
    json_t *value;
    int r = 0;
    json_object_foreach (head, name, value) {
        buffer_format(&b, "%s\"%s\":", b.size ? "," : "{", name);
        if (r == 0)
            r = strcmp(name, "operations") == 0 ? write_operations(&b, head, s, e)
                                                : write_value(&b, value);
    }
    buffer_add_text(&b, "}");
    char *text = r == 0 ? buffer_take(&b) : NULL;
    if (!text && !e->message[0])
        error_out_of_memory(e);
    return text;
}

static json_t *answer(const void *view, struct state *s, struct error *e)
{
    return report_plan(view, s, e);
}

static char *text(const void *view, struct state *s, struct error *e)
{
    json_auto_t *head = report_plan_head(view, s, e);
    return head ? report_plan_text(head, s, e) : NULL;
}

const struct question question_plan = {
    .note = reader_note_view, .answer = answer, .text = text, .forget = reader_forget_view};
