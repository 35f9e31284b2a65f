/*
 * Content synchronisation (RFC 4533), spoken directly: libldap's own ldap_sync_*() loses
 * changes when other searches share the handle, and hides whether a refresh ended by listing
 * what is present or what is gone.
 *
 * A refresh is one batch, committed at its end together with the cookie; cookies of its middle
 * are never stored. Afterwards every turn of the session that brought changes is a batch. A
 * full compare is a refresh without cookie. Whatever casts doubt on a cookie (another server,
 * another search, an id that the mirror does not know, a changelog that was trimmed) means:
 * start over without it.
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
#include "directory/cookie-identity.h"
#include "directory/environment.h"
#include "directory/libldap.h"
#include "directory/rootdse.h"
#include "directory/session.h"
#include "directory/sync-codec.h"
#include "model/dn.h"

#define CHANGES_PER_BATCH   500
#define DEFAULT_REREAD_USEC (60 * USEC_PER_SEC)
/* Changes of one search that wait while the batch of the other is open. */
#define WAITING_MAX 20000

enum stage {
    STAGE_IDLE = 0,
    STAGE_REFRESH = 1,
    STAGE_REFRESHED = 2, /* its batch is being committed */
    STAGE_PERSIST = 3,
};

struct waiting_message {
    struct waiting_message *next;
    int type;
    LDAPMessage *message;
};

struct sub {
    struct syncrepl *feed;
    unsigned index;
    struct session_operation *operation;
    enum stage stage;
    bool had_cookie;    /* the request was made with one */
    bool present_phase; /* the server listed what is present */
    bool cut;           /* the server ended the refresh early */
    struct sync_cookie cookie;
    bool cookie_changed;
    char *identity;
    struct waiting_message *waiting, **waiting_end;
    size_t n_waiting;
};

struct syncrepl {
    struct feed_environment *env;
    struct feed_batch *batch;
    struct sub subs[DIRECTORY_MAX_SEARCHES];
    bool refreshing, full, full_wanted;
    sd_event_source *reread; /* of what changes without a message */
    bool ended;              /* nothing more is to be done with this connection */
    struct error cut_reason;
    char what[256];
};

static void start_refresh(struct sub *s, bool use_cookie);

static void fail(struct syncrepl *f, int r, const struct error *e)
{
    if (f->ended)
        return;
    f->ended = true;
    feed_failed(f->env, r, e);
}

static void unsupported(struct syncrepl *f, const struct error *e)
{
    f->ended = true;
    for (unsigned i = 0; i < f->env->n_searches; i++)
        f->subs[i].operation = session_operation_free(f->subs[i].operation);
    feed_batch_abort(f->batch);
    feed_unsupported(f->env, e, e == &f->cut_reason);
}

static void start_over(struct sub *s, const char *why)
{
    struct syncrepl *f = s->feed;
    log_debug("%s: reading again without a cookie: %s", session_uri(f->env->session), why);
    s->operation = session_operation_free(s->operation);
    feed_batch_abort(f->batch);
    start_refresh(s, false);
}

static void keep_cookie(struct sub *s, struct sync_cookie *taken)
{
    /* slapd answers a cookie that it does not understand with an empty one. */
    if (!taken->data || taken->size == 0)
        return;
    sync_cookie_done(&s->cookie);
    s->cookie = *taken;
    s->cookie_changed = true;
    *taken = (struct sync_cookie){0};
}

static int open_batch(struct sub *s, struct error *e)
{
    struct syncrepl *f = s->feed;
    if (feed_batch_is_open(f->batch))
        return 0;
    return feed_batch_begin(f->batch, s->index, false, e);
}

/* While persisting, the message names the DN that the entry had or has now. */
static int take_deleted(struct sub *s, LDAPMessage *m, const char *id, struct error *e)
{
    struct syncrepl *f = s->feed;
    CLEANUP(libldap_memory_freep) char *dn = ldap_get_dn(session_ldap(f->env->session), m);
    CLEANUP(freep) char *known = NULL;
    int r = f->env->sink->known_dn(f->env->userdata, id, &known, e);
    if (r < 0)
        return r;
    if (!known || !dn || !*dn || dn_equal(f->env->decoder.schema, dn, known))
        return feed_batch_left(f->batch, id, "it was deleted, or no longer matches the filter", e);
    CLEANUP(freep) char *why = libldap_format("it was moved to %s", dn);
    return feed_batch_left(f->batch, id, why ? why : "it was moved away", e);
}

