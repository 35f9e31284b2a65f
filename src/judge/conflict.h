/*
 * Roles that nobody may have together ([conflict "NAME"]), compared as the tenant compares
 * roles, without case. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct ruleset_conflict;
struct user;
struct user_role;

struct conflicts {
    const struct ruleset_conflict *items; /* borrowed */
    size_t n_items;
};

/* The conflict that giving `role` makes for somebody who has the roles of `has`; *ret_other is the
 * role that is in the way. NULL: none. */
const struct ruleset_conflict *conflict_with(const struct conflicts *c, const char *role,
                                             const struct user *has,
                                             const struct user_role **ret_other);
/* As the tenant compares them. */
const struct user_role *conflict_role(const struct user *u, const char *role);
/* What is said of it; returns buffer. */
char *conflict_sentence(const struct ruleset_conflict *c, const struct user_role *wanted,
                        const struct user_role *other, char *buffer, size_t size);
