/*
 * SCIM bodies. The PATCH uses the forms that servers agree on most:
 * - single values by path: {"op": "replace", "path": "name.givenName", "value": "…"};
 * - the address by replacing all of `emails`, since the tenant keeps one, and a filtered path
 *   without a match is an error (RFC 7644, 3.5.2.3, noTarget);
 * - a phone of a type that the user has by "replace" with the path
 *   `phoneNumbers[type eq "work"].value`, and one of another type by "add" of a value to
 *   `phoneNumbers`: strict servers refuse a filtered path that matches nothing, whatever the
 *   operation. Replacing all of `phoneNumbers` would drop the numbers that nobody manages;
 * - the roles by replacing all of `roles`, as names, as the vendor's page gives them, or as
 *   objects where the server shows objects.
 *
 * Looking up trusts no filter: the answer's userName must be the login that was asked for, so
 * that a tenant that ignores the filter does not make us patch somebody else.
 */
#include "config.h"

#include "tenant/scim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "tenant/http.h"
#include "tenant/json.h"

#define PATCH_SCHEMA "urn:ietf:params:scim:api:messages:2.0:PatchOp"

/* What stands between the quotes of a filter, which is a JSON string (RFC 7644, 3.4.2.2). */
static char *quote(const char *value)
{
    char *quoted = malloc(strlen(value) * 2 + 1), *out = quoted;
    if (!quoted)
        return NULL;
    for (const char *in = value; *in; in++) {
        if (*in == '"' || *in == '\\')
            *out++ = '\\';
        *out++ = *in;
    }
    *out = '\0';
    return quoted;
}

/* before: up to the value. */
static char *equal_query(const char *before, const char *login, const char *after)
{
    CLEANUP(freep) char *quoted = quote(login);
    CLEANUP(freep) char *escaped = quoted ? http_escape(quoted) : NULL;
    char *query = NULL;
    if (!escaped || asprintf(&query, "%s%s%s", before, escaped, after) < 0)
        return NULL;
    return query;
}

char *scim_lookup_query(const char *login)
{
    return equal_query("?filter=userName%20eq%20%22", login, "%22");
}

char *scim_our_id_query(const char *id)
{
    return equal_query("?filter=externalId%20eq%20%22", id, "%22");
}

char *scim_group_query(const char *name)
{
    return equal_query("?filter=displayName%20eq%20%22", name, "%22&attributes=displayName");
}

static int id_of(char **ret, const json_t *resource, struct error *e)
{
    char number[JSON_NUMBER_SIZE];
    const json_t *value = json_object_get(resource, "id");
    const char *id = json_is_object(value) ? NULL : json_text_of(value, number);
    if (!id)
        return error_set(e, -EBADMSG, "the SCIM user in the answer has no id");
    *ret = strdup(id);
    return *ret ? 0 : error_out_of_memory(e);
}

int scim_read_lookup(char **ret, const char *login, const char *body, size_t size, struct error *e)
{
    json_auto_t *list = NULL;
    int r = json_from_body(&list, body, size, e);
    if (r < 0)
        return r;
    const json_t *resources = json_object_get(list, "Resources"), *found = NULL;
    const json_t *total = json_object_get(list, "totalResults");
    if (!json_is_integer(total) && !json_is_array(resources))
        return error_set(e, -EBADMSG, "the answer is not a SCIM list");
    size_t n = json_array_size(resources);
    for (size_t i = 0; i < n; i++) {
        const json_t *resource = json_array_get(resources, i);
        const char *name = json_string_value(json_object_get(resource, "userName"));
        if (name && strcmp(name, login) == 0) {
            found = resource;
            break;
        }
        /* userName is not case-exact (RFC 7643, 4.1.1). */
        if (name && strcasecmp(name, login) == 0)
            found = resource;
    }
    if (found)
        return id_of(ret, found, e);
    if (json_integer_value(total) > (json_int_t)n)
        return error_set(e, -EBADMSG, "the SCIM list is longer than what it shows");
    *ret = NULL;
    return 0;
}

/* The element of a multi-valued attribute with that type; NULL: none. */
static const json_t *typed(const json_t *array, const char *type)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        const char *t = json_string_value(json_object_get(item, "type"));
        if (t && strcasecmp(t, type) == 0)
            return json_object_get(item, "value");
    }
    return NULL;
}

static const json_t *mail_of(const json_t *emails)
{
    for (size_t i = 0; i < json_array_size(emails); i++) {
        const json_t *item = json_array_get(emails, i);
        if (json_bool_of(json_object_get(item, "primary"), false))
            return json_object_get(item, "value");
    }
    const json_t *work = typed(emails, "work");
    return work ? work : json_array_get(emails, 0);
}

