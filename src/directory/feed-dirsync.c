/*
 * Active Directory: DirSync says what changed since a cookie, change notification says when to
 * ask. DirSync sends only the attributes that changed, so it serves as a signal: the entry is
 * read again by its GUID, with the filter and the base judged on what is read. Only changes of
 * long member lists are taken from it as differences.
 *
 * A whole read is an ordinary paged read, with its proof; its cookie was made before. A cookie
 * belongs to one domain controller (invocationId), and not to one that has gone back in time
 * (highestCommittedUSN): a server answers a foreign cookie with everything or with silence, and
 * says nothing of it.
 */
#include "config.h"

#include <errno.h>
#include <ldap.h>
#include <limits.h>
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
#include "directory/dirsync-change.h"
#include "directory/environment.h"
#include "directory/libldap.h"
#include "directory/rootdse.h"
#include "directory/search.h"
#include "directory/session.h"
#include "directory/sync-codec.h"
#include "model/dn.h"

#define DEFAULT_INTERVAL_USEC (60 * USEC_PER_SEC)
/* After a notification: others follow within the same moment. */
#define WAKE_PAUSE_USEC (50 * USEC_PER_MSEC)
/* A cookie is stored this often even if nothing changed: it ages. */
#define STORE_USEC (3600 * USEC_PER_SEC)
#define BYTES_MAX  (4 * 1024 * 1024)

enum step {
    STEP_COOKIE = 1,  /* of this moment, before a whole read */
    STEP_READ = 2,    /* the whole read */
    STEP_CHANGES = 3, /* since the cookie */
    STEP_USN = 4,     /* highestCommittedUSN, to be stored beside the cookie */
    STEP_SIGHT = 5,   /* whether deleted objects can be seen */
    STEP_ROLL = 6,    /* the roll call */
};

struct dirsync {
    struct feed_environment *env;
    struct feed_batch *batch;
    struct search *search;
    LDAPControl *control;
    struct session_operation *notification;
    sd_event_source *timer;
    char **attributes; /* whose change is a signal */
    enum step step;
    unsigned current;
    bool running, again, full, full_wanted, notified;
    bool looked, sees_deleted, rolling;
    uint64_t roll_usec[DIRECTORY_MAX_SEARCHES]; /* when the next roll call is due, monotonic */
    struct sync_cookie cookies[DIRECTORY_MAX_SEARCHES];
    uint64_t stored_usec[DIRECTORY_MAX_SEARCHES];
    uint64_t usn;
    char *identity;
    char what[256];
};

static void run(struct dirsync *d, unsigned index);

static void fail(struct dirsync *d, int r, const struct error *e)
{
    d->search = search_free(d->search);
    feed_failed(d->env, r, e);
}

static void arm(struct dirsync *d, uint64_t usec)
{
    sd_event_source_set_time_relative(d->timer, usec);
    sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT);
}

static int take_change(struct dirsync *d, LDAP *ld, LDAPMessage *m, struct error *e)
{
    CLEANUP(dirsync_change_done) struct dirsync_change x = {0};
    int r = dirsync_change_read(d->env->decoder.schema, ld, m, &x, e);
    if (r < 0 || !x.id)
        return r;
    if (!feed_batch_is_open(d->batch))
        r = feed_batch_begin(d->batch, d->current, false, e);
    if (r < 0)
        return r;
    if (x.deleted)
        return feed_batch_left(d->batch, x.id, "the entry was deleted", e);
    CLEANUP(freep) char *known = NULL;
    r = d->env->sink->known_dn(d->env->userdata, x.id, &known, e);
    if (r < 0)
        return r;
    if (known && !x.other) {
        if (x.n_added + x.n_removed == 0 || !d->env->searches[d->current].groups)
            return 0;
        r = feed_batch_members(d->batch, x.id, x.added, x.n_added, x.removed, x.n_removed, e);
        if (r <= 0)
            return r;
    }
    CLEANUP(freep) char *base = identity_guid_base(x.id);
    return base ? feed_batch_fetch(d->batch, base, x.id, e) : error_out_of_memory(e);
}

