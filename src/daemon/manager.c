/*
 * Wires the parts to each other and to the service manager, and closes them in order. It knows
 * no rule of the trade: those are below.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "daemon/daemon.h"
#include "daemon/parts.h"
#include "render/output.h"
#include "render/render.h"

#define AGAIN_USEC (200 * USEC_PER_MSEC)

static void on_status_changed(void *userdata)
{
    struct daemon *d = userdata;
    if (d->directory)
        progress_tell(d);
    storage_look(d);
}

/* The feed's connection changed: alarm and status text. */
static void on_directory_changed(void *userdata)
{
    struct daemon *d = userdata;
    struct directory_status s;
    if (!d->directory)
        return;
    directory_status(d->directory, &s);
    bool away = s.state == DIRECTORY_AWAY || s.state == DIRECTORY_REFUSED;
    if (away || s.state == DIRECTORY_FOLLOWING)
        engine_directory_away(d->engine, away, s.error);
    progress_tell(d);
}

static void on_slept(void *userdata)
{
    const struct daemon *d = userdata;
    if (d->directory)
        directory_slept(d->directory);
}

static void on_approved(void *userdata)
{
    approve_over(userdata);
}

static void listen_to_engine(struct daemon *d)
{
    engine_on_approved(d->engine, on_approved, d);
    engine_on_directory_change(d->engine, on_directory_changed, d);
    engine_on_sleep(d->engine, on_slept, d);
    engine_on_status_change(d->engine, on_status_changed, d);
}

static void listen_to_tenant(struct daemon *d);
static void stop(struct daemon *d);

/* Everything can be made again from the file: what is under way is settled by reading the
 * tenant, as after a crash, and the directory goes on from its last cookie on disk. */
static int renew_engine(struct daemon *d, struct error *e)
{
    struct engine *before = d->engine;
    daemon_handlers_close(d);
    d->directory = directory_free(d->directory);
    int r = parts_make_engine(d, &d->engine, e);
    if (r == 0)
        r = engine_start(d->engine, e);
    if (r < 0) {
        if (d->engine != before)
            engine_free(d->engine);
        d->engine = before;
        return r;
    }
    engine_free(before);
    listen_to_engine(d);
    erase_resume(d);
    r = parts_make_directory(d, e);
    if (r == 0)
        r = directory_start(d->directory, e);
    if (r < 0) { /* the service manager starts it anew */
        log_error("The directory cannot be read again: %s. rosterd stops", e->message);
        d->exit_code = EXIT_FAILURE;
        stop(d);
        return 0;
    }
    progress_tell(d);
    return 0;
}

/* With the token that its file holds now; what is under way is settled by reading, once it is known
 * whose users that shows (src/contact/acquaintance.h). */
static int renew_tenant(struct daemon *d, struct error *e)
{
    struct tenant_client *before = d->tenant;
    int r = engine_commit(d->engine, e);
    if (r == 0)
        r = parts_make_tenant(d, e);
    if (r < 0)
        return r;
    r = renew_engine(d, e);
    if (r == 0) {
        listen_to_tenant(d);
        tenant_client_free(before);
    } else {
        tenant_client_free(d->tenant);
        d->tenant = before;
    }
    return r;
}

static int on_token_timer(sd_event_source *source, uint64_t usec, void *userdata);

static bool look_at_token_in(struct daemon *d, uint64_t usec)
{
    d->token_timer = sd_event_source_disable_unref(d->token_timer);
    if (timer_at(d->event, &d->token_timer, clock_monotonic_usec() + usec, on_token_timer, d) < 0)
        d->token_timer = NULL;
    return d->token_timer;
}

/* A state that cannot be written for a while is waited for as ever: storage.c tells of it. */
static bool waits_for_state(struct daemon *d)
{
    struct error e = {0};
    if (state_try_to_write(d->state, &e) < 0)
        engine_fail(d->engine, &e);
    struct engine_status s;
    engine_status(d->engine, &s);
    return s.state_failed && look_at_token_in(d, AGAIN_USEC);
}

static int on_token_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct daemon *d = userdata;
    struct engine_status s;
    struct error e = {0};
    (void)source, (void)usec;
    engine_status(d->engine, &s);
    if (!d->stopping && (s.commands || s.state_failed)) { /* that ends first */
        if (look_at_token_in(d, AGAIN_USEC))
            return 0;
        error_set(&e, -EIO, "no timer");
    } else if (!d->stopping) {
        d->token_timer = sd_event_source_disable_unref(d->token_timer);
        if (renew_tenant(d, &e) == 0 || waits_for_state(d))
            return 0;
    }
    d->token_timer = sd_event_source_disable_unref(d->token_timer);
    tenant_client_on_other_token(d->tenant, NULL, NULL); /* what waits ends now */
    if (!d->stopping) {
        log_error("The tenant cannot be asked with another token: %s. rosterd stops", e.message);
        d->exit_code = EXIT_FAILURE;
        stop(d);
    }
    return 0;
}

static bool on_other_token(void *userdata)
{
    struct daemon *d = userdata;
    if (d->token_timer || d->stopping)
        return d->token_timer;
    log_notice("%s holds another token: the tenant is asked whose users it shows",
               d->settings->tenant.client_secret_file);
    return look_at_token_in(d, 0);
}

static void listen_to_tenant(struct daemon *d)
{
    if (!d->once && !d->dry_run)
        tenant_client_on_other_token(d->tenant, on_other_token, d);
}

int daemon_open(struct daemon *d, struct error *e)
{
    int r;
    d->started_usec = clock_now_usec();
    d->stop = stop;
    r = parts_open(d, e);
    if (r == 0) {
        listen_to_engine(d);
        listen_to_tenant(d);
    }
    return r;
}

