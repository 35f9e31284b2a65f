/*
 * Which groups name the entries that have just appeared. A server repairs the members of a
 * group when one of them moves, and tells nobody (OpenLDAP's refint, Active Directory's linked
 * attributes): who comes back from outside the base would stand in no group that we know.
 */
#pragma once
#include <stdbool.h>

struct error;
struct feed_environment;
struct newcomers;
struct string_list;

/* done: once for each newcomers_ask(); groups: their ids, borrowed until it returns. */
int newcomers_new(struct newcomers **ret, struct feed_environment *env,
                  void (*done)(const struct string_list *groups, void *userdata),
                  void (*failed)(int r, const struct error *e, void *userdata), void *userdata,
                  struct error *e);
struct newcomers *newcomers_free(struct newcomers *n);
void newcomers_reset(struct newcomers *n); /* forgets all, and what is under way */
int newcomers_add(struct newcomers *n, const char *dn, struct error *e);
bool newcomers_any(const struct newcomers *n);    /* has some that nobody was asked about */
bool newcomers_asking(const struct newcomers *n); /* a search runs */
int newcomers_ask(struct newcomers *n, struct error *e);