/* The container shows itself to many, its isDeleted only to those who may see what is in it. */
static int see_deleted(struct dirsync *d, LDAP *ld, LDAPMessage *m)
{
    struct berval **values = ldap_get_values_len(ld, m, "isDeleted");
    d->sees_deleted = values && values[0];
    ldap_value_free_len(values);
    return 0;
}

static int on_entry(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct dirsync *d = userdata;
    switch (d->step) {
    case STEP_COOKIE: return 0;
    case STEP_READ: return feed_batch_entry(d->batch, ld, m, NULL, e);
    case STEP_CHANGES: return take_change(d, ld, m, e);
    case STEP_ROLL: return feed_batch_roll(d->batch, ld, m, e);
    case STEP_SIGHT: return see_deleted(d, ld, m);
    case STEP_USN: break;
    }
    struct berval **values = ldap_get_values_len(ld, m, "highestCommittedUSN");
    CLEANUP(freep)
    char *text = values && values[0] ? strndup(values[0]->bv_val, values[0]->bv_len) : NULL;
    ldap_value_free_len(values);
    if (text)
        text_parse_unsigned(text, UINT64_MAX, &d->usn);
    return 0;
}

/* 1: there is more; 0: that is all for now. */
static int take_cookie(struct dirsync *d, LDAPControl **controls, struct error *e)
{
    LDAPControl *c = libldap_control(controls, LIBLDAP_OID_DIRSYNC);
    int more = 0;
    struct berval bv = {0};
    if (!c)
        return error_set(e, -EBADMSG, "%s: an answer to DirSync came without its control",
                         session_uri(d->env->session));
    /* What this returns is the handle's previous error (2.5); the cookie tells. */
    ldap_parse_dirsync_control(session_ldap(d->env->session), c, &more, &bv);
    if (!bv.bv_val || bv.bv_len == 0) {
        ber_memfree(bv.bv_val);
        return error_set(e, -EBADMSG, "%s: an answer to DirSync came without a cookie",
                         session_uri(d->env->session));
    }
    struct sync_cookie *kept = &d->cookies[d->current];
    sync_cookie_done(kept);
    kept->data = malloc(bv.bv_len);
    if (kept->data) {
        memcpy(kept->data, bv.bv_val, bv.bv_len);
        kept->size = bv.bv_len;
    }
    ber_memfree(bv.bv_val);
    return kept->data ? more != 0 : error_out_of_memory(e);
}

static void on_done(struct search *s, const struct search_outcome *outcome, void *userdata);

static void on_failed(struct search *s, int r, const struct error *e, void *userdata)
{
    (void)s;
    struct error copy = *e;
    fail(userdata, r, &copy);
}

static const struct search_events search_events = {
    .entry = on_entry, .done = on_done, .failed = on_failed};

/* filter NULL: nothing but the cookie. */
static int ask_dirsync(struct dirsync *d, const char *filter, struct error *e)
{
    struct feed_environment *env = d->env;
    const struct sync_cookie *kept = &d->cookies[d->current];
    struct berval cookie = {kept->size, kept->data ? kept->data : (char *)""};
    /* Signed in libldap, although the highest bit has a meaning. */
    int flags =
        (int)(LDAP_CONTROL_X_DIRSYNC_OBJECT_SECURITY | LDAP_CONTROL_X_DIRSYNC_INCREMENTAL_VALUES);
    if (d->control)
        ldap_control_free(d->control);
    d->control = NULL;
    int code = ldap_create_dirsync_control(session_ldap(env->session), flags, BYTES_MAX, &cookie,
                                           &d->control);
    if (code != LDAP_SUCCESS)
        return libldap_error(e, code, NULL, "cannot make a DirSync control");
    LDAPControl *controls[] = {d->control, NULL};
    struct search_request q = {
        .base = env->server->suffixes[d->current],
        .scope = LDAP_SCOPE_SUBTREE,
        .filter = filter,
        .attributes = (const char *const *)d->attributes,
        .referrals = DIRECTORY_REFERRALS_IGNORE,
        .controls = controls,
        .timeout_usec = env->options->search_timeout_usec,
    };
    return search_start(&d->search, env->session, &q, &search_events, d, e);
}

