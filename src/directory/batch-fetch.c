/*
 * What a batch reads of its own accord, entry by entry: the rest of long member lists, groups
 * that are to be read again, entries of which only a change was told. A few at a time; each
 * speaks for the search that it belongs to.
 */
#include "config.h"

#include <errno.h>
#include <ldap.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "directory/batch-private.h"
#include "directory/environment.h"
#include "directory/libldap.h"
#include "directory/rootdse.h"
#include "directory/search.h"
#include "model/dn.h"

#define FETCHES_AT_ONCE 8

enum fetch_kind {
    FETCH_ENTRY = 1,
    FETCH_RANGE = 2,
    FETCH_CONTAINER = 3,
};

struct fetch {
    struct feed_batch *batch;
    struct fetch *next;
    enum fetch_kind kind;
    unsigned index;        /* of the search that it speaks for */
    struct search *search; /* NULL: waits for its turn */
    char *base;
    char *id;               /* ENTRY: may be NULL */
    struct decoded decoded; /* RANGE */
    bool found;
};

static void fetch_free(struct fetch *f)
{
    struct fetch **p = &f->batch->fetches;
    while (*p && *p != f)
        p = &(*p)->next;
    if (*p)
        *p = f->next;
    if (f->search)
        f->batch->n_running--;
    search_free(f->search);
    decoded_done(&f->decoded);
    free(f->base);
    free(f->id);
    free(f);
}

void batch_drop_fetches(struct feed_batch *b)
{
    while (b->fetches)
        fetch_free(b->fetches);
}

static int add_fetch(struct feed_batch *b, unsigned index, enum fetch_kind kind,
                     const char *base, const char *id, struct decoded *taken, struct error *e)
{
    struct fetch *f = calloc(1, sizeof *f);
    if (f) {
        f->batch = b;
        f->kind = kind;
        f->index = index;
        f->base = strdup(base);
        f->id = id ? strdup(id) : NULL;
        f->next = b->fetches;
        b->fetches = f;
    }
    if (taken && f)
        f->decoded = *taken;
    else if (taken)
        decoded_done(taken);
    if (taken)
        *taken = (struct decoded){};
    if (!f || !f->base || (id && !f->id)) {
        if (f)
            fetch_free(f);
        return error_out_of_memory(e);
    }
    batch_pump(b);
    return 0;
}

int batch_fetch_entry(struct feed_batch *b, unsigned search, const char *base, const char *id,
                      struct error *e)
{
    return add_fetch(b, search, FETCH_ENTRY, base, id, NULL, e);
}

int batch_fetch_ranges(struct feed_batch *b, unsigned search, const char *base,
                       struct decoded *taken, struct error *e)
{
    return add_fetch(b, search, FETCH_RANGE, base, NULL, taken, e);
}

int feed_batch_fetch(struct feed_batch *b, const char *base, const char *id, struct error *e)
{
    return batch_fetch_entry(b, b->search, base, id, e);
}

int feed_batch_check_container(struct feed_batch *b, const char *dn, struct error *e)
{
    return add_fetch(b, b->search, FETCH_CONTAINER, dn, NULL, NULL, e);
}

/* The whole of the entry's members is known: it may pass. */
static int complete_ranges(struct fetch *f, struct error *e)
{
    size_t n;
    const struct range_value *values = ranges_values(f->decoded.ranges, &n);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = decode_member(f->decoded.entry, MEMBER_DN, values[i].data, values[i].size);
    if (r < 0)
        return error_set(e, r, "the members of %s cannot be taken: %s", f->decoded.dn,
                         strerror(-r));
    entry_sort(f->decoded.entry);
    return batch_hand_over(f->batch, f->index, &f->decoded, e);
}

static int on_entry(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct fetch *f = userdata;
    struct feed_batch *b = f->batch;
    f->found = true;
    if (f->kind == FETCH_CONTAINER)
        return 0;
    if (f->kind == FETCH_RANGE) {
        int r = decode_range(f->decoded.ranges, ld, m);
        if (r == RANGES_AGAIN)
            log_debug("%s: changed while its members were read, reading again", f->decoded.dn);
        if (r < 0)
            return error_set(e, r, "the members of %s cannot be read to the end: %s",
                             f->decoded.dn,
                             r == -EAGAIN ? "the group keeps changing" : strerror(-r));
        f->found = r == RANGES_COMPLETE;
        return 0;
    }
    CLEANUP(decoded_done) struct decoded d = {};
    int r = decode_entry(&b->env->decoder, ld, m, NULL, &d, e);
    if (r < 0)
        return r;
    CLEANUP(freep) char *key = NULL;
    const char *base_key = b->env->searches[f->index].base_key;
    if (d.entry && (dn_key(d.dn, &key, NULL) < 0 || !dn_key_is_below(key, base_key))) {
        if (d.entry->kind == ENTRY_CONTAINER && batch_knows_below(b, f->index, d.entry->id))
            directory_feed_doubts(b->env, "a container was moved out of the base");
        return batch_left(b, f->index, d.entry->id, "the entry was moved out of the base", e);
    }
    if (f->id && d.entry && strcmp(f->id, d.entry->id) != 0)
        return 0; /* another entry has this DN now */
    return batch_take_decoded(b, f->index, &d, e);
}

