/*
 * The clock, the loop's wait and what happens later. Time moves in epoll_wait() alone, when
 * nothing is ready and no thread can go on: to the earliest of timers, events of the world and
 * waits of threads.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define TIMERS_MAX 64
#define FD_MAX     1024
#define NEVER      UINT64_MAX

struct world world;

static struct timer {
    int fd;
    clockid_t clock;
    uint64_t at_usec; /* of its clock; NEVER: off */
    bool rang;        /* and nobody has read it */
    int epoll;        /* who waits for it there; -1: nobody */
    struct epoll_event wanted;
} timers[TIMERS_MAX];

/* What anybody did that may make a descriptor ready, counted; and how much of it there was when
 * the kernel last said of a set of descriptors that none is. It is not asked again before more. */
static uint64_t n_stirs = 1, quiet_at[FD_MAX];

void world_stir(void)
{
    n_stirs++;
}

uint64_t world_stirs(void)
{
    return n_stirs;
}

static struct event {
    uint64_t at_usec, number;
    event_fn fn;
    void *userdata;
    uint64_t argument;
} * events;
static size_t n_events, events_room;
static uint64_t event_number, streams[CHANCE_STREAMS];

/* SplitMix64. */
static uint64_t next_number(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

uint64_t chance(enum stream s, uint64_t below)
{
    return below ? next_number(&streams[s]) % below : 0;
}

bool chance_percent(enum stream s, unsigned percent)
{
    return chance(s, 100) < percent;
}

void chance_seed(enum stream s, uint64_t number)
{
    streams[s] = number;
    (void)next_number(&streams[s]);
}

uint64_t chance_of(const char *text, uint64_t number)
{
    for (; *text; text++)
        number = (number ^ (unsigned char)*text) * 0x100000001b3ULL;
    return next_number(&number);
}

void clock_begin(uint64_t number)
{
    for (unsigned i = 0; i < CHANCE_STREAMS; i++)
        chance_seed((enum stream)i, number * 1000003 + i * 7919);
    for (unsigned i = 0; i < TIMERS_MAX; i++)
        timers[i].fd = -1;
    n_events = 0;
    event_number = 0;
    world.steady_usec = 1000 * SECOND;
    world.booted_usec = world.active_usec = world.cut_usec = 0;
    world.wall_usec = 1767225600 * SECOND; /* 2026-01-01 */
}

void clock_end(void)
{
    free(events);
    events = NULL;
    n_events = events_room = 0;
}

void world_at(uint64_t steady_usec, event_fn fn, void *userdata, uint64_t argument)
{
    if (n_events == events_room) {
        events_room = events_room ? 2 * events_room : 64;
        events = realloc(events, events_room * sizeof(*events));
        if (!events)
            abort();
    }
    events[n_events++] = (struct event){steady_usec, event_number++, fn, userdata, argument};
}

static struct event *first_event(void)
{
    struct event *first = NULL;
    for (size_t i = 0; i < n_events; i++)
        if (!first || events[i].at_usec < first->at_usec ||
            (events[i].at_usec == first->at_usec && events[i].number < first->number))
            first = &events[i];
    return first;
}

static bool events_run(void)
{
    struct event *first = first_event();
    if (!first || first->at_usec > world.steady_usec)
        return false;
    struct event e = *first;
    *first = events[--n_events];
    world.n_events++;
    world.active_usec = world.steady_usec;
    world_stir();
    e.fn(e.userdata, e.argument);
    return true;
}

static uint64_t timer_steady(const struct timer *t)
{
    if (t->fd < 0 || t->at_usec == NEVER)
        return NEVER;
    if (t->clock != CLOCK_REALTIME && t->clock != CLOCK_REALTIME_ALARM)
        return world.booted_usec + t->at_usec;
    return t->at_usec > world.wall_usec ? world.steady_usec + (t->at_usec - world.wall_usec)
                                        : world.steady_usec;
}

static bool timers_run(void)
{
    bool any = false;
    for (unsigned i = 0; i < TIMERS_MAX; i++)
        if (timer_steady(&timers[i]) <= world.steady_usec) {
            timers[i].at_usec = NEVER;
            timers[i].rang = any = true;
        }
    return any;
}

/* Behind what the kernel has found. */
static int take_timers(int epoll, struct epoll_event *found, int n, int max)
{
    for (unsigned i = 0; i < TIMERS_MAX && n >= 0 && n < max; i++)
        if (timers[i].fd >= 0 && timers[i].rang && timers[i].epoll == epoll)
            found[n++] = timers[i].wanted;
    return n;
}

static uint64_t next_time(void)
{
    struct event *e = first_event();
    uint64_t t = threads_next(), next = e ? e->at_usec : NEVER;
    next = t < next ? t : next;
    for (unsigned i = 0; i < TIMERS_MAX; i++) {
        t = timer_steady(&timers[i]);
        next = t < next ? t : next;
    }
    return next;
}

/* Where nothing has happened for so long, timers are up to a minute late: many looks of an idle
 * daemon at nothing cost the most of a life. */
#define EXACT (10 * SECOND)

static uint64_t next_wake(void)
{
    struct event *e = first_event();
    uint64_t next = next_time(), event = e ? e->at_usec : NEVER, thread = threads_next();
    if (world.steady_usec - world.active_usec < EXACT || next == NEVER)
        return next;
    uint64_t late = next + MINUTE - next % MINUTE;
    late = event < late ? event : late;
    return thread < late ? thread : late;
}

static void move_to(uint64_t steady_usec)
{
    if (steady_usec <= world.steady_usec)
        return;
    world.wall_usec += steady_usec - world.steady_usec;
    world.steady_usec = steady_usec;
}

void world_pass(uint64_t until_steady_usec)
{
    for (;;) {
        if (threads_run() || sockets_run() || events_run())
            continue;
        struct event *e = first_event();
        if (!e || e->at_usec > until_steady_usec)
            break;
        move_to(e->at_usec);
    }
    move_to(until_steady_usec);
}

void world_tick(void)
{
    if (!sockets_run() && !events_run())
        move_to(next_time() == NEVER ? world.steady_usec + SECOND : next_time());
}

static int ask_kernel(int fd, struct epoll_event *found, int max)
{
    bool known = fd >= 0 && fd < FD_MAX;
    if (known && quiet_at[fd] == n_stirs)
        return 0;
    long n = syscall(SYS_epoll_pwait, fd, found, max, 0, NULL, 8);
    if (known && n == 0)
        quiet_at[fd] = n_stirs;
    return (int)n;
}

/* Time moves when nothing is ready: who counts on what nobody stirred is not mistaken. Of so
 * many moves one is looked at. */
#define ONE_OF_MOVES 16
static void check_quiet(int fd)
{
    struct epoll_event found;
    static unsigned n_moves;
    if (n_moves++ % ONE_OF_MOVES == 0 &&
        syscall(SYS_epoll_pwait, fd, &found, 1, 0, NULL, 8) > 0) {
        fprintf(stderr, "lives: something is ready, and nobody noticed\n");
        abort();
    }
}

/* Of the loop alone: everything else asks with a time-out of 0. */
static int wait_in_turn(int fd, struct epoll_event *found, int max, uint64_t timeout_usec)
{
    uint64_t end = timeout_usec == NEVER ? NEVER : world.steady_usec + timeout_usec;
    for (;;) {
        if (world.death && timeout_usec) {
            world.on_death();
            return 0;
        }
        while (timeout_usec && threads_run())
            ;
        int n = take_timers(fd, found, ask_kernel(fd, found, max), max);
        if (n != 0 || timeout_usec == 0)
            return n;
        if (sockets_run() || timers_run() || events_run())
            continue;
        uint64_t next = next_wake();
        if (end <= next && end <= world.steady_usec)
            return 0;
        if (next == NEVER && end == NEVER) {
            fprintf(stderr, "lives: nothing will ever happen again\n");
            abort();
        }
        check_quiet(fd);
        move_to(next < end ? next : end);
    }
}

static int wait_for_events(int fd, struct epoll_event *found, int max, uint64_t timeout_usec)
{
    turn_ends();
    int n = wait_in_turn(fd, found, max, timeout_usec);
    turn_begins();
    return n;
}

int epoll_wait(int fd, struct epoll_event *found, int max, int timeout)
{
    if (!world.running)
        return (int)syscall(SYS_epoll_pwait, fd, found, max, timeout, NULL, 8);
    return wait_for_events(fd, found, max, timeout < 0 ? NEVER : (uint64_t)timeout * 1000);
}

int epoll_pwait(int fd, struct epoll_event *found, int max, int timeout, const sigset_t *mask)
{
    (void)mask;
    return epoll_wait(fd, found, max, timeout);
}

int epoll_pwait2(int fd, struct epoll_event *found, int max, const struct timespec *timeout,
                 const sigset_t *mask)
{
    (void)mask;
    uint64_t usec =
        timeout ? (uint64_t)timeout->tv_sec * SECOND + ((uint64_t)timeout->tv_nsec + 999) / 1000
                : NEVER;
    if (!world.running)
        return (int)syscall(SYS_epoll_pwait, fd, found, max, timeout ? (int)(usec / 1000) : -1,
                            NULL, 8);
    return wait_for_events(fd, found, max, usec);
}

int timerfd_create(clockid_t clock, int flags)
{
    int fd = eventfd(0, (flags & TFD_CLOEXEC ? EFD_CLOEXEC : 0) | EFD_NONBLOCK);
    for (unsigned i = 0; fd >= 0 && i < TIMERS_MAX; i++)
        if (timers[i].fd < 0 || timers[i].fd == fd) {
            timers[i] = (struct timer){.fd = fd, .clock = clock, .at_usec = NEVER, .epoll = -1};
            return fd;
        }
    errno = ENFILE;
    return -1;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    (void)old;
    uint64_t usec = (uint64_t)value->it_value.tv_sec * SECOND +
                    ((uint64_t)value->it_value.tv_nsec + 999) / 1000;
    for (unsigned i = 0; i < TIMERS_MAX; i++) {
        if (timers[i].fd != fd)
            continue;
        timers[i].rang = false;
        if (usec && !(flags & TFD_TIMER_ABSTIME))
            usec += timers[i].clock == CLOCK_REALTIME ? world.wall_usec
                                                      : world.steady_usec - world.booted_usec;
        timers[i].at_usec = usec ? usec : NEVER;
        return 0;
    }
    errno = EBADF;
    return -1;
}

static struct timer *timer_of(int fd)
{
    for (unsigned i = 0; i < TIMERS_MAX; i++)
        if (fd >= 0 && timers[i].fd == fd)
            return &timers[i];
    return NULL;
}

/* A timer is none of the kernel's descriptors. */
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *wanted)
{
    struct timer *t = world.running ? timer_of(fd) : NULL;
    if (t && operation != EPOLL_CTL_DEL && wanted->events & EPOLLIN) {
        t->epoll = epoll;
        t->wanted = *wanted;
        t->wanted.events = EPOLLIN;
    } else if (t) {
        t->epoll = -1;
    }
    world_stir();
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, wanted);
}