static int ask_cookie(struct dirsync *d, struct error *e)
{
    d->step = STEP_COOKIE;
    return ask_dirsync(
        d, "(objectGUID=\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00)", e);
}

static int ask_changes(struct dirsync *d, struct error *e)
{
    /* Of everything, since what people lie below may be of any class. And DirSync's filter sees
     * the new state, so with a narrower one nobody would report those who no longer match. */
    d->step = STEP_CHANGES;
    return ask_dirsync(d, "(objectClass=*)", e);
}

/* Everything (STEP_READ), or the ids of everything (STEP_ROLL). */
static int read_all(struct dirsync *d, enum step step, struct error *e)
{
    static const char *const ids[] = {"objectGUID", NULL};
    struct feed_environment *env = d->env;
    const struct feed_search *s = &env->searches[d->current];
    bool paged = env->options->paging && rootdse_has_control(env->server, LIBLDAP_OID_PAGED);
    struct search_request q = {
        .base = s->base,
        .scope = s->scope,
        .filter = s->filter,
        .attributes = step == STEP_ROLL ? ids : (const char *const *)env->attributes,
        .page_size = paged ? env->options->page_size : 0,
        .referrals = env->options->referrals,
        .partitions = true,
        .timeout_usec = env->options->search_timeout_usec,
    };
    d->step = step;
    int r = feed_batch_begin(d->batch, d->current, true, e);
    return r < 0 ? r : search_start(&d->search, env->session, &q, &search_events, d, e);
}

static int ask_sight(struct dirsync *d, struct error *e)
{
    static const char *const attributes[] = {"isDeleted", NULL};
    LDAPControl show = {.ldctl_oid = (char *)LIBLDAP_OID_SHOW_DELETED, .ldctl_iscritical = 1};
    LDAPControl *controls[] = {&show, NULL};
    CLEANUP(freep)
    char *base = libldap_format("CN=Deleted Objects,%s", d->env->server->suffixes[0]);
    struct search_request q = {
        .base = base,
        .scope = LDAP_SCOPE_BASE,
        .filter = "(objectClass=*)",
        .attributes = attributes,
        .controls = controls,
        .timeout_usec = d->env->options->search_timeout_usec,
    };
    d->step = STEP_SIGHT;
    return base ? search_start(&d->search, d->env->session, &q, &search_events, d, e)
                : error_out_of_memory(e);
}

static int ask_usn(struct dirsync *d, struct error *e)
{
    static const char *const attributes[] = {"highestCommittedUSN", NULL};
    struct search_request q = {
        .base = "",
        .scope = LDAP_SCOPE_BASE,
        .filter = "(objectClass=*)",
        .attributes = attributes,
        .timeout_usec = d->env->options->search_timeout_usec,
    };
    d->step = STEP_USN;
    return search_start(&d->search, d->env->session, &q, &search_events, d, e);
}

static void notify(struct dirsync *d);

static uint64_t interval_of(const struct dirsync *d)
{
    uint64_t interval = d->env->options->poll_interval_usec;
    return interval > 0 ? interval : DEFAULT_INTERVAL_USEC;
}

static void end_round(struct dirsync *d)
{
    bool full = d->full;
    d->running = d->full = false;
    feed_caught_up(d->env, full);
    if (d->env->once)
        return;
    if (!d->notified)
        notify(d);
    bool due = d->again || d->full_wanted || full; /* something may have changed amid that read */
    arm(d, due ? WAKE_PAUSE_USEC : interval_of(d));
    d->again = false;
}

