/* The user object of the Configuration API, read with the vendor's rules and written. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "store.h"

struct settings;

/* Why a request is refused: status and sentence. */
struct refusal {
    unsigned status;
    char text[240];
};

int refuse(struct refusal *why, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum property_use {
    PROPERTY_CREATE,
    PROPERTY_CHANGE, /* PUT: skills, disabled, password, changePassword, team only */
    PROPERTY_SEED    /* by hand: everything, and loginInfo, lockedOut, id besides */
};

/* Puts each property of `object` into the draft. 0, or -1 with the refusal. `merge_skills`:
 * skills that the object does not name stay. Nothing is said about what is missing. */
int property_read(const struct store *s, const struct settings *settings, enum property_use use,
                  const json_t *object, struct user *draft, struct refusal *why);
/* The same for single subjects that SCIM shares. */
int property_password(const struct settings *settings, const char *password, struct user *draft,
                      struct refusal *why);
/* Refuses a draft that lacks what a new user must have. */
int property_complete(const struct settings *settings, const struct user *draft,
                      struct refusal *why);

/* The user as GET shows it. `all` adds what only the control interface shows. */
json_t *property_write(const struct user *u, bool all);
/* Values in the form in which this tenant keeps them. */
void property_own_form(const struct settings *settings, struct user *draft);
/* The skills of the setting team-skills that this team gives are given or taken. */
void property_team_skills(const struct store *s, const struct settings *settings,
                          const struct name *team, bool gives, struct user *draft);
