/* Who has what is asked for while the lines are read, and who is called what. */
#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "audit/audit.h"
#include "audit/known.h"

struct login_holders {
    struct known ids;
    struct known logins; /* folded; of who has it, or was renamed */
};
void holders_done(struct login_holders *k);
/* NULL: they are not known, and are not to be; or there is no memory. */
struct audit_holder *holders_get(struct login_holders *k, const json_t *person, bool make);
/* By a folded login; or NULL. */
struct audit_holder *holders_called(const struct login_holders *k, const char *key);
/* What the user is called now: another who was called so is not any more. */
int holders_call(struct login_holders *k, struct audit_holder *h, const char *login);
/* Who does not have it is remembered by a few bytes, but for a name that lines do not have. */
int holders_settle(struct login_holders *k, const json_t *person);
/* Hands over who has it. */
int holders_gather(struct login_holders *k, struct audit_who *w);
