/* When an account ends: Active Directory's accountExpires (a FILETIME), a generalizedTime, a date,
 * seconds since 1970, or shadowExpire (days since 1970). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct error;

struct expiry {
    bool never;
    uint64_t usec; /* since 1970; 0 for times before it */
};
/* attribute: its canonical name, which tells days from a FILETIME. -EINVAL with a sentence. A date
 * without a time of day is the end of that day … */
int expiry_parse(const char *attribute, const char *value, struct expiry *ret, struct error *e);
/* … or its beginning, where it is when something starts. */
int expiry_parse_start(const char *attribute, const char *value, struct expiry *ret,
                       struct error *e);
