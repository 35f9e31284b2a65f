/*
 * What cannot go on, by cause, so that one missing team is one row however many people wait for
 * it. While the tenant is away, refuses, or writing is paused, what is otherwise ready waits
 * for that alone, and is a row too.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "daemon/reader.h"
#include "daemon/report.h"
#include "state/queue.h"

#define EXAMPLES 5

struct holds {
    json_t *rows;
    json_t *by_key; /* "state\ncause\nreason" -> row */
    struct error *e;
};

/* Malloc'd; NULL when out of memory. */
static char *row_key(enum operation_state state, const char *cause, const char *reason)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    buffer_format(&b, "%d\n%s\n%s", (int)state, cause ? cause : "", reason ? reason : "");
    return buffer_take(&b);
}

static json_t *make_row(const char *cause, const char *reason, const char *sentence,
                        const char *state, uint64_t since_usec, uint64_t next_usec, size_t n_people)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:I, s:[]}", "cause", report_text(cause),
                     "reason", report_text(reason), "sentence", report_text(sentence), "remedy",
                     report_text(reason_code_remedy(reason)), "state", state, "since",
                     report_steady(since_usec), "next_attempt", report_steady(next_usec), "people",
                     (json_int_t)n_people, "examples");
}

static int add_row(const char *cause, const char *reason, const char *sentence,
                   enum operation_state state, uint64_t since_usec, uint64_t next_usec,
                   size_t n_people, void *userdata)
{
    struct holds *h = userdata;
    CLEANUP(freep) char *key = row_key(state, cause, reason);
    if (!sentence && reason)
        sentence = reason_code_text(reason);
    json_t *row = make_row(cause, reason, sentence, operation_state_name(state), since_usec,
                           next_usec, n_people);
    int r = report_add(h->rows, row, h->e);
    if (r == 0 && (!key || json_object_set(h->by_key, key, row) < 0))
        r = error_out_of_memory(h->e);
    return r;
}

static json_t *example_of(const struct operation *o)
{
    return json_pack("{s:o, s:o}", "dn", report_text(o->dn), "login", report_text(o->login));
}

static bool is_last_example(const json_t *examples, const struct operation *o)
{
    size_t n = json_array_size(examples);
    const char *dn =
        n ? json_string_value(json_object_get(json_array_get(examples, n - 1), "dn")) : NULL;
    return dn && text_equal(dn, o->dn);
}

static int add_example(const struct operation *o, void *userdata)
{
    struct holds *h = userdata;
    CLEANUP(freep) char *key = row_key(o->state, o->cause, o->reason);
    if (!key)
        return error_out_of_memory(h->e);
    json_t *examples = json_object_get(json_object_get(h->by_key, key), "examples");
    if (!examples || json_array_size(examples) >= EXAMPLES || is_last_example(examples, o))
        return 0;
    return report_add(examples, example_of(o), h->e);
}

struct waiting_group {
    json_t *people; /* a set of ids */
    json_t *examples;
    uint64_t now_usec;
    bool removals; /* nobody else waits */
    struct error *e;
};

static int add_waiting(const struct operation *o, void *userdata)
{
    struct waiting_group *w = userdata;
    bool removes = (o->kind == OPERATION_DISABLE || o->kind == OPERATION_DELETE) && !o->revokes;
    if (o->not_before_usec > w->now_usec || (w->removals && !removes) ||
        json_object_get(w->people, o->entry_id))
        return 0;
    if (json_object_set_new(w->people, o->entry_id, json_true()) < 0)
        return error_out_of_memory(w->e);
    return json_array_size(w->examples) < EXAMPLES ? report_add(w->examples, example_of(o), w->e)
                                                   : 0;
}

/* The one thing that all READY operations wait for, or all removals, if there is one. */
static bool common_cause(const struct engine_status *s, const char **ret_cause,
                         const char **ret_reason)
{
    *ret_cause = "tenant";
    if (s->tenant == ENGINE_TENANT_REFUSED)
        *ret_reason = REASON_NOT_AUTHORISED;
    else if (s->tenant == ENGINE_TENANT_NO_SECRET)
        *ret_reason = REASON_NO_SECRET;
    else if (s->tenant == ENGINE_TENANT_AWAY)
        *ret_reason = REASON_TENANT_AWAY;
    else if (s->observing)
        *ret_cause = *ret_reason = REASON_OBSERVING;
    else if (s->paused)
        *ret_cause = *ret_reason = REASON_PAUSED;
    else if (s->state_unproven)
        *ret_cause = *ret_reason = REASON_STATE_CHECKING;
    else if (s->directory_unheard)
        *ret_cause = "directory", *ret_reason = REASON_DIRECTORY_AWAY;
    else
        return false;
    return true;
}

