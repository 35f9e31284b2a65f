/*
 * A plan in groups: what waits for a person is shown and approved by what it does and what it
 * waits for, so that nobody reads 700 lines to see that 50 of them move a team. A group has a
 * letter as long as the plan has the same hash.
 */
#include "config.h"

#include "daemon/plan-groups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/report.h"
#include "model/operation.h"
#include "sync/engine.h"

#define SUMMARY_MAX  10
#define USEC_PER_DAY (24 * 3600 * USEC_PER_SEC)

/* What is hardest to undo comes first. */
static const char *const order_of_what[] = {"revoke", "delete", "disable", "privileged", "team",
                                            "rename", "adopt",  "update",  "create"};

static const char *what_of(const struct operation *o)
{
    if (o->kind == OPERATION_ADOPT || !o->budget)
        return operation_kind_name(o->kind);
    return budget_kind_name((enum budget_kind)o->budget);
}

/* "team Sales -> Support", "+ Supervisor", "- skill Billing", "email". */
static void describe_change(const struct change *c, bool of_team, char *ret, size_t size)
{
    const char *sign = c->from && c->to ? "~" : c->to ? "+" : "-";
    if (text_equal(c->field, "team"))
        snprintf(ret, size, "%s%s -> %s", of_team ? "" : "team ", c->from ? c->from : "no team",
                 c->to ? c->to : "no team");
    else if (c->kind == CHANGE_ROLE)
        snprintf(ret, size, "%s %s", sign, c->name);
    else if (c->kind == CHANGE_SKILL)
        snprintf(ret, size, "%s skill %s", sign, c->name);
    else
        snprintf(ret, size, "%s", c->field);
}

static int count_text(json_t *tally, const char *text, struct error *e)
{
    char shown[400];
    return report_count(tally, text_printable(shown, sizeof(shown), text, strlen(text)), e);
}

static int count_changes(json_t *tally, const struct operation *o, const char *what,
                         struct error *e)
{
    char text[300];
    int r = 0;
    bool of_team = text_equal(what, "team"), roles = text_equal(what, "privileged");
    for (size_t i = 0; i < o->n_changes && r == 0; i++) {
        const struct change *c = &o->changes[i];
        if ((of_team && !text_equal(c->field, "team")) || (roles && c->kind != CHANGE_ROLE))
            continue;
        describe_change(c, of_team, text, sizeof(text));
        r = count_text(tally, text, e);
    }
    return r;
}

static int count_operation(json_t *tally, const struct operation *o, const char *what,
                           struct error *e)
{
    switch (o->kind) {
    case OPERATION_ADOPT:
    case OPERATION_UPDATE:
    case OPERATION_PROFILE: return count_changes(tally, o, what, e);
    case OPERATION_CREATE:
        for (size_t i = 0; i < o->n_changes; i++)
            if (text_equal(o->changes[i].field, "team") && o->changes[i].to)
                return count_text(tally, o->changes[i].to, e);
        return 0;
    case OPERATION_RENAME:
    case OPERATION_DISABLE:
    case OPERATION_ENABLE:
    case OPERATION_DELETE: return o->why ? count_text(tally, o->why, e) : 0;
    }
    return 0;
}

static const char *string_of(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text ? text : "";
}

json_t *plan_groups_find(const json_t *groups, const struct operation *o)
{
    const char *what = what_of(o), *state = operation_state_name(o->state);
    const char *reason = o->reason ? o->reason : "";
    size_t i;
    json_t *row;
    json_array_foreach (groups, i, row) {
        if (text_equal(string_of(row, "what"), what) &&
            text_equal(string_of(row, "state"), state) &&
            text_equal(string_of(row, "reason"), reason))
            return row;
    }
    return NULL;
}

/* Borrowed; made when it is not there. */
static json_t *group_for(json_t *groups, const struct operation *o)
{
    json_t *row = plan_groups_find(groups, o);
    if (row)
        return row;
    row = json_pack("{s:n, s:s, s:s, s:o, s:i, s:i, s:{}}", "letter", "state",
                    operation_state_name(o->state), "what", what_of(o), "reason",
                    report_text(o->reason), "budget", (int)o->budget, "count", 0, "tally");
    return json_array_append_new(groups, row) < 0 ? NULL : row;
}

