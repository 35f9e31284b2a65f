/*
 * Whose calls the tenant answers with 429: one and the same user's again and again while it
 * serves others, or everybody's. Of calls that are alike: of reads, or of writes. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REFUSED_KNOWN 64

struct refused {
    struct refused_one {
        uint64_t who; /* 0: free */
        uint64_t n_served, n_refused; /* of all calls, when it was refused last */
    } known[REFUSED_KNOWN];
    size_t next;
    uint64_t n_served, n_refused;
};

/* Notes a refusal, and whether it says something of that user alone: it is not the first, and the
 * tenant has served others since, or has refused nobody else. who 0: nobody's in particular. */
bool refused_is_own(struct refused *r, uint64_t who);
/* Another answer of the tenant. */
void refused_served(struct refused *r, uint64_t who);
