/*
 * How many requests may have reached the tenant within one second, wherever that second begins.
 * When a request arrives is seen by nobody here: at the earliest when it is taken, at the latest
 * when its answer came. So one that is under way counts until it ended, and a second longer; then
 * what is taken next arrives more than a second after it. Pure: the caller brings the time.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Counted by milliseconds, one more than a second has, since those at both ends are not whole. */
#define SECOND_PARTS 1001

struct second {
    uint64_t at_msec; /* up to when the parts are counted */
    size_t n;         /* sum of the parts */
    unsigned parts[SECOND_PARTS];
};

void second_add(struct second *s, uint64_t now_usec);
/* Until no more than `most` are left of those that were added within the last second; 0: now. */
uint64_t second_wait(struct second *s, uint64_t now_usec, size_t most);
