/*
 * What the parts of `rosterd --check-connections` do alike: one more sentence for the answer,
 * and waiting with a bound.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/check.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "state/person.h"

#define SHOW_USEC (250 * USEC_PER_MSEC)

static const char *level_name(enum check_level level)
{
    switch (level) {
    case CHECK_OK: return "ok";
    case CHECK_WARNING: return "warning";
    case CHECK_ERROR: return "error";
    }
    return "error";
}

void check_add_text(struct check_run *c, enum check_level level, const char *subject,
                    const char *sentence)
{
    json_t *item = json_pack("{s:s, s:o, s:o}", "level", level_name(level), "subject",
                             report_text(subject), "sentence", report_text(sentence));
    c->any_error = c->any_error || level == CHECK_ERROR;
    if (json_array_append_new(c->items, item) < 0)
        c->out_of_memory = true;
}

void check_add(struct check_run *c, enum check_level level, const char *subject, const char *format,
               ...)
{
    char *sentence = NULL;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&sentence, format, ap);
    va_end(ap);
    if (n < 0) {
        c->out_of_memory = true;
        return;
    }
    check_add_text(c, level, subject, sentence);
    free(sentence);
}

void check_progress(struct check_run *c, const char *text)
{
    c->stage = text;
    meter_end(&c->meter);
    if (c->progress)
        fprintf(stderr, "%s …\n", text);
}

/* How far the reading is, or the looking at people; of the tenant there is nothing to count. */
static void show(struct check_run *c)
{
    struct directory_status s;
    if (!c->progress || !c->stage)
        return;
    if (c->reading) {
        directory_status(c->reading, &s);
        meter_show(&c->meter, c->stage, s.n_entries, 0, METER_THINGS);
    } else if (c->n_known) {
        size_t left = person_count_dirty(c->state);
        meter_show(&c->meter, c->stage, c->n_known - (left < c->n_known ? left : c->n_known),
                   c->n_known, METER_THINGS);
    }
}

char *check_meant(char *buffer, size_t size, const char *nearest)
{
    if (nearest)
        snprintf(buffer, size, "; did you mean '%s'?", nearest);
    else
        buffer[0] = '\0';
    return buffer;
}

int check_wait(struct check_run *c, const bool *done, uint64_t limit_usec)
{
    uint64_t end = clock_monotonic_usec() + limit_usec;
    while (!*done && !c->interrupted) {
        uint64_t now = clock_monotonic_usec();
        if (now >= end)
            return -ETIMEDOUT;
        uint64_t rest = end - now;
        int r = sd_event_run(c->event, c->progress && rest > SHOW_USEC ? SHOW_USEC : rest);
        if (r < 0)
            return r;
        show(c);
    }
    meter_end(&c->meter);
    return *done ? 0 : -EINTR;
}
