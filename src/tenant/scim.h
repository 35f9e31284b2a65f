/* SCIM 2.0 (RFC 7643, RFC 7644), as much as the tenant's user provisioning needs. Pure. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "model/user.h"

struct error;
struct secret;

#define SCIM_USER       "urn:ietf:params:scim:schemas:core:2.0:User"
#define SCIM_ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

/* The user who has this id of ours; of several the one of that login. NULL: nobody; -EBADMSG: none
 * of several has that login. */
int scim_list_ours(const json_t *list, const char *our_id, const char *login, const json_t **ret,
                   struct error *e);

/* "?filter=userName eq …" with the login quoted and percent-encoded; malloc'd; NULL when out of
 * memory. */
char *scim_lookup_query(const char *login);
char *scim_our_id_query(const char *id);  /* likewise, of externalId */
char *scim_group_query(const char *name); /* likewise, of groups */
/* *ret is the id, malloc'd, or NULL when no user has that login. -EBADMSG: not understood. */
int scim_read_lookup(char **ret, const char *login, const char *body, size_t size, struct error *e);
/* plain: as RFC 7643 has it, with the team as the department of the enterprise extension and the
 * roles as groups; else as the vendor has it. */
/* A list, which the caller gives back; of its resources the one whose property has this name, and
 * whether it shows all that there are. */
int scim_list_read(json_t **ret, const char *body, size_t size, struct error *e);
const json_t *scim_list_named(const json_t *list, const char *property, const char *name);
bool scim_list_shows_all(const json_t *list);
/* Whether each group of the user has its name. */
bool scim_names_groups(const json_t *object);
int scim_take_user(struct user **ret, char **ret_id, const json_t *object, bool plain,
                   struct error *e);
int scim_read_user(struct user **ret, char **ret_id, const char *body, size_t size,
                   struct error *e);
/* fields[f] NULL: not sent, "": cleared; roles_of NULL: not sent, else the whole set; current: as
 * in struct tenant_write. Malloc'd, not NUL-terminated. -EINVAL: nothing to change,
 * an empty login. */
int scim_patch_body(char **ret, size_t *ret_size, const char *const fields[USER_N_FIELDS],
                    const struct user *roles_of, const struct user *current, bool roles_as_objects,
                    struct error *e);
/* A member of a group, by the user's id. */
int scim_member_body(char **ret, size_t *ret_size, const char *id, bool gives, struct error *e);
int scim_password_body(char **ret, size_t *ret_size, const char *password, struct error *e);
/* A user of RFC 7643 without its roles; our_id: externalId; password: NULL for none. */
int scim_create_body(char **ret, size_t *ret_size, const struct user *u, const char *our_id,
                     const struct secret *password, struct error *e);
int scim_active_body(char **ret, size_t *ret_size, bool active, struct error *e);
