/* The machine that the world has: its boot, its clock's word for itself, its names. */
#include "config.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include "world.h"

/* A boot has a name, which is another one on another machine. sd-event places what is due by it,
 * but for accuracies of a microsecond. */
const char *machine_boot_text(const char *path)
{
    static char text[64];
    if (!world.running || strcmp(path, "/proc/sys/kernel/random/boot_id") != 0)
        return NULL;
    snprintf(text, sizeof(text), "%s-0000-4000-8000-%012llu\n", world.again ? "5eed0000" : "00000000",
             (unsigned long long)(world.booted_usec / SECOND));
    return text;
}

FILE *fopen(const char *path, const char *mode)
{
    static FILE *(*real)(const char *, const char *);
    const char *text = machine_boot_text(path);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fopen");
    return text ? fmemopen((char *)(uintptr_t)text, strlen(text), "r") : real(path, mode);
}

/* Whether the wall clock is right, somebody must know. */
int adjtimex(struct timex *t)
{
    if (!world.running)
        return (int)syscall(SYS_adjtimex, t);
    *t = (struct timex){.status = world.clock_is_right ? 0 : STA_UNSYNC};
    return world.clock_is_right ? TIME_OK : TIME_ERROR;
}

/* It is in texts whose length counts. */
pid_t getpid(void)
{
    return world.running ? 4711 : (pid_t)syscall(SYS_getpid);
}

/* The audit names its host. */
int gethostname(char *ret, size_t size)
{
    snprintf(ret, size, "simulated");
    return 0;
}
