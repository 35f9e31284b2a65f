/* What the JSON forms of this folder have in common. Text from here is canonical: equal values
 * give equal text. */
#pragma once
#include <jansson.h>

#include "base/json-read.h"
#include "base/json-write.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/source.h"

static inline void json_decref_cleanup(json_t **j)
{
    json_decref(*j); /* accepts NULL */
}

/* As json_dumps(), whose text may lack a piece where memory was short; malloc'd, or NULL. */
char *json_to_text(const json_t *j, size_t flags);
/* An object or array; NULL when it is none, with -EINVAL, or -ENOMEM, in *ret_r. jansson calls
 * some failed allocations a syntax error, so -EINVAL may mean either. */
json_t *json_from_text(const char *text, int *ret_r);

/* A string member; NULL when it is none. */
static inline const char *json_text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}
static inline bool json_text_is(const json_t *object, const char *name, const char *text)
{
    return text_equal(json_text_of(object, name), text);
}
/* A string member. Absent or null: *ret is NULL. -EINVAL when it is something else. */
int json_get_text(const json_t *object, const char *key, const char **ret);
/* A member that is an array of strings, added to the list. -EINVAL when it is something else. */
int json_get_texts(const json_t *object, const char *key, struct string_list *l);

/* A member: the key, and these as an array. */
void json_write_texts(struct buffer *b, const char *key, const struct string_list *l);

/* "file", "line" and "rule", in this order, as far as they are there: members of the object that
 * is open. */
void json_write_source(struct buffer *b, const struct source *s);
/* The value of the member `key`, when it is one of these; every other one is skipped. One that
 * comes twice is refused. */
void json_read_source(struct json_reader *r, const char *key, struct source *ret);
