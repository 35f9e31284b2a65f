/*
 * The tenant answers what concerns nobody in particular, and fails for one person after the
 * other. Each failure is that person's matter, however many they are; that nobody's call at all
 * was answered meanwhile is not. Then few are tried at a time, on a growing delay, whoever is
 * tried again waits for the longer the more fail, and there is an alarm. The first answer ends
 * that; that of one who had failed frees those who wait for the same. Whoever was not tried yet
 * may be one for whom it does answer, and waits a second at most for each who came before.
 * Revocations are neither counted nor held up. In memory: after a start it begins anew.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "contact/vain.h"

struct books;

struct slowed {
    struct vain failing; /* entries whose last attempt failed so */
    struct vain row;     /* of them, since anybody's was answered */
    uint64_t next_usec;  /* while it is slow: when another one may be tried again */
    uint64_t fresh_usec; /* and when another one for the first time */
    unsigned n_tries;
    bool is_slow, was_answered; /* since the start */
};

/* An attempt failed that would be tried again after wait_usec; when it is to be instead. */
uint64_t slowed_failed(struct slowed *s, struct books *b, const char *entry_id, unsigned attempts,
                       uint64_t wait_usec);
/* There was an answer to this person's call. done: and it was done. */
void slowed_answered(struct slowed *s, struct books *b, const char *entry_id, bool done);
/* May another one be tried, with so many under way? */
bool slowed_lets(const struct slowed *s, uint64_t n_under_way);
/* May one be tried for the first time? Call slowed_tries() when one is. */
bool slowed_lets_fresh(const struct slowed *s);
void slowed_tries(struct slowed *s);
uint64_t slowed_due_usec(const struct slowed *s); /* when it lets another one; 0: now */
void slowed_done(struct slowed *s);
