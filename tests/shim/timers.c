/*
 * Preloaded before libfaketime: timers are the kernel's. libfaketime moves the absolute times of
 * timerfd_settime() by as much as the wall clock is off, those of the monotonic clock too, which it
 * was told to leave alone: a clock set back would hold every timer up, as no kernel does.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timerfd_settime(int fd, int flags, const struct itimerspec *to, struct itimerspec *before)
{
    return (int)syscall(SYS_timerfd_settime, fd, flags, to, before);
}
