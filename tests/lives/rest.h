/* After its last day a company rests: nothing happens any more, and whatever waits is approved. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

void rest_reset(void); /* a life begins */
void rest_begin(void *userdata, uint64_t argument);
bool rest_is(void); /* nothing may be left to do */
/* A request that writes reaches the tenant. due: it is one for which the time had to come; differs:
 * somebody changed the user by hand, of which a new state file knows nothing. */
void rest_request(const char *method, const char *login, bool due, bool differs);
