/*
 * Asks all searches for entries of which no search is known to hold them.
 */
#include "config.h"

#include "directory/holders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/environment.h"
#include "directory/libldap.h"
#include "directory/search.h"

#define AT_ONCE 100

struct holders {
    struct feed_environment *env;
    struct holders_events events;
    void *userdata;
    struct string_list ids, absent;
    bool *found;     /* of ids */
    size_t first, n; /* the ids that are asked for now */
    unsigned index;  /* the search that is asked */
    bool chunk_whole, all_whole;
    struct search *search;
};

int holders_new(struct holders **ret, struct feed_environment *env,
                const struct holders_events *events, void *userdata, struct error *e)
{
    struct holders *h = calloc(1, sizeof(*h));
    if (!h)
        return error_out_of_memory(e);
    *h = (struct holders){.env = env, .events = *events, .userdata = userdata};
    *ret = h;
    return 0;
}

void holders_reset(struct holders *h)
{
    h->search = search_free(h->search);
    string_list_done(&h->ids);
    string_list_done(&h->absent);
    free(h->found);
    h->found = NULL;
}

struct holders *holders_free(struct holders *h)
{
    if (!h)
        return NULL;
    holders_reset(h);
    free(h);
    return NULL;
}

/* A configured attribute may have no rule to compare it by, so that nothing is found by it; and
 * what lies behind references is read by whole reads alone. */
bool holders_can_ask(const struct feed_environment *env)
{
    return env->decoder.identity != IDENTITY_ATTRIBUTE &&
           env->options->referrals != DIRECTORY_REFERRALS_FOLLOW;
}

bool holders_asking(const struct holders *h)
{
    return h->search != NULL;
}

static void fail(struct holders *h, int r, const struct error *e)
{
    struct error copy = *e;
    h->search = search_free(h->search);
    h->events.failed(r, &copy, h->userdata);
}

static int on_entry(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct holders *h = userdata;
    const struct decoder *d = &h->env->decoder;
    struct berval **values = ldap_get_values_len(ld, m, d->id_attribute);
    CLEANUP(freep)
    char *id = values && values[0]
                   ? identity_from_value(d->identity, values[0]->bv_val, values[0]->bv_len)
                   : NULL;
    ldap_value_free_len(values);
    int r = id ? h->events.entry(h->index, ld, m, h->userdata, e) : 0;
    for (size_t i = h->first; r > 0 && i < h->first + h->n; i++)
        if (text_equal(h->ids.items[i], id))
            h->found[i] = true;
    if (!id)
        h->chunk_whole = false; /* one of those that were asked for, we do not see which */
    return r < 0 ? r : 0;
}

static int ask(struct holders *h, struct error *e);

static int end_chunk(struct holders *h, struct error *e)
{
    for (size_t i = h->first; i < h->first + h->n && h->chunk_whole; i++)
        if (!h->found[i] && string_list_add(&h->absent, h->ids.items[i]) < 0)
            return error_out_of_memory(e);
    h->all_whole = h->all_whole && h->chunk_whole;
    h->first += h->n;
    h->index = 0;
    return h->first < h->ids.n_items ? ask(h, e) : 0;
}

static void on_done(struct search *s, const struct search_outcome *outcome, void *userdata)
{
    (void)s;
    struct holders *h = userdata;
    struct error e = {0};
    if (!outcome->whole) {
        h->chunk_whole = false;
        log_debug("%s", outcome->doubt);
        if (outcome->unanswered)
            feed_unanswered(h->env, outcome->doubt);
    }
    h->search = search_free(h->search);
    int r = ++h->index < h->env->n_searches ? ask(h, &e) : end_chunk(h, &e);
    if (r < 0) {
        fail(h, r, &e);
        return;
    }
    if (h->search)
        return;
    CLEANUP(string_list_done) struct string_list absent = h->absent;
    bool whole = h->all_whole;
    h->absent = (struct string_list){0};
    holders_reset(h);
    h->events.done(&absent, whole, h->userdata);
}

static void on_failed(struct search *s, int r, const struct error *e, void *userdata)
{
    (void)s;
    fail(userdata, r, e);
}

static char *write_filter(const struct holders *h, const char *candidates)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    const struct decoder *d = &h->env->decoder;
    buffer_format(&b, "(&%s(|", candidates);
    for (size_t i = h->first; i < h->first + h->n; i++) {
        CLEANUP(freep) char *value = identity_filter_value(d->identity, h->ids.items[i]);
        if (!value)
            return NULL;
        buffer_format(&b, "(%s=%s)", d->id_attribute, value);
    }
    buffer_add_text(&b, "))");
    return buffer_take(&b);
}

static int ask(struct holders *h, struct error *e)
{
    static const struct search_events events = {
        .entry = on_entry, .done = on_done, .failed = on_failed};
    struct feed_environment *env = h->env;
    const struct feed_search *s = &env->searches[h->index];
    size_t left = h->ids.n_items - h->first;
    if (h->index == 0) {
        h->n = left < AT_ONCE ? left : AT_ONCE;
        h->chunk_whole = true;
    }
    CLEANUP(freep) char *filter = write_filter(h, s->filter);
    struct search_request q = {
        .base = s->base,
        .scope = s->scope,
        .filter = filter,
        .attributes = (const char *const *)env->attributes,
        .referrals = env->options->referrals,
        .partitions = env->decoder.active_directory,
        .timeout_usec = env->options->search_timeout_usec,
    };
    return filter ? search_start(&h->search, env->session, &q, &events, h, e)
                  : error_out_of_memory(e);
}

int holders_ask(struct holders *h, const struct string_list *ids, struct error *e)
{
    holders_reset(h);
    for (size_t i = 0; i < ids->n_items; i++)
        if (string_list_add(&h->ids, ids->items[i]) < 0)
            return error_out_of_memory(e);
    h->found = calloc(ids->n_items + 1, sizeof(*h->found));
    h->first = 0;
    h->index = 0;
    h->all_whole = true;
    return h->found ? ask(h, e) : error_out_of_memory(e);
}