static int fetch_start(struct fetch *f, struct error *e);

static void fetch_failed(struct fetch *f, int r, const struct error *e)
{
    struct feed_batch *b = f->batch;
    /* A read that means to be whole goes on without; nobody leaves because of it. A difference
     * that is lost would never come again. */
    if (b->full) {
        feed_batch_doubt(b, "%s", e->message);
        log_debug("%s", e->message);
    } else {
        batch_fail(b, r, e);
    }
    fetch_free(f);
    if (!b->failed)
        batch_pump(b);
}

static void on_failed(struct search *s, int r, const struct error *e, void *userdata)
{
    (void)s;
    struct error copy = *e;
    fetch_failed(userdata, r, &copy);
}

static void range_done(struct fetch *f, const struct search_outcome *outcome)
{
    struct feed_batch *b = f->batch;
    struct error e = {};
    int r = 0;
    if (outcome->code != LDAP_SUCCESS || outcome->n_entries == 0) {
        r = libldap_error(&e, outcome->code, outcome->said,
                          "the members of %s cannot be read to the end", f->decoded.dn);
    } else if (f->found) {
        r = complete_ranges(f, &e);
        if (r < 0) {
            batch_fail(b, r, &e);
            return;
        }
        fetch_free(f);
        batch_pump(b);
        return;
    } else {
        f->search = search_free(f->search);
        b->n_running--;
        r = fetch_start(f, &e);
    }
    if (r < 0)
        fetch_failed(f, r, &e);
}

static void on_done(struct search *s, const struct search_outcome *outcome, void *userdata)
{
    (void)s;
    struct fetch *f = userdata;
    struct feed_batch *b = f->batch;
    if (f->kind == FETCH_RANGE) {
        range_done(f, outcome);
        return;
    }
    if (f->kind == FETCH_CONTAINER) {
        /* Found, or hidden from us: both may be a container with people below. */
        if (f->found || outcome->code != LDAP_SUCCESS)
            directory_feed_doubts(b->env,
                                  "an entry left the base, perhaps with others below it");
    } else if (outcome->code != LDAP_SUCCESS && outcome->code != LDAP_NO_SUCH_OBJECT) {
        struct error e = {};
        int r =
            libldap_error(&e, outcome->code, outcome->said, "%s cannot be read again", f->base);
        fetch_failed(f, r, &e);
        return;
    } else if (!f->found && outcome->code == LDAP_SUCCESS && f->id && !b->full &&
               b->env->decoder.active_directory) {
        /* It is there, and our filter does not select it (any more). */
        struct error e = {};
        int r =
            batch_left(b, f->index, f->id, "the entry no longer matches the filter", &e);
        if (r < 0) {
            batch_fail(b, r, &e);
            return;
        }
    } else if (!f->found) {
        log_debug("%s: not found when read again", f->base); /* unknown, not gone */
    }
    fetch_free(f);
    batch_pump(b);
}

static int fetch_start(struct fetch *f, struct error *e)
{
    static const char *const nothing[] = {"1.1", NULL};
    static const struct search_events events = {
        .entry = on_entry, .done = on_done, .failed = on_failed};
    struct feed_environment *env = f->batch->env;
    CLEANUP(freep) char *containers = NULL;
    const char *range[] = {NULL, "uSNChanged", NULL};
    struct search_request request = {
        .base = f->base,
        .scope = LDAP_SCOPE_BASE,
        .filter = "(objectClass=*)",
        .attributes = (const char *const *)env->attributes,
        .referrals = env->options->referrals,
        .timeout_usec = env->options->search_timeout_usec,
    };
    if (f->kind == FETCH_ENTRY)
        request.filter = env->searches[f->index].filter;
    if (f->kind == FETCH_RANGE) {
        range[0] = ranges_request(f->decoded.ranges);
        if (!env->decoder.active_directory)
            range[1] = NULL;
        request.attributes = range;
        f->found = false;
    }
    if (f->kind == FETCH_CONTAINER) {
        containers = rootdse_container_filter();
        if (!containers)
            return error_out_of_memory(e);
        request.filter = containers;
        request.attributes = nothing;
    }
    int r = search_start(&f->search, env->session, &request, &events, f, e);
    if (r == 0)
        f->batch->n_running++;
    return r;
}

int batch_start_fetches(struct feed_batch *b, struct error *e)
{
    int r = 0;
    for (struct fetch *f = b->fetches, *next; f && b->n_running < FETCHES_AT_ONCE && r == 0;
         f = next) {
        next = f->next;
        if (!f->search)
            r = fetch_start(f, e);
    }
    return r;
}