/* 1: started over. */
static int take_present(struct sub *s, const char *id, struct error *e)
{
    int r = feed_batch_present(s->feed->batch, id, e);
    if (r != SINK_UNKNOWN_ID)
        return r;
    start_over(s, "the server calls an entry unchanged that was never seen");
    return 1;
}

static int take_entry(struct sub *s, LDAPMessage *m, struct error *e)
{
    struct syncrepl *f = s->feed;
    LDAP *ld = session_ldap(f->env->session);
    CLEANUP(libldap_controls_freep) LDAPControl **controls = NULL;
    CLEANUP(sync_state_done) struct sync_state state = {0};
    int code = ldap_get_entry_controls(ld, m, &controls);
    LDAPControl *c =
        code == LDAP_SUCCESS ? libldap_control(controls, LDAP_CONTROL_SYNC_STATE) : NULL;
    int r = c ? sync_parse_state(&c->ldctl_value, &state) : -EBADMSG;
    if (r < 0)
        return error_set(e, r, "the server sent an entry without a readable sync state");
    char id[IDENTITY_TEXT_SIZE];
    identity_from_sync(f->env->decoder.identity, state.uuid, id);
    switch (state.state) {
    case SYNC_PRESENT: r = take_present(s, id, e); break;
    case SYNC_ADD:
    case SYNC_MODIFY: r = feed_batch_pushed(f->batch, ld, m, id, e); break;
    case SYNC_DELETE: r = take_deleted(s, m, id, e); break;
    }
    if (r == 0)
        keep_cookie(s, &state.cookie);
    return r;
}

static void take_reference(struct sub *s, LDAPMessage *m)
{
    struct syncrepl *f = s->feed;
    char shown[LIBLDAP_SAID_SIZE];
    CLEANUP(libldap_strings_freep) char **urls = NULL;
    ldap_parse_reference(session_ldap(f->env->session), m, &urls, NULL, 0);
    if (f->env->options->referrals == DIRECTORY_REFERRALS_FOLLOW)
        feed_batch_reference(f->batch, urls);
    else if (f->env->options->referrals == DIRECTORY_REFERRALS_NOTICE)
        feed_batch_doubt(f->batch,
                         "a part of %s lies on another server (%s) and was not read; set "
                         "[directory] referrals = ignore if nobody is there",
                         f->env->searches[s->index].base,
                         session_said_url(f->env->session, shown, urls && urls[0] ? urls[0] : ""));
}

/* The batch of this search is over, unless it named so many removals that it must be read as a
 * whole. */
static void finish_batch(struct sub *s)
{
    struct syncrepl *f = s->feed;
    struct error e = {0};
    int r = feed_batch_take_removals(f->batch, &e);
    if (r < 0)
        fail(f, r, &e);
    else if (r > 0)
        start_over(s, "the server names very many people as removed");
    if (r != 0)
        return;
    if (s->stage == STAGE_REFRESHED && s->had_cookie && !s->present_phase)
        feed_batch_names_gone(f->batch);
    feed_batch_finish(f->batch);
}

static void end_refresh(struct sub *s)
{
    if (s->stage != STAGE_REFRESH)
        return;
    s->stage = STAGE_REFRESHED;
    if (s->operation)
        session_operation_set_timeout(s->operation, 0); /* silence is normal from now on */
    finish_batch(s);
}

static int take_ids(struct sub *s, const struct sync_info *info, struct error *e)
{
    struct syncrepl *f = s->feed;
    int r = 0;
    if (!info->refresh_deletes)
        s->present_phase = true;
    for (size_t i = 0; i < info->n_uuids && r == 0; i++) {
        char id[IDENTITY_TEXT_SIZE];
        identity_from_sync(f->env->decoder.identity, info->uuids[i], id);
        r = info->refresh_deletes ? feed_batch_removed(f->batch, id, e) : take_present(s, id, e);
    }
    return r;
}

