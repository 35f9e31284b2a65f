/* Alarms: each cause that is open has one, and each that has ended has none. */
#pragma once
#include <stddef.h>
#include <stdint.h>

void alarms_begin(void); /* the daemon starts */
void alarms_end(void);
/* A line of its log: nothing is told twice before it is over. */
void alarms_hear(const char *line, size_t size);
uint64_t alarms_heard_usec(const char *cause); /* when it was told last, or to be over; 0 */

/* Nothing was out of order for two hours, and writing is not paused. */
void alarms_day_end(void);
/* Something has been out of order since then, and is about to end. up_since_usec: the daemon
 * has. */
void alarms_outage_ends(uint64_t since_usec, uint64_t up_since_usec);
/* Writing was paused since then, and is about to go on. */
void alarms_pause_ends(uint64_t since_usec, uint64_t up_since_usec);
