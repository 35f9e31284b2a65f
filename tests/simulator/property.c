/* Properties of the Configuration API: one table of names and types, and the tenant's rules for
 * the values. It changes nothing but the draft that it is given. */
#include "config.h"

#include "property.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "simulator.h"

struct reading {
    const struct store *store;
    const struct settings *settings;
    enum property_use use;
    struct user *draft;
    struct refusal *why;
};

typedef int property_reader(const struct reading *r, const char *key, const json_t *value);

int refuse(struct refusal *why, unsigned status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof(why->text), format, arguments);
    va_end(arguments);
    why->status = status;
    return -1;
}

static int refuse_type(const struct reading *r, const char *key, const char *type)
{
    return refuse(r->why, 400, "property '%s' must be %s", key, type);
}

static const struct {
    const char *key;
    enum user_field field;
} text_properties[] = {
    {"loginId", USER_LOGIN},        {"firstName", USER_FIRST_NAME},
    {"lastName", USER_LAST_NAME},   {"extension", USER_EXTENSION},
    {"workPhone", USER_WORK_PHONE}, {"mobilePhone", USER_MOBILE_PHONE},
    {"email", USER_EMAIL},
};

static int read_text(const struct reading *r, const char *key, const json_t *value)
{
    const char *text = json_string_value(value);
    if (!text)
        return refuse_type(r, key, "a string");
    for (size_t i = 0; i < ELEMENTS(text_properties); i++) {
        enum user_field field = text_properties[i].field;
        if (strcmp(text_properties[i].key, key) != 0)
            continue;
        if (field == USER_EXTENSION && *text && !text_is_digits(text))
            return refuse(r->why, 400, "property 'extension' must consist of digits");
        user_set(r->draft, field, *text ? text : NULL);
    }
    return 0;
}

static int read_team(const struct reading *r, const char *key, const json_t *value)
{
    const char *text = json_string_value(value);
    if (!text)
        return refuse_type(r, key, "a string");
    struct name *team = store_name(r->store, NAME_TEAM, text);
    if (!team)
        return refuse(r->why, 404, "user team not found");
    r->draft->team = team;
    return 0;
}

int property_password(const struct settings *settings, const char *password, struct user *draft,
                      struct refusal *why)
{
    bool lower = false, upper = false, digit = false, other = false;
    for (const char *p = password; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (islower(c))
            lower = true;
        else if (isupper(c))
            upper = true;
        else if (isdigit(c))
            digit = true;
        else
            other = true;
    }
    int classes = lower + upper + digit + other;
    if ((long)strlen(password) < settings->password_minimum ||
        classes < settings->password_classes)
        return refuse(why, 400, "password does not meet the security policy");
    draft->password_length = strlen(password);
    draft->password_sum = UINT64_C(0xcbf29ce484222325);
    for (const char *p = password; *p; p++)
        draft->password_sum = (draft->password_sum ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    return 0;
}

static int read_password(const struct reading *r, const char *key, const json_t *value)
{
    const char *text = json_string_value(value);
    if (!text)
        return refuse_type(r, key, "a string");
    return property_password(r->settings, text, r->draft, r->why);
}

static int read_flag(const struct reading *r, const char *key, const json_t *value)
{
    bool is_disabled = !strcmp(key, "disabled"), on = json_is_true(value);
    const char *text = json_string_value(value);
    /* One published example of PUT sends the string "true" here. */
    if (text && is_disabled && r->use == PROPERTY_CHANGE &&
        (!strcmp(text, "true") || !strcmp(text, "false")))
        on = !strcmp(text, "true");
    else if (!json_is_boolean(value))
        return refuse_type(r, key, "a boolean");
    if (is_disabled)
        r->draft->disabled = on;
    else if (!strcmp(key, "lockedOut"))
        r->draft->locked_out = on;
    else
        r->draft->change_password = on;
    return 0;
}

static int read_skills(const struct reading *r, const char *key, const json_t *value)
{
    if (!json_is_object(value))
        return refuse_type(r, key, "an object");
    if (!r->settings->merge_skills || r->use == PROPERTY_SEED)
        user_skills_clear(r->draft);
    const char *name;
    json_t *level;
    json_object_foreach((json_t *)(uintptr_t)value, name, level)
    {
        json_int_t n = json_integer_value(level);
        if (!json_is_integer(level))
            return refuse(r->why, 400, "the level of skill '%.80s' must be a number", name);
        if (n < 0 || n > 100)
            return refuse(r->why, 400, "the level of skill '%.80s' must be 0 to 100", name);
        struct name *skill = store_name(r->store, NAME_SKILL, name);
        if (!skill)
            return refuse(r->why, 404, "Skill not found");
        if (n == 0 && r->settings->zero_removes && r->use == PROPERTY_CHANGE)
            user_skill_remove(r->draft, skill);
        else
            user_skill_set(r->draft, skill, (int)n);
    }
    return 0;
}

static int read_roles(const struct reading *r, const char *key, const json_t *value)
{
    if (!json_is_array(value))
        return refuse_type(r, key, "an array of strings");
    user_roles_clear(r->draft);
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item)
    {
        if (!json_is_string(item))
            return refuse_type(r, key, "an array of strings");
        struct name *role = store_name(r->store, NAME_ROLE, json_string_value(item));
        if (!role)
            return refuse(r->why, 404, "Role not found");
        user_role_add(r->draft, role);
    }
    return 0;
}

