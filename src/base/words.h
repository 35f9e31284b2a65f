/* What of a peer's sentence may be shown, whatever it may hold. */
#pragma once
#include <stddef.h>

/* Words of a language stay as they are. Characters that are in none (digits, pieces of one or
 * two letters, letters beside digits) stay when there are at most so many of them; else each
 * word that has some is an ellipsis. `known` is no such word; NULL: none. text: UTF-8, size
 * bytes large; what does not fit is cut. */
void words_keep(char *text, size_t size, const char *known, size_t most);
