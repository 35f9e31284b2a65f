/*
 * SIGHUP: a new configuration, or, when it has errors, the old one as before. What cannot change while
 * rosterd runs is named, and the old value stays in force until a restart.
 */
#include "config.h"

#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/daemon.h"
#include "mapping/ruleset.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

static int load(struct daemon *d, struct settings **ret, struct error *e)
{
    struct problem_list problems = {0};
    int r = settings_load(ret, d->config_file, &problems, e);
    for (size_t i = 0; i < problems.n_items; i++) {
        const struct problem *p = &problems.items[i];
        if (p->level == LEVEL_ERROR)
            log_error("%s:%u: %s", p->file, p->line, p->sentence);
        else
            log_warning("%s:%u: %s", p->file, p->line, p->sentence);
    }
    if (r < 0 && problems.n_errors)
        error_set(e, r, "the configuration has %zu errors, the first: %s:%u: %s", problems.n_errors,
                  problems.items[0].file, problems.items[0].line, problems.items[0].sentence);
    problem_list_done(&problems);
    return r;
}

static int apply(struct daemon *d, struct settings *fresh, struct error *e)
{
    struct engine_options options = {
        .sync = &fresh->sync,
        .mapping = &fresh->mapping,
        .fingerprint = fresh->fingerprint,
        .max_concurrent = fresh->tenant.max_concurrent,
    };
    int r = engine_reload(d->engine, &options, e);
    if (r == 0 && d->directory)
        r = directory_set_attributes(d->directory, ruleset_attributes(engine_ruleset(d->engine)), e);
    if (r == 0)
        tenant_client_set_limits(d->tenant, fresh->tenant.max_rate, fresh->tenant.max_concurrent);
    return r;
}

static void tell_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
               (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
}

int daemon_reload(struct daemon *d, struct error *e)
{
    CLEANUP(settings_freep) struct settings *fresh = NULL;
    CLEANUP(freep) char *needs_restart = NULL;
    tell_reloading();
    int r = load(d, &fresh, e);
    if (r == 0)
        r = settings_compare(d->settings, fresh, &needs_restart);
    if (r == 0)
        r = apply(d, fresh, e);
    if (r == 0) {
        if (needs_restart)
            log_warning("%s", needs_restart);
        struct error ignored = {0};
        if (d->audit && audit_export_reopen(d->audit, &ignored) < 0)
            log_error("%s", ignored.message);
        /* Directory and tenant copied what they keep; the engine borrows from the new one. */
        settings_free(d->settings);
        d->settings = TAKE(fresh);
        log_set_level(d->settings->log_level);
        log_event(LOG_NOTICE, MSG_RELOADED, "The configuration was loaded again: %.12s",
                  d->settings->fingerprint);
    } else {
        log_event(LOG_ERR, MSG_RELOAD_FAILED, "The old configuration stays in force: %s", e->message);
    }
    sd_notify(0, "READY=1");
    return r;
}
