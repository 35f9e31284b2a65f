/*
 * check runs the daemon's own program with --check-connections: what is tried is then exactly
 * what the service would do, and, run by root for a service's configuration, as the service's
 * user with its credentials. Its answer is JSON on standard output; its log goes where ours
 * goes.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "ctl/service.h"
#include "ctl/verbs.h"

#define CHECK_SECONDS 180
#define ANSWER_MAX    (16 * 1024 * 1024)

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

/* In the child: nothing but exec. What goes wrong is said on standard error. */
_Noreturn static void run_child(const char *program, const char *config_file, int out,
                                const struct service *service)
{
    char *arguments[] = {(char *)(uintptr_t)program, (char *)"--config",
                         (char *)(uintptr_t)config_file, (char *)"--check-connections", NULL};
    struct error e = {""};

    if (dup2(out, STDOUT_FILENO) < 0)
        _exit(EXIT_FAILED);
    if (service && service_become(service, &e) < 0) {
        (void)fprintf(stderr, "rosterctl: %s\n", e.message);
        _exit(EXIT_FAILED);
    }
    (void)execv(program, arguments);
    (void)fprintf(stderr, "rosterctl: %s cannot be started: %s\n", program, strerror(errno));
    _exit(EXIT_FAILED);
}

/* service: whose user and credentials it gets; NULL: ours. */
static int start(const char *program, const char *config_file, const struct service *service,
                 pid_t *ret_pid, int *ret_fd, struct error *e)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(e, -errno, "a pipe cannot be made: %s", strerror(errno));
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        run_child(program, config_file, ends[1], service);
    int failed = errno;
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return error_set(e, -failed, "%s cannot be started: %s", program, strerror(failed));
    }
    *ret_pid = pid;
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

/* As whom it was checked stands first: root can read what the service cannot. */
static int say_who(json_t *answer, const struct service *service, bool became)
{
    char sentence[600];
    const char *level = became || service->uid == geteuid() ? "ok" : "warning";
    size_t n = service->credentials.n_items;

    if (became && n > 0)
        (void)snprintf(sentence, sizeof(sentence), "checked as %s, with the %zu credential%s of %s",
                       service->user, n, text_plural(n), service->unit);
    else if (strcmp(level, "ok") == 0)
        (void)snprintf(sentence, sizeof(sentence), "checked as %s, the user of %s", service->user,
                       service->unit);
    else
        (void)snprintf(sentence, sizeof(sentence),
                       "%s runs as %s, and may see other files than you: run this as root",
                       service->unit, service->user);
    return json_array_insert_new(
        json_object_get(answer, "items"), 0,
        json_pack("{s:s, s:s, s:s}", "level", level, "subject", "user", "sentence", sentence));
}

/* The answer of the daemon's program; NULL: the exit code says what was printed. */
static json_t *ask_program(struct ctl *c, const struct service *service, int *ret_exit)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    char program[PATH_MAX];
    struct error e = {""};
    json_error_t why;
    pid_t pid;
    int fd;

    find_daemon(program);
    *ret_exit = EXIT_FAILED;
    int r = start(program, c->config_file, service, &pid, &fd, &e);
    if (r >= 0) {
        r = read_answer(fd, &b, &e);
        (void)close(fd);
        if (r < 0)
            (void)kill(pid, SIGTERM);
        int status = wait_for(pid);
        json_t *answer = r < 0 ? NULL : json_loadb(b.data ? b.data : "", b.size, 0, &why);
        if (json_is_array(json_object_get(answer, "items")))
            return answer;
        json_decref(answer);
        if (r == 0)
            (void)error_set(&e, -EPROTO, "%s gave no answer (exit status %d)", program, status);
    }
    (void)ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message);
    return NULL;
}

int ctl_check(struct ctl *c)
{
    CLEANUP(service_done) struct service service = {0};
    struct error e = {""};
    int exit_code;
    int found = service_find(&service, c->config_file, "", &e);
    bool become = found == 0 && geteuid() == 0 && service.uid != 0;

    if (found < 0 || (become && service_offer_credentials(&service, &e) < 0))
        return ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message);
    json_auto_t *answer = ask_program(c, become ? &service : NULL, &exit_code);
    if (!answer)
        return exit_code;
    if (found == 0 && say_who(answer, &service, become) < 0)
        return ctl_complain(c, EXIT_FAILED, "failed", "out of memory");
    if (!c->commands)
        (void)json_object_del(answer, "commands");
    return ctl_show(c, answer, c->commands ? render_check_commands : render_check);
}
