/* Chooses a feed for what the server is, makes what it works with, starts it, and takes it
 * down. */
#include "config.h"

#include "directory/feeding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/bases.h"
#include "directory/decode-raw.h"
#include "directory/libldap.h"
#include "directory/refused.h"
#include "directory/rootdse.h"
#include "directory/searches.h"
#include "directory/session.h"
#include "directory/sights.h"
#include "directory/urgent.h"
#include "directory/watermark.h"
#include "model/schema.h"

struct feeding {
    struct sd_event *event;
    const struct directory_options *options;
    struct searches *searches;
    struct string_list attributes;
    const struct feed_sink *sink;
    void *sink_userdata;
    const struct feeding_events *events;
    void *owner;

    /* for one connection */
    struct feeding_request request;
    struct sights *sights;       /* before the feed starts */
    const struct schema *schema; /* of the sink: in force while this connection lives */
    struct feed_environment env;
    bool env_ready, unsupported;
    const struct directory_feed_ops *ops;
    void *feed;
    struct bases *bases;
    struct urgent *urgent; /* NULL: nobody is asked for, or all was told */
    bool is_reading;
    struct refused refused;
    struct error unsupported_because;

    /* status */
    enum directory_feed_kind kind;
    char reason[256];
};

static void drop_feed(struct feeding *f)
{
    f->urgent = urgent_free(f->urgent);
    f->bases = bases_free(f->bases);
    if (f->feed)
        f->ops->free(f->feed);
    f->feed = NULL;
    f->ops = NULL;
    if (f->env_ready) {
        decoder_done(&f->env.decoder);
        decoder_attributes_free(f->env.attributes);
    }
    f->env = (struct feed_environment){0};
    f->env_ready = false;
}

static void fail(struct feeding *f, int r, const struct error *e)
{
    f->events->news.failed(r, e, f->owner);
}

static bool places_are_known(const struct searches *p, const struct rootdse *server)
{
    for (unsigned i = 0; i < p->n_items; i++)
        if (!server->suffixes[i])
            return false;
    return true;
}

/* Why this server cannot follow changes by this feed; NULL: nothing is known against it. */
static const char *objection(const struct feeding *f, const struct directory_feed_ops *ops)
{
    const struct directory_options *o = f->options;
    const struct rootdse *s = f->request.server;
    bool own_id = o->id_attribute &&
                  (!identity_attribute(s->identity) ||
                   !text_equal_ascii_case(o->id_attribute, identity_attribute(s->identity)));
    if (!ops->objection)
        return NULL;
    if (own_id)
        return "deletions are reported by the server's own id, not by id_attribute";
    const char *against = ops->objection(s, places_are_known(f->searches, s));
    return against || !refused_has(&f->refused, ops->kind) ? against : ops->refused;
}

/* reason: why it is this one, for people. */
static const struct directory_feed_ops *choose_feed(const struct feeding *f, char *reason, size_t n)
{
    static const struct directory_feed_ops *const order[] = {&feed_syncrepl_ops, &feed_dirsync_ops,
                                                             &feed_poll_ops};
    const struct rootdse *server = f->request.server;
    enum directory_feed_kind asked = f->options->feed;
    const char *against = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        if (asked != DIRECTORY_FEED_AUTO && asked != order[i]->kind)
            continue;
        const char *why = objection(f, order[i]);
        if (!why) {
            if (asked != DIRECTORY_FEED_AUTO)
                snprintf(reason, n, "as configured");
            else if (order[i]->kind == DIRECTORY_FEED_POLL)
                snprintf(reason, n, "%s", against ? against : "the server offers nothing else");
            else
                snprintf(reason, n, "the best that the server offers");
            return order[i];
        }
        /* Of the objections, the one that concerns what this product has. */
        if (!against || server->product == PRODUCT_ACTIVE_DIRECTORY)
            against = why;
    }
    snprintf(reason, n, "feed = %s is configured, but %s", directory_feed_name(asked), against);
    return &feed_poll_ops;
}

/* All is read anew. A read of somebody else waits for nobody, and without changes that are pushed
 * nothing is told any sooner than by the next read. */
