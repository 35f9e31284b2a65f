/*
 * What a start opens, part by part, and what a check looks at: one table, so that nothing can
 * make a start fail that no check has looked at. A check writes nothing, and a rosterd may run
 * beside it.
 */
#include "config.h"

#include "daemon/parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/daemon.h"
#include "daemon/patience.h"
#include "mapping/ruleset.h"

static int open_state_file(struct daemon *d, struct error *e)
{
    const struct settings *s = d->settings;
    int r;
    if (d->dry_run && access(s->state_file, F_OK) == 0)
        r = state_open_copy(&d->state, s->state_file, e);
    else if (d->dry_run) /* nothing is kept of a look: a state of its own that goes away */
        r = state_open_copy(&d->state, NULL, e);
    else if (d->once) /* nobody waits for a part of it */
        r = state_open(&d->state, s->state_file, &d->state_created, e);
    else
        r = state_open_at_once(&d->state, s->state_file, &d->state_created, e);
    if (r == 0)
        r = state_trust_types(d->state, e);
    if (r == STATE_LOCKED)
        return -EWOULDBLOCK;
    if (r == STATE_DAMAGED)
        return error_wrap(e, -EUCLEAN, "the state file is not used and not touched");
    if (r < 0)
        return r;
    if (d->state_created)
        log_notice("A new state file was made: %s", s->state_file);
    return 0;
}

static int open_state(struct daemon *d, struct error *e)
{
    struct patience *patience = patience_begin();
    int r = open_state_file(d, e);
    patience_end(patience);
    return r;
}

/* What is opened for a look is one of its own, which goes away. */
static int look_at_state(struct daemon *d, struct error *warning, struct error *e)
{
    int r = state_look(d->settings->state_file, warning, e);
    int own = state_open_copy(&d->state, NULL, r == 0 ? e : NULL);
    return r == 0 ? own : r > 0 ? -EUCLEAN : r;
}

static int open_proof(struct daemon *d, struct error *e)
{
    return proof_start(d, d->stop, e);
}

static int open_audit(struct daemon *d, struct error *e)
{
    return d->dry_run ? 0 : daemon_audit_open(d, e);
}

static int look_at_audit(struct daemon *d, struct error *warning, struct error *e)
{
    return audit_look(d->settings->audit_file, warning, e);
}

static int open_key(struct daemon *d, struct error *e)
{
    return d->dry_run ? 0 : daemon_audit_sign(d, e);
}

static int look_at_key(struct daemon *d, struct error *warning, struct error *e)
{
    CLEANUP(freep) char *path = NULL;
    (void)warning;
    int r = daemon_audit_key_file(d->settings, &path, e);
    if (r < 0)
        return r;
    r = audit_look_at_key(path, e);
    /* Beside the state file: that was told already. */
    return (r == -ENOENT || r == -EACCES) && !d->settings->audit_key_file && access(path, F_OK) < 0
               ? 0
               : r;
}

/* An older copy of the state was restored: what it believes to have done is not what was done.
 */
static int distrust_state(struct daemon *d, struct error *e)
{
    if (!d->state_older)
        return 0;
    if (d->state_created) { /* it believes nothing: everybody is matched at first contact */
        log_warning(
            "The state file %s is new and the audit file is not: the old state is gone, users are "
            "matched with the tenant as at the first start",
            d->settings->state_file);
        return 0;
    }
    log_error(
        "The audit file is ahead of the state file: an older copy of %s was restored. Users are matched "
        "with the tenant again, and nobody is changed until `rosterctl plan` has been approved",
        d->settings->state_file);
    return engine_distrust_state(d->engine, e);
}

int parts_make_tenant(struct daemon *d, struct error *e)
{
    return tenant_client_new(&d->tenant, d->event, &d->settings->tenant, e);
}

static void engine_options_of(struct daemon *d, struct engine_options *ret)
{
    const struct settings *s = d->settings;
    *ret = (struct engine_options){
        .sync = &s->sync,
        .mapping = &s->mapping,
        .fingerprint = s->fingerprint,
        .decisions = s->decisions,
        .four_eyes = s->four_eyes,
        .tenant_ops = tenant_kind_ops(&s->tenant),
        .tenant = d->tenant,
        .tenant_url = s->tenant.url,
        .tenant_path = tenant_path(&s->tenant),
        .tenant_scope = s->tenant.scope,
        .max_concurrent = s->tenant.max_concurrent,
        .plan_only = d->dry_run,
        .quiet = d->looks,
    };
}

