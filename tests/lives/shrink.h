/* Makes a failing plan small: what can be taken out while the same invariant breaks, is. */
#pragma once
#include "plan.h"

/* Lives the plan, silently; the number of the invariant that broke first, -1 if none did. A
 * life that ended by a signal broke 99. ret_usec: when. */
int life_of(const struct plan *p, uint64_t *ret_usec);
/* invariant: which one p breaks. Returns how many lives that took. */
unsigned shrink(struct plan *p, int invariant, unsigned lives_max);