static const json_t *team_of(const json_t *groups)
{
    const json_t *first = json_array_get(groups, 0), *display = NULL;
    if (json_is_object(first))
        display = json_object_get(first, "display");
    return display ? display : first;
}

/* The groups that a user is in by itself, not by another group; see scim_names_groups(). */
static int take_groups(struct user *u, const json_t *groups, struct error *e)
{
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i);
        const char *name = json_string_value(json_object_get(group, "display")),
                   *type = json_string_value(json_object_get(group, "type"));
        if (type && strcasecmp(type, "indirect") == 0)
            continue;
        if (name && user_add_role(u, name, NULL) < 0)
            return error_out_of_memory(e);
    }
    return 0;
}

bool scim_names_groups(const json_t *object)
{
    const json_t *groups = json_object_get(object, "groups");
    for (size_t i = 0; i < json_array_size(groups); i++)
        if (!json_string_value(json_object_get(json_array_get(groups, i), "display")))
            return false;
    return true;
}

int scim_take_user(struct user **ret, char **ret_id, const json_t *object, bool plain,
                   struct error *e)
{
    const char *list = plain ? "groups" : "roles";
    if (!json_is_string(json_object_get(object, "userName")))
        return error_set(e, -EBADMSG, "the answer is not a SCIM user: it has no userName");
    int r = json_check_counts(json_object_get(object, list), NULL, e);
    if (r < 0)
        return r;
    CLEANUP(freep) char *id = NULL;
    r = id_of(&id, object, e);
    if (r < 0)
        return r;
    const json_t *name = json_object_get(object, "name");
    const json_t *phones = json_object_get(object, "phoneNumbers");
    const json_t *values[USER_N_FIELDS] = {
        [USER_LOGIN] = json_object_get(object, "userName"),
        [USER_FIRST_NAME] = json_object_get(name, "givenName"),
        [USER_LAST_NAME] = json_object_get(name, "familyName"),
        [USER_EMAIL] = mail_of(json_object_get(object, "emails")),
        [USER_WORK_PHONE] = typed(phones, "work"),
        [USER_MOBILE_PHONE] = typed(phones, "mobile"),
        [USER_EXTENSION] = typed(phones, "extension"),
        [USER_TEAM] = plain
                          ? json_object_get(json_object_get(object, SCIM_ENTERPRISE), "department")
                          : team_of(json_object_get(object, "groups")),
    };
    CLEANUP(user_freep) struct user *user = user_new();
    if (!user)
        return error_out_of_memory(e);
    for (enum user_field f = 0; f < USER_N_FIELDS && r == 0; f++)
        r = json_take_field(user, f, values[f]);
    if (r == 0 && !plain)
        r = json_take_roles(user, json_object_get(object, "roles"));
    if (r < 0)
        return error_out_of_memory(e);
    if (plain && (r = take_groups(user, json_object_get(object, "groups"), e)) < 0)
        return r;
    user->disabled = !json_bool_of(json_object_get(object, "active"), true);
    user->roles_as_objects = json_is_object(json_array_get(json_object_get(object, "roles"), 0));
    *ret = TAKE(user);
    *ret_id = TAKE(id);
    return 0;
}

int scim_read_user(struct user **ret, char **ret_id, const char *body, size_t size, struct error *e)
{
    json_auto_t *object = NULL;
    int r = json_from_body(&object, body, size, e);
    return r < 0 ? r : scim_take_user(ret, ret_id, object, false, e);
}

/* -- lists -- */

const json_t *scim_list_named(const json_t *list, const char *property, const char *name)
{
    const json_t *resources = json_object_get(list, "Resources"), *found = NULL;
    for (size_t i = 0; i < json_array_size(resources); i++) {
        const json_t *resource = json_array_get(resources, i);
        const char *is = json_string_value(json_object_get(resource, property));
        if (is && strcmp(is, name) == 0)
            return resource;
        if (is && strcasecmp(is, name) == 0)
            found = resource;
    }
    return found;
}

int scim_list_ours(const json_t *list, const char *our_id, const char *login, const json_t **ret,
                   struct error *e)
{
    const json_t *resources = json_object_get(list, "Resources"), *found = NULL;
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(resources); i++) {
        const json_t *user = json_array_get(resources, i);
        const char *is = json_string_value(json_object_get(user, "userName"));
        if (!text_equal(json_string_value(json_object_get(user, "externalId")), our_id))
            continue;
        found = user;
        bool named = is && text_equal_fold(is, login);
        n = named ? 1 : n + 1;
        if (named)
            break;
    }
    if (n > 1)
        return error_set(e, -EBADMSG, "%zu users have the same externalId", n);
    *ret = found;
    return 0;
}