/* This search has been dealt with, but for its roll call. */
static int after(struct dirsync *d, struct error *e)
{
    uint64_t now = clock_monotonic_usec();
    if (d->full || d->rolling)
        d->roll_usec[d->current] = now + FEED_ROLL_CALL_EVERY * interval_of(d);
    d->rolling = !d->sees_deleted && !d->full && now >= d->roll_usec[d->current];
    if (d->rolling)
        return read_all(d, STEP_ROLL, e);
    if (d->current + 1 < d->env->n_searches)
        run(d, d->current + 1);
    else
        end_round(d);
    return 0;
}

/* After the changes: nothing to tell, unless the cookie is getting old or a read ends with it.
 */
static int end_changes(struct dirsync *d, struct error *e)
{
    uint64_t stored = d->stored_usec[d->current];
    bool old = stored == 0 || clock_monotonic_usec() - stored > STORE_USEC;
    if (!feed_batch_is_open(d->batch) && !old)
        return after(d, e);
    int r = feed_batch_is_open(d->batch) ? 0 : feed_batch_begin(d->batch, d->current, false, e);
    return r < 0 ? r : ask_usn(d, e);
}

static int begin_first(struct dirsync *d)
{
    if (!d->sees_deleted)
        log_notice("%s shows no deleted objects to this account: give it the right to list and "
                   "read CN=Deleted Objects, or deletions are noticed only when all ids are "
                   "read, every %d intervals",
                   session_uri(d->env->session), FEED_ROLL_CALL_EVERY);
    run(d, 0);
    return 0;
}

static void refused(struct dirsync *d, const struct search_outcome *outcome)
{
    struct error e = {0};
    int r = libldap_error(&e, outcome->code, outcome->said, "%s: DirSync of %s",
                          session_uri(d->env->session), d->env->server->suffixes[d->current]);
    if (outcome->code == LDAP_BUSY || outcome->code == LDAP_UNAVAILABLE) {
        fail(d, r, &e);
        return;
    }
    d->search = search_free(d->search);
    feed_batch_abort(d->batch);
    feed_unsupported(d->env, &e, false);
}

static void on_done(struct search *s, const struct search_outcome *outcome, void *userdata)
{
    (void)s;
    struct dirsync *d = userdata;
    struct error e = {0};
    int r = 0;
    bool dirsync = d->step == STEP_COOKIE || d->step == STEP_CHANGES;
    if (dirsync && outcome->code != LDAP_SUCCESS) {
        refused(d, outcome);
        return;
    }
    if (dirsync)
        r = take_cookie(d, outcome->controls, &e);
    if ((d->step == STEP_READ || d->step == STEP_ROLL) && !outcome->whole) {
        feed_batch_doubt(d->batch, "%s", outcome->doubt);
        if (outcome->unanswered)
            feed_unanswered(d->env, outcome->doubt);
    }
    d->search = search_free(d->search);
    bool more = r > 0;
    if (r >= 0) {
        switch (d->step) {
        case STEP_COOKIE: r = more ? ask_cookie(d, &e) : read_all(d, STEP_READ, &e); break;
        case STEP_READ:
        case STEP_ROLL: r = ask_usn(d, &e); break;
        case STEP_SIGHT: r = begin_first(d); break;
        case STEP_CHANGES: r = more ? ask_changes(d, &e) : end_changes(d, &e); break;
        case STEP_USN: feed_batch_finish(d->batch); break;
        }
    }
    if (r < 0)
        fail(d, r, &e);
}

