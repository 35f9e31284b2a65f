/*
 * Groups that a batch reads of its own accord, because the server changed them without a word:
 * those whose stored members name a DN that is none any more, and those that name somebody who
 * appeared. When they are read (again) is said by looks.c, which they are by newcomers.c. It
 * judges no membership; that is the mirror's.
 */
#include "config.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "directory/batch-private.h"
#include "directory/batch.h"
#include "directory/environment.h"
#include "directory/looks.h"
#include "directory/newcomers.h"
#include "model/dn.h"

/* Somebody whom the mirror did not know (any more). */
int batch_note_newcomer(struct feed_batch *b, const char *dn, struct error *e)
{
    if (b->env->decoder.active_directory)
        return newcomers_add(b->newcomers, dn, e);
    int r = looks_add(b->looks, dn, clock_monotonic_usec(), e);
    if (r == LOOKS_TOO_MANY)
        directory_feed_doubts(b->env, "very many appeared at once");
    return r < 0 ? r : 0;
}

/* The search that has the groups of this place. */
static unsigned search_of_group(const struct feed_batch *b, const char *dn)
{
    CLEANUP(freep) char *key = NULL;
    unsigned found = b->env->n_searches - 1;
    bool known = dn_key(b->env->decoder.schema, dn, &key, NULL) == 0;
    for (unsigned i = 0; known && i < b->env->n_searches; i++)
        if (b->env->searches[i].groups && dn_key_is_below(key, b->env->searches[i].base_key))
            found = i;
    return found;
}

static int fetch_groups(struct feed_batch *b, const struct string_list *ids, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < ids->n_items && r >= 0; i++) {
        CLEANUP(freep) char *dn = NULL;
        CLEANUP(freep) char *guid = NULL;
        if (string_list_contains(&b->fetched, ids->items[i]))
            continue;
        if (string_list_add_once(&b->fetched, ids->items[i]) < 0)
            return error_out_of_memory(e);
        r = b->env->sink->known_dn(b->env->userdata, ids->items[i], &dn, e);
        if (r < 0 || !dn)
            continue;
        if (b->env->decoder.active_directory && !(guid = identity_guid_base(ids->items[i])))
            return error_out_of_memory(e);
        r = batch_fetch_entry(b, search_of_group(b, dn), guid ? guid : dn, ids->items[i], e);
    }
    return r;
}

/* Those whose time to be read (again) has come. */
static int stale_groups(struct feed_batch *b, struct string_list *ret, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {};
    uint64_t now = clock_monotonic_usec();
    int r = b->env->sink->stale_groups(b->env->userdata, &ids, e);
    for (size_t i = 0; i < ids.n_items && r >= 0; i++) {
        enum looks_answer answer = LOOKS_WAIT;
        if (string_list_contains(&b->fetched, ids.items[i]))
            continue;
        r = looks_group(b->looks, ids.items[i], now, &answer, e);
        if (r == 0 && answer != LOOKS_WAIT && string_list_add(ret, ids.items[i]) < 0)
            r = error_out_of_memory(e);
        if (r == 0 && answer == LOOKS_LAST && string_list_add(&b->last, ids.items[i]) < 0)
            r = error_out_of_memory(e);
    }
    if (r == 0 && looks_keep_groups(b->looks, &ids) < 0)
        r = error_out_of_memory(e);
    return r;
}

/* What these groups name now is taken as it is, if it was read in this batch. */
int batch_end_groups(struct feed_batch *b, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < b->last.n_items && r == 0; i++)
        if (string_list_contains(&b->fetched, b->last.items[i]))
            r = b->env->sink->stale_end(b->env->userdata, b->last.items[i], e);
    return r;
}

/* Stored members of these groups name somebody who was renamed or deleted since. The server may
 * have repaired the group without a word. */
int batch_fetch_stale_groups(struct feed_batch *b, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {};
    int r = stale_groups(b, &ids, e);
    return r < 0 ? r : fetch_groups(b, &ids, e);
}

