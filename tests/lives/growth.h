/* What the daemon holds, and for how long it holds the loop. */
#pragma once

void growth_begin(void);
/* Once a day: no more of anything is held than a week ago, for as many people. */
void growth_check(void);
