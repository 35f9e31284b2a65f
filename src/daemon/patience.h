/* The service manager waits for a start that takes long. */
#pragma once

struct patience;

/* Asks for more time while it is not over, each second, for an hour at most. NULL: nobody waits, or
 * it cannot be asked. */
struct patience *patience_begin(void);
struct patience *patience_end(struct patience *p); /* accepts NULL */