static void on_reads_all(void *userdata)
{
    struct feeding *f = userdata;
    struct error e = {0};
    f->is_reading = true;
    if (f->urgent || f->request.once || f->kind != DIRECTORY_FEED_SYNCREPL)
        return;
    int r = urgent_start(&f->urgent, &f->env, &e);
    if (r < 0)
        fail(f, r, &e);
}

static void on_base_hidden(void *userdata)
{
    const struct feeding *f = userdata;
    if (f->bases)
        bases_ask_again(f->bases);
}

static int make_environment(struct feeding *f, struct error *e)
{
    const struct directory_options *o = f->options;
    const struct rootdse *server = f->request.server;
    const char *own = o->id_attribute, *usual = identity_attribute(server->identity);
    enum identity_kind identity = server->identity;
    if (own && (!usual || !text_equal_ascii_case(own, usual)))
        identity = IDENTITY_ATTRIBUTE;
    if (identity == 0)
        return error_set(e, -EINVAL,
                         "%s shows none of entryUUID, objectGUID and nsUniqueId; name a lasting "
                         "identity with [directory] id_attribute",
                         session_uri(f->request.session));
    f->env = (struct feed_environment){
        .news = &f->events->news,
        .owner = f->owner,
        .reads_all = on_reads_all,
        .base_hidden = on_base_hidden,
        .feeding = f,
        .event = f->event,
        .options = o,
        .sink = f->sink,
        .userdata = f->sink_userdata,
        .session = f->request.session,
        .server = server,
        .n_searches = f->searches->n_items,
        .once = f->request.once,
        .force_full = f->request.force_full,
        .deletions_are_untold = f->ops->kind == DIRECTORY_FEED_POLL,
    };
    int r = searches_keys(f->searches, f->schema, e);
    for (unsigned i = 0; i < f->searches->n_items && r == 0; i++) {
        f->env.searches[i] = f->searches->items[i];
        f->env.searches[i].base_visible = server->base_visible[i];
        f->env.searches[i].base_missing = !server->base_visible[i];
        f->env.searches[i].base_code = server->base_codes[i];
    }
    if (r == 0)
        r = decoder_init(&f->env.decoder, identity, server->identity,
                         server->product == PRODUCT_ACTIVE_DIRECTORY, o, &f->attributes, f->schema,
                         e);
    if (r < 0)
        return r;
    f->env_ready = true;
    if (f->ops->kind == DIRECTORY_FEED_POLL)
        f->env.decoder.watermark_attribute = watermark_attribute(server);
    /* RFC 4519 wants a member; these two do not. */
    f->env.decoder.groups_have_members =
        server->product != PRODUCT_389 && server->product != PRODUCT_ACTIVE_DIRECTORY;
    f->env.decoder.children_attribute = rootdse_children_attribute(server);
    r = decode_raw_seal(&f->env.decoder, o, e);
    if (r < 0)
        return r;
    f->env.attributes = decoder_attributes(&f->env.decoder);
    return f->env.attributes ? 0 : error_out_of_memory(e);
}

static int tell_searches(struct feeding *f, struct error *e)
{
    const char *bases[DIRECTORY_MAX_SEARCHES];
    for (unsigned i = 0; i < f->searches->n_items; i++)
        bases[i] = f->searches->items[i].base_key;
    return f->sink->searches(f->sink_userdata, bases, f->searches->n_items, e);
}

static int copy_attributes(struct string_list *to, const struct string_list *from, struct error *e)
{
    CLEANUP(string_list_done) struct string_list copy = {0};
    for (size_t i = 0; i < from->n_items; i++)
        if (string_list_add(&copy, from->items[i]) < 0)
            return error_out_of_memory(e);
    string_list_done(to);
    *to = copy;
    copy = (struct string_list){0};
    return 0;
}

static int refresh_attributes(struct feeding *f, struct error *e)
{
    return f->sink->attributes
               ? copy_attributes(&f->attributes, f->sink->attributes(f->sink_userdata), e)
               : 0;
}

