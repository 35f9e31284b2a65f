/*
 * Promise 26: nobody who logged in lately is disabled for being dormant, and whoever is dormant
 * is reported, or disabled within the budget, when the verification has come round. What the
 * tenant tells of log-ins is recent, old, missing, or in a form that nobody can read.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct deed;
struct happening;
struct person;
struct request;

/* Lives with it have no clock that is set: the steady clock tells as well. */
bool dormant_is(const struct person *p);
void dormant_logs_in(struct person *p, const struct happening *h);
void dormant_is_enabled(struct person *p); /* whoever did it */
/* Somebody enables whoever was disabled for it, at the tenant. */
void dormant_woken(struct person *p);
/* rosterd cannot have heard yet that somebody was. */
bool dormant_was_just_woken(const struct person *p);
/* The access of whoever is entitled to it was taken: true if for that, and rightly. */
bool dormant_disabled(struct person *p, const struct deed *d);
void dormant_answered(
    struct request *q); /* what the tenant says of a log-in that is unreadable */
void dormant_forgotten(struct person *p); /* the daemon knows less than before */
/* since_usec: nothing was out of order. */
void dormant_day_end(uint64_t since_usec);
