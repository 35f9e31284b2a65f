/* What happened over time as bars, and as the table that says the same to who does not see them. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "ctl/evidence.h"
#include "render/render.h"

#define BARS_MAX     62 /* more of them are added up by month or year */
#define CHART_WIDTH  960
#define CHART_HEIGHT 180
#define CHART_LEFT   48

struct bar {
    char name[11];
    json_int_t joiners, leavers, others;
};
struct chart {
    struct bar *bars;
    size_t n, capacity;
    json_int_t most;
};

/* Bars are days, months or years: as much of a date as names one. */
enum bar_step {
    STEP_DAY = 10,
    STEP_MONTH = 7,
    STEP_YEAR = 4,
};

static const char *step_name(enum bar_step step)
{
    return step == STEP_DAY ? "day" : step == STEP_MONTH ? "month" : "year";
}

static bool next_name(char name[static 11], enum bar_step step)
{
    struct tm tm = {0};
    char text[32];

    if (sscanf(name, "%d-%d-%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) < 1)
        return false;
    tm.tm_year -= step == STEP_YEAR ? 1899 : 1900;
    tm.tm_mon -= step == STEP_DAY;
    tm.tm_mday = step == STEP_DAY ? tm.tm_mday + 1 : 1;
    time_t t = timegm(&tm);
    if (!gmtime_r(&t, &tm) || strftime(text, sizeof(text), "%Y-%m-%d", &tm) == 0)
        return false;
    snprintf(name, 11, "%.*s", (int)step, text);
    return true;
}

static void find_ends(const json_t *days, char first[static 11], char last[static 11])
{
    const char *day;
    json_t *counts;

    first[0] = last[0] = '\0';
    json_object_foreach ((json_t *)(uintptr_t)days, day, counts) {
        if (!first[0] || strcmp(day, first) < 0)
            snprintf(first, 11, "%s", day);
        if (strcmp(day, last) > 0)
            snprintf(last, 11, "%s", day);
    }
}

/* A bar for each step from the first to the last, also where nothing was done. False: too many, or
 * a day that is none. */
static bool make_bars(struct chart *c, const json_t *days, enum bar_step step)
{
    char name[11], last[11];

    c->n = 0;
    find_ends(days, name, last);
    name[step] = last[step] = '\0';
    for (bool more = name[0]; more; more = next_name(name, step)) {
        if (c->n == BARS_MAX || strcmp(name, last) > 0)
            return strcmp(name, last) > 0;
        if (memory_grow(&c->bars, &c->capacity, c->n + 1, sizeof(*c->bars)) < 0)
            return false;
        c->bars[c->n] = (struct bar){0};
        memcpy(c->bars[c->n++].name, name, sizeof(name));
    }
    return false;
}

static void fill_bars(struct chart *c, const json_t *days, enum bar_step step)
{
    const char *day;
    json_t *counts;

    json_object_foreach ((json_t *)(uintptr_t)days, day, counts)
        for (size_t i = 0; i < c->n; i++) {
            struct bar *bar = &c->bars[i];

            if (strncmp(bar->name, day, step) != 0)
                continue;
            bar->joiners += member_number(counts, "joiners");
            bar->leavers += member_number(counts, "leavers");
            bar->others += member_number(counts, "others");
            if (bar->joiners + bar->leavers + bar->others > c->most)
                c->most = bar->joiners + bar->leavers + bar->others;
        }
}

static double add_part(struct buffer *b, const char *class, double x, double width, double bottom,
                       json_int_t n, json_int_t most)
{
    double height = (double)n * CHART_HEIGHT / (double)most;

    if (n)
        buffer_format(b,
                      "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                      class, x, bottom - height, width, height);
    return bottom - height;
}

static void add_bars(struct buffer *b, const struct chart *c, enum bar_step step)
{
    double apart = (double)(CHART_WIDTH - CHART_LEFT) / (double)(c->n < 12 ? 12 : c->n);
    size_t every = (c->n + 7) / 8;

    for (size_t i = 0; i < c->n; i++) {
        const struct bar *bar = &c->bars[i];
        double x = CHART_LEFT + apart * (double)i, y = CHART_HEIGHT + 10;

        y = add_part(b, "in", x, apart * .8, y, bar->joiners, c->most);
        y = add_part(b, "other", x, apart * .8, y, bar->others, c->most);
        add_part(b, "out", x, apart * .8, y, bar->leavers, c->most);
        if (i % every == 0)
            buffer_format(b, "<text x=\"%.1f\" y=\"%d\">%s</text>", x, CHART_HEIGHT + 28,
                          bar->name + (i && step == STEP_DAY ? 5 : 0));
    }
}

static void add_chart_table(struct buffer *b, const struct chart *c)
{
    buffer_add_text(
        b,
        "<details><summary>The chart as a table</summary>\n<table class=\"short\" aria-label=\"Users changed\"><thead>"
        "<tr><th scope=\"col\">When</th><th scope=\"col\" class=\"n\">Joiners</th>"
        "<th scope=\"col\" class=\"n\">Changes</th><th scope=\"col\" class=\"n\">Leavers"
        "</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < c->n; i++)
        buffer_format(
            b,
            "<tr><th scope=\"row\">%s</th><td class=\"n\">%lld</td><td class=\"n\">%lld</td>"
            "<td class=\"n\">%lld</td></tr>\n",
            c->bars[i].name, (long long)c->bars[i].joiners, (long long)c->bars[i].others,
            (long long)c->bars[i].leavers);
    buffer_add_text(b, "</tbody></table></details>\n");
}

static void chart_done(struct chart *c)
{
    free(c->bars);
}

void html_chart(struct buffer *b, const json_t *days)
{
    CLEANUP(chart_done) struct chart c = {0};
    enum bar_step step = STEP_DAY;
    const char *name;

    if (!make_bars(&c, days, step) && !make_bars(&c, days, step = STEP_MONTH) &&
        !make_bars(&c, days, step = STEP_YEAR))
        return; /* nothing was done */
    fill_bars(&c, days, step);
    name = step_name(step);
    buffer_format(
        b,
        "<figure aria-label=\"Users changed\" style=\"margin:0\">\n"
        "<figcaption class=\"key\"><span class=\"in\">&#9632; joiners</span><span class=\"other\">"
        "&#9632; changes</span><span class=\"out\">&#9632; leavers</span> a %s</figcaption>\n"
        "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Chart\">"
        "<svg role=\"img\" aria-label=\"Users changed a %s, %s to %s, at most %lld\" "
        "viewBox=\"0 0 %d %d\">\n"
        "<line class=\"axis\" x1=\"%d\" y1=\"10\" x2=\"%d\" y2=\"10\"/>"
        "<line class=\"axis\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>"
        "<text x=\"%d\" y=\"14\" text-anchor=\"end\">%lld</text>"
        "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">0</text>\n",
        name, name, c.bars[0].name, c.bars[c.n - 1].name, (long long)c.most, CHART_WIDTH,
        CHART_HEIGHT + 34, CHART_LEFT, CHART_WIDTH, CHART_LEFT, CHART_HEIGHT + 10, CHART_WIDTH,
        CHART_HEIGHT + 10, CHART_LEFT - 6, (long long)c.most, CHART_LEFT - 6, CHART_HEIGHT + 14);
    add_bars(b, &c, step);
    buffer_add_text(b, "\n</svg></div>\n");
    add_chart_table(b, &c);
    buffer_add_text(b, "</figure>\n");
}
