/*
 * Whose calls the tenant answers with 429: those of one and the same users again and again
 * while it serves others, or everybody's. Of calls that are alike: of reads, or of writes.
 * Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct refused_one;
struct refused {
    struct refused_one *known; /* who was refused, and not served since; by a hash */
    size_t n_known, size;
    uint64_t n_served, n_refused; /* calls */
    uint64_t n_again, n_regained; /* of users who are known: refused, served */
};

/* Notes a refusal, and whether it says something of that user alone: it is not the first, and
 * the tenant has refused nobody else since, or has served others, and few of those whom it had
 * refused. who 0: nobody's in particular. */
bool refused_is_own(struct refused *r, uint64_t who);
/* Another answer of the tenant. */
void refused_served(struct refused *r, uint64_t who);
void refused_done(struct refused *r);
