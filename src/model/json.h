/* What the JSON forms of this folder have in common. Text from here is canonical: equal values
 * give equal text. */
#pragma once
#include <jansson.h>

#include "base/memory.h"
#include "model/source.h"

static inline void json_decref_cleanup(json_t **j)
{
    json_decref(*j); /* accepts NULL */
}

char *json_to_text(const json_t *j); /* malloc'd; NULL when out of memory */
/* An object or array; NULL when it is none, with -EINVAL, or -ENOMEM, in *ret_r. jansson calls
 * some failed allocations a syntax error, so -EINVAL may mean either. */
json_t *json_from_text(const char *text, int *ret_r);

/* Adds "rule", "file" and "line" as far as they are there. -ENOMEM. */
int json_add_source(json_t *object, const struct source *s);
/* Reads them back; -EINVAL when one has the wrong type, -ENOMEM. */
int json_get_source(const json_t *object, struct source *ret);

/* A string member. Absent or null: *ret is NULL. -EINVAL when it is something else. */
int json_get_text(const json_t *object, const char *key, const char **ret);
/* The same backwards: NULL becomes null. -ENOMEM. */
int json_add_text(json_t *object, const char *key, const char *text);
