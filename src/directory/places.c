/* Where others lie below. */
#include "config.h"

#include "directory/places.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/decode.h"
#include "directory/environment.h"
#include "directory/fetches.h"
#include "model/dn.h"

struct places {
    struct feed_environment *env;
    struct fetches *fetches;
    struct string_list parents; /* DNs of what the entries of this batch lie below */
    size_t n_looked;            /* of parents */
};

int places_new(struct places **ret, struct feed_environment *env, struct fetches *fetches,
               struct error *e)
{
    struct places *p = calloc(1, sizeof(*p));
    if (!p)
        return error_out_of_memory(e);
    p->env = env;
    p->fetches = fetches;
    *ret = p;
    return 0;
}

struct places *places_free(struct places *p)
{
    if (!p)
        return NULL;
    places_reset(p);
    free(p);
    return NULL;
}

void places_reset(struct places *p)
{
    string_list_done(&p->parents);
    p->n_looked = 0;
}

static bool is_below_people(const struct places *p, const char *dn)
{
    CLEANUP(freep) char *key = NULL;
    if (dn_key(p->env->decoder.schema, dn, &key, NULL) < 0)
        return false;
    for (unsigned i = 0; i < p->env->n_searches; i++)
        if (p->env->searches[i].people && dn_key_is_below(key, p->env->searches[i].base_key))
            return true;
    return false;
}

/* A person whom a search for groups shows, with something below them: where people are looked
 * for, the other search says what is to be said. */
static int judge_foreign(struct places *p, struct decoded *d, bool *done, struct error *e)
{
    CLEANUP(freep) char *known = NULL;
    int r = p->env->sink->known_dn(p->env->userdata, d->entry->id, &known, e);
    *done = r == 0 && known && is_below_people(p, d->dn);
    return r < 0 || *done ? r : decoded_make_container(d, e);
}

int places_judge(struct places *p, unsigned search, struct decoded *d, bool *done, struct error *e)
{
    const struct feed_search *s = &p->env->searches[search];
    enum entry_kind kind = d->entry->kind;
    *done = false;
    if (!d->has_children || kind == ENTRY_CONTAINER)
        return 0;
    if (kind == ENTRY_GROUP ? !s->has_groups : !s->people)
        return judge_foreign(p, d, done, e);
    CLEANUP(freep) char *base = strdup(d->dn);
    *done = true;
    return base ? fetches_kind(p->fetches, search, base, d, e) : error_out_of_memory(e);
}

int places_note(struct places *p, const char *dn, struct error *e)
{
    const char *parent = dn_parent(dn);
    size_t n = p->parents.n_items;
    if (!parent || !*parent || (n > 0 && strcmp(p->parents.items[n - 1], parent) == 0))
        return 0;
    return string_list_add_once(&p->parents, parent) < 0 ? error_out_of_memory(e) : 0;
}

static bool search_of(const struct places *p, const char *dn, unsigned *ret)
{
    CLEANUP(freep) char *key = NULL;
    if (dn_key(p->env->decoder.schema, dn, &key, NULL) < 0)
        return false;
    for (unsigned i = 0; i < p->env->n_searches; i++) {
        *ret = i;
        if (p->env->searches[i].containers && dn_key_is_below(key, p->env->searches[i].base_key))
            return true;
    }
    return false;
}

int places_fetch(struct places *p, unsigned search, bool full, struct error *e)
{
    int r = 0;
    while (p->n_looked < p->parents.n_items && r >= 0) {
        const char *dn = p->parents.items[p->n_looked++];
        unsigned found;
        if (!search_of(p, dn, &found))
            continue;
        CLEANUP(freep) char *id = NULL;
        r = p->env->sink->known_id(p->env->userdata, dn, &id, e);
        if (r == 0 && !id)
            r = fetches_parent(p->fetches, found, dn, e);
        else if (r == 0 && full && found == search && !p->env->decoder.children_attribute)
            /* It need not be anything that this search shows, and is there. */
            r = p->env->sink->present(p->env->userdata, found, id, e);
        r = r > 0 ? 0 : r;
    }
    return r < 0 ? r : fetches_any(p->fetches);
}
