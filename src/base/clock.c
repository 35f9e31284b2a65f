/*
 * The only reader of the system's clocks, and the one text form of a time: RFC 3339 in UTC with
 * microseconds. It knows no time zones and no generalizedTime; the latter is the directory's.
 */
#include "config.h"

#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#include "base/memory.h"

/* 9999-12-31T23:59:59Z: the last second with a year of four digits. */
#define LAST_SECOND 253402300799ULL

static uint64_t frozen_realtime, frozen_monotonic, frozen_asleep;
static bool is_frozen;

static uint64_t read_clock(clockid_t id)
{
    struct timespec t = {0};

    /* Cannot fail for these clocks and a valid pointer. */
    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_now_usec(void)
{
    return is_frozen ? frozen_realtime : read_clock(CLOCK_REALTIME);
}

uint64_t clock_monotonic_usec(void)
{
    return is_frozen ? frozen_monotonic : read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_boot_usec(void)
{
    return is_frozen ? frozen_monotonic + frozen_asleep : read_clock(CLOCK_BOOTTIME);
}

/* The later reading is of the clock that never stands still, so that the difference is never
 * below zero; how long this thread waited in between is in it. */
uint64_t clock_asleep_usec(void)
{
    uint64_t monotonic = clock_monotonic_usec(), boot = clock_boot_usec();

    return boot > monotonic ? boot - monotonic : 0;
}

/* Threads ask, too, while the loop follows the clocks. To the clock of the boot; they may wrap.
 */
static _Atomic uint64_t steady_offset, date_offset;
static atomic_bool is_set;

uint64_t clock_steady_usec(void)
{
    return is_set ? clock_boot_usec() + steady_offset : clock_now_usec();
}

uint64_t clock_date_usec(void)
{
    return is_set ? clock_boot_usec() + date_offset : clock_now_usec();
}

void clock_set_steady(uint64_t steady_usec, uint64_t date_usec)
{
    uint64_t now = clock_boot_usec();

    steady_offset = steady_usec - now;
    date_offset = date_usec - now;
    is_set = true;
}

uint64_t clock_wall_of(uint64_t steady_usec)
{
    static _Atomic int64_t last; /* by which the wall clock is ahead; the same until it is set */
    int64_t ahead = (int64_t)(clock_now_usec() - clock_steady_usec()), shown = last;

    if (ahead - shown > (int64_t)USEC_PER_SEC || shown - ahead > (int64_t)USEC_PER_SEC)
        last = shown = ahead;
    return steady_usec + (uint64_t)shown;
}

bool clock_is_synchronised(void)
{
    struct timex t = {0};
    int r = adjtimex(&t); /* changes nothing; fails where a sandbox forbids the question */

    return r >= 0 && r != TIME_ERROR && !(t.status & STA_UNSYNC);
}

char *clock_boot(char buffer[static CLOCK_BOOT_SIZE])
{
    buffer[0] = '\0';
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!f || !fgets(buffer, CLOCK_BOOT_SIZE, f))
        snprintf(buffer, CLOCK_BOOT_SIZE, "unknown");
    if (f)
        fclose(f);
    buffer[strcspn(buffer, " \n")] = '\0';
    return buffer;
}

void clock_freeze(uint64_t realtime_usec, uint64_t monotonic_usec)
{
    frozen_realtime = realtime_usec;
    frozen_monotonic = monotonic_usec;
    is_frozen = realtime_usec != 0 || monotonic_usec != 0;
    if (!is_frozen) {
        is_set = false;
        frozen_asleep = 0;
    }
}

void clock_freeze_asleep(uint64_t usec)
{
    frozen_asleep = usec;
}

static void put_digits(char *to, unsigned n_digits, uint64_t value)
{
    for (unsigned i = n_digits; i > 0; i--) {
        to[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
}

char *clock_format(char buffer[static CLOCK_TEXT_SIZE], uint64_t realtime_usec)
{
    static const char shape[CLOCK_TEXT_SIZE] = "0000-00-00T00:00:00.000000Z";
    uint64_t second = realtime_usec / USEC_PER_SEC, fraction = realtime_usec % USEC_PER_SEC;
    struct tm tm = {0};

    if (second > LAST_SECOND) {
        second = LAST_SECOND;
        fraction = USEC_PER_SEC - 1;
    }
    time_t t = (time_t)second;
    (void)gmtime_r(&t, &tm); /* fails only for years that do not fit an int */

    for (size_t i = 0; i < CLOCK_TEXT_SIZE; i++)
        buffer[i] = shape[i];
    put_digits(buffer, 4, (uint64_t)tm.tm_year + 1900);
    put_digits(buffer + 5, 2, (uint64_t)tm.tm_mon + 1);
    put_digits(buffer + 8, 2, (uint64_t)tm.tm_mday);
    put_digits(buffer + 11, 2, (uint64_t)tm.tm_hour);
    put_digits(buffer + 14, 2, (uint64_t)tm.tm_min);
    put_digits(buffer + 17, 2, (uint64_t)tm.tm_sec);
    put_digits(buffer + 20, 6, fraction);
    return buffer;
}

/* Reads exactly n digits and the character behind them; moves *p past both. */
static bool take_digits(const char **p, unsigned n, char behind, int *ret)
{
    int value = 0;

    for (; n > 0; n--, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        value = value * 10 + (**p - '0');
    }
    *ret = value;
    if (behind == '\0')
        return true;
    if (**p != behind)
        return false;
    (*p)++;
    return true;
}

/* ".5", ".123456": at most six digits, since more would be dropped silently. */
static bool take_fraction(const char **p, uint64_t *ret_usec)
{
    uint64_t unit = USEC_PER_SEC / 10, usec = 0;

    if (**p != '.')
        return true;
    (*p)++;
    if (**p < '0' || **p > '9')
        return false;
    for (; **p >= '0' && **p <= '9'; (*p)++, unit /= 10) {
        if (unit == 0)
            return false;
        usec += unit * (uint64_t)(**p - '0');
    }
    *ret_usec = usec;
    return true;
}

static bool is_date(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    if (year < 1970 || month < 1 || month > 12 || day < 1)
        return false;
    return day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

int clock_parse(const char *text, uint64_t *ret_usec)
{
    int year, month, day, hour, minute, second;
    uint64_t fraction = 0;
    const char *p = text;

    if (!take_digits(&p, 4, '-', &year) || !take_digits(&p, 2, '-', &month) ||
        !take_digits(&p, 2, 'T', &day) || !take_digits(&p, 2, ':', &hour) ||
        !take_digits(&p, 2, ':', &minute) || !take_digits(&p, 2, '\0', &second) ||
        !take_fraction(&p, &fraction) || p[0] != 'Z' || p[1] != '\0')
        return -EINVAL;
    if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 59)
        return -EINVAL;

    struct tm tm = {
        .tm_year = year - 1900,
        .tm_mon = month - 1,
        .tm_mday = day,
        .tm_hour = hour,
        .tm_min = minute,
        .tm_sec = second,
    };
    time_t t = timegm(&tm);
    if (t < 0)
        return -EINVAL;
    *ret_usec = (uint64_t)t * USEC_PER_SEC + fraction;
    return 0;
}