static int notify_watchdog_ready(struct daemon *d, struct error *e)
{
    int r = sd_event_set_watchdog(d->event, true);
    if (r < 0)
        return error_set(e, r, "cannot set up the watchdog");
    sd_notify(0, "READY=1");
    progress_tell(d);
    return 0;
}

static void on_stopped(void *userdata)
{
    struct daemon *d = userdata;
    struct engine_status s;
    engine_status(d->engine, &s);
    if (s.state_failed)
        d->exit_code = EXIT_FAILURE;
    sd_event_exit(d->event, 0);
}

/* What is in flight is finished; a second signal does not hurry it. */
static void stop(struct daemon *d)
{
    d->stopping = true;
    sd_notify(0, "STOPPING=1");
    d->directory = directory_free(d->directory);
    engine_stop(d->engine, on_stopped, d);
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info,
                        void *userdata)
{
    (void)source;
    struct daemon *d = userdata;
    if (d->stopping)
        return 0;
    log_notice("Signal %u: finishing what is under way first", info->ssi_signo);
    stop(d);
    return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    (void)source;
    struct daemon *d = userdata;
    struct error e = {0};
    struct audit_actor actor;
    struct engine_act act = {.actor = &actor};
    daemon_audit_actor(&actor, info->ssi_uid, (pid_t)info->ssi_pid);
    daemon_reload(d, &act, &e); /* it has logged what is wrong */
    return 0;
}

static int show_plan(struct daemon *d)
{
    CLEANUP(engine_view_freep) struct engine_view *view = NULL;
    struct error e = {0};
    json_t *plan =
        engine_view_new(&view, d->engine, &e) == 0 ? report_plan(view, d->state, &e) : NULL;
    if (!plan) {
        log_error("%s", e.message);
        return EXIT_FAILURE;
    }
    CLEANUP(output_done) struct output text = {0};
    progress_hide(d);
    (void)json_object_del(plan, "hash"); /* of a look beside the daemon: nobody can approve it */
    output_init(&text, COLOUR_AUTO);
    int code = render_plan(&text, plan, RENDER_PLAN_WHOLE);
    output_wrap(&text);
    json_decref(plan);
    if (text.text.failed || fputs(text.text.data ? text.text.data : "", stdout) == EOF ||
        fflush(stdout) == EOF) {
        log_error("The plan cannot be written: %s", strerror(text.text.failed ? ENOMEM : errno));
        return EXIT_FAILURE;
    }
    return code;
}

/* --once: the directory is read and everything that could be done is done. */
static void on_idle(void *userdata)
{
    struct daemon *d = userdata;
    struct engine_status s;
    if (!d->once || !d->directory || !d->read_done)
        return;
    engine_status(d->engine, &s);
    bool asked = s.tenant == ENGINE_TENANT_OK;
    if (!asked && d->dry_run)
        log_error("The tenant could not be asked, so what would be done is not known: %s",
                  s.tenant_error ? s.tenant_error : "it did not answer yet");
    d->exit_code = !asked          ? EXIT_FAILURE
                   : d->dry_run    ? show_plan(d)
                   : s.audit_error ? EXIT_FAILURE
                                   : d->exit_code;
    stop(d);
}

static void on_read_once(int r, const struct error *e, void *userdata)
{
    struct daemon *d = userdata;
    d->read_done = true;
    if (r < 0) {
        log_error("%s", e->message);
        d->exit_code = EXIT_FAILURE;
        stop(d);
    } else if (engine_is_idle(d->engine)) {
        on_idle(d);
    }
}

static int add_signals(struct daemon *d, struct error *e)
{
    int r = sd_event_add_signal(d->event, NULL, SIGTERM, on_terminate, d);
    if (r >= 0)
        r = sd_event_add_signal(d->event, NULL, SIGINT, on_terminate, d);
    if (r >= 0)
        r = sd_event_add_signal(d->event, NULL, SIGHUP, on_hangup, d);
    return r < 0 ? error_set(e, r, "cannot take signals") : 0;
}

int daemon_run(struct daemon *d, struct error *e)
{
    int r = add_signals(d, e);
    if (r == 0)
        r = daemon_audit_start(d, e);
    if (r == 0)
        r = engine_start(d->engine, e);
    if (r == 0)
        erase_resume(d);
    if (r == 0 && d->once) {
        engine_on_idle(d->engine, on_idle, d);
        r = directory_read_once(d->directory, on_read_once, d, e);
    } else if (r == 0) {
        r = directory_start(d->directory, e);
    }
    if (r == 0)
        r = metrics_start(d, e);
    if (r == 0 && !d->dry_run)
        r = storage_start(d, renew_engine, stop, e);
    if (r == 0)
        r = progress_start(d, e);
    if (r == 0)
        progress_show(d);
    if (r == 0)
        r = notify_watchdog_ready(d, e);
    if (r < 0)
        return r;
    log_event(LOG_NOTICE, MSG_STARTED,
              "rosterd " PACKAGE_VERSION " started, configuration %.12s from %s",
              d->settings->fingerprint, d->config_file);
    r = sd_event_loop(d->event);
    if (r < 0)
        return error_set(e, r, "the event loop failed");
    log_event(LOG_NOTICE, MSG_STOPPED, "rosterd ended");
    return 0;
}

void daemon_close(struct daemon *d)
{
    d->token_timer = sd_event_source_disable_unref(d->token_timer);
    metrics_stop(d);
    progress_stop(d);
    progress_hide(d);
    storage_stop(d);
    daemon_handlers_close(d);
    parts_close(d);
    d->settings = settings_free(d->settings);
    free(TAKE(d->reload.reason));
    free(TAKE(d->reload.fingerprint));
}
