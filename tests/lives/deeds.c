/*
 * A request is its operation: whatever it changes of the user, the line of its intent says. Both
 * are told as names and values; the names are those of the audit (docs/audit-format.md).
 */
#include "config.h"

#include "deeds.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "habits.h"
#include "simulated.h"
#include "world.h"

extern struct simulator tenant;

static json_t *before, *intent; /* of the request that is carried out; NULL: nothing is held */
static char subject[40];        /* the tenant's id of the user; "": nobody yet */

static void put(json_t *facts, const char *kind, const char *name, const char *value)
{
    char key[200];
    snprintf(key, sizeof(key), "%s%s", kind, name);
    json_object_set_new(facts, key, json_string(value));
}

/* An empty object where there is no user. */
static json_t *facts_of(const struct user *u)
{
    static const char *const names[USER_FIELDS] = {
        [USER_LOGIN] = "login_id",           [USER_FIRST_NAME] = "first_name",
        [USER_LAST_NAME] = "last_name",      [USER_WORK_PHONE] = "work_phone",
        [USER_MOBILE_PHONE] = "mobile_phone", [USER_EMAIL] = "email"};
    json_t *facts = json_object();
    char level[16];
    for (int f = 0; u && f < USER_FIELDS; f++)
        if (names[f] && u->field[f] && *u->field[f])
            put(facts, "", names[f], u->field[f]);
    if (u && u->team)
        put(facts, "", "team", u->team->text);
    for (size_t i = 0; u && i < u->n_roles; i++)
        put(facts, "role:", u->roles[i]->text, u->roles[i]->text);
    for (size_t i = 0; u && i < u->n_skills; i++) {
        snprintf(level, sizeof(level), "%d", u->skills[i].level);
        put(facts, "skill:", u->skills[i].name->text, level);
    }
    if (u)
        put(facts, "", "disabled", u->disabled ? "yes" : "no");
    return facts;
}

void deed_begins(const char *login, const char *line)
{
    const struct user *u = store_user(&tenant.store, login);
    if (!line)
        return;
    snprintf(subject, sizeof(subject), "%s", u ? u->id : "");
    before = facts_of(u);
    intent = json_loads(line, 0, NULL);
}

void deed_finds(const char *login)
{
    const struct user *u = store_user(&tenant.store, login);
    if (!before || !u)
        return;
    json_decref(before);
    before = facts_of(u);
    snprintf(subject, sizeof(subject), "%s", u->id);
}

/* Another login does not make another user. */
static const struct user *subject_now(const char *login)
{
    const struct user *u;
    TAILQ_FOREACH(u, &tenant.store.users, link)
        if (strcmp(u->id, subject) == 0)
            return u;
    return *subject ? NULL : store_user(&tenant.store, login);
}

/* Whether the intent says that `name` becomes `to`; NULL: that it is taken away. */
static bool says(const char *name, const char *to)
{
    const json_t *set = json_object_get(json_object_get(intent, "p"), "set");
    const char *op = json_string_value(json_object_get(intent, "op"));
    size_t i;
    json_t *change;
    if (strcmp(name, "disabled") == 0 && op && to)
        return strcmp(op, strcmp(to, "yes") == 0 ? "disable" : "enable") == 0 ||
               strcmp(op, "create") == 0;
    json_array_foreach(set, i, change)
    {
        const char *value = json_string_value(json_array_get(change, 1)),
                   *its = json_string_value(json_array_get(change, 0));
        if (its && strcmp(its, name) == 0 && (to ? value && strcmp(value, to) == 0 : !value))
            return true;
    }
    return false;
}

/* What it says that becomes of it; NULL: nothing. */
static const char *told_of(const char *name)
{
    const json_t *set = json_object_get(json_object_get(intent, "p"), "set");
    size_t i;
    json_t *change;
    json_array_foreach(set, i, change)
    {
        const char *its = json_string_value(json_array_get(change, 0));
        if (its && strcmp(its, name) == 0)
            return json_string_value(json_array_get(change, 1));
    }
    return NULL;
}

static void describe(struct deed *ret)
{
    const json_t *set = json_object_get(json_object_get(intent, "p"), "set");
    const char *op = json_string_value(json_object_get(intent, "op"));
    const char *code = json_string_value(json_object_get(intent, "code"));
    size_t i;
    json_t *change;
    *ret = (struct deed){.number = json_integer_value(json_object_get(intent, "no"))};
    snprintf(ret->op, sizeof(ret->op), "%s", op ? op : "");
    ret->revokes = code && strcmp(code, "revoked") == 0;
    json_array_foreach(set, i, change)
    {
        const char *name = json_string_value(json_array_get(change, 0));
        ret->changes_team |= name && strcmp(name, "team") == 0;
        ret->gives_lead |= name && strcmp(name, "role:Lead") == 0 &&
                           json_is_string(json_array_get(change, 1));
    }
}

bool deed_ends(const char *login, const char *method, struct deed *ret)
{
    const struct user *is = before ? subject_now(login) : NULL;
    json_t *after = facts_of(is), *value;
    const char *name;
    json_object_foreach(after, name, value)
    {
        const char *to = json_string_value(value),
                   *was = json_string_value(json_object_get(before, name));
        if ((!was || strcmp(was, to) != 0) && !says(name, to) &&
            !habits_explain(name, was, to, told_of(name)))
            broken(21, "a %s makes %s of %s, which its intent does not say", method, name, to);
    }
    json_object_foreach(before, name, value) if (is && !json_object_get(after, name) &&
                                                 !says(name, NULL) &&
                                                 !habits_explain(name, json_string_value(value),
                                                                 NULL, told_of(name)))
        broken(21, "a %s takes %s away, which its intent does not say", method, name);
    bool changed = before && !json_equal(before, after);
    describe(ret);
    json_decref(after);
    json_decref(before);
    json_decref(intent);
    before = intent = NULL;
    return changed;
}
