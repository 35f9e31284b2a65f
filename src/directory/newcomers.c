/*
 * Asks for the groups of newcomers, some dozens of people at once, and only for the groups'
 * ids: whoever reads them again gets their members. When the server does not answer that, a
 * full compare is asked for; nothing is guessed.
 */
#include "config.h"

#include "directory/newcomers.h"

#include <errno.h>
#include <ldap.h>
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

#define AT_ONCE 40

struct newcomers {
    struct feed_environment *env;
    void (*done)(const struct string_list *groups, void *userdata);
    void (*failed)(int r, const struct error *e, void *userdata);
    void *userdata;
    struct string_list dns, groups;
    size_t first, end; /* of dns: those that are asked for now */
    unsigned index;    /* the search that is asked */
    struct search *search;
    bool warned; /* once, while it is connected */
};

int newcomers_new(struct newcomers **ret, struct feed_environment *env,
                  void (*done)(const struct string_list *groups, void *userdata),
                  void (*failed)(int r, const struct error *e, void *userdata), void *userdata,
                  struct error *e)
{
    struct newcomers *n = calloc(1, sizeof(*n));
    if (!n)
        return error_out_of_memory(e);
    *n = (struct newcomers){.env = env, .done = done, .failed = failed, .userdata = userdata};
    *ret = n;
    return 0;
}

void newcomers_reset(struct newcomers *n)
{
    n->search = search_free(n->search);
    string_list_done(&n->dns);
    string_list_done(&n->groups);
    n->first = n->end = 0;
    n->index = 0;
}

struct newcomers *newcomers_free(struct newcomers *n)
{
    if (!n)
        return NULL;
    newcomers_reset(n);
    free(n);
    return NULL;
}

int newcomers_add(struct newcomers *n, const char *dn, struct error *e)
{
    return string_list_add(&n->dns, dn) < 0 ? error_out_of_memory(e) : 0;
}

bool newcomers_any(const struct newcomers *n)
{
    return n->end < n->dns.n_items;
}

bool newcomers_asking(const struct newcomers *n)
{
    return n->search != NULL;
}

static int on_entry(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct newcomers *n = userdata;
    CLEANUP(freep) char *id = decode_id(&n->env->decoder, ld, m);
    return id && string_list_add_once(&n->groups, id) < 0 ? error_out_of_memory(e) : 0;
}

/* Where it never does, each newcomer costs a whole read: whoever runs the server should know. */
static void not_told(struct newcomers *n, const struct search_outcome *outcome)
{
    struct error e = {0};
    (void)libldap_error(&e, outcome->code, outcome->said,
                        "the server does not say which groups the new people are in, so everything "
                        "is read again (a search by member and uniqueMember below %s)",
                        n->env->searches[n->index].base);
    if (!n->warned)
        log_warning("%s", e.message);
    n->warned = true;
    feed_doubts(n->env, e.message);
}

static void on_done(struct search *s, const struct search_outcome *outcome, void *userdata)
{
    (void)s;
    struct newcomers *n = userdata;
    struct error e = {0};
    if (outcome->code != LDAP_SUCCESS)
        not_told(n, outcome);
    n->search = search_free(n->search);
    if (++n->index == n->env->n_searches) {
        n->index = 0;
        n->first = n->end;
    }
    if (n->index > 0 || newcomers_any(n)) {
        int r = newcomers_ask(n, &e);
        if (r < 0)
            n->failed(r, &e, n->userdata);
        return;
    }
    CLEANUP(string_list_done) struct string_list groups = n->groups;
    n->groups = (struct string_list){0};
    newcomers_reset(n);
    n->done(&groups, n->userdata);
}

static void on_failed(struct search *s, int r, const struct error *e, void *userdata)
{
    (void)s;
    struct newcomers *n = userdata;
    struct error copy = *e;
    n->search = search_free(n->search);
    n->failed(r, &copy, n->userdata);
}

static int write_filter(struct newcomers *n, struct buffer *b, const char *candidates)
{
    buffer_format(b, "(&%s(|", candidates);
    for (size_t i = n->first; i < n->end; i++) {
        const char *dn = n->dns.items[i];
        CLEANUP(freep) char *value = libldap_filter_escape(dn, strlen(dn));
        if (!value)
            return -ENOMEM;
        const char *const parts[] = {"(member=", value, ")(uniqueMember=", value, ")"};
        for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
            buffer_add_text(b, parts[k]);
    }
    buffer_add_text(b, "))");
    return 0;
}

int newcomers_ask(struct newcomers *n, struct error *e)
{
    static const struct search_events events = {
        .entry = on_entry, .done = on_done, .failed = on_failed};
    struct feed_environment *env = n->env;
    size_t left = n->dns.n_items - n->first;
    if (n->index == 0)
        n->end = n->first + (left < AT_ONCE ? left : AT_ONCE);
    while (!env->searches[n->index].groups)
        n->index++; /* the last one has some */
    const struct feed_search *groups = &env->searches[n->index];
    const char *attributes[] = {env->decoder.id_attribute, env->decoder.second_id_attribute, NULL};
    CLEANUP(buffer_done) struct buffer filter = {0};
    if (write_filter(n, &filter, groups->groups) < 0)
        return error_out_of_memory(e);
    CLEANUP(freep) char *text = buffer_take(&filter);
    struct search_request q = {
        .base = groups->base,
        .scope = groups->scope,
        .filter = text,
        .attributes = attributes,
        .referrals = DIRECTORY_REFERRALS_IGNORE,
        .partitions = env->decoder.active_directory,
        .timeout_usec = env->options->search_timeout_usec,
    };
    return text ? search_start(&n->search, env->session, &q, &events, n, e)
                : error_out_of_memory(e);
}
