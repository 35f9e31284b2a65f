/*
 * The daemon's part of the audit: where its key is, the hourly checkpoint, and what rosterctl
 * asks for.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-login.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/timer.h"
#include "daemon/daemon.h"
#include "model/json.h"

#define LOOK_EVERY (10 * USEC_PER_SEC)

/* The key stands beside the state file unless the configuration says where. */
int daemon_audit_key_file(const struct settings *s, char **ret, struct error *e)
{
    const char *slash = strrchr(s->state_file, '/');
    int n = s->audit_key_file ? asprintf(ret, "%s", s->audit_key_file)
                              : asprintf(ret, "%.*s/audit.key",
                                         (int)(slash ? slash - s->state_file : 0), s->state_file);
    if (n >= 0)
        return 0;
    *ret = NULL;
    return error_out_of_memory(e);
}

int daemon_audit_sign(struct daemon *d, struct error *e)
{
    CLEANUP(freep) char *path = NULL;
    int r = daemon_audit_key_file(d->settings, &path, e);
    return r < 0 ? r : audit_export_sign(d->audit, path, e);
}

void daemon_audit_limit(struct daemon *d)
{
    const struct settings *s = d->settings;
    if (d->audit)
        audit_export_limit(d->audit, &(struct audit_limits){
                                         .rotate_bytes = s->audit_rotate.bytes,
                                         .rotate_usec = s->audit_rotate.usec,
                                         .keep_usec = s->audit_keep_usec,
                                         .hide_contacts = s->audit_values == AUDIT_VALUES_NAMES,
                                     });
}

int daemon_audit_open(struct daemon *d, struct error *e)
{
    int r =
        audit_export_open(&d->audit, d->state, d->settings->audit_file, true, &d->state_older, e);
    if (r == 0)
        daemon_audit_limit(d);
    return r;
}

/* A random text that this state file keeps: "audit-state-id" names it in the lines, since numbers
 * of operations are its own; "plan-key" goes into the hash of a plan, so that nobody can guess
 * from a hash on record what the plan was made of. */
static int random_of_state(struct daemon *d, const char *name, size_t size, char **ret,
                           struct error *e)
{
    unsigned char random[32];
    char text[2 * sizeof(random) + 1];
    int r = state_meta_get(d->state, name, ret, e);
    if (r != STATE_NONE)
        return r;
    if (random_bytes(random, size) < 0)
        return error_set(e, -EIO, "the kernel returned no random bytes");
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    *ret = strdup(text);
    bool own = !state_in_transaction(d->state);
    r = *ret ? 0 : error_out_of_memory(e);
    if (r == 0 && own)
        r = state_begin(d->state, e);
    if (r == 0)
        r = state_meta_set(d->state, name, text, e);
    return r == 0 && own ? state_commit(d->state, e) : r;
}

static json_t *one_change(const char *key, const json_t *from, const json_t *to)
{
    return json_pack("{s:s, s:O?, s:O?}", "key", key, "from", from, "to", to);
}

static json_t *difference(json_t *before, json_t *now)
{
    json_t *changes = json_array(), *value;
    const char *key;
    json_object_foreach (before, key, value) {
        json_t *to = json_object_get(now, key);
        if (!json_equal(value, to))
            json_array_append_new(changes, one_change(key, value, to));
    }
    json_object_foreach (now, key, value) {
        if (!json_object_get(before, key))
            json_array_append_new(changes, one_change(key, NULL, value));
    }
    return changes;
}

int daemon_audit_configuration(struct daemon *d, const struct settings *s, struct engine_options *o,
                               struct error *e)
{
    CLEANUP(freep) char *before = NULL, *state = NULL, *plan_key = NULL;
    int r = state_meta_get(d->state, "configuration-facts", &before, e);
    if (r >= 0)
        r = random_of_state(d, "audit-state-id", 8, &state, e);
    if (r == 0)
        r = random_of_state(d, "plan-key", 32, &plan_key, e);
    if (r < 0)
        return r;
    free(d->configuration);
    free(d->configuration_facts);
    d->configuration_facts = settings_to_facts(s);
    json_auto_t *then = before ? json_loads(before, 0, NULL) : NULL;
    json_auto_t *now = d->configuration_facts ? json_loads(d->configuration_facts, 0, NULL) : NULL;
    json_auto_t *details = json_pack(
        "{s:s, s:s, s:s, s:s, s:o}", "state", state, "file", d->config_file, "fingerprint",
        s->fingerprint, "facts", s->facts, "changed", then ? difference(then, now) : json_null());
    d->configuration = details ? json_to_text(details, JSON_COMPACT) : NULL;
    if (!d->configuration || !now)
        return error_out_of_memory(e);
    o->configuration = d->configuration;
    o->configuration_facts = d->configuration_facts;
    return 0;
}

void daemon_audit_actor(struct audit_actor *ret, uid_t uid, pid_t pid)
{
    uid_t login = (uid_t)-1;
    char *session = NULL;
    *ret = (struct audit_actor){.uid = uid};
    (void)file_account_name(uid, ret->name, sizeof(ret->name));
    bool has_owner = pid > 0 && sd_pid_get_owner_uid(pid, &login) >= 0;
    /* What nobody logged in to start is a service or a timer; where nothing keeps logins, accounts
     * are people. */
    ret->known = has_owner || (pid > 0 && sd_booted() == 0);
    if (has_owner && login != uid)
        (void)file_account_name(login, ret->login, sizeof(ret->login));
    if (pid > 0 && sd_pid_get_session(pid, &session) >= 0)
        snprintf(ret->session, sizeof(ret->session), "%s", session);
    free(session);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)usec;
    struct daemon *d = userdata;
    struct error e = {0};
    if (!state_in_transaction(d->state)) {
        if (audit_export_checkpoint(d->audit, &e) < 0 || audit_export_run(d->audit, &e) < 0 ||
            audit_export_rotate(d->audit, false, &e) < 0)
            engine_audit_written(d->engine, false, e.message);
    }
    reconcile_if_due(d);
    (void)sd_event_source_set_time(source, clock_monotonic_usec() + LOOK_EVERY);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

int daemon_audit_start(struct daemon *d, struct error *e)
{
    int r = d->audit ? timer_at(d->event, &d->audit_timer, clock_monotonic_usec() + LOOK_EVERY,
                                on_time, d)
                     : 0;
    return r < 0 ? error_set(e, r, "cannot set up the timer of the audit") : 0;
}

void daemon_audit_close(struct daemon *d)
{
    struct error e = {0};
    d->audit_timer = sd_event_source_disable_unref(d->audit_timer);
    if (d->audit && audit_export_run(d->audit, &e) < 0)
        log_error("The last audit rows stay in the state file: %s", e.message);
    d->audit = audit_export_close(d->audit);
    free(d->configuration);
    free(d->configuration_facts);
}

void daemon_audit_key(struct daemon *d, struct control_call *call, bool renew)
{
    struct error e = {0};
    int r = renew ? engine_commit(d->engine, &e) : 0; /* what is open is of somebody else's step */
    if (r == 0 && renew)
        r = audit_export_renew_key(d->audit, &e);
    if (r < 0)
        control_fail(call, "failed", "%s", e.message);
    else
        control_reply(call, json_pack("{s:s?}", "key", audit_export_key(d->audit)));
}
