/* The first and the last day of people: whose access begins and ends to the second. */
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
/* The first or the last day came no longer ago than that. */
bool dates_came(const struct item *i, uint64_t ago_usec);
