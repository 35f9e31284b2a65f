/*
 * Promise 2: the API user, logins that are protected by name and the last active holder of a
 * privileged role lose no access, no name and no role.
 */
#pragma once
#include <stdbool.h>

struct user;

/* A request that writes is carried out between the two. */
void guarded_before(const char *login);
void guarded_after(const char *login, const char *method, const char *target);
/* Their operation may be held for ever. */
bool guarded_is(const char *login);
