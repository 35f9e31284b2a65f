/* Positive answers of the functions of this folder. */
#pragma once

#define STATE_NONE   1 /* no such row */
#define STATE_LOCKED 2 /* state_open: another instance holds the lock; the sentence names its pid */
/* state_open: not a database, damaged, or of a newer rosterd; nothing was changed. */
#define STATE_DAMAGED 3
