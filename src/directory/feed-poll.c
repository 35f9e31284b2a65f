/*
 * The feed for any server: whole reads, with their proof, and between them reads of what
 * changed since the greatest change mark (CSN, USN, time stamp) that was seen. Such a mark
 * never shows what was deleted, what left the filter, who moved with a renamed container: only
 * the next whole read does. It keeps no cookie: every connection begins with a whole read.
 */
#include "config.h"

#include <errno.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "directory/batch.h"
#include "directory/environment.h"
#include "directory/libldap.h"
#include "directory/rootdse.h"
#include "directory/search.h"
#include "directory/session.h"
#include "directory/watermark.h"

#define DEFAULT_INTERVAL_USEC (60 * USEC_PER_SEC)
struct poll {
    struct feed_environment *env;
    struct feed_batch *batch;
    struct search *search;
    sd_event_source *timer;
    unsigned current; /* index of the search that runs */
    bool running, full, full_wanted, whole;
    bool roll;            /* this round calls ids */
    unsigned n_rounds;    /* of changes, since all ids were seen */
    bool reading_deleted; /* the second part of a delta read on Active Directory */
    char *watermarks[DIRECTORY_MAX_SEARCHES];
    unsigned took_seconds[DIRECTORY_MAX_SEARCHES]; /* the read that gave the mark: what changed
                                                      in it may be older */
    uint64_t began_usec;
    char what[256];
};

static int start_search(struct poll *p, struct error *e);

static void arm_timer(struct poll *p, uint64_t usec)
{
    sd_event_source_set_time_relative(p->timer, usec);
    sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
}

static void fail(struct poll *p, int r, const struct error *e)
{
    p->search = search_free(p->search);
    feed_failed(p->env, r, e);
}

/* USNs: of the moment before the first read, as what changes in it may get a lower number than
 * what was seen. NULL: this server's marks are times. */
static char *first_watermark(const struct poll *p)
{
    const char *attribute = p->env->decoder.watermark_attribute;
    bool usn = attribute && strcasestr(attribute, "usn") != NULL;
    return usn ? libldap_format("%llu", (unsigned long long)p->env->server->highest_usn) : NULL;
}

static bool can_read_changes(const struct poll *p)
{
    for (unsigned i = 0; i < p->env->n_searches; i++)
        if (!p->watermarks[i])
            return false;
    return p->env->decoder.watermark_attribute != NULL;
}

static int begin(struct poll *p, unsigned search, struct error *e)
{
    p->current = search;
    p->reading_deleted = false;
    p->whole = true;
    p->began_usec = clock_monotonic_usec();
    int r = feed_batch_begin(p->batch, search, p->full || p->roll, e);
    if (r == 0 && !p->full && !p->roll && search + 1 == p->env->n_searches)
        feed_batch_reread(p->batch);
    return r < 0 ? r : start_search(p, e);
}

static void begin_round(struct poll *p)
{
    struct error e = {0};
    p->running = true;
    p->full = p->full_wanted || !can_read_changes(p);
    p->roll = !p->full && ++p->n_rounds >= FEED_ROLL_CALL_EVERY;
    if (p->full || p->roll)
        p->n_rounds = 0;
    if (p->full) {
        p->full_wanted = false;
        feed_reads_all(p->env);
    }
    int r = begin(p, 0, &e);
    if (r < 0)
        fail(p, r, &e);
}

static void end_round(struct poll *p)
{
    p->running = false;
    feed_caught_up(p->env, p->full);
    if (p->env->once)
        return;
    uint64_t interval = p->env->options->poll_interval_usec;
    bool amid = p->full && !p->full_wanted && can_read_changes(p);
    if (p->roll || amid)
        interval = 1; /* changes are due as well, or there were some amid the read */
    arm_timer(p, interval > 0 ? interval : DEFAULT_INTERVAL_USEC);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    struct poll *p = userdata;
    if (!p->running)
        begin_round(p);
    return 0;
}

static int on_entry(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct poll *p = userdata;
    return p->roll ? feed_batch_roll(p->batch, ld, m, e)
                   : feed_batch_entry(p->batch, ld, m, NULL, e);
}

static void on_reference(char *const *urls, void *userdata)
{
    struct poll *p = userdata;
    feed_batch_reference(p->batch, urls);
}

static void on_failed(struct search *s, int r, const struct error *e, void *userdata)
{
    (void)s;
    struct error copy = *e;
    fail(userdata, r, &copy);
}

static int search_deleted(struct poll *p, struct error *e);

static void on_done(struct search *s, const struct search_outcome *outcome, void *userdata)
{
    (void)s;
    struct poll *p = userdata;
    struct error e = {0};
    if (!outcome->whole) {
        p->whole = false;
        feed_batch_doubt(p->batch, "%s", outcome->doubt);
        log_debug("%s", outcome->doubt);
    }
    p->search = search_free(p->search);
    if (!p->full && !p->roll && !p->reading_deleted &&
        p->env->server->product == PRODUCT_ACTIVE_DIRECTORY &&
        p->env->server->suffixes[p->current]) {
        p->reading_deleted = true;
        int r = search_deleted(p, &e);
        if (r < 0)
            fail(p, r, &e);
        return;
    }
    feed_batch_finish(p->batch);
}

static const struct search_events search_events = {
    .entry = on_entry, .reference = on_reference, .done = on_done, .failed = on_failed};

