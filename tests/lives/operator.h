/* People who call the daemon. */
#pragma once
#include <stdint.h>

struct happening;

void operator_begin(void);
void operator_end(void);
/* Whoever gives a right back has everything compared: no server tells who can be seen again. An
 * event. */
void operator_compare(void *userdata, uint64_t n_asked);
void operator_happen(const struct happening *h);
/* When writing was paused by an answer that said so; 0: it is not. */
uint64_t operator_paused_usec(void);
uint64_t operator_approved_usec(void); /* an approval was taken last */
/* Since when nobody has kept it from working; UINT64_MAX: somebody does. */
uint64_t operator_quiet_usec(void);
