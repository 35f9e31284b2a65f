/*
 * SIGHUP: a new configuration, or, when it has errors, the old one as before. What cannot
 * change while rosterd runs is named, and the old value stays in force until a restart.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "mapping/ruleset.h"

static int load(struct daemon *d, struct settings **ret, char **ret_needs_restart, struct error *e)
{
    CLEANUP(settings_texts_done) struct settings_texts texts = {0};
    struct problem_list problems = {0};
    int r = settings_texts_read(&texts, d->config_file, &problems, e);
    if (r == 0)
        r = settings_load_beside(ret, d->settings, texts.items, texts.n_items, ret_needs_restart,
                                 &problems, e);
    for (size_t i = 0; i < problems.n_items; i++) {
        const struct problem *p = &problems.items[i];
        if (p->level != PROBLEM_WARNING)
            log_error("%s:%u: %s", p->file, p->line, p->sentence);
        else
            log_warning("%s:%u: %s", p->file, p->line, p->sentence);
    }
    if (r < 0 && problems.n_errors)
        error_set(e, r, "the configuration has %zu error%s, the first: %s:%u: %s",
                  problems.n_errors, text_plural(problems.n_errors), problems.items[0].file,
                  problems.items[0].line, problems.items[0].sentence);
    problem_list_done(&problems);
    return r;
}

static int take(struct daemon *d, struct settings **taken, struct error *e)
{
    struct settings *fresh = *taken;
    struct engine_options options = {
        .sync = &fresh->sync,
        .mapping = &fresh->mapping,
        .fingerprint = fresh->fingerprint,
        .decisions = fresh->decisions,
        .four_eyes = fresh->four_eyes,
        .max_concurrent = fresh->tenant.max_concurrent,
    };
    int r = d->audit ? daemon_audit_configuration(d, fresh, &options, e) : 0;
    if (r == 0)
        r = engine_reload(d->engine, &options, e);
    if (r < 0)
        return r;
    /* Now the engine borrows from the new one, and nobody from the old one: directory and
     * tenant copied what they keep. */
    settings_free(d->settings);
    d->settings = TAKE(*taken);
    daemon_audit_limit(d);
    tenant_client_set_limits(d->tenant, fresh->tenant.max_rate, fresh->tenant.max_concurrent);
    log_set_level(fresh->log_level);
    log_event(LOG_NOTICE, MSG_RELOADED, "The configuration was loaded again: %.12s",
              fresh->fingerprint);
    return 0;
}

/* What follows from a configuration that is in force. */
static int follow(struct daemon *d, struct error *e)
{
    struct error ignored = {0};
    if (d->audit && audit_export_reopen(d->audit, &ignored) < 0)
        log_error("%s", ignored.message);
    int r = d->directory ? directory_set_attributes(
                               d->directory, ruleset_attributes(engine_ruleset(d->engine)), e)
                         : 0;
    if (r < 0)
        log_error("The directory is still read for the previous rules: %s. Reload again",
                  e->message);
    return r;
}

static void tell_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_usec());
}

/* The files were right, and what they say could not be kept: nobody has to come back for that. */
static void try_later(struct daemon *d, const struct settings *fresh, const struct engine_act *act,
                      struct error *e)
{
    struct engine_status s;
    engine_status(d->engine, &s);
    if (!s.state_failed)
        return;
    d->reload.waits = true;
    d->reload.actor = *act->actor;
    free(d->reload.reason);
    d->reload.reason = act->reason ? strdup(act->reason) : NULL;
    free(d->reload.fingerprint);
    d->reload.fingerprint = strdup(fresh->fingerprint);
    error_set(e, -EIO, "%.300s. It is loaded by itself as soon as the state file can be written",
              s.state_error ? s.state_error : "the state file cannot be written");
}

/* only: nothing else than this, since nobody else asked for it; NULL: whatever the files say. */
static int reload(struct daemon *d, const struct engine_act *act, const char *only, struct error *e)
{
    CLEANUP(settings_freep) struct settings *fresh = NULL;
    CLEANUP(freep) char *needs_restart = NULL;
    tell_reloading();
    d->reload.waits = false;
    int r = load(d, &fresh, &needs_restart, e);
    if (r == 0 && only && !text_equal(only, fresh->fingerprint))
        r = error_set(e, -ESTALE,
                      "the files were changed since they were to be loaded: reload them");
    if (r == 0) {
        engine_act(d->engine, act);
        r = take(d, &fresh, e);
        engine_act(d->engine, NULL);
        if (r < 0)
            try_later(d, fresh, act, e);
    }
    if (r < 0)
        log_event(LOG_ERR, MSG_RELOAD_FAILED, "The old configuration stays in force: %s",
                  e->message);
    else if (needs_restart)
        log_warning("%s", needs_restart);
    if (r == 0)
        r = follow(d, e);
    sd_notify(0, "READY=1");
    return r;
}

int daemon_reload(struct daemon *d, const struct engine_act *act, struct error *e)
{
    return reload(d, act, NULL, e);
}

void daemon_reload_later(struct daemon *d)
{
    const struct audit_actor actor = d->reload.actor;
    CLEANUP(freep) char *reason = TAKE(d->reload.reason);
    const struct engine_act act = {.actor = &actor, .reason = reason};
    struct error e = {0};
    CLEANUP(freep) char *only = TAKE(d->reload.fingerprint);
    if (d->reload.waits)
        reload(d, &act, only ? only : "", &e); /* it has logged what is wrong */
}
