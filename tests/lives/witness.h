/* What the state file itself says. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* A request that writes reaches the tenant: its intent is on the disk. */
void witness_intent(const char *login, const char *method);
/* After some quiet hours: the mirror is what the directory shows, what is counted as it goes is
 * what a count of the rows gives, and no alarm is left of what is over. */
void witness_day_end(uint64_t settled_usec);
/* There is an alarm for this cause. */
bool witness_alarm(const char *cause);
/* The daemon holds no more of anything than a week ago, for as many people. */
void witness_growth(void);
void witness_begin(void);