int plan_groups_add(json_t *groups, const struct operation *o, struct error *e)
{
    json_t *row = group_for(groups, o);
    if (!row)
        return error_out_of_memory(e);
    int r = report_count(row, "count", e);
    return r < 0 ? r : count_operation(json_object_get(row, "tally"), o, what_of(o), e);
}

static int by_count(const void *a, const void *b)
{
    const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
    json_int_t n = json_integer_value(json_object_get(left, "count")),
               m = json_integer_value(json_object_get(right, "count"));
    return n != m ? (n < m) - (n > m) : strcmp(string_of(left, "text"), string_of(right, "text"));
}

static size_t place_of(const char *what)
{
    for (size_t i = 0; i < ARRAY_SIZE(order_of_what); i++)
        if (text_equal(order_of_what[i], what))
            return i;
    return ARRAY_SIZE(order_of_what);
}

static int by_place(const void *a, const void *b)
{
    const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
    bool parked = text_equal(string_of(left, "state"), "parked"),
         parked_too = text_equal(string_of(right, "state"), "parked");
    size_t place = place_of(string_of(left, "what")), other = place_of(string_of(right, "what"));
    if (parked != parked_too)
        return parked ? -1 : 1;
    if (place != other)
        return place < other ? -1 : 1;
    return strcmp(string_of(left, "reason"), string_of(right, "reason"));
}

static int sort(json_t *array, int (*compare)(const void *a, const void *b), struct error *e)
{
    size_t n = json_array_size(array);
    json_t **items = calloc(n + 1, sizeof(json_t *));
    if (!items)
        return error_out_of_memory(e);
    for (size_t i = 0; i < n; i++)
        items[i] = json_incref(json_array_get(array, i));
    qsort(items, n, sizeof(json_t *), compare);
    int r = json_array_clear(array);
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(array, items[i]) < 0)
            r = -1;
    free(items);
    return r < 0 ? error_out_of_memory(e) : 0;
}

/* The tally as a list, what happens most often first. */
static int summarise(json_t *row, struct error *e)
{
    json_auto_t *list = json_array();
    const char *text;
    json_t *n;
    json_object_foreach (json_object_get(row, "tally"), text, n) {
        if (report_add(list, json_pack("{s:s, s:O}", "text", text, "count", n), e) < 0)
            return -ENOMEM;
    }
    int r = sort(list, by_count, e);
    size_t n_all = json_array_size(list);
    while (r == 0 && json_array_size(list) > SUMMARY_MAX)
        json_array_remove(list, json_array_size(list) - 1);
    if (r == 0 &&
        (json_object_set(row, "summary", list) < 0 ||
         json_object_set_new(row, "summary_more",
                             json_integer((json_int_t)(n_all - json_array_size(list)))) < 0))
        r = error_out_of_memory(e);
    (void)json_object_del(row, "tally");
    return r;
}

static json_t *sentence_of(const json_t *row, const struct plan_limits *limits)
{
    const char *reason = json_string_value(json_object_get(row, "reason"));
    size_t k = (size_t)json_integer_value(json_object_get(row, "budget"));
    char window[64], text[160];
    if (!reason)
        return json_null();
    if (!text_equal(reason, REASON_BUDGET) || !k || k >= BUDGET_N_KINDS ||
        limits->guard.limit[k] == SIZE_MAX)
        return report_text(reason_code_text(reason));
    text_format_duration(window, sizeof(window), limits->window_usec);
    snprintf(text, sizeof(text), "more than %zu %s%s", limits->guard.limit[k],
             limits->window_usec == USEC_PER_DAY ? "a day" : "in ",
             limits->window_usec == USEC_PER_DAY ? "" : window);
    return json_string(text);
}

