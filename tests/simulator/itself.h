/* What a tenant does by itself, or allows to some alone, each by a setting. */
#pragma once

#include <stdbool.h>

struct name;
struct refusal;
struct request;
struct simulator;
struct user;

/* After settings changed: presets begin, and a team's skills come to those who are in it
 * already. */
void itself_settings_changed(struct simulator *s);
/* Before each request: presets that are over. */
void itself_turn(struct simulator *s);
void itself_done(struct simulator *s);

/* Whether the API's account may see this team and who is in it. */
bool itself_sees(const struct simulator *s, const struct name *team);
/* The person behind the API's account is gone or disabled. */
bool itself_account_ended(const struct simulator *s);
/* A new user, or a change: seats, policies about logins, the right to write skills, unseen
 * teams. */
int itself_allows(const struct simulator *s, const struct request *q, const struct user *before,
                  const struct user *draft, struct refusal *why);
/* A first log-in came in between: the user is there, in the default team with the default role. */
bool itself_logged_in_first(struct simulator *s, const struct user *draft);
/* What SCIM adds to a user. */
void itself_add_scim(const struct simulator *s, bool is_new, struct user *draft);