int scim_list_read(json_t **ret, const char *body, size_t size, struct error *e)
{
    json_t *list = NULL;
    int rc = json_from_body(&list, body, size, e);
    if (rc < 0)
        return rc;
    if (!json_is_integer(json_object_get(list, "totalResults"))) {
        json_decref(list);
        return error_set(e, -EBADMSG, "the answer is not a SCIM list");
    }
    *ret = list;
    return 0;
}

bool scim_list_shows_all(const json_t *list)
{
    return json_integer_value(json_object_get(list, "totalResults")) <=
           (json_int_t)json_array_size(json_object_get(list, "Resources"));
}

/* -- PATCH -- */

static const struct {
    const char *path;
    const char *whole; /* what to remove when the value is cleared */
    const char *phone; /* the type of phone that it is; NULL: none */
} places[USER_N_FIELDS] = {
    [USER_LOGIN] = {"userName", NULL, NULL},
    [USER_FIRST_NAME] = {"name.givenName", "name.givenName", NULL},
    [USER_LAST_NAME] = {"name.familyName", "name.familyName", NULL},
    [USER_EMAIL] = {"emails", "emails", NULL},
    [USER_WORK_PHONE] = {"phoneNumbers[type eq \"work\"].value", "phoneNumbers[type eq \"work\"]",
                         "work"},
    [USER_MOBILE_PHONE] = {"phoneNumbers[type eq \"mobile\"].value",
                           "phoneNumbers[type eq \"mobile\"]", "mobile"},
    [USER_EXTENSION] = {"phoneNumbers[type eq \"extension\"].value",
                        "phoneNumbers[type eq \"extension\"]", "extension"},
    [USER_TEAM] = {SCIM_ENTERPRISE ":department", SCIM_ENTERPRISE ":department", NULL},
};

/* The tenant keeps one. */
static json_t *one_mail(const char *address)
{
    return json_pack("[{s:s, s:s, s:b}]", "value", address, "type", "work", "primary", 1);
}

/* Takes `value`; NULL there stands for one that could not be made, of `text` if there is one. */
static int add_operation(json_t *operations, const char *op, const char *path, json_t *value,
                         const char *what, const char *text, struct error *e)
{
    if (!value)
        return json_not_made(what, text, e);
    json_t *operation = json_pack("{s:s, s:s, s:o}", "op", op, "path", path, "value", value);
    if (json_array_append_new(operations, operation) < 0)
        return error_out_of_memory(e);
    return 0;
}

/* `current` NULL: whether the user has such a phone is not known, and "add" is the form that
 * most servers take in both cases. */
static int add_phone(json_t *operations, enum user_field f, const char *text,
                     const struct user *current, struct error *e)
{
    const char *name = user_field_name(f);
    if (current && !user_get(current, f))
        return add_operation(operations, "add", "phoneNumbers",
                             json_pack("[{s:s, s:s}]", "type", places[f].phone, "value", text),
                             name, text, e);
    return add_operation(operations, current ? "replace" : "add", places[f].path, json_string(text),
                         name, text, e);
}

static int add_field(json_t *operations, enum user_field f, const char *text,
                     const struct user *current, struct error *e)
{
    const char *name = user_field_name(f);
    if (*text == '\0') {
        if (!places[f].whole)
            return error_set(e, -EINVAL, "%s cannot be cleared", name);
        json_t *operation = json_pack("{s:s, s:s}", "op", "remove", "path", places[f].whole);
        return json_array_append_new(operations, operation) < 0 ? error_out_of_memory(e) : 0;
    }
    if (places[f].phone)
        return add_phone(operations, f, text, current, e);
    json_t *value = f == USER_EMAIL ? one_mail(text) : json_string(text);
    return add_operation(operations, "replace", places[f].path, value, name, text, e);
}

