/*
 * Which time it is for dates in the directory, as rosterd.conf(5) has it: a clock that was set
 * is believed when as much time has passed, a day at most, or five minutes once it is known to
 * be right. In the world's steady time, which the directory's own clock has.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct happening;

void belief_begin(void);
uint64_t belief_usec(void);
/* The machine was off, or an older state is in place: what is believed then is not known here.
 */
bool belief_is_unknown(void);
void belief_unknown(void);
/* No longer ago than that something else was believed, or it may be by now. */
/* Since when a clock that was set is not believed, and will not be for some minutes; 0: it is.
 */
uint64_t belief_doubted_usec(void);
bool belief_moved(uint64_t ago_usec);
void belief_clock_set(const struct happening *h);
void belief_started(void); /* the daemon */
void belief_taken(void);   /* a new state believes the clock */
