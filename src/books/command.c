/*
 * Runs configured commands with one document on their standard input: never through a shell, a
 * few at a time and the others in a queue, bounded in time, with standard descriptors and a
 * small environment and nothing else of ours, their output thrown away. What a command is given
 * is overwritten as soon as it is written. One that cannot even be killed (the kernel waits for a
 * disk or a server in its name) is left to itself: nothing waits for it any more.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "books/books.h"

#define COMMAND_LIMIT_USEC (30 * USEC_PER_SEC)
#define AT_THE_END_USEC    (5 * USEC_PER_SEC) /* for what runs when rosterd is to end */
#define KILLED_USEC        (2 * USEC_PER_SEC) /* so long one that was killed may take to end */
#define AT_ONCE            8
#define STUCK_MAX          8
#define QUEUE_MAX          1000

struct commands {
    sd_event *event;
    struct command *first;
    uint64_t limit_usec;
    uint64_t end_usec; /* when nothing that waits is begun any more; 0: rosterd is not to end */
    void (*room)(void *userdata);
    void *userdata;
};

struct command {
    struct commands *list;
    struct command *next;
    sd_event_source *child, *timer;
    pid_t pid; /* 0: it waits */
    bool exited, killed, stuck;
    char **argv; /* copies: the configuration may be another when its turn comes */
    char *text;
    size_t size;
    char *what, *subject;
    command_ended_fn ended;
    void *userdata;
};

static void wipe_text(struct command *c)
{
    if (c->text)
        explicit_bzero(c->text, c->size);
    free(TAKE(c->text));
}

/* With whatever it started. */
static void kill_all(const struct command *c)
{
    kill(-c->pid, SIGKILL);
    kill(c->pid, SIGKILL);
}

/* What is not watched any more would have no time limit, so it does not go on. */
static void command_free(struct command *c)
{
    if (c->pid && !c->exited)
        kill_all(c);
    for (struct command **p = &c->list->first; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    sd_event_source_disable_unref(c->child);
    sd_event_source_disable_unref(c->timer);
    wipe_text(c);
    for (char **word = c->argv; word && *word; word++)
        free(*word);
    free(c->argv);
    free(c->what);
    free(c->subject);
    free(c);
}

struct counts {
    size_t running, waiting, stuck;
};

static struct counts count(const struct commands *l)
{
    struct counts n = {0};
    for (const struct command *c = l->first; c; c = c->next)
        ++*(c->stuck ? &n.stuck : c->pid ? &n.running : &n.waiting);
    return n;
}

size_t command_room(const struct commands *l)
{
    struct counts n = count(l);
    return n.running + n.waiting < AT_ONCE && n.stuck < STUCK_MAX ? AT_ONCE - n.running - n.waiting
                                                                  : 0;
}

static void start_waiting(struct commands *l);

/* It is over, in one way or another: c is freed, unless its process is still to end. */
static void end(struct command *c, bool fine)
{
    struct commands *l = c->list;
    CLEANUP(freep) char *subject = TAKE(c->subject);
    command_ended_fn ended = TAKE(c->ended);
    void *userdata = c->userdata;
    if (!c->stuck || c->exited)
        command_free(c);
    if (ended)
        ended(subject, fine, userdata);
    start_waiting(l);
    l->room(l->userdata);
}

static int on_exit_of_child(sd_event_source *source, const siginfo_t *info, void *userdata)
{
    (void)source;
    struct command *c = userdata;
    bool fine = info->si_code == CLD_EXITED && info->si_status == 0;
    c->exited = true;
    if (!fine && !c->stuck)
        log_error("The %s%s%s ended with %s %d", c->what, c->subject ? " for " : "",
                  c->subject ? c->subject : "",
                  info->si_code == CLD_EXITED ? "exit code" : "signal", info->si_status);
    end(c, fine);
    return 0;
}

static int on_too_long(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct command *c = userdata;
    const char *of = c->subject ? " for " : "", *subject = c->subject ? c->subject : "";
    kill_all(c);
    if (c->killed) {
        log_error(
            "The %s%s%s cannot be stopped; its process %d is left behind, waiting for a disk or a server that does not answer",
            c->what, of, subject, (int)c->pid);
        c->stuck = true;
        end(c, false);
        return 0;
    }
    log_error("The %s%s%s has run for over %llu seconds: it is killed", c->what, of, subject,
              (unsigned long long)(c->list->limit_usec / USEC_PER_SEC));
    c->killed = true;
    (void)sd_event_source_set_time_relative(c->timer, KILLED_USEC);
    (void)sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
    return 0;
}

/* Libraries open connections without asking that a child does not get them. */
static int close_others(posix_spawn_file_actions_t *actions)
{
#if __GLIBC_PREREQ(2, 34)
    return posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
#else
    (void)actions;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return errno;
    for (struct dirent *entry; (entry = readdir(folder));) {
        uint64_t fd = 0;
        if (text_parse_unsigned(entry->d_name, INT32_MAX, &fd) == 0 && fd > STDERR_FILENO)
            (void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    }
    closedir(folder);
    return 0;
#endif
}

/* What a program needs to run, and the way out; nothing that names our files or credentials. */
static char *const *environment(char *words[static 16])
{
    static const char *const names[] = {"PATH",        "HOME",        "USER",     "LOGNAME",
                                        "LANG",        "LC_ALL",      "TZ",       "http_proxy",
                                        "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *value = getenv(names[i]);
        if (value && asprintf(&words[n], "%s=%s", names[i], value) > 0)
            n++;
    }
    words[n] = NULL;
    return words;
}

static int set_actions(posix_spawn_file_actions_t *actions, int input)
{
    int r = posix_spawn_file_actions_adddup2(actions, input, STDIN_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    return r ? r : close_others(actions);
}

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, pipe;
    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE); /* ignored here, which a child would inherit */
    sigaddset(&pipe, SIGXFSZ);
    int r = posix_spawnattr_setsigmask(attributes, &none); /* the loop blocks some */
    if (r == 0)
        r = posix_spawnattr_setsigdefault(attributes, &pipe);
    if (r == 0)
        r = posix_spawnattr_setpgroup(attributes, 0);
    return r ? r
             : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                        POSIX_SPAWN_SETPGROUP);
}

