/*
 * A small synchronisation beside the large one, with no cookie that anybody keeps.
 */
#include "config.h"

#include "directory/urgent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "directory/environment.h"
#include "directory/libldap.h"
#include "directory/session.h"
#include "directory/sync-codec.h"

struct asked {
    struct urgent *owner;
    unsigned search;
    struct session_operation *operation; /* NULL: it is not asked, or has ended */
    bool listed;                         /* all of now were named; from here on it tells changes */
};

struct urgent {
    struct feed_environment *env;
    struct asked asked[DIRECTORY_MAX_SEARCHES];
    bool refused, failed;
};

static void fail(struct urgent *u, int r, const struct error *e)
{
    u->failed = true;
    feed_failed(u->env, r, e);
}

/* Whatever the reason, what it would have told is found by the read. */
static void refuse(struct asked *a, const char *why)
{
    struct urgent *u = a->owner;
    a->operation = session_operation_free(a->operation);
    if (!u->refused)
        log_notice("%s cannot be asked for revocations beside what is read, so they wait for the "
                   "end of the read: %s",
                   session_uri(u->env->session), why);
    u->refused = true;
}

static int take_entry(struct asked *a, LDAPMessage *m, struct error *e)
{
    struct feed_environment *env = a->owner->env;
    LDAP *ld = session_ldap(env->session);
    CLEANUP(libldap_controls_freep) LDAPControl **controls = NULL;
    CLEANUP(sync_state_done) struct sync_state state = {0};
    CLEANUP(decoded_done) struct decoded d = {0};
    int code = ldap_get_entry_controls(ld, m, &controls);
    LDAPControl *c =
        code == LDAP_SUCCESS ? libldap_control(controls, LDAP_CONTROL_SYNC_STATE) : NULL;
    if (!c || sync_parse_state(&c->ldctl_value, &state) < 0) {
        refuse(a, "an entry came without a readable sync state");
        return 0;
    }
    char id[IDENTITY_TEXT_SIZE];
    identity_from_sync(env->decoder.identity, state.uuid, id);
    if (state.state == SYNC_DELETE)
        return env->sink->urgent->left(env->userdata, a->search, id, e);
    if (state.state == SYNC_PRESENT)
        return 0;
    int r = decode_entry(&env->decoder, ld, m, id, &d, e);
    return r < 0 || !d.entry ? r : env->sink->urgent->named(env->userdata, a->search, d.entry, e);
}

static int take_info(struct asked *a, LDAPMessage *m, struct error *e)
{
    struct feed_environment *env = a->owner->env;
    CLEANUP(libldap_memory_freep) char *oid = NULL;
    CLEANUP(sync_info_done) struct sync_info info = {0};
    struct berval *value = NULL;
    int code = ldap_parse_intermediate(session_ldap(env->session), m, &oid, &value, NULL, 0);
    int r = code == LDAP_SUCCESS && value && oid && strcmp(oid, LDAP_SYNC_INFO) == 0
                ? sync_parse_info(value, &info)
                : 0;
    ber_bvfree(value);
    if (r < 0) {
        refuse(a, "a sync message came that cannot be read");
        return 0;
    }
    bool end = info.kind == SYNC_REFRESH_PRESENT || info.kind == SYNC_REFRESH_DELETE;
    if (!end || !info.refresh_done || a->listed)
        return 0;
    a->listed = true;
    return env->sink->urgent->listed(env->userdata, a->search, e);
}

static void take_result(struct asked *a, LDAPMessage *m)
{
    struct feed_environment *env = a->owner->env;
    CLEANUP(libldap_memory_freep) char *said = NULL;
    struct error e = {0};
    int code = 0;
    char shown[LIBLDAP_SAID_SIZE];
    if (ldap_parse_result(session_ldap(env->session), m, &code, NULL, &said, NULL, NULL, 0) !=
        LDAP_SUCCESS)
        code = LDAP_DECODING_ERROR;
    libldap_error(&e, code, session_said(env->session, shown, said),
                  "a second synchronisation of %s ended", env->searches[a->search].base);
    refuse(a, e.message);
}

static void on_message(struct session_operation *o, int type, LDAPMessage **m, void *userdata)
{
    (void)o;
    struct asked *a = userdata;
    struct error e = {0};
    int r = 0;
    if (a->owner->failed)
        return;
    switch (type) {
    case LDAP_RES_SEARCH_ENTRY: r = take_entry(a, *m, &e); break;
    case LDAP_RES_INTERMEDIATE: r = take_info(a, *m, &e); break;
    case LDAP_RES_SEARCH_RESULT: take_result(a, *m); break;
    default: break;
    }
    if (r < 0)
        fail(a->owner, r, &e);
}

static int ask(struct asked *a, const char *filter, struct error *e)
{
    struct feed_environment *env = a->owner->env;
    const struct feed_search *s = &env->searches[a->search];
    CLEANUP(freep) char *both = libldap_format("(&%s%s)", s->persons, filter);
    struct berval *value = sync_request_value(SYNC_REFRESH_AND_PERSIST, NULL, 0);
    if (!both || !value) {
        ber_bvfree(value);
        return error_out_of_memory(e);
    }
    LDAPControl control = {
        .ldctl_oid = (char *)LDAP_CONTROL_SYNC, .ldctl_value = *value, .ldctl_iscritical = 1};
    LDAPControl *controls[] = {&control, NULL};
    struct session_request q = {
        .base = s->base,
        .scope = s->scope,
        .filter = both,
        .attributes = (const char *const *)env->attributes,
        .controls = controls,
    };
    struct error why = {0};
    env->sink->urgent->begin(env->userdata, a->search);
    if (session_search(env->session, &a->operation, &q, on_message, a, &why) < 0)
        refuse(a, why.message);
    ber_bvfree(value);
    return 0;
}

int urgent_start(struct urgent **ret, struct feed_environment *env, struct error *e)
{
    *ret = NULL;
    const char *filter = env->sink->urgent ? env->sink->urgent->filter(env->userdata) : NULL;
    if (!filter)
        return 0;
    struct urgent *u = calloc(1, sizeof(*u));
    if (!u)
        return error_out_of_memory(e);
    u->env = env;
    int r = 0;
    for (unsigned i = 0; i < env->n_searches && r == 0; i++) {
        u->asked[i].owner = u;
        u->asked[i].search = i;
        if (env->searches[i].people && env->searches[i].persons)
            r = ask(&u->asked[i], filter, e);
    }
    if (r < 0) {
        urgent_free(u);
        return r;
    }
    *ret = u;
    return 0;
}

struct urgent *urgent_free(struct urgent *u)
{
    if (!u)
        return NULL;
    for (unsigned i = 0; i < DIRECTORY_MAX_SEARCHES; i++)
        session_operation_free(u->asked[i].operation);
    free(u);
    return NULL;
}

bool urgent_is_whole(const struct urgent *u)
{
    return u && !u->refused && !u->failed;
}
