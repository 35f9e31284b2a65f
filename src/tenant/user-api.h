/* Bodies of the Configuration API: what a create and a change send, what reads bring. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct error;
struct secret;
struct string_list;
struct user;

/* Bodies are malloc'd, not NUL-terminated. -EINVAL: a value that JSON cannot carry. */
int user_api_create_body(char **ret, size_t *ret_size, const struct user *user,
                         const struct secret *password, bool change_password, struct error *e);
int user_api_password_body(char **ret, size_t *ret_size, const struct secret *password,
                           bool change_password, struct error *e);
int user_api_put_body(char **ret, size_t *ret_size, const char *team, const bool *disabled,
                      const struct user *skills_of, struct error *e);

/* -EBADMSG: not what this call gets. Unknown properties are ignored. */
int user_api_read_user(struct user **ret, bool *ret_logged_in, const char *body, size_t size,
                       struct error *e);
int user_api_read_teams(struct string_list *ret, const char *body, size_t size, struct error *e);
/* The logins of the directory listing. */
int user_api_read_directory(struct string_list *ret, const char *body, size_t size,
                            struct error *e);
