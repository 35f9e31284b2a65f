/*
 * Decides what is asked of a server: where, with which filter, through which feed. Filters
 * select by class only (plus what the administrator wrote): who is in scope is judged later, by
 * the mapping, because no feed tells reliably that an entry left a filter.
 */
#include "config.h"

#include <errno.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "directory/libldap.h"
#include "directory/private.h"
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
    memmove(p->items + i, p->items + i + 1, (--p->n_items - i) * sizeof *p->items);
}

/* Those that no other one holds. */
static int read_places(struct places *p, char *const *bases, size_t n, const char *name,
                       struct error *e)
{
    p->items = calloc(n + 1, sizeof *p->items);
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
static int add_search(struct directory *d, struct place *taken, bool people, bool groups,
                      bool containers, struct error *e)
{
    if (d->n_searches == DIRECTORY_MAX_SEARCHES)
        return error_set(e, -EINVAL,
                         "[directory] base and group_base name more than %d places that do not "
                         "lie in one another",
                         DIRECTORY_MAX_SEARCHES);
    struct feed_search *s = &d->searches[d->n_searches++];
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
int plan_bases(struct directory *d, struct error *e)
{
    const struct directory_options *o = &d->options;
    CLEANUP(places_done) struct places people = {}, groups = {};
    if (o->n_bases == 0)
        return error_set(e, -EINVAL, "[directory] base is missing");
    int r = read_places(&people, o->bases, o->n_bases, "base", e);
    if (r == 0)
        r = read_places(&groups, o->group_bases, o->n_group_bases, "group_base", e);
    for (int with_groups = 0; with_groups < 2; with_groups++)
        for (size_t i = 0; i < people.n_items && r == 0; i++) {
            struct place *p = &people.items[i];
            if (!p->key)
                continue; /* taken */
            bool own = o->n_group_bases == 0 ||
                       any_below(o->group_bases, o->n_group_bases, p->key);
            /* Where a group base contains the place, containers are followed with it. */
            if (own == (with_groups != 0))
                r = add_search(d, p, true, own, own || !holds(&groups, p->key), e);
        }
    for (size_t i = 0; i < groups.n_items && r == 0; i++) {
        bool elsewhere = true;
        for (unsigned k = 0; k < d->n_searches && elsewhere; k++)
            elsewhere = !dn_key_is_below(groups.items[i].key, d->searches[k].base_key);
        if (elsewhere)
            r = add_search(d, &groups.items[i], false, true, true, e);
    }
    return r;
}

int plan_keys(struct directory *d, struct error *e)
{
    for (unsigned i = 0; i < d->n_searches; i++) {
        char *key = NULL;
        int r = dn_key(d->schema, d->searches[i].base, &key, e);
        if (r < 0)
            return r;
        free(d->searches[i].base_key);
        d->searches[i].base_key = key;
    }
    return 0;
}

static char *people_filter(const struct directory *d)
{
    if (d->options.filter)
        return strdup(d->options.filter);
    if (d->server->product == PRODUCT_ACTIVE_DIRECTORY)
        return strdup("(&(objectClass=person)(!(objectClass=computer)))");
    return strdup("(objectClass=person)");
}

static char *group_filter(const struct directory *d)
{
    if (d->options.group_filter)
        return strdup(d->options.group_filter);
    return strdup("(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)"
                  "(objectClass=posixGroup)(objectClass=group))");
}

int plan_filters(struct directory *d, struct error *e)
{
    CLEANUP(freep) char *people = people_filter(d);
    CLEANUP(freep) char *groups = group_filter(d);
    CLEANUP(freep) char *containers = rootdse_container_filter(d->server);
    if (!people || !groups || !containers)
        return error_out_of_memory(e);
    for (unsigned i = 0; i < d->n_searches; i++) {
        struct feed_search *s = &d->searches[i];
        free(s->filter);
        free(s->groups);
        free(s->persons);
        s->persons = s->people ? strdup(people) : NULL;
        s->groups = s->has_groups ? strdup(groups) : NULL;
        s->filter = libldap_format("(|%s%s%s)", s->people ? people : "",
                                   s->has_groups ? groups : "",
                                   s->containers ? containers : "");
        if (!s->filter || (s->has_groups && !s->groups) || (s->people && !s->persons))
            return error_out_of_memory(e);
    }
    return 0;
}

static bool places_are_known(const struct directory *d)
{
    for (unsigned i = 0; i < d->n_searches; i++)
        if (!d->server->suffixes[i])
            return false;
    return true;
}

/* Why this server cannot follow changes by this feed; NULL: nothing is known against it. */
static const char *objection(const struct directory *d, enum directory_feed_kind kind)
{
    const struct rootdse *s = d->server;
    bool own_id =
        d->options.id_attribute &&
        (!identity_attribute(s->identity) ||
         !text_equal_ascii_case(d->options.id_attribute, identity_attribute(s->identity)));
    if (kind == DIRECTORY_FEED_POLL)
        return NULL;
    if (own_id)
        return "deletions are reported by the server's own id, not by id_attribute";
    if (kind == DIRECTORY_FEED_SYNCREPL) {
        if (!rootdse_has_control(s, LIBLDAP_OID_SYNC))
            return "the server does not list content synchronisation (RFC 4533)";
        return d->no_syncrepl ? "the server lists content synchronisation but refused it"
                              : NULL;
    }
    if (!rootdse_has_control(s, LIBLDAP_OID_DIRSYNC))
        return "the server does not list DirSync";
    if (!places_are_known(d) || !s->invocation_id)
        return "the server does not show what a DirSync cookie belongs to (invocationId)";
    return d->no_dirsync ? "the server refused DirSync to this account" : NULL;
}

const struct directory_feed_ops *plan_feed(const struct directory *d, char *reason, size_t n)
{
    static const struct directory_feed_ops *const order[] = {&feed_syncrepl_ops,
                                                             &feed_dirsync_ops, &feed_poll_ops};
    enum directory_feed_kind asked = d->options.feed;
    const char *against = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        if (asked != DIRECTORY_FEED_AUTO && asked != order[i]->kind)
            continue;
        const char *why = objection(d, order[i]->kind);
        if (!why) {
            if (asked != DIRECTORY_FEED_AUTO)
                snprintf(reason, n, "as configured");
            else if (order[i]->kind == DIRECTORY_FEED_POLL)
                snprintf(reason, n, "%s", against ? against : "the server offers nothing else");
            else
                snprintf(reason, n, "the best that the server offers");
            return order[i];
        }
        /* Of the objections, the one that concerns what this product has. */
        if (!against || d->server->product == PRODUCT_ACTIVE_DIRECTORY)
            against = why;
    }
    snprintf(reason, n, "feed = %s is configured, but %s", directory_feed_name(asked), against);
    return &feed_poll_ops;
}
