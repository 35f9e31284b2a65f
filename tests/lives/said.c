/* What broke, and the last lines of the log, in simulated time. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "alarms.h"
#include "secrets.h"
#include "world.h"

#define BROKEN_SHOWN 2
#define LOG_LINES    60

static char log_lines[LOG_LINES][400];
static unsigned n_log_lines;

void log_begin(void)
{
    n_log_lines = 0;
}

unsigned world_day(void)
{
    return (unsigned)((world.steady_usec - BEGINNING) / DAY);
}

static void now_text(char *ret, size_t size)
{
    uint64_t t = world.steady_usec - BEGINNING;
    snprintf(ret, size, "day %3u %02u:%02u:%02u.%06u", world_day(), (unsigned)(t % DAY / HOUR),
             (unsigned)(t % HOUR / MINUTE), (unsigned)(t % MINUTE / SECOND),
             (unsigned)(t % SECOND));
}

void trace(const char *format, ...)
{
    va_list ap;
    char now[40];
    if (!world.trace || world.silent || !world.running)
        return;
    now_text(now, sizeof(now));
    printf("%s   ", now);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("\n");
}

void log_keep(const char *line, size_t size)
{
    char now[40];
    now_text(now, sizeof(now));
    seen_in_log(line, size);
    alarms_hear(line, size);
    secrets_check(line, size, PEER_OPERATOR, "the log");
    char *to = log_lines[n_log_lines++ % LOG_LINES];
    snprintf(to, sizeof(log_lines[0]), "%s %.*s", now,
             (int)(size && line[size - 1] == '\n' ? size - 1 : size), line);
    if (world.trace && !world.silent)
        printf("%s\n", to);
}

void log_dump(void)
{
    unsigned first = n_log_lines > LOG_LINES ? n_log_lines - LOG_LINES : 0;
    for (unsigned i = first; i < n_log_lines; i++)
        printf("    %s\n", log_lines[i % LOG_LINES]);
}

void broken(unsigned invariant, const char *format, ...)
{
    va_list ap;
    /* What a lying disk lost, nobody can keep: but nobody loses access for it. */
    if (world.lost_by_lies && invariant != 1 && invariant != 2 && invariant != 8)
        return;
    if (world.n_broken++ == 0) {
        world.first_broken = invariant;
        world.first_broken_usec = world.steady_usec - BEGINNING;
        va_start(ap, format);
        vsnprintf(world.first_sentence, sizeof(world.first_sentence), format, ap);
        va_end(ap);
    }
    if (world.n_broken > BROKEN_SHOWN || world.silent)
        return;
    printf("day %u, %02u:%02u: invariant %u: ", world_day(),
           (unsigned)((world.steady_usec - BEGINNING) % DAY / HOUR),
           (unsigned)((world.steady_usec - BEGINNING) % HOUR / MINUTE), invariant);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("\n");
    if (world.n_broken == 1)
        log_dump();
}
