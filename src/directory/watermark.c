/*
 * Change marks: which attribute a server has for them, how far one is moved back so that nothing
 * is missed, which of two is the greater.
 */
#include "config.h"

#include "directory/watermark.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "directory/libldap.h"
#include "directory/rootdse.h"

/* How far a mark is moved back. Time stamps come from clocks that differ and step; USNs of
 * changes that are being committed may become visible late. Repeats cost little. */
#define BACK_SECONDS_TIMESTAMP 60
#define BACK_SECONDS_CSN       30
#define BACK_USN               100

const char *watermark_attribute(const struct rootdse *d)
{
    if (d->product == PRODUCT_ACTIVE_DIRECTORY)
        return "uSNChanged";
    if (d->has_entry_csn)
        return "entryCSN";
    if (d->has_entry_usn)
        return "entryusn";
    return d->has_modify_timestamp ? "modifyTimestamp" : NULL;
}

static char *move_back_usn(const char *watermark)
{
    uint64_t n;
    if (text_parse_unsigned(watermark, UINT64_MAX, &n) < 0)
        return NULL;
    return libldap_format("%llu", (unsigned long long)(n > BACK_USN ? n - BACK_USN : 0));
}

static char *move_back_time(const char *watermark, bool csn, unsigned more_seconds)
{
    struct tm tm = {0};
    if (strlen(watermark) < 15 || sscanf(watermark, "%4d%2d%2d%2d%2d%2d", &tm.tm_year, &tm.tm_mon,
                                         &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return NULL;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t t = timegm(&tm) - (csn ? BACK_SECONDS_CSN : BACK_SECONDS_TIMESTAMP) - more_seconds;
    if (!gmtime_r(&t, &tm))
        return NULL;
    char text[32];
    if (strftime(text, sizeof(text), "%Y%m%d%H%M%S", &tm) == 0)
        return NULL;
    return libldap_format(csn ? "%s.000000Z#000000#000#000000" : "%sZ", text);
}

char *watermark_move_back(const char *attribute, const char *watermark, unsigned more_seconds)
{
    if (text_equal_ascii_case(attribute, "uSNChanged") ||
        text_equal_ascii_case(attribute, "entryusn"))
        return move_back_usn(watermark);
    return move_back_time(watermark, text_equal_ascii_case(attribute, "entryCSN"), more_seconds);
}

bool watermark_is_greater(const char *watermark, const char *before)
{
    /* CSNs and times compare as text, numbers by their length first. */
    size_t now = strlen(watermark), then = before ? strlen(before) : 0;
    return now > then || (before && now == then && strcmp(watermark, before) > 0);
}