ssize_t read(int fd, void *to, size_t size)
{
    struct timer *t = world.running ? timer_of(fd) : NULL;
    if (!t)
        return syscall(SYS_read, fd, to, size);
    if (!t->rang) {
        errno = EAGAIN;
        return -1;
    }
    t->rang = false;
    memcpy(to, &(uint64_t){1}, sizeof(uint64_t));
    return sizeof(uint64_t);
}

void timer_forget(int fd);
void timer_forget(int fd)
{
    for (unsigned i = 0; i < TIMERS_MAX; i++)
        if (timers[i].fd == fd)
            timers[i].fd = -1;
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    uint64_t usec = 0;
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE: usec = world.wall_usec; break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME: usec = world.steady_usec - world.booted_usec; break;
    default: return (int)syscall(SYS_clock_gettime, id, ret);
    }
    if (!world.running)
        return (int)syscall(SYS_clock_gettime, id, ret);
    ret->tv_sec = (time_t)(usec / SECOND);
    ret->tv_nsec = (long)(usec % SECOND) * 1000;
    return 0;
}

/* That of the tenant, which is another machine: it goes on when ours boots. */
int simulated_clock_gettime(clockid_t id, struct timespec *ret);
int simulated_clock_gettime(clockid_t id, struct timespec *ret)
{
    if (!world.running || id != CLOCK_MONOTONIC)
        return clock_gettime(id, ret);
    ret->tv_sec = (time_t)(world.steady_usec / SECOND);
    ret->tv_nsec = (long)(world.steady_usec % SECOND) * 1000;
    return 0;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec t;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    ret->tv_sec = t.tv_sec;
    ret->tv_usec = t.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    if (ret)
        *ret = t.tv_sec;
    return t.tv_sec;
}

int usleep(useconds_t usec)
{
    move_to(world.steady_usec + usec);
    return 0;
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)left;
    move_to(world.steady_usec + (uint64_t)wanted->tv_sec * SECOND +
            (uint64_t)wanted->tv_nsec / 1000);
    return 0;
}

ssize_t getrandom(void *to, size_t size, unsigned flags)
{
    (void)flags;
    unsigned char *p = to;
    for (size_t i = 0; i < size; i++)
        p[i] = (unsigned char)chance(CHANCE_PROGRAM, 256);
    return (ssize_t)size;
}
