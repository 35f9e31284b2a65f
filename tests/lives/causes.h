/* Causes that the world itself knows to be open: each has its alarm when it has stood for its
 * time. */
#pragma once
#include <stdint.h>

/* Looks at all of them; where one is about to end, before. */
void causes_look(void);
/* One begins now, and is looked at when it has stood for so long. */
void causes_look_in(uint64_t usec);
void causes_group_gone(void);
