/*
 * What is longer than the screen goes through a pager, by the habits of systemctl(1):
 * $SYSTEMD_PAGER or $PAGER name it, an empty one or "cat" is none, and $SYSTEMD_LESS has the
 * options of less(1).
 */
#include "config.h"

#include "ctl/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

/* Goes at once if one screen holds it, keeps colours, leaves the text on the screen. */
#define LESS_OPTIONS "FRXMK"

static const char *first_set(const char *a, const char *b)
{
    const char *value = getenv(a);

    return value ? value : getenv(b);
}

/* In the child; does not return. */
static void become_pager(const char *wish, int in)
{
    const char *less = getenv("SYSTEMD_LESS");

    if (dup2(in, STDIN_FILENO) < 0)
        _exit(EXIT_FAILURE);
    (void)setenv("LESS", less ? less : LESS_OPTIONS, 1);
    (void)setenv("LESSCHARSET", "utf-8", 1);
    (void)setenv("LESSSECURE", "1", 1); /* no shell and no editor out of what root looks at */
    if (wish)
        (void)execl("/bin/sh", "sh", "-c", wish, (char *)NULL);
    /* Without less(1) no pager: more(1) of util-linux 2.38 waits for a key after the last line. */
    (void)execlp("less", "less", (char *)NULL);
    (void)execlp("cat", "cat", (char *)NULL);
    _exit(EXIT_FAILURE);
}

void pager_open(struct pager *p, bool wanted)
{
    const char *wish = first_set("SYSTEMD_PAGER", "PAGER");
    int fds[2];

    if (p->pid > 0 || !wanted || isatty(STDOUT_FILENO) != 1 || isatty(STDIN_FILENO) != 1 ||
        (wish && (!*wish || strcmp(wish, "cat") == 0)) || pipe2(fds, O_CLOEXEC) < 0)
        return;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        become_pager(wish, fds[0]);
    if (pid > 0 && dup2(fds[1], STDOUT_FILENO) >= 0) {
        p->pid = pid;
        /* A pager that is left ends the output, and its interrupts are not ours. */
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGINT, SIG_IGN);
    }
    (void)close(fds[0]);
    (void)close(fds[1]);
}

void pager_close(struct pager *p)
{
    if (p->pid <= 0)
        return;
    (void)fclose(stdout); /* the end of the text */
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    p->pid = 0;
}
