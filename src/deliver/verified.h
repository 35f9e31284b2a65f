/* When all users were verified last, over restarts, and when they are next. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct books;

void verified_note(struct books *b); /* now, all of them */
/* By the last time; where there was none, the interval begins now. 0: never. */
uint64_t verified_due_usec(struct books *b);
/* From the end of one until the next. whole: all were read. 0: there is none. */
uint64_t verified_wait(const struct books *b, bool whole);
