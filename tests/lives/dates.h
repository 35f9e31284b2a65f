/* The first and the last day of people: whose access begins and ends to the second
 * (promise 27: nobody's begins before, whatever the clock is set to).  */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct item;
struct person;

/* In an entry that is being made: the first day is so many seconds away. */
void dates_begin(struct person *p, uint64_t seconds);
/* The last moment is so many seconds away; 0: none is said any more. */
void dates_end(struct person *p, uint64_t seconds);
bool dates_has_begun(const struct item *i);
bool dates_has_ended(const struct item *i);
/* Another clock is believed. */
void dates_belief_moved(void);
/* Promise 27, of somebody who was made, or got access: works. */
void dates_check(const struct person *p, bool works, const char *method);
/* The first day is so near that there is a user who waits for it. */
bool dates_is_awaited(const struct item *i);
/* The first or the last day came no longer ago than that, or another clock was believed. */
bool dates_came(const struct item *i, uint64_t ago_usec);
