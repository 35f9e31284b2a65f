/*
 * Teams, roles and skills that the tenant does not have, each as the cause of a hold names it:
 * whoever needs one is not tried before it is looked for again.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct missing {
    struct string_list causes;
    uint64_t since_usec; /* steady clock: of the first of them */
};

void missing_note(struct missing *m, const char *cause);
bool missing_has(const struct missing *m, const char *cause);
void missing_forget(struct missing *m);                        /* all are looked for again */
void missing_forget_old(struct missing *m, uint64_t age_usec); /* if the first is so old */
