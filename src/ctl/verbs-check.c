/*
 * check runs the daemon's own program with --check-connections: what is tried is then exactly
 * what the service would do. Its answer is JSON on standard output; its log goes where ours
 * goes.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "ctl/verbs.h"

#define CHECK_SECONDS 180
#define ANSWER_MAX    (16 * 1024 * 1024)

extern char **environ;

/* Beside this program, as in a build tree; else where it is installed. */
static void find_daemon(char path[static PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 10);

    if (n > 0) {
        path[n] = '\0';
        char *slash = strrchr(path, '/');
        if (slash) {
            memcpy(slash + 1, "rosterd", 8);
            if (access(path, X_OK) == 0)
                return;
        }
    }
    (void)snprintf(path, PATH_MAX, "%s/rosterd", SBINDIR);
}

static int start(const char *program, const char *config_file, pid_t *ret_pid, int *ret_fd,
                 struct error *e)
{
    char *arguments[] = {(char *)(uintptr_t)program, (char *)"--config",
                         (char *)(uintptr_t)config_file, (char *)"--check-connections", NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(e, -errno, "a pipe cannot be made: %s", strerror(errno));
    int r = posix_spawn_file_actions_init(&actions);
    if (r == 0) {
        r = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        if (r == 0)
            r = posix_spawn(ret_pid, program, &actions, NULL, arguments, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)close(ends[1]);
    if (r != 0) {
        (void)close(ends[0]);
        return error_set(e, -r, "%s cannot be started: %s", program, strerror(r));
    }
    *ret_fd = ends[0];
    return 0;
}

static int read_answer(int fd, struct buffer *b, struct error *e)
{
    uint64_t deadline = clock_monotonic_usec() + CHECK_SECONDS * USEC_PER_SEC;
    char chunk[16384];

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now = clock_monotonic_usec();
        if (now >= deadline)
            return error_set(e, -ETIMEDOUT, "the check takes longer than %d seconds",
                             CHECK_SECONDS);
        int n = poll(&p, 1, (int)((deadline - now) / USEC_PER_MSEC) + 1);
        if (n < 0 && errno != EINTR)
            return error_set(e, -errno, "waiting for the check: %s", strerror(errno));
        if (n <= 0)
            continue;
        ssize_t size = read(fd, chunk, sizeof(chunk));
        if (size == 0)
            return b->failed ? error_out_of_memory(e) : 0;
        if (size < 0 && errno != EINTR)
            return error_set(e, -errno, "reading the check: %s", strerror(errno));
        if (size > 0)
            buffer_add(b, chunk, (size_t)size);
        if (b->size > ANSWER_MAX)
            return error_set(e, -EMSGSIZE, "the check's answer is too large");
    }
}

/* The program's exit status, or -1 when a signal ended it. */
static int wait_for(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int ctl_check(struct ctl *c)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    char program[PATH_MAX];
    struct error e = {""};
    json_error_t why;
    pid_t pid;
    int fd;

    find_daemon(program);
    int r = start(program, c->config_file, &pid, &fd, &e);
    if (r < 0)
        return ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message);
    r = read_answer(fd, &b, &e);
    (void)close(fd);
    if (r < 0)
        (void)kill(pid, SIGTERM);
    int status = wait_for(pid);
    if (r < 0)
        return ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message);
    json_auto_t *answer = json_loadb(b.data ? b.data : "", b.size, 0, &why);
    if (!json_is_array(json_object_get(answer, "items")))
        return ctl_complain(c, EXIT_FAILED, "failed", "%s gave no answer (exit status %d)",
                            program, status);
    return ctl_show(c, answer, render_check);
}
