/*
 * What the tenant does by itself, and in which form it answers (tests/simulator/settings.c): a plan
 * says which of it (WHAT_HABIT). None of it is anybody's hand, and none of it may keep a user from
 * being as the rules say.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "hands.h"

enum habit_kind {
    HABIT_GIVES,
    HABIT_DROPS,
    HABIT_ACQUIRES,
    HABIT_PHONES,
    HABIT_MAIL,
    HABIT_MAKES,
    HABIT_ROLE,
    HABIT_MERGES,
    HABIT_ZERO,
    HABIT_VALUES,
    HABIT_STRICT,
    HABIT_DATES,
    HABIT_SOFTPHONE,
    HABIT_LIFETIME,
    HABIT_ERRORS,
    HABIT_PRESET, /* an act */
    HABITS
};
const char *habit_name(enum habit_kind k); /* in a plan */

struct happening;
struct person;
struct plan;
struct user;

void habits_begin(const struct plan *p);
void habits_end(void);
/* For a while a team has another level of a skill. */
void habits_happen(const struct happening *h);
bool habits_any(void);
/* Somebody's first log-in makes the user right before rosterd does. */
bool habits_make_users(void);
bool habits_lower_mail(void);
/* A request that an intent does not tell all of: this is the tenant's own. */
bool habits_explain(const char *name, const char *before, const char *after, const char *told);
/* What somebody has by that, instead of what is due. */
void habits_apply(const struct person *p, const struct dues *is, struct dues *due);
void habits_touched(struct person *p); /* something about them changed meanwhile */
/* For a while, or what came after it is not known to be as before. */
bool habits_hold(const struct person *p);
/* The level of a skill is the tenant's own, until everybody has been read after it. */
bool habits_unread(const struct person *p, enum due fact);
/* Nobody can say by the audit who had it. */
bool habits_give(enum due fact);
/* Text that the tenant keeps in its own form, made the same. */
void habits_form(bool phones, char *text, size_t size);
