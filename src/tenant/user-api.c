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

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json-write.h"
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

/* A body is written into memory of its final size at once, so that of a password that stands in it
 * no copy is left behind. */
struct body {
    struct buffer text;
    const char *not_utf8; /* the first property that is not; NULL: all are */
};

#define MEMBER_BYTES 32  /* of a key and what is around a value */
#define ESCAPE_BYTES 6   /* that a byte may become */
#define OTHER_BYTES  128 /* everything that has no value of anybody's */

static size_t bytes_of(const char *text)
{
    return MEMBER_BYTES + ESCAPE_BYTES * strlen(text);
}

static void body_begin(struct body *b, size_t size)
{
    *b = (struct body){0};
    if (buffer_room(&b->text, size + OTHER_BYTES))
        buffer_add(&b->text, "{", 1);
}

static void put_value(struct body *b, const char *text, const char *what)
{
    if (!text_is_utf8(text, strlen(text))) {
        b->not_utf8 = b->not_utf8 ? b->not_utf8 : what;
        text = "";
    }
    json_write_text(&b->text, text);
}

static void put_text(struct body *b, const char *property, const char *text, const char *what)
{
    json_write_key(&b->text, property);
    put_value(b, text, what);
}

static void put_bool(struct body *b, const char *property, bool value)
{
    json_write_key(&b->text, property);
    buffer_add_text(&b->text, value ? "true" : "false");
}

static size_t skills_bytes(const struct user *u)
{
    size_t n = 0;
    for (size_t i = 0; i < u->n_skills; i++)
        n += bytes_of(u->skills[i].name);
    return n;
}

static void put_skills(struct body *b, const struct user *u)
{
    json_write_key(&b->text, "skills");
    buffer_add(&b->text, "{", 1);
    for (size_t i = 0; i < u->n_skills; i++) {
        json_write_comma(&b->text);
        put_value(b, u->skills[i].name, "skills");
        buffer_add(&b->text, ":", 1);
        json_write_integer(&b->text, u->skills[i].level);
    }
    buffer_add(&b->text, "}", 1);
}

static void put_roles(struct body *b, const struct user *u)
{
    json_write_key(&b->text, "roles");
    buffer_add(&b->text, "[", 1);
    for (size_t i = 0; i < u->n_roles; i++) {
        json_write_comma(&b->text);
        put_value(b, u->roles[i].name, "roles");
    }
    buffer_add(&b->text, "]", 1);
}

static int body_end(struct body *b, char **ret, size_t *ret_size, struct error *e)
{
    size_t size;
    buffer_add(&b->text, "}", 1);
    size = b->text.size;
    if (b->not_utf8 || b->text.failed) {
        if (b->text.data)
            explicit_bzero(b->text.data, size);
        buffer_done(&b->text);
    }
    if (b->not_utf8)
        return error_set(e, -EINVAL, "the value of %s is not UTF-8", b->not_utf8);
    *ret = size ? buffer_take(&b->text) : NULL;
    if (!*ret)
        return error_out_of_memory(e);
    *ret_size = size;
    return 0;
}

int user_api_create_body(char **ret, size_t *ret_size, const struct user *user,
                         const struct secret *password, bool change_password, struct error *e)
{
    size_t size = skills_bytes(user) + (password ? bytes_of(secret_text(password)) : 0);
    struct body b;
    for (enum user_field f = 0; f < USER_N_FIELDS; f++)
        size += user_get(user, f) ? bytes_of(user_get(user, f)) : 0;
    for (size_t i = 0; i < user->n_roles; i++)
        size += bytes_of(user->roles[i].name);
    body_begin(&b, size);
    for (enum user_field f = 0; f < USER_N_FIELDS; f++) {
        const char *text = user_get(user, f);
        if (text && *text)
            put_text(&b, property_names[f], text, user_field_name(f));
    }
    put_bool(&b, "disabled", user->disabled);
    if (change_password)
        put_bool(&b, "changePassword", true);
    if (user->n_skills > 0)
        put_skills(&b, user);
    if (user->n_roles > 0)
        put_roles(&b, user);
    if (password)
        put_text(&b, "password", secret_text(password), "the password");
    return body_end(&b, ret, ret_size, e);
}