static int add_common(const struct engine_view *v, struct state *s, struct holds *h)
{
    const struct engine_status *status = &v->status;
    const char *cause, *reason;
    char sentence[768];
    if (!common_cause(status, &cause, &reason))
        return 0;
    json_auto_t *people = json_object(), *examples = json_array();
    struct waiting_group w = {.people = people,
                              .examples = examples,
                              .now_usec = clock_steady_usec(),
                              .e = h->e,
                              .removals = text_equal(reason, REASON_STATE_CHECKING) ||
                                          text_equal(reason, REASON_DIRECTORY_AWAY)};
    int r = queue_each(s, OPERATION_READY, add_waiting, &w, h->e);
    if (r != 0 || json_object_size(people) == 0)
        return r;
    bool away = text_equal(cause, "tenant");
    snprintf(sentence, sizeof(sentence), "%s%s%s", reason_code_text(reason),
             away && status->tenant_error ? ": " : "",
             away && status->tenant_error ? status->tenant_error : "");
    json_t *row = make_row(cause, reason, sentence, operation_state_name(OPERATION_READY),
                           away ? status->tenant_since_usec : 0,
                           away ? status->tenant_next_usec : 0, json_object_size(people));
    if (row && json_object_set(row, "examples", examples) < 0) {
        json_decref(row);
        row = NULL;
    }
    return json_array_insert_new(h->rows, 0, row) < 0 ? error_out_of_memory(h->e) : 0;
}

/* Users whose first password nobody was told: they are no operations, and wait all the same. */
static int add_password(const struct password_due *d, void *userdata)
{
    struct holds *h = userdata;
    json_t *row = make_row("password", REASON_PASSWORD, d->sentence,
                           operation_state_name(OPERATION_HELD), d->since_usec, d->next_usec, 1);
    json_t *example = json_pack("{s:s, s:s}", "dn", d->dn, "login", d->login);
    json_t *known = json_object_get(h->by_key, REASON_PASSWORD);
    if (row && example && known) {
        json_decref(row);
        json_t *examples = json_object_get(known, "examples");
        json_int_t n = json_integer_value(json_object_get(known, "people"));
        json_object_set_new(known, "people", json_integer(n + 1));
        if (json_array_size(examples) < EXAMPLES)
            return report_add(examples, example, h->e);
        json_decref(example);
        return 0;
    }
    if (!row || !example || json_array_append_new(json_object_get(row, "examples"), example) < 0 ||
        json_object_set(h->by_key, REASON_PASSWORD, row) < 0)
        return error_out_of_memory(h->e);
    return report_add(h->rows, row, h->e);
}

/* A read that was not proven to be whole: whoever left waits for one that is, and nobody knows how
 * many they are. */
static int add_read(const struct alarm *a, void *userdata)
{
    struct holds *h = userdata;
    if (!text_equal(a->code, REASON_READ_NOT_PROVEN))
        return 0;
    return add_row(a->cause, a->code, a->sentence, OPERATION_HELD, a->since_usec, 0, 0, h);
}

json_t *report_holds(const struct engine_view *v, struct state *s, struct error *e)
{
    json_auto_t *rows = json_array(), *by_key = json_object();
    struct holds h = {.rows = rows, .by_key = by_key, .e = e};
    int r = queue_holds(s, true, add_row, &h, e);
    if (r == 0)
        r = queue_each(s, OPERATION_PARKED, add_example, &h, e);
    if (r == 0)
        r = queue_each(s, OPERATION_HELD, add_example, &h, e);
    if (r == 0)
        r = password_due_each(s, add_password, &h, e);
    if (r == 0)
        r = alarm_each(s, add_read, &h, e);
    if (r == 0)
        r = add_common(v, s, &h);
    json_t *needs = r == 0 ? report_needs(v, s, e) : NULL;
    if (!needs)
        return NULL;
    json_t *answer = json_pack("{s:O, s:o}", "holds", rows, "needs", needs);
    if (!answer)
        error_out_of_memory(e);
    return answer;
}

static json_t *answer(const void *view, struct state *s, struct error *e)
{
    return report_holds(view, s, e);
}

const struct question question_holds = {
    .note = reader_note_view, .answer = answer, .forget = reader_forget_view};
