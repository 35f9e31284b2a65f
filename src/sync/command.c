/*
 * Runs a configured command with one document on its standard input: never through a shell,
 * bounded in time, its output thrown away. What it was given is overwritten as soon as it is
 * written.
 */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/internal.h"

#define COMMAND_LIMIT_USEC (30 * USEC_PER_SEC)

struct command {
    struct engine *engine;
    struct command *next;
    sd_event_source *child, *timer;
    pid_t pid;
    char what[64];
};

static void command_free(struct command *c)
{
    for (struct command **p = &c->engine->commands; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    sd_event_source_disable_unref(c->child);
    sd_event_source_disable_unref(c->timer);
    free(c);
}

static int on_exit_of_child(sd_event_source *source, const siginfo_t *info, void *userdata)
{
    (void)source;
    struct command *c = userdata;
    if (info->si_code != CLD_EXITED || info->si_status != 0)
        log_error("The %s ended with %s %d", c->what,
                  info->si_code == CLD_EXITED ? "exit code" : "signal", info->si_status);
    command_free(c);
    return 0;
}

static int on_too_long(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct command *c = userdata;
    log_error("The %s runs for over %llu seconds: it is killed", c->what,
              (unsigned long long)(COMMAND_LIMIT_USEC / USEC_PER_SEC));
    kill(c->pid, SIGKILL);
    return 0;
}

static int spawn(char *const *argv, int input, pid_t *ret)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, pipe;
    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE); /* ignored here, which a child would inherit */
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    int r = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (r == 0)
        r = posix_spawnattr_setsigmask(&attributes, &none); /* the loop blocks some */
    if (r == 0)
        r = posix_spawnattr_setsigdefault(&attributes, &pipe);
    if (r == 0)
        r = posix_spawnattr_setflags(&attributes,
                                     POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (r == 0)
        r = posix_spawn(ret, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

static int watch(struct command *c)
{
    int r =
        sd_event_add_child(c->engine->event, &c->child, c->pid, WEXITED, on_exit_of_child, c);
    if (r >= 0)
        r = sd_event_add_time_relative(c->engine->event, &c->timer, CLOCK_MONOTONIC,
                                       COMMAND_LIMIT_USEC, USEC_PER_SEC, on_too_long, c);
    return r;
}

void command_run(struct engine *n, char *const *argv, char *text_taken, size_t size,
                 const char *what)
{
    int ends[2] = {-1, -1};
    struct command *c = calloc(1, sizeof *c);
    int r = c ? 0 : -ENOMEM;
    if (r == 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        r = -errno;
    /* The document goes into the pipe before the child runs: it is small, so nothing ever
     * blocks. */
    if (r == 0 && write(ends[1], text_taken, size) != (ssize_t)size)
        r = -EMSGSIZE;
    explicit_bzero(text_taken, size);
    free(text_taken);
    if (r == 0) {
        fcntl(ends[0], F_SETFL, 0); /* the child reads as programs do */
        c->engine = n;
        snprintf(c->what, sizeof c->what, "%s", what);
        r = spawn(argv, ends[0], &c->pid);
    }
    if (ends[0] >= 0)
        close(ends[0]);
    if (ends[1] >= 0)
        close(ends[1]);
    if (r == 0) {
        c->next = n->commands;
        n->commands = c;
        r = watch(c);
        if (r < 0)
            command_free(TAKE(c));
    } else {
        free(c);
    }
    if (r < 0)
        log_error("The %s (%s) cannot be run: %s", what, argv[0], strerror(-r));
}

void command_cancel_all(struct engine *n)
{
    while (n->commands)
        command_free(n->commands);
}