/* Whether a batch that was just committed left something to be asked or read at once. */
int batch_has_more(struct feed_batch *b, bool *ret, struct error *e)
{
    CLEANUP(string_list_done) struct string_list unheld = {}, stale = {};
    int r = b->env->sink->unheld(b->env->userdata, &unheld, e);
    if (r >= 0)
        r = b->env->sink->stale_groups(b->env->userdata, &stale, e);
    *ret = unheld.n_items > 0;
    for (size_t i = 0; i < stale.n_items && r >= 0; i++)
        *ret = *ret || !string_list_contains(&b->fetched, stale.items[i]);
    return r < 0 ? r : 0;
}

static int open_look(struct feed_batch *b, struct error *e)
{
    int r = feed_batch_begin(b, b->env->n_searches - 1, false, e);
    b->looking = r == 0;
    return r;
}

static int ask_of_newcomers(struct feed_batch *b, uint64_t now, struct error *e)
{
    CLEANUP(string_list_done) struct string_list dns = {};
    int r = looks_take(b->looks, now, &dns, e);
    for (size_t i = 0; i < dns.n_items && r == 0; i++)
        r = newcomers_add(b->newcomers, dns.items[i], e);
    return r;
}

/* Between the feed's batches. The question needs none, so no change waits for its answer. */
void batch_look(void *userdata)
{
    struct feed_batch *b = userdata;
    struct error e = {};
    uint64_t now = clock_monotonic_usec();
    if (b->failed)
        return;
    int r = ask_of_newcomers(b, now, &e);
    if (r == 0 && newcomers_any(b->newcomers) && !newcomers_asking(b->newcomers))
        r = newcomers_ask(b->newcomers, &e);
    bool read = r == 0 && !b->open && looks_groups_due(b->looks, now);
    if (read)
        r = open_look(b, &e);
    if (r < 0)
        batch_fail(b, r, &e);
    else if (read)
        feed_batch_finish(b);
    else
        looks_arm(b->looks, now);
}

void feed_batch_reread(struct feed_batch *b)
{
    struct error e = {};
    CLEANUP(string_list_done) struct string_list ids = {};
    int r = b->env->sink->dynamic_groups(b->env->userdata, &ids, &e);
    if (r < 0 || b->failed || ids.n_items == 0) {
        if (r < 0)
            batch_fail(b, r, &e);
        return;
    }
    b->reread = true;
    if (b->open)
        return; /* with its end */
    r = open_look(b, &e);
    if (r < 0)
        batch_fail(b, r, &e);
    else
        feed_batch_finish(b);
}

int batch_take_dynamic(struct feed_batch *b, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {};
    if (!b->reread)
        return 0;
    b->reread = false;
    b->rereading = true;
    int r = b->env->sink->dynamic_groups(b->env->userdata, &ids, e);
    return r < 0 ? r : fetch_groups(b, &ids, e);
}

bool batch_is_unfinished(const struct feed_batch *b)
{
    return b->between && (looks_pending(b->looks) || newcomers_any(b->newcomers) ||
                          newcomers_asking(b->newcomers));
}

/* Groups that name those who appeared. */
void batch_take_groups(const struct string_list *groups, void *userdata)
{
    struct feed_batch *b = userdata;
    struct error e = {};
    int r = 0;
    bool open = b->open;
    /* Without groups there is nothing to read, but perhaps to say that it is over. */
    if (!open && groups->n_items == 0 && !(b->unfinished && !batch_is_unfinished(b)))
        return;
    if (!open)
        r = open_look(b, &e);
    if (r == 0)
        r = fetch_groups(b, groups, &e);
    if (r < 0)
        batch_fail(b, r, &e);
    else if (open)
        batch_pump(b);
    else
        feed_batch_finish(b);
}

int batch_take_looks(struct feed_batch *b, struct error *e)
{
    bool news = !b->full || b->from_cookie;
    if (b->between || b->looked || !news || b->search != b->env->n_searches - 1)
        return 0;
    b->looked = true;
    return ask_of_newcomers(b, clock_monotonic_usec(), e);
}
