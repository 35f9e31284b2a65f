/* What the audit tells, read by nothing of the daemon. */
#pragma once
#include <stddef.h>

/* Ledgers add up, each intent has an outcome, and what was done makes the users that the tenant
 * has. */
void diary_check(const char *const *files, size_t n_files);
