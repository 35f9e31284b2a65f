/*
 * The user object of the Configuration API. Empty values are left out of a create, since the
 * tenant assigns an extension only when none is named. A change sends exactly what it is given:
 * properties that it does not name stay as they are at the tenant.
 */
#include "config.h"

#include "tenant/user-api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "tenant/json.h"

static const char *const property_names[USER_N_FIELDS] = {
    [USER_LOGIN] = "loginId",        [USER_FIRST_NAME] = "firstName",
    [USER_LAST_NAME] = "lastName",   [USER_EMAIL] = "email",
    [USER_WORK_PHONE] = "workPhone", [USER_MOBILE_PHONE] = "mobilePhone",
    [USER_EXTENSION] = "extension",  [USER_TEAM] = "team",
};

static json_t *skills_object(const struct user *u)
{
    json_t *skills = json_object();
    for (size_t i = 0; skills && i < u->n_skills; i++)
        if (json_object_set_new(skills, u->skills[i].name, json_integer(u->skills[i].level)) <
            0) {
            json_decref(skills);
            return NULL;
        }
    return skills;
}

/* Takes `value`, which is NULL when it could not be made. */
static int put(json_t *object, const char *property, json_t *value, struct error *e)
{
    if (!value)
        return error_set(e, -EINVAL, "a name in %s is not UTF-8 or there is no memory",
                         property);
    if (json_object_set_new_nocheck(object, property, value) < 0)
        return error_out_of_memory(e);
    return 0;
}

int user_api_create_body(char **ret, size_t *ret_size, const struct user *user,
                         const struct secret *password, bool change_password, struct error *e)
{
    json_auto_t *object = json_object();
    if (!object)
        return error_out_of_memory(e);
    int r = 0;
    for (enum user_field f = 0; f < USER_N_FIELDS && r == 0; f++) {
        const char *text = user_get(user, f);
        if (text && *text)
            r = json_put_text(object, property_names[f], text, user_field_name(f), e);
    }
    if (r == 0)
        r = put(object, "disabled", json_boolean(user->disabled), e);
    if (r == 0 && change_password)
        r = put(object, "changePassword", json_true(), e);
    if (r == 0 && user->n_skills > 0)
        r = put(object, "skills", skills_object(user), e);
    if (r == 0 && user->n_roles > 0)
        r = put(object, "roles", json_roles(user), e);
    if (r == 0 && password)
        r = json_put_text(object, "password", secret_text(password), "the password", e);
    if (r == 0)
        r = json_to_body(ret, ret_size, object, e);
    json_wipe_string(json_object_get(object, "password"));
    return r;
}

int user_api_password_body(char **ret, size_t *ret_size, const struct secret *password,
                           bool change_password, struct error *e)
{
    json_auto_t *object = json_object();
    if (!object)
        return error_out_of_memory(e);
    int r = json_put_text(object, "password", secret_text(password), "the password", e);
    if (r == 0 && change_password)
        r = put(object, "changePassword", json_true(), e);
    if (r == 0)
        r = json_to_body(ret, ret_size, object, e);
    json_wipe_string(json_object_get(object, "password"));
    return r;
}

int user_api_put_body(char **ret, size_t *ret_size, const char *team, const bool *disabled,
                      const struct user *skills_of, struct error *e)
{
    json_auto_t *object = json_object();
    if (!object)
        return error_out_of_memory(e);
    if (!team && !disabled && !skills_of)
        return error_set(e, -EINVAL, "a change that changes nothing");
    int r = 0;
    if (team)
        r = json_put_text(object, "team", team, "the team", e);
    if (r == 0 && disabled)
        r = put(object, "disabled", json_boolean(*disabled), e);
    if (r == 0 && skills_of)
        r = put(object, "skills", skills_object(skills_of), e);
    return r < 0 ? r : json_to_body(ret, ret_size, object, e);
}

