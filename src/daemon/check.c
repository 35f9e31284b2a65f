/*
 * `rosterd --check-connections`: connects to everything as the service would, says what it
 * found in sentences for a person, and writes nothing anywhere. The directory is read into a
 * state of its own in a private folder, which goes away again. Every wait has a bound.
 */
#include "config.h"

#include "daemon/check.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "daemon/parts.h"
#include "daemon/report.h"

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    (void)source;
    (void)info;
    ((struct check_run *)userdata)->interrupted = true;
    return 0;
}

static void add_problems(struct check_run *c, const struct problem_list *problems)
{
    char subject[4200];
    for (size_t i = 0; i < problems->n_items; i++) {
        const struct problem *p = &problems->items[i];
        const char *file = p->file ? p->file : "configuration";
        if (p->line)
            snprintf(subject, sizeof(subject), "%s:%u", file, p->line);
        else
            snprintf(subject, sizeof(subject), "%s", file);
        check_add_text(c, p->level == PROBLEM_WARNING ? CHECK_WARNING : CHECK_ERROR, subject,
                       p->sentence);
    }
}

static int load_settings(struct check_run *c, const char *config_file)
{
    struct problem_list problems = {0};
    struct error e = {0};
    int r = settings_load(&c->settings, config_file, &problems, &e);
    size_t n_errors = problems.n_errors;
    if (r == 0)
        r = parts_look(c->settings, config_file, &problems, &e);
    add_problems(c, &problems);
    if (r < 0 && !n_errors)
        check_add(c, CHECK_ERROR, "configuration", "%s", e.message);
    else if (r == 0 && !problems.n_errors)
        check_add(c, CHECK_OK, "configuration", "%s has no errors; it has %zu rule%s", config_file,
                  c->settings->mapping.n_rules, text_plural(c->settings->mapping.n_rules));
    problem_list_done(&problems);
    return r;
}

static int make_folder(struct check_run *c, struct error *e)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(c->folder, sizeof(c->folder), "%s/rosterd-check-XXXXXX",
                     tmp && *tmp ? tmp : "/tmp");
    if (n < 0 || (size_t)n >= sizeof(c->folder)) {
        c->folder[0] = '\0';
        return error_set(e, -ENAMETOOLONG, "$TMPDIR is too long");
    }
    if (!mkdtemp(c->folder)) { /* mode 0700 */
        int r = error_set(e, -errno, "no folder can be made in %s: %s", tmp && *tmp ? tmp : "/tmp",
                          strerror(errno));
        c->folder[0] = '\0';
        return r;
    }
    return 0;
}

static void remove_folder(struct check_run *c)
{
    DIR *dir = c->folder[0] ? opendir(c->folder) : NULL;
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    (void)closedir(dir);
    if (rmdir(c->folder) < 0)
        log_error("%s stays: %s", c->folder, strerror(errno));
}

static int add_signals(struct check_run *c, struct error *e)
{
    int r = sd_event_add_signal(c->event, NULL, SIGTERM, on_signal, c);
    if (r >= 0)
        r = sd_event_add_signal(c->event, NULL, SIGINT, on_signal, c);
    return r < 0 ? error_set(e, r, "cannot take signals: %s", strerror(-r)) : 0;
}

static int open_parts(struct check_run *c, struct error *e)
{
    char path[4200];
    bool created;
    const struct settings *s = c->settings;
    struct engine_options options = {
        .sync = &s->sync,
        .mapping = &s->mapping,
        .fingerprint = s->fingerprint,
        .decisions = s->decisions,
        .tenant_ops = tenant_kind_ops(&s->tenant),
        .max_concurrent = s->tenant.max_concurrent,
        .plan_only = true,
        .quiet = true, /* the items say it */
    };
    int r = sd_event_new(&c->event);
    if (r < 0)
        return error_set(e, r, "cannot make the event loop: %s", strerror(-r));
    r = add_signals(c, e);
    if (r == 0)
        r = make_folder(c, e);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/state.db", c->folder);
    r = state_open(&c->state, path, &created, e);
    if (r > 0) /* somebody else is in our private folder; the sentence is there */
        r = -EIO;
    return r < 0 ? r : engine_new(&c->engine, c->event, c->state, NULL, &options, e);
}

static void close_parts(struct check_run *c)
{
    c->engine = engine_free(c->engine);
    c->state = state_close(c->state);
    c->event = sd_event_unref(c->event);
    remove_folder(c);
    buffer_done(&c->work);
    c->settings = settings_free(c->settings);
}

int daemon_check_connections(const char *config_file)
{
    struct check_run c = {.items = json_array(),
                          .rules = json_array(),
                          .commands = json_array(),
                          .progress = isatty(STDERR_FILENO)};
    struct error e = {0};
    log_set_level(LOG_ERR); /* what is less is said by the items */
    if (c.items && load_settings(&c, config_file) == 0) {
        if (open_parts(&c, &e) < 0) {
            check_add(&c, CHECK_ERROR, "rosterd", "%s", e.message);
        } else {
            check_directory(&c);
            check_tenant(&c);
        }
    }
    if (c.interrupted)
        check_add(&c, CHECK_ERROR, "rosterd", "the check was interrupted");
    close_parts(&c);
    json_t *answer =
        json_pack("{s:o, s:o, s:o}", "items", c.items, "rules", c.rules, "commands", c.commands);
    bool fine = answer && !c.out_of_memory && json_dumpf(answer, stdout, JSON_INDENT(2)) == 0;
    json_decref(answer);
    if (!fine || putchar('\n') == EOF || fflush(stdout) == EOF) {
        log_error("The result of the check cannot be written");
        return 1;
    }
    return c.any_error ? 1 : 0;
}