static int take_info(struct sub *s, LDAPMessage *m, struct error *e)
{
    struct syncrepl *f = s->feed;
    CLEANUP(libldap_memory_freep) char *oid = NULL;
    struct berval *value = NULL;
    CLEANUP(sync_info_done) struct sync_info info = {0};
    int code = ldap_parse_intermediate(session_ldap(f->env->session), m, &oid, &value, NULL, 0);
    if (code == LDAP_SUCCESS && oid && strcmp(oid, LDAP_SYNC_INFO) != 0) {
        ber_bvfree(value);
        return 0;
    }
    int r = code == LDAP_SUCCESS && value ? sync_parse_info(value, &info) : -EBADMSG;
    ber_bvfree(value);
    if (r < 0)
        return error_set(e, r, "the server sent a sync message that cannot be read");
    if (info.kind == SYNC_ID_SET)
        r = take_ids(s, &info, e);
    if (r != 0)
        return r;
    if (info.kind == SYNC_REFRESH_PRESENT)
        s->present_phase = true;
    keep_cookie(s, &info.cookie);
    bool end = info.kind == SYNC_REFRESH_PRESENT || info.kind == SYNC_REFRESH_DELETE;
    if (end && info.refresh_done)
        end_refresh(s);
    return 0;
}

/* The server stopped the refresh at a limit: what came may be used, but proves nothing. */
static void end_cut(struct sub *s, int code, const char *said)
{
    struct syncrepl *f = s->feed;
    libldap_error(&f->cut_reason, code, said,
                  "the server ended the synchronisation of %s after %zu entries",
                  f->env->searches[s->index].base, feed_batch_n_entries(f->batch));
    feed_batch_doubt(f->batch, "%s", f->cut_reason.message);
    s->cut = true;
    s->present_phase = true; /* so that the doubt is told */
    end_refresh(s);
}

static int take_end_control(struct sub *s, LDAPControl **controls, struct error *e)
{
    struct syncrepl *f = s->feed;
    LDAPControl *c = libldap_control(controls, LDAP_CONTROL_SYNC_DONE);
    CLEANUP(sync_end_done) struct sync_end end = {0};
    if (!c)
        return error_set(e, -EBADMSG, "the server ended a refresh without saying how");
    int r = sync_parse_end(&c->ldctl_value, &end);
    if (r < 0)
        return error_set(e, r, "the end of a refresh cannot be read");
    /* 389 DS answers a cookie from its changelog and names what is gone, yet says at the end
     * that it listed what is present. */
    bool from_log = s->had_cookie && f->env->server->product == PRODUCT_389;
    if (!end.refresh_deletes && !from_log)
        s->present_phase = true;
    keep_cookie(s, &end.cookie);
    return 0;
}

static void judge_failure(struct sub *s, int code, const char *said)
{
    struct syncrepl *f = s->feed;
    struct error e = {0};
    int r = libldap_error(&e, code, said, "%s: the synchronisation of %s ended",
                          session_uri(f->env->session), f->env->searches[s->index].base);
    switch (code) {
    case LDAP_SYNC_REFRESH_REQUIRED: start_over(s, "the server wants it so (4096)"); return;
    case LDAP_UNWILLING_TO_PERFORM:
        if (s->had_cookie && s->stage == STAGE_REFRESH) {
            start_over(s, said ? said : "the server is unwilling to go on from the cookie");
            return;
        }
        break;
    case LDAP_SIZELIMIT_EXCEEDED:
    case LDAP_TIMELIMIT_EXCEEDED:
    case LDAP_ADMINLIMIT_EXCEEDED:
        if (s->stage == STAGE_REFRESH) {
            end_cut(s, code, said);
            return;
        }
        break;
    case LDAP_BUSY:
    case LDAP_UNAVAILABLE: fail(f, r, &e); return;
    default: break;
    }
    if (s->stage == STAGE_REFRESH && feed_batch_n_changes(f->batch) == 0)
        unsupported(f, &e);
    else
        fail(f, r, &e);
}

static int take_result(struct sub *s, LDAPMessage *m, struct error *e)
{
    struct syncrepl *f = s->feed;
    int code = 0;
    char shown[LIBLDAP_SAID_SIZE];
    CLEANUP(libldap_memory_freep) char *said = NULL;
    CLEANUP(libldap_controls_freep) LDAPControl **controls = NULL;
    s->operation = session_operation_free(s->operation);
    int parsed =
        ldap_parse_result(session_ldap(f->env->session), m, &code, NULL, &said, NULL, &controls, 0);
    if (parsed != LDAP_SUCCESS)
        return libldap_error(e, parsed, NULL, "the result of a synchronisation cannot be read");
    if (code != LDAP_SUCCESS) {
        judge_failure(s, code, session_said(f->env->session, shown, said));
        return 0;
    }
    if (!f->env->once || s->stage != STAGE_REFRESH)
        return error_set(e, -ENOTCONN, "%s: the server ended the synchronisation of %s",
                         session_uri(f->env->session), f->env->searches[s->index].base);
    int r = take_end_control(s, controls, e);
    if (r == 0)
        end_refresh(s);
    return r;
}