static void start_feed(struct feeding *f)
{
    struct error e = {0};
    char reason[sizeof(f->reason)];
    int r = searches_filters(f->searches, f->options, f->request.server, &e);
    if (r == 0)
        r = refresh_attributes(f, &e);
    if (r == 0) {
        f->ops = choose_feed(f, reason, sizeof(reason));
        r = make_environment(f, &e);
    }
    if (r == 0 && f->unsupported) {
        /* The server's own words, if the choice fell on this feed because of them. */
        snprintf(f->reason, sizeof(f->reason), "%.120s: %.120s", reason,
                 f->unsupported_because.message);
        f->unsupported = false;
    } else if (r == 0) {
        memcpy(f->reason, reason, sizeof(reason));
    }
    if (r == 0)
        r = tell_searches(f, &e);
    if (r == 0) {
        f->kind = f->ops->kind;
        log_event(f->request.quiet ? LOG_DEBUG : LOG_NOTICE, MSG_FEED_CHOSEN,
                  "Following %s (%s) by %s: %s", session_uri(f->request.session),
                  f->request.server->product_text, directory_feed_name(f->kind), f->reason);
        f->events->begins(f->owner);
        r = f->request.once ? 0 : bases_new(&f->bases, &f->env, &e);
    }
    if (r == 0)
        r = f->ops->start(&f->feed, &f->env, &e);
    if (r < 0)
        fail(f, r, &e);
}

static void on_sight(const char *dn, const char *sentence, void *userdata)
{
    struct feeding *f = userdata;
    f->sink->group_sighted(f->sink_userdata, dn, sentence);
}

static void on_sights_over(void *userdata)
{
    start_feed(userdata);
}

static void on_sights_failed(int r, const struct error *e, void *userdata)
{
    fail(userdata, r, e);
}

/* Groups that rules name in vain are looked for first, so that what is said of them is so. */
static int look_for_groups(struct feeding *f, bool *ret_started, struct error *e)
{
    static const struct sights_events events = {
        .tell = on_sight, .over = on_sights_over, .failed = on_sights_failed};
    CLEANUP(string_list_done) struct string_list wanted = {0};
    const char *keys[SIGHTS_BASES_MAX], *bases[SIGHTS_BASES_MAX];
    size_t n = 0;
    *ret_started = false;
    f->sink->group_sighted(f->sink_userdata, NULL, NULL);
    int r = f->sink->wanted_groups(f->sink_userdata, &wanted, e);
    if (r == 0 && wanted.n_items > 0)
        r = searches_keys(f->searches, f->schema, e);
    if (r == 0 && wanted.n_items > 0)
        r = searches_filters(f->searches, f->options, f->request.server, e);
    if (r < 0 || wanted.n_items == 0)
        return r;
    for (; n < f->searches->n_items && n < SIGHTS_BASES_MAX; n++) {
        keys[n] = f->searches->items[n].base_key;
        bases[n] = f->searches->items[n].base;
    }
    struct sights_request q = {
        .session = f->request.session,
        .dns = &wanted,
        .schema = f->schema,
        .base_keys = keys,
        .bases = bases,
        .n_bases = n,
        .groups = f->searches->items[f->searches->n_items - 1].groups,
        .timeout_usec = f->options->search_timeout_usec,
    };
    *ret_started = true;
    return sights_start(&f->sights, &q, &events, f, e);
}

void feeding_start(struct feeding *f, const struct feeding_request *request)
{
    struct error e = {0};
    bool started;
    f->request = *request;
    f->schema = f->sink->schema(f->sink_userdata, TAKE(request->server->schema));
    int r = look_for_groups(f, &started, &e);
    if (r < 0)
        fail(f, r, &e);
    else if (!started)
        start_feed(f);
}

void feeding_stop(struct feeding *f)
{
    f->sights = sights_free(f->sights);
    drop_feed(f);
    f->schema = NULL;
    f->request = (struct feeding_request){0};
    f->refused = (struct refused){0};
    f->unsupported = false;
    f->is_reading = false;
}

void feeding_turn(struct feeding *f, bool drained)
{
    if (f->feed && f->ops->turn)
        f->ops->turn(f->feed, drained);
}

