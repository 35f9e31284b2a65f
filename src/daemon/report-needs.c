/*
 * The work list before a wave: teams that the plan needs and the tenant does not show, and roles
 * and skills that no user is known to have. None of them can be made by the tenant's API, so
 * somebody makes them in its console, once, and not for one refusal after the other.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "contact/sighted.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "model/user.h"
#include "state/link.h"
#include "state/listing.h"
#include "state/queue.h"

struct needs {
    json_t *people; /* "team:Sales" -> {entry id: true} */
    json_t *roles;  /* see fold_roles(); NULL at first */
    const struct engine_view *view;
    struct error *e;
};

static int add_need(struct needs *n, const char *cause, const char *entry_id)
{
    json_t *people = json_object_get(n->people, cause);
    if (!people) {
        people = json_object();
        if (json_object_set_new(n->people, cause, people) < 0)
            return error_out_of_memory(n->e);
    }
    return json_object_set_new(people, entry_id, json_true()) < 0 ? error_out_of_memory(n->e) : 0;
}

/* What an operation gives is needed; what adopting leads to comes as operations of its own. */
static int collect(const struct operation *o, void *userdata)
{
    struct needs *n = userdata;
    int r = 0;
    for (size_t i = 0; i < o->n_changes && r == 0 && o->kind != OPERATION_ADOPT; i++) {
        const struct change *c = &o->changes[i];
        char team[600];
        snprintf(team, sizeof(team), "team:%s", c->to ? c->to : "");
        if (c->to && text_equal(c->field, "team") && engine_view_lacks_team(n->view, c->to))
            r = add_need(n, team, o->entry_id);
        else if (c->to && (c->kind == CHANGE_ROLE || c->kind == CHANGE_SKILL))
            r = add_need(n, c->field, o->entry_id);
    }
    return r;
}

static void forget(struct needs *n, const char *cause)
{
    if (!engine_view_knows_missing(n->view, cause))
        json_object_del(n->people, cause);
}

/* As the tenant compares them: the cause of a role by its folded name, made at the first look. */
static int fold_roles(struct needs *n)
{
    const char *cause;
    json_t *people;
    if (n->roles)
        return 0;
    n->roles = json_object();
    json_object_foreach (n->people, cause, people) {
        CLEANUP(freep) char *folded = NULL;
        if (strncmp(cause, "role:", 5) != 0)
            continue;
        folded = text_fold(cause + 5, strlen(cause + 5));
        json_t *causes = folded ? json_object_get(n->roles, folded) : NULL;
        if (folded && !causes && json_object_set_new(n->roles, folded, json_array()) == 0)
            causes = json_object_get(n->roles, folded);
        if (!causes || json_array_append_new(causes, json_string(cause)) < 0)
            return error_out_of_memory(n->e);
    }
    return 0;
}

/* What a user has is not looked for any more; 1: nothing is left to be found. */
static int take_user(struct needs *n, const struct user *u, struct error *e)
{
    int r = fold_roles(n);
    for (size_t i = 0; r == 0 && i < u->n_roles; i++) {
        CLEANUP(freep) char *folded = text_fold(u->roles[i].name, strlen(u->roles[i].name));
        if (!folded)
            return error_out_of_memory(e);
        const json_t *causes = json_object_get(n->roles, folded);
        for (size_t k = 0; k < json_array_size(causes); k++)
            forget(n, json_string_value(json_array_get(causes, k)));
    }
    for (size_t i = 0; r == 0 && i < u->n_skills; i++) {
        char cause[600];
        snprintf(cause, sizeof(cause), "skill:%s", u->skills[i].name);
        forget(n, cause);
    }
    return r < 0 ? r : json_object_size(n->people) == 0;
}

static int take_known(struct needs *n, const char *user, struct error *e)
{
    CLEANUP(user_freep) struct user *u = NULL;
    int r = user_from_json(&u, user, e);
    return r < 0 ? r : take_user(n, u, e);
}

static int look_at_link(const struct link *l, void *userdata)
{
    struct needs *n = userdata;
    /* A user that was made and never read since may lack what was asked for. */
    return l->known && l->status != LINK_DELETED ? take_known(n, l->known, n->e) : 0;
}

static int look_at_found(const char *login, const char *found, void *userdata)
{
    struct needs *n = userdata;
    (void)login;
    return take_known(n, found, n->e);
}

static json_t *need_row(const struct engine_view *v, const char *cause, size_t n_people)
{
    size_t length = strcspn(cause, ":");
    char kind[16], sentence[900];
    const char *name = cause + length + 1;
    bool certain = !strncmp(cause, "team:", 5) || engine_view_knows_missing(v, cause);
    snprintf(kind, sizeof(kind), "%.*s", (int)length, cause);
    snprintf(sentence, sizeof(sentence),
             certain ? "the tenant does not show the %s \"%s\": create it there"
                     : "no user is known to have the %s \"%s\": see whether it exists there, else "
                       "create it",
             kind, name);
    return json_pack("{s:s, s:s, s:b, s:I, s:s}", "kind", kind, "name", name, "certain", certain,
                     "people", (json_int_t)n_people, "sentence", sentence);
}

json_t *report_needs(const struct engine_view *v, struct state *s, struct error *e)
{
    static const char *const kinds[] = {"team:", "role:", "skill:"};
    json_auto_t *people = json_object(), *rows = json_array();
    struct needs needs = {.people = people, .view = v, .e = e};
    CLEANUP(user_freep) struct user *seen = NULL;
    const char *cause;
    json_t *who;
    int r = queue_each(s, (enum operation_state)0, collect, &needs, e);
    if (r == 0 && json_object_size(people))
        r = link_each(s, look_at_link, &needs, e);
    if (r == 0 && json_object_size(people))
        r = listing_each_found(s, look_at_found, &needs, e);
    if (r == 0 && json_object_size(people))
        r = sighted_user(s, &seen, e);
    if (r == 0 && seen)
        r = take_user(&needs, seen, e);
    json_decref(needs.roles);
    for (size_t k = 0; k < ARRAY_SIZE(kinds) && r >= 0; k++)
        json_object_foreach (people, cause, who)
            if (r >= 0 && !strncmp(cause, kinds[k], strlen(kinds[k])))
                r = report_add(rows, need_row(v, cause, json_object_size(who)), e);
    return r < 0 ? NULL : json_incref(rows);
}
