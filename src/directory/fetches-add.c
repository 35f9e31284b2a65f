/* Which single reads there are to be, and what is told since of what they are about. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "directory/environment.h"
#include "directory/fetches-internal.h"
#include "directory/lost.h"

static void link_first(struct fetches *l, struct fetch *f)
{
    f->next = l->first;
    l->first = f;
    if (!f->id)
        return;
    struct fetch **of_id = fetch_bucket(l, f->id);
    f->next_of_id = *of_id;
    *of_id = f;
}

static int add_fetch(struct fetches *l, unsigned index, enum fetch_kind kind, const char *base,
                     const char *id, struct decoded *taken, struct error *e)
{
    struct fetch *f = calloc(1, sizeof(*f));
    if (f) {
        f->owner = l;
        f->kind = kind;
        f->index = index;
        f->base = strdup(base);
        f->id = id ? strdup(id) : NULL;
        link_first(l, f);
    }
    if (taken && f) {
        f->decoded = *taken;
        f->decoded.all_shown = false; /* until then */
    } else if (taken)
        decoded_done(taken);
    if (taken)
        *taken = (struct decoded){0};
    if (!f || !f->base || (id && !f->id)) {
        if (f)
            fetch_free(f);
        return error_out_of_memory(e);
    }
    l->events->moved(l->owner);
    return 0;
}

int fetches_entry(struct fetches *l, unsigned search, const char *base, const char *id,
                  struct error *e)
{
    return add_fetch(l, search, FETCH_ENTRY, base, id, NULL, e);
}

int fetches_ranges(struct fetches *l, unsigned search, const char *base, struct decoded *taken,
                   struct error *e)
{
    return add_fetch(l, search, FETCH_RANGE, base, taken->entry->id, taken, e);
}

int fetches_kind(struct fetches *l, unsigned search, const char *base, struct decoded *taken,
                 struct error *e)
{
    return add_fetch(l, search, FETCH_KIND, base, taken->entry->id, taken, e);
}

int fetches_doubted(struct fetches *l, unsigned search, struct decoded *d, struct error *e)
{
    CLEANUP(string_list_done) struct string_list doubted = {0};
    bool may_pass = false;
    int r = computed_doubt(&l->computed, l->env, d->entry, &doubted, &may_pass, e);
    d->all_shown = r == SINK_ALL_SHOWN;
    if (r < 0 || !doubted.n_items)
        return r < 0 ? r : 0;
    log_debug("%s: the server's message lacks %s: it is asked", d->dn, doubted.items[0]);
    CLEANUP(freep) char *dn = strdup(d->dn), *id = strdup(d->entry->id);
    if (!dn || !id)
        return error_out_of_memory(e);
    r = add_fetch(l, search, FETCH_ENTRY, dn, id, may_pass ? d : NULL, e);
    if (r < 0)
        return r;
    l->first->doubted = doubted; /* the newest is the first */
    doubted = (struct string_list){0};
    return 1;
}

int fetches_base(struct fetches *l, unsigned search, struct error *e)
{
    return add_fetch(l, search, FETCH_BASE, l->env->searches[search].base, NULL, NULL, e);
}

int fetches_unseen(struct fetches *l, unsigned search, const char *dn, const char *id,
                   struct error *e)
{
    return add_fetch(l, search, FETCH_UNSEEN, dn, id, NULL, e);
}

int fetches_parent(struct fetches *l, unsigned search, const char *dn, struct error *e)
{
    return add_fetch(l, search, FETCH_PARENT, dn, NULL, NULL, e);
}

int fetches_lost(struct fetches *l, unsigned search, struct decoded *d, struct error *e)
{
    struct entry *missing = NULL;
    struct lost *lost = NULL;
    if (d->asked || d->all_shown || d->entry->kind == ENTRY_CONTAINER || d->entry->members_hidden)
        return 0;
    int r = l->env->sink->lost(l->env->userdata, d->entry, &missing, e);
    if (r < 0 || !missing)
        return r;
    struct fetch *f = calloc(1, sizeof(*f));
    char *dn = strdup(d->dn), *id = strdup(d->entry->id);
    r = lost_new(&lost, l->env, search, d, missing, e);
    if (r == 0 && f && dn && id && lost_is_asking(lost)) {
        *f = (struct fetch){
            .owner = l, .kind = FETCH_LOST, .index = search, .base = dn, .id = id, .lost = lost};
        link_first(l, f);
        l->events->moved(l->owner);
        return 1;
    }
    if (r == 0)
        r = f && dn && id ? lost_take(lost, l->full, d, e) : error_out_of_memory(e);
    lost_free(lost);
    free(dn);
    free(id);
    free(f);
    return r;
}

void fetches_told(struct fetches *l, unsigned search, const char *id)
{
    for (struct fetch *f = *fetch_bucket(l, id); f; f = f->next_of_id) {
        if (f->index != search || strcmp(f->id, id) != 0)
            continue;
        if (f->search || fetch_holds(f)) {
            f->overtaken = true;
        } else { /* what it will be shown is newer still */
            f->told = true;
            f->was_doubted |= f->doubted.n_items > 0;
            string_list_done(&f->doubted);
            decoded_done(&f->decoded);
        }
    }
}

bool fetches_signal(struct fetches *l, unsigned search, const char *id)
{
    bool any = false;
    for (struct fetch *f = *fetch_bucket(l, id); f; f = f->next_of_id) {
        if (f->index != search || strcmp(f->id, id) != 0 || (!f->search && !fetch_holds(f)))
            continue; /* what it will be shown is newer still */
        f->overtaken = any = true;
    }
    return any;
}
