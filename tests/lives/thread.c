/*
 * Threads are coroutines: one runs at a time, and goes on until it waits. Waiting is poll() and
 * a condition; mutexes stay libc's, since nobody else runs meanwhile.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "world.h"

#define STACK_SIZE (1024 * 1024)
#define NEVER      UINT64_MAX

/* AddressSanitizer has to know on which stack we are. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(kept, bottom, size)                                     \
    ((void)(kept), (void)(bottom), (void)(size))
#define __sanitizer_finish_switch_fiber(kept, bottom, size)                                    \
    ((void)(kept), (void)(bottom), (void)(size))
#endif

struct thread {
    struct thread *next;
    ucontext_t context;
    void *stack, *kept; /* kept: the sanitizer's own */
    void *(*run)(void *);
    void *userdata, *result;
    bool detached, done;
    const void *condition;  /* it waits for it; NULL: it waits for poll(), or for its turn */
    uint64_t deadline_usec; /* 0: goes on at the next turn */
    int error;
};

static struct thread *threads, *current;
static ucontext_t main_context;
static void *spare_stack;
static const void *main_stack;
static size_t main_size;

static void thread_entry(void)
{
    __sanitizer_finish_switch_fiber(NULL, &main_stack, &main_size);
    current->result = current->run(current->userdata);
    current->done = true;
    __sanitizer_start_switch_fiber(NULL, main_stack, main_size);
    swapcontext(&current->context, &main_context);
}

static void resume(struct thread *t)
{
    int before = errno;
    void *kept = NULL;
    current = t;
    world_stir();
    errno = t->error;
    __sanitizer_start_switch_fiber(&kept, t->stack, STACK_SIZE);
    swapcontext(&main_context, &t->context);
    __sanitizer_finish_switch_fiber(kept, NULL, NULL);
    t->error = errno;
    errno = before;
    current = NULL;
}

static void yield(void)
{
    struct thread *t = current;
    __sanitizer_start_switch_fiber(&t->kept, main_stack, main_size);
    swapcontext(&t->context, &main_context);
    __sanitizer_finish_switch_fiber(t->kept, &main_stack, &main_size);
}

static void forget(struct thread *t)
{
    struct thread **p = &threads;
    while (*p && *p != t)
        p = &(*p)->next;
    if (*p)
        *p = t->next;
    if (spare_stack)
        munmap(spare_stack, STACK_SIZE);
    spare_stack = t->stack;
    free(t);
}

static bool poll_is_ready(struct thread *t);

bool threads_run(void)
{
    if (current)
        return false;
    for (struct thread *t = threads; t; t = t->next)
        if (!t->done && !t->condition &&
            (t->deadline_usec <= world.steady_usec || world.death || poll_is_ready(t))) {
            resume(t);
            if (t->done && t->detached)
                forget(t);
            return true;
        }
    return false;
}

uint64_t threads_next(void)
{
    uint64_t next = NEVER;
    for (struct thread *t = threads; t; t = t->next)
        if (!t->done && t->deadline_usec < next)
            next = t->deadline_usec;
    return next;
}

/* What a thread waits for in poll(): its own words, looked at from outside. */
static struct {
    struct thread *thread;
    struct pollfd *fds;
    nfds_t n;
} waits[16];

static bool poll_is_ready(struct thread *t)
{
    for (unsigned i = 0; i < 16; i++)
        if (waits[i].thread == t)
            return syscall(SYS_poll, waits[i].fds, waits[i].n, 0) != 0;
    return false;
}

unsigned threads_alive(void)
{
    unsigned n = 0;
    for (const struct thread *t = threads; t; t = t->next)
        n++;
    return n;
}

void threads_finish(void)
{
    bool any = true;
    for (unsigned turn = 0; any && turn < 100000; turn++) {
        any = false;
        for (struct thread *t = threads; t; t = t->next)
            any = any || (!t->done && !t->condition);
        if (any && !threads_run())
            world_tick();
    }
}

int pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *userdata)
{
    int state = PTHREAD_CREATE_JOINABLE;
    struct thread *t = calloc(1, sizeof(*t)), **p = &threads;
    if (!t)
        return ENOMEM;
    /* None of what the daemon holds of its memory (witness_growth()). */
    t->stack = spare_stack ? spare_stack
                           : mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (t->stack == MAP_FAILED)
        abort();
    spare_stack = NULL;
    if (attributes)
        (void)pthread_attr_getdetachstate(attributes, &state);
    t->detached = state == PTHREAD_CREATE_DETACHED;
    t->run = run;
    t->userdata = userdata;
    getcontext(&t->context);
    t->context.uc_stack.ss_sp = t->stack;
    t->context.uc_stack.ss_size = STACK_SIZE;
    makecontext(&t->context, thread_entry, 0);
    while (*p)
        p = &(*p)->next;
    *p = t;
    *ret = (pthread_t)(uintptr_t)t;
    return 0;
}

int pthread_join(pthread_t thread, void **ret)
{
    struct thread *t = (struct thread *)(uintptr_t)thread;
    while (!t->done)
        if (!threads_run())
            world_tick();
    if (ret)
        *ret = t->result;
    forget(t);
    return 0;
}

int pthread_detach(pthread_t thread)
{
    ((struct thread *)(uintptr_t)thread)->detached = true;
    return 0;
}

static int wait_condition(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    struct thread *t = current;
    if (!t) {
        fprintf(stderr, "lives: the loop waits on a condition\n");
        abort();
    }
    t->condition = condition;
    t->deadline_usec = NEVER;
    pthread_mutex_unlock(mutex);
    yield();
    pthread_mutex_lock(mutex);
    return 0;
}

int pthread_cond_wait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex)
{
    return wait_condition(condition, mutex);
}

int pthread_cond_broadcast(pthread_cond_t *condition)
{
    for (struct thread *t = threads; t; t = t->next)
        if (t->condition == condition) {
            t->condition = NULL;
            t->deadline_usec = 0;
        }
    return 0;
}

int pthread_cond_signal(pthread_cond_t *condition)
{
    return pthread_cond_broadcast(condition);
}

static int wait_poll(struct pollfd *fds, nfds_t n, uint64_t timeout_usec)
{
    uint64_t end = timeout_usec == NEVER ? NEVER : world.steady_usec + timeout_usec;
    for (;;) {
        int r = (int)syscall(SYS_poll, fds, n, 0);
        if (r != 0 || timeout_usec == 0 || world.steady_usec >= end || !world.running)
            return r;
        if (!current) { /* the loop waits for a socket's room: the world makes some */
            world_tick();
            continue;
        }
        unsigned i = 0;
        while (i < 15 && waits[i].thread)
            i++;
        waits[i].thread = current;
        waits[i].fds = fds;
        waits[i].n = n;
        current->deadline_usec = end;
        yield();
        waits[i].thread = NULL;
        if (world.death)
            return (int)syscall(SYS_poll, fds, n, 0);
    }
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    return wait_poll(fds, n, timeout < 0 ? NEVER : (uint64_t)timeout * 1000);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
    (void)mask;
    return wait_poll(fds, n,
                     timeout ? (uint64_t)timeout->tv_sec * SECOND +
                                   (uint64_t)timeout->tv_nsec / 1000
                             : NEVER);
}
