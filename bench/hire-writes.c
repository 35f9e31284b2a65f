/*
 * What the writes and syncs of a hire cost by themselves, in processor time: what no rosterd
 * can go below.
 *
 *     hire-writes FOLDER COUNT RATE
 *
 * RATE times a second: the pages of the commit with the intent, over a log that is there
 * already and in the pieces in which SQLite writes them; a sync; the lines of the audit; a
 * sync; the pages of the commit with the outcome; a sync. Two files in FOLDER, which it leaves.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define N_INTENT   30 /* pages, as counted of hires that come one by one */
#define N_OUTCOME  11
#define LOG_SIZE   (16 << 20)
#define LINES_SIZE 1100
#define NSEC       1000000000L

static char head[24], page[4096], lines[LINES_SIZE];

static int commit(int log, off_t *at, int n_pages)
{
    for (int i = 0; i < n_pages; i++) {
        page[i]++;
        if (pwrite(log, head, sizeof(head), *at) < 0 ||
            pwrite(log, page, sizeof(page), *at + (off_t)sizeof(head)) < 0)
            return -errno;
        *at += (off_t)(sizeof(head) + sizeof(page));
    }
    if (*at > LOG_SIZE - (1 << 20))
        *at = 0;
    return fdatasync(log) < 0 ? -errno : 0;
}

static int hire(int log, int audit, off_t *at)
{
    int r = commit(log, at, N_INTENT);
    if (r == 0 && (write(audit, lines, sizeof(lines)) < 0 || fdatasync(audit) < 0))
        r = -errno;
    return r < 0 ? r : commit(log, at, N_OUTCOME);
}

static int open_in(const char *folder, const char *name, int flags)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
}

static double cpu(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / NSEC;
}

static int run(int log, int audit, long count, long rate)
{
    struct timespec next = {0};
    off_t at = 0;
    int r = 0;
    for (off_t size = 0; size < LOG_SIZE; size += (off_t)sizeof(page))
        if (pwrite(log, page, sizeof(page), size) < 0)
            return -errno;
    if (fsync(log) < 0 || clock_gettime(CLOCK_MONOTONIC, &next) < 0)
        return -errno;
    double before = cpu();
    for (long i = 0; i < count && r == 0; i++) {
        next.tv_nsec += NSEC / rate;
        next.tv_sec += next.tv_nsec / NSEC;
        next.tv_nsec %= NSEC;
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        r = hire(log, audit, &at);
    }
    if (r == 0)
        printf("%.1f us\n", (cpu() - before) / (double)count * 1e6);
    return r;
}

int main(int argc, char **argv)
{
    long count = argc == 4 ? strtol(argv[2], NULL, 10) : 0;
    long rate = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
    if (count <= 0 || rate <= 0) {
        fprintf(stderr, "usage: hire-writes FOLDER COUNT RATE\n");
        return 2;
    }
    int log = open_in(argv[1], "hire-writes-log", O_TRUNC);
    int audit = open_in(argv[1], "hire-writes-audit", O_TRUNC | O_APPEND);
    int r = log < 0 || audit < 0 ? -errno : run(log, audit, count, rate);
    if (log >= 0)
        (void)close(log);
    if (audit >= 0)
        (void)close(audit);
    if (r < 0)
        fprintf(stderr, "hire-writes: %s\n", strerror(-r));
    return r < 0;
}
