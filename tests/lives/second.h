/* A second daemon beside the one that runs. */
#pragma once
#include <stdbool.h>

/* With the same state, or with another one and the same audit: it has to see that it is not alone,
 * and to leave everything as it is. */
void second_start(bool other_state);