static json_t *role_objects(const struct user *u)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < u->n_roles; i++)
        if (json_array_append_new(array, json_pack("{s:s}", "value", u->roles[i].name)) < 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static int patch_to_body(char **ret, size_t *ret_size, json_t *operations, struct error *e)
{
    json_auto_t *body =
        json_pack("{s:[s], s:O}", "schemas", PATCH_SCHEMA, "Operations", operations);
    return body ? json_to_body(ret, ret_size, body, e) : error_out_of_memory(e);
}

int scim_patch_body(char **ret, size_t *ret_size, const char *const fields[USER_N_FIELDS],
                    const struct user *roles_of, const struct user *current, bool roles_as_objects,
                    struct error *e)
{
    json_auto_t *operations = json_array();
    int r = operations ? 0 : error_out_of_memory(e);
    for (enum user_field f = 0; f < USER_N_FIELDS && r == 0; f++)
        if (fields[f])
            r = add_field(operations, f, fields[f], current, e);
    if (r == 0 && roles_of)
        r = add_operation(operations, "replace", "roles",
                          roles_as_objects ? role_objects(roles_of) : json_roles(roles_of), "roles",
                          NULL, e);
    if (r < 0)
        return r;
    if (json_array_size(operations) == 0)
        return error_set(e, -EINVAL, "an empty change");
    return patch_to_body(ret, ret_size, operations, e);
}

int scim_member_body(char **ret, size_t *ret_size, const char *id, bool gives, struct error *e)
{
    CLEANUP(freep) char *path = NULL, *quoted = quote(id);
    json_auto_t *operations = NULL;
    if (!quoted || asprintf(&path, "members[value eq \"%s\"]", quoted) < 0) {
        path = NULL;
        return error_out_of_memory(e);
    }
    operations = gives ? json_pack("[{s:s, s:s, s:[{s:s}]}]", "op", "add", "path", "members",
                                   "value", "value", id)
                       : json_pack("[{s:s, s:s}]", "op", "remove", "path", path);
    return operations ? patch_to_body(ret, ret_size, operations, e)
                      : json_not_made("the id", id, e);
}

int scim_password_body(char **ret, size_t *ret_size, const char *password, struct error *e)
{
    json_t *value = json_string(password);
    json_auto_t *operations = json_array();
    int r = operations
                ? add_operation(operations, "replace", "password", value, "password", password, e)
                : error_out_of_memory(e);
    if (r == 0)
        r = patch_to_body(ret, ret_size, operations, e);
    json_wipe_string(value);
    return r;
}

int scim_active_body(char **ret, size_t *ret_size, bool active, struct error *e)
{
    json_auto_t *operations = json_array();
    int r = operations ? add_operation(operations, "replace", "active", json_boolean(active),
                                       "active", NULL, e)
                       : error_out_of_memory(e);
    return r < 0 ? r : patch_to_body(ret, ret_size, operations, e);
}

/* -- what a service of RFC 7643 is given -- */

static int put_text(json_t *object, const char *property, const char *text, const char *what,
                    struct error *e)
{
    return text && *text ? json_put_text(object, property, text, what, e) : 0;
}

static int put(json_t *object, const char *property, json_t *value, struct error *e)
{
    return !value || json_object_set_new(object, property, value) < 0 ? error_out_of_memory(e) : 0;
}

static int add_phones(json_t *object, const struct user *u, struct error *e)
{
    json_t *phones = json_array();
    int r = phones ? 0 : error_out_of_memory(e);
    for (int f = 0; f < USER_N_FIELDS && r == 0; f++) {
        const char *type = places[f].phone, *number = user_get(u, (enum user_field)f);
        if (type && number && *number &&
            json_array_append_new(phones, json_pack("{s:s, s:s}", "value", number, "type", type)))
            r = json_not_made("a phone number", number, e);
    }
    if (r < 0 || !json_array_size(phones)) {
        json_decref(phones);
        return r;
    }
    return put(object, "phoneNumbers", phones, e);
}

static int add_name(json_t *object, const struct user *u, struct error *e)
{
    json_auto_t *name = json_object();
    int r = name ? put_text(name, "givenName", user_get(u, USER_FIRST_NAME), "the first name", e)
                 : error_out_of_memory(e);
    if (r == 0)
        r = put_text(name, "familyName", user_get(u, USER_LAST_NAME), "the last name", e);
    return r < 0 ? r : put(object, "name", json_incref(name), e);
}

int scim_create_body(char **ret, size_t *ret_size, const struct user *u, const char *our_id,
                     const struct secret *password, struct error *e)
{
    const char *mail = user_get(u, USER_EMAIL), *team = user_get(u, USER_TEAM);
    bool in_team = team && *team;
    json_auto_t *object = in_team ? json_pack("{s:[s,s]}", "schemas", SCIM_USER, SCIM_ENTERPRISE)
                                  : json_pack("{s:[s]}", "schemas", SCIM_USER);
    int r = object ? put_text(object, "userName", user_get(u, USER_LOGIN), "the login", e)
                   : error_out_of_memory(e);
    if (r == 0)
        r = put_text(object, "externalId", our_id, "the entry's id", e);
    if (r == 0)
        r = add_name(object, u, e);
    if (r == 0 && mail && *mail)
        r = put(object, "emails", one_mail(mail), e);
    if (r == 0)
        r = add_phones(object, u, e);
    if (r == 0)
        r = put(object, "active", json_boolean(!u->disabled), e);
    if (r == 0 && in_team)
        r = put(object, SCIM_ENTERPRISE, json_pack("{s:s}", "department", team), e);
    if (r == 0 && password)
        r = json_put_text(object, "password", secret_text(password), "the password", e);
    if (r == 0)
        r = json_to_body(ret, ret_size, object, e);
    json_wipe_string(json_object_get(object, "password"));
    return r;
}
