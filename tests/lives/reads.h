/* Reads of all that the directory shows, as its server gave them. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct search;

/* The answer to a search has ended well. */
void reads_served(const struct search *s);
/* When the first one after that time ended; 0: none has. */
uint64_t reads_whole_usec(uint64_t after_usec);
uint64_t reads_last_usec(void);
/* One ended right before that time. */
bool reads_ended_by(uint64_t usec);
