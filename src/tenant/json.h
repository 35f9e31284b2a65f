/* What user-api.c and scim.c share: jansson values to and from text, tolerant in reading. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "model/user.h"

struct error;

/* A string, or -EINVAL with a sentence when the text is not UTF-8. `what` names the property.
 */
int json_put_text(json_t *object, const char *property, const char *text, const char *what,
                  struct error *e);
/* Why no JSON could be made of a text: -EINVAL when it is not UTF-8, else -ENOMEM; with a sentence.
 * `what` names the property; text: NULL where it is known to be UTF-8. */
int json_not_made(const char *what, const char *text, struct error *e);
/* The roles as an array of names. NULL when out of memory or not UTF-8. */
json_t *json_roles(const struct user *u);
/* Compact text, malloc'd; no copy of it is left in freed memory. */
int json_to_body(char **ret, size_t *ret_size, const json_t *json, struct error *e);
/* Overwrites the string inside; for passwords and tokens. */
void json_wipe_string(const json_t *string);

/* An object or array out of a body that may hold anything else. */
int json_from_body(json_t **ret, const char *body, size_t size, struct error *e);

/* The text of a string, a whole number, or of an object's "value", "name" or "display"; NULL
 * when there is none or it is empty. `number` is room for the digits. */
#define JSON_NUMBER_SIZE 24
const char *json_text_of(const json_t *value, char number[static JSON_NUMBER_SIZE]);
bool json_bool_of(const json_t *value, bool absent); /* true, "true", 1 */
/* Sets the field when there is a text. -ENOMEM. */
int json_take_field(struct user *u, enum user_field f, const json_t *value);
int json_take_roles(struct user *u, const json_t *roles);

/* -EBADMSG: more than USER_MOST_NAMES of a kind. */
int json_check_counts(const json_t *roles, const json_t *skills, struct error *e);
