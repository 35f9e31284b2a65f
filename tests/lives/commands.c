/*
 * Programs that the daemon runs: no process is made, and the end of one is an event of the world. A
 * descriptor that sd-event takes for that of a process is an eventfd.
 */
#include "config.h"

#include "commands.h"

#include <dlfcn.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "company.h"
#include "oracle.h"
#include "secrets.h"
#include "world.h"

#define FIRST_PID 0x40000000 /* above those of the kernel */
#define PROGRAMS  64         /* the last ones */
#define HOLD      (15 * MINUTE) /* until the next password is set ([retry] hold) and handed on */

static struct program {
    pid_t pid;
    int fd; /* -1: nobody has asked for one */
    bool ended, killed, stuck;
    int status;
    char login[40], password[64];
} programs[PROGRAMS];
static unsigned n_programs;
static int input = -1; /* of the one that is started next */
static char trouble[24];
static uint64_t well_since_usec;

void commands_begin(void)
{
    memset(programs, 0, sizeof(programs));
    n_programs = 0;
    *trouble = '\0';
    well_since_usec = 0;
}

void commands_forget(void)
{
    memset(programs, 0, sizeof(programs));
}

static void ends(struct program *c, int status)
{
    uint64_t one = 1;
    c->ended = true;
    c->status = status;
    if (c->fd >= 0 && write(c->fd, &one, sizeof(one)) < 0)
        broken(0, "a command's end cannot be told");
    world_stir();
}

static void trouble_ends(void *userdata, uint64_t argument)
{
    (void)userdata, (void)argument;
    commands_trouble(NULL, 0);
}

void commands_trouble(const char *name, uint64_t seconds)
{
    if (name)
        world_at(world.steady_usec + seconds * SECOND, trouble_ends, NULL, 0);
    snprintf(trouble, sizeof(trouble), "%s", name ? name : "");
    well_since_usec = name ? UINT64_MAX : world.steady_usec;
    for (unsigned i = 0; !name && i < PROGRAMS; i++) /* what it waited for is there again */
        if (programs[i].stuck && !programs[i].ended && programs[i].killed)
            ends(&programs[i], SIGKILL);
}

static struct program *program_of(pid_t pid)
{
    struct program *c = &programs[(unsigned)(pid - FIRST_PID) % PROGRAMS];
    return pid >= FIRST_PID && c->pid == pid ? c : NULL;
}

/* What it was to do is done, whether the daemon is there to hear of it or not. */
static void hand_on(const struct program *c)
{
    for (size_t i = 0; i < company.n_people; i++) {
        struct person *p = company.people[i];
        if (strcmp(p->login, c->login) != 0 && strcmp(p->old_login, c->login) != 0)
            continue;
        snprintf(p->handed_on, sizeof(p->handed_on), "%s", c->password);
        p->unhanded_usec = 0;
    }
}

static void works(void *userdata, uint64_t pid)
{
    struct program *c = program_of((pid_t)pid);
    (void)userdata;
    if (!c || c->ended || world.death)
        return;
    hand_on(c);
    ends(c, 0);
}

static void fails(void *userdata, uint64_t pid)
{
    struct program *c = program_of((pid_t)pid);
    (void)userdata;
    if (!c || c->ended || world.death)
        return;
    ends(c, 3);
    struct person *p = oracle_person(c->login);
    if (p && !p->unhanded_usec)
        p->unhanded_usec = world.steady_usec;
}

/* ---- what the libraries call ---- */

