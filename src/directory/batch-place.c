/*
 * Containers: whatever has people or groups below it, of any class. A server that can be asked
 * for that shows them to the search; of the others, and of those that came to have somebody
 * below them later, the parents of what came are read. They are kept for their names: when one
 * is renamed, no server says a word of what lies below.
 *
 * So an entry may be shown for having others below it alone, and then its classes do not say
 * what it is: the server is asked whether the filter of people, or of groups, selects it.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "directory/batch-private.h"
#include "directory/environment.h"
#include "model/dn.h"

int batch_make_container(struct decoded *d, struct error *e)
{
    struct entry *place = entry_new(d->entry->id, d->entry->dn, ENTRY_CONTAINER);
    if (!place)
        return error_out_of_memory(e);
    entry_free(d->entry);
    d->entry = place;
    return 0;
}

static bool is_below_people(const struct feed_batch *b, const char *dn)
{
    CLEANUP(freep) char *key = NULL;
    if (dn_key(b->env->decoder.schema, dn, &key, NULL) < 0)
        return false;
    for (unsigned i = 0; i < b->env->n_searches; i++)
        if (b->env->searches[i].people && dn_key_is_below(key, b->env->searches[i].base_key))
            return true;
    return false;
}

/* A person whom a search for groups shows, with something below them: where people are looked
 * for, the other search says what is to be said. */
static int judge_foreign(struct feed_batch *b, struct decoded *d, bool *done, struct error *e)
{
    CLEANUP(freep) char *known = NULL;
    int r = b->env->sink->known_dn(b->env->userdata, d->entry->id, &known, e);
    *done = r == 0 && known && is_below_people(b, d->dn);
    return r < 0 || *done ? r : batch_make_container(d, e);
}

int batch_judge_kind(struct feed_batch *b, unsigned search, struct decoded *d, bool *done,
                     struct error *e)
{
    const struct feed_search *s = &b->env->searches[search];
    enum entry_kind kind = d->entry->kind;
    *done = false;
    if (!d->has_children || kind == ENTRY_CONTAINER)
        return 0;
    if (kind == ENTRY_GROUP ? !s->has_groups : !s->people)
        return judge_foreign(b, d, done, e);
    CLEANUP(freep) char *base = strdup(d->dn);
    *done = true;
    return base ? batch_fetch_kind(b, search, base, d, e) : error_out_of_memory(e);
}

int batch_note_parent(struct feed_batch *b, const char *dn, struct error *e)
{
    const char *parent = dn_parent(dn);
    size_t n = b->parents.n_items;
    if (!parent || !*parent || (n > 0 && strcmp(b->parents.items[n - 1], parent) == 0))
        return 0;
    return string_list_add_once(&b->parents, parent) < 0 ? error_out_of_memory(e) : 0;
}

static bool search_of(const struct feed_batch *b, const char *dn, unsigned *ret)
{
    CLEANUP(freep) char *key = NULL;
    if (dn_key(b->env->decoder.schema, dn, &key, NULL) < 0)
        return false;
    for (unsigned i = 0; i < b->env->n_searches; i++) {
        *ret = i;
        if (b->env->searches[i].containers &&
            dn_key_is_below(key, b->env->searches[i].base_key))
            return true;
    }
    return false;
}

int batch_fetch_parents(struct feed_batch *b, struct error *e)
{
    int r = 0;
    while (b->n_parents_looked < b->parents.n_items && r >= 0) {
        const char *dn = b->parents.items[b->n_parents_looked++];
        unsigned search;
        if (!search_of(b, dn, &search))
            continue;
        CLEANUP(freep) char *id = NULL;
        r = b->env->sink->known_id(b->env->userdata, dn, &id, e);
        if (r == 0 && !id)
            r = batch_fetch_parent(b, search, dn, e);
        else if (r == 0 && b->full && search == b->search &&
                 !b->env->decoder.children_attribute)
            /* It need not be anything that this search shows, and is there. */
            r = b->env->sink->present(b->env->userdata, search, id, e);
        r = r > 0 ? 0 : r;
    }
    return r < 0 ? r : b->fetches != NULL;
}
