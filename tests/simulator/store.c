/* Users and names. A change is always a whole draft that replaces the user or is thrown away,
 * so that a refused request leaves nothing half done. Logins are unique in any (ASCII) case,
 * extensions exactly. */
#include "config.h"

#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "text.h"

void store_init(struct store *s)
{
    *s = (struct store){.next_extension = 1000};
    TAILQ_INIT(&s->users);
    s->by_login.fold = true;
}

void store_done(struct store *s)
{
    struct user *u;
    while ((u = TAILQ_FIRST(&s->users)))
        store_delete(s, u);
    table_done(&s->by_login);
    table_done(&s->by_id);
    table_done(&s->by_extension);
    for (int kind = 0; kind < NAME_KINDS; kind++) {
        struct names *names = &s->names[kind];
        for (size_t i = 0; i < names->n_all; i++) {
            free(names->all[i]->text);
            free(names->all[i]);
        }
        free(names->all);
        table_done(&names->by_text);
    }
}

struct name *store_name(const struct store *s, enum name_kind kind, const char *text)
{
    struct name *name = table_get(&s->names[kind].by_text, text);
    return name && name->present ? name : NULL;
}

void store_name_set(struct store *s, enum name_kind kind, const char *text, bool present)
{
    struct names *names = &s->names[kind];
    struct name *name = table_get(&names->by_text, text);
    if (!name) {
        name = memory_new(sizeof(*name));
        name->text = text_copy(text);
        names->all = memory_resize(names->all, (names->n_all + 1) * sizeof(*names->all));
        names->all[names->n_all++] = name;
        table_put(&names->by_text, name->text, name);
    }
    name->present = present;
}

struct user *store_user(const struct store *s, const char *login)
{
    return table_get(&s->by_login, login);
}

struct user *store_user_by_id(const struct store *s, const char *id)
{
    return table_get(&s->by_id, id);
}

static void make_id(char ret[37])
{
    /* Ids come from a block of the kernel's randomness: one system call for 256 users. */
    static uint8_t block[4096];
    static size_t used = sizeof(block);
    if (used == sizeof(block)) {
        if (getrandom(block, sizeof(block), 0) != (ssize_t)sizeof(block))
            abort(); /* cannot happen once the pool is up: small reads are never cut */
        used = 0;
    }
    const uint8_t *b = &block[used];
    used += 16;
    snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-4%x%02x-%x%x%02x-%02x%02x%02x%02x%02x%02x",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6] & 15u, b[7], 8u | (b[8] & 3u), b[8] >> 4,
             b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static void assign_extension(struct store *s, struct user *draft)
{
    char digits[24];
    do
        snprintf(digits, sizeof(digits), "%ld", s->next_extension++);
    while (table_get(&s->by_extension, digits));
    user_set(draft, USER_EXTENSION, digits);
}

static void index_user(struct store *s, struct user *u)
{
    table_put(&s->by_login, u->field[USER_LOGIN], u);
    table_put(&s->by_id, u->id, u);
    if (u->field[USER_EXTENSION])
        table_put(&s->by_extension, u->field[USER_EXTENSION], u);
}

static void unindex_user(struct store *s, struct user *u)
{
    table_remove(&s->by_login, u->field[USER_LOGIN]);
    table_remove(&s->by_id, u->id);
    if (u->field[USER_EXTENSION])
        table_remove(&s->by_extension, u->field[USER_EXTENSION]);
}

/* Whether somebody but `old` has the draft's login or extension. */
static int find_clash(const struct store *s, const struct user *old, const struct user *draft)
{
    const struct user *other = table_get(&s->by_login, draft->field[USER_LOGIN]);
    if (other && other != old)
        return STORE_LOGIN_TAKEN;
    if (!draft->field[USER_EXTENSION])
        return 0;
    other = table_get(&s->by_extension, draft->field[USER_EXTENSION]);
    return other && other != old ? STORE_EXTENSION_TAKEN : 0;
}

int store_insert(struct store *s, struct user *draft)
{
    int r = find_clash(s, NULL, draft);
    if (r != 0)
        return r;
    if (!draft->field[USER_EXTENSION])
        assign_extension(s, draft);
    make_id(draft->id);
    draft->created_ms = draft->modified_ms = time_wall_ms();
    index_user(s, draft);
    TAILQ_INSERT_TAIL(&s->users, draft, link);
    s->n_users++;
    return 0;
}

int store_replace(struct store *s, struct user *old, struct user *draft)
{
    int r = find_clash(s, old, draft);
    if (r != 0)
        return r;
    unindex_user(s, old);
    draft->modified_ms = time_wall_ms();
    index_user(s, draft);
    TAILQ_INSERT_AFTER(&s->users, old, draft, link);
    TAILQ_REMOVE(&s->users, old, link);
    user_free(old);
    return 0;
}

void store_delete(struct store *s, struct user *u)
{
    unindex_user(s, u);
    TAILQ_REMOVE(&s->users, u, link);
    s->n_users--;
    user_free(u);
}

struct user *user_new(void)
{
    return memory_new(sizeof(struct user));
}

struct user *user_copy(const struct user *u)
{
    struct user *copy = user_new();
    *copy = *u;
    for (int i = 0; i < USER_FIELDS; i++)
        copy->field[i] = text_copy(u->field[i]);
    copy->roles = memory_new(u->n_roles * sizeof(*u->roles));
    if (u->n_roles)
        memcpy(copy->roles, u->roles, u->n_roles * sizeof(*u->roles));
    copy->skills = memory_new(u->n_skills * sizeof(*u->skills));
    if (u->n_skills)
        memcpy(copy->skills, u->skills, u->n_skills * sizeof(*u->skills));
    json_incref(copy->addresses);
    json_incref(copy->photos);
    return copy;
}

struct user *user_free(struct user *u)
{
    if (!u)
        return NULL;
    for (int i = 0; i < USER_FIELDS; i++)
        free(u->field[i]);
    free(u->roles);
    free(u->skills);
    json_decref(u->addresses);
    json_decref(u->photos);
    free(u);
    return NULL;
}

void user_freep(struct user **u)
{
    *u = user_free(*u);
}

void user_set(struct user *u, enum user_field field, const char *value)
{
    char *copy = text_copy(value);
    free(u->field[field]);
    u->field[field] = copy;
}

void user_roles_clear(struct user *u)
{
    u->n_roles = 0;
}

void user_role_add(struct user *u, struct name *role)
{
    for (size_t i = 0; i < u->n_roles; i++)
        if (u->roles[i] == role)
            return;
    u->roles = memory_resize(u->roles, (u->n_roles + 1) * sizeof(struct name *));
    u->roles[u->n_roles++] = role;
}

void user_skills_clear(struct user *u)
{
    u->n_skills = 0;
}

void user_skill_set(struct user *u, struct name *skill, int level)
{
    for (size_t i = 0; i < u->n_skills; i++) {
        if (u->skills[i].name != skill)
            continue;
        u->skills[i].level = level;
        return;
    }
    u->skills = memory_resize(u->skills, (u->n_skills + 1) * sizeof(struct skill));
    u->skills[u->n_skills++] = (struct skill){.name = skill, .level = level};
}

void user_skill_remove(struct user *u, const struct name *skill)
{
    for (size_t i = 0; i < u->n_skills; i++) {
        if (u->skills[i].name != skill)
            continue;
        u->skills[i] = u->skills[--u->n_skills];
        return;
    }
}
