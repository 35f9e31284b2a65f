/*
 * What concerns all users and the tenant throttles (429): it is asked for again after a growing
 * wait, or as long as the tenant says, and all else goes on beside it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct books;
struct tenant_answer;

#define ALARM_FIRST_CONTACT "first-contact"

struct put_off {
    unsigned n; /* how often in a row */
    bool alarm;
};

/* It was, once more. Returns until when, on the steady clock. what: in a sentence.
 * meanwhile: likewise, what is not done before it is answered, so that people hear of it if it
 * lasts; or NULL. */
uint64_t put_off_again(struct put_off *p, struct books *b, const struct tenant_answer *a,
                       const char *what, const char *meanwhile);
void put_off_over(struct put_off *p, struct books *b);
