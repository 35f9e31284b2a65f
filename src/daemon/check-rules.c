/*
 * The table of rules: how many people each of them holds for, and how many got their team from
 * it. A rule that never takes anybody is mostly a mistake, which nothing else shows: a value
 * that nobody has, or an earlier rule that takes everybody.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/check.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "mapping/filter.h"
#include "mapping/ruleset.h"
#include "model/schema.h"
#include "state/mirror.h"
#include "state/person.h"

#define SEEN_MAX 5 /* values that are shown */

struct counts {
    struct check_run *c;
    const struct mapping_options *mapping;
    size_t *people, *taken; /* of each rule */
    size_t *before;         /* n * n: whom rule i held for, and rule j gave a team */
    size_t n;
};

static bool gives_team(const struct mapping_rule *r)
{
    return r->team.text && r->team.text[strspn(r->team.text, " \t")];
}

/* Names of rules are given once. */
static size_t place_of(const struct counts *k, const char *rule)
{
    for (size_t i = 0; i < k->n; i++)
        if (rule && text_equal(k->mapping->rules[i].name, rule))
            return i;
    return k->n;
}

static void count_verdict(struct counts *k, const struct verdict *v)
{
    size_t taker = k->n;
    for (size_t s = 0; s < v->n_steps; s++) {
        size_t i = v->steps[s].matched ? place_of(k, v->steps[s].rule) : k->n;
        if (i == k->n)
            continue;
        k->people[i]++;
        if (!gives_team(&k->mapping->rules[i]))
            continue;
        if (taker == k->n) {
            taker = i;
            k->taken[i]++;
        } else {
            k->before[i * k->n + taker]++;
        }
    }
}

static int count_person(const struct person *p, void *userdata)
{
    struct counts *k = userdata;
    CLEANUP(verdict_done) struct verdict v = {0};
    struct error e = {0};
    int r = engine_explain(k->c->engine, p->entry_id, &v, &e);
    if (r < 0)
        check_add(k->c, CHECK_ERROR, "rules", "%s", e.message);
    else if (r == 0)
        count_verdict(k, &v);
    return r < 0 ? r : 0;
}

/* -- what a filter that takes nobody asks for, and what there is -- */

struct values_seen {
    const struct schema *schema;
    const char *attribute; /* canonical */
    json_t *values;        /* value: how many people */
};

static int count_values(const struct entry *entry, void *userdata)
{
    struct values_seen *seen = userdata;
    struct error e = {0};
    for (size_t i = 0; i < entry->n_attributes; i++) {
        const struct attribute *a = &entry->attributes[i];
        if (!text_equal_ascii_case(schema_canonical(seen->schema, a->name), seen->attribute))
            continue;
        for (size_t v = 0; v < a->n_values; v++)
            if (a->values[v].state == VALUE_TEXT &&
                report_count(seen->values, a->values[v].data, &e) < 0)
                return -ENOMEM;
    }
    return 0;
}

struct value_count {
    const char *value;
    long long n;
};

static int by_count(const void *a, const void *b)
{
    const struct value_count *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : strcmp(x->value, y->value);
}

/* "Employee 106, Contractor 6, …". Values that are everybody's own say nothing, and tell on
 * people. */
static void add_values(struct buffer *b, const struct value_count *list, size_t n)
{
    char shown[80];
    if (n > SEEN_MAX && list[0].n == 1) {
        buffer_format(b, "%zu different ones", n);
        return;
    }
    for (size_t i = 0; i < n && i < SEEN_MAX; i++)
        buffer_format(b, "%s%s %lld", i ? ", " : "",
                      text_printable(shown, sizeof(shown), list[i].value, strlen(list[i].value)),
                      list[i].n);
    if (n > SEEN_MAX)
        buffer_add_text(b, ", …");
}

static const char *nearest_value(const struct value_count *list, size_t n, const char *asked)
{
    const char **values = calloc(n + 1, sizeof(*values));
    for (size_t i = 0; values && i < n; i++) {
        if (text_equal_fold(list[i].value, asked)) {
            free(values);
            return NULL; /* it is there; something else denies it */
        }
        values[i] = list[i].value;
    }
    const char *near = values ? text_nearest(asked, values, n) : NULL;
    free(values);
    return near;
}

