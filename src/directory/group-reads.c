/* Which groups are read again, when, and until they are taken as they are. */
#include "config.h"

#include "directory/group-reads.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/environment.h"
#include "directory/fetches.h"
#include "directory/newcomers.h"
#include "directory/rereads.h"
#include "model/dn.h"

struct group_reads {
    struct feed_environment *env;
    struct fetches *fetches;
    const struct group_reads_events *events;
    void *owner;
    struct newcomers *newcomers;
    struct rereads *rereads;
    bool between; /* they have a timer; otherwise the feed's batches serve */
    bool stopped;
    bool requested;             /* groups with a memberURL are to be read again */
    bool was_unfinished;        /* the last commit said so */
    struct string_list last;    /* stale groups that will not be read again for that */
    struct string_list fetched; /* groups that were read again for being stale */
    bool taken;                 /* those that are due were taken, in this batch */
    bool rereading;             /* groups with a memberURL are, in this batch */
};

int group_reads_newcomer(struct group_reads *g, const char *dn, struct error *e)
{
    if (g->env->decoder.active_directory)
        return newcomers_add(g->newcomers, dn, e);
    int r = rereads_add(g->rereads, dn, clock_monotonic_usec(), e);
    if (r == REREADS_TOO_MANY)
        feed_doubts(g->env, "very many appeared at once");
    return r < 0 ? r : 0;
}

/* The search that has the groups of this place. */
static unsigned search_of_group(const struct group_reads *g, const char *dn)
{
    CLEANUP(freep) char *key = NULL;
    unsigned found = g->env->n_searches - 1;
    bool known = dn_key(g->env->decoder.schema, dn, &key, NULL) == 0;
    for (unsigned i = 0; known && i < g->env->n_searches; i++)
        if (g->env->searches[i].groups && dn_key_is_below(key, g->env->searches[i].base_key))
            found = i;
    return found;
}

static int fetch_groups(struct group_reads *g, const struct string_list *ids, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < ids->n_items && r >= 0; i++) {
        CLEANUP(freep) char *dn = NULL;
        CLEANUP(freep) char *guid = NULL;
        if (string_list_contains(&g->fetched, ids->items[i]))
            continue;
        if (string_list_add_once(&g->fetched, ids->items[i]) < 0)
            return error_out_of_memory(e);
        r = g->env->sink->known_dn(g->env->userdata, ids->items[i], &dn, e);
        if (r < 0 || !dn)
            continue;
        if (g->env->decoder.active_directory && !(guid = identity_guid_base(ids->items[i])))
            return error_out_of_memory(e);
        r = fetches_entry(g->fetches, search_of_group(g, dn), guid ? guid : dn, ids->items[i], e);
    }
    return r;
}

/* Those whose time to be read (again) has come. */
static int stale_groups(struct group_reads *g, struct string_list *ret, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    uint64_t now = clock_monotonic_usec();
    int r = g->env->sink->stale_groups(g->env->userdata, &ids, e);
    for (size_t i = 0; i < ids.n_items && r >= 0; i++) {
        enum rereads_answer answer = REREADS_WAIT;
        if (string_list_contains(&g->fetched, ids.items[i]))
            continue;
        r = rereads_group(g->rereads, ids.items[i], now, &answer, e);
        if (r == 0 && answer != REREADS_WAIT && string_list_add(ret, ids.items[i]) < 0)
            r = error_out_of_memory(e);
        if (r == 0 && answer == REREADS_LAST && string_list_add(&g->last, ids.items[i]) < 0)
            r = error_out_of_memory(e);
    }
    if (r == 0)
        r = rereads_keep_groups(g->rereads, &ids) < 0 ? error_out_of_memory(e) : 0;
    return r;
}

/* What these groups name now is taken as it is, if it was read in this batch. */
int group_reads_end(struct group_reads *g, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < g->last.n_items && r == 0; i++)
        if (string_list_contains(&g->fetched, g->last.items[i]))
            r = g->env->sink->stale_end(g->env->userdata, g->last.items[i], e);
    return r;
}

/* Stored members of these groups name somebody who was renamed or deleted since. The server may
 * have repaired the group without a word. */
static int fetch_stale_groups(struct group_reads *g, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    int r = stale_groups(g, &ids, e);
    return r < 0 ? r : fetch_groups(g, &ids, e);
}

int group_reads_has_more(struct group_reads *g, bool *ret, struct error *e)
{
    CLEANUP(string_list_done) struct string_list stale = {0};
    int r = g->env->sink->stale_groups(g->env->userdata, &stale, e);
    *ret = false;
    for (size_t i = 0; i < stale.n_items && r >= 0; i++)
        *ret = *ret || !string_list_contains(&g->fetched, stale.items[i]);
    return r < 0 ? r : 0;
}

static void fail(struct group_reads *g, int r, const struct error *e)
{
    g->events->failed(r, e, g->owner);
}

static int ask_of_newcomers(struct group_reads *g, uint64_t now, struct error *e)
{
    CLEANUP(string_list_done) struct string_list dns = {0};
    int r = rereads_take(g->rereads, now, &dns, e);
    for (size_t i = 0; i < dns.n_items && r == 0; i++)
        r = newcomers_add(g->newcomers, dns.items[i], e);
    return r;
}

