/*
 * A contact-center user, wanted (each value with the rule and line that gave it) or known (as
 * the tenant confirmed it). A plain value.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/source.h"

struct error;

enum user_field { /* order of the API's page; names by user_field_name() */
                  USER_LOGIN,
                  USER_FIRST_NAME,
                  USER_LAST_NAME,
                  USER_EMAIL,
                  USER_WORK_PHONE,
                  USER_MOBILE_PHONE,
                  USER_EXTENSION,
                  USER_TEAM,
                  USER_N_FIELDS
};
const char *user_field_name(enum user_field f); /* "login_id", "first_name", … "team" */
int user_field_from_name(const char *name);     /* the field, or -1 */

/* Nobody has so many roles, or skills: sorting them in would take as long as the sender likes. */
#define USER_MOST_NAMES 2000

struct user_value {
    char *text; /* wanted: NULL = not managed, "" = to be cleared; known: NULL = the tenant has
                   none */
    struct source source;
};
struct user_role {
    char *name;
    struct source source;
};
struct user_skill {
    char *name;
    unsigned level; /* 0 to 100 */
    struct source source;
};
struct user {
    struct user_value fields[USER_N_FIELDS];
    bool disabled;
    struct source disabled_source;
    struct user_role *roles; /* sorted by name */
    size_t n_roles, roles_capacity;
    bool roles_as_objects;     /* how the tenant showed them; not stored */
    uint64_t last_login_usec;  /* as a GET showed it, 0: it did not; not stored */
    struct user_skill *skills; /* sorted by name */
    size_t n_skills, skills_capacity;
};

struct user *user_new(void);
struct user *user_free(struct user *u);
struct user *user_copy(const struct user *u);
int user_copy_fields(struct user *u, const struct user *from); /* all but roles and skills */
int user_set(struct user *u, enum user_field f, const char *text, const struct source *source);
const char *user_get(const struct user *u, enum user_field f); /* borrowed, may be NULL */
/* Adds, or for a skill raises the level of, what is there; sorted by name, compared exactly. */
int user_add_role(struct user *u, const char *name, const struct source *source);
int user_add_skill(struct user *u, const char *name, unsigned level, const struct source *source);
void user_clear_roles(struct user *u);
void user_clear_skills(struct user *u);
void user_remove_role(struct user *u, const char *name);
const struct user_role *user_role(const struct user *u, const char *name);
const struct user_skill *user_skill(const struct user *u, const char *name);

/* JSON text for state and for people; with `sources` each value is
 * {"value":…,"rule":…,"file":…,"line":…}. Malloc'd. Field names are those of user_field_name(),
 * plus "disabled", "roles", "skills". */
char *user_to_json(const struct user *u, bool sources);
int user_from_json(struct user **ret, const char *json, struct error *e); /* accepts both forms */
/* NULL gives NULL. */
int user_from_json_if_any(struct user **ret, const char *json, struct error *e);

static inline void user_freep(struct user **u)
{
    if (*u)
        user_free(*u);
}
