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
        return error_set(e, -EINVAL, "'%s' is no number of days since 1970", value);
    /* shadow(5): negative or empty is never; 0 is not to be used, many read it as never. */
    *ret = (struct expiry){.never = days <= 0,
                           .usec = days > 0 ? (uint64_t)(days * USEC_PER_DAY) : 0};
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

static int parse(const char *attribute, const char *value, struct expiry *ret, struct error *e)
{
    int64_t usec;
    if (is_integer(value))
        return text_equal_ascii_case(attribute, "shadowExpire") ? parse_days(value, ret, e)
                                                                : parse_filetime(value, ret, e);
    if (matching_parse_time(value, &usec) < 0)
        return error_set(e, -EINVAL,
                         "'%s' is no time; 20261124120000Z or Active Directory's 100 ns since "
                         "1601 is expected",
                         value);
    *ret = (struct expiry){.usec = usec > 0 ? (uint64_t)usec : 0};
    return 0;
}

int expiry_parse(const char *attribute, const char *value, struct expiry *ret, struct error *e)
{
    int r = parse(attribute, value, ret, e);
    if (r == 0 && ret->usec > USEC_LAST)
        *ret = (struct expiry){.never = true};
    return r;
}