static void take_message(struct sub *s, int type, LDAPMessage *m)
{
    struct error e = {0};
    int r = type == LDAP_RES_SEARCH_RESULT ? 0 : open_batch(s, &e);
    if (r == 0) {
        switch (type) {
        case LDAP_RES_SEARCH_ENTRY: r = take_entry(s, m, &e); break;
        case LDAP_RES_SEARCH_REFERENCE: take_reference(s, m); break;
        case LDAP_RES_INTERMEDIATE: r = take_info(s, m, &e); break;
        case LDAP_RES_SEARCH_RESULT: r = take_result(s, m, &e); break;
        default: break;
        }
    }
    if (r < 0)
        fail(s->feed, r, &e);
}

static void wait_in_line(struct sub *s, int type, LDAPMessage **m)
{
    struct waiting_message *w = s->n_waiting < WAITING_MAX ? calloc(1, sizeof(*w)) : NULL;
    if (!w) {
        struct error e = {0};
        int r = error_set(&e, -ENOBUFS, "%s: more than %d changes while another search was read",
                          session_uri(s->feed->env->session), WAITING_MAX);
        fail(s->feed, r, &e);
        return;
    }
    w->type = type;
    w->message = TAKE(*m);
    *s->waiting_end = w;
    s->waiting_end = &w->next;
    s->n_waiting++;
}

static bool batch_is_another(const struct sub *s)
{
    const struct feed_batch *b = s->feed->batch;
    return feed_batch_is_open(b) && feed_batch_search(b) != s->index;
}

static void on_message(struct session_operation *o, int type, LDAPMessage **m, void *userdata)
{
    (void)o;
    struct sub *s = userdata;
    if (s->feed->ended)
        return;
    if (s->n_waiting > 0 || batch_is_another(s))
        wait_in_line(s, type, m);
    else
        take_message(s, type, *m);
}

static void drop_waiting(struct sub *s)
{
    while (s->waiting) {
        struct waiting_message *w = s->waiting;
        s->waiting = w->next;
        ldap_msgfree(w->message);
        free(w);
    }
    s->waiting_end = &s->waiting;
    s->n_waiting = 0;
}

static void take_waiting(struct sub *s)
{
    while (s->waiting && !s->feed->ended && !batch_is_another(s)) {
        struct waiting_message *w = s->waiting;
        s->waiting = w->next;
        if (!s->waiting)
            s->waiting_end = &s->waiting;
        s->n_waiting--;
        take_message(s, w->type, w->message);
        ldap_msgfree(w->message);
        free(w);
    }
}

/* 389 DS does not notice that its changelog was trimmed beyond a cookie. */
static bool changelog_reaches_back(const struct rootdse *d, const void *cookie, size_t size)
{
    unsigned long long number;
    if (d->product != PRODUCT_389)
        return true;
    if (!d->has_changelog || !sync_cookie_change_number(cookie, size, &number))
        return false;
    return d->first_change <= number + 1 && (d->first_change > 0 || number <= d->last_change);
}

static int stored_cookie(struct sub *s, void **ret, size_t *ret_size, struct error *e)
{
    struct feed_environment *env = s->feed->env;
    CLEANUP(freep) char *identity = NULL;
    CLEANUP(libldap_bytes_freep) void *cookie = NULL;
    size_t size = 0;
    char why[120] = "the server's changelog no longer reaches back to it";
    *ret = NULL;
    int r = env->sink->cookie(env->userdata, s->index, &cookie, &size, &identity, e);
    if (r < 0 || !cookie || size == 0)
        return r;
    bool damaged =
        env->server->product == PRODUCT_OPENLDAP && !sync_cookie_is_openldap(cookie, size);
    if (damaged)
        snprintf(why, sizeof(why), "it is damaged");
    if (damaged || !cookie_identity_matches(identity, s->identity, why, sizeof(why)) ||
        !changelog_reaches_back(env->server, cookie, size)) {
        log_notice("The stored position in %s is not used: %s", session_uri(env->session), why);
        return 0;
    }
    *ret = TAKE(cookie);
    *ret_size = size;
    return 0;
}

