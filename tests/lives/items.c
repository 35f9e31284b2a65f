/* What the directory holds. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "directory.h"
#include "plan.h"
#include "world.h"

struct directory_data directory_data;

void directory_begin(const struct plan *p)
{
    directory_data = (struct directory_data){
        .session_log = p->session_log,
        .polled = p->polled,
        .two_bases = p->two_bases && !p->nested_bases,
        .nested_bases = p->two_bases && p->nested_bases,
        .chance = p->chance,
        .server = p->polled && p->server == SERVER_OPENLDAP ? SERVER_OTHER : p->server};
}

void item_empty(struct item *i)
{
    for (size_t n = 0; n < i->n_values; n++) {
        free(i->values[n].name);
        free(i->values[n].text);
    }
    free(i->values);
    for (size_t n = 0; n < i->n_links; n++)
        free(i->links[n].text);
    free(i->links);
}

void directory_end(void)
{
    for (size_t k = 0; k < directory_data.n_items; k++) {
        item_empty(directory_data.items[k]);
        free(directory_data.items[k]);
    }
    free(directory_data.items);
    directory_data = (struct directory_data){0};
}

struct item *item_new(const char *dn)
{
    struct directory_data *d = &directory_data;
    if (d->n_items == d->room) {
        d->room = d->room ? 2 * d->room : 64;
        d->items = realloc(d->items, d->room * sizeof(*d->items));
    }
    struct item *i = calloc(1, sizeof(*i));
    if (!i || !d->items)
        abort();
    snprintf(i->dn, sizeof(i->dn), "%s", dn);
    size_t earlier = 0; /* of this name: another entry, another id */
    for (size_t k = 0; k < d->n_items; k++)
        earlier += strcasecmp(d->items[k]->dn, dn) == 0;
    for (unsigned n = 0; n < 16; n++)
        i->uuid[n] = (unsigned char)chance_of(dn, d->chance + n + 1000 * earlier);
    const unsigned char *u = i->uuid;
    snprintf(i->uuid_text, sizeof(i->uuid_text),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    i->gone = true; /* until the change that adds it ends */
    d->items[d->n_items++] = i;
    return i;
}

const char *item_get(const struct item *i, const char *name)
{
    for (size_t n = 0; n < i->n_values; n++)
        if (strcasecmp(i->values[n].name, name) == 0)
            return i->values[n].text;
    return NULL;
}

/* For who asks what came and went; with the change that ends next. */
static void note_link(struct item *i, const char *text, bool added)
{
    i->links = realloc(i->links, (i->n_links + 1) * sizeof(*i->links));
    if (!i->links)
        abort();
    i->links[i->n_links++] = (struct item_link){directory_data.csn + 1, added, strdup(text)};
}

static void add(struct item *i, const char *name, const char *text)
{
    i->values = realloc(i->values, (i->n_values + 1) * sizeof(*i->values));
    if (!i->values)
        abort();
    i->values[i->n_values++] = (struct item_value){strdup(name), strdup(text)};
}

void item_add(struct item *i, const char *name, const char *text)
{
    if (strcmp(name, "member") == 0)
        note_link(i, text, true);
    add(i, name, text);
}

static void drop(struct item *i, const char *name, const char *text)
{
    size_t kept = 0;
    for (size_t n = 0; n < i->n_values; n++) {
        struct item_value *v = &i->values[n];
        if (strcasecmp(v->name, name) == 0 && (!text || strcasecmp(v->text, text) == 0)) {
            free(v->name);
            free(v->text);
        } else {
            i->values[kept++] = *v;
        }
    }
    i->n_values = kept;
}

void item_drop(struct item *i, const char *name, const char *text)
{
    if (strcmp(name, "member") == 0)
        note_link(i, text, false);
    drop(i, name, text);
}

void item_link_follows(struct item *i, const char *before, const char *now)
{
    for (size_t n = 0; n < i->n_links; n++)
        if (strcasecmp(i->links[n].text, before) == 0) {
            free(i->links[n].text);
            i->links[n].text = strdup(now ? now : "");
        }
    drop(i, "member", before);
    if (now)
        add(i, "member", now);
}

void item_set(struct item *i, const char *name, const char *text)
{
    drop(i, name, NULL);
    if (text)
        item_add(i, name, text);
}

bool item_has(const struct item *i, const char *name, const char *text)
{
    for (size_t n = 0; n < i->n_values; n++)
        if (strcasecmp(i->values[n].name, name) == 0 &&
            strcasecmp(i->values[n].text, text) == 0)
            return true;
    return false;
}
