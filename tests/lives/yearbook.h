/* Who had what on day N: what the audit answers later is what the tenant showed then. */
#pragma once
#include <stddef.h>

void yearbook_begin(void);
/* Nothing is under way now, and hardly anything changed lately. */
void yearbook_note(void);
void yearbook_check(const char *const *files, size_t n_files);
