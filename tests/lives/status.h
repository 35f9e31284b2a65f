/* Promise 17 of the status: what it says of the whole is so. */
#pragma once

/* Nothing was out of order for two hours, and writing is not paused. */
void status_day_end(void);
/* A user was written: how far the load is. */
void status_written(void);
/* The directory, or the tenant, has been away for some time. */
void status_away(const char *who);
void status_paused(void);
