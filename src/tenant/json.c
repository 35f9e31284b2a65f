/*
 * Values of the tenant's two APIs. Writing is strict: text that is not UTF-8 is refused with
 * the property's name. Reading is tolerant, since the vendor's own pages disagree about types:
 * numbers for strings, strings for booleans, objects for names. It refuses to guess: a value of
 * another kind counts as absent.
 */
#include "config.h"

#include "tenant/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"

int json_not_made(const char *what, const char *text, struct error *e)
{
    return text && !text_is_utf8(text, strlen(text))
               ? error_set(e, -EINVAL, "the value of %s is not UTF-8", what)
               : error_out_of_memory(e);
}

int json_put_text(json_t *object, const char *property, const char *text, const char *what,
                  struct error *e)
{
    json_t *value = json_string(text);
    if (!value)
        return json_not_made(what, text, e);
    if (json_object_set_new_nocheck(object, property, value) < 0)
        return error_out_of_memory(e);
    return 0;
}

json_t *json_roles(const struct user *u)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < u->n_roles; i++)
        if (json_array_append_new(array, json_string(u->roles[i].name)) < 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

int json_to_body(char **ret, size_t *ret_size, const json_t *json, struct error *e)
{
    size_t capacity = 1024;
    char *body = malloc(capacity);
    size_t size = body ? json_dumpb(json, body, capacity, JSON_COMPACT) : 0;
    if (body && size > capacity) {
        /* The first part was written: it may hold a password already. */
        explicit_bzero(body, capacity);
        free(body);
        capacity = size;
        body = malloc(capacity);
        size = body ? json_dumpb(json, body, capacity, JSON_COMPACT) : 0;
    }
    if (!body || size == 0 || size > capacity) {
        free(body);
        return error_out_of_memory(e);
    }
    *ret = body;
    *ret_size = size;
    return 0;
}

void json_wipe_string(const json_t *string)
{
    const char *text = json_string_value(string);
    if (text)
        explicit_bzero((char *)text, strlen(text));
}

int json_from_body(json_t **ret, const char *body, size_t size, struct error *e)
{
    json_error_t where;
    json_t *json = json_loadb(body, size, 0, &where);
    if (!json)
        return error_set(e, -EBADMSG, "the answer is not JSON (line %d, column %d)", where.line,
                         where.column);
    *ret = json;
    return 0;
}

const char *json_text_of(const json_t *value, char number[static JSON_NUMBER_SIZE])
{
    static const char *const names[] = {"value", "name", "display"};
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        snprintf(number, JSON_NUMBER_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return number;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names) && !text && json_is_object(value); i++)
        text = json_string_value(json_object_get(value, names[i]));
    return text && *text ? text : NULL;
}

bool json_bool_of(const json_t *value, bool absent)
{
    if (json_is_boolean(value))
        return json_is_true(value);
    if (json_is_integer(value))
        return json_integer_value(value) != 0;
    const char *text = json_string_value(value);
    if (!text)
        return absent;
    if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0)
        return true;
    if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0)
        return false;
    return absent;
}

int json_take_field(struct user *u, enum user_field f, const json_t *value)
{
    char number[JSON_NUMBER_SIZE];
    const char *text = json_text_of(value, number);
    return text ? user_set(u, f, text, NULL) : 0;
}

int json_take_roles(struct user *u, const json_t *roles)
{
    char number[JSON_NUMBER_SIZE];
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const char *name = json_text_of(json_array_get(roles, i), number);
        int r = name ? user_add_role(u, name, NULL) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

int json_check_counts(const json_t *roles, const json_t *skills, struct error *e)
{
    if (json_array_size(roles) > USER_MOST_NAMES || json_object_size(skills) > USER_MOST_NAMES)
        return error_set(e, -E2BIG, "the answer gives one user more than %d roles or skills",
                         USER_MOST_NAMES);
    return 0;
}
