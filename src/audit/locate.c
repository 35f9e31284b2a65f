/*
 * Every line vouches for the one before it, so what a break is follows from both neighbours:
 * numbers are put right where both neighbours agree on another one; of several lines with one
 * number the one that fits its neighbours is the right one; numbers that nobody has are
 * missing; lines that do not ascend stand in the wrong place; and where a line disagrees with
 * the one after it, that one's own witness tells which of the two was changed.
 */
#include "config.h"

#include "audit/locate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

struct locator {
    struct located *lines;
    size_t n;
    struct located **right; /* one line for each number, ascending by number */
    size_t n_right;
};

void located_list_done(struct located_list *l)
{
    free(l->items);
    *l = (struct located_list){0};
}

int locate_add(struct located_list *l, const struct located *line)
{
    if (memory_grow(&l->items, &l->capacity, l->n_items + 1, sizeof(*l->items)) < 0)
        return -ENOMEM;
    l->items[l->n_items++] = *line;
    return 0;
}

static bool follows(const struct located *b, const struct located *a)
{
    return chain_equal(&b->prev, &a->link);
}

/* The link of a line if its prev were another one; only for the new form: the old one is too
 * rare by now for keeping its text. */
static bool would_link(const struct located *x, const struct chain_hash *prev,
                       const struct chain_hash *wanted)
{
    struct chain_hash link;

    return x->version == LINE_NEW && chain_link(&x->content, prev, &link) == 0 &&
           chain_equal(&link, wanted);
}

static void set_number(struct located *x, int64_t seq)
{
    x->seq = seq;
    x->kind = LOCATED_NUMBER;
}

/* A number that both neighbours contradict, or a line that continues the one before it under
 * another number. */
static void correct_numbers(struct locator *c)
{
    for (size_t i = 0; i < c->n; i++) {
        struct located *x = &c->lines[i], *before = i ? x - 1 : NULL;
        struct located *after = i + 1 < c->n ? x + 1 : NULL;

        if (!x->parsed || (before && !before->parsed))
            continue;
        if (before && x->seq != before->seq + 1 &&
            ((after && after->parsed && after->seq == before->seq + 2) || follows(x, before)))
            set_number(x, before->seq + 1);
        /* The first line of all: two lines behind it agree, and nothing is before it. */
        if (!before && after && after->parsed && x->seq >= after->seq && after->seq > 1 &&
            after + 1 < c->lines + c->n && after[1].parsed && after[1].seq == after->seq + 1)
            set_number(x, after->seq - 1);
    }
}

static int64_t next_number(const struct locator *c, size_t i)
{
    while (i < c->n && !c->lines[i].parsed)
        i++;
    return i < c->n ? c->lines[i].seq : -1;
}

/* What is no line stands for a line where one is missing. */
static void place_garbage(struct locator *c)
{
    for (size_t i = 0; i < c->n; i++) {
        struct located *x = &c->lines[i];
        int64_t before = i ? x[-1].seq : 0, next;

        if (x->parsed)
            continue;
        next = next_number(c, i);
        x->kind = LOCATED_NO_LINE;
        if (i == 0) {
            size_t n = 0;

            while (n < c->n && !c->lines[n].parsed)
                n++;
            x->seq = next > (int64_t)n ? next - (int64_t)n : next > 0 ? 0 : 1;
        } else if (next < 0 || next > before + 1)
            x->seq = before + 1;
        else {
            x->seq = before;
            x->kind = LOCATED_INSERTED;
        }
        if (x->torn)
            x->kind = LOCATED_TORN;
    }
}