int parts_make_engine(struct daemon *d, struct engine **ret, struct error *e)
{
    struct engine_options options;
    engine_options_of(d, &options);
    int r = d->dry_run ? 0 : daemon_audit_configuration(d, d->settings, &options, e);
    return r < 0 ? r : engine_new(ret, d->event, d->state, d->audit, &options, e);
}

int parts_make_directory(struct daemon *d, struct error *e)
{
    return directory_new(&d->directory, d->event, &d->settings->directory,
                         ruleset_attributes(engine_ruleset(d->engine)), &engine_sink,
                         engine_reading(d->engine), e);
}

static int open_engine(struct daemon *d, struct error *e)
{
    return parts_make_engine(d, &d->engine, e);
}

static struct control_server_options control_options(struct daemon *d)
{
    const struct settings *s = d->settings;
    return (struct control_server_options){.path = s->control_socket,
                                           .operators = s->control_group,
                                           .readers = s->control_readers,
                                           .is_for_readers = daemon_is_for_readers,
                                           .handler = daemon_handle,
                                           .userdata = d};
}

static int open_control(struct daemon *d, struct error *e)
{
    struct control_server_options options = control_options(d);
    return d->once ? 0 : control_server_new(&d->control, d->event, &options, e);
}

static int look_at_control(struct daemon *d, struct error *warning, struct error *e)
{
    struct control_server_options options = control_options(d);
    return control_look(&options, warning, e);
}

/* All that a start opens, in its order, and how a check looks at it: what only holds memory is
 * opened for a check as well (look NULL). */
static const struct opening {
    const char *section, *key; /* that say where it is, or NULL */
    int (*open)(struct daemon *d, struct error *e);
    int (*look)(struct daemon *d, struct error *warning, struct error *e);
} parts[] = {
    {"state", "file", open_state, look_at_state},
    {NULL, NULL, open_proof, NULL},
    {"audit", "file", open_audit, look_at_audit},
    {"audit", "key_file", open_key, look_at_key},
    {"tenant", "url", parts_make_tenant, NULL},
    {NULL, NULL, open_engine, NULL},
    {NULL, NULL, distrust_state, NULL},
    {"directory", "uri", parts_make_directory, NULL},
    {"control", "socket", open_control, look_at_control},
};

int parts_open(struct daemon *d, struct error *e)
{
    int r = sd_event_new(&d->event);
    if (r < 0)
        return error_set(e, r, "cannot make the event loop");
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
        r = parts[i].open(d, e);
    return r;
}

void parts_close(struct daemon *d)
{
    d->control = control_server_free(d->control);
    d->directory = directory_free(d->directory);
    d->engine = engine_free(d->engine);
    d->tenant = tenant_client_free(d->tenant);
    daemon_audit_close(d);
    proof_end(d);
    d->state = state_close(d->state);
    d->event = sd_event_unref(d->event);
}

/* A folder that the unit makes may be made yet, and who looks need not be the service. */
static enum problem_level level_of(const struct daemon *d, const struct opening *p, int r)
{
    if (!p->section)
        return PROBLEM_ERROR;
    if (r == -ENOENT && settings_is_usual_folder(d->settings, p->section, p->key))
        return PROBLEM_WARNING;
    return r == -EACCES && settings_folder_is_foreign(d->settings, p->section, p->key)
               ? PROBLEM_WARNING
               : PROBLEM_ERROR;
}

static int look_at_part(struct daemon *d, const struct opening *p, struct problem_list *problems)
{
    struct error warning = {0}, why = {0};
    int r = p->look ? p->look(d, &warning, &why) : p->open(d, &why);
    int added = 0;
    if (warning.message[0])
        added = settings_complain(d->settings, problems, PROBLEM_WARNING, p->section, p->key,
                                  warning.message);
    if (r < 0 && added == 0)
        added = settings_complain(d->settings, problems, level_of(d, p, r), p->section, p->key,
                                  why.message);
    return added;
}

int parts_look(struct settings *s, const char *config_file, struct problem_list *problems,
               struct error *e)
{
    struct daemon d = {
        .config_file = (char *)config_file, .settings = s, .dry_run = true, .looks = true};
    int r = sd_event_new(&d.event);
    if (r < 0)
        return error_set(e, r, "cannot make the event loop");
    r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts) && (d.state || i == 0); i++)
        if (parts[i].open != parts_make_directory || d.engine)
            r = look_at_part(&d, &parts[i], problems);
    parts_close(&d);
    return r < 0 ? error_out_of_memory(e) : 0;
}
