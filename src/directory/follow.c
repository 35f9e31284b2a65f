/*
 * Reads what lies behind continuation references, for one batch. It sends credentials to a host
 * that the directory named, so it insists on TLS and on a certificate that our authorities
 * signed for that host, whatever `tls` says. It follows no changes: a part on another server is
 * read by full reads alone.
 */
#include "config.h"

#include "directory/follow.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/address.h"
#include "directory/connect.h"
#include "directory/environment.h"
#include "directory/libldap.h"
#include "directory/search.h"
#include "directory/session.h"
#include "directory/task.h"
#include "model/dn.h"

struct reference {
    struct reference *next;
    unsigned search;
    struct string_list urls; /* alternatives */
    size_t n_tried;
};

struct follows {
    struct feed_environment *env;
    struct follows_events events;
    void *userdata;
    struct directory_options options; /* borrowed parts, with TLS */
    sd_event_source *step;
    struct reference *first; /* the one at work */
    struct error reason;     /* why the last alternative was no good */

    struct task_slot *slot;
    struct connect *connect;
    struct session *session;
    struct search *search;
    char *base, *filter;
    int scope;
    bool ended; /* with the first: read, or doubted */
};

static void step_soon(struct follows *f)
{
    sd_event_source_set_enabled(f->step, SD_EVENT_ONESHOT);
}

static void drop_connection(struct follows *f)
{
    f->search = search_free(f->search);
    f->connect = connect_free(f->connect);
    f->session = session_free(f->session);
    f->slot = task_slot_free(f->slot);
    free(f->base);
    free(f->filter);
    f->base = f->filter = NULL;
}

static void drop_first(struct follows *f)
{
    struct reference *r = f->first;
    f->first = r->next;
    string_list_done(&r->urls);
    free(r);
    f->ended = false;
}

/* What stands between the second and the third question mark; libldap says "base" for nothing.
 */
static bool names_scope(const char *url)
{
    const char *p = strchr(url, '?');
    p = p ? strchr(p + 1, '?') : NULL;
    return p && p[1] != 0 && p[1] != '?';
}

int follow_parse(const char *url, char **ret_server, char **ret_base, char **ret_filter,
                 int *ret_scope, struct error *e)
{
    LDAPURLDesc *p = NULL;
    if (ldap_url_parse(url, &p) != LDAP_URL_SUCCESS || !p)
        return error_set(e, -EINVAL, "it is not an LDAP address");
    bool ldaps = strcasecmp(p->lud_scheme, "ldaps") == 0;
    bool usable = (ldaps || strcasecmp(p->lud_scheme, "ldap") == 0) && p->lud_host &&
                  *p->lud_host && p->lud_crit_exts == 0;
    int r = usable ? 0 : error_set(e, -EINVAL, "it names no server that can be asked over TLS");
    bool bare = usable && strchr(p->lud_host, ':') != NULL; /* an IPv6 address */
    char *server = r == 0 ? libldap_format("%s://%s%s%s:%d", ldaps ? "ldaps" : "ldap",
                                           bare ? "[" : "", p->lud_host, bare ? "]" : "",
                                           p->lud_port > 0 ? p->lud_port
                                           : ldaps         ? LDAPS_PORT
                                                           : LDAP_PORT)
                          : NULL;
    char *base = r == 0 && p->lud_dn && *p->lud_dn ? strdup(p->lud_dn) : NULL;
    char *filter = r == 0 && p->lud_filter && *p->lud_filter ? strdup(p->lud_filter) : NULL;
    if (r == 0 && (!server || (p->lud_dn && *p->lud_dn && !base) ||
                   (p->lud_filter && *p->lud_filter && !filter)))
        r = error_out_of_memory(e);
    *ret_scope = names_scope(url) ? p->lud_scope : -1;
    ldap_free_urldesc(p);
    if (r < 0) {
        free(server);
        free(base);
        free(filter);
        return r;
    }
    *ret_server = server;
    *ret_base = base;
    *ret_filter = filter;
    return 0;
}

/* The next alternative, or the end of this reference. */
static void give_up(struct follows *f, const struct error *e)
{
    f->reason = *e;
    log_debug("%s", e->message);
    step_soon(f);
}

static void on_lost(struct session *s, int r, const struct error *e, void *userdata)
{
    (void)s, (void)r;
    give_up(userdata, e);
}

static int on_entry(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    const struct follows *f = userdata;
    CLEANUP(decoded_done) struct decoded d = {0};
    int r = decode_entry(&f->env->decoder, ld, m, NULL, &d, e);
    free(d.watermark); /* another server's clock */
    d.watermark = NULL;
    d.foreign = true;
    return r < 0 ? r : f->events.entry(f->first->search, &d, f->userdata, e);
}

static void on_done(struct search *s, const struct search_outcome *outcome, void *userdata)
{
    (void)s;
    struct follows *f = userdata;
    if (!outcome->whole) {
        struct error e = {0};
        error_set(&e, -EIO, "%s: %s", session_uri(f->session), outcome->doubt);
        f->events.doubt(e.message, f->userdata);
    }
    f->ended = true;
    step_soon(f);
}

static void on_failed(struct search *s, int r, const struct error *e, void *userdata)
{
    (void)s;
    struct follows *f = userdata;
    f->events.failed(r, e, f->userdata);
}

