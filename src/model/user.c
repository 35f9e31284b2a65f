/*
 * A contact-center user as a plain value. Roles and skills are kept sorted, so that two users
 * are compared by walking both lists, and so that the order of rules or of the tenant's answers
 * never shows. It knows nothing of the tenant's API. The JSON form is in user-json.c.
 */
#include "config.h"

#include "model/user.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/memory.h"

#define LEVEL_MAX 100

static const char *const field_names[USER_N_FIELDS] = {
    [USER_LOGIN] = "login_id",        [USER_FIRST_NAME] = "first_name",
    [USER_LAST_NAME] = "last_name",   [USER_EMAIL] = "email",
    [USER_WORK_PHONE] = "work_phone", [USER_MOBILE_PHONE] = "mobile_phone",
    [USER_EXTENSION] = "extension",   [USER_TEAM] = "team",
};

const char *user_field_name(enum user_field f)
{
    return field_names[f];
}

int user_field_from_name(const char *name)
{
    for (int i = 0; i < USER_N_FIELDS; i++)
        if (strcmp(field_names[i], name) == 0)
            return i;
    return -1;
}

struct user *user_new(void)
{
    return calloc(1, sizeof(struct user));
}

struct user *user_free(struct user *u)
{
    if (!u)
        return NULL;
    for (size_t i = 0; i < USER_N_FIELDS; i++) {
        free(u->fields[i].text);
        source_done(&u->fields[i].source);
    }
    source_done(&u->disabled_source);
    user_clear_roles(u);
    free(u->roles);
    user_clear_skills(u);
    free(u->skills);
    free(u);
    return NULL;
}

int user_set(struct user *u, enum user_field f, const char *text, const struct source *source)
{
    CLEANUP(source_done) struct source copied = {0};
    char *copy = NULL;

    if (source_copy(&copied, source) < 0)
        return -ENOMEM;
    if (text && !(copy = strdup(text)))
        return -ENOMEM;
    free(u->fields[f].text);
    source_done(&u->fields[f].source);
    u->fields[f] = (struct user_value){.text = copy, .source = copied};
    copied = (struct source){0};
    return 0;
}

int user_copy_fields(struct user *u, const struct user *from)
{
    int r = 0;

    for (int f = 0; f < USER_N_FIELDS && r == 0; f++)
        r = user_set(u, (enum user_field)f, from->fields[f].text, &from->fields[f].source);
    u->disabled = from->disabled;
    return r;
}

const char *user_get(const struct user *u, enum user_field f)
{
    return u->fields[f].text;
}

/* Where `name` is or belongs. Both kinds of elements begin with the name, so one search serves
 * them. */
static size_t find_place(const void *items, size_t n_items, size_t size, const char *name,
                         bool *ret_found)
{
    size_t low = 0, high = n_items;

    *ret_found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *other;
        memcpy(&other, (const char *)items + middle * size, sizeof(other));
        int r = strcmp(name, other);
        if (r == 0) {
            *ret_found = true;
            return middle;
        }
        if (r < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static_assert(offsetof(struct user_role, name) == 0, "find_place() reads the name there");
static_assert(offsetof(struct user_skill, name) == 0, "find_place() reads the name there");

static size_t find_role(const struct user *u, const char *name, bool *ret_found)
{
    return find_place(u->roles, u->n_roles, sizeof(*u->roles), name, ret_found);
}

static size_t find_skill(const struct user *u, const char *name, bool *ret_found)
{
    return find_place(u->skills, u->n_skills, sizeof(*u->skills), name, ret_found);
}

int user_add_role(struct user *u, const char *name, const struct source *source)
{
    CLEANUP(source_done) struct source copied = {0};
    bool found;
    size_t i = find_role(u, name, &found);

    if (found)
        return 0; /* the first rule that gave it stays its source */
    if (source_copy(&copied, source) < 0 ||
        memory_grow(&u->roles, &u->roles_capacity, u->n_roles + 1, sizeof(*u->roles)) < 0)
        return -ENOMEM;
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    memmove(&u->roles[i + 1], &u->roles[i], (u->n_roles - i) * sizeof(*u->roles));
    u->roles[i] = (struct user_role){.name = copy, .source = copied};
    u->n_roles++;
    copied = (struct source){0};
    return 0;
}

int user_add_skill(struct user *u, const char *name, unsigned level, const struct source *source)
{
    CLEANUP(source_done) struct source copied = {0};
    bool found;
    size_t i = find_skill(u, name, &found);

    if (level > LEVEL_MAX)
        return -ERANGE;
    if (found && level <= u->skills[i].level)
        return 0;
    if (source_copy(&copied, source) < 0)
        return -ENOMEM;
    if (!found) {
        if (memory_grow(&u->skills, &u->skills_capacity, u->n_skills + 1, sizeof(*u->skills)) < 0)
            return -ENOMEM;
        char *copy = strdup(name);
        if (!copy)
            return -ENOMEM;
        memmove(&u->skills[i + 1], &u->skills[i], (u->n_skills - i) * sizeof(*u->skills));
        u->skills[i] = (struct user_skill){.name = copy};
        u->n_skills++;
    }
    source_done(&u->skills[i].source);
    u->skills[i].level = level;
    u->skills[i].source = copied;
    copied = (struct source){0};
    return 0;
}

const struct user_role *user_role(const struct user *u, const char *name)
{
    bool found;
    size_t i = find_role(u, name, &found);

    return found ? &u->roles[i] : NULL;
}

const struct user_skill *user_skill(const struct user *u, const char *name)
{
    bool found;
    size_t i = find_skill(u, name, &found);

    return found ? &u->skills[i] : NULL;
}

void user_clear_roles(struct user *u)
{
    for (size_t i = 0; i < u->n_roles; i++) {
        free(u->roles[i].name);
        source_done(&u->roles[i].source);
    }
    u->n_roles = 0;
}

void user_clear_skills(struct user *u)
{
    for (size_t i = 0; i < u->n_skills; i++) {
        free(u->skills[i].name);
        source_done(&u->skills[i].source);
    }
    u->n_skills = 0;
}

void user_remove_role(struct user *u, const char *name)
{
    bool found;
    size_t i = find_role(u, name, &found);

    if (!found)
        return;
    free(u->roles[i].name);
    source_done(&u->roles[i].source);
    u->n_roles--;
    memmove(&u->roles[i], &u->roles[i + 1], (u->n_roles - i) * sizeof(*u->roles));
}

struct user *user_copy(const struct user *u)
{
    CLEANUP(user_freep) struct user *copy = user_new();

    if (!copy)
        return NULL;
    for (int f = 0; f < USER_N_FIELDS; f++)
        if (user_set(copy, (enum user_field)f, u->fields[f].text, &u->fields[f].source) < 0)
            return NULL;
    copy->disabled = u->disabled;
    copy->roles_as_objects = u->roles_as_objects;
    copy->last_login_usec = u->last_login_usec;
    if (source_copy(&copy->disabled_source, &u->disabled_source) < 0)
        return NULL;
    for (size_t i = 0; i < u->n_roles; i++)
        if (user_add_role(copy, u->roles[i].name, &u->roles[i].source) < 0)
            return NULL;
    for (size_t i = 0; i < u->n_skills; i++)
        if (user_add_skill(copy, u->skills[i].name, u->skills[i].level, &u->skills[i].source) < 0)
            return NULL;
    return TAKE(copy);
}
