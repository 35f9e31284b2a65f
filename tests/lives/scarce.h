/*
 * What not everybody can have. Promise 24: never more users work than there are seats; whoever
 * waits for one waits for nothing else, and none stays free meanwhile. Promise 25: nobody is
 * given two roles that conflict, nobody loses one that the rules still give for the other one's
 * sake, and whoever would have both is held with both rules named.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct dues;
struct person;

/* A request that writes is carried out between the two. */
void scarce_before(const char *login);
void scarce_after(const struct person *p, const char *method);
/* Of two roles that conflict only the one that they have is due. */
void scarce_apply(const struct person *p, const struct dues *is, struct dues *due);
bool scarce_waits_for_seat(const json_t *operation);
/* Whoever waits for a seat: there is none. */
bool scarce_is_full(void);
/* What the daemon's plan says of seats and roles is so. */
void scarce_check(const json_t *operations);
