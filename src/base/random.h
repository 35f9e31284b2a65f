/* All chance comes from here, so that a test can have the same again. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* From the kernel, for what nobody may guess: 0 or a negative errno value. */
int random_bytes(void *to, size_t size);
/* For what only has to differ, as waits do: it never waits for the kernel, and never fails. */
uint64_t random_number(void);

/* For unit tests: what is drawn from here on follows from the seed, until called with 0. */
void random_seed(uint64_t seed);
