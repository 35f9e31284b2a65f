/*
 * Reads the end of an account. A number that cannot be such a time is refused and not taken
 * for one long past: that would disable everybody who has it.
 */
#include "config.h"

#include "mapping/expiry.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "mapping/matching.h"

/* 1970 in units of 100 ns since 1601. */
#define FILETIME_1970 116444736000000000LL
#define USEC_PER_DAY  86400000000LL
#define DAYS_MAX      100000000LL
/* 1980 and 5138: what is less or more is not meant as seconds. */
#define SECONDS_MIN 315532800LL
#define SECONDS_MAX 100000000000LL
/* The end of the year 9999: later times are ways to write "never". */
#define USEC_LAST 253402300799999999LL

static bool is_integer(const char *text)
{
    size_t sign = text[0] == '-' ? 1 : 0;
    return text[sign] && strspn(text + sign, "0123456789") == strlen(text + sign);
}

static int parse_days(const char *value, struct expiry *ret, struct error *e)
{
    int64_t days;
    if (text_parse_signed(value, &days) < 0 || days > DAYS_MAX)
        return error_set(e, -EINVAL, "'%s' is not a number of days since 1970", value);
    /* shadow(5): negative or empty is never; 0 is not to be used, many read it as never. */
    *ret =
        (struct expiry){.never = days <= 0, .usec = days > 0 ? (uint64_t)(days * USEC_PER_DAY) : 0};
    return 0;
}

static int parse_filetime(const char *value, struct expiry *ret, struct error *e)
{
    int64_t ticks;
    if (text_parse_signed(value, &ticks) < 0)
        return error_set(e, -EINVAL, "'%s' is out of the range of times", value);
    if (ticks == 0 || ticks == INT64_MAX) {
        *ret = (struct expiry){.never = true};
        return 0;
    }
    if (ticks < FILETIME_1970)
        return error_set(e, -EINVAL,
                         "'%s' would be a time before 1970; intervals of 100 ns since 1601 are "
                         "expected, or a time such as 20261124120000Z",
                         value);
    *ret = (struct expiry){.usec = (uint64_t)(ticks - FILETIME_1970) / 10};
    return 0;
}

/* Seconds since 1970, such as sambaKickoffTime: no number of days and none of a short date is so
 * large. 2147483647 and -1 are how that is written for never. */
static bool parse_seconds(const char *value, struct expiry *ret)
{
    int64_t seconds;
    if (text_parse_signed(value, &seconds) < 0)
        return false;
    if (seconds == -1 || seconds == INT32_MAX) {
        *ret = (struct expiry){.never = true};
        return true;
    }
    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX)
        return false;
    *ret = (struct expiry){.usec = (uint64_t)seconds * 1000000};
    return true;
}

/* Copies value to text as a generalizedTime: without what stands between the digits of a date and
 * a time, and in UTC where it names no zone. *ret_date: it has no time of day. */
static bool compact(const char *value, char text[static 64], bool *ret_date)
{
    /* What may stand behind the nth digit: 2026-11-24T12:00:00 */
    static const char *const between[15] = {
        [4] = "-/", [6] = "-/", [8] = "Tt ", [10] = ":", [12] = ":"};
    size_t digits = 0, n = 0;
    while (*value) {
        if (*value >= '0' && *value <= '9' && digits < 14) {
            text[n++] = *value++;
            digits++;
        } else if (between[digits] && strchr(between[digits], *value) && value[1] >= '0' &&
                   value[1] <= '9') {
            value++;
        } else {
            break;
        }
    }
    *ret_date = digits == 8;
    if (digits != 8 && digits != 10 && digits != 12 && digits != 14)
        return false;
    text[n] = '\0';
    if (*ret_date)
        memcpy(text + n, "00", 3);
    n = strlen(text);
    while (*value && n < 62) {
        if (*value != ':') /* of "+01:00" */
            text[n++] = *value;
        value++;
    }
    if (text[n - 1] >= '0' && text[n - 1] <= '9' && !strpbrk(text, "+-"))
        text[n++] = 'Z';
    text[n] = '\0';
    return !*value;
}

enum { TIME_NONE, TIME_READ, TIME_TOO_EARLY };

static int parse_time(const char *value, bool starts, struct expiry *ret)
{
    char text[64];
    int64_t usec;
    bool date;
    if (is_integer(value) && strlen(value) != 8)
        return TIME_NONE; /* a count of something; a time without a zone needs its hyphens */
    if (!compact(value, text, &date) || matching_parse_time(text, &usec) < 0)
        return TIME_NONE;
    /* A date alone is the last day, which is over when it ends in UTC. */
    if (date && !starts)
        usec += USEC_PER_DAY;
    /* Somebody may have begun before 1970. As an end it is how a program writes that it knows none:
     * 16010101000000.0Z, 00010101000000Z, 19700101000000Z. */
    if (usec <= 0 && !starts)
        return TIME_TOO_EARLY;
    *ret = (struct expiry){.usec = usec > 0 ? (uint64_t)usec : 0};
    return TIME_READ;
}

static int parse(const char *attribute, const char *value, bool starts, struct expiry *ret,
                 struct error *e)
{
    if (text_equal_ascii_case(attribute, "shadowExpire") && is_integer(value))
        return parse_days(value, ret, e);
    int r = parse_time(value, starts, ret);
    if (r == TIME_TOO_EARLY && text_equal_ascii_case(attribute, "krbPrincipalExpiration") &&
        strcmp(value, "19700101000000Z") == 0) {
        *ret = (struct expiry){.never = true}; /* how MIT Kerberos writes it */
        return 0;
    }
    if (r == TIME_TOO_EARLY)
        return error_set(e, -EINVAL, "'%s' lies before 1970, so it cannot be the end of an account",
                         value);
    if (r == TIME_READ)
        return 0;
    if (!is_integer(value))
        return error_set(e, -EINVAL,
                         "'%s' is not a time; 20261124120000Z, 2026-11-24, seconds since 1970 or "
                         "Active Directory's 100 ns since 1601 is expected",
                         value);
    if (!text_equal_ascii_case(attribute, "accountExpires") && parse_seconds(value, ret))
        return 0;
    return parse_filetime(value, ret, e);
}

int expiry_parse(const char *attribute, const char *value, struct expiry *ret, struct error *e)
{
    int r = parse(attribute, value, false, ret, e);
    if (r == 0 && ret->usec > USEC_LAST)
        *ret = (struct expiry){.never = true};
    return r;
}

/* "Never", as a start, is how "no time is known" is written: there is nothing to wait for. */
int expiry_parse_start(const char *attribute, const char *value, struct expiry *ret,
                       struct error *e)
{
    int r = parse(attribute, value, true, ret, e);
    if (r == 0 && ret->usec > USEC_LAST)
        *ret = (struct expiry){.never = true};
    return r;
}
