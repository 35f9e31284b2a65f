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
/* attribute: its canonical name, which tells days from a FILETIME. -EINVAL with a sentence. */
int expiry_parse(const char *attribute, const char *value, struct expiry *ret, struct error *e);