/* Between the feed's batches. The question needs none, so no change waits for its answer. */
static void on_due(void *userdata)
{
    struct group_reads *g = userdata;
    struct error e = {0};
    uint64_t now = clock_monotonic_usec();
    if (g->stopped)
        return;
    int r = ask_of_newcomers(g, now, &e);
    if (r == 0 && newcomers_any(g->newcomers) && !newcomers_asking(g->newcomers))
        r = newcomers_ask(g->newcomers, &e);
    bool read = r == 0 && !g->events->is_open(g->owner) && rereads_groups_due(g->rereads, now);
    if (read)
        r = g->events->open(g->owner, &e);
    if (r < 0)
        fail(g, r, &e);
    else if (read)
        g->events->finish(g->owner);
    else
        rereads_arm(g->rereads, now);
}

void group_reads_request(struct group_reads *g)
{
    struct error e = {0};
    CLEANUP(string_list_done) struct string_list ids = {0};
    int r = g->env->sink->dynamic_groups(g->env->userdata, &ids, &e);
    if (r < 0 || g->stopped || ids.n_items == 0) {
        if (r < 0)
            fail(g, r, &e);
        return;
    }
    g->requested = true;
    if (g->events->is_open(g->owner))
        return; /* with its end */
    r = g->events->open(g->owner, &e);
    if (r < 0)
        fail(g, r, &e);
    else
        g->events->finish(g->owner);
}

static int take_dynamic(struct group_reads *g, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    if (!g->requested)
        return 0;
    g->requested = false;
    g->rereading = true;
    int r = g->env->sink->dynamic_groups(g->env->userdata, &ids, e);
    return r < 0 ? r : fetch_groups(g, &ids, e);
}

bool group_reads_unfinished(const struct group_reads *g)
{
    return g->between && (rereads_pending(g->rereads) || newcomers_any(g->newcomers) ||
                          newcomers_asking(g->newcomers));
}

/* Groups that name those who appeared. */
static void take_groups(const struct string_list *groups, void *userdata)
{
    struct group_reads *g = userdata;
    struct error e = {0};
    int r = 0;
    bool open = g->events->is_open(g->owner);
    /* Without groups there is nothing to read, but perhaps to say that it is over. */
    if (!open && groups->n_items == 0 && !(g->was_unfinished && !group_reads_unfinished(g)))
        return;
    if (!open)
        r = g->events->open(g->owner, &e);
    if (r == 0)
        r = fetch_groups(g, groups, &e);
    if (r < 0)
        fail(g, r, &e);
    else if (open)
        g->events->moved(g->owner);
    else
        g->events->finish(g->owner);
}

static int take_due(struct group_reads *g, bool news, struct error *e)
{
    if (g->between || g->taken || !news)
        return 0;
    g->taken = true;
    return ask_of_newcomers(g, clock_monotonic_usec(), e);
}

int group_reads_before_commit(struct group_reads *g, bool news, bool *ret_asked, struct error *e)
{
    int r = take_due(g, news, e);
    if (r == 0)
        r = take_dynamic(g, e);
    *ret_asked = !g->between && newcomers_any(g->newcomers);
    if (r == 0)
        r = *ret_asked ? newcomers_ask(g->newcomers, e) : fetch_stale_groups(g, e);
    return r;
}

bool group_reads_asking(const struct group_reads *g)
{
    return !g->between && newcomers_asking(g->newcomers);
}

bool group_reads_rereading(const struct group_reads *g)
{
    return g->rereading;
}

void group_reads_committed(struct group_reads *g, bool unfinished)
{
    g->was_unfinished = unfinished;
}

static void newcomers_failed(int r, const struct error *e, void *userdata)
{
    fail(userdata, r, e);
}

int group_reads_new(struct group_reads **ret, struct feed_environment *env, struct fetches *fetches,
                    bool between, const struct group_reads_events *events, void *owner,
                    struct error *e)
{
    struct group_reads *g = calloc(1, sizeof(*g));
    if (!g)
        return error_out_of_memory(e);
    g->env = env;
    g->fetches = fetches;
    g->events = events;
    g->owner = owner;
    g->between = between;
    int r = newcomers_new(&g->newcomers, env, take_groups, newcomers_failed, g, e);
    /* Active Directory changes linked attributes in the transaction that moves the member. */
    if (r == 0)
        r = rereads_new(&g->rereads, env->event, !env->decoder.active_directory && !env->once,
                        between ? on_due : NULL, g, e);
    if (r < 0) {
        rereads_free(g->rereads);
        newcomers_free(g->newcomers);
        free(g);
        return r;
    }
    *ret = g;
    return 0;
}

void group_reads_reset(struct group_reads *g)
{
    if (!g->between)
        newcomers_reset(g->newcomers);
    string_list_done(&g->fetched);
    string_list_done(&g->last);
    g->taken = g->rereading = false;
}

void group_reads_arm(struct group_reads *g)
{
    rereads_arm(g->rereads, clock_monotonic_usec());
}

void group_reads_stop(struct group_reads *g)
{
    g->stopped = true;
}

struct group_reads *group_reads_free(struct group_reads *g)
{
    if (!g)
        return NULL;
    if (rereads_any(g->rereads) && !g->env->once)
        feed_doubts(g->env, "it could not be asked which groups the new people are in");
    rereads_free(g->rereads);
    newcomers_free(g->newcomers);
    string_list_done(&g->fetched);
    string_list_done(&g->last);
    free(g);
    return NULL;
}