/* a to z, then aa, ab, … */
static json_t *letter_of(size_t i)
{
    char text[3] = {0};
    if (i < 26)
        text[0] = (char)('a' + i);
    else
        snprintf(text, sizeof(text), "%c%c", (char)('a' + (i / 26 - 1) % 26), (char)('a' + i % 26));
    return json_string(text);
}

int plan_groups_finish(json_t *groups, const struct plan_limits *limits, struct error *e)
{
    size_t i, n_letters = 0;
    json_t *row;
    int r = sort(groups, by_place, e);
    json_array_foreach (groups, i, row) {
        bool parked = text_equal(string_of(row, "state"), "parked");
        if (r == 0)
            r = summarise(row, e);
        if (r == 0 && (json_object_set_new(row, "sentence", sentence_of(row, limits)) < 0 ||
                       (parked && json_object_set_new(row, "letter", letter_of(n_letters++)) < 0)))
            r = error_out_of_memory(e);
        (void)json_object_del(row, "budget");
    }
    return r;
}

/* Is it a list of letters, each of a group of this plan? */
static int check_letters(const json_t *plan, const json_t *letters, struct error *e)
{
    size_t i, k;
    json_t *letter, *row;
    json_array_foreach (letters, i, letter) {
        const char *text = json_string_value(letter);
        bool found = false;
        json_array_foreach (json_object_get(plan, "groups"), k, row) {
            found |= text && text_equal(string_of(row, "letter"), text);
        }
        if (!found)
            return error_set(e, -EINVAL,
                             "the plan has no group '%s' that waits: `rosterctl plan` shows the "
                             "letters",
                             text ? text : "?");
    }
    return 0;
}

static bool has_letter(const json_t *letters, const char *letter)
{
    size_t i;
    json_t *item;
    json_array_foreach (letters, i, item) {
        if (text_equal(json_string_value(item), letter))
            return true;
    }
    return false;
}

static int by_number(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void name_groups(struct plan_choice *c, const json_t *plan, const json_t *letters)
{
    size_t i;
    json_t *row;
    c->whole = true;
    json_array_foreach (json_object_get(plan, "groups"), i, row) {
        const char *letter = string_of(row, "letter");
        bool chosen = *letter && has_letter(letters, letter);
        c->whole &= chosen || !*letter;
        if (!chosen)
            continue;
        if (c->names.size)
            buffer_add_text(&c->names, ", ");
        buffer_format(&c->names, "%s (%s)", letter, string_of(row, "what"));
        c->reasons[c->choice.n_reasons++] = string_of(row, "reason");
    }
}

int plan_choice_begin(struct plan_choice *ret, const json_t *head, const json_t *letters,
                      struct error *e)
{
    int r = check_letters(head, letters, e);
    if (r < 0)
        return r;
    ret->letters = letters;
    ret->reasons =
        calloc(json_array_size(json_object_get(head, "groups")) + 1, sizeof(*ret->reasons));
    if (!ret->reasons)
        return error_out_of_memory(e);
    name_groups(ret, head, letters);
    return ret->names.failed ? error_out_of_memory(e) : 0;
}

int plan_choice_add(const struct operation *o, const json_t *group, void *userdata)
{
    struct plan_choice *c = userdata;
    if (!has_letter(c->letters, string_of(group, "letter")))
        return 0;
    if (memory_grow(&c->numbers, &c->capacity, c->choice.n_numbers + 1, sizeof(*c->numbers)) < 0)
        return -ENOMEM;
    c->numbers[c->choice.n_numbers++] = o->number;
    return 0;
}

void plan_choice_end(struct plan_choice *c)
{
    if (c->choice.n_numbers)
        qsort(c->numbers, c->choice.n_numbers, sizeof(*c->numbers), by_number);
    c->choice.numbers = c->numbers;
    c->choice.reasons = c->reasons;
    c->choice.names = c->names.data ? c->names.data : "";
}

void plan_choice_done(struct plan_choice *c)
{
    free(c->numbers);
    free(c->reasons);
    buffer_done(&c->names);
}