int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int to)
{
    (void)actions;
    if (to == STDIN_FILENO)
        input = fd;
    return 0;
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    char text[1024];
    struct program *c = &programs[n_programs % PROGRAMS];
    (void)path, (void)actions, (void)attributes, (void)argv, (void)envp;
    ssize_t n = read(input, text, sizeof(text));
    json_t *given = n > 0 ? json_loadb(text, (size_t)n, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    const char *login = json_string_value(json_object_get(given, "login")),
               *password = json_string_value(json_object_get(given, "password"));
    *c = (struct program){.pid = FIRST_PID + (pid_t)n_programs++, .fd = -1};
    c->stuck = strcmp(trouble, "cannot be killed") == 0;
    snprintf(c->login, sizeof(c->login), "%s", login ? login : "");
    snprintf(c->password, sizeof(c->password), "%s", password ? password : "");
    json_decref(given);
    *pid = c->pid;
    uint64_t in = 1000 + chance_of(c->login, n_programs) % (5 * SECOND);
    if (!*trouble)
        world_at(world.steady_usec + in, works, NULL, (uint64_t)c->pid);
    else if (strcmp(trouble, "fails") == 0)
        world_at(world.steady_usec + in, fails, NULL, (uint64_t)c->pid);
    seen(*trouble ? POINT_COMMAND_TROUBLE : POINT_HANDED_ON);
    return 0;
}

int kill(pid_t pid, int number)
{
    struct program *c = program_of(pid < 0 ? -pid : pid);
    if (!c)
        return (int)syscall(SYS_kill, pid, number);
    c->killed = true;
    if (!c->ended && !c->stuck)
        ends(c, number);
    return 0;
}

int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    struct program *c = type == P_PID ? program_of((pid_t)id) : NULL;
    if (!c)
        return (int)syscall(SYS_waitid, type, id, info, options, NULL);
    *info = (siginfo_t){0};
    if (!c->ended)
        return 0;
    info->si_pid = c->pid;
    info->si_signo = SIGCHLD;
    info->si_code = c->killed ? CLD_KILLED : CLD_EXITED;
    info->si_status = c->status;
    if (!(options & WNOWAIT))
        c->pid = 0;
    return 0;
}

static int open_program(pid_t pid)
{
    struct program *c = program_of(pid);
    if (!c) {
        errno = ESRCH;
        return -1;
    }
    c->fd = eventfd(c->ended, EFD_CLOEXEC | EFD_NONBLOCK);
    return c->fd;
}

int pidfd_open(pid_t pid, unsigned flags);
int pidfd_open(pid_t pid, unsigned flags)
{
    return pid >= FIRST_PID ? open_program(pid) : (int)syscall(SYS_pidfd_open, pid, flags);
}

/* As libsystemd calls it, where libc has no name for it. It takes more than it may have been given,
 * which is beyond the caller's frame for ASan. */
__attribute__((no_sanitize_address)) long syscall(long number, ...)
{
    static long (*real)(long, ...);
    va_list ap;
    long a[6]; /* more than it was given, which nobody looks at */
    va_start(ap, number);
    for (unsigned i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (number == SYS_pidfd_open && (pid_t)a[0] >= FIRST_PID)
        return open_program((pid_t)a[0]);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- passwords ---- */

bool commands_tells_password(const char *body, size_t size)
{
    return size && memmem(body, size, "\"password\"", strlen("\"password\""));
}

void commands_password(struct person *p, const char *body, size_t size)
{
    json_t *request = json_loadb(body, size, 0, NULL);
    const char *password = json_string_value(json_object_get(request, "password"));
    if (password) {
        snprintf(p->password, sizeof(p->password), "%s", password);
        p->password_usec = world.steady_usec;
        secrets_learn_password(password);
    }
    json_decref(request);
}

uint64_t commands_failing_usec(void)
{
    uint64_t first = 0;
    for (size_t i = 0; strcmp(trouble, "fails") == 0 && i < company.n_people; i++) {
        const struct person *p = company.people[i];
        if (p->unhanded_usec && !p->forgotten && oracle_has_access(p->login) &&
            (!first || p->unhanded_usec < first))
            first = p->unhanded_usec;
    }
    return first;
}

void commands_check(const struct person *p)
{
    uint64_t since = p->password_usec > well_since_usec ? p->password_usec : well_since_usec;
    if (well_since_usec == UINT64_MAX || world.steady_usec - since < HOLD + HOUR || p->forgotten)
        return;
    world.n_checks++;
    if (strcmp(p->password, p->handed_on) != 0)
        broken(23, "a password was set for %s, and %s was handed on", p->login,
               *p->handed_on ? "another one" : "none");
}
