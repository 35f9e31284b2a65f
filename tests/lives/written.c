/* A day as a file (written.h), which tests/lives/plain-oracle reads. */
#include "config.h"

#include "written.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "company.h"
#include "directory.h"
#include "simulated.h"
#include "tenant.h"
#include "world.h"

extern struct simulator tenant;

const char *written_folder;

static json_t *entries(void)
{
    json_t *all = json_array();
    for (size_t k = 0; k < directory_data.n_items; k++) {
        const struct item *i = directory_data.items[k];
        json_t *attributes = json_object();
        for (size_t v = 0; !i->gone && v < i->n_values; v++) {
            json_t *values = json_object_get(attributes, i->values[v].name);
            if (!values)
                json_object_set_new(attributes, i->values[v].name, values = json_array());
            json_array_append_new(values, json_string(i->values[v].text));
        }
        if (i->gone)
            json_decref(attributes);
        else
            json_array_append_new(
                all, json_pack("{s:s, s:o}", "dn", i->dn, "attributes", attributes));
    }
    return all;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *user_of(const struct user *u)
{
    json_t *roles = json_array(), *skills = json_object();
    for (size_t i = 0; i < u->n_roles; i++)
        json_array_append_new(roles, json_string(u->roles[i]->text));
    for (size_t i = 0; i < u->n_skills; i++)
        json_object_set_new(skills, u->skills[i].name->text, json_integer(u->skills[i].level));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "first_name",
                     text_or_null(u->field[USER_FIRST_NAME]), "last_name",
                     text_or_null(u->field[USER_LAST_NAME]), "email",
                     text_or_null(u->field[USER_EMAIL]), "work_phone",
                     text_or_null(u->field[USER_WORK_PHONE]), "mobile_phone",
                     text_or_null(u->field[USER_MOBILE_PHONE]), "team",
                     text_or_null(u->team ? u->team->text : NULL), "roles", roles, "skills",
                     skills, "disabled", u->disabled, "logged_in", u->logged_in);
}

static json_t *users(void)
{
    json_t *all = json_object();
    const struct user *u;
    TAILQ_FOREACH(u, &tenant.store.users, link)
    json_object_set_new(all, u->field[USER_LOGIN], user_of(u));
    return all;
}

static json_t *configuration(void)
{
    static char text[32768];
    char path[160];
    snprintf(path, sizeof(path), "%srosterd.conf", world.folder);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    return json_string(text);
}

void written_day(int (*is_excused)(struct person *p))
{
    char path[400];
    bool running = world.running;
    if (!written_folder)
        return;
    json_t *excused = json_array();
    for (size_t i = 0; i < company.n_people; i++)
        if (is_excused(company.people[i]))
            json_array_append_new(excused, json_string(company.people[i]->item->dn));
    world.running = false; /* the file is none of the daemon's */
    const char *name = strstr(world.folder, "lives-");
    snprintf(path, sizeof(path), "%s/%.*s-%03u.json", written_folder,
             name ? (int)strcspn(name, "/") : 0, name ? name : "", world_day());
    json_t *day = json_pack("{s:o, s:o, s:o, s:o}", "configuration", configuration(),
                            "directory", entries(), "tenant", users(), "excused", excused);
    if (json_dump_file(day, path, JSON_SORT_KEYS) < 0)
        broken(0, "%s cannot be written", path);
    json_decref(day);
    world.running = running;
}
