/*
 * The list of what is wrong with a configuration: collected, sorted by place, shown as lines
 * for people or as JSON for programs. A sentence never holds a control character.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/settings.h"
#include "model/json.h"

static void text_done(struct problem *p)
{
    free((void *)p->file);
    free((void *)p->sentence);
}

void problem_list_done(struct problem_list *l)
{
    for (size_t i = 0; i < l->n_items; i++) {
        text_done(&l->items[i]);
    }
    free(l->items);
    *l = (struct problem_list){0};
}

int problem_add(struct problem_list *l, enum problem_level level, const char *file, unsigned line,
                unsigned column, const char *format, ...)
{
    char raw[1024], sentence[1200];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(raw, sizeof(raw), format, ap);
    va_end(ap);
    if (memory_grow(&l->items, &l->capacity, l->n_items + 1, sizeof(*l->items)) < 0)
        return -ENOMEM;
    text_printable(sentence, sizeof(sentence), raw, strlen(raw));
    struct problem *p = &l->items[l->n_items];
    *p = (struct problem){.level = level,
                          .line = line,
                          .column = column,
                          .file = file ? strdup(file) : NULL,
                          .sentence = strdup(sentence)};
    if (!p->sentence || (file && !p->file)) {
        text_done(p);
        return -ENOMEM;
    }
    l->n_items++;
    if (level != PROBLEM_WARNING)
        l->n_errors++;
    return 0;
}

/* Numbers are compared without subtraction: they are unsigned. */
static int compare_numbers(unsigned a, unsigned b)
{
    return a < b ? -1 : a > b;
}

static int compare(const void *a, const void *b)
{
    const struct problem *x = *(const struct problem *const *)a;
    const struct problem *y = *(const struct problem *const *)b;
    int r = strcmp(x->file ? x->file : "", y->file ? y->file : "");

    if (r == 0)
        r = compare_numbers(x->line, y->line);
    if (r == 0)
        r = compare_numbers(x->column, y->column);
    if (r == 0) /* as they were found */
        r = x < y ? -1 : x > y;
    return r;
}

/* Pointers in order; malloc'd; NULL when out of memory. */
static const struct problem **sorted(const struct problem_list *l)
{
    const struct problem **order = calloc(l->n_items + 1, sizeof(const struct problem *));

    if (!order)
        return NULL;
    for (size_t i = 0; i < l->n_items; i++)
        order[i] = &l->items[i];
    qsort(order, l->n_items, sizeof(const struct problem *), compare);
    return order;
}

static void free_order(const struct problem ***order)
{
    free((void *)*order);
}

static const char *level_name(enum problem_level level)
{
    return level == PROBLEM_WARNING ? "warning" : "error";
}

char *problem_list_to_text(const struct problem_list *l)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(free_order) const struct problem **order = sorted(l);

    if (!order)
        return NULL;
    for (size_t i = 0; i < l->n_items; i++) {
        const struct problem *p = order[i];
        if (p->file)
            buffer_format(&b, "%s:", p->file);
        if (p->line > 0)
            buffer_format(&b, "%u:", p->line);
        if (p->column > 0)
            buffer_format(&b, "%u:", p->column);
        buffer_format(&b, "%s%s: %s\n", p->file ? " " : "", level_name(p->level), p->sentence);
    }
    return buffer_take(&b);
}

char *problem_list_to_json(const struct problem_list *l)
{
    CLEANUP(free_order) const struct problem **order = sorted(l);
    json_auto_t *array = json_array();

    if (!order || !array)
        return NULL;
    for (size_t i = 0; i < l->n_items; i++) {
        const struct problem *p = order[i];
        if (json_array_append_new(array, json_pack("{s:s, s:s?, s:i, s:i, s:s}", "level",
                                                   level_name(p->level), "file", p->file, "line",
                                                   (int)p->line, "column", (int)p->column,
                                                   "sentence", p->sentence)) < 0)
            return NULL;
    }
    return json_to_text(array, JSON_INDENT(2));
}