void feeding_request_full(struct feeding *f)
{
    f->request.force_full = true; /* of one that has yet to start */
    bool idle = f->feed && !f->is_reading && !f->request.once;
    if (idle && refused_try_again(&f->refused, f->options)) {
        drop_feed(f);
        start_feed(f);
    } else if (f->feed) {
        f->ops->request_full(f->feed);
    }
}

/* Whoever was named stays named until the entry says the same, which the feed tells before long;
 * where nobody can take it back, what was read counts. */
static void settle_urgent(struct feeding *f)
{
    struct error e = {0};
    const struct feed_urgent *sink = f->sink->urgent;
    int r = sink ? sink->is_open(f->sink_userdata, &e) : 0;
    if (r > 0 && urgent_is_whole(f->urgent))
        return;
    f->urgent = urgent_free(f->urgent);
    if (r > 0)
        r = sink->over(f->sink_userdata, &e);
    if (r < 0)
        fail(f, r, &e);
}

void feeding_read_is_over(struct feeding *f)
{
    f->is_reading = false;
    settle_urgent(f);
}

bool feeding_is_reading(const struct feeding *f)
{
    return f->is_reading;
}

void feeding_committed(struct feeding *f)
{
    if (!f->is_reading && f->urgent)
        settle_urgent(f);
}

void feeding_note_unsupported(struct feeding *f, const struct error *e)
{
    log_debug("%s", e->message);
    f->unsupported = true;
    f->unsupported_because = *e;
}

void feeding_settle(struct feeding *f, bool force_full)
{
    if (!f->unsupported)
        return;
    refused_note(&f->refused, f->kind, f->env.cut);
    drop_feed(f);
    f->request.force_full = force_full;
    start_feed(f);
}

/* By the filter of now, amid what is read with the same attributes. */
static void ask_urgently_anew(struct feeding *f)
{
    struct error e = {0};
    if (!f->urgent)
        return;
    f->urgent = urgent_free(f->urgent);
    int r = urgent_start(&f->urgent, &f->env, &e);
    if (r < 0)
        fail(f, r, &e);
}

static bool same_names(const struct string_list *a, const struct string_list *b)
{
    bool same = a->n_items == b->n_items;
    for (size_t i = 0; i < a->n_items && same; i++)
        same = string_list_contains(b, a->items[i]);
    return same;
}

int feeding_set_attributes(struct feeding *f, const struct string_list *attributes, struct error *e)
{
    if (same_names(&f->attributes, attributes)) {
        ask_urgently_anew(f);
        return 0;
    }
    int r = copy_attributes(&f->attributes, attributes, e);
    return r < 0 ? r : 1;
}

const char *feeding_doubt(const struct feeding *f, uint64_t *ret_next_usec)
{
    return f->bases ? bases_doubt(f->bases, ret_next_usec) : NULL;
}

enum directory_feed_kind feeding_kind(const struct feeding *f)
{
    return f->kind;
}

const char *feeding_reason(const struct feeding *f)
{
    return f->reason;
}

int feeding_new(struct feeding **ret, struct sd_event *event,
                const struct directory_options *options, struct searches *searches,
                const struct string_list *attributes, const struct feed_sink *sink,
                void *sink_userdata, const struct feeding_events *events, void *owner,
                struct error *e)
{
    struct feeding *f = calloc(1, sizeof(*f));
    if (!f)
        return error_out_of_memory(e);
    f->event = sd_event_ref(event);
    f->options = options;
    f->searches = searches;
    f->sink = sink;
    f->sink_userdata = sink_userdata;
    f->events = events;
    f->owner = owner;
    int r = copy_attributes(&f->attributes, attributes, e);
    if (r < 0) {
        feeding_free(f);
        return r;
    }
    *ret = f;
    return 0;
}

struct feeding *feeding_free(struct feeding *f)
{
    if (!f)
        return NULL;
    feeding_stop(f);
    string_list_done(&f->attributes);
    sd_event_unref(f->event);
    free(f);
    return NULL;
}
