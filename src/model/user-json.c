/*
 * The JSON form of a user, for state and for people. Each value is either bare or an object
 * {"value":…,"rule":…,"file":…,"line":…}; reading takes both, so one reader serves the known
 * user in the state file and the wanted one of a plan. An unknown key is refused: it would be
 * lost at the next write.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "model/json.h"
#include "model/user.h"

/* Takes value; NULL when out of memory. */
static json_t *with_source(json_t *value, const struct source *source)
{
    CLEANUP(json_decref_cleanup) json_t *object = NULL;

    if (!value || !source)
        return value;
    object = json_object();
    if (json_object_set_new(object, "value", value) < 0 || json_add_source(object, source) < 0)
        return NULL;
    return TAKE(object);
}

static json_t *roles_to_json(const struct user *u, bool sources)
{
    CLEANUP(json_decref_cleanup) json_t *array = json_array();

    for (size_t i = 0; i < u->n_roles; i++) {
        const struct user_role *role = &u->roles[i];
        if (json_array_append_new(array, with_source(json_string(role->name),
                                                     sources ? &role->source : NULL)) < 0)
            return NULL;
    }
    return TAKE(array);
}

static json_t *skills_to_json(const struct user *u, bool sources)
{
    CLEANUP(json_decref_cleanup) json_t *object = json_object();

    for (size_t i = 0; i < u->n_skills; i++) {
        const struct user_skill *skill = &u->skills[i];
        if (json_object_set_new(
                object, skill->name,
                with_source(json_integer(skill->level), sources ? &skill->source : NULL)) < 0)
            return NULL;
    }
    return TAKE(object);
}

char *user_to_json(const struct user *u, bool sources)
{
    CLEANUP(json_decref_cleanup) json_t *object = json_object();

    for (int f = 0; f < USER_N_FIELDS; f++) {
        const struct user_value *v = &u->fields[f];
        if (v->text && json_object_set_new(
                           object, user_field_name((enum user_field)f),
                           with_source(json_string(v->text), sources ? &v->source : NULL)) < 0)
            return NULL;
    }
    if (json_object_set_new(
            object, "disabled",
            with_source(json_boolean(u->disabled), sources ? &u->disabled_source : NULL)) < 0 ||
        json_object_set_new(object, "roles", roles_to_json(u, sources)) < 0 ||
        json_object_set_new(object, "skills", skills_to_json(u, sources)) < 0)
        return NULL;
    return json_to_text(object);
}

/* Opens either form: the bare value, borrowed, and the source that came with it. */
static int open_value(const json_t *j, const json_t **ret_value, struct source *ret_source)
{
    if (!json_is_object(j)) {
        *ret_value = j;
        return 0;
    }
    *ret_value = json_object_get(j, "value");
    return *ret_value ? json_get_source(j, ret_source) : -EINVAL;
}

static int field_from_json(struct user *u, enum user_field f, const json_t *j)
{
    CLEANUP(source_done) struct source source = {0};
    const json_t *value;
    int r = open_value(j, &value, &source);

    if (r < 0)
        return r;
    if (!json_is_string(value))
        return -EINVAL;
    return user_set(u, f, json_string_value(value), &source);
}

static int disabled_from_json(struct user *u, const json_t *j)
{
    const json_t *value;
    int r = open_value(j, &value, &u->disabled_source);

    if (r < 0)
        return r;
    if (!json_is_boolean(value))
        return -EINVAL;
    u->disabled = json_is_true(value);
    return 0;
}

static int roles_from_json(struct user *u, const json_t *array)
{
    if (!json_is_array(array))
        return -EINVAL;
    for (size_t i = 0; i < json_array_size(array); i++) {
        CLEANUP(source_done) struct source source = {0};
        const json_t *value;
        int r = open_value(json_array_get(array, i), &value, &source);
        if (r == 0 && !json_is_string(value))
            r = -EINVAL;
        if (r == 0)
            r = user_add_role(u, json_string_value(value), &source);
        if (r < 0)
            return r;
    }
    return 0;
}

static int skills_from_json(struct user *u, json_t *object)
{
    const char *name;
    json_t *j;

    if (!json_is_object(object))
        return -EINVAL;
    json_object_foreach(object, name, j)
    {
        CLEANUP(source_done) struct source source = {0};
        const json_t *value;
        int r = open_value(j, &value, &source);
        if (r == 0 && (!json_is_integer(value) || json_integer_value(value) < 0 ||
                       json_integer_value(value) > 100))
            r = -EINVAL;
        if (r == 0)
            r = user_add_skill(u, name, (unsigned)json_integer_value(value), &source);
        if (r < 0)
            return r;
    }
    return 0;
}

static int member_from_json(struct user *u, const char *key, json_t *j)
{
    int f = user_field_from_name(key);

    if (f >= 0)
        return field_from_json(u, (enum user_field)f, j);
    if (strcmp(key, "disabled") == 0)
        return disabled_from_json(u, j);
    if (strcmp(key, "roles") == 0)
        return roles_from_json(u, j);
    if (strcmp(key, "skills") == 0)
        return skills_from_json(u, j);
    return -EINVAL;
}

int user_from_json(struct user **ret, const char *json, struct error *e)
{
    CLEANUP(json_decref_cleanup) json_t *object = NULL;
    CLEANUP(user_freep) struct user *u = NULL;
    const char *key;
    json_t *j;
    int r = -EINVAL;

    object = json_from_text(json, &r);
    if (!object && r == -ENOMEM)
        return error_out_of_memory(e);
    if (!json_is_object(object))
        return error_set(e, -EINVAL, "a stored user is not a JSON object");
    u = user_new();
    if (!u)
        return error_out_of_memory(e);
    json_object_foreach(object, key, j)
    {
        r = member_from_json(u, key, j);
        if (r == -ENOMEM)
            return error_out_of_memory(e);
        if (r < 0)
            return error_set(e, r, "\"%s\" of a stored user cannot be read", key);
    }
    *ret = TAKE(u);
    return 0;
}

int user_from_json_if_any(struct user **ret, const char *json, struct error *e)
{
    *ret = NULL;
    return json ? user_from_json(ret, json, e) : 0;
}