static void note_item(struct check_run *c, const struct filter_node *f, struct buffer *note)
{
    json_auto_t *values = json_object();
    struct values_seen seen = {.schema = engine_schema(c->engine), .values = values};
    struct error e = {0};
    const char *name;
    json_t *count;
    size_t n = 0;
    seen.attribute = schema_canonical(seen.schema, f->attribute.canonical);
    if (!values || mirror_sample(c->state, SIZE_MAX >> 1, count_values, &seen, &e) < 0) {
        c->out_of_memory = true;
        return;
    }
    struct value_count *list = calloc(json_object_size(values) + 1, sizeof(*list));
    json_object_foreach (values, name, count)
        if (list)
            list[n++] = (struct value_count){name, json_integer_value(count)};
    if (n)
        qsort(list, n, sizeof(*list), by_count);
    buffer_format(note, "%s%s: ", note->size ? "; " : "seen values of ", f->attribute.written);
    if (n)
        add_values(note, list, n);
    else
        buffer_add_text(note, "none");
    const char *near = f->kind == FILTER_EQUAL ? nearest_value(list, n, f->parts[0].bytes) : NULL;
    if (near)
        buffer_format(note, " (did you mean '%s'?)", near);
    free(list);
}

/* Each attribute once, in the order of the filter. */
static void note_filter(struct check_run *c, const struct filter_node *f, struct string_list *done,
                        struct buffer *note)
{
    for (size_t i = 0; i < f->n_children; i++)
        note_filter(c, f->children[i], done, note);
    if (f->n_children || !f->attribute.written ||
        text_equal_ascii_case(f->attribute.written, "objectClass") ||
        string_list_contains(done, f->attribute.written))
        return;
    if (string_list_add(done, f->attribute.written) < 0)
        c->out_of_memory = true;
    note_item(c, f, note);
}

static void note_nobody(struct check_run *c, const struct mapping_rule *r, struct buffer *note)
{
    CLEANUP(filter_freep) struct filter *f = NULL;
    CLEANUP(string_list_done) struct string_list done = {0};
    CLEANUP(buffer_done) struct buffer seen = {0};
    struct error e = {0};
    size_t offset;
    if (r->when.text && filter_parse(&f, r->when.text, &offset, &e) == 0)
        note_filter(c, f->root, &done, &seen);
    buffer_format(note, "nobody: %s%s%s",
                  f               ? f->text
                  : r->group.text ? "no member of its group is in scope"
                                  : "nobody is in scope",
                  seen.size ? "; " : "", seen.size ? seen.data : "");
}

static void note_never_first(const struct counts *k, size_t i, struct buffer *note)
{
    size_t most = 0;
    for (size_t j = 1; j < k->n; j++)
        if (k->before[i * k->n + j] > k->before[i * k->n + most])
            most = j;
    const struct mapping_rule *r = &k->mapping->rules[most];
    buffer_format(note, "never first: \"%s\" (line %u) is before it", r->name, r->line);
}

static void add_row(struct counts *k, size_t i)
{
    CLEANUP(buffer_done) struct buffer note = {0};
    const struct mapping_rule *r = &k->mapping->rules[i];
    bool team = gives_team(r);
    if (k->people[i] == 0)
        note_nobody(k->c, r, &note);
    else if (team && k->taken[i] == 0)
        note_never_first(k, i, &note);
    json_t *row =
        json_pack("{s:o, s:o, s:i, s:I, s:o, s:o}", "rule", report_text(r->name), "file",
                  report_text(r->file), "line", (int)r->line, "people", (json_int_t)k->people[i],
                  "team_taken", team ? json_integer((json_int_t)k->taken[i]) : json_null(), "note",
                  report_text(note.size ? note.data : NULL));
    if (note.failed || json_array_append_new(k->c->rules, row) < 0)
        k->c->out_of_memory = true;
}

void check_rule_table(struct check_run *c)
{
    struct error e = {0};
    struct counts k = {.c = c, .mapping = &c->settings->mapping, .n = c->settings->mapping.n_rules};
    k.people = calloc(k.n + 1, sizeof(*k.people));
    k.taken = calloc(k.n + 1, sizeof(*k.taken));
    k.before = calloc(k.n * k.n + 1, sizeof(*k.before));
    check_progress(c, "Counting whom the rules take");
    if (!k.people || !k.taken || !k.before)
        c->out_of_memory = true;
    else if (person_each(c->state, count_person, &k, &e) >= 0)
        for (size_t i = 0; i < k.n; i++)
            add_row(&k, i);
    free(k.people);
    free(k.taken);
    free(k.before);
}
