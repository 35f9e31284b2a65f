/*
 * Containers: whatever has people or groups below it, of any class. A server that can be asked
 * for that shows them to the search; of the others, and of those that came to have somebody
 * below them later, the parents of what came are read. They are kept for their names: when one
 * is renamed, no server says a word of what lies below.
 *
 * So an entry may be shown for having others below it alone, and then its classes do not say
 * what it is: the server is asked whether the filter of people, or of groups, selects it.
 */
#pragma once
#include <stdbool.h>

struct decoded;
struct error;
struct feed_environment;
struct fetches;
struct places;

int places_new(struct places **ret, struct feed_environment *env, struct fetches *fetches,
               struct error *e);
struct places *places_free(struct places *p);
void places_reset(struct places *p); /* another batch */

/* What the entry is to this search; done: it was dealt with, or will be. */
int places_judge(struct places *p, unsigned search, struct decoded *d, bool *done, struct error *e);
int places_note(struct places *p, const char *dn, struct error *e); /* an entry came */
/* Parents that the mirror does not know: 1 while they are read, else 0. full: the batch is;
 * then those of its search that it knows are present. */
int places_fetch(struct places *p, unsigned search, bool full, struct error *e);