static unsigned level_of(const json_t *value)
{
    uint64_t level = 0;
    if (json_is_string(value)) {
        if (text_parse_unsigned(json_string_value(value), 100, &level) < 0)
            return 0;
        return (unsigned)level;
    }
    double number = json_number_value(value);
    return number <= 0 ? 0 : number >= 100 ? 100 : (unsigned)number;
}

/* When the user logged in last, as the tenant shows it: the vendor names no property, so one that
 * speaks of a log-in, in either form of its dates, or in milliseconds. 0: not known. */
static uint64_t last_login(const json_t *info)
{
    static const char *const names[] = {"lastLoginTime", "lastLogin", "lastLoginDate", "loginTime"};
    uint64_t usec = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names) && !usec; i++) {
        const json_t *value = json_object_get(info, names[i]);
        const char *text = json_string_value(value);
        char iso[32] = "";
        if (json_is_integer(value) && json_integer_value(value) > 0)
            usec = (uint64_t)json_integer_value(value) * USEC_PER_MSEC;
        if (text && strlen(text) >= 19 && text[2] == '-') /* 06-03-2020T07:46:33 */
            snprintf(iso, sizeof(iso), "%.4s-%.5s%.9sZ", text + 6, text, text + 10);
        else if (text && strlen(text) < sizeof(iso) - 1)
            snprintf(iso, sizeof(iso), "%s%s", text, strchr(text, 'Z') ? "" : "Z");
        if (iso[0] && clock_parse(iso, &usec) < 0)
            usec = 0;
    }
    return usec;
}

int user_api_read_user(struct user **ret, bool *ret_logged_in, const char *body, size_t size,
                       struct error *e)
{
    json_auto_t *object = NULL;
    int r = json_from_body(&object, body, size, e);
    if (r < 0)
        return r;
    if (!json_is_string(json_object_get(object, "loginId")))
        return error_set(e, -EBADMSG, "the answer is not a user: it has no loginId");
    r = json_check_counts(json_object_get(object, "roles"), json_object_get(object, "skills"),
                          e);
    if (r < 0)
        return r;
    CLEANUP(user_freep) struct user *user = user_new();
    if (!user)
        return error_out_of_memory(e);
    for (enum user_field f = 0; f < USER_N_FIELDS && r == 0; f++)
        r = json_take_field(user, f, json_object_get(object, property_names[f]));
    if (r == 0)
        r = json_take_roles(user, json_object_get(object, "roles"));
    const char *name;
    json_t *level;
    json_object_foreach(json_object_get(object, "skills"), name, level) if (r == 0) r =
        user_add_skill(user, name, level_of(level), NULL);
    if (r < 0)
        return error_out_of_memory(e);
    user->disabled = json_bool_of(json_object_get(object, "disabled"), false);
    const json_t *info = json_object_get(object, "loginInfo");
    user->last_login_usec = last_login(info);
    *ret_logged_in = json_bool_of(json_object_get(info, "isLoggedIn"), false);
    *ret = TAKE(user);
    return 0;
}

static int read_names(struct string_list *ret, const char *property, const char *what,
                      const char *body, size_t size, struct error *e)
{
    json_auto_t *array = NULL;
    int r = json_from_body(&array, body, size, e);
    if (r < 0)
        return r;
    if (!json_is_array(array))
        return error_set(e, -EBADMSG, "the answer is not a list of %s", what);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        const char *name =
            json_string_value(json_is_object(item) ? json_object_get(item, property) : item);
        if (!name) /* a list of something else must not pass for a short list */
            return error_set(e, -EBADMSG, "the list of %s has an item without %s", what,
                             property);
        if (string_list_add(ret, name) < 0)
            return error_out_of_memory(e);
    }
    return 0;
}

int user_api_read_teams(struct string_list *ret, const char *body, size_t size, struct error *e)
{
    return read_names(ret, "name", "teams", body, size, e);
}

int user_api_read_directory(struct string_list *ret, const char *body, size_t size,
                            struct error *e)
{
    return read_names(ret, "loginId", "users", body, size, e);
}