/* 0 and a kept cookie, or 0 and none: read everything. */
static int stored_cookie(struct dirsync *d, struct error *e)
{
    struct feed_environment *env = d->env;
    CLEANUP(freep) char *identity = NULL;
    CLEANUP(libldap_bytes_freep) void *cookie = NULL;
    size_t size = 0;
    char why[120];
    int r = env->sink->cookie(env->userdata, d->current, &cookie, &size, &identity, e);
    if (r < 0 || !cookie || size == 0)
        return r;
    CLEANUP(freep)
    char *current =
        cookie_identity(env, d->current, DIRECTORY_FEED_DIRSYNC, NULL, env->server->highest_usn);
    if (!current)
        return error_out_of_memory(e);
    if (!cookie_identity_matches(identity, current, why, sizeof(why))) {
        log_notice("The stored position in %s is not used: %s", session_uri(env->session), why);
        return 0;
    }
    d->cookies[d->current].data = TAKE(cookie);
    d->cookies[d->current].size = size;
    return 0;
}

static void run(struct dirsync *d, unsigned index)
{
    struct error e = {0};
    struct sync_cookie *kept = &d->cookies[index];
    d->current = index;
    int r = 0;
    if (d->full) {
        sync_cookie_done(kept);
    } else if (!kept->data) {
        r = stored_cookie(d, &e);
        d->full = d->full || !kept->data; /* then the other search as well */
    }
    if (r == 0)
        r = d->full ? ask_cookie(d, &e) : ask_changes(d, &e);
    if (r < 0)
        fail(d, r, &e);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    struct dirsync *d = userdata;
    if (d->running)
        return 0;
    d->running = true;
    d->full = d->full_wanted;
    d->full_wanted = false;
    if (d->full)
        feed_reads_all(d->env);
    struct error e = {0};
    if (d->looked) {
        run(d, 0);
        return 0;
    }
    d->looked = true;
    int r = ask_sight(d, &e);
    if (r < 0)
        fail(d, r, &e);
    return 0;
}

static void on_notification(struct session_operation *o, int type, LDAPMessage **m, void *userdata)
{
    (void)o;
    struct dirsync *d = userdata;
    if (type == LDAP_RES_SEARCH_RESULT) {
        int code = 0;
        ldap_parse_result(session_ldap(d->env->session), *m, &code, NULL, NULL, NULL, NULL, 0);
        log_debug("%s: no change notification: %s", session_uri(d->env->session),
                  ldap_err2string(code));
        d->notification = session_operation_free(d->notification);
        return;
    }
    if (type != LDAP_RES_SEARCH_ENTRY)
        return;
    if (d->running)
        d->again = true;
    else
        arm(d, WAKE_PAUSE_USEC);
}

/* Once for each connection: what is refused is not asked for again. */
static void notify(struct dirsync *d)
{
    static const char *const attributes[] = {"objectGUID", NULL};
    LDAPControl control = {.ldctl_oid = (char *)LIBLDAP_OID_NOTIFICATION, .ldctl_iscritical = 1};
    /* Or a deletion would not wake us. */
    LDAPControl show = {.ldctl_oid = (char *)LIBLDAP_OID_SHOW_DELETED};
    LDAPControl *controls[] = {&control, &show, NULL};
    struct session_request q = {
        .base = d->env->server->suffixes[0],
        .scope = LDAP_SCOPE_SUBTREE,
        .filter = "(objectClass=*)",
        .attributes = attributes,
        .controls = controls,
    };
    struct error e = {0};
    d->notified = true;
    if (!rootdse_has_control(d->env->server, LIBLDAP_OID_NOTIFICATION))
        return;
    if (session_search(d->env->session, &d->notification, &q, on_notification, d, &e) < 0)
        log_debug("%s", e.message);
    d->again = true; /* what changed before the notification stood */
}

static void prepare(struct feed_commit *c, void *userdata)
{
    struct dirsync *d = userdata;
    bool whole = d->full;
    free(d->identity);
    d->identity = cookie_identity(d->env, d->current, DIRECTORY_FEED_DIRSYNC, NULL, d->usn);
    c->identity = d->identity;
    if (c->absence == FEED_ABSENCE_UNPROVEN) {
        c->forget_cookie = true;
    } else if (d->identity) {
        c->cookie = d->cookies[d->current].data;
        c->cookie_size = d->cookies[d->current].size;
        d->stored_usec[d->current] = clock_monotonic_usec();
    }
    c->end_of_read = d->current + 1 == d->env->n_searches;
    snprintf(d->what, sizeof(d->what), "%s of %zu entr%s from %s",
             whole        ? "full read"
             : d->rolling ? "roll call, and read"
                          : "changes",
             c->n_entries, c->n_entries == 1 ? "y" : "ies", session_uri(d->env->session));
    c->what = d->what;
}