static int begin_search(struct follows *f, struct error *e)
{
    static const struct search_events events = {
        .entry = on_entry, .done = on_done, .failed = on_failed};
    const struct feed_environment *env = f->env;
    const struct feed_search *s = &env->searches[f->first->search];
    struct search_request q = {
        .base = f->base ? f->base : s->base,
        .scope = f->scope >= 0 ? f->scope : s->scope,
        .filter = f->filter ? f->filter : s->filter,
        .attributes = (const char *const *)env->attributes,
        .page_size = env->options->paging ? env->options->page_size : 0,
        .referrals = DIRECTORY_REFERRALS_NOTICE, /* no further */
        .partitions = env->decoder.active_directory,
        .timeout_usec = env->options->search_timeout_usec,
    };
    return search_start(&f->search, f->session, &q, &events, f, e);
}

static void on_connected(struct connect *c, enum connect_outcome outcome, LDAP *ld,
                         struct secret *password, int r, const struct error *e, void *userdata)
{
    static const struct session_events events = {.lost = on_lost};
    (void)c;
    struct follows *f = userdata;
    struct error own = {0};
    if (outcome != CONNECT_DONE) {
        give_up(f, e);
        return;
    }
    const struct reference *first = f->first;
    char uri[LIBLDAP_SAID_SIZE];
    session_said_url(f->env->session, uri, first->urls.items[first->n_tried - 1]);
    r = session_new(&f->session, f->env->event, ld, password, uri, &events, f, &own);
    if (r == 0)
        r = begin_search(f, &own);
    if (r < 0)
        give_up(f, &own);
}

static int try_url(struct follows *f, const char *url, struct error *e)
{
    char shown[LIBLDAP_SAID_SIZE];
    CLEANUP(freep) char *server = NULL;
    CLEANUP(freep) char *key = NULL;
    int r = follow_parse(url, &server, &f->base, &f->filter, &f->scope, e);
    if (r == 0 && f->base &&
        (dn_key(f->env->decoder.schema, f->base, &key, NULL) < 0 ||
         !dn_key_is_below(key, f->env->searches[f->first->search].base_key)))
        r = error_set(e, -EINVAL, "it leads out of %s", f->env->searches[f->first->search].base);
    if (r == 0 && !address_is_listed(server, f->env->options->referral_hosts,
                                     f->env->options->n_referral_hosts))
        r = error_set(e, -EACCES,
                      "the server is not listed under [directory] referral_hosts, so no password "
                      "is sent there");
    if (r < 0)
        return error_wrap(e, r, "the reference to %s",
                          session_said_url(f->env->session, shown, url));
    f->slot = task_slot_new();
    return f->slot ? connect_start(&f->connect, f->env->event, f->slot, &f->options, server,
                                   on_connected, f, e)
                   : error_out_of_memory(e);
}

/* Between callbacks of what is dropped here. */
static int on_step(sd_event_source *source, void *userdata)
{
    (void)source;
    struct follows *f = userdata;
    drop_connection(f);
    if (f->first && !f->ended && f->first->n_tried >= f->first->urls.n_items) {
        struct error e = {0};
        error_set(&e, -EIO, "a part of %s lies on another server and could not be read: %s",
                  f->env->searches[f->first->search].base, f->reason.message);
        f->events.doubt(e.message, f->userdata);
        f->ended = true;
    }
    if (f->first && f->ended)
        drop_first(f);
    if (!f->first) {
        f->events.over(f->userdata);
        return 0;
    }
    struct error e = {0};
    if (f->first->n_tried < f->first->urls.n_items &&
        try_url(f, f->first->urls.items[f->first->n_tried++], &e) < 0)
        give_up(f, &e);
    else if (!f->connect)
        step_soon(f); /* an unreadable one */
    return 0;
}

int follows_new(struct follows **ret, struct feed_environment *env,
                const struct follows_events *events, void *userdata, struct error *e)
{
    struct follows *f = calloc(1, sizeof(*f));
    if (!f)
        return error_out_of_memory(e);
    f->env = env;
    f->events = *events;
    f->userdata = userdata;
    f->options = *env->options;
    f->options.tls = DIRECTORY_TLS_AUTO; /* StartTLS for ldap:// */
    int r = sd_event_add_defer(env->event, &f->step, on_step, f);
    if (r >= 0)
        r = sd_event_source_set_enabled(f->step, SD_EVENT_OFF);
    if (r < 0) {
        follows_free(f);
        return error_set(e, r, "cannot prepare for references: %s", strerror(-r));
    }
    *ret = f;
    return 0;
}

void follows_reset(struct follows *f)
{
    sd_event_source_set_enabled(f->step, SD_EVENT_OFF);
    drop_connection(f);
    while (f->first)
        drop_first(f);
}

struct follows *follows_free(struct follows *f)
{
    if (!f)
        return NULL;
    if (f->step)
        follows_reset(f);
    f->step = sd_event_source_disable_unref(f->step);
    free(f);
    return NULL;
}

int follows_add(struct follows *f, unsigned search, char *const *urls, struct error *e)
{
    /* Active Directory points to its own partitions. */
    if (f->env->decoder.active_directory && urls && urls[0] &&
        search_reference_is_partition(urls[0]))
        return 0;
    struct reference *r = calloc(1, sizeof(*r)), **end = &f->first;
    if (!r)
        return error_out_of_memory(e);
    r->search = search;
    for (size_t i = 0; urls && urls[i]; i++)
        if (string_list_add(&r->urls, urls[i]) < 0) {
            string_list_done(&r->urls);
            free(r);
            return error_out_of_memory(e);
        }
    error_set(&f->reason, -EBADMSG, "the reference cannot be read");
    while (*end)
        end = &(*end)->next;
    *end = r;
    if (r == f->first)
        step_soon(f);
    return 0;
}

bool follows_busy(const struct follows *f)
{
    return f->first != NULL;
}
