/* It draws at most some times a second, and by plain characters alone. */
#include "config.h"

#include "base/meter.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define QUIET_USEC (2 * USEC_PER_SEC)
#define EVERY_USEC (250 * USEC_PER_MSEC)
#define COLUMNS    79
#define LINE_SIZE  256

static void add_amount(char *text, size_t size, uint64_t n, enum meter_unit unit)
{
    if (unit == METER_BYTES)
        (void)snprintf(text, size, "%.1f MB", (double)n / 1e6);
    else
        (void)snprintf(text, size, "%llu", (unsigned long long)n);
}

static void draw(struct meter *m, const char *text)
{
    unsigned width = (unsigned)strlen(text);

    /* The cursor goes back, so that a line of the log takes the place of this one. */
    (void)fprintf(stderr, "\r%s%*s\r", text, m->width > width ? (int)(m->width - width) : 0, "");
    (void)fflush(stderr);
    m->width = width;
}

static void make_line(const struct meter *m, uint64_t now, uint64_t done, uint64_t total,
                      enum meter_unit unit, char text[static LINE_SIZE])
{
    char part[32], whole[32], rate[32], left[64] = "";
    double seconds = (double)(now - m->since_usec) / 1e6;
    double speed = seconds > 0 ? (double)(done - m->first) / seconds : 0;

    add_amount(part, sizeof(part), done, unit);
    add_amount(whole, sizeof(whole), total, unit);
    add_amount(rate, sizeof(rate), (uint64_t)(speed + 0.5), unit);
    if (total > done && speed > 0.1) {
        char time[48];
        uint64_t usec = (uint64_t)((double)(total - done) / speed * 1e6);
        text_format_duration(time, sizeof(time), usec - usec % USEC_PER_SEC);
        (void)snprintf(left, sizeof(left), ", %s left", time);
    }
    (void)snprintf(text, LINE_SIZE, "%s: %s%s%s, %s a second%s", m->what, part,
                   total >= done && total ? " of " : "", total >= done && total ? whole : "", rate,
                   left);
}

void meter_show(struct meter *m, const char *what, uint64_t done, uint64_t total,
                enum meter_unit unit)
{
    char text[LINE_SIZE];
    uint64_t now = clock_monotonic_usec();

    if (!m->begun || m->what != what || done < m->first) {
        m->begun = true;
        m->what = what;
        m->first = done;
        m->since_usec = now;
    }
    if (now - m->since_usec < QUIET_USEC || now - m->shown_usec < EVERY_USEC ||
        isatty(STDERR_FILENO) != 1)
        return;
    m->shown_usec = now;
    make_line(m, now, done, total, unit, text);
    text[COLUMNS] = '\0';
    draw(m, text);
}

void meter_end(struct meter *m)
{
    if (m->width > 0)
        draw(m, "");
    *m = (struct meter){0};
}
