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

static int set_base(struct feed_search *s, const char *base, const char *key, struct error *e)
{
    int r = dn_key(NULL, base, &s->base_key, e);
    if (r < 0)
        return error_wrap(e, r, "[directory] %s", key);
    s->base = strdup(base);
    s->scope = LDAP_SCOPE_SUBTREE;
    return s->base ? 0 : error_out_of_memory(e);
}

int plan_bases(struct directory *d, struct error *e)
{
    const struct directory_options *o = &d->options;
    if (!o->base)
        return error_set(e, -EINVAL, "[directory] base is missing");
    d->n_searches = 1;
    int r = set_base(&d->searches[0], o->base, "base", e);
    if (r < 0 || !o->group_base)
        return r;
    r = set_base(&d->searches[1], o->group_base, "group_base", e);
    if (r < 0)
        return r;
    if (!dn_key_is_below(d->searches[1].base_key, d->searches[0].base_key))
        d->n_searches = 2;
    return 0;
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

/* One entry belongs to one search: where the group base contains the base, containers are
 * followed with the groups. */
int plan_filters(struct directory *d, struct error *e)
{
    CLEANUP(freep) char *people = people_filter(d);
    CLEANUP(freep) char *groups = group_filter(d);
    CLEANUP(freep) char *containers = rootdse_container_filter();
    if (!people || !groups || !containers)
        return error_out_of_memory(e);
    for (unsigned i = 0; i < d->n_searches; i++) {
        free(d->searches[i].filter);
        free(d->searches[i].groups);
        d->searches[i].filter = d->searches[i].groups = NULL;
    }
    if (d->n_searches == 1) {
        d->searches[0].filter = libldap_format("(|%s%s%s)", people, groups, containers);
    } else {
        bool contains = dn_key_is_below(d->searches[0].base_key, d->searches[1].base_key);
        d->searches[0].filter =
            contains ? strdup(people) : libldap_format("(|%s%s)", people, containers);
        d->searches[1].filter = libldap_format("(|%s%s)", groups, containers);
    }
    for (unsigned i = 0; i < d->n_searches; i++)
        if (!d->searches[i].filter)
            return error_out_of_memory(e);
    d->searches[d->n_searches - 1].groups = TAKE(groups);
    return 0;
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
    if (!s->suffix || !s->invocation_id)
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