static int by_number(const void *a, const void *b)
{
    const struct located *x = *(struct located *const *)a, *y = *(struct located *const *)b;

    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* How well a line fits among those with the numbers around its own. */
static int fits(struct located **all, size_t n, size_t from, size_t to, const struct located *x)
{
    int before = 0, after = 0;

    for (size_t i = from; i > 0 && all[i - 1]->seq == x->seq - 1; i--)
        if (follows(x, all[i - 1]))
            before = 2;
    for (size_t i = to; i < n && all[i]->seq == x->seq + 1; i++)
        if (follows(all[i], x))
            after = 3;
    return before + after + (x->kind == LOCATED_FINE);
}

static int choose(struct locator *c)
{
    struct located **all = calloc(c->n + 1, sizeof(struct located *));
    size_t n = 0;

    c->right = calloc(c->n + 1, sizeof(struct located *));
    if (!all || !c->right) {
        free((void *)all);
        return -ENOMEM;
    }
    for (size_t i = 0; i < c->n; i++)
        if (c->lines[i].seq > 0 && c->lines[i].kind != LOCATED_INSERTED)
            all[n++] = &c->lines[i];
    qsort((void *)all, n, sizeof(*all), by_number);
    for (size_t from = 0, to; from < n; from = to) {
        size_t best = from;
        int most = -1;

        for (to = from; to < n && all[to]->seq == all[from]->seq; to++)
            ;
        for (size_t i = from; to - from > 1 && i < to; i++) {
            int fit = all[i]->parsed ? fits(all, n, from, to, all[i]) : 0;

            if (fit > most) {
                most = fit;
                best = i;
            }
        }
        for (size_t i = from; i < to; i++)
            if (i != best)
                all[i]->kind = all[i]->parsed && chain_equal(&all[i]->link, &all[best]->link)
                                   ? LOCATED_REPEATED
                                   : LOCATED_INSERTED;
        c->right[c->n_right++] = all[best];
    }
    free((void *)all);
    return 0;
}

/* The longest ascending part stands where it belongs; what is not of it was moved. */
static int find_moved(struct locator *c)
{
    struct located **order = calloc(c->n_right + 1, sizeof(struct located *));
    size_t *ends = calloc(c->n_right + 1, sizeof(*ends)), n_ends = 0, n = 0;
    size_t *before = calloc(c->n_right + 1, sizeof(*before));
    int r = order && ends && before ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < c->n_right; i++)
        order[i] = c->right[i];
    /* By place: lines are in one array. */
    for (size_t i = 0; r == 0 && i < c->n; i++)
        if (c->lines[i].seq > 0 && c->lines[i].kind != LOCATED_INSERTED &&
            c->lines[i].kind != LOCATED_REPEATED)
            order[n++] = &c->lines[i];
    for (size_t i = 0; r == 0 && i < n; i++) {
        size_t low = 0, high = n_ends;

        while (low < high) {
            size_t middle = (low + high) / 2;

            if (order[ends[middle]]->seq < order[i]->seq)
                low = middle + 1;
            else
                high = middle;
        }
        before[i] = low ? ends[low - 1] : SIZE_MAX;
        ends[low] = i;
        n_ends += low == n_ends;
    }
    if (r == 0) {
        size_t keep = n_ends ? ends[n_ends - 1] : SIZE_MAX;

        for (size_t i = n; i-- > 0;) {
            if (i == keep)
                keep = before[i];
            else if (order[i]->kind == LOCATED_FINE)
                order[i]->kind = LOCATED_REORDERED;
        }
    }
    free((void *)order);
    free(ends);
    free(before);
    return r;
}

static bool is_blamed(const struct located *x)
{
    return x->kind == LOCATED_CHANGED || x->kind == LOCATED_NUMBER || x->kind == LOCATED_NO_LINE ||
           x->kind == LOCATED_TORN || x->kind == LOCATED_DOUBTFUL;
}

static void blame(struct located *x, enum located_kind kind)
{
    if (x->kind == LOCATED_FINE || x->kind == LOCATED_AFTER_GAP || x->kind == LOCATED_REORDERED)
        x->kind = kind;
}

/* b does not name a's link. c: the line after b, or NULL. */
static void judge(struct located *a, struct located *b, const struct located *c)
{
    if (is_blamed(a) || !b->parsed || b->kind == LOCATED_NUMBER)
        return;
    if (b->signed_prev || (c && follows(c, b)))
        blame(a, LOCATED_CHANGED);
    else if (c && would_link(b, &a->link, &c->prev))
        blame(b, LOCATED_CHANGED);
    else if (c) {
        blame(b, LOCATED_CHANGED);
        blame(a, LOCATED_DOUBTFUL);
    } else
        blame(a, LOCATED_DOUBTFUL);
}

static void compare_neighbours(struct locator *c)
{
    for (size_t i = 1; i < c->n_right; i++) {
        struct located *a = c->right[i - 1], *b = c->right[i];
        struct located *next =
            i + 1 < c->n_right && c->right[i + 1]->seq == b->seq + 1 && c->right[i + 1]->parsed
                ? c->right[i + 1]
                : NULL;

        if (b->seq != a->seq + 1) {
            b->gap = a->seq;
            b->gap_before = true;
        } else if (a->parsed && !follows(b, a))
            judge(a, b, next);
    }
}

int locate(struct located_list *l, struct error *e)
{
    struct locator c = {.lines = l->items, .n = l->n_items};
    int r;

    correct_numbers(&c);
    place_garbage(&c);
    r = choose(&c);
    if (r == 0)
        r = find_moved(&c);
    if (r == 0)
        compare_neighbours(&c);
    free((void *)c.right);
    return r < 0 ? error_out_of_memory(e) : 0;
}
