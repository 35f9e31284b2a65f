/* What the world does to the tenant. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define API_USER "api.user"

/* Every connection is cut. */
void tenant_cut(void);
/* From now on so many of a hundred requests meet the trouble; until it ends. */
void tenant_trouble(const char *trouble, unsigned percent, uint64_t number);
void tenant_trouble_ends(void);
/* It refuses one user, or answers what is asked of one with another; until it ends. */
void tenant_trouble_of(const char *trouble, const char *login, const char *other_login);
void tenant_trouble_of_ends(void);
bool tenant_is_troubled(void);
uint64_t tenant_trouble_usec(void); /* when that began; 0: there is none */
/* Since when it has answered everything so, and nothing otherwise; 0: it does not. */
uint64_t tenant_denies_usec(unsigned status);
/* When it answered anything well last; 0: never. */
uint64_t tenant_answered_usec(void);
/* When it refused to write that user first, whom alone it refuses; 0: it has not. */
uint64_t tenant_refused_usec(const char *login);
/* By hand; false: there was nobody to disable. */
bool tenant_disable(const char *login);
/* The same for whoever is disabled. */
bool tenant_enable(const char *login);
void tenant_logs_in(const char *login, uint64_t seconds_ago);
/* The level of a skill there; 0: it is taken away, or the role is. false: it was not there. */
bool tenant_set(const char *login, const char *fact, int level);
const char *tenant_team(const char *login); /* NULL: there is no such user */
struct dues;
/* Who has what; false: there is no such user. */
bool tenant_dues(const char *login, struct dues *ret);
/* Somebody begins to work, or ends. */
void tenant_shift(const char *login, bool on);
