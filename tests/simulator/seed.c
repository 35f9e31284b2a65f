/* Users, teams, roles and skills that an administrator puts into the tenant, from the command
 * line, a file or the control interface. Data passes the same checks as a request, so a seeded
 * tenant is one that could exist. */
#include "config.h"

#include "seed.h"

#include <stdio.h>
#include <string.h>

int seed_user(struct simulator *s, const json_t *object, struct refusal *why)
{
    const char *login = json_string_value(json_object_get(object, "loginId"));
    if (!login)
        return refuse(why, 400, "a user needs a loginId");
    struct user *old = store_user(&s->store, login);
    CLEANUP(user_freep) struct user *draft = old ? user_copy(old) : user_new();
    if (property_read(&s->store, &s->settings, PROPERTY_SEED, object, draft, why) < 0 ||
        property_complete(&s->settings, draft, why) < 0)
        return -1;
    int r = old ? store_replace(&s->store, old, draft) : store_insert(&s->store, draft);
    if (r != 0)
        return refuse(why, 409, "loginId or extension of %.100s is in use", login);
    draft = NULL;
    return 0;
}

static int seed_list(struct simulator *s, enum name_kind kind, const json_t *list,
                     struct refusal *why)
{
    size_t i;
    json_t *item;
    if (list && !json_is_array(list))
        return refuse(why, 400, "teams, roles and skills must be arrays of strings");
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item))
            return refuse(why, 400, "teams, roles and skills must be arrays of strings");
        store_name_set(&s->store, kind, json_string_value(item), true);
    }
    return 0;
}

int seed_read(struct simulator *s, const json_t *data, struct refusal *why)
{
    if (!json_is_object(data))
        return refuse(why, 400, "the data must be a JSON object");
    if (seed_list(s, NAME_TEAM, json_object_get(data, "teams"), why) < 0 ||
        seed_list(s, NAME_ROLE, json_object_get(data, "roles"), why) < 0 ||
        seed_list(s, NAME_SKILL, json_object_get(data, "skills"), why) < 0)
        return -1;
    json_t *numbers = json_object_get(data, "accessNumbers");
    if (json_is_array(numbers)) {
        json_decref(s->access_numbers);
        s->access_numbers = json_incref(numbers);
    }
    size_t i;
    json_t *user;
    json_array_foreach(json_object_get(data, "users"), i,
                       user) if (seed_user(s, user, why) < 0) return -1;
    return 0;
}

int seed_file(struct simulator *s, const char *path)
{
    json_error_t error;
    json_auto_t *data = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    struct refusal why;
    if (!data) {
        fprintf(stderr, "tenant-simulator: %s:%d: %s\n", path, error.line, error.text);
        return -1;
    }
    if (seed_read(s, data, &why) < 0) {
        fprintf(stderr, "tenant-simulator: %s: %s\n", path, why.text);
        return -1;
    }
    return 0;
}

void seed_names(struct simulator *s, enum name_kind kind, const char *list)
{
    while (*list) {
        size_t length = strcspn(list, ",");
        CLEANUP(text_freep) char *name = text_copy_length(list, length);
        if (*name)
            store_name_set(&s->store, kind, name, true);
        list += length;
        list += *list == ',';
    }
}