static int send_request(struct sub *s, const void *cookie, size_t size, struct error *e)
{
    struct feed_environment *env = s->feed->env;
    struct berval *value =
        sync_request_value(env->once ? SYNC_REFRESH_ONLY : SYNC_REFRESH_AND_PERSIST, cookie, size);
    if (!value)
        return error_out_of_memory(e);
    LDAPControl control = {
        .ldctl_oid = (char *)LDAP_CONTROL_SYNC, .ldctl_value = *value, .ldctl_iscritical = 1};
    LDAPControl *controls[] = {&control, NULL};
    struct session_request q = {
        .base = env->searches[s->index].base,
        .scope = env->searches[s->index].scope,
        .filter = env->searches[s->index].filter,
        .attributes = (const char *const *)env->attributes,
        .controls = controls,
        .timeout_usec = env->options->search_timeout_usec,
    };
    int r = session_search(env->session, &s->operation, &q, on_message, s, e);
    ber_bvfree(value);
    return r;
}

static void start_refresh(struct sub *s, bool use_cookie)
{
    struct syncrepl *f = s->feed;
    struct error e = {0};
    CLEANUP(libldap_bytes_freep) void *cookie = NULL;
    size_t size = 0;
    s->operation = session_operation_free(s->operation);
    drop_waiting(s);
    sync_cookie_done(&s->cookie);
    s->cookie_changed = s->present_phase = s->cut = false;
    int r = use_cookie ? stored_cookie(s, &cookie, &size, &e) : 0;
    s->had_cookie = cookie != NULL;
    s->stage = STAGE_REFRESH;
    if (!s->had_cookie)
        f->full = f->full || s->index == 0;
    else
        f->full = false;
    if (r == 0 && !s->had_cookie)
        feed_reads_all(f->env);
    if (r == 0)
        r = feed_batch_begin(f->batch, s->index, true, &e);
    if (r == 0 && s->had_cookie)
        feed_batch_from_cookie(f->batch);
    if (r == 0)
        r = send_request(s, cookie, size, &e);
    if (r < 0)
        fail(f, r, &e);
}

static void begin_round(struct syncrepl *f, bool use_cookie)
{
    f->refreshing = true;
    f->full = false;
    if (!use_cookie)
        f->full_wanted = false;
    for (unsigned i = 0; i < f->env->n_searches; i++)
        if (f->subs[i].stage != STAGE_PERSIST)
            f->subs[i].stage = STAGE_IDLE;
    start_refresh(&f->subs[0], use_cookie);
}

static void end_round(struct syncrepl *f)
{
    f->refreshing = false;
    feed_caught_up(f->env, f->full);
}

static void prepare(struct feed_commit *c, void *userdata)
{
    struct syncrepl *f = userdata;
    struct sub *s = &f->subs[feed_batch_search(f->batch)];
    bool refresh = s->stage == STAGE_REFRESHED;
    c->end_of_read = refresh && s->index + 1 == f->env->n_searches;
    c->identity = s->identity;
    if (c->absence == FEED_ABSENCE_UNPROVEN) {
        c->forget_cookie = true; /* whoever starts here again must read everything */
    } else if (s->cookie_changed) {
        c->cookie = s->cookie.data;
        c->cookie_size = s->cookie.size;
        s->cookie_changed = false;
    }
    snprintf(f->what, sizeof(f->what), "%s with %zu entr%s from %s",
             !refresh        ? "changes"
             : s->had_cookie ? "changes since the last connection"
                             : "full refresh",
             c->n_entries, c->n_entries == 1 ? "y" : "ies", session_uri(f->env->session));
    c->what = f->what;
}

static void after_refresh(struct sub *s)
{
    struct syncrepl *f = s->feed;
    s->stage = STAGE_PERSIST;
    if (s->cut) {
        unsupported(f, &f->cut_reason);
        return;
    }
    if (s->index + 1 < f->env->n_searches)
        start_refresh(&f->subs[s->index + 1], !f->full);
    else
        end_round(f);
}