static int spawn(char *const *argv, int input, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char *words[16];
    pid_t pid = 0; /* of a failed attempt nothing is known */
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    int r = set_actions(&actions, input);
    if (r == 0)
        r = set_attributes(&attributes);
    if (r == 0) {
        char *const *clean = environment(words);
        r = posix_spawn(&pid, argv[0], &actions, &attributes, argv, clean);
        for (char **word = words; *word; word++)
            free(*word);
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (r == 0)
        *ret = pid;
    return -r;
}

static int watch(struct command *c)
{
    int r = sd_event_add_child(c->list->event, &c->child, c->pid, WEXITED, on_exit_of_child, c);
    if (r >= 0)
        r = timer_in(c->list->event, &c->timer, c->list->limit_usec, on_too_long, c);
    return r;
}

static int start(struct command *c)
{
    int ends[2] = {-1, -1};
    int r = pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
    /* The document goes into the pipe before the child runs: it is small, so nothing ever
     * blocks. */
    if (r == 0 && write(ends[1], c->text, c->size) != (ssize_t)c->size)
        r = -EMSGSIZE;
    wipe_text(c);
    if (r == 0) {
        fcntl(ends[0], F_SETFL, 0); /* the child reads as programs do */
        r = spawn(c->argv, ends[0], &c->pid);
    }
    if (ends[0] >= 0)
        close(ends[0]);
    if (ends[1] >= 0)
        close(ends[1]);
    return r < 0 ? r : watch(c);
}

/* Of what waits when rosterd is to end. Passwords are handed on after the next start. */
static void drop_waiting(struct commands *l, bool all)
{
    for (struct command *c = l->first, *next; c; c = next) {
        next = c->next;
        if (c->pid || (!all && !c->ended))
            continue;
        if (!c->ended)
            log_error("The %s (%s) is not run any more: rosterd stops", c->what, c->argv[0]);
        command_free(c);
    }
}

static void start_waiting(struct commands *l)
{
    if (l->end_usec && l->end_usec <= clock_monotonic_usec())
        drop_waiting(l, true);
    for (;;) {
        struct counts n = count(l);
        struct command *c = l->first;
        while (c && c->pid)
            c = c->next;
        if (!c || n.running >= AT_ONCE)
            return;
        int r = n.stuck < STUCK_MAX ? start(c) : -EBUSY;
        if (r < 0) {
            log_error("The %s (%s) cannot be run%s%s: %s", c->what, c->argv[0],
                      c->subject ? " for " : "", c->subject ? c->subject : "", strerror(-r));
            end(c, false);
            return; /* which went on with the next */
        }
    }
}

static char **copy_words(char *const *argv)
{
    size_t n = 0;
    while (argv[n])
        n++;
    char **copy = calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < n; i++)
        if (!(copy[i] = strdup(argv[i]))) {
            while (i > 0)
                free(copy[--i]);
            free(copy);
            return NULL;
        }
    return copy;
}

bool command_any(const struct commands *l)
{
    struct counts n = count(l);
    return n.running + n.waiting > 0;
}

int commands_new(struct commands **ret, struct sd_event *event, void (*room)(void *userdata),
                 void *userdata, struct error *e)
{
    struct commands *l = calloc(1, sizeof(*l));
    if (!l)
        return error_out_of_memory(e);
    *l = (struct commands){.event = sd_event_ref(event),
                           .limit_usec = COMMAND_LIMIT_USEC,
                           .room = room,
                           .userdata = userdata};
    *ret = l;
    return 0;
}

bool command_run(struct commands *l, char *const *argv, char *text_taken, size_t size,
                 const char *what, const char *subject, command_ended_fn ended, void *userdata)
{
    struct command *c = calloc(1, sizeof(*c)), **last = &l->first;
    size_t n_waiting = count(l).waiting;
    if (!c) {
        explicit_bzero(text_taken, size);
        free(text_taken);
        log_error("The %s (%s) cannot be run: out of memory", what, argv[0]);
        return false;
    }
    *c = (struct command){.list = l,
                          .text = text_taken,
                          .size = size,
                          .argv = copy_words(argv),
                          .what = strdup(what),
                          .subject = subject ? strdup(subject) : NULL,
                          .ended = ended,
                          .userdata = userdata};
    if (!c->argv || !c->what || (subject && !c->subject) || n_waiting >= QUEUE_MAX) {
        command_free(c);
        log_error("The %s (%s) cannot be run: %s", what, argv[0],
                  n_waiting >= QUEUE_MAX ? "too many wait already" : "out of memory");
        return false;
    }
    while (*last)
        last = &(*last)->next;
    *last = c;
    start_waiting(l);
    return true;
}

void commands_hurry(struct commands *l)
{
    l->limit_usec = AT_THE_END_USEC;
    l->end_usec = clock_monotonic_usec() + AT_THE_END_USEC;
    for (struct command *c = l->first; c; c = c->next)
        if (c->pid && !c->killed)
            (void)sd_event_source_set_time_relative(c->timer, l->limit_usec);
    drop_waiting(l, false);
}

struct commands *commands_free(struct commands *l)
{
    if (!l)
        return NULL;
    while (l->first)
        command_free(l->first);
    sd_event_unref(l->event);
    free(l);
    return NULL;
}
