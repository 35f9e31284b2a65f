/*
 * Numbers and durations from text and back. Strict: no sign where none belongs, no blanks, no
 * hexadecimal, no silent overflow, nothing that depends on the locale.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR   (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY    (24 * USEC_PER_HOUR)

static const struct {
    const char *name;
    uint64_t usec;
} units[] = {
    {"d", USEC_PER_DAY}, {"h", USEC_PER_HOUR},  {"min", USEC_PER_MINUTE},
    {"s", USEC_PER_SEC}, {"ms", USEC_PER_MSEC}, {"us", 1},
};

/* Reads digits and moves *p behind them. */
static int take_number(const char **p, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    bool over = false;

    if (**p < '0' || **p > '9')
        return -EINVAL;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        uint64_t digit = (uint64_t)(**p - '0');
        if (over || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            over = true;
    }
    if (over || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

int text_parse_unsigned(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    int r = take_number(&text, max, &value);

    if (*text != '\0') /* "99999999999999999999x" is no number at all */
        return -EINVAL;
    if (r == 0)
        *ret = value;
    return r;
}

int text_parse_signed(const char *text, int64_t *ret)
{
    bool negative = *text == '-';
    uint64_t value = 0;
    int r = text_parse_unsigned(text + (negative ? 1 : 0), (uint64_t)INT64_MAX + (negative ? 1 : 0),
                                &value);

    if (r < 0)
        return r;
    if (!negative)
        *ret = (int64_t)value;
    else
        *ret = value == (uint64_t)INT64_MAX + 1 ? INT64_MIN : -(int64_t)value;
    return 0;
}

/* Finds the unit at p; 0 when it is none. */
static uint64_t unit_usec(const char *p, size_t n)
{
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (strlen(units[i].name) == n && strncmp(units[i].name, p, n) == 0)
            return units[i].usec;
    return 0;
}

int text_parse_duration(const char *text, uint64_t *ret_usec)
{
    uint64_t total = 0;
    const char *p = text;
    bool over = false;

    do {
        uint64_t number = 0, usec = 0;
        int r = take_number(&p, UINT64_MAX, &number);
        if (r == -EINVAL)
            return r;
        over = over || r == -ERANGE;
        size_t n = strcspn(p, " ");
        if (n == 0 && *p == '\0' && strspn(text, "0123456789") == strlen(text))
            usec = USEC_PER_SEC; /* a bare number, and nothing else, is in seconds */
        else
            usec = unit_usec(p, n);
        if (usec == 0)
            return -EINVAL;
        over = over || __builtin_mul_overflow(number, usec, &number) ||
               __builtin_add_overflow(total, number, &total);
        p += n;
        if (*p == ' ')
            p += strspn(p, " ");
        else
            break;
    } while (true);

    if (over)
        return -ERANGE;
    *ret_usec = total;
    return 0;
}

/* What is cut is too small to matter beside the rest: microseconds from one second on, and
 * milliseconds from one minute on. All other values parse back to themselves. */
char *text_format_duration(char *buffer, size_t size, uint64_t usec)
{
    size_t used = 0;

    if (usec >= USEC_PER_MINUTE)
        usec -= usec % USEC_PER_SEC;
    else if (usec >= USEC_PER_SEC)
        usec -= usec % USEC_PER_MSEC;
    if (size == 0)
        return buffer;
    buffer[0] = '\0';
    if (usec == 0)
        snprintf(buffer, size, "0s");
    for (size_t i = 0; i < ARRAY_SIZE(units) && usec > 0 && used < size; i++) {
        uint64_t n = usec / units[i].usec;
        usec %= units[i].usec;
        if (n == 0)
            continue;
        int written = snprintf(buffer + used, size - used, "%s%" PRIu64 "%s", used > 0 ? " " : "",
                               n, units[i].name);
        used += written > 0 ? (size_t)written : 0;
    }
    return buffer;
}