static void committed(void *userdata)
{
    struct syncrepl *f = userdata;
    for (unsigned i = 0; i < f->env->n_searches && !f->ended; i++)
        if (f->subs[i].stage == STAGE_REFRESHED) {
            after_refresh(&f->subs[i]);
            break;
        }
    for (unsigned i = 0; i < f->env->n_searches && !f->ended; i++)
        take_waiting(&f->subs[i]);
    if (f->ended)
        return;
    if (!f->refreshing && feed_batch_is_open(f->batch) && !feed_batch_is_finishing(f->batch))
        finish_batch(&f->subs[feed_batch_search(f->batch)]);
    else if (f->full_wanted && !f->refreshing && !feed_batch_is_open(f->batch))
        begin_round(f, false);
}

static void syncrepl_turn(void *feed, bool drained)
{
    struct syncrepl *f = feed;
    if (f->ended || !feed_batch_is_open(f->batch) || feed_batch_is_finishing(f->batch) ||
        f->subs[feed_batch_search(f->batch)].stage != STAGE_PERSIST)
        return;
    if (drained || feed_batch_n_changes(f->batch) >= CHANGES_PER_BATCH)
        finish_batch(&f->subs[feed_batch_search(f->batch)]);
}

static uint64_t reread_interval(const struct syncrepl *f)
{
    uint64_t interval = f->env->options->poll_interval_usec;
    return interval > 0 ? interval : DEFAULT_REREAD_USEC;
}

static int on_reread(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)usec;
    struct syncrepl *f = userdata;
    if (f->ended)
        return 0;
    sd_event_source_set_time_relative(source, reread_interval(f));
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    if (!f->refreshing)
        feed_batch_reread(f->batch);
    return 0;
}

static void syncrepl_free(void *feed)
{
    struct syncrepl *f = feed;
    if (!f)
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(f->subs); i++) {
        session_operation_free(f->subs[i].operation);
        drop_waiting(&f->subs[i]);
        sync_cookie_done(&f->subs[i].cookie);
        free(f->subs[i].identity);
    }
    f->reread = sd_event_source_disable_unref(f->reread);
    feed_batch_free(f->batch);
    free(f);
}

static int syncrepl_start(void **ret, struct feed_environment *env, struct error *e)
{
    static const struct feed_batch_events events = {
        .prepare = prepare, .committed = committed, .between = true};
    struct syncrepl *f = calloc(1, sizeof(*f));
    if (!f)
        return error_out_of_memory(e);
    f->env = env;
    int r = feed_batch_new(&f->batch, env, &events, f, e);
    /* A cookie of OpenLDAP is good at every provider of the same content. */
    const char *uri = env->server->product == PRODUCT_OPENLDAP ? NULL : session_uri(env->session);
    for (unsigned i = 0; i < ARRAY_SIZE(f->subs); i++) {
        f->subs[i].feed = f;
        f->subs[i].index = i;
        f->subs[i].waiting_end = &f->subs[i].waiting;
        if (r < 0 || i >= env->n_searches)
            continue;
        f->subs[i].identity = cookie_identity(env, i, DIRECTORY_FEED_SYNCREPL, uri, 0);
        if (!f->subs[i].identity)
            r = error_out_of_memory(e);
    }
    if (r == 0 && !env->once) {
        r = timer_in(env->event, &f->reread, reread_interval(f), on_reread, f);
        if (r < 0)
            error_set(e, r, "cannot make a timer: %s", strerror(-r));
    }
    if (r < 0) {
        syncrepl_free(f);
        return r;
    }
    *ret = f;
    begin_round(f, !env->force_full);
    return 0;
}

static void syncrepl_request_full(void *feed)
{
    struct syncrepl *f = feed;
    f->full_wanted = true;
    if (!f->ended && !f->refreshing && !feed_batch_is_open(f->batch))
        begin_round(f, false);
}

static const char *syncrepl_objection(const struct rootdse *server, bool places_known)
{
    (void)places_known;
    return rootdse_has_control(server, LIBLDAP_OID_SYNC)
               ? NULL
               : "the server does not list content synchronisation (RFC 4533)";
}

const struct directory_feed_ops feed_syncrepl_ops = {
    .kind = DIRECTORY_FEED_SYNCREPL,
    .objection = syncrepl_objection,
    .refused = "the server lists content synchronisation but refused it",
    .start = syncrepl_start,
    .free = syncrepl_free,
    .turn = syncrepl_turn,
    .request_full = syncrepl_request_full,
};
