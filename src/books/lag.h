/* How long it takes from the directory's word to the request. */
#pragma once
#include "books/engine-types.h"

void lag_count(struct lag *l, uint64_t usec);
