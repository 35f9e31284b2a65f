/* What the daemon's statements read. */
#pragma once

struct sqlite3;

/* Each that is prepared there, if it is new in this life: no table is read from one end to the
 * other, but by those of which that is known, and why. */
void statements_check(struct sqlite3 *db);