int user_api_password_body(char **ret, size_t *ret_size, const struct secret *password,
                           bool change_password, struct error *e)
{
    struct body b;
    body_begin(&b, bytes_of(secret_text(password)));
    put_text(&b, "password", secret_text(password), "the password");
    if (change_password)
        put_bool(&b, "changePassword", true);
    return body_end(&b, ret, ret_size, e);
}

int user_api_put_body(char **ret, size_t *ret_size, const char *team, const bool *disabled,
                      const struct user *skills_of, struct error *e)
{
    struct body b;
    if (!team && !disabled && !skills_of)
        return error_set(e, -EINVAL, "an empty change");
    body_begin(&b, (team ? bytes_of(team) : 0) + (skills_of ? skills_bytes(skills_of) : 0));
    if (team)
        put_text(&b, "team", team, "the team");
    if (disabled)
        put_bool(&b, "disabled", *disabled);
    if (skills_of)
        put_skills(&b, skills_of);
    return body_end(&b, ret, ret_size, e);
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

/* 2000 to 9999: nothing else is a log-in, and another number may be of a form that is not known. */
static bool number_of_time(double number, uint64_t *ret_usec)
{
    bool seconds = number >= 946684800.0 && number < 253402300800.0;
    if (!seconds && !(number >= 946684800000.0 && number < 253402300800000.0))
        return false;
    *ret_usec = (uint64_t)(number * (seconds ? (double)USEC_PER_SEC : (double)USEC_PER_MSEC));
    return true;
}

static bool text_of_time(const char *text, uint64_t *ret_usec)
{
    char iso[32] = "";
    uint64_t number;
    if (text_parse_unsigned(text, UINT64_MAX, &number) == 0)
        return number_of_time((double)number, ret_usec);
    if (strlen(text) >= 19 && text[2] == '-') /* 06-03-2020T07:46:33 */
        snprintf(iso, sizeof(iso), "%.4s-%.5s%.9sZ", text + 6, text, text + 10);
    else if (strlen(text) < sizeof(iso) - 1)
        snprintf(iso, sizeof(iso), "%s%s", text, strchr(text, 'Z') ? "" : "Z");
    return iso[0] && clock_parse(iso, ret_usec) == 0;
}

/* How "never" is written: nothing, 0, or a date before there were tenants. */
static bool is_no_time(const json_t *value)
{
    const char *text = json_string_value(value);
    size_t n = text ? strlen(text) : 0;
    if (text)
        return !*text || strcmp(text, "0") == 0 ||
               (n >= 10 && text[4] == '-' && (text[0] == '0' || strncmp(text, "19", 2) == 0)) ||
               (n >= 10 && text[2] == '-' && (text[6] == '0' || strncmp(text + 6, "19", 2) == 0));
    return json_is_number(value) ? json_number_value(value) <= 0 : !json_is_true(value);
}

/* When the user logged in last, as the tenant shows it: the vendor names no property, so one that
 * speaks of a log-in, in either form of its dates, or in seconds or milliseconds. 0: not known, or
 * never. In a form that nobody knows it may have been today, and nobody is dormant by that. */
static uint64_t last_login(const json_t *info)
{
    static const char *const names[] = {"lastLoginTime", "lastLogin", "lastLoginDate", "loginTime"};
    uint64_t usec = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names) && !usec; i++) {
        const json_t *value = json_object_get(info, names[i]);
        const char *text = json_string_value(value);
        if (!value || is_no_time(value))
            continue;
        bool read = text ? text_of_time(text, &usec)
                         : json_is_number(value) && number_of_time(json_number_value(value), &usec);
        if (!read)
            usec = clock_date_usec();
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
    r = json_check_counts(json_object_get(object, "roles"), json_object_get(object, "skills"), e);
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
    json_object_foreach (json_object_get(object, "skills"), name, level)
        if (r == 0)
            r = user_add_skill(user, name, level_of(level), NULL);
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
            return error_set(e, -EBADMSG, "the list of %s has an item without %s", what, property);
        if (string_list_add(ret, name) < 0)
            return error_out_of_memory(e);
    }
    return 0;
}

int user_api_read_teams(struct string_list *ret, const char *body, size_t size, struct error *e)
{
    return read_names(ret, "name", "teams", body, size, e);
}

int user_api_read_directory(struct string_list *ret, const char *body, size_t size, struct error *e)
{
    return read_names(ret, "loginId", "users", body, size, e);
}
