/*
 * Decides what is asked of a server: where, and with which filter. Filters select by class only
 * (plus what the administrator wrote): who is in scope is judged later, by the mapping, because
 * no feed tells reliably that an entry left a filter.
 */
#include "config.h"

#include "directory/searches.h"

#include <errno.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "directory/libldap.h"
#include "directory/rootdse.h"
#include "model/dn.h"

struct place {
    char *base, *key;
};
struct places {
    struct place *items;
    size_t n_items;
};

static void places_done(struct places *p)
{
    for (size_t i = 0; i < p->n_items; i++) {
        free(p->items[i].base);
        free(p->items[i].key);
    }
    free(p->items);
}

static bool holds(const struct places *p, const char *key)
{
    for (size_t i = 0; i < p->n_items; i++)
        if (dn_key_is_below(key, p->items[i].key))
            return true;
    return false;
}

static void remove_place(struct places *p, size_t i)
{
    free(p->items[i].base);
    free(p->items[i].key);
    memmove(p->items + i, p->items + i + 1, (--p->n_items - i) * sizeof(*p->items));
}

/* Those that no other one holds. */
static int read_places(struct places *p, char *const *bases, size_t n, const char *name,
                       struct error *e)
{
    p->items = calloc(n + 1, sizeof(*p->items));
    if (!p->items)
        return error_out_of_memory(e);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(freep) char *key = NULL;
        int r = dn_key(NULL, bases[i], &key, e);
        if (r < 0)
            return error_wrap(e, r, "[directory] %s", name);
        if (holds(p, key))
            continue;
        for (size_t k = p->n_items; k-- > 0;)
            if (dn_key_is_below(p->items[k].key, key))
                remove_place(p, k);
        struct place *place = &p->items[p->n_items++];
        *place = (struct place){.base = strdup(bases[i]), .key = TAKE(key)};
        if (!place->base)
            return error_out_of_memory(e);
    }
    return 0;
}

/* What is looked for below one base. Groups and containers follow from who is asked: where
 * people and groups lie in one place they are one search. */
static int add_search(struct searches *p, struct place *taken, bool people, bool groups,
                      bool containers, struct error *e)
{
    if (p->n_items == DIRECTORY_MAX_SEARCHES)
        return error_set(e, -EINVAL,
                         "[directory] base and group_base name more than %d places that do not "
                         "lie in one another",
                         DIRECTORY_MAX_SEARCHES);
    struct feed_search *s = &p->items[p->n_items++];
    *s = (struct feed_search){
        .base = TAKE(taken->base),
        .base_key = TAKE(taken->key),
        .scope = LDAP_SCOPE_SUBTREE,
        .people = people,
        .containers = containers,
        .has_groups = groups,
    };
    return 0;
}

static bool any_below(char *const *bases, size_t n, const char *ancestor_key)
{
    for (size_t i = 0; i < n; i++) {
        CLEANUP(freep) char *key = NULL;
        if (dn_key(NULL, bases[i], &key, NULL) == 0 && dn_key_is_below(key, ancestor_key))
            return true;
    }
    return false;
}

/* Searches without groups come first: the last one always has some. */
int searches_init(struct searches *p, const struct directory_options *o, struct error *e)
{
    *p = (struct searches){0};
    CLEANUP(places_done) struct places people = {0}, groups = {0};
    if (o->n_bases == 0)
        return error_set(e, -EINVAL, "[directory] base is missing");
    int r = read_places(&people, o->bases, o->n_bases, "base", e);
    if (r == 0)
        r = read_places(&groups, o->group_bases, o->n_group_bases, "group_base", e);
    for (int with_groups = 0; with_groups < 2; with_groups++)
        for (size_t i = 0; i < people.n_items && r == 0; i++) {
            struct place *place = &people.items[i];
            if (!place->key)
                continue; /* taken */
            bool own =
                o->n_group_bases == 0 || any_below(o->group_bases, o->n_group_bases, place->key);
            /* Where a group base contains the place, containers are followed with it. */
            if (own == (with_groups != 0))
                r = add_search(p, place, true, own, own || !holds(&groups, place->key), e);
        }
    for (size_t i = 0; i < groups.n_items && r == 0; i++) {
        bool elsewhere = true;
        for (unsigned k = 0; k < p->n_items && elsewhere; k++)
            elsewhere = !dn_key_is_below(groups.items[i].key, p->items[k].base_key);
        if (elsewhere)
            r = add_search(p, &groups.items[i], false, true, true, e);
    }
    return r;
}

void searches_done(struct searches *p)
{
    for (unsigned i = 0; i < p->n_items; i++) {
        struct feed_search *s = &p->items[i];
        free(s->base);
        free(s->base_key);
        free(s->filter);
        free(s->groups);
        free(s->persons);
    }
    *p = (struct searches){0};
}

int searches_keys(struct searches *p, const struct schema *schema, struct error *e)
{
    for (unsigned i = 0; i < p->n_items; i++) {
        char *key = NULL;
        int r = dn_key(schema, p->items[i].base, &key, e);
        if (r < 0)
            return r;
        free(p->items[i].base_key);
        p->items[i].base_key = key;
    }
    return 0;
}

static char *people_filter(const struct directory_options *o, const struct rootdse *server)
{
    if (o->filter)
        return strdup(o->filter);
    if (server->product == PRODUCT_ACTIVE_DIRECTORY)
        return strdup("(&(objectClass=person)(!(objectClass=computer)))");
    return strdup("(objectClass=person)");
}

static char *group_filter(const struct directory_options *o)
{
    if (o->group_filter)
        return strdup(o->group_filter);
    return strdup("(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)"
                  "(objectClass=posixGroup)(objectClass=group))");
}

int searches_filters(struct searches *p, const struct directory_options *o,
                     const struct rootdse *server, struct error *e)
{
    CLEANUP(freep) char *people = people_filter(o, server);
    CLEANUP(freep) char *groups = group_filter(o);
    CLEANUP(freep) char *containers = rootdse_container_filter(server);
    if (!people || !groups || !containers)
        return error_out_of_memory(e);
    for (unsigned i = 0; i < p->n_items; i++) {
        struct feed_search *s = &p->items[i];
        free(s->filter);
        free(s->groups);
        free(s->persons);
        s->persons = s->people ? strdup(people) : NULL;
        s->groups = s->has_groups ? strdup(groups) : NULL;
        s->filter = libldap_format("(|%s%s%s)", s->people ? people : "",
                                   s->has_groups ? groups : "", s->containers ? containers : "");
        if (!s->filter || (s->has_groups && !s->groups) || (s->people && !s->persons))
            return error_out_of_memory(e);
    }
    return 0;
}