static int read_login_info(const struct reading *r, const char *key, const json_t *value)
{
    const json_t *logged_in = json_object_get(value, "isLoggedIn");
    if (!json_is_boolean(logged_in))
        return refuse_type(r, key, "an object with isLoggedIn");
    r->draft->logged_in = json_is_true(logged_in);
    if (r->draft->logged_in)
        r->draft->last_login_ms = time_wall_ms();
    struct tm when = {0};
    const char *text = json_string_value(json_object_get(value, "lastLoginTime"));
    if (text && !strptime(text, "%Y-%m-%dT%H:%M:%S", &when))
        return refuse_type(r, key, "a lastLoginTime such as 2026-11-24T12:00:00Z");
    if (text)
        r->draft->last_login_ms = (int64_t)timegm(&when) * 1000;
    return 0;
}

/* What the control interface shows and nobody can set, so that what it showed can be sent back.
 */
static int read_nothing(const struct reading *r, const char *key, const json_t *value)
{
    (void)r;
    (void)key;
    (void)value;
    return 0;
}

static const struct property {
    const char *key;
    property_reader *read;
    bool changeable; /* by PUT */
    bool seed_only;
} properties[] = {
    {"loginId", read_text, false, false},          {"firstName", read_text, false, false},
    {"lastName", read_text, false, false},         {"team", read_team, true, false},
    {"password", read_password, true, false},      {"changePassword", read_flag, true, false},
    {"extension", read_text, false, false},        {"workPhone", read_text, false, false},
    {"mobilePhone", read_text, false, false},      {"email", read_text, false, false},
    {"disabled", read_flag, true, false},          {"skills", read_skills, true, false},
    {"roles", read_roles, false, false},           {"loginInfo", read_login_info, false, true},
    {"lockedOut", read_flag, false, true},         {"id", read_nothing, false, true},
    {"passwordLength", read_nothing, false, true}, {"passwordSum", read_nothing, false, true},
};

static const struct property *property_find(const char *key, enum property_use use)
{
    for (size_t i = 0; i < ELEMENTS(properties); i++)
        if (!strcmp(properties[i].key, key))
            return !properties[i].seed_only || use == PROPERTY_SEED ? &properties[i] : NULL;
    return NULL;
}

int property_read(const struct store *s, const struct settings *settings, enum property_use use,
                  const json_t *object, struct user *draft, struct refusal *why)
{
    const struct reading r = {
        .store = s, .settings = settings, .use = use, .draft = draft, .why = why};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        const struct property *p = property_find(key, use);
        if (!p)
            return refuse(why, 400, "unknown property '%.80s'", key);
        if (use == PROPERTY_CHANGE && !p->changeable)
            return refuse(why, 400, "property '%s' cannot be changed", key);
        if (p->read(&r, key, value) < 0)
            return -1;
    }
    return 0;
}

