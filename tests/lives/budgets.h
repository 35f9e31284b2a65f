/* Promise 4: what is done without approval stays within its budget in any window. */
#pragma once
#include <stdbool.h>

struct deed;
struct person;

void budgets_begin(void);
void budgets_end(void);
void budgets_forget(void); /* the daemon knows less than before */
/* A request changed the user of somebody. */
void budgets_wrote(const struct person *p, const struct deed *d);
/* Somebody may wait for one; without the kind: for any. */
bool budgets_hold(void);
