/*
 * The names of roles and skills that users of the tenant were seen with whom nobody here claims:
 * of those nothing else is kept. They are at the tenant, so nobody is told to make them there.
 */
#include "config.h"

#include "contact/sighted.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/json.h"
#include "model/user.h"
#include "state/state.h"

#define META "names-sighted"
#define MOST 10000

int sighted_add(struct string_list *names, const struct user *u)
{
    char name[600];
    int r = 0;
    for (size_t i = 0; i < u->n_roles && r == 0 && names->n_items < MOST; i++) {
        snprintf(name, sizeof(name), "role:%s", u->roles[i].name);
        r = string_list_add_once(names, name);
    }
    for (size_t i = 0; i < u->n_skills && r == 0 && names->n_items < MOST; i++) {
        snprintf(name, sizeof(name), "skill:%s", u->skills[i].name);
        r = string_list_add_once(names, name);
    }
    return r;
}

static int add_names(json_t *array, const struct string_list *names)
{
    json_auto_t *known = json_object();
    const json_t *name;
    size_t i;
    int r = known ? 0 : -1;
    json_array_foreach (array, i, name) {
        if (json_is_string(name) && r == 0)
            r = json_object_set_new(known, json_string_value(name), json_true());
    }
    for (i = 0; i < names->n_items && json_array_size(array) < MOST && r == 0; i++)
        if (!json_object_get(known, names->items[i]))
            r = json_array_append_new(array, json_string(names->items[i]));
    return r;
}

int sighted_store(struct state *s, const struct string_list *names, struct error *e)
{
    CLEANUP(freep) char *before = NULL;
    if (!names->n_items)
        return 0;
    int r = state_meta_get(s, META, &before, e);
    if (r < 0)
        return r;
    json_auto_t *array = before ? json_loads(before, 0, NULL) : json_array();
    if (!array || add_names(array, names) < 0)
        return error_out_of_memory(e);
    CLEANUP(freep) char *text = json_to_text(array, JSON_COMPACT);
    return text ? state_meta_set(s, META, text, e) : error_out_of_memory(e);
}

int sighted_user(struct state *s, struct user **ret, struct error *e)
{
    CLEANUP(user_freep) struct user *u = user_new();
    CLEANUP(freep) char *text = NULL;
    int r = u ? state_meta_get(s, META, &text, e) : error_out_of_memory(e);
    json_auto_t *array = r == 0 ? json_loads(text, 0, NULL) : NULL;
    for (size_t i = 0; i < json_array_size(array) && r == 0; i++) {
        const char *name = json_string_value(json_array_get(array, i));
        if (name && strncmp(name, "role:", 5) == 0)
            r = user_add_role(u, name + 5, NULL);
        else if (name && strncmp(name, "skill:", 6) == 0)
            r = user_add_skill(u, name + 6, 0, NULL);
    }
    if (r < 0)
        return r == -ENOMEM ? error_out_of_memory(e) : r;
    *ret = TAKE(u);
    return 0;
}

int sighted_forget(struct state *s, struct error *e)
{
    return state_meta_set(s, META, NULL, e);
}
