/* Who gets what, by the world's own reading of the rules and templates of a plan. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct dues;
struct item;
struct person;
struct user;

const char *dues_team(const struct item *i); /* NULL: none, and so no user */
void dues_of(const struct item *i, struct dues *ret);
/* All of a user in one line: as it is, and as it should be of somebody who works. */
void dues_are(const struct user *u, const struct dues *has, char *to, size_t size);
void dues_should_be(const struct person *p, const struct user *u, const struct dues *has,
                    char *to, size_t size);