static int start_search(struct poll *p, struct error *e)
{
    struct feed_environment *env = p->env;
    const struct feed_search *s = &env->searches[p->current];
    const char *const ids[] = {env->decoder.id_attribute, env->decoder.second_id_attribute, NULL};
    CLEANUP(freep) char *filter = NULL;
    if (!p->full && !p->roll) {
        const char *attribute = env->decoder.watermark_attribute;
        CLEANUP(freep)
        char *from =
            watermark_move_back(attribute, p->watermarks[p->current], p->took_seconds[p->current]);
        CLEANUP(freep) char *since = from ? libldap_format("(%s>=%s)", attribute, from) : NULL;
        filter = libldap_filter_and(s->filter, since);
    } else {
        filter = strdup(s->filter);
    }
    if (!filter)
        return error_out_of_memory(e);
    bool paged = env->options->paging && rootdse_has_control(env->server, LIBLDAP_OID_PAGED);
    struct search_request q = {
        .base = s->base,
        .scope = s->scope,
        .filter = filter,
        .attributes = p->roll ? ids : (const char *const *)env->attributes,
        .page_size = paged ? env->options->page_size : 0,
        .referrals = env->options->referrals,
        .partitions = env->decoder.active_directory,
        .timeout_usec = env->options->search_timeout_usec,
    };
    return search_start(&p->search, env->session, &q, &search_events, p, e);
}

/* Active Directory keeps what was deleted in sight of those who may see it. */
static int search_deleted(struct poll *p, struct error *e)
{
    struct feed_environment *env = p->env;
    LDAPControl show = {.ldctl_oid = (char *)LIBLDAP_OID_SHOW_DELETED, .ldctl_iscritical = 1};
    LDAPControl *controls[] = {&show, NULL};
    CLEANUP(freep) char *from = watermark_move_back("uSNChanged", p->watermarks[p->current], 0);
    CLEANUP(freep)
    char *filter = from ? libldap_format("(&(isDeleted=TRUE)(uSNChanged>=%s))", from) : NULL;
    if (!filter)
        return error_out_of_memory(e);
    struct search_request q = {
        .base = env->server->suffixes[p->current],
        .scope = LDAP_SCOPE_SUBTREE,
        .filter = filter,
        .attributes = (const char *const *)env->attributes,
        .referrals = DIRECTORY_REFERRALS_IGNORE,
        .controls = controls,
        .timeout_usec = env->options->search_timeout_usec,
    };
    return search_start(&p->search, env->session, &q, &search_events, p, e);
}

static void keep_watermark(struct poll *p)
{
    char **kept = &p->watermarks[p->current];
    if (p->full && *kept)
        return; /* it is older than this read: the next read of changes begins there */
    CLEANUP(freep) char *mark = NULL;
    if (p->full)
        mark = first_watermark(p);
    const char *seen = feed_batch_watermark(p->batch);
    if (!mark && seen)
        mark = strdup(seen);
    if (!mark || !watermark_is_greater(mark, *kept))
        return;
    free(*kept);
    *kept = TAKE(mark);
    p->took_seconds[p->current] =
        (unsigned)((clock_monotonic_usec() - p->began_usec) / USEC_PER_SEC) + 1;
}

static void prepare(struct feed_commit *c, void *userdata)
{
    struct poll *p = userdata;
    snprintf(p->what, sizeof(p->what), "%s of %zu entr%s from %s",
             p->full   ? "full read"
             : p->roll ? "roll call, and read"
                       : "read of changes",
             c->n_entries, c->n_entries == 1 ? "y" : "ies", session_uri(p->env->session));
    c->what = p->what;
    c->end_of_read = p->current + 1 == p->env->n_searches;
    if (p->roll)
        return;
    if (p->whole)
        keep_watermark(p);
    if (!p->whole || c->absence == FEED_ABSENCE_UNPROVEN)
        p->full_wanted = true; /* the next one may be proven */
}

static void committed(void *userdata)
{
    struct poll *p = userdata;
    struct error e = {0};
    if (p->current + 1 == p->env->n_searches) {
        end_round(p);
        return;
    }
    int r = begin(p, p->current + 1, &e);
    if (r < 0)
        fail(p, r, &e);
}

static void poll_free(void *feed)
{
    struct poll *p = feed;
    if (!p)
        return;
    search_free(p->search);
    feed_batch_free(p->batch);
    p->timer = sd_event_source_disable_unref(p->timer);
    for (size_t i = 0; i < ARRAY_SIZE(p->watermarks); i++)
        free(p->watermarks[i]);
    free(p);
}

static int poll_start(void **ret, struct feed_environment *env, struct error *e)
{
    static const struct feed_batch_events events = {.prepare = prepare, .committed = committed};
    struct poll *p = calloc(1, sizeof(*p));
    if (!p)
        return error_out_of_memory(e);
    p->env = env;
    p->full_wanted = true;
    int r = feed_batch_new(&p->batch, env, &events, p, e);
    if (r == 0) {
        r = timer_in(env->event, &p->timer, 0, on_timer, p);
        if (r < 0)
            error_set(e, r, "cannot make a timer: %s", strerror(-r));
    }
    if (r < 0) {
        poll_free(p);
        return r;
    }
    *ret = p; /* the timer begins the first round */
    return 0;
}

static void poll_request_full(void *feed)
{
    struct poll *p = feed;
    p->full_wanted = true;
    if (!p->running)
        arm_timer(p, 0);
}

const struct directory_feed_ops feed_poll_ops = {
    .kind = DIRECTORY_FEED_POLL,
    .start = poll_start,
    .free = poll_free,
    .request_full = poll_request_full,
};