int property_complete(const struct settings *settings, const struct user *draft,
                      struct refusal *why)
{
    const char *missing = NULL;
    if (!draft->field[USER_LOGIN])
        missing = "loginId";
    else if (!draft->field[USER_FIRST_NAME])
        missing = "firstName";
    else if (!draft->field[USER_LAST_NAME])
        missing = "lastName";
    else if (!draft->team)
        missing = "team";
    else if (settings->require_email && !draft->field[USER_EMAIL])
        missing = "email";
    return missing ? refuse(why, 400, "property '%s' is required", missing) : 0;
}

void property_team_skills(const struct store *s, const struct settings *settings,
                          const struct name *team, bool gives, struct user *draft)
{
    CLEANUP(text_freep) char *copy = text_copy(settings->team_skills);
    char *rest = NULL;
    for (char *p = copy ? strtok_r(copy, ";", &rest) : NULL; p; p = strtok_r(NULL, ";", &rest)) {
        char team_text[128], skill_text[128];
        int level = 0;
        if (sscanf(p, " %127[^:]:%127[^:]:%d", team_text, skill_text, &level) != 3 || !team ||
            strcmp(team_text, team->text) != 0)
            continue;
        struct name *skill = store_name(s, NAME_SKILL, skill_text);
        if (skill && gives)
            user_skill_set(draft, skill, level);
        else if (skill)
            user_skill_remove(draft, skill);
    }
}

static json_t *write_login_info(const struct user *u)
{
    json_t *info = json_pack("{s:b}", "isLoggedIn", u->logged_in);
    if (u->last_login_ms) {
        char when[32];
        time_format(u->last_login_ms, when);
        json_object_set_new(info, "lastLoginTime", json_string(when));
    }
    return info;
}

void property_own_form(const struct settings *settings, struct user *draft)
{
    static const enum user_field phones[] = {USER_WORK_PHONE, USER_MOBILE_PHONE};
    for (char *c = draft->field[USER_EMAIL]; settings->mail_lower && c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    for (size_t i = 0; settings->phone_digits && i < ELEMENTS(phones); i++) {
        char digits[64] = "+";
        size_t n = 1;
        for (const char *c = draft->field[phones[i]]; c && *c && n < 63; c++)
            if (isdigit((unsigned char)*c))
                digits[n++] = *c;
        digits[n] = '\0';
        if (draft->field[phones[i]])
            user_set(draft, phones[i], digits);
    }
}

json_t *property_write(const struct user *u, bool all)
{
    json_t *out = json_object();
    char sum[17];
    for (size_t i = 0; i < ELEMENTS(text_properties); i++) {
        const char *text = u->field[text_properties[i].field];
        if (text)
            json_object_set_new(out, text_properties[i].key, json_string(text));
    }
    if (u->team)
        json_object_set_new(out, "team", json_string(u->team->text));
    json_object_set_new(out, "disabled", json_boolean(u->disabled));
    json_object_set_new(out, "changePassword", json_boolean(u->change_password));
    json_t *skills = json_object(), *roles = json_array();
    for (size_t i = 0; i < u->n_skills; i++)
        json_object_set_new(skills, u->skills[i].name->text, json_integer(u->skills[i].level));
    for (size_t i = 0; i < u->n_roles; i++)
        json_array_append_new(roles, json_string(u->roles[i]->text));
    json_object_set_new(out, "skills", skills);
    json_object_set_new(out, "roles", roles);
    json_object_set_new(out, "loginInfo", write_login_info(u));
    if (all) {
        json_object_set_new(out, "id", json_string(u->id));
        json_object_set_new(out, "lockedOut", json_boolean(u->locked_out));
        json_object_set_new(out, "passwordLength",
                            json_integer((json_int_t)u->password_length));
        snprintf(sum, sizeof(sum), "%016" PRIx64, u->password_sum);
        json_object_set_new(out, "passwordSum", json_string(sum));
    }
    return out;
}
