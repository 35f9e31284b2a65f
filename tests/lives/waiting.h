/* What waits for a person's approval, as the daemon tells an operator. */
#pragma once
#include <stdbool.h>

struct person;

/* What waits for somebody's approval may differ as long as it does, for a reason that this world
 * has; at rest nothing waits. */
bool waiting_is(const struct person *p);
/* Each budget and hold for which anybody waits has its alarm, and no other has; and what is
 * said of what not everybody can have is so. */
void waiting_alarms(void);
void waiting_forget(void); /* it is asked anew from now on */
