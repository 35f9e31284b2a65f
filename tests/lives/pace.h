/* Promise 5: how many requests come within a second, and how many at once. */
#pragma once
#include <stdbool.h>

struct person;

void pace_begin(void);
/* One arrives; p: about whom, or NULL. n_under_way: with it. */
void pace_check(const struct person *p, unsigned n_under_way);
bool pace_is_busy(void); /* many requests came lately */
