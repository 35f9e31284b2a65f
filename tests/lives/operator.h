/* People who call the daemon. */
#pragma once
#include <stdbool.h>
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
/* A pause stands in the state: an older one brings its own back, which somebody ends when it is
 * seen. */
void operator_state_kept(void);
void operator_state_changed(bool restored);
/* Since when nobody has kept it from working; UINT64_MAX: somebody does. */
uint64_t operator_quiet_usec(void);
