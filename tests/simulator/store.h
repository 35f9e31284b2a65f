/* The tenant's memory: users, teams, roles, skills. It keeps unique what must be unique and
 * checks nothing else. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "table.h"

/* A team, role or skill. Once named it stays allocated, so users may point to it; whether it
 * exists is `present`. */
struct name {
    char *text;
    bool present;
};

enum name_kind {
    NAME_TEAM,
    NAME_ROLE,
    NAME_SKILL,
    NAME_KINDS
};

struct names {
    struct table by_text;
    struct name **all;
    size_t n_all;
};

struct skill {
    struct name *name;
    int level;
};

enum user_field {
    USER_LOGIN,
    USER_FIRST_NAME,
    USER_LAST_NAME,
    USER_EXTENSION,
    USER_WORK_PHONE,
    USER_MOBILE_PHONE,
    USER_DEFAULT_PHONE,
    USER_EMAIL,
    USER_NICK_NAME,
    USER_TITLE,
    USER_TIMEZONE,
    USER_FIELDS
};

struct user {
    TAILQ_ENTRY(user) link;
    char id[37];
    char *field[USER_FIELDS]; /* NULL: not set */
    struct name *team;
    struct name **roles;
    size_t n_roles;
    struct skill *skills;
    size_t n_skills;
    json_t *addresses, *photos; /* kept as they came over SCIM */
    int64_t created_ms, modified_ms, last_login_ms;
    size_t password_length; /* with its sum all that is kept of a password */
    uint64_t password_sum;  /* FNV-1a: tells whether it is another one */
    bool disabled, change_password, logged_in, locked_out;
};

TAILQ_HEAD(user_list, user);

struct store {
    struct user_list users; /* in the order of their creation */
    size_t n_users;
    struct table by_login, by_id, by_extension;
    struct names names[NAME_KINDS];
    long next_extension;
};

/* Answers of store_insert and store_replace besides 0. */
enum {
    STORE_LOGIN_TAKEN = 1,
    STORE_EXTENSION_TAKEN = 2
};

void store_init(struct store *s);
void store_done(struct store *s);

/* The team, role or skill, or NULL if it does not exist (or does no longer). Case matters. */
struct name *store_name(const struct store *s, enum name_kind kind, const char *text);
void store_name_set(struct store *s, enum name_kind kind, const char *text, bool present);

struct user *store_user(const struct store *s, const char *login);
struct user *store_user_by_id(const struct store *s, const char *id);

/* Both take the draft if they return 0; an insert gives it an id and, if it has none, an
 * extension. A replaced user keeps its place; `old` is gone afterwards. */
int store_insert(struct store *s, struct user *draft);
int store_replace(struct store *s, struct user *old, struct user *draft);
void store_delete(struct store *s, struct user *u);

struct user *user_new(void);
struct user *user_copy(const struct user *u);
struct user *user_free(struct user *u);
void user_freep(struct user **u);
void user_set(struct user *u, enum user_field field, const char *value);
void user_roles_clear(struct user *u);
void user_role_add(struct user *u, struct name *role);
void user_skills_clear(struct user *u);
void user_skill_set(struct user *u, struct name *skill, int level);
void user_skill_remove(struct user *u, const struct name *skill);