static void committed(void *userdata)
{
    struct dirsync *d = userdata;
    struct error e = {0};
    int r = after(d, &e);
    if (r < 0)
        fail(d, r, &e);
}

static void dirsync_free(void *feed)
{
    struct dirsync *d = feed;
    if (!d)
        return;
    search_free(d->search);
    session_operation_free(d->notification);
    if (d->control)
        ldap_control_free(d->control);
    feed_batch_free(d->batch);
    d->timer = sd_event_source_disable_unref(d->timer);
    decoder_attributes_free(d->attributes);
    for (size_t i = 0; i < ARRAY_SIZE(d->cookies); i++)
        sync_cookie_done(&d->cookies[i]);
    free(d->identity);
    free(d);
}

/* Without name and parentGUID a rename is not reported at all; without those of the filter
 * nothing is reported of people who no longer match it. */
static char **signal_attributes(const struct feed_environment *env)
{
    CLEANUP(string_list_done) struct string_list names = {0};
    int r = string_list_add(&names, "name");
    for (const char *const *p = (const char *const[]){"parentGUID", "isDeleted", NULL}; *p; p++)
        r = r < 0 ? r : string_list_add(&names, *p);
    for (size_t i = 0; r == 0 && env->attributes[i]; i++)
        /* It changes with everything, and would make a signal of every logon. */
        if (!text_equal_ascii_case(env->attributes[i], "uSNChanged"))
            r = string_list_add(&names, env->attributes[i]);
    if (r == 0)
        r = decode_attributes_of_filter(env->options->filter, &names);
    char **ret = r == 0 ? calloc(names.n_items + 1, sizeof(*ret)) : NULL;
    for (size_t i = 0; ret && i < names.n_items; i++)
        ret[i] = TAKE(names.items[i]);
    return ret;
}

static int dirsync_start(void **ret, struct feed_environment *env, struct error *e)
{
    static const struct feed_batch_events events = {.prepare = prepare, .committed = committed};
    struct dirsync *d = calloc(1, sizeof(*d));
    if (!d)
        return error_out_of_memory(e);
    d->env = env;
    d->full_wanted = env->force_full;
    d->usn = env->server->highest_usn;
    d->attributes = signal_attributes(env);
    int r = d->attributes ? 0 : error_out_of_memory(e);
    if (r == 0)
        r = feed_batch_new(&d->batch, env, &events, d, e);
    if (r == 0)
        r = timer_in(env->event, &d->timer, 0, on_timer, d);
    if (r < 0) {
        dirsync_free(d);
        return r;
    }
    *ret = d; /* the timer begins the first round */
    return 0;
}

static void dirsync_request_full(void *feed)
{
    struct dirsync *d = feed;
    d->full_wanted = true;
    if (!d->running)
        arm(d, 0);
}

static const char *dirsync_objection(const struct rootdse *server, bool places_known)
{
    if (!rootdse_has_control(server, LIBLDAP_OID_DIRSYNC))
        return "the server does not list DirSync";
    return places_known && server->invocation_id
               ? NULL
               : "the server does not show what a DirSync cookie belongs to (invocationId)";
}

const struct directory_feed_ops feed_dirsync_ops = {
    .kind = DIRECTORY_FEED_DIRSYNC,
    .objection = dirsync_objection,
    .refused = "the server refused DirSync to this account",
    .start = dirsync_start,
    .free = dirsync_free,
    .request_full = dirsync_request_full,
};
